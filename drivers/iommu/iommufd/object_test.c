// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of objects: ids, lookup, destruction, and the race between them.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/sched/task.h>

#include "object.h"

static struct task_struct *create_thread(struct kunit *test,
					 int (*fn)(void *data), void *data)
{
	struct task_struct *task;

	task = kthread_create(fn, data, "iommufd_test");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	return get_task_struct(task);
}

/* Waits for the thread's end; returns what it returned. */
static int join_thread(struct task_struct *task)
{
	int ret = kthread_stop(task);

	put_task_struct(task);
	return ret;
}

/* ---- one thread ---- */

#define MAX_LOG 8

/**
 * struct object_test - a context, and what happened in it
 * @ictx: the context
 * @nr_destroyed: calls of a destructor
 * @destroyed: ids of the objects it was called for, in order
 */
struct object_test {
	struct iommufd_ctx ictx;
	unsigned int nr_destroyed;
	u32 destroyed[MAX_LOG];
};

/**
 * struct test_object - an object
 * @obj: the object
 * @uses: another that it is a long-term user of, or NULL
 */
struct test_object {
	struct iommufd_object obj;
	struct test_object *uses;
};

static void test_object_destroy(struct iommufd_ctx *ictx,
				struct iommufd_object *obj)
{
	struct object_test *t = container_of(ictx, struct object_test, ictx);
	struct test_object *tobj = container_of(obj, struct test_object, obj);

	if (t->nr_destroyed < MAX_LOG)
		t->destroyed[t->nr_destroyed] = obj->id;
	t->nr_destroyed++;
	if (tobj->uses)
		iommufd_object_unhold(&tobj->uses->obj);
}

static struct iommufd_object_type test_type = {
	.name = "iommufd_test_object",
	.destroy = test_object_destroy,
};

static struct iommufd_object_type other_type = {
	.name = "iommufd_test_other",
	.destroy = test_object_destroy,
};

static int object_test_init(struct kunit *test)
{
	struct object_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	iommufd_ctx_init(&t->ictx, NULL);
	test->priv = t;
	return 0;
}

static void object_test_exit(struct kunit *test)
{
	struct object_test *t = test->priv;

	if (t)
		iommufd_ctx_destroy(&t->ictx);
}

static struct test_object *alloc_object(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj;

	tobj = iommufd_object_alloc(&t->ictx, struct test_object, &test_type);
	KUNIT_ASSERT_FALSE(test, IS_ERR(tobj));
	return tobj;
}

static struct test_object *publish_object(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj = alloc_object(test);

	iommufd_object_publish(&t->ictx, &tobj->obj);
	return tobj;
}

static void expect_found(struct kunit *test, u32 id,
			 struct iommufd_object *expected)
{
	struct object_test *t = test->priv;
	struct iommufd_object *obj;

	obj = iommufd_object_get(&t->ictx, id, &test_type);
	KUNIT_EXPECT_PTR_EQ(test, obj, expected);
	if (!IS_ERR(obj))
		iommufd_object_put(obj);
}

static void expect_not_found(struct kunit *test, u32 id)
{
	expect_found(test, id, ERR_PTR(-ENOENT));
}

static void ids_begin_at_1_and_differ(struct kunit *test)
{
	u32 id;

	for (id = 1; id <= 100; id++)
		KUNIT_EXPECT_EQ(test, publish_object(test)->obj.id, id);
}

static void lookup_finds_what_is_published(struct kunit *test)
{
	struct test_object *a = publish_object(test);
	struct test_object *b = publish_object(test);

	expect_found(test, a->obj.id, &a->obj);
	expect_found(test, b->obj.id, &b->obj);
	expect_not_found(test, 0);
	expect_not_found(test, b->obj.id + 1);
	expect_not_found(test, U32_MAX);
}

static void lookup_fails_before_publish(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj = alloc_object(test);
	u32 id = tobj->obj.id;

	expect_not_found(test, id);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, id), -ENOENT);

	iommufd_object_publish(&t->ictx, &tobj->obj);
	expect_found(test, id, &tobj->obj);
}

