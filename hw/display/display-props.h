/*
 * Properties that the graphics cards have in common: memory and monitor.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_DISPLAY_DISPLAY_PROPS_H
#define HW_DISPLAY_DISPLAY_PROPS_H

#include "qom/property.h"

/* Lines of a property table; @T is the device's struct with these fields. */
#define DISPLAY_EDID_PROPS(T, default_xres, default_yres)                      \
    { "edid",                                                                  \
      PROP_BOOL,                                                               \
      offsetof(T, edid),                                                       \
      .def = "on",                                                             \
      .help = "the monitor tells about itself",                                \
      .since = "0.1" },                                                        \
        { "xres",                                                              \
          PROP_UINT32,                                                         \
          offsetof(T, xres),                                                   \
          .def = default_xres,                                                 \
          .max = 16000,                                                        \
          .help = "width the monitor prefers",                                 \
          .unit = "pixels",                                                    \
          .since = "0.1" },                                                    \
        { "yres",                                                              \
          PROP_UINT32,                                                         \
          offsetof(T, yres),                                                   \
          .def = default_yres,                                                 \
          .max = 12000,                                                        \
          .help = "height the monitor prefers",                                \
          .unit = "pixels",                                                    \
          .since = "0.1" },                                                    \
        { "xmax",                                                              \
          PROP_UINT32,                                                         \
          offsetof(T, xmax),                                                   \
          .max = 16000,                                                        \
          .help = "largest width of the monitor; 0 = the preferred one",       \
          .unit = "pixels",                                                    \
          .since = "0.1" },                                                    \
        { "ymax",                                                              \
          PROP_UINT32,                                                         \
          offsetof(T, ymax),                                                   \
          .max = 12000,                                                        \
          .help = "largest height of the monitor; 0 = the preferred one",      \
          .unit = "pixels",                                                    \
          .since = "0.1" },                                                    \
    {                                                                          \
        "refresh_rate", PROP_UINT32, offsetof(T, refresh_mhz),                 \
            .max = 500000, .help = "of the preferred mode; 0 = 75 Hz",         \
            .unit = "mHz", .since = "0.1"                                      \
    }

/* Properties of a monitor, as the lines above fill them. */
#define DISPLAY_EDID_INFO(d)                                                   \
    {                                                                          \
        .xres = (d)->xres, .yres = (d)->yres, .xmax = (d)->xmax,               \
        .ymax = (d)->ymax, .refresh_mhz = (d)->refresh_mhz,                    \
        .name = "Ferry Monitor",                                               \
    }

#endif
