// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints.
 */
#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * iommufd_refuse() - say why something fails
 * @reason: why
 * @ret: a negative errno
 *
 * A function of its own, so that all a refusal costs is a call where the path is
 * left anyway.
 *
 * Context: any, also with locks held.
 * Return: @ret.
 */
int iommufd_refuse(enum iommufd_reason reason, int ret)
{
	trace_iommufd_refused(reason, ret);
	return ret;
}
