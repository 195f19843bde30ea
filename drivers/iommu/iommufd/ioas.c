// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of an IOAS: from the user's struct to a call on the I/O address
 * space.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/iommufd.h>

#include "hwpt.h"
#include "ioctl.h"
#include "pages.h"
#include "selftest.h"
#include "trace.h"

static struct iommufd_ioas *to_ioas(struct iommufd_object *obj)
{
	if (IS_ERR(obj))
		return ERR_PTR(iommufd_refuse(IOMMUFD_REASON_NO_IOAS,
					      PTR_ERR(obj)));
	return container_of(obj, struct iommufd_ioas, obj);
}

static void ioas_destroy(struct iommufd_ctx *ictx, struct iommufd_object *obj)
{
	struct iommufd_ioas *ioas = container_of(obj, struct iommufd_ioas, obj);

	iommufd_vfio_forget_ioas(ictx, ioas);
	iommufd_test_ioas_destroy(ioas);
	iopt_destroy(&ioas->iopt);
}

struct iommufd_object_type iommufd_ioas_type = {
	.name = "iommufd_ioas",
	.destroy = ioas_destroy,
};

/**
 * iommufd_ioas_get() - look an IOAS up for the length of a call
 * @ictx: context to look in
 * @id: the IOAS's id
 *
 * Context: as iommufd_object_get(); to be given back with iommufd_object_put().
 * Return: the IOAS or ERR_PTR(-ENOENT).
 */
struct iommufd_ioas *iommufd_ioas_get(struct iommufd_ctx *ictx, u32 id)
{
	return to_ioas(iommufd_object_get(ictx, id, &iommufd_ioas_type));
}

/**
 * iommufd_ioas_get_held() - look an IOAS up and become a long-term user
 * @ictx: context to look in
 * @id: the IOAS's id
 *
 * Context: as iommufd_object_get_held(); to be given back with
 * iommufd_object_unhold().
 * Return: the IOAS or ERR_PTR(-ENOENT).
 */
struct iommufd_ioas *iommufd_ioas_get_held(struct iommufd_ctx *ictx, u32 id)
{
	return to_ioas(iommufd_object_get_held(ictx, id, &iommufd_ioas_type));
}

/**
 * iommufd_ioas_alloc() - make an IOAS
 * @ictx: the context
 *
 * Context: process context, may sleep.
 * Return: an empty IOAS, to be published or aborted; or ERR_PTR(-ENOMEM).
 */
struct iommufd_ioas *iommufd_ioas_alloc(struct iommufd_ctx *ictx)
{
	struct iommufd_ioas *ioas;

	ioas = iommufd_object_alloc(ictx, struct iommufd_ioas,
				    &iommufd_ioas_type);
	if (IS_ERR(ioas))
		return ioas;
	iopt_init(&ioas->iopt);
	INIT_LIST_HEAD(&ioas->hwpts);
	return ioas;
}

int iommufd_ioas_alloc_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_alloc *cmd = call->arg;
	struct iommufd_ioas *ioas;
	int ret;

	if (cmd->flags)
		return -EOPNOTSUPP;

	ioas = iommufd_ioas_alloc(call->ictx);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	cmd->out_ioas_id = ioas->obj.id;
	ret = iommufd_reply(call, sizeof(*cmd));
	if (ret) {
		iommufd_object_abort(call->ictx, &ioas->obj);
		return ret;
	}
	iommufd_object_publish(call->ictx, &ioas->obj);
	return 0;
}

static int copy_ranges(struct iommu_iova_range __user *uptr,
		       const struct iopt_range *ranges, unsigned long nr)
{
	struct iommu_iova_range range;
	unsigned long i;

	for (i = 0; i < nr; i++) {
		range.start = ranges[i].start;
		range.last = ranges[i].last;
		if (copy_to_user(&uptr[i], &range, sizeof(range)))
			return -EFAULT;
	}
	return 0;
}

