/*
 * Port lines of a parallel back end, for qemu_chr_fe_ioctl().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_PARALLEL_H
#define CHARDEV_CHAR_PARALLEL_H

#include <stdint.h>

/* Argument uint8_t * (in for WRITE, out for READ) */
#define CHR_IOCTL_PP_READ_DATA     3
#define CHR_IOCTL_PP_WRITE_DATA    4
#define CHR_IOCTL_PP_READ_CONTROL  5
#define CHR_IOCTL_PP_WRITE_CONTROL 6
#define CHR_IOCTL_PP_READ_STATUS   7
/* Argument ParallelIOArg */
#define CHR_IOCTL_PP_EPP_READ_ADDR  8
#define CHR_IOCTL_PP_EPP_READ       9
#define CHR_IOCTL_PP_EPP_WRITE_ADDR 10
#define CHR_IOCTL_PP_EPP_WRITE      11
/* Argument int (in): nonzero = the port reads from the peripheral */
#define CHR_IOCTL_PP_DATA_DIR 12

struct ParallelIOArg {
    void *buffer;
    int count;
};

#endif
