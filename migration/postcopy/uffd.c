/*
 * userfaultfd engine; see postcopy/uffd.h.
 *
 * A descriptor that reports only faults made in user mode is useless here: KVM
 * and system calls on guest memory would fail with EFAULT. The kernel gives a
 * full one to processes with CAP_SYS_PTRACE, to all if the sysctl
 * vm.unprivileged_userfaultfd is 1, and through /dev/userfaultfd (Linux 6.1)
 * to whoever may open that; the device is tried first.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/uffd.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fd.h"

#define UFFD_DEVICE "/dev/userfaultfd"

/* Not in the headers of Linux 5.10. */
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

/* Not in the headers of Linux 5.10. */
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static int uffd_get(Error **errp)
{
    AUTO_FD dev = open(UFFD_DEVICE, O_RDWR | O_CLOEXEC);
    int fd = -1;

    if (dev >= 0) {
        fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
    }
    if (fd < 0) {
        fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    }
    if (fd >= 0) {
        return fd;
    }
    if (errno == ENOSYS) {
        error_setg(errp, "this kernel has no userfaultfd");
    } else if (errno == EPERM || errno == EACCES) {
        error_setg(errp,
                   "userfaultfd is not allowed: %s cannot be opened and "
                   "the sysctl vm.unprivileged_userfaultfd is 0",
                   UFFD_DEVICE);
    } else {
        error_setg_errno(errp, errno, "could not create a userfaultfd");
    }
    return -1;
}

/*
 * The kernel agrees on features once for each descriptor, so one that is asked
 * what it has cannot be used: @features 0 asks.
 */
static bool uffd_api(int fd, uint64_t features, uint64_t *ret_has, Error **errp)
{
    struct uffdio_api api = { .api = UFFD_API, .features = features };

    if (ioctl(fd, UFFDIO_API, &api) < 0) {
        error_setg_errno(errp, errno,
                         "userfaultfd without the features 0x%" PRIx64,
                         features);
        return false;
    }
    *ret_has = api.features;
    return true;
}

int uffd_open(bool need_shmem, bool need_huge, bool *ret_thread_ids,
              Error **errp)
{
    uint64_t want = (need_shmem ? UFFD_FEATURE_MISSING_SHMEM : 0) |
                    (need_huge ? UFFD_FEATURE_MISSING_HUGETLBFS : 0);
    AUTO_FD probe = uffd_get(errp);
    AUTO_FD fd = -1;
    uint64_t has;

    if (probe < 0 || !uffd_api(probe, 0, &has, errp)) {
        return -1;
    }
    fd = uffd_get(errp);
    if (fd < 0 ||
        !uffd_api(fd, want | (has & UFFD_FEATURE_THREAD_ID), &has, errp)) {
        return -1;
    }
    *ret_thread_ids = has & UFFD_FEATURE_THREAD_ID;
    return fd_steal(&fd);
}

int uffd_open_wp(bool need_shared, Error **errp)
{
    uint64_t want = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
                    (need_shared ? UFFD_FEATURE_WP_HUGETLBFS_SHMEM : 0);
    AUTO_FD probe = uffd_get(errp);
    AUTO_FD fd = -1;
    uint64_t has;

    if (probe < 0 || !uffd_api(probe, 0, &has, errp)) {
        return -1;
    }
    if (want & ~has) {
        error_setg(errp,
                   "userfaultfd of this kernel cannot protect %s against "
                   "writes",
                   has & UFFD_FEATURE_PAGEFAULT_FLAG_WP
                       ? "shared memory and huge pages"
                       : "memory");
        return -1;
    }
    fd = uffd_get(errp);
    return fd >= 0 && uffd_api(fd, want, &has, errp) ? fd_steal(&fd) : -1;
}

bool uffd_register_wp(int fd, void *addr, size_t len, Error **errp)
{
    struct uffdio_register reg = {
        .range = { .start = (uintptr_t)addr, .len = len },
        .mode = UFFDIO_REGISTER_MODE_WP,
    };
    const uint64_t need = UINT64_C(1) << _UFFDIO_WRITEPROTECT;

    if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0) {
        error_setg_errno(errp, errno, "userfaultfd does not take this memory");
        return false;
    }
    if (!(reg.ioctls & need)) {
        error_setg(errp, "userfaultfd cannot protect pages of this memory");
        uffd_unregister(fd, addr, len, NULL);
        return false;
    }
    return true;
}

