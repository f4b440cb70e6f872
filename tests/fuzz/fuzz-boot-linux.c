/*
 * Linux images: any bytes. What is accepted must lie inside the file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/boot-linux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    LinuxImage img;

    if (!linux_image_parse(data, size, size, &img, NULL)) {
        return 0;
    }
    if (img.setup_bytes >= size || img.setup_bytes + img.kernel_bytes != size ||
        img.header_bytes > LINUX_HEADER_BYTES_MAX ||
        img.run_end < img.load + img.kernel_bytes || img.cmdline_max > 0xffff) {
        abort();
    }
    return 0;
}