static void lookup_of_another_type_is_enoent(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj = publish_object(test);
	struct iommufd_object *obj;

	obj = iommufd_object_get(&t->ictx, tobj->obj.id, &other_type);
	KUNIT_EXPECT_PTR_EQ(test, obj, ERR_PTR(-ENOENT));
	obj = iommufd_object_get_held(&t->ictx, tobj->obj.id, &other_type);
	KUNIT_EXPECT_PTR_EQ(test, obj, ERR_PTR(-ENOENT));

	/* No type means any. */
	obj = iommufd_object_get(&t->ictx, tobj->obj.id, NULL);
	KUNIT_ASSERT_PTR_EQ(test, obj, &tobj->obj);
	iommufd_object_put(obj);
}

static void abort_frees_the_id(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj = alloc_object(test);
	u32 id = tobj->obj.id;

	iommufd_object_abort(&t->ictx, &tobj->obj);
	KUNIT_EXPECT_EQ(test, t->nr_destroyed, 0);
	expect_not_found(test, id);
	KUNIT_EXPECT_EQ(test, publish_object(test)->obj.id, id);
}

static void destroy_of_nothing_is_enoent(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj = publish_object(test);

	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, 0), -ENOENT);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, U32_MAX),
			-ENOENT);
	KUNIT_EXPECT_EQ(test,
			iommufd_object_destroy(&t->ictx, tobj->obj.id + 1),
			-ENOENT);
}

static void destroy_calls_the_destructor_once(struct kunit *test)
{
	struct object_test *t = test->priv;
	u32 id = publish_object(test)->obj.id;

	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, id), 0);
	KUNIT_EXPECT_EQ(test, t->nr_destroyed, 1);
	expect_not_found(test, id);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, id), -ENOENT);
	KUNIT_EXPECT_EQ(test, t->nr_destroyed, 1);
}

static void destroy_of_a_held_object_is_ebusy(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj = publish_object(test);
	u32 id = tobj->obj.id;

	KUNIT_ASSERT_PTR_EQ(test,
			    iommufd_object_get_held(&t->ictx, id, &test_type),
			    &tobj->obj);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, id), -EBUSY);
	/* Nothing has changed for anyone. */
	expect_found(test, id, &tobj->obj);
	KUNIT_EXPECT_TRUE(test, iommufd_object_tryhold(&tobj->obj));
	KUNIT_EXPECT_EQ(test, t->nr_destroyed, 0);

	iommufd_object_unhold(&tobj->obj);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, id), -EBUSY);
	iommufd_object_unhold(&tobj->obj);
	KUNIT_EXPECT_EQ(test, iommufd_object_destroy(&t->ictx, id), 0);
}

static void unhold_destroy_destroys_at_the_last_user(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *tobj = publish_object(test);
	u32 id = tobj->obj.id;

	KUNIT_ASSERT_TRUE(test, iommufd_object_tryhold(&tobj->obj));
	KUNIT_ASSERT_TRUE(test, iommufd_object_tryhold(&tobj->obj));

	KUNIT_EXPECT_FALSE(test, iommufd_object_unhold_destroy(&t->ictx,
							       &tobj->obj));
	expect_found(test, id, &tobj->obj);
	KUNIT_EXPECT_EQ(test, t->nr_destroyed, 0);

	KUNIT_EXPECT_TRUE(test, iommufd_object_unhold_destroy(&t->ictx,
							      &tobj->obj));
	expect_not_found(test, id);
	KUNIT_EXPECT_EQ(test, t->nr_destroyed, 1);
}

static void close_destroys_users_before_what_they_use(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct test_object *base = publish_object(test);
	struct test_object *middle = publish_object(test);
	struct test_object *top = publish_object(test);

	KUNIT_ASSERT_TRUE(test, iommufd_object_tryhold(&base->obj));
	middle->uses = base;
	KUNIT_ASSERT_TRUE(test, iommufd_object_tryhold(&middle->obj));
	top->uses = middle;

	iommufd_object_destroy_all(&t->ictx);
	KUNIT_ASSERT_EQ(test, t->nr_destroyed, 3);
	KUNIT_EXPECT_EQ(test, t->destroyed[0], 3);
	KUNIT_EXPECT_EQ(test, t->destroyed[1], 2);
	KUNIT_EXPECT_EQ(test, t->destroyed[2], 1);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ictx.objects));
}

