/*
 * userfaultfd: the kernel asks this process for pages of its own memory.
 *
 * Thin over the ioctls, with what every caller needs done once: retries, what
 * "it is there already" means, ways to get a descriptor that also reports
 * faults made by the kernel for this process (KVM, system calls on guest
 * memory). Faults are of two kinds: pages that are missing (post-copy), and
 * writes to pages that were protected (background snapshots).
 *
 * Source: userfaultfd(2), ioctl_userfaultfd(2).
 * Thread: any; a descriptor may be used by several threads at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_UFFD_H
#define MIGRATION_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* What a fault is about. */
typedef struct UffdFault {
    uintptr_t addr; /* of the page, as the kernel reports it */
    int tid;        /* kernel thread that waits; 0 = unknown */
    bool write;
    bool protected; /* the page is there, but write-protected */
} UffdFault;

typedef enum UffdResult {
    UFFD_ERROR = -1, /* @errp says why */
    UFFD_PLACED = 0, /* the page is there now, waiters run */
    UFFD_EXISTS = 1, /* it was there before; waiters run */
} UffdResult;

/**
 * uffd_open:
 * @need_shmem, @need_huge: the memory has shared, hugetlb pages
 * @ret_thread_ids: (out) faults come with the thread that made them
 *
 * Returns: descriptor, close-on-exec, non-blocking; -1.
 * Errors: the kernel has none, or the process may not (how to allow it is
 * said in the message), or a feature is missing.
 */
int uffd_open(bool need_shmem, bool need_huge, bool *ret_thread_ids,
              Error **errp);

/**
 * uffd_register:
 * @addr, @len: whole pages of the mapping
 *
 * From now on missing pages there are reported.
 * Errors: this kind of mapping cannot; pages cannot be placed atomically.
 */
bool uffd_register(int fd, void *addr, size_t len, Error **errp);

/**
 * uffd_open_wp:
 * @need_shared: some of the memory is shared or has huge pages
 *
 * As uffd_open(), for uffd_register_wp().
 */
int uffd_open_wp(bool need_shared, Error **errp);

/** uffd_register_wp: as uffd_register(), for uffd_protect(). Pages that are
 *  missing stay the kernel's. */
bool uffd_register_wp(int fd, void *addr, size_t len, Error **errp);

/**
 * uffd_protect:
 * @addr, @len: whole pages, registered
 * @on: from now on a write waits and is reported; false: it may go on, and
 *     those that wait do
 */
bool uffd_protect(int fd, void *addr, size_t len, bool on, Error **errp);

/** uffd_unregister: missing pages are the kernel's again; waiters run. */
bool uffd_unregister(int fd, void *addr, size_t len, Error **errp);

/**
 * uffd_copy:
 * @dst: (out) missing pages, aligned to the mapping's page size
 * @src: (in) @len bytes, any alignment
 *
 * Place whole pages at once: no thread ever sees a part of one.
 */
UffdResult uffd_copy(int fd, void *dst, const void *src, size_t len,
                     Error **errp);

/** uffd_zero: the same with zeros; not for huge pages. Pages that are there
 *  already stay. */
UffdResult uffd_zero(int fd, void *dst, size_t len, Error **errp);

/** uffd_wake: let those that wait for @len bytes at @addr try again. */
void uffd_wake(int fd, void *addr, size_t len);

#define UFFD_READ_MAX 16
/**
 * uffd_read:
 * @ret: (out) up to UFFD_READ_MAX faults
 *
 * Returns: their number; 0 = none waits; -1 = error.
 */
int uffd_read(int fd, UffdFault ret[UFFD_READ_MAX], Error **errp);

#endif