/* Sets @nr to how many ranges there are; they may be more than were asked. */
static int get_ranges(struct iommufd_call *call, struct iopt_range **ranges,
		      unsigned long *nr)
{
	struct iommu_ioas_iova_ranges *cmd = call->arg;
	unsigned long max, alignment;
	struct iommufd_ioas *ioas;
	int ret = 0;

	ioas = iommufd_ioas_get(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	/* No more memory than there are ranges, whatever the user asks for. */
	max = iopt_usable_ranges(&ioas->iopt, NULL, 0, &alignment);
	max = min_t(unsigned long, max, cmd->num_iovas);
	*ranges = kvmalloc_array(max, sizeof(**ranges), IOMMUFD_GFP);
	if (*ranges || !max)
		*nr = iopt_usable_ranges(&ioas->iopt, *ranges, max, &alignment);
	else
		ret = -ENOMEM;
	iommufd_object_put(&ioas->obj);

	/* A range more that came meanwhile is told, but not filled in. */
	cmd->num_iovas = max;
	cmd->out_iova_alignment = alignment;
	return ret;
}

int iommufd_ioas_iova_ranges_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_iova_ranges *cmd = call->arg;
	struct iopt_range *ranges;
	unsigned long nr;
	int ret;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	ret = get_ranges(call, &ranges, &nr);
	if (ret)
		return ret;
	ret = copy_ranges(u64_to_user_ptr(cmd->allowed_iovas), ranges,
			  min_t(unsigned long, nr, cmd->num_iovas));
	kvfree(ranges);
	if (ret)
		return ret;

	if (nr > cmd->num_iovas)
		ret = -EMSGSIZE;
	cmd->num_iovas = nr;
	return iommufd_reply(call, sizeof(*cmd)) ?: ret;
}

/* One by one: no more memory than the user has good ranges. */
static int read_allowed(const struct iommu_ioas_allow_iovas *cmd,
			struct rb_root_cached *allowed)
{
	struct iommu_iova_range __user *uptr =
		u64_to_user_ptr(cmd->allowed_iovas);
	struct iommu_iova_range range;
	int ret;
	u32 i;

	for (i = 0; i < cmd->num_iovas; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (copy_from_user(&range, &uptr[i], sizeof(range)))
			return -EFAULT;
		if (range.start > ULONG_MAX || range.last > ULONG_MAX)
			return iommufd_refuse(IOMMUFD_REASON_NUMBER_TOO_LARGE,
					      -EOVERFLOW);
		ret = iopt_add_allowed(allowed, range.start, range.last);
		if (ret)
			return ret;
		cond_resched();
	}
	return 0;
}

int iommufd_ioas_allow_iovas_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_allow_iovas *cmd = call->arg;
	struct rb_root_cached allowed = RB_ROOT_CACHED;
	struct iommufd_ioas *ioas;
	int ret;

	if (cmd->__reserved)
		return -EOPNOTSUPP;

	/* The id first; held, not just looked up: this touches user memory. */
	ioas = iommufd_ioas_get_held(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ret = read_allowed(cmd, &allowed);
	if (!ret)
		ret = iopt_allow(&ioas->iopt, &allowed);
	iopt_free_allowed(&allowed);
	iommufd_object_unhold(&ioas->obj);
	return ret;
}

static int ioas_map_prot(u32 flags)
{
	int prot = 0;

	if (flags & IOMMU_IOAS_MAP_READABLE)
		prot |= IOMMU_READ;
	if (flags & IOMMU_IOAS_MAP_WRITEABLE)
		prot |= IOMMU_WRITE;
	return prot;
}

#define MAP_FLAGS                                                 \
	(IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |   \
	 IOMMU_IOAS_MAP_READABLE)

/* What MAP, MAP_FILE and COPY check first, in this order. */
static int check_map(u32 flags, u32 reserved, u64 iova, u64 length, u64 from)
{
	if (flags & ~MAP_FLAGS || reserved)
		return iommufd_refuse(IOMMUFD_REASON_UNKNOWN_FLAG, -EOPNOTSUPP);
	if (iova >= ULONG_MAX || length >= ULONG_MAX || from > ULONG_MAX)
		return iommufd_refuse(IOMMUFD_REASON_NUMBER_TOO_LARGE,
				      -EOVERFLOW);
	if (!ioas_map_prot(flags))
		return iommufd_refuse(IOMMUFD_REASON_NO_ACCESS_ASKED, -EINVAL);
	return 0;
}

/*
 * Places, tells the user where, and fills: in this order nothing is undone.
 * Takes over the areas.  @iova is in @call's struct, which has @size bytes.
 */
static int ioas_map_areas(struct iommufd_call *call, size_t size,
			  struct io_pagetable *iopt, struct list_head *areas,
			  u32 flags, u64 *iova)
{
	unsigned long place = *iova;
	int ret;

	if (flags & IOMMU_IOAS_MAP_FIXED_IOVA)
		ret = iopt_place(iopt, areas, place);
	else
		ret = iopt_place_anywhere(iopt, areas, &place);
	if (ret)
		goto err_free;

	*iova = place;
	ret = iommufd_reply(call, size);
	if (ret)
		goto err_unplace;
	return iopt_fill(iopt, areas);

err_unplace:
	iopt_unplace(iopt, areas);
err_free:
	iopt_free_areas(areas);
	return ret;
}