/* ---- a call in flight ---- */

/**
 * struct flight - a call, and a DESTROY that meets it
 * @t: the test
 * @id: of the object
 * @obj: the object, once the call has found it
 * @found: the call has found it
 * @may_end: the call may return
 */
struct flight {
	struct object_test *t;
	u32 id;
	struct iommufd_object *obj;
	struct completion found;
	struct completion may_end;
};

static int call_in_flight(void *data)
{
	struct flight *flight = data;
	int ret;

	flight->obj = iommufd_object_get(&flight->t->ictx, flight->id, NULL);
	complete(&flight->found);
	if (IS_ERR(flight->obj))
		return PTR_ERR(flight->obj);
	wait_for_completion(&flight->may_end);
	ret = READ_ONCE(flight->t->nr_destroyed) ? -EFAULT : 0;
	iommufd_object_put(flight->obj);
	return ret;
}

static int destroy_meanwhile(void *data)
{
	struct flight *flight = data;

	return iommufd_object_destroy(&flight->t->ictx, flight->id);
}

static bool wait_until_gone(struct flight *flight)
{
	struct iommufd_object *obj;
	unsigned int ms;

	for (ms = 0; ms < 10000; ms++) {
		obj = iommufd_object_get(&flight->t->ictx, flight->id, NULL);
		if (IS_ERR(obj))
			return true;
		iommufd_object_put(obj);
		usleep_range(1000, 2000);
	}
	return false;
}

static void destroy_waits_for_a_call_in_flight(struct kunit *test)
{
	struct object_test *t = test->priv;
	struct task_struct *caller, *destroyer;
	struct flight *flight;

	flight = kunit_kzalloc(test, sizeof(*flight), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, flight);
	flight->t = t;
	flight->id = publish_object(test)->obj.id;
	init_completion(&flight->found);
	init_completion(&flight->may_end);
	caller = create_thread(test, call_in_flight, flight);
	destroyer = create_thread(test, destroy_meanwhile, flight);

	wake_up_process(caller);
	wait_for_completion(&flight->found);
	wake_up_process(destroyer);

	/* The object is dying: nobody can find or hold it any more ... */
	KUNIT_EXPECT_TRUE(test, wait_until_gone(flight));
	KUNIT_EXPECT_FALSE(test, iommufd_object_tryhold(flight->obj));
	/* ... but it stays whole as long as the call needs it. */
	msleep(50);
	KUNIT_EXPECT_EQ(test, READ_ONCE(t->nr_destroyed), 0);

	complete(&flight->may_end);
	KUNIT_EXPECT_EQ(test, join_thread(caller), 0);
	KUNIT_EXPECT_EQ(test, join_thread(destroyer), 0);
	KUNIT_EXPECT_EQ(test, t->nr_destroyed, 1);
}

static struct kunit_case object_cases[] = {
	KUNIT_CASE(ids_begin_at_1_and_differ),
	KUNIT_CASE(lookup_finds_what_is_published),
	KUNIT_CASE(lookup_fails_before_publish),
	KUNIT_CASE(lookup_of_another_type_is_enoent),
	KUNIT_CASE(abort_frees_the_id),
	KUNIT_CASE(destroy_of_nothing_is_enoent),
	KUNIT_CASE(destroy_calls_the_destructor_once),
	KUNIT_CASE(destroy_of_a_held_object_is_ebusy),
	KUNIT_CASE(unhold_destroy_destroys_at_the_last_user),
	KUNIT_CASE(close_destroys_users_before_what_they_use),
	KUNIT_CASE(destroy_waits_for_a_call_in_flight),
	{}
};

static struct kunit_suite object_suite = {
	.name = "iommufd_object",
	.init = object_test_init,
	.exit = object_test_exit,
	.test_cases = object_cases,
};

