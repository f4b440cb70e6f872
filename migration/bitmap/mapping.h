/*
 * Parameter block-bitmap-mapping: which dirty bitmaps go, and what nodes and
 * bitmaps are called on the way.
 *
 * The mapping is the JSON list of QMP, checked once when it is set. NULL is
 * none at all: every bitmap goes and aliases are names.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_BITMAP_MAPPING_H
#define MIGRATION_BITMAP_MAPPING_H

#include <jansson.h>
#include <stdbool.h>

#include "util/error.h"

/* Nodes, and bitmaps of one node, in a mapping. */
#define BITMAP_MAPPING_NODES_MAX 4096
#define BITMAP_MAPPING_NAMES_MAX 65535

typedef struct BitmapMapped {
    const char *node; /* borrowed from the mapping */
    const char *name; /* the same */
    bool set_persistent;
    bool persistent;
} BitmapMapped;

/**
 * bitmap_mapping_check:
 * @mapping: (in) valid for the schema
 *
 * Errors: empty or too long names; a node, bitmap or alias that stands there
 * twice; more than the limits above.
 */
bool bitmap_mapping_check(const json_t *mapping, Error **errp);

/** bitmap_mapping_alias: what @node's @name is called on the way. @ret is set to
 *  aliases. Returns: false: it is not in @mapping. */
bool bitmap_mapping_alias(const json_t *mapping, const char *node,
                          const char *name, BitmapMapped *ret);

/**
 * bitmap_mapping_name: the other way; @ret is set to names.
 *
 * Errors: @node_alias or @alias is not in @mapping.
 */
bool bitmap_mapping_name(const json_t *mapping, const char *node_alias,
                         const char *alias, BitmapMapped *ret, Error **errp);

#endif