static int map_user(struct iommufd_call *call)
{
	struct iommu_ioas_map *cmd = call->arg;
	struct iommufd_ioas *ioas;
	LIST_HEAD(areas);
	int ret;

	ret = check_map(cmd->flags, cmd->__reserved, cmd->iova, cmd->length,
			cmd->user_va);
	if (ret)
		return ret;

	/* Held, not just looked up: the map touches user memory. */
	ioas = iommufd_ioas_get_held(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	ret = iopt_add_user(&areas, cmd->user_va, cmd->length,
			    ioas_map_prot(cmd->flags), &call->ictx->payers);
	if (!ret)
		ret = ioas_map_areas(call, sizeof(*cmd), &ioas->iopt, &areas,
				     cmd->flags, (u64 *)&cmd->iova);
	iommufd_object_unhold(&ioas->obj);
	return ret;
}

int iommufd_ioas_map_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_map *cmd = call->arg;
	int ret = map_user(call);

	trace_iommufd_map(cmd->ioas_id, cmd->iova, cmd->length, cmd->user_va,
			  -1, cmd->flags, ret);
	return ret;
}

static int add_fd(struct iommufd_call *call, struct list_head *areas)
{
	struct iommu_ioas_map_file *cmd = call->arg;
	struct file *file;
	int ret;

	file = fget(cmd->fd);
	if (!file)
		return iommufd_refuse(IOMMUFD_REASON_NO_FILE, -EBADF);
	ret = iopt_add_file(areas, file, cmd->start, cmd->length,
			    ioas_map_prot(cmd->flags), &call->ictx->payers);
	fput(file);
	return ret;
}

static int map_file(struct iommufd_call *call)
{
	struct iommu_ioas_map_file *cmd = call->arg;
	struct iommufd_ioas *ioas;
	LIST_HEAD(areas);
	int ret;

	ret = check_map(cmd->flags, 0, cmd->iova, cmd->length, cmd->start);
	if (ret)
		return ret;

	ioas = iommufd_ioas_get_held(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);

	ret = add_fd(call, &areas);
	if (!ret)
		ret = ioas_map_areas(call, sizeof(*cmd), &ioas->iopt, &areas,
				     cmd->flags, (u64 *)&cmd->iova);
	iommufd_object_unhold(&ioas->obj);
	return ret;
}

int iommufd_ioas_map_file_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_map_file *cmd = call->arg;
	int ret = map_file(call);

	trace_iommufd_map(cmd->ioas_id, cmd->iova, cmd->length, cmd->start,
			  cmd->fd, cmd->flags, ret);
	return ret;
}

static int copy_areas(struct iommufd_call *call, struct list_head *areas)
{
	struct iommu_ioas_copy *cmd = call->arg;
	struct iommufd_ioas *src;
	int ret;

	src = iommufd_ioas_get(call->ictx, cmd->src_ioas_id);
	if (IS_ERR(src))
		return PTR_ERR(src);
	if (!cmd->length)
		ret = iommufd_refuse(IOMMUFD_REASON_LENGTH_ZERO, -EINVAL);
	else if (cmd->length > SIZE_MAX - PAGE_SIZE)
		ret = iommufd_refuse(IOMMUFD_REASON_LENGTH_TOO_LONG, -EINVAL);
	else
		ret = iopt_add_copy(areas, &src->iopt, cmd->src_iova,
				    cmd->length, ioas_map_prot(cmd->flags));
	iommufd_object_put(&src->obj);
	if (ret)
		iopt_free_areas(areas);
	return ret;
}

static int copy(struct iommufd_call *call)
{
	struct iommu_ioas_copy *cmd = call->arg;
	struct iommufd_ioas *dst;
	LIST_HEAD(areas);
	int ret;

	ret = check_map(cmd->flags, 0, cmd->dst_iova, cmd->length,
			cmd->src_iova);
	if (ret)
		return ret;
	if (cmd->src_iova >= ULONG_MAX)
		return iommufd_refuse(IOMMUFD_REASON_NUMBER_TOO_LARGE,
				      -EOVERFLOW);

	dst = iommufd_ioas_get_held(call->ictx, cmd->dst_ioas_id);
	if (IS_ERR(dst))
		return PTR_ERR(dst);

	ret = copy_areas(call, &areas);
	if (!ret)
		ret = ioas_map_areas(call, sizeof(*cmd), &dst->iopt, &areas,
				     cmd->flags, &cmd->dst_iova);
	iommufd_object_unhold(&dst->obj);
	return ret;
}

