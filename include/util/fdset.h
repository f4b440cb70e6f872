/*
 * Sets of file descriptors handed in from outside (-add-fd, QMP add-fd), and
 * the one way to open a file by name: qemu_open() understands
 * /dev/fdset/N beside ordinary paths.
 *
 * A set holds descriptors that were opened with different access modes.
 * Opening /dev/fdset/N duplicates the one whose access mode is the mode
 * asked for. A descriptor that was removed, or that no monitor can name any
 * more because the last one disconnected, is closed once no duplicate of the
 * set is open (duplicates are counted by qemu_open() and qemu_close()).
 *
 * The registry is process-wide, as descriptors are: qemu_open() is called
 * where no object is at hand. One lock guards it; every call here may be
 * made from any thread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_FDSET_H
#define UTIL_FDSET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/typedefs.h"

/* Limit: descriptors in all sets together. */
#define FDSET_MAX_FDS 4096

/**
 * fdset_add:
 * @fd: (in) open descriptor; owned by the set on success, by the caller on
 *      failure
 * @has_fdset_id: whether @fdset_id names the set; false = a new set with the
 *      lowest free number
 * @fdset_id: number of the set, >= 0; created if there is none
 * @opaque: (in) text shown by query-fdsets, or NULL; copied
 * @ret_fdset_id: (out) number of the set, set on success; may be NULL
 * @errp: (out)
 *
 * Limit: FDSET_MAX_FDS descriptors. Thread: any.
 * Returns: true, or false with @errp set.
 * Errors: negative number; @fd not open; too many descriptors.
 */
bool fdset_add(int fd, bool has_fdset_id, int64_t fdset_id, const char *opaque,
               int64_t *ret_fdset_id, Error **errp);

/**
 * fdset_remove:
 * @fdset_id: number of the set
 * @has_fd: whether only @fd is to go; false = all of the set
 * @fd: the descriptor, as query-fdsets shows it
 * @errp: (out)
 *
 * Mark for removal; closed at once when no duplicate of the set is open.
 *
 * Thread: any.
 * Returns: true, or false with @errp set.
 * Errors: no such set, no such descriptor in it.
 */
bool fdset_remove(int64_t fdset_id, bool has_fd, int64_t fd, Error **errp);

/**
 * FdsetVisitFunc:
 * @fdset_id: number of the set
 * @fd: one of its descriptors, or -1 for a set that has none left
 * @opaque: (in) its text or NULL; borrowed for the call
 * @data: what fdset_foreach() was given
 *
 * Must not call into this file.
 */
typedef void FdsetVisitFunc(int64_t fdset_id, int fd, const char *opaque,
                            void *data);

/**
 * fdset_foreach:
 * @func: called once a descriptor, sets in ascending order of number
 * @data: passed through
 *
 * Descriptors marked for removal are left out. Thread: any.
 */
void fdset_foreach(FdsetVisitFunc *func, void *data);

/**
 * fdset_monitor_ref:
 *
 * A monitor session that can name descriptors has begun. While there is one,
 * unused descriptors are kept. Thread: any.
 */
void fdset_monitor_ref(void);

/**
 * fdset_monitor_unref:
 *
 * The session has ended. When it was the last one, sets of which no
 * duplicate is open are closed. Thread: any.
 */
void fdset_monitor_unref(void);

/**
 * fdset_parse_path:
 * @path: any path
 * @fdset_id: (out) the number, set when the return is true
 *
 * Returns: whether @path is /dev/fdset/N with N a decimal number.
 */
bool fdset_parse_path(const char *path, int64_t *fdset_id);

/**
 * fdset_open:
 * @path: "/dev/fdset/N"
 * @flags: as open(2); the access mode chooses the descriptor, O_APPEND,
 *      O_NONBLOCK and O_DIRECT are set on it, O_TRUNC truncates a file
 * @errp: (out)
 *
 * Returns: a new descriptor (close-on-exec) that qemu_close() closes, or -1
 *      with @errp and errno set.
 * Errors: not such a path; no such set (ENOENT); no descriptor with that
 *      access mode (EACCES); dup failed. Thread: any.
 */
int fdset_open(const char *path, int flags, Error **errp);

/**
 * qemu_open:
 * @name: path, or /dev/fdset/N
 * @flags: as open(2) without O_CREAT; O_CLOEXEC is always added
 * @errp: (out)
 *
 * Returns: descriptor, to be closed by qemu_close(); -1 with @errp and errno
 *      set. Thread: any.
 */
int qemu_open(const char *name, int flags, Error **errp);

/**
 * qemu_create:
 * @name: path, or /dev/fdset/N (then @mode has no meaning)
 * @flags: as open(2); O_CREAT and O_CLOEXEC are added
 * @mode: permissions of a new file, before umask
 * @errp: (out)
 *
 * Returns: as qemu_open(). Thread: any.
 */
int qemu_create(const char *name, int flags, mode_t mode, Error **errp);

/**
 * qemu_open_old:
 * @name: path, or /dev/fdset/N
 * @flags: as open(2)
 * @...: mode_t, when @flags has O_CREAT
 *
 * As qemu_open() for callers that report errno themselves.
 *
 * Returns: descriptor, or -1 with errno set. Thread: any.
 */
int qemu_open_old(const char *name, int flags, ...);

/**
 * qemu_close:
 * @fd: (in) descriptor from qemu_open() or any other, owned
 *
 * Returns: 0, or -1 with errno set. Thread: any.
 */
int qemu_close(int fd);

/**
 * qemu_unlink:
 * @name: path; /dev/fdset/N is left alone and counts as success
 *
 * Returns: 0, or -1 with errno set. Thread: any.
 */
int qemu_unlink(const char *name);

#endif
