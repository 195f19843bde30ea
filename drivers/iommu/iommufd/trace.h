/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Saying what happens, and why it does not.
 */
#ifndef _IOMMUFD_TRACE_H
#define _IOMMUFD_TRACE_H

#include <trace/events/iommufd.h>

/* Returns @ret. */
__cold int iommufd_refuse(enum iommufd_reason reason, int ret);

#endif