bool uffd_protect(int fd, void *addr, size_t len, bool on, Error **errp)
{
    struct uffdio_writeprotect wp = {
        .range = { .start = (uintptr_t)addr, .len = len },
        .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
    };

    while (ioctl(fd, UFFDIO_WRITEPROTECT, &wp) < 0) {
        /* The map of memory was being changed. */
        if (errno != EAGAIN) {
            error_setg_errno(errp, errno, "userfaultfd could not %s %zu bytes",
                             on ? "protect" : "free", len);
            return false;
        }
    }
    return true;
}

bool uffd_register(int fd, void *addr, size_t len, Error **errp)
{
    struct uffdio_register reg = {
        .range = { .start = (uintptr_t)addr, .len = len },
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    const uint64_t need = UINT64_C(1) << _UFFDIO_COPY;

    if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0) {
        error_setg_errno(errp, errno, "userfaultfd does not take this memory");
        return false;
    }
    if ((reg.ioctls & need) != need) {
        error_setg(errp, "userfaultfd cannot place pages in this memory");
        uffd_unregister(fd, addr, len, NULL);
        return false;
    }
    return true;
}

bool uffd_unregister(int fd, void *addr, size_t len, Error **errp)
{
    struct uffdio_range range = { .start = (uintptr_t)addr, .len = len };

    if (ioctl(fd, UFFDIO_UNREGISTER, &range) < 0) {
        error_setg_errno(errp, errno, "userfaultfd does not let memory go");
        return false;
    }
    return true;
}

void uffd_wake(int fd, void *addr, size_t len)
{
    struct uffdio_range range = { .start = (uintptr_t)addr, .len = len };

    /* It fails only for a range that is not ours. */
    ioctl(fd, UFFDIO_WAKE, &range);
}

/* The kernel placed @done (bytes, or -errno) of what was asked and @err. */
static UffdResult uffd_outcome(int fd, void *dst, size_t len, int err,
                               Error **errp)
{
    if (err == EEXIST) {
        uffd_wake(fd, dst, len);
        return UFFD_EXISTS;
    }
    error_setg_errno(errp, err, "userfaultfd could not place %zu bytes", len);
    return UFFD_ERROR;
}

UffdResult uffd_copy(int fd, void *dst, const void *src, size_t len,
                     Error **errp)
{
    struct uffdio_copy copy = {
        .dst = (uintptr_t)dst,
        .src = (uintptr_t)src,
        .len = len,
    };

    while (ioctl(fd, UFFDIO_COPY, &copy) < 0) {
        /* The map of memory was being changed; it may have got part way. */
        if (errno != EAGAIN) {
            return uffd_outcome(fd, dst, len, errno, errp);
        }
        if (copy.copy > 0) {
            copy.dst += copy.copy;
            copy.src += copy.copy;
            copy.len -= copy.copy;
        }
        copy.copy = 0;
    }
    return UFFD_PLACED;
}

UffdResult uffd_zero(int fd, void *dst, size_t len, Error **errp)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *at = dst, *end = at + len;
    UffdResult result = UFFD_PLACED;

    while (at < end) {
        struct uffdio_zeropage zero = {
            .range = { .start = (uintptr_t)at, .len = (size_t)(end - at) },
        };

        if (ioctl(fd, UFFDIO_ZEROPAGE, &zero) == 0) {
            break;
        }
        /* The map of memory was being changed, or it came to a page that is
         * there; it may have got part way. */
        if (errno == EAGAIN) {
            at += MAX(zero.zeropage, 0);
            continue;
        }
        result = uffd_outcome(fd, at, MIN(page, len), errno, errp);
        if (result == UFFD_ERROR) {
            return result;
        }
        at += page;
    }
    return result;
}

int uffd_read(int fd, UffdFault ret[UFFD_READ_MAX], Error **errp)
{
    struct uffd_msg msg[UFFD_READ_MAX];
    ssize_t got = read(fd, msg, sizeof(msg));
    int n = 0;

    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR) {
            return 0;
        }
        error_setg_errno(errp, errno, "could not read faults of guest memory");
        return -1;
    }
    for (size_t i = 0; i < (size_t)got / sizeof(msg[0]); i++) {
        if (msg[i].event != UFFD_EVENT_PAGEFAULT) {
            continue;
        }
        ret[n++] = (UffdFault){
            .addr = (uintptr_t)msg[i].arg.pagefault.address,
            .tid = (int)msg[i].arg.pagefault.feat.ptid,
            .write = msg[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE,
            .protected = msg[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WP,
        };
    }
    return n;
}
