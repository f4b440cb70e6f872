/*
 * VGA: life, ports and window of a card.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vga.h"

#include "util/error.h"

#define PORT_MONO_CRTC    0x3b4
#define PORT_MONO_STATUS  0x3ba
#define PORT_MAIN         0x3c0
#define PORT_MAIN_COUNT   16
#define PORT_COLOR_CRTC   0x3d4
#define PORT_COLOR_STATUS 0x3da
#define PORT_VBE          0x1ce
#define PORT_VBE_COUNT    4
#define PAGE              4096u

/* -- ports --------------------------------------------------------------------- */

static uint64_t port_read(VGAState *s, const IORegion *r, uint64_t offset)
{
    return vga_port_read(s, (uint16_t)(r->base + offset));
}

#define PORT_OPS(field)                                                        \
    static uint64_t field##_read(void *opaque, uint64_t offset, unsigned size) \
    {                                                                          \
        VGAState *s = opaque;                                                  \
                                                                               \
        return port_read(s, &s->field, offset);                                \
    }                                                                          \
    static void field##_write(void *opaque, uint64_t offset, uint64_t value,   \
                              unsigned size)                                   \
    {                                                                          \
        VGAState *s = opaque;                                                  \
                                                                               \
        vga_port_write(s, (uint16_t)(s->field.base + offset), (uint8_t)value); \
    }                                                                          \
    static const IORegionOps field##_ops = { field##_read, field##_write, 1 };

PORT_OPS(ports_mono)
PORT_OPS(status_mono)
PORT_OPS(ports_main)
PORT_OPS(ports_color)
PORT_OPS(status_color)

/*
 * Index at 1CEh; data at 1CFh, and at 1D0h for those who want it aligned. A
 * word at the odd address comes as two bytes, the low one at 1CFh first.
 */
static uint64_t vbe_port_read(void *opaque, uint64_t offset, unsigned size)
{
    const VGAState *s = opaque;
    uint16_t data = vbe_read(&s->vbe, s->vbe_index);

    if (offset == 0) {
        return s->vbe_index;
    }
    return offset == 2 && size == 1 ? data >> 8 : data;
}

static void vbe_port_write(void *opaque, uint64_t offset, uint64_t value,
                           unsigned size)
{
    VGAState *s = opaque;

    if (offset == 0) {
        s->vbe_index = (uint16_t)value;
    } else if (offset == 1) {
        s->vbe_low = (uint8_t)value;
    } else if (offset == 2) {
        vga_vbe_write(s, s->vbe_index,
                      (uint16_t)(size == 1 ? s->vbe_low | value << 8 : value));
    }
}

static const IORegionOps ports_vbe_ops = { vbe_port_read, vbe_port_write, 2 };

/* -- display interface ----------------------------------------------------------- */

/* A linear mode makes the window one of banks in it. */
static void set_linear_window(VGAState *s, unsigned bpp)
{
    s->gfx[VGA_GFX_MISC] = VGA_MISC_GRAPHICS | 1 << 2;
    s->gfx[VGA_GFX_MODE] = bpp == 4 ? 0 : VGA_MODE_SHIFT_256;
    s->seq[VGA_SEQ_MAP_MASK] = 0x0f;
    s->seq[VGA_SEQ_MEMORY] = VGA_MEMORY_FLAT | 0x02;
    if (bpp != 4) {
        s->seq[VGA_SEQ_MEMORY] |= VGA_MEMORY_CH4;
    }
}

void vga_vbe_write(VGAState *s, unsigned index, uint16_t value)
{
    bool was_on = vbe_enabled(&s->vbe);
    bool clear = vbe_write(&s->vbe, index, value);
    VBEMode mode;

    if (!was_on && vbe_enabled(&s->vbe)) {
        mode = vbe_mode(&s->vbe);
        vga_window_unmap(s);
        set_linear_window(s, mode.bpp);
        if (clear) {
            size_t bytes = (size_t)mode.line_bytes * (size_t)mode.height *
                           (mode.bpp == 4 ? 4 : 1);

            memset(s->vram, 0, bytes);
            vga_vram_written(s, 0, bytes);
        }
    }
    vga_window_changed(s);
}

