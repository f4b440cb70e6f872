/*
 * VGA registers: sequencer, CRT controller, graphics and attribute
 * controllers, DAC, status.
 *
 * Status register 1 follows the guest's clock as a monitor of 31.5 kHz and
 * 70 Hz would, so that software that waits for the retrace waits as long as
 * it did on hardware.
 *
 * Source: IBM PS/2 Hardware Interface Technical Reference, Video Subsystem.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vga.h"
#include "trace/trace-hw.h"
#include "util/timer.h"

#define PORT_ATTR       0x3c0
#define PORT_ATTR_READ  0x3c1
#define PORT_MISC       0x3c2 /* read: input status 0 */
#define PORT_ENABLE     0x3c3
#define PORT_SEQ        0x3c4
#define PORT_SEQ_DATA   0x3c5
#define PORT_DAC_MASK   0x3c6
#define PORT_DAC_READ   0x3c7 /* read: state */
#define PORT_DAC_WRITE  0x3c8
#define PORT_DAC_DATA   0x3c9
#define PORT_FEATURE    0x3ca
#define PORT_MISC_READ  0x3cc
#define PORT_GFX        0x3ce
#define PORT_GFX_DATA   0x3cf
#define PORT_CRTC       0x3d4
#define PORT_CRTC_DATA  0x3d5
#define PORT_STATUS     0x3da
#define PORT_MONO_DELTA 0x20 /* 3Bxh for 3Dxh */

#define MISC_COLOR        0x01
#define CRTC_PROTECT      0x80 /* of VSYNC_END: registers 0 to 7 */
#define CRTC_PROTECTED    7
#define OVERFLOW_COMPARE  0x10 /* the bit that is never protected */
#define ATTR_INDEX_MASK   0x1f
#define ATTR_PALETTE_MASK 0x3f
#define SEQ_INDEX_MASK    0x07
#define GFX_INDEX_MASK    0x0f
#define FEATURE_BITS      0x10
#define STATUS_BLANK      0x01
#define STATUS_VSYNC      0x08
#define STATUS0_SENSE     0x10

#define LINE_NS       31778
#define LINE_SHOWN_NS 25422
#define FRAME_LINES   449
#define SYNC_LINE     412
#define SYNC_LINES    2
#define SHOWN_LINES   400

static const uint8_t seq_mask[VGA_SEQ_COUNT] = { 0x03, 0x3d, 0x0f, 0x3f, 0x0e };
static const uint8_t gfx_mask[VGA_GFX_COUNT] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03,
                                                 0x7b, 0x0f, 0x0f, 0xff };

/* -- status --------------------------------------------------------------------- */

static uint8_t status_1(void)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    int64_t line = now / LINE_NS % FRAME_LINES;
    uint8_t status = 0;

    if (line >= SHOWN_LINES || now % LINE_NS >= LINE_SHOWN_NS) {
        status |= STATUS_BLANK;
    }
    if (line >= SYNC_LINE && line < SYNC_LINE + SYNC_LINES) {
        status |= STATUS_VSYNC;
    }
    return status;
}

/* -- attribute controller ---------------------------------------------------------- */

static void write_attr(VGAState *s, uint8_t value)
{
    unsigned index = s->attr_index & ATTR_INDEX_MASK;

    if (!s->attr_data) {
        s->attr_index = value & (ATTR_INDEX_MASK | VGA_ATTR_UNBLANK);
    } else if (index < VGA_ATTR_MODE) {
        s->attr[index] = value & ATTR_PALETTE_MASK;
    } else if (index < VGA_ATTR_COUNT) {
        s->attr[index] = value;
    }
    s->attr_data = !s->attr_data;
}

static uint8_t read_attr(const VGAState *s)
{
    unsigned index = s->attr_index & ATTR_INDEX_MASK;

    return index < VGA_ATTR_COUNT ? s->attr[index] : 0;
}

/* -- DAC ------------------------------------------------------------------------------ */

static uint8_t read_dac(VGAState *s)
{
    uint8_t value = s->dac[s->dac_read][s->dac_part];

    if (++s->dac_part == 3) {
        s->dac_part = 0;
        s->dac_read++;
    }
    return value;
}

static void write_dac(VGAState *s, uint8_t value)
{
    s->dac_latch[s->dac_part] = value;
    if (++s->dac_part == 3) {
        s->dac_part = 0;
        memcpy(s->dac[s->dac_write], s->dac_latch, sizeof(s->dac_latch));
        s->dac_write++;
    }
}

/* -- CRT controller --------------------------------------------------------------------- */

static void write_crtc(VGAState *s, uint8_t value)
{
    unsigned index = s->crtc_index;

    if (index >= VGA_CRTC_COUNT) {
        return;
    }
    if ((s->crtc[VGA_CRTC_VSYNC_END] & CRTC_PROTECT) &&
        index <= CRTC_PROTECTED) {
        if (index == VGA_CRTC_OVERFLOW) {
            s->crtc[index] = (s->crtc[index] & (uint8_t)~OVERFLOW_COMPARE) |
                             (value & OVERFLOW_COMPARE);
        }
        return;
    }
    s->crtc[index] = value;
}

