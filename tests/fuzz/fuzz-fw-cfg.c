/*
 * A guest that does anything to fw_cfg: ports, and DMA requests in memory
 * that the input fills.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/nvram/fw_cfg.h"
#include "hw/types.h"
#include "util/bswap.h"
#include "util/error.h"

#define RAM_BYTES    0x4000u
#define RECORD_BYTES 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    IOSpace *ports = io_space_new("I/O ports", 0xffff);
    GuestMemory *memory = guest_memory_new();
    uint8_t *ram = g_aligned_alloc0(1, RAM_BYTES, 4096);
    uint8_t writable[16] = { 0 };
    size_t half = MIN(size / 2, RAM_BYTES);
    FWCfgState *fw;

    hw_register_types();
    if (half) {
        memcpy(ram, data, half);
        data += half;
    }
    size -= half;
    guest_memory_map(memory, NULL, 0, RAM_BYTES, ram, &error_abort);
    fw = fw_cfg_new(NULL, ports, memory, &error_abort);
    device_cold_reset(DEVICE(fw));
    fw_cfg_add_file(fw, "a", g_bytes_new_static("contents", 8), &error_abort);
    fw_cfg_add_file_writable(fw, "w", writable, sizeof(writable), NULL, NULL,
                             &error_abort);
    for (; size >= RECORD_BYTES; data += RECORD_BYTES, size -= RECORD_BYTES) {
        uint16_t port = 0x510 + data[0] % 12;
        unsigned len = 1u << (data[1] & 3);

        if (data[1] & 4) {
            io_space_read(ports, port, len);
        } else {
            io_space_write(ports, port, (uint32_t)ldl_le_p(data + 2), len);
        }
    }
    qdev_unrealize(DEVICE(fw));
    object_unref(OBJECT(fw));
    guest_memory_free(memory);
    io_space_free(ports);
    g_aligned_free(ram);
    return 0;
}