/* -- window -------------------------------------------------------------------------- */

static uint64_t window_read(void *opaque, uint64_t offset, unsigned size)
{
    VGAState *s = opaque;
    uint64_t v = 0;

    vga_window_accessed(s);
    for (unsigned i = 0; i < size; i++) {
        v |= (uint64_t)vga_mem_read(s, (uint32_t)(offset + i)) << (8 * i);
    }
    return v;
}

static void window_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    VGAState *s = opaque;

    for (unsigned i = 0; i < size; i++) {
        vga_mem_write(s, (uint32_t)(offset + i), (uint8_t)(value >> (8 * i)));
    }
    vga_window_accessed(s);
}

static const IORegionOps window_io_ops = { window_read, window_write, 8 };

/* -- life ------------------------------------------------------------------------------ */

void vga_init(VGAState *s, void *vram, uint64_t bytes, GuestMemory *memory)
{
    s->vram = vram;
    s->vram_bytes = bytes;
    s->window.memory = memory;
    s->window.text = g_aligned_alloc0(1, VGA_TEXT_BYTES, PAGE);
    vbe_init(&s->vbe, bytes, true);
    vga_reset(s);
}

void vga_deinit(VGAState *s)
{
    vga_window_unmap(s);
    console_free(s->console);
    s->console = NULL;
    g_clear_pointer(&s->window.text, g_aligned_free);
}

void vga_reset(VGAState *s)
{
    vga_window_unmap(s);
    s->misc = 0;
    s->feature = 0;
    s->seq_index = s->gfx_index = s->crtc_index = s->attr_index = 0;
    memset(s->seq, 0, sizeof(s->seq));
    memset(s->gfx, 0, sizeof(s->gfx));
    memset(s->crtc, 0, sizeof(s->crtc));
    memset(s->attr, 0, sizeof(s->attr));
    s->attr_data = false;
    s->dac_mask = 0xff;
    s->dac_read = s->dac_write = s->dac_part = 0;
    s->dac_reading = false;
    memset(s->dac, 0, sizeof(s->dac));
    s->latch = 0;
    s->vbe_index = 0;
    s->vbe_low = 0;
    s->big_endian = false;
    vbe_reset(&s->vbe);
}

bool vga_claim(VGAState *s, IOSpace *ports, IOSpace *mmio, Error **errp)
{
    io_region_init(&s->ports_mono, "vga mono", 2, &ports_mono_ops, s);
    io_region_init(&s->status_mono, "vga mono status", 1, &status_mono_ops, s);
    io_region_init(&s->ports_main, "vga", PORT_MAIN_COUNT, &ports_main_ops, s);
    io_region_init(&s->ports_color, "vga crtc", 2, &ports_color_ops, s);
    io_region_init(&s->status_color, "vga status", 1, &status_color_ops, s);
    io_region_init(&s->ports_vbe, "vbe", PORT_VBE_COUNT, &ports_vbe_ops, s);
    io_region_init(&s->window_io, "vga window", VGA_WINDOW_BYTES,
                   &window_io_ops, s);
    if (io_space_add(ports, &s->ports_mono, PORT_MONO_CRTC, errp) &&
        io_space_add(ports, &s->status_mono, PORT_MONO_STATUS, errp) &&
        io_space_add(ports, &s->ports_main, PORT_MAIN, errp) &&
        io_space_add(ports, &s->ports_color, PORT_COLOR_CRTC, errp) &&
        io_space_add(ports, &s->status_color, PORT_COLOR_STATUS, errp) &&
        io_space_add(ports, &s->ports_vbe, PORT_VBE, errp) &&
        io_space_add(mmio, &s->window_io, VGA_WINDOW_BASE, errp)) {
        return true;
    }
    vga_release(s);
    return false;
}

void vga_release(VGAState *s)
{
    vga_window_unmap(s);
    io_space_remove(&s->ports_mono);
    io_space_remove(&s->status_mono);
    io_space_remove(&s->ports_main);
    io_space_remove(&s->ports_color);
    io_space_remove(&s->status_color);
    io_space_remove(&s->ports_vbe);
    io_space_remove(&s->window_io);
}
