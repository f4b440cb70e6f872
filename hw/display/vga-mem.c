/*
 * VGA memory as the CPU sees it through the window at A0000h: planes, latches,
 * the four write modes, colour compare, chain-4 and odd/even addressing.
 *
 * Four planes are one 32-bit word here, so an access costs the same for one
 * plane and for all.
 *
 * In odd/even modes address bit 0 selects the plane and is zero on the way to
 * it, as in hardware. Chain-4 differs from hardware: there the byte at address
 * A goes to address A & ~3 of plane A & 3, here to address A / 4, so that the
 * window is memory that can be mapped. Only software that leaves chain-4
 * without clearing the screen could tell.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem,
 * graphics controller.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vga.h"

/* A nibble to four bytes, 00 or FF. */
static const uint32_t planes_of[16] = {
    0x00000000, 0x000000ff, 0x0000ff00, 0x0000ffff, 0x00ff0000, 0x00ff00ff,
    0x00ffff00, 0x00ffffff, 0xff000000, 0xff0000ff, 0xff00ff00, 0xff00ffff,
    0xffff0000, 0xffff00ff, 0xffffff00, 0xffffffff,
};

static uint32_t replicate(uint8_t byte)
{
    return byte * 0x01010101u;
}

static uint32_t load_planes(const VGAState *s, uint64_t addr)
{
    uint32_t v;

    memcpy(&v, s->vram + 4 * addr, sizeof(v));
    return v;
}

static void store_planes(VGAState *s, uint64_t addr, uint32_t v)
{
    memcpy(s->vram + 4 * addr, &v, sizeof(v));
    vga_vram_written(s, 4 * addr, sizeof(v));
}

int64_t vga_mem_offset(const VGAState *s, uint32_t addr)
{
    static const struct {
        uint32_t first;
        uint32_t size;
    } maps[] = {
        { 0, 0x20000 }, { 0, 0x10000 }, { 0x10000, 0x8000 }, { 0x18000, 0x8000 }
    };
    unsigned map = VGA_MISC_MAP(s->gfx[VGA_GFX_MISC]);

    addr -= maps[map].first;
    return addr < maps[map].size ? (int64_t)addr : -1;
}

/* Plane address of a window offset; false if there is no such memory. */
static bool plane_address(const VGAState *s, uint64_t offset, bool odd_even,
                          uint64_t *ret)
{
    uint64_t addr = offset + vga_bank(s);

    if (odd_even) {
        addr &= ~1ull;
    }
    *ret = addr;
    return addr < s->vram_bytes / 4;
}

/* -- read ------------------------------------------------------------------------ */

/* Bit by bit: do the planes that count have the colour? */
static uint8_t compare_color(const VGAState *s)
{
    uint32_t color = planes_of[s->gfx[VGA_GFX_COMPARE] & 0x0f];
    uint32_t care = planes_of[s->gfx[VGA_GFX_DONT_CARE] & 0x0f];
    uint32_t differ = (s->latch ^ color) & care;

    differ |= differ >> 16;
    differ |= differ >> 8;
    return (uint8_t)~differ;
}

uint8_t vga_mem_read(VGAState *s, uint32_t addr)
{
    int64_t offset = vga_mem_offset(s, addr);
    bool odd_even = s->gfx[VGA_GFX_MODE] & VGA_MODE_ODD_EVEN;
    unsigned plane = s->gfx[VGA_GFX_READ_MAP] & 3;
    uint64_t at;

    if (offset < 0) {
        return 0xff;
    }
    if (vga_chain4(s)) {
        at = (uint64_t)offset + vga_bank(s);
        return at < s->vram_bytes ? s->vram[at] : 0xff;
    }
    if (!plane_address(s, (uint64_t)offset, odd_even, &at)) {
        return 0xff;
    }
    s->latch = load_planes(s, at);
    if (s->gfx[VGA_GFX_MODE] & VGA_MODE_COMPARE) {
        return compare_color(s);
    }
    if (odd_even) {
        plane = (plane & 2) | (addr & 1);
    }
    return (uint8_t)(s->latch >> (8 * plane));
}

/* -- write ------------------------------------------------------------------------ */

static uint8_t rotate_right(uint8_t v, unsigned n)
{
    return (uint8_t)(v >> n | v << (8 - n));
}

/* What the four planes' logic makes of the CPU's byte, before the bit mask. */
static uint32_t apply_function(const VGAState *s, uint32_t v)
{
    switch (s->gfx[VGA_GFX_ROTATE] >> 3) {
    case 1:
        return v & s->latch;
    case 2:
        return v | s->latch;
    case 3:
        return v ^ s->latch;
    default:
        return v;
    }
}

static uint32_t write_value(const VGAState *s, uint8_t byte)
{
    uint32_t set_reset = planes_of[s->gfx[VGA_GFX_SET_RESET] & 0x0f];
    uint32_t enable = planes_of[s->gfx[VGA_GFX_SR_ENABLE] & 0x0f];
    uint32_t mask = replicate(s->gfx[VGA_GFX_BIT_MASK]);
    unsigned rotate = s->gfx[VGA_GFX_ROTATE] & 7;
    uint32_t v;

    switch (s->gfx[VGA_GFX_MODE] & VGA_MODE_WRITE) {
    case 0:
        v = replicate(rotate_right(byte, rotate));
        v = apply_function(s, (v & ~enable) | (set_reset & enable));
        break;
    case 1:
        return s->latch;
    case 2:
        v = apply_function(s, planes_of[byte & 0x0f]);
        break;
    default:
        mask &= replicate(rotate_right(byte, rotate));
        v = set_reset;
        break;
    }
    return (v & mask) | (s->latch & ~mask);
}

void vga_mem_write(VGAState *s, uint32_t addr, uint8_t value)
{
    int64_t offset = vga_mem_offset(s, addr);
    bool odd_even = !(s->seq[VGA_SEQ_MEMORY] & VGA_MEMORY_FLAT);
    unsigned enabled = s->seq[VGA_SEQ_MAP_MASK];
    uint32_t planes;
    uint64_t at;

    if (offset < 0) {
        return;
    }
    if (vga_chain4(s)) {
        at = (uint64_t)offset + vga_bank(s);
        if (at < s->vram_bytes && (enabled & (1u << (at & 3)))) {
            s->vram[at] = value;
            vga_vram_written(s, at, 1);
        }
        return;
    }
    if (odd_even) {
        enabled &= addr & 1 ? 0xa : 0x5;
    }
    if (!plane_address(s, (uint64_t)offset, odd_even, &at)) {
        return;
    }
    planes = planes_of[enabled & 0x0f];
    store_planes(s, at,
                 (load_planes(s, at) & ~planes) |
                     (write_value(s, value) & planes));
}
