/*
 * Base class of back ends that are one channel for input and one for output:
 * file, pipe, stdio, serial.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_FD_H
#define CHARDEV_CHAR_FD_H

#include "chardev/char.h"
#include "io/channel.h"

typedef struct FDChardev {
    Chardev parent;
    QIOChannel *ioc_in;  /* or NULL: never any input */
    QIOChannel *ioc_out; /* or NULL: output is dropped */
} FDChardev;

DECLARE_INSTANCE_CHECKER(FDChardev, FD_CHARDEV, TYPE_CHARDEV_FD)

/**
 * qemu_chr_open_fd:
 * @chr: a chardev-fd or subclass
 * @fd_in: (in) descriptor to read, or -1; owned
 * @fd_out: (in) descriptor to write, or -1; owned; may equal @fd_in
 * @errp: (out)
 *
 * Returns: true, or false with @errp set; the descriptors are gone then.
 */
bool qemu_chr_open_fd(Chardev *chr, int fd_in, int fd_out, Error **errp);

#endif
