/*
 * EDID: one base block with the preferred mode, the usual smaller modes, the
 * limits and the name.
 *
 * Timing of the preferred mode: reduced blanking as of CVT (160 dots, 460 us),
 * which any guest's driver computes the same way.
 *
 * Source: VESA E-EDID Standard Release A Rev. 2, section 3; VESA CVT 1.1.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/edid.h"

#define DEFAULT_REFRESH_MHZ 75000u
#define PRODUCT_CODE        0x1234
#define SERIAL_NUMBER       1u
#define YEAR                2026
#define DPI                 100u
#define RES_MAX             4095u
#define PIXEL_CLOCK_MAX     65535u /* in units of 10 kHz */
#define HBLANK              160u
#define HFRONT              48u
#define HSYNC               32u
#define VFRONT              3u
#define VSYNC               6u
#define VBLANK_US           460u
#define DESCRIPTOR_BYTES    18u
#define DESCRIPTORS         54u
#define STANDARD_TIMINGS    38u

typedef struct Timing {
    unsigned clock_10khz;
    unsigned xres;
    unsigned yres;
    unsigned vblank;
} Timing;

static Timing preferred_timing(const EDIDInfo *info)
{
    uint64_t mhz = info->refresh_mhz ? info->refresh_mhz : DEFAULT_REFRESH_MHZ;
    Timing t = { .xres = CLAMP(info->xres, 64, RES_MAX),
                 .yres = CLAMP(info->yres, 64, RES_MAX) };
    uint64_t frame_us = 1000000000ull / mhz;
    uint64_t clock;

    t.vblank = (unsigned)(VBLANK_US * t.yres /
                              (frame_us > 2 * VBLANK_US ? frame_us - VBLANK_US
                                                        : VBLANK_US) +
                          1);
    t.vblank = CLAMP(t.vblank, VFRONT + VSYNC + 1, 4095);
    clock = (uint64_t)(t.xres + HBLANK) * (t.yres + t.vblank) * mhz / 10000000u;
    t.clock_10khz = (unsigned)MIN(clock, PIXEL_CLOCK_MAX);
    return t;
}

static unsigned dots_to_mm(unsigned dots)
{
    return dots * 254 / (DPI * 10);
}

static void put_timing(uint8_t *d, const Timing *t)
{
    unsigned w = dots_to_mm(t->xres);
    unsigned h = dots_to_mm(t->yres);

    d[0] = (uint8_t)t->clock_10khz;
    d[1] = (uint8_t)(t->clock_10khz >> 8);
    d[2] = (uint8_t)t->xres;
    d[3] = (uint8_t)HBLANK;
    d[4] = (uint8_t)(t->xres >> 8 << 4 | HBLANK >> 8);
    d[5] = (uint8_t)t->yres;
    d[6] = (uint8_t)t->vblank;
    d[7] = (uint8_t)(t->yres >> 8 << 4 | t->vblank >> 8);
    d[8] = HFRONT;
    d[9] = HSYNC;
    d[10] = VFRONT << 4 | VSYNC;
    d[12] = (uint8_t)w;
    d[13] = (uint8_t)h;
    d[14] = (uint8_t)(w >> 8 << 4 | h >> 8);
    d[17] = 0x1e; /* separate sync, both positive */
}

static void put_text(uint8_t *d, uint8_t tag, const char *text)
{
    size_t n = strlen(text);

    d[3] = tag;
    memset(d + 5, ' ', 13);
    memcpy(d + 5, text, MIN(n, 13));
    if (n < 13) {
        d[5 + n] = '\n';
    }
}

static void put_range(uint8_t *d)
{
    d[3] = 0xfd;
    d[5] = 50; /* Hz */
    d[6] = 125;
    d[7] = 30; /* kHz */
    d[8] = 160;
    d[9] = 255; /* 10 MHz */
    d[11] = '\n';
    memset(d + 12, ' ', 6);
}

/* Modes that any software asks for, if they are not larger than the limit. */
static void put_modes(uint8_t *e, unsigned xmax, unsigned ymax)
{
    static const struct {
        uint16_t x, y;
        uint8_t aspect; /* 0 = 16:10, 1 = 4:3, 2 = 5:4, 3 = 16:9 */
    } modes[] = { { 1920, 1080, 3 }, { 1680, 1050, 0 }, { 1600, 1200, 1 },
                  { 1440, 900, 0 },  { 1280, 1024, 2 }, { 1280, 800, 0 },
                  { 1280, 720, 3 },  { 1152, 864, 1 } };
    uint8_t *d = e + STANDARD_TIMINGS;

    e[35] = 0x21;                                /* 640x480, 800x600 at 60 Hz */
    e[36] = xmax >= 1024 && ymax >= 768 ? 8 : 0; /* 1024x768 at 60 Hz */
    memset(d, 1, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (modes[i].x <= xmax && modes[i].y <= ymax) {
            *d++ = (uint8_t)(modes[i].x / 8 - 31);
            *d++ = (uint8_t)(modes[i].aspect << 6); /* 60 Hz */
        }
    }
}

static void put_header(uint8_t *e, const Timing *t)
{
    static const uint8_t chromaticity[10] = { 0xee, 0x91, 0xa3, 0x54, 0x4c,
                                              0x99, 0x26, 0x0f, 0x50, 0x54 };

    memset(e + 1, 0xff, 6);
    e[8] = 0x49; /* "RHT" */
    e[9] = 0x14;
    e[10] = PRODUCT_CODE & 0xff;
    e[11] = PRODUCT_CODE >> 8;
    e[12] = SERIAL_NUMBER;
    e[16] = 42; /* week */
    e[17] = YEAR - 1990;
    e[18] = 1; /* EDID 1.4 */
    e[19] = 4;
    e[20] = 0xa5; /* digital, 8 bits, DisplayPort */
    e[21] = (uint8_t)MIN(dots_to_mm(t->xres) / 10, 255);
    e[22] = (uint8_t)MIN(dots_to_mm(t->yres) / 10, 255);
    e[23] = 120;  /* gamma 2.2 */
    e[24] = 0x06; /* sRGB, preferred mode is native */
    memcpy(e + 25, chromaticity, sizeof(chromaticity));
}

void edid_build(const EDIDInfo *info, uint8_t edid[EDID_BYTES])
{
    Timing t = preferred_timing(info);
    unsigned sum = 0;

    memset(edid, 0, EDID_BYTES);
    put_header(edid, &t);
    put_modes(edid, MAX(info->xmax, t.xres), MAX(info->ymax, t.yres));
    put_timing(edid + DESCRIPTORS, &t);
    put_range(edid + DESCRIPTORS + DESCRIPTOR_BYTES);
    put_text(edid + DESCRIPTORS + 2 * DESCRIPTOR_BYTES, 0xfc, info->name);
    put_text(edid + DESCRIPTORS + 3 * DESCRIPTOR_BYTES, 0xfe, "");
    for (unsigned i = 0; i < EDID_BYTES - 1; i++) {
        sum += edid[i];
    }
    edid[EDID_BYTES - 1] = (uint8_t)-sum;
}
