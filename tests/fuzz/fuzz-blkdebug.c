/*
 * Rules of blkdebug, from a file: it is refused, or requests fail by it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "util/fd.h"

#include "block-opener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_FD fd = memfd_create("rules", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autoptr(json_t) opts =
        json_pack("{s:s,s:s,s:{s:s,s:i,s:b}}", "driver", "blkdebug", "config",
                  path, "image", "driver", "null-co", "size", 65536,
                  "read-zeroes", 1);

    opener_init();
    g_assert(write(fd, data, size) == (ssize_t)size);
    opener_run(opts, false);
    return 0;
}