/* ---- many threads ---- */

/* So few ids that the threads meet at each of them all the time. */
#define RACE_IDS 3
#define RACE_ROUNDS 12
#define RACE_ROUND_MS 100

/**
 * struct race - a context that several threads use at once
 * @ictx: the context
 * @published: objects that were published
 * @destroyed: calls of the destructor
 * @claimed: calls that said they have destroyed an object
 * @lookups: lookups that found one
 * @broken: the first rule that was seen broken, or NULL
 */
struct race {
	struct iommufd_ctx ictx;
	atomic_t published;
	atomic_t destroyed;
	atomic_t claimed;
	atomic_t lookups;
	const char *broken;
};

/**
 * struct race_object - an object that knows who is using it
 * @obj: the object
 * @calls: lookups that have not put it yet
 * @holders: long-term users
 * @destroyed: the destructor was called
 */
struct race_object {
	struct iommufd_object obj;
	atomic_t calls;
	atomic_t holders;
	bool destroyed;
};

static void expect_rule(struct race *race, bool kept, const char *rule)
{
	if (!kept)
		cmpxchg(&race->broken, NULL, rule);
}

static void race_object_destroy(struct iommufd_ctx *ictx,
				struct iommufd_object *obj)
{
	struct race_object *robj = container_of(obj, struct race_object, obj);
	struct race *race = container_of(ictx, struct race, ictx);

	expect_rule(race, !atomic_read(&robj->calls),
		    "no call is in flight when the destructor runs");
	expect_rule(race, !atomic_read(&robj->holders),
		    "nobody holds the object when the destructor runs");
	expect_rule(race, !xchg(&robj->destroyed, true),
		    "the destructor runs once");
	atomic_inc(&race->destroyed);
}

static struct iommufd_object_type race_type = {
	.name = "iommufd_test_race",
	.destroy = race_object_destroy,
};

static u32 random_id(void)
{
	return 1 + get_random_u32() % RACE_IDS;
}

/* Now and then lets others run, so that it is a race on one CPU, too. */
static void dawdle(void)
{
	unsigned int n = get_random_u32() % 64;

	if (!n)
		usleep_range(10, 100);
	else if (n < 8)
		schedule();
}

static void make_one(struct race *race)
{
	struct race_object *robj;

	if (atomic_read(&race->published) - atomic_read(&race->destroyed) >=
	    RACE_IDS)
		return;
	robj = iommufd_object_alloc(&race->ictx, struct race_object,
				    &race_type);
	if (IS_ERR(robj))
		return;
	dawdle();
	if (get_random_u32() % 8) {
		atomic_inc(&race->published);
		iommufd_object_publish(&race->ictx, &robj->obj);
	} else {
		iommufd_object_abort(&race->ictx, &robj->obj);
	}
}

static void look_one_up(struct race *race)
{
	struct race_object *robj;
	struct iommufd_object *obj;

	obj = iommufd_object_get(&race->ictx, random_id(), &race_type);
	if (IS_ERR(obj))
		return;
	robj = container_of(obj, struct race_object, obj);
	atomic_inc(&robj->calls);
	atomic_inc(&race->lookups);
	expect_rule(race, !READ_ONCE(robj->destroyed),
		    "a lookup does not find what was destroyed");
	dawdle();
	expect_rule(race, !READ_ONCE(robj->destroyed),
		    "what was looked up stays whole");
	atomic_dec(&robj->calls);
	iommufd_object_put(obj);
}

static void expect_can_look_up(struct race *race, struct iommufd_object *held)
{
	struct iommufd_object *obj;

	obj = iommufd_object_get(&race->ictx, held->id, NULL);
	expect_rule(race, obj == held,
		    "DESTROY of a held object does not disturb a lookup");
	if (!IS_ERR(obj))
		iommufd_object_put(obj);
}

