/*
 * The ioctl() of KVM, with errno as a return value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/ioctl.h>

#include "kvm-internal.h"

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int ret = ioctl(fd, request, arg);

    return ret < 0 ? -errno : ret;
}

int kvm_ioctl_arg(int fd, unsigned long request, unsigned long arg)
{
    int ret = ioctl(fd, request, arg);

    return ret < 0 ? -errno : ret;
}

int kvm_check_extension(int fd, int cap)
{
    int ret = kvm_ioctl_arg(fd, KVM_CHECK_EXTENSION, (unsigned long)cap);

    return ret < 0 ? 0 : ret;
}
