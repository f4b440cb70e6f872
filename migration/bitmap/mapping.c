/*
 * Parameter block-bitmap-mapping; see bitmap/mapping.h.
 *
 * Source: the documented members of BitmapMigrationNodeAlias and
 * BitmapMigrationBitmapAlias.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/bitmap/mapping.h"

#include "migration/bitmap/wire.h"
#include "migration/stream/stream-wire.h"

/* Of a node and of a bitmap in QMP. */
#define NAME_MAX_BYTES 1023

static const char *member(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

/* -- checking ------------------------------------------------------------------- */

/* A text that stands once in each @seen; @max bytes at most. */
static bool check_text(GHashTable *seen, const char *what, const char *text,
                       size_t max, Error **errp)
{
    size_t len = strlen(text);

    if (len == 0 || len > max) {
        error_setg(errp,
                   "Parameter 'block-bitmap-mapping': %s '%.64s%s' has %zu "
                   "bytes, not 1 to %zu",
                   what, text, len > 64 ? "..." : "", len, max);
        return false;
    }
    if (!stream_is_text(text, len)) {
        error_setg(errp,
                   "Parameter 'block-bitmap-mapping': %s '%s' has characters "
                   "that cannot be sent",
                   what, text);
        return false;
    }
    if (!g_hash_table_add(seen, (void *)text)) {
        error_setg(errp,
                   "Parameter 'block-bitmap-mapping': %s '%s' is there more "
                   "than once",
                   what, text);
        return false;
    }
    return true;
}

static bool check_count(const json_t *list, size_t max, const char *what,
                        Error **errp)
{
    if (json_array_size(list) > max) {
        error_setg(errp,
                   "Parameter 'block-bitmap-mapping' has %zu %s, at most %zu",
                   json_array_size(list), what, max);
        return false;
    }
    return true;
}

static bool check_bitmaps(const json_t *node, Error **errp)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) aliases = g_hash_table_new(g_str_hash, g_str_equal);
    const json_t *list = json_object_get(node, "bitmaps");
    const json_t *bitmap;
    size_t i;

    if (!check_count(list, BITMAP_MAPPING_NAMES_MAX, "bitmaps of a node",
                     errp)) {
        return false;
    }
    json_array_foreach(list, i, bitmap)
    {
        if (!check_text(names, "bitmap", member(bitmap, "name"), NAME_MAX_BYTES,
                        errp) ||
            !check_text(aliases, "bitmap alias", member(bitmap, "alias"),
                        BITMAP_NAME_MAX, errp)) {
            error_append_hint(errp, "Node '%s'.\n", member(node, "node-name"));
            return false;
        }
    }
    return true;
}

bool bitmap_mapping_check(const json_t *mapping, Error **errp)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) aliases = g_hash_table_new(g_str_hash, g_str_equal);
    const json_t *node;
    size_t i;

    if (!check_count(mapping, BITMAP_MAPPING_NODES_MAX, "nodes", errp)) {
        return false;
    }
    json_array_foreach(mapping, i, node)
    {
        if (!check_text(names, "node", member(node, "node-name"),
                        NAME_MAX_BYTES, errp) ||
            !check_text(aliases, "node alias", member(node, "alias"),
                        BITMAP_NAME_MAX, errp) ||
            !check_bitmaps(node, errp)) {
            return false;
        }
    }
    return true;
}

/* -- looking up --------------------------------------------------------------------- */

/* The first of @list whose @key is @text; NULL. */
static const json_t *find(const json_t *list, const char *key, const char *text)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        if (g_str_equal(member(one, key), text)) {
            return one;
        }
    }
    return NULL;
}

static void fill(const json_t *node, const char *node_key, const json_t *bitmap,
                 const char *bitmap_key, BitmapMapped *ret)
{
    const json_t *transform = json_object_get(bitmap, "transform");
    const json_t *persistent = json_object_get(transform, "persistent");

    *ret = (BitmapMapped){
        .node = member(node, node_key),
        .name = member(bitmap, bitmap_key),
        .set_persistent = persistent != NULL,
        .persistent = json_is_true(persistent),
    };
}

bool bitmap_mapping_alias(const json_t *mapping, const char *node,
                          const char *name, BitmapMapped *ret)
{
    const json_t *n = find(mapping, "node-name", node);
    const json_t *b = find(json_object_get(n, "bitmaps"), "name", name);

    if (!b) {
        return false;
    }
    fill(n, "alias", b, "alias", ret);
    return true;
}

bool bitmap_mapping_name(const json_t *mapping, const char *node_alias,
                         const char *alias, BitmapMapped *ret, Error **errp)
{
    const json_t *n = find(mapping, "alias", node_alias);
    const json_t *b = find(json_object_get(n, "bitmaps"), "alias", alias);

    if (!n) {
        error_setg(errp,
                   "dirty bitmap '%s': node alias '%s' is not in parameter "
                   "'block-bitmap-mapping'",
                   alias, node_alias);
        return false;
    }
    if (!b) {
        error_setg(errp,
                   "dirty bitmap alias '%s' of node '%s' is not in parameter "
                   "'block-bitmap-mapping'",
                   alias, member(n, "node-name"));
        return false;
    }
    fill(n, "node-name", b, "name", ret);
    return true;
}
