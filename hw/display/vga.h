/*
 * VGA: the register file, the memory behind the window at A0000h, and what
 * the two show. A card (hw/display/vga-pci.c) embeds a VGAState and gives it
 * memory, ports and a console.
 *
 * Memory: the byte of plane P at address A is vram[4 * A + P]. In chain-4
 * and in linear modes the byte at address A is vram[A], so that it can be
 * mapped into the guest as it is.
 *
 * Source: IBM VGA (PS/2 Hardware Interface Technical Reference, Video
 * Subsystem); FreeVGA's register descriptions for what IBM left open.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include "hw/core/guest-memory.h"
#include "hw/core/io-space.h"
#include "hw/core/ram-blocks.h"
#include "hw/display/vbe.h"
#include "hw/qdev-core.h"

#define VGA_WINDOW_BASE  0xa0000u
#define VGA_WINDOW_BYTES 0x20000u
#define VGA_PLANE_BYTES  0x10000u
#define VGA_TEXT_BYTES   0x8000u
#define VGA_MEMORY_MIN   (1u << 20)

#define VGA_SEQ_COUNT  5
#define VGA_CRTC_COUNT 0x19
#define VGA_GFX_COUNT  9
#define VGA_ATTR_COUNT 0x15
#define VGA_DAC_COLORS 256

#define VGA_SEQ_CLOCK    1
#define VGA_SEQ_MAP_MASK 2
#define VGA_SEQ_FONT     3
#define VGA_SEQ_MEMORY   4

#define VGA_CLOCK_8DOTS 0x01
#define VGA_CLOCK_HALF  0x08
#define VGA_CLOCK_OFF   0x20
#define VGA_MEMORY_FLAT 0x04 /* no odd/even */
#define VGA_MEMORY_CH4  0x08

#define VGA_GFX_SET_RESET  0
#define VGA_GFX_SR_ENABLE  1
#define VGA_GFX_COMPARE    2
#define VGA_GFX_ROTATE     3
#define VGA_GFX_READ_MAP   4
#define VGA_GFX_MODE       5
#define VGA_GFX_MISC       6
#define VGA_GFX_DONT_CARE  7
#define VGA_GFX_BIT_MASK   8
#define VGA_MODE_WRITE     0x03
#define VGA_MODE_COMPARE   0x08
#define VGA_MODE_ODD_EVEN  0x10
#define VGA_MODE_SHIFT_CGA 0x20
#define VGA_MODE_SHIFT_256 0x40
#define VGA_MISC_GRAPHICS  0x01
#define VGA_MISC_MAP(v)    (((v) >> 2) & 3)

#define VGA_CRTC_HDISP        0x01
#define VGA_CRTC_OVERFLOW     0x07
#define VGA_CRTC_PRESET_ROW   0x08
#define VGA_CRTC_MAX_SCAN     0x09
#define VGA_CRTC_CURSOR_START 0x0a
#define VGA_CRTC_CURSOR_END   0x0b
#define VGA_CRTC_START_HIGH   0x0c
#define VGA_CRTC_START_LOW    0x0d
#define VGA_CRTC_CURSOR_HIGH  0x0e
#define VGA_CRTC_CURSOR_LOW   0x0f
#define VGA_CRTC_VSYNC_END    0x11
#define VGA_CRTC_VDISP        0x12
#define VGA_CRTC_OFFSET       0x13
#define VGA_CRTC_UNDERLINE    0x14
#define VGA_CRTC_MODE         0x17
#define VGA_CRTC_COMPARE      0x18

#define VGA_ATTR_MODE       0x10
#define VGA_ATTR_PLANES     0x12
#define VGA_ATTR_PAN        0x13
#define VGA_ATTR_COLOR      0x14
#define VGA_ATTR_MONO       0x02
#define VGA_ATTR_LINE_CHARS 0x04
#define VGA_ATTR_BLINK      0x08
#define VGA_ATTR_PAN_TOP    0x20
#define VGA_ATTR_P54        0x80
#define VGA_ATTR_UNBLANK    0x20 /* of the index register */

/* What of the window is mapped into the guest as memory. */
typedef enum VGAWindowKind {
    VGA_WINDOW_NONE,
    VGA_WINDOW_LINEAR, /* vram as it is */
    VGA_WINDOW_TEXT,   /* characters and attributes, in a buffer of their own */
} VGAWindowKind;

typedef struct VGAWindow {
    GuestMemory *memory; /* NULL: never mapped (tests) */
    GuestMemoryRegion region;
    VGAWindowKind kind;
    unsigned accesses; /* since the last change of a register that counts */
    uint8_t *text;     /* VGA_TEXT_BYTES, page-aligned */
} VGAWindow;

