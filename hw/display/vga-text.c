/*
 * VGA text: a scan line of characters, with the guest's own font from plane 2.
 *
 * Attribute byte: bits 0-3 foreground (bit 3 also selects the font), 4-6
 * background, 7 blinks or is the background's fourth bit.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem,
 * alphanumeric modes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vga.h"

#define FONT_CHAR_BYTES  32u
#define CURSOR_OFF       0x20
#define SCAN_MASK        0x1f
#define ATTR_BLINK       0x80
#define ATTR_UNDERLINE   0x07 /* of these bits 1 means underlined */
#define LINE_CHARS_FIRST 0xc0
#define LINE_CHARS_LAST  0xdf

typedef struct TextLine {
    unsigned scan;
    unsigned font[2]; /* offset in plane 2, by attribute bit 3 */
    unsigned cursor;  /* address counter; UINT_MAX: none on this line */
    bool underline;   /* this scan line is where it goes */
    bool line_chars;  /* the ninth dot repeats the eighth for some */
} TextLine;

static unsigned font_offset(unsigned low, bool high)
{
    return low * 0x4000u + (high ? 0x2000u : 0);
}

static bool cursor_covers(const VGAState *s, unsigned scan)
{
    unsigned first = s->crtc[VGA_CRTC_CURSOR_START];
    unsigned last = s->crtc[VGA_CRTC_CURSOR_END] & SCAN_MASK;

    return !(first & CURSOR_OFF) && scan >= (first & SCAN_MASK) && scan <= last;
}

static TextLine begin_line(const VGAState *s, const VGAFrame *f, unsigned scan)
{
    uint8_t font = s->seq[VGA_SEQ_FONT];
    uint8_t mode = s->attr[VGA_ATTR_MODE];
    TextLine t = { .scan = scan, .cursor = UINT_MAX };

    t.font[1] = font_offset((font >> 2) & 3, font & 0x20);
    t.font[0] = font_offset(font & 3, font & 0x10);
    t.line_chars = mode & VGA_ATTR_LINE_CHARS;
    t.underline = (mode & VGA_ATTR_MONO) &&
                  scan == (s->crtc[VGA_CRTC_UNDERLINE] & SCAN_MASK);
    if (f->cursor_on && cursor_covers(s, scan)) {
        t.cursor = s->crtc[VGA_CRTC_CURSOR_HIGH] * 0x100u +
                   s->crtc[VGA_CRTC_CURSOR_LOW];
    }
    return t;
}

/* The dots of a cell, leftmost in bit 8. */
static unsigned cell_dots(const VGAState *s, const VGAFrame *f,
                          const TextLine *t, uint8_t ch, uint8_t attr,
                          bool cursor)
{
    unsigned at = t->font[(attr >> 3) & 1] + ch * FONT_CHAR_BYTES + t->scan;
    unsigned dots = s->vram[4u * (at & (VGA_PLANE_BYTES - 1)) + 2] * 2u;

    if (t->line_chars && ch >= LINE_CHARS_FIRST && ch <= LINE_CHARS_LAST) {
        dots |= dots >> 1 & 1;
    }
    if ((s->attr[VGA_ATTR_MODE] & VGA_ATTR_BLINK) && (attr & ATTR_BLINK) &&
        !f->blink_on) {
        dots = 0;
    }
    if (t->underline && (attr & ATTR_UNDERLINE) == 1) {
        dots = 0x1ff;
    }
    return cursor ? 0x1ff : dots;
}

void vga_text_line(const VGAState *s, const VGAFrame *f, uint32_t *row,
                   unsigned counter, unsigned scan)
{
    TextLine t = begin_line(s, f, scan);
    bool blinks = s->attr[VGA_ATTR_MODE] & VGA_ATTR_BLINK;

    for (unsigned i = 0; i <= f->columns; i++, counter++) {
        uint32_t cell = vga_fetch(s, f, counter, 0);
        uint8_t attr = (uint8_t)(cell >> 8);
        unsigned dots = cell_dots(s, f, &t, (uint8_t)cell, attr,
                                  (counter & 0xffff) == t.cursor);
        uint32_t fg = f->colors[attr & 0x0f];
        uint32_t bg = f->colors[(attr >> 4) & (blinks ? 0x07 : 0x0f)];

        for (unsigned d = 0; d < f->cell; d++, dots <<= 1) {
            *row++ = dots & 0x100 ? fg : bg;
        }
    }
}
