/*
 * What a VGA shows: the frame that the CRT controller describes, line by
 * line, as a monitor would draw it.
 *
 * Every line is put together in a buffer and handed to surface_put_row(),
 * which finds out what changed: no mode has to keep track of writes. Lines
 * that show the same row of memory are drawn once.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem,
 * CRT controller (address counter, row scan counter) and attribute
 * controller (panning, palette).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vga.h"
#include "util/timer.h"

#define CURSOR_HALF_MS  228 /* 16 frames of 70 a second */
#define BLINK_HALF_MS   457
#define CELL_DOTS_MAX   16u
#define MODE_CGA_A13    0x01 /* 0: address bit 13 is bit 0 of the scan line */
#define MODE_CGA_A14    0x02
#define MODE_A15        0x20 /* word mode: bit 15 goes round, else bit 13 */
#define MODE_BYTE       0x40
#define UNDERLINE_DWORD 0x40
#define MAX_SCAN_DOUBLE 0x80
#define SCAN_MASK       0x1f

/* -- colours --------------------------------------------------------------------- */

static uint32_t dac_part(const VGAState *s, uint8_t v)
{
    if (s->vbe.regs[VBE_ENABLE] & VBE_DAC_8BIT) {
        return v;
    }
    v &= 0x3f;
    return (uint32_t)(v << 2 | v >> 4);
}

void vga_palette(const VGAState *s, uint32_t *palette)
{
    for (unsigned i = 0; i < VGA_DAC_COLORS; i++) {
        const uint8_t *c = s->dac[i & s->dac_mask];

        palette[i] = dac_part(s, c[0]) << 16 | dac_part(s, c[1]) << 8 |
                     dac_part(s, c[2]);
    }
}

/* The 16 colours: attribute palette, colour select, DAC. */
static void build_colors(const VGAState *s, VGAFrame *f)
{
    uint8_t select = s->attr[VGA_ATTR_COLOR];

    for (unsigned i = 0; i < 16; i++) {
        unsigned c = s->attr[i & s->attr[VGA_ATTR_PLANES] & 0x0f];

        if (s->attr[VGA_ATTR_MODE] & VGA_ATTR_P54) {
            c = (c & 0x0f) | (select & 0x03u) << 4;
        }
        f->colors[i] = f->palette[(c & 0x3f) | (select & 0x0cu) << 4];
    }
}

/* -- the frame --------------------------------------------------------------------- */

static unsigned line_compare(const VGAState *s)
{
    return s->crtc[VGA_CRTC_COMPARE] |
           (s->crtc[VGA_CRTC_OVERFLOW] & 0x10u) << 4 |
           (s->crtc[VGA_CRTC_MAX_SCAN] & 0x40u) << 3;
}

static unsigned shown_lines(const VGAState *s)
{
    unsigned n = s->crtc[VGA_CRTC_VDISP] |
                 (s->crtc[VGA_CRTC_OVERFLOW] & 0x02u) << 7 |
                 (s->crtc[VGA_CRTC_OVERFLOW] & 0x40u) << 3;

    return (n + 1) << ((s->crtc[VGA_CRTC_MODE] >> 2) & 1);
}

static unsigned cell_width(const VGAState *s, bool text)
{
    uint8_t clock = s->seq[VGA_SEQ_CLOCK];

    if (text) {
        return clock & VGA_CLOCK_8DOTS ? 8 : 9;
    }
    return clock & VGA_CLOCK_HALF ? 16 : 8;
}

static void begin_frame(const VGAState *s, VGAFrame *f)
{
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    f->text = !(s->gfx[VGA_GFX_MISC] & VGA_MISC_GRAPHICS);
    f->columns = s->crtc[VGA_CRTC_HDISP] + 1u;
    f->cell = cell_width(s, f->text);
    f->width = (int)(f->columns * f->cell);
    f->height = (int)shown_lines(s);
    f->start =
        s->crtc[VGA_CRTC_START_HIGH] * 0x100u + s->crtc[VGA_CRTC_START_LOW];
    f->pitch = s->crtc[VGA_CRTC_OFFSET] * 2u;
    f->max_scan = s->crtc[VGA_CRTC_MAX_SCAN] & SCAN_MASK;
    f->double_scan = s->crtc[VGA_CRTC_MAX_SCAN] & MAX_SCAN_DOUBLE;
    f->compare = line_compare(s);
    f->addr_mask = VGA_PLANE_BYTES - 1;
    f->cursor_on = now / CURSOR_HALF_MS % 2 == 0;
    f->blink_on = now / BLINK_HALF_MS % 2 == 0;
    vga_palette(s, f->palette);
    build_colors(s, f);
}