static void hold_one(struct race *race)
{
	struct race_object *robj;
	struct iommufd_object *obj;
	unsigned int i;

	obj = iommufd_object_get_held(&race->ictx, random_id(), &race_type);
	if (IS_ERR(obj))
		return;
	robj = container_of(obj, struct race_object, obj);
	atomic_inc(&robj->holders);
	for (i = 0; i < 4; i++) {
		expect_can_look_up(race, obj);
		dawdle();
	}
	expect_rule(race, !READ_ONCE(robj->destroyed),
		    "what is held stays whole");
	atomic_dec(&robj->holders);
	if (get_random_u32() % 2)
		iommufd_object_unhold(obj);
	else if (iommufd_object_unhold_destroy(&race->ictx, obj))
		atomic_inc(&race->claimed);
}

static void destroy_one(struct race *race)
{
	int ret = iommufd_object_destroy(&race->ictx, random_id());

	expect_rule(race, !ret || ret == -ENOENT || ret == -EBUSY,
		    "DESTROY says 0, ENOENT or EBUSY");
	if (!ret)
		atomic_inc(&race->claimed);
	dawdle();
}

static void (*const race_steps[])(struct race *race) = {
	make_one, look_one_up, destroy_one, hold_one, look_one_up, destroy_one,
};

/**
 * struct racer - what one thread does
 * @race: where
 * @step: again and again
 */
struct racer {
	struct race *race;
	void (*step)(struct race *race);
};

static int racer_thread(void *data)
{
	struct racer *racer = data;

	while (!kthread_should_stop()) {
		racer->step(racer->race);
		cond_resched();
	}
	return 0;
}

static void race_round(struct kunit *test, struct race *race)
{
	struct task_struct *tasks[ARRAY_SIZE(race_steps)];
	struct racer racers[ARRAY_SIZE(race_steps)];
	int cpu = cpumask_first(cpu_online_mask);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(race_steps); i++) {
		racers[i].race = race;
		racers[i].step = race_steps[i];
		tasks[i] = create_thread(test, racer_thread, &racers[i]);
		kthread_bind(tasks[i], cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
	}
	for (i = 0; i < ARRAY_SIZE(race_steps); i++)
		wake_up_process(tasks[i]);
	msleep(RACE_ROUND_MS);
	for (i = 0; i < ARRAY_SIZE(race_steps); i++)
		join_thread(tasks[i]);
}

/*
 * Calls of every kind meet at the same few ids.  With two CPUs they meet inside
 * of each function; with one, wherever a thread sleeps.
 */
static void lookup_hold_and_destroy_at_once(struct kunit *test)
{
	unsigned int round, left, lookups = 0, claimed = 0;
	struct race *race;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	for (round = 0; round < RACE_ROUNDS && !race->broken; round++) {
		memset(race, 0, sizeof(*race));
		iommufd_ctx_init(&race->ictx, NULL);
		race_round(test, race);

		KUNIT_EXPECT_EQ(test, atomic_read(&race->destroyed),
				atomic_read(&race->claimed));
		lookups += atomic_read(&race->lookups);
		claimed += atomic_read(&race->claimed);

		/* The file closes: what is left goes, and each object once. */
		left = atomic_read(&race->published) -
		       atomic_read(&race->destroyed);
		KUNIT_EXPECT_LE(test, left, RACE_IDS);
		iommufd_ctx_destroy(&race->ictx);
		KUNIT_EXPECT_EQ(test, atomic_read(&race->destroyed),
				atomic_read(&race->published));
	}
	kunit_info(test, "%u CPUs, %u lookups, %u objects destroyed",
		   num_online_cpus(), lookups, claimed);
	if (race->broken)
		KUNIT_FAIL(test, "broken: %s", race->broken);
	/* It was no race if the threads never got anywhere. */
	KUNIT_EXPECT_GT(test, lookups, RACE_ROUNDS);
	KUNIT_EXPECT_GT(test, claimed, RACE_ROUNDS);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(lookup_hold_and_destroy_at_once),
	{}
};

static struct kunit_suite race_suite = {
	.name = "iommufd_object_race",
	.test_cases = race_cases,
};

kunit_test_suites(&object_suite, &race_suite);
