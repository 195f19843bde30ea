/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor of the QEMU that this machine runs in, as a serial port: commands
 * that no guest can do otherwise, such as to unplug a device.
 */
#ifndef VFIO_LIB_MONITOR_H
#define VFIO_LIB_MONITOR_H

/* The file, with the monitor waiting for a command; or a negative errno. */
int monitor_open(void);

/*
 * Have a command done, "device_del nic0" or the like, and wait for its end.
 * -EIO: the monitor refused it.
 */
int monitor_command(int monitor, const char *command);

#endif
