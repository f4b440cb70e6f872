/*
 * File descriptors that close themselves.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_FD_H
#define UTIL_FD_H

/**
 * fd_close:
 * @fd: (in) descriptor, owned; -1 is accepted and ignored
 *
 * Close @fd once; errno is kept. EINTR is not retried: on Linux the
 * descriptor is gone by then.
 *
 * Returns: -1, so that `fd = fd_close(fd)` leaves no stale number behind.
 */
int fd_close(int fd);

/**
 * fd_steal:
 * @fdp: (inout) descriptor variable
 *
 * Returns: the descriptor, whose owner is now the caller; *@fdp becomes -1.
 */
static inline int fd_steal(int *fdp)
{
    int fd = *fdp;
    *fdp = -1;
    return fd;
}

static inline void fd_auto_close(int *fdp)
{
    fd_close(*fdp);
}

/* AUTO_FD fd = -1; closed when the scope ends unless fd_steal() took it. */
#define AUTO_FD __attribute__((cleanup(fd_auto_close))) int

#endif
