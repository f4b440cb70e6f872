/*
 * EDID: what a monitor tells about itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H

#include <glib.h>
#include <stddef.h>
#include <stdint.h>

#define EDID_BYTES 128

typedef struct EDIDInfo {
    unsigned xres; /* preferred mode */
    unsigned yres;
    unsigned xmax; /* largest mode; 0 = the preferred one */
    unsigned ymax;
    unsigned refresh_mhz; /* 1/1000 Hz; 0 = 75000 */
    const char *name;     /* at most 13 characters */
} EDIDInfo;

/** edid_build: fill @edid with one block for @info. Sizes are limited to
 *  what a block can say (4095 dots, 655 MHz). */
void edid_build(const EDIDInfo *info, uint8_t edid[EDID_BYTES]);

#endif