/* 4 bits a pixel with the size that the display interface says. */
static void begin_vbe_frame(const VGAState *s, VGAFrame *f)
{
    VBEMode mode = vbe_mode(&s->vbe);

    begin_frame(s, f);
    f->text = false;
    f->cell = 8;
    f->columns = (unsigned)mode.width / 8;
    f->width = mode.width;
    f->height = mode.height;
    f->start = (unsigned)mode.start;
    f->pitch = mode.line_bytes;
    f->max_scan = 0;
    f->double_scan = false;
    f->compare = UINT_MAX;
    f->addr_mask = (uint32_t)(s->vram_bytes / 4 - 1);
}

/* -- memory ------------------------------------------------------------------------- */

static unsigned counter_to_address(const VGAState *s, unsigned c, unsigned scan)
{
    uint8_t mode = s->crtc[VGA_CRTC_MODE];

    if (s->crtc[VGA_CRTC_UNDERLINE] & UNDERLINE_DWORD) {
        c = c << 2 | (c >> 14 & 3);
    } else if (!(mode & MODE_BYTE)) {
        c = c << 1 | (c >> (mode & MODE_A15 ? 15 : 13) & 1);
    }
    if (!(mode & MODE_CGA_A13)) {
        c = (c & ~(1u << 13)) | (scan & 1) << 13;
    }
    if (!(mode & MODE_CGA_A14)) {
        c = (c & ~(1u << 14)) | (scan >> 1 & 1) << 14;
    }
    return c;
}

uint32_t vga_fetch(const VGAState *s, const VGAFrame *f, unsigned counter,
                   unsigned scan)
{
    bool vbe = f->addr_mask != VGA_PLANE_BYTES - 1;
    unsigned at = counter;
    uint32_t planes;

    if (!vbe && !vga_chain4(s)) {
        at = counter_to_address(s, counter & 0xffff, scan);
    }
    at &= f->addr_mask;
    memcpy(&planes, s->vram + 4 * (size_t)at, sizeof(planes));
    if (s->window.kind == VGA_WINDOW_TEXT && at < VGA_TEXT_BYTES && !(at & 1)) {
        planes = (planes & 0xffff0000u) | s->window.text[at] |
                 (uint32_t)s->window.text[at + 1] << 8;
    }
    return planes;
}

/* -- graphics -------------------------------------------------------------------------- */

/* Bit i of @b to bit 0 of nibble i. */
static uint32_t spread(uint32_t b)
{
    b = (b | b << 12) & 0x000f000f;
    b = (b | b << 6) & 0x03030303;
    return (b | b << 3) & 0x11111111;
}

/* Eight pixels of four bits, leftmost in the highest nibble. */
static uint32_t pixels_of(const VGAState *s, uint32_t planes)
{
    if (s->gfx[VGA_GFX_MODE] & VGA_MODE_SHIFT_CGA) {
        uint32_t pixels = 0;

        for (int i = 0; i < 8; i++) {
            unsigned shift = (i < 4 ? 0 : 8) + 6 - 2 * (i & 3);

            pixels = pixels << 4 | (planes >> shift & 3) |
                     (planes >> (16 + shift) & 3) << 2;
        }
        return pixels;
    }
    return spread(planes & 0xff) | spread(planes >> 8 & 0xff) << 1 |
           spread(planes >> 16 & 0xff) << 2 | spread(planes >> 24) << 3;
}

static void graphics_line(const VGAState *s, const VGAFrame *f, uint32_t *row,
                          unsigned counter, unsigned scan)
{
    bool bytes = s->gfx[VGA_GFX_MODE] & VGA_MODE_SHIFT_256;
    unsigned pixels = bytes ? 4 : 8;
    unsigned dots = f->cell / pixels;

    for (unsigned i = 0; i <= f->columns; i++, counter++) {
        uint32_t v = vga_fetch(s, f, counter, scan);

        if (!bytes) {
            v = pixels_of(s, v);
        }
        for (unsigned p = 0; p < pixels; p++) {
            uint32_t color = bytes ? f->palette[v >> (8 * p) & 0xff]
                                   : f->colors[v >> (28 - 4 * p) & 0x0f];

            for (unsigned d = 0; d < dots; d++) {
                *row++ = color;
            }
        }
    }
}