int iommufd_ioas_copy_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_copy *cmd = call->arg;
	int ret = copy(call);

	trace_iommufd_copy(cmd->dst_ioas_id, cmd->dst_iova, cmd->length,
			   cmd->src_ioas_id, cmd->src_iova, cmd->flags, ret);
	return ret;
}

static int map_fixed(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
		     unsigned long iova, unsigned long uptr,
		     unsigned long length, int prot)
{
	LIST_HEAD(areas);
	int ret;

	ret = iopt_add_user(&areas, uptr, length, prot, &ictx->payers);
	if (ret)
		return ret;
	ret = iopt_place(&ioas->iopt, &areas, iova);
	if (ret) {
		iopt_free_areas(&areas);
		return ret;
	}
	return iopt_fill(&ioas->iopt, &areas);
}

/* What ioas_map_prot() was given. */
static u32 flags_of_prot(int prot)
{
	return IOMMU_IOAS_MAP_FIXED_IOVA |
	       (prot & IOMMU_READ ? IOMMU_IOAS_MAP_READABLE : 0) |
	       (prot & IOMMU_WRITE ? IOMMU_IOAS_MAP_WRITEABLE : 0);
}

/**
 * iommufd_ioas_map_fixed() - map memory of the current process
 * @ictx: the context
 * @ioas: the IOAS, held
 * @iova: first I/O address
 * @uptr: first byte
 * @length: in bytes
 * @prot: IOMMU_READ, IOMMU_WRITE
 *
 * Context: process context; no locks held: faults memory in.
 * Return: 0 or an errno of iopt_add_user(), iopt_place() or iopt_fill().
 */
int iommufd_ioas_map_fixed(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			   unsigned long iova, unsigned long uptr,
			   unsigned long length, int prot)
{
	int ret = map_fixed(ictx, ioas, iova, uptr, length, prot);

	trace_iommufd_map(ioas->obj.id, iova, length, uptr, -1,
			  flags_of_prot(prot), ret);
	return ret;
}

static int ioas_unmap_range(struct io_pagetable *iopt, u64 iova, u64 length,
			    unsigned long *unmapped, struct list_head *drop)
{
	unsigned long last;

	if (!iova && length == U64_MAX)
		return iopt_unmap_all(iopt, unmapped, drop);
	if (iova >= ULONG_MAX || length >= ULONG_MAX)
		return iommufd_refuse(IOMMUFD_REASON_NUMBER_TOO_LARGE,
				      -EOVERFLOW);
	if (!length)
		return iommufd_refuse(IOMMUFD_REASON_LENGTH_ZERO, -EINVAL);
	if (check_add_overflow((unsigned long)iova, (unsigned long)length - 1,
			       &last))
		return iommufd_refuse(IOMMUFD_REASON_IOVA_WRAPS, -EOVERFLOW);
	return iopt_unmap(iopt, iova, last, unmapped, drop);
}

static int unmap(struct iommufd_call *call, unsigned long *unmapped)
{
	struct iommu_ioas_unmap *cmd = call->arg;
	struct iommufd_ioas *ioas;
	LIST_HEAD(drop);
	int ret;

	ioas = iommufd_ioas_get(call->ictx, cmd->ioas_id);
	if (IS_ERR(ioas))
		return PTR_ERR(ioas);
	ret = ioas_unmap_range(&ioas->iopt, cmd->iova, cmd->length, unmapped,
			       &drop);
	iommufd_object_put(&ioas->obj);
	/* May wait for a page fault of the payer's: a DESTROY must not. */
	iopt_pins_drop(&drop);
	return ret;
}

int iommufd_ioas_unmap_ioctl(struct iommufd_call *call)
{
	struct iommu_ioas_unmap *cmd = call->arg;
	unsigned long unmapped = 0;
	int ret = unmap(call, &unmapped);

	trace_iommufd_unmap(cmd->ioas_id, cmd->iova, cmd->length, unmapped,
			    ret);
	if (ret)
		return ret;

	cmd->length = unmapped;
	return iommufd_reply(call, sizeof(*cmd));
}
