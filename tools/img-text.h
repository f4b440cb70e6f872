/*
 * Pure parts of map and compare.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_IMG_TEXT_H
#define TOOLS_IMG_TEXT_H

#include <glib.h>

#include "qapi/qapi-types-block.h"

/** map_can_merge: does @b go on where and as @a ends? */
bool map_can_merge(const MapEntry *a, const MapEntry *b);
/** map_append_human: a line if @e is data. Errors: it has no offset. */
bool map_append_human(GString *out, const MapEntry *e, Error **errp);
/** map_append_json: "{ "start": ... }" without a comma or newline. */
void map_append_json(GString *out, const MapEntry *e);

/** compare_first_difference: offset of the first sector that differs; @len if
 *  none does. */
size_t compare_first_difference(const uint8_t *a, const uint8_t *b, size_t len);

#endif