/* -- ports ---------------------------------------------------------------------------- */

static void write_seq(VGAState *s, uint8_t value)
{
    if (s->seq_index < VGA_SEQ_COUNT) {
        s->seq[s->seq_index] = value & seq_mask[s->seq_index];
        vga_window_changed(s);
    }
}

static void write_gfx(VGAState *s, uint8_t value)
{
    if (s->gfx_index < VGA_GFX_COUNT) {
        s->gfx[s->gfx_index] = value & gfx_mask[s->gfx_index];
        vga_window_changed(s);
    }
}

void vga_mask_registers(VGAState *s)
{
    s->feature &= FEATURE_BITS;
    s->seq_index &= SEQ_INDEX_MASK;
    s->gfx_index &= GFX_INDEX_MASK;
    s->attr_index &= ATTR_INDEX_MASK | VGA_ATTR_UNBLANK;
    for (unsigned i = 0; i < VGA_SEQ_COUNT; i++) {
        s->seq[i] &= seq_mask[i];
    }
    for (unsigned i = 0; i < VGA_GFX_COUNT; i++) {
        s->gfx[i] &= gfx_mask[i];
    }
    for (unsigned i = 0; i < VGA_ATTR_MODE; i++) {
        s->attr[i] &= ATTR_PALETTE_MASK;
    }
}

/* 3Bxh answers on a monochrome card, 3Dxh on one with colours; both are here
 * as 3Dxh. Returns: 0 if the port does not answer now. */
static uint16_t canonical_port(const VGAState *s, uint16_t port)
{
    bool mono = port < PORT_ATTR;

    if (port >= PORT_ATTR && port < PORT_ATTR + 0x10) {
        return port;
    }
    return mono == !(s->misc & MISC_COLOR)
               ? (uint16_t)(port + (mono ? PORT_MONO_DELTA : 0))
               : 0;
}

uint8_t vga_port_read(VGAState *s, uint16_t port)
{
    switch (canonical_port(s, port)) {
    case PORT_ATTR:
        return s->attr_data ? 0 : s->attr_index;
    case PORT_ATTR_READ:
        return read_attr(s);
    case PORT_MISC:
        return STATUS0_SENSE;
    case PORT_ENABLE:
        return 1;
    case PORT_SEQ:
        return s->seq_index;
    case PORT_SEQ_DATA:
        return s->seq_index < VGA_SEQ_COUNT ? s->seq[s->seq_index] : 0;
    case PORT_DAC_MASK:
        return s->dac_mask;
    case PORT_DAC_READ:
        return s->dac_reading ? 3 : 0;
    case PORT_DAC_WRITE:
        return s->dac_write;
    case PORT_DAC_DATA:
        return read_dac(s);
    case PORT_FEATURE:
        return s->feature;
    case PORT_MISC_READ:
        return s->misc;
    case PORT_GFX:
        return s->gfx_index;
    case PORT_GFX_DATA:
        return s->gfx_index < VGA_GFX_COUNT ? s->gfx[s->gfx_index] : 0;
    case PORT_CRTC:
        return s->crtc_index;
    case PORT_CRTC_DATA:
        return s->crtc_index < VGA_CRTC_COUNT ? s->crtc[s->crtc_index] : 0;
    case PORT_STATUS:
        s->attr_data = false;
        return status_1();
    default:
        return 0xff;
    }
}

void vga_port_write(VGAState *s, uint16_t port, uint8_t value)
{
    trace_vga_write(port, value);
    switch (canonical_port(s, port)) {
    case PORT_ATTR:
        write_attr(s, value);
        break;
    case PORT_MISC:
        s->misc = value;
        break;
    case PORT_SEQ:
        s->seq_index = value & SEQ_INDEX_MASK;
        break;
    case PORT_SEQ_DATA:
        write_seq(s, value);
        break;
    case PORT_DAC_MASK:
        s->dac_mask = value;
        break;
    case PORT_DAC_READ:
    case PORT_DAC_WRITE:
        s->dac_reading = port == PORT_DAC_READ;
        *(s->dac_reading ? &s->dac_read : &s->dac_write) = value;
        s->dac_part = 0;
        break;
    case PORT_DAC_DATA:
        write_dac(s, value);
        break;
    case PORT_GFX:
        s->gfx_index = value & GFX_INDEX_MASK;
        break;
    case PORT_GFX_DATA:
        write_gfx(s, value);
        break;
    case PORT_CRTC:
        s->crtc_index = value;
        break;
    case PORT_CRTC_DATA:
        write_crtc(s, value);
        break;
    case PORT_STATUS:
        s->feature = value & FEATURE_BITS;
        break;
    default:
        break;
    }
}
