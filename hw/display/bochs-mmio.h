/*
 * The register BAR that `VGA` and `bochs-display` have in common:
 *
 *   000h  EDID of the monitor
 *   400h  VGA ports 3C0h to 3DFh (`VGA` only)
 *   500h  display interface, one word a register
 *   600h  size of what follows, byte order of the framebuffer
 *
 * Source: QEMU's documented interface (docs/specs/standard-vga).
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_DISPLAY_BOCHS_MMIO_H
#define HW_DISPLAY_BOCHS_MMIO_H

#include "hw/core/io-space.h"
#include "hw/display/edid.h"

#define BOCHS_MMIO_BYTES 4096u

/**
 * BochsMMIOOps:
 * @vbe_read, @vbe_write: a register of the display interface
 * @port_read, @port_write: (optional) VGA port 3C0h to 3DFh
 */
typedef struct BochsMMIOOps {
    uint16_t (*vbe_read)(void *opaque, unsigned index);
    void (*vbe_write)(void *opaque, unsigned index, uint16_t value);
    uint8_t (*port_read)(void *opaque, uint16_t port);
    void (*port_write)(void *opaque, uint16_t port, uint8_t value);
} BochsMMIOOps;

typedef struct BochsMMIO {
    IORegion region;
    const BochsMMIOOps *ops;
    void *opaque;
    bool has_edid;
    bool has_extended; /* the registers at 600h */
    bool *big_endian;
    uint8_t edid[EDID_BYTES];
} BochsMMIO;

/** bochs_mmio_init: prepare m->region; the other members were set. */
void bochs_mmio_init(BochsMMIO *m, const char *name);

#endif
