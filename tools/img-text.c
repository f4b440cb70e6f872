/*
 * What map prints of an entry, and where buffers differ.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "img-text.h"

#include "block/block-backend.h"
#include "util/error.h"

bool map_can_merge(const MapEntry *a, const MapEntry *b)
{
    return a->start + a->length == b->start && a->data == b->data &&
           a->zero == b->zero && a->present == b->present &&
           a->depth == b->depth && a->has_offset == b->has_offset &&
           (!a->has_offset || a->offset + a->length == b->offset) &&
           g_strcmp0(a->filename, b->filename) == 0;
}

bool map_append_human(GString *out, const MapEntry *e, Error **errp)
{
    if (e->data && !e->has_offset) {
        error_setg(errp, "File contains external, encrypted or compressed "
                         "clusters.");
        return false;
    }
    if (e->data && !e->zero) {
        g_string_append_printf(
            out, "%#-16" PRIx64 "%#-16" PRIx64 "%#-16" PRIx64 "%s\n", e->start,
            e->length, e->offset, e->filename ?: "");
    }
    return true;
}

void map_append_json(GString *out, const MapEntry *e)
{
    g_string_append_printf(
        out,
        "{ \"start\": %" PRId64 ", \"length\": %" PRId64 ", \"depth\": %" PRId64
        ", \"present\": %s, \"zero\": %s, "
        "\"data\": %s",
        e->start, e->length, e->depth, e->present ? "true" : "false",
        e->zero ? "true" : "false", e->data ? "true" : "false");
    if (e->has_offset) {
        g_string_append_printf(out, ", \"offset\": %" PRId64, e->offset);
    }
    g_string_append(out, "}");
}

size_t compare_first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
    size_t at = 0;

    /* Whole sectors at a time: memcmp() does not say where. */
    while (at < len) {
        size_t n = MIN(len - at, (size_t)BLK_SECTOR_SIZE);

        if (memcmp(a + at, b + at, n) != 0) {
            return at;
        }
        at += n;
    }
    return len;
}
