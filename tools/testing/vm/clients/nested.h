/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NESTED_H
#define NESTED_H

/* Called by start.S, once. */
void nested(void);

#endif