typedef struct VGAState {
    uint8_t *vram;       /* borrowed */
    uint64_t vram_bytes; /* power of two, VGA_MEMORY_MIN or more */
    bool big_endian;     /* of linear modes */

    uint8_t misc;    /* miscellaneous output */
    uint8_t feature; /* feature control */
    uint8_t seq_index;
    uint8_t seq[VGA_SEQ_COUNT];
    uint8_t gfx_index;
    uint8_t gfx[VGA_GFX_COUNT];
    uint8_t crtc_index;
    uint8_t crtc[VGA_CRTC_COUNT];
    uint8_t attr_index; /* with VGA_ATTR_UNBLANK */
    uint8_t attr[VGA_ATTR_COUNT];
    bool attr_data; /* the next write to 3C0h is data */

    uint8_t dac_mask;
    uint8_t dac_read;
    uint8_t dac_write;
    uint8_t dac_part; /* 0 red, 1 green, 2 blue */
    bool dac_reading;
    uint8_t dac_latch[3];
    uint8_t dac[VGA_DAC_COLORS][3];

    uint32_t latch; /* a byte of each plane */
    VBERegs vbe;
    uint16_t vbe_index;
    uint8_t vbe_low; /* first half of a word at the odd data port */
    VGAWindow window;

    Console *console; /* owned */
    IORegion window_io;
    IORegion ports_mono;
    IORegion status_mono;
    IORegion ports_main;
    IORegion ports_color;
    IORegion status_color;
    IORegion ports_vbe;
} VGAState;

/**
 * vga_init:
 * @vram: @bytes of memory, zeroed; outlives @s
 * @memory: (nullable) where the window may be mapped
 * @console: (transfer full) (nullable) NULL in tests of registers
 */
void vga_init(VGAState *s, void *vram, uint64_t bytes, GuestMemory *memory);
void vga_deinit(VGAState *s);
void vga_reset(VGAState *s);

/** vga_claim: ports and window. Errors: they are taken. */
bool vga_claim(VGAState *s, IOSpace *ports, IOSpace *mmio, Error **errp);
void vga_release(VGAState *s);

/** vga_vram_written: bytes of vram from @at on were changed here. */
static inline void vga_vram_written(VGAState *s, uint64_t at, uint64_t len)
{
    if (s->window.memory) {
        ram_blocks_written(guest_memory_blocks(s->window.memory), s->vram + at,
                           len);
    }
}

extern const VMStateDescription vmstate_vga; /* of VGAState */

/* -- registers: vga-regs.c, vga-vbe.c -------------------------------------------- */

/** vga_port_read, vga_port_write: @port is 3B0h to 3DFh. */
uint8_t vga_port_read(VGAState *s, uint16_t port);
/** vga_mask_registers: clear the bits that registers do not have. */
void vga_mask_registers(VGAState *s);
void vga_port_write(VGAState *s, uint16_t port, uint8_t value);
void vga_vbe_write(VGAState *s, unsigned index, uint16_t value);
/** vga_bank: bytes that the guest's bank register adds to window addresses. */
static inline uint64_t vga_bank(const VGAState *s)
{
    return (uint64_t)s->vbe.regs[VBE_BANK] * VBE_BANK_SIZE;
}
static inline bool vga_chain4(const VGAState *s)
{
    return s->seq[VGA_SEQ_MEMORY] & VGA_MEMORY_CH4;
}

/* -- memory: vga-mem.c, vga-window.c ----------------------------------------------- */

/** vga_mem_read, vga_mem_write: @addr is 0 to 1FFFFh. */
uint8_t vga_mem_read(VGAState *s, uint32_t addr);
void vga_mem_write(VGAState *s, uint32_t addr, uint8_t value);
/** vga_mem_offset: place of @addr in the part of the window that the card
 *  answers; -1 if it does not. */
int64_t vga_mem_offset(const VGAState *s, uint32_t addr);

/** vga_window_accessed: the guest used the window; map it if that pays. */
void vga_window_accessed(VGAState *s);
/** vga_window_changed: a register changed that says how the window works;
 *  called after the change. */
void vga_window_changed(VGAState *s);
/** vga_window_unmap: until it pays again. */
void vga_window_unmap(VGAState *s);

/* -- rendering: vga-render.c, vga-text.c --------------------------------------------- */

/* What a frame is made of; filled once a frame. */
typedef struct VGAFrame {
    int width;        /* dots */
    int height;       /* lines */
    unsigned columns; /* character clocks of a line */
    unsigned cell;    /* dots of one: 8, 9, 16 */
    unsigned start;   /* address counter at the top */
    unsigned pitch;   /* that much more for the next row */
    unsigned max_scan;
    bool double_scan;
    unsigned compare;   /* the line after it starts at address 0 */
    uint32_t addr_mask; /* of plane addresses */
    bool text;
    bool cursor_on; /* blinking: visible now */
    bool blink_on;
    uint32_t colors[16];
    uint32_t palette[VGA_DAC_COLORS];
} VGAFrame;

/** vga_refresh: ConsoleOps.refresh of a VGAState. */
void vga_refresh(VGAState *s);
/** vga_palette: the 256 colours of the DAC. */
void vga_palette(const VGAState *s, uint32_t *palette);
/** vga_fetch: the four planes' bytes at address counter @counter of a row's
 *  scan line @scan. */
uint32_t vga_fetch(const VGAState *s, const VGAFrame *f, unsigned counter,
                   unsigned scan);
/** vga_text_line: draw @f->columns + 1 cells. */
void vga_text_line(const VGAState *s, const VGAFrame *f, uint32_t *row,
                   unsigned counter, unsigned scan);

#endif
