/*
 * Images, snapshots and formats' own information as text for people. Pure.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_IMG_DUMP_H
#define TOOLS_IMG_DUMP_H

#include <glib.h>

#include "qapi/qapi-types-block.h"

/** img_dump_info: all lines about one image. */
void img_dump_info(GString *out, ImageInfo *info);
/** img_dump_specific: what only its format has, indented. */
void img_dump_specific(GString *out, ImageInfoSpecific *specific);

#endif
