/*
 * The Bochs display interface: registers, and the mode that follows.
 *
 * The registers keep what the guest wrote; vbe_mode() makes of them a mode
 * that lies inside memory whatever they say, so nothing else has to check.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/vbe.h"

#include "hw/core/vmstate-check.h"

void vbe_init(VBERegs *v, uint64_t memory_bytes, bool planar)
{
    v->memory_bytes = memory_bytes;
    v->planar = planar;
    vbe_reset(v);
}

void vbe_reset(VBERegs *v)
{
    memset(v->regs, 0, sizeof(v->regs));
    v->regs[VBE_ID] = VBE_ID_NEWEST;
    v->regs[VBE_MEMORY_64K] = (uint16_t)(v->memory_bytes / VBE_BANK_SIZE);
}

uint16_t vbe_read(const VBERegs *v, unsigned index)
{
    if (index >= VBE_COUNT) {
        return 0;
    }
    if (v->regs[VBE_ENABLE] & VBE_GET_MAXIMUM) {
        switch (index) {
        case VBE_XRES:
            return VBE_XRES_MAX;
        case VBE_YRES:
            return VBE_YRES_MAX;
        case VBE_BPP:
            return VBE_BPP_MAX;
        default:
            break;
        }
    }
    return v->regs[index];
}

static bool is_depth(const VBERegs *v, unsigned bpp)
{
    switch (bpp) {
    case 4:
        return v->planar;
    case 8:
    case 15:
    case 16:
    case 24:
    case 32:
        return true;
    default:
        return false;
    }
}

/* Bytes of @pixels; in a planar mode, of one plane. */
static uint64_t pixels_to_bytes(unsigned bpp, uint64_t pixels)
{
    return bpp == 4 ? pixels / 8 : pixels * ((bpp + 7) / 8);
}

static uint64_t plane_bytes(const VBERegs *v, unsigned bpp)
{
    return bpp == 4 ? v->memory_bytes / 4 : v->memory_bytes;
}

static unsigned depth_of(const VBERegs *v)
{
    unsigned bpp = v->regs[VBE_BPP];

    return is_depth(v, bpp) ? bpp : 8;
}

VBEMode vbe_mode(const VBERegs *v)
{
    unsigned bpp = depth_of(v);
    uint64_t memory = plane_bytes(v, bpp);
    int width = MAX(8, v->regs[VBE_XRES] & ~7);
    int height = MAX(1, v->regs[VBE_YRES]);
    uint64_t line = pixels_to_bytes(bpp, MAX(width, v->regs[VBE_VIRT_WIDTH]));
    uint64_t start;

    line = MIN(line, memory); /* XRES_MAX of 32 bits always fits */
    height = (int)MIN((uint64_t)height, memory / line);
    start = line * v->regs[VBE_Y_OFFSET] +
            pixels_to_bytes(bpp, v->regs[VBE_X_OFFSET]);
    if (start + line * (uint64_t)height > memory) {
        start = 0;
    }
    return (VBEMode){ width, height, bpp, (uint32_t)line, start };
}

/* What the guest reads back: the virtual screen that really is. */
static void note_virtual_size(VBERegs *v)
{
    VBEMode mode = vbe_mode(v);
    uint64_t lines = plane_bytes(v, mode.bpp) / mode.line_bytes;

    v->regs[VBE_VIRT_WIDTH] =
        MAX(v->regs[VBE_VIRT_WIDTH], (uint16_t)mode.width);
    v->regs[VBE_VIRT_HEIGHT] = (uint16_t)MIN(lines, UINT16_MAX);
}

static bool write_enable(VBERegs *v, uint16_t value)
{
    bool on = (value & VBE_ENABLED) && !vbe_enabled(v);

    v->regs[VBE_ENABLE] = value;
    if (!(value & VBE_ENABLED)) {
        v->regs[VBE_BANK] = 0;
        return false;
    }
    if (on) {
        v->regs[VBE_VIRT_WIDTH] = v->regs[VBE_XRES];
        v->regs[VBE_X_OFFSET] = 0;
        v->regs[VBE_Y_OFFSET] = 0;
        note_virtual_size(v);
    }
    return on && !(value & VBE_KEEP_MEMORY);
}

bool vbe_write(VBERegs *v, unsigned index, uint16_t value)
{
    switch (index) {
    case VBE_ID:
        if (value >= VBE_ID_OLDEST && value <= VBE_ID_NEWEST) {
            v->regs[VBE_ID] = value;
        }
        break;
    case VBE_XRES:
        if (value && value <= VBE_XRES_MAX) {
            v->regs[index] = value & ~7;
        }
        break;
    case VBE_YRES:
        if (value && value <= VBE_YRES_MAX) {
            v->regs[index] = value;
        }
        break;
    case VBE_BPP:
        if (is_depth(v, value ? value : 8)) {
            v->regs[index] = value ? value : 8;
        }
        break;
    case VBE_ENABLE:
        return write_enable(v, value);
    case VBE_BANK:
        if (value < v->memory_bytes / VBE_BANK_SIZE) {
            v->regs[index] = value;
        }
        break;
    case VBE_VIRT_WIDTH:
        v->regs[index] = (uint16_t)MIN(value, VBE_XRES_MAX);
        note_virtual_size(v);
        break;
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        v->regs[index] = value;
        break;
    default: /* VIRT_HEIGHT follows from the rest; MEMORY is read-only */
        break;
    }
    return false;
}