/* -- lines --------------------------------------------------------------------------------- */

/* By how many dots the line is moved to the left. */
static unsigned pan_dots(const VGAState *s, const VGAFrame *f)
{
    unsigned pan = s->attr[VGA_ATTR_PAN] & 0x0f;

    if (f->text && f->cell == 9) {
        return pan >= 8 ? 0 : pan + 1;
    }
    pan &= 7;
    if (f->cell == CELL_DOTS_MAX) {
        return pan * 2;
    }
    return s->gfx[VGA_GFX_MODE] & VGA_MODE_SHIFT_256 ? pan & 6 : pan;
}

static void draw_line(const VGAState *s, const VGAFrame *f, uint32_t *row,
                      unsigned counter, unsigned scan)
{
    if (f->text) {
        vga_text_line(s, f, row, counter, scan);
    } else {
        graphics_line(s, f, row, counter, scan);
    }
}

static void render_frame(VGAState *s, const VGAFrame *f)
{
    Console *con = s->console;
    size_t dots = (size_t)f->width + CELL_DOTS_MAX;
    g_autofree uint32_t *row = g_new0(uint32_t, dots);
    SurfaceSpan span = console_span(con);
    bool vbe = f->compare == UINT_MAX;
    unsigned pan = vbe ? 0 : pan_dots(s, f);
    uint8_t preset = vbe ? 0 : s->crtc[VGA_CRTC_PRESET_ROW];
    unsigned counter = f->start + (preset >> 5 & 3);
    unsigned scan = preset & SCAN_MASK;
    bool drawn = false;

    if (!console_resize(con, f->width, f->height)) {
        return;
    }
    for (int y = 0; y < f->height; y++) {
        if (!drawn) {
            draw_line(s, f, row, counter, scan);
            drawn = true;
        }
        surface_put_row(console_surface(con), &span, y, row + pan);
        if ((unsigned)y == f->compare) {
            counter = 0;
            scan = 0;
            pan = s->attr[VGA_ATTR_MODE] & VGA_ATTR_PAN_TOP ? 0 : pan;
            drawn = false;
        } else if (f->double_scan && !(y & 1)) {
            continue;
        } else if (scan >= f->max_scan) {
            scan = 0;
            counter += f->pitch;
            drawn = false;
        } else {
            scan++;
            drawn = !f->text &&
                    (s->crtc[VGA_CRTC_MODE] & (MODE_CGA_A13 | MODE_CGA_A14)) ==
                        (MODE_CGA_A13 | MODE_CGA_A14);
        }
    }
    surface_span_end(&span);
}

static void render_blank(VGAState *s)
{
    Surface *surface = console_surface(s->console);
    g_autofree uint32_t *row = g_new0(uint32_t, (size_t)surface->width);
    SurfaceSpan span = console_span(s->console);

    for (int y = 0; y < surface->height; y++) {
        surface_put_row(surface, &span, y, row);
    }
    surface_span_end(&span);
}

static bool is_blank(const VGAState *s)
{
    return !(s->attr_index & VGA_ATTR_UNBLANK) ||
           (!vbe_enabled(&s->vbe) && (s->seq[VGA_SEQ_CLOCK] & VGA_CLOCK_OFF));
}

void vga_refresh(VGAState *s)
{
    VBEMode mode = vbe_mode(&s->vbe);
    g_autofree VGAFrame *f = g_new0(VGAFrame, 1);

    if (is_blank(s)) {
        render_blank(s);
    } else if (!vbe_enabled(&s->vbe)) {
        begin_frame(s, f);
        render_frame(s, f);
    } else if (mode.bpp == 4) {
        begin_vbe_frame(s, f);
        render_frame(s, f);
    } else {
        vga_palette(s, f->palette);
        vbe_render(s->console, &mode, s->vram, s->big_endian, f->palette);
    }
}
