/*
 * The Bochs display interface: the few registers that set up a linear mode,
 * without the history of VGA. Shared by `VGA` and `bochs-display`.
 *
 * Source: the interface as documented with Bochs and QEMU
 * (docs/specs/standard-vga, bochs-display): register numbers and bits.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_DISPLAY_VBE_H
#define HW_DISPLAY_VBE_H

#include "hw/qdev-core.h"
#include "ui/console.h"

typedef enum VBEIndex {
    VBE_ID,
    VBE_XRES,
    VBE_YRES,
    VBE_BPP,
    VBE_ENABLE,
    VBE_BANK,
    VBE_VIRT_WIDTH,
    VBE_VIRT_HEIGHT,
    VBE_X_OFFSET,
    VBE_Y_OFFSET,
    VBE_MEMORY_64K, /* read-only: size of memory */
    VBE_COUNT,
} VBEIndex;

#define VBE_ID_OLDEST 0xb0c0
#define VBE_ID_NEWEST 0xb0c5

#define VBE_ENABLED     0x0001
#define VBE_GET_MAXIMUM 0x0002 /* XRES, YRES, BPP read as the largest */
#define VBE_DAC_8BIT    0x0020
#define VBE_LFB         0x0040
#define VBE_KEEP_MEMORY 0x0080

#define VBE_XRES_MAX  16000
#define VBE_YRES_MAX  12000
#define VBE_BPP_MAX   32
#define VBE_BANK_SIZE 0x10000u

typedef struct VBERegs {
    uint16_t regs[VBE_COUNT];
    uint64_t memory_bytes;
    bool planar; /* is there a 4 bit mode? */
} VBERegs;

/* A mode that fits into memory. */
typedef struct VBEMode {
    int width;
    int height;
    unsigned bpp; /* 4 (planar), 8, 15, 16, 24, 32 */
    uint32_t line_bytes;
    uint64_t start; /* bytes; of a planar mode: of one plane */
} VBEMode;

extern const VMStateDescription vmstate_vbe; /* of VBERegs */

void vbe_init(VBERegs *v, uint64_t memory_bytes, bool planar);
void vbe_reset(VBERegs *v);
uint16_t vbe_read(const VBERegs *v, unsigned index);
/** vbe_write: Returns: true when the mode was switched on just now and its
 *  memory shall be cleared. */
bool vbe_write(VBERegs *v, unsigned index, uint16_t value);
static inline bool vbe_enabled(const VBERegs *v)
{
    return v->regs[VBE_ENABLE] & VBE_ENABLED;
}
/** vbe_mode: the mode that is on, inside of memory. */
VBEMode vbe_mode(const VBERegs *v);

/**
 * vbe_render:
 * @memory: of the card; the guest may write to it meanwhile
 * @palette: 256 colours, for 8 bits
 *
 * Show a linear mode (not 4 bits) on @con.
 */
void vbe_render(Console *con, const VBEMode *mode, const uint8_t *memory,
                bool big_endian, const uint32_t *palette);

#endif
