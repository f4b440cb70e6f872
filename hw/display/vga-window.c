/*
 * The window at A0000h as guest memory.
 *
 * An access to the window that leaves the guest costs microseconds; a screen
 * of text is 4000 of them and scrolls by as many more. So, when a guest uses
 * the window for a while in a mode in which it is plain memory, it becomes
 * just that:
 *
 *   linear  chain-4 (mode 13h, banked modes): a piece of vram itself
 *   text    odd/even with nothing in the way: a buffer in which characters
 *           and attributes alternate; planes 0 and 1 take it over when the
 *           mode ends, and the renderer reads it meanwhile
 *
 * Any change of a register that says how the window works ends it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vga.h"
#include "trace/trace-hw.h"

/* So many accesses in one mode pay for a change of the guest's memory map. */
#define ACCESSES_BEFORE_MAP 256

/* Where the mapped part is and what is behind it. */
typedef struct Place {
    VGAWindowKind kind;
    uint32_t first; /* from VGA_WINDOW_BASE, bytes */
    uint32_t size;
    uint64_t vram_at; /* of VGA_WINDOW_LINEAR */
} Place;

static bool plain_writes(const VGAState *s)
{
    return !(s->gfx[VGA_GFX_MODE] & (VGA_MODE_WRITE | VGA_MODE_COMPARE)) &&
           !s->gfx[VGA_GFX_SR_ENABLE] && !s->gfx[VGA_GFX_ROTATE] &&
           s->gfx[VGA_GFX_BIT_MASK] == 0xff;
}

static bool is_text_window(const VGAState *s)
{
    return !(s->seq[VGA_SEQ_MEMORY] & VGA_MEMORY_FLAT) &&
           (s->gfx[VGA_GFX_MODE] & VGA_MODE_ODD_EVEN) &&
           s->seq[VGA_SEQ_MAP_MASK] == 0x3 && !(s->gfx[VGA_GFX_READ_MAP] & 2) &&
           plain_writes(s) && !vga_bank(s) &&
           VGA_MISC_MAP(s->gfx[VGA_GFX_MISC]) >= 2;
}

static Place find_place(const VGAState *s)
{
    static const uint32_t first[] = { 0, 0, 0x10000, 0x18000 };
    static const uint32_t size[] = { 0x20000, 0x10000, 0x8000, 0x8000 };
    unsigned map = VGA_MISC_MAP(s->gfx[VGA_GFX_MISC]);
    Place p = { VGA_WINDOW_NONE, first[map], size[map] };

    if (vga_chain4(s)) {
        p.vram_at = vga_bank(s);
        if (s->seq[VGA_SEQ_MAP_MASK] == 0xf &&
            p.vram_at + p.size <= s->vram_bytes) {
            p.kind = VGA_WINDOW_LINEAR;
        }
    } else if (is_text_window(s)) {
        p.kind = VGA_WINDOW_TEXT;
    }
    return p;
}

/* Cell @i is at address 2 * i of planes 0 and 1. */
static void text_from_planes(VGAState *s)
{
    for (size_t i = 0; i < VGA_TEXT_BYTES; i += 2) {
        memcpy(s->window.text + i, s->vram + 4 * i, 2);
    }
}

static void text_to_planes(VGAState *s)
{
    for (size_t i = 0; i < VGA_TEXT_BYTES; i += 2) {
        memcpy(s->vram + 4 * i, s->window.text + i, 2);
    }
    vga_vram_written(s, 0, 4 * (uint64_t)VGA_TEXT_BYTES);
}

static void window_map(VGAState *s, const Place *p)
{
    VGAWindow *w = &s->window;

    if (p->kind == VGA_WINDOW_TEXT) {
        text_from_planes(s);
    }
    w->kind = p->kind;
    w->region = (GuestMemoryRegion){
        .name = "vga window",
        .host = p->kind == VGA_WINDOW_TEXT ? w->text : s->vram + p->vram_at,
        .size = p->size,
        .priority = GUEST_MEMORY_PRIO_BOARD,
    };
    trace_vga_window((int)p->kind, p->first, p->size);
    guest_memory_add(w->memory, &w->region, VGA_WINDOW_BASE + p->first);
}

void vga_window_unmap(VGAState *s)
{
    VGAWindow *w = &s->window;

    w->accesses = 0;
    if (w->kind == VGA_WINDOW_NONE) {
        return;
    }
    guest_memory_remove(&w->region);
    if (w->kind == VGA_WINDOW_TEXT) {
        text_to_planes(s);
    }
    w->kind = VGA_WINDOW_NONE;
    trace_vga_window(VGA_WINDOW_NONE, 0, 0);
}

void vga_window_accessed(VGAState *s)
{
    VGAWindow *w = &s->window;
    Place p;

    if (!w->memory || w->kind != VGA_WINDOW_NONE ||
        ++w->accesses < ACCESSES_BEFORE_MAP) {
        return;
    }
    w->accesses = 0;
    p = find_place(s);
    if (p.kind != VGA_WINDOW_NONE) {
        window_map(s, &p);
    }
}

void vga_window_changed(VGAState *s)
{
    VGAWindow *w = &s->window;
    Place p;

    w->accesses = 0;
    if (w->kind == VGA_WINDOW_NONE) {
        return;
    }
    p = find_place(s);
    if (p.kind != w->kind || p.size != w->region.size ||
        VGA_WINDOW_BASE + p.first != w->region.gpa ||
        (p.kind == VGA_WINDOW_LINEAR &&
         s->vram + p.vram_at != (uint8_t *)w->region.host)) {
        vga_window_unmap(s);
    }
}
