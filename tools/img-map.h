/*
 * Map entries as text. Pure.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_IMG_MAP_H
#define TOOLS_IMG_MAP_H

#include <glib.h>

#include "qapi/qapi-types-block.h"

/** map_can_merge: does @b go on where and as @a ends? */
bool map_can_merge(const MapEntry *a, const MapEntry *b);
/** map_append_human: a line if @e is data. Errors: it has no offset. */
bool map_append_human(GString *out, const MapEntry *e, Error **errp);
/** map_append_json: "{ "start": ... }" without a comma or newline. */
void map_append_json(GString *out, const MapEntry *e);

#endif