/* -- rendering ------------------------------------------------------------------ */

static uint32_t load16(const uint8_t *p, bool big_endian)
{
    return big_endian ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t rgb(uint32_t r, uint32_t g, uint32_t b)
{
    return r << 16 | g << 8 | b;
}

static uint32_t widen(uint32_t v, unsigned bits)
{
    v &= (1u << bits) - 1;
    return v << (8 - bits) | v >> (2 * bits - 8);
}

static void row_8(uint32_t *dst, const uint8_t *src, int n,
                  const uint32_t *palette)
{
    for (int x = 0; x < n; x++) {
        dst[x] = palette[src[x]];
    }
}

static void row_15(uint32_t *dst, const uint8_t *src, int n, bool be)
{
    for (int x = 0; x < n; x++) {
        uint32_t v = load16(src + 2 * x, be);

        dst[x] = rgb(widen(v >> 10, 5), widen(v >> 5, 5), widen(v, 5));
    }
}

static void row_16(uint32_t *dst, const uint8_t *src, int n, bool be)
{
    for (int x = 0; x < n; x++) {
        uint32_t v = load16(src + 2 * x, be);

        dst[x] = rgb(widen(v >> 11, 5), widen(v >> 5, 6), widen(v, 5));
    }
}

static void row_24(uint32_t *dst, const uint8_t *src, int n, bool be)
{
    for (int x = 0; x < n; x++, src += 3) {
        dst[x] = be ? rgb(src[0], src[1], src[2]) : rgb(src[2], src[1], src[0]);
    }
}

static void row_32be(uint32_t *dst, const uint8_t *src, int n)
{
    for (int x = 0; x < n; x++, src += 4) {
        dst[x] = rgb(src[1], src[2], src[3]);
    }
}

static const uint32_t *convert_row(uint32_t *row, const uint8_t *src,
                                   const VBEMode *mode, bool be,
                                   const uint32_t *palette)
{
    switch (mode->bpp) {
    case 8:
        row_8(row, src, mode->width, palette);
        break;
    case 15:
        row_15(row, src, mode->width, be);
        break;
    case 16:
        row_16(row, src, mode->width, be);
        break;
    case 24:
        row_24(row, src, mode->width, be);
        break;
    default:
        if (!be) { /* as it lies there; hosts are little-endian */
            return (const uint32_t *)src;
        }
        row_32be(row, src, mode->width);
        break;
    }
    return row;
}

void vbe_render(Console *con, const VBEMode *mode, const uint8_t *memory,
                bool big_endian, const uint32_t *palette)
{
    const uint8_t *src = memory + mode->start;
    g_autofree uint32_t *row = g_new(uint32_t, (size_t)mode->width);
    SurfaceSpan span = console_span(con);

    if (!console_resize(con, mode->width, mode->height)) {
        return;
    }
    for (int y = 0; y < mode->height; y++, src += mode->line_bytes) {
        surface_put_row(console_surface(con), &span, y,
                        convert_row(row, src, mode, big_endian, palette));
    }
    surface_span_end(&span);
}

/* -- migration -------------------------------------------------------------------- */

static bool vbe_post_load(void *opaque, int version_id, Error **errp)
{
    const VBERegs *v = opaque;
    const uint16_t *r = v->regs;
    uint64_t banks = v->memory_bytes / VBE_BANK_SIZE;

    if (r[VBE_BPP] && !is_depth(v, r[VBE_BPP])) {
        error_setg(errp, "there are no pixels of %u bits", r[VBE_BPP]);
        return false;
    }
    return vmstate_check("video memory in 64 KiB", r[VBE_MEMORY_64K],
                         (uint16_t)banks, (uint16_t)banks, errp) &&
           vmstate_check("version of the display interface", r[VBE_ID],
                         VBE_ID_OLDEST, VBE_ID_NEWEST, errp) &&
           vmstate_check("width", r[VBE_XRES], 0, VBE_XRES_MAX, errp) &&
           vmstate_check("height", r[VBE_YRES], 0, VBE_YRES_MAX, errp) &&
           vmstate_check("virtual width", r[VBE_VIRT_WIDTH], 0, VBE_XRES_MAX,
                         errp) &&
           vmstate_check("bank", r[VBE_BANK], 0, banks - 1, errp);
}

const VMStateDescription vmstate_vbe = {
    .name = "vbe",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load_errp = vbe_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_UINT16_ARRAY(regs, VBERegs, VBE_COUNT),
                                VMSTATE_END_OF_LIST() },
};
