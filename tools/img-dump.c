/*
 * Images, snapshots and formats' own information as text for people.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "img-dump.h"

#include "block/snapshot-table.h"
#include "qapi/json.h"
#include "qapi/qapi-visit-block.h"
#include "qapi/qobject-output-visitor.h"
#include "util/cutils.h"

#define INDENT 4

/* -- JSON as indented text ------------------------------------------------------ */

static void dump_value(GString *out, const json_t *value, int depth);

static void dump_member(GString *out, const char *name, const json_t *value,
                        int depth)
{
    bool nested = json_is_object(value) || json_is_array(value);

    g_string_append_printf(out, "%*s%s:%s", depth * INDENT, "", name,
                           nested ? "\n" : " ");
    dump_value(out, value, depth + 1);
    if (!nested) {
        g_string_append_c(out, '\n');
    }
}

static void dump_value(GString *out, const json_t *value, int depth)
{
    const char *key;
    json_t *v;
    size_t i;

    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, v)
        {
            g_autofree char *name = g_strdelimit(g_strdup(key), "-", ' ');

            dump_member(out, name, v, depth);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, v)
        {
            g_autofree char *name = g_strdup_printf("[%zu]", i);

            dump_member(out, name, v, depth);
        }
    } else if (json_is_string(value) && !json_is_uint64_big(value)) {
        g_string_append(out, json_string_value(value));
    } else {
        GString *text = qobject_to_json(value);

        g_string_append(out, text->str);
        g_string_free(text, TRUE);
    }
}

void img_dump_specific(GString *out, ImageInfoSpecific *specific)
{
    g_autoptr(json_t) value = NULL;
    Visitor *v = qobject_output_visitor_new(&value);

    visit_type_ImageInfoSpecific(v, NULL, &specific, &error_abort);
    visit_complete(v, &value);
    visit_free(v);
    g_string_append(out, "Format specific information:\n");
    dump_value(out, json_object_get(value, "data"), 1);
}

/* -- images ------------------------------------------------------------------------ */

static void dump_backing(GString *out, const ImageInfo *info)
{
    g_string_append_printf(out, "backing file: %s", info->backing_filename);
    if (!info->full_backing_filename) {
        g_string_append(out, " (cannot determine actual path)");
    } else if (!g_str_equal(info->backing_filename,
                            info->full_backing_filename)) {
        g_string_append_printf(out, " (actual path: %s)",
                               info->full_backing_filename);
    }
    g_string_append_c(out, '\n');
    if (info->backing_filename_format) {
        g_string_append_printf(out, "backing file format: %s\n",
                               info->backing_filename_format);
    }
}

void img_dump_info(GString *out, ImageInfo *info)
{
    g_autofree char *virtual_size = size_to_str((uint64_t)info->virtual_size);
    g_autofree char *actual = info->has_actual_size
                                  ? size_to_str((uint64_t)info->actual_size)
                                  : g_strdup("unavailable");

    g_string_append_printf(out,
                           "image: %s\n"
                           "file format: %s\n"
                           "virtual size: %s (%" PRId64 " bytes)\n"
                           "disk size: %s\n",
                           info->filename, info->format, virtual_size,
                           info->virtual_size, actual);
    if (info->has_encrypted && info->encrypted) {
        g_string_append(out, "encrypted: yes\n");
    }
    if (info->has_cluster_size) {
        g_string_append_printf(out, "cluster_size: %" PRId64 "\n",
                               info->cluster_size);
    }
    if (info->has_dirty_flag && info->dirty_flag) {
        g_string_append(out, "cleanly shut down: no\n");
    }
    if (info->backing_filename) {
        dump_backing(out, info);
    }
    if (info->has_snapshots) {
        g_string_append(out, "Snapshot list:\n");
        snapshot_table_print(out, info->snapshots);
    }
    if (info->format_specific) {
        img_dump_specific(out, info->format_specific);
    }
}
