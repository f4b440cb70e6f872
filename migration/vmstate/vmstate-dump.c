/*
 * -dump-vmstate: the tables themselves, not anybody's state.
 *
 * Each class: Name, version_id, minimum_version_id, Description; that holds
 * Fields (field, version_id, field_exists, size, for structs a Description)
 * and Subsections, as comparing tools for this interface read them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/vmstate-dump.h"

#include "migration/stream/savevm-internal.h"
#include "migration/vmstate/vmstate-json.h"

struct VMStateDump {
    JSONWriter *json;
    GHashTable *names;  /* set of those added; owned */
    GHashTable *tables; /* set of VMStateDescription *; borrowed */
};

VMStateDump *vmstate_dump_new(const char *machine)
{
    VMStateDump *d = g_new0(VMStateDump, 1);

    d->json = json_writer_new(true);
    d->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    d->tables = g_hash_table_new(NULL, NULL);
    json_writer_start_object(d->json, NULL);
    json_writer_start_object(d->json, "vmschkmachine");
    json_writer_str_dup(d->json, "Name", machine);
    json_writer_end_object(d->json);
    return d;
}

void vmstate_dump_free(VMStateDump *d)
{
    if (d) {
        json_writer_free(d->json);
        g_hash_table_destroy(d->names);
        g_hash_table_destroy(d->tables);
        g_free(d);
    }
}

static void dump_description(JSONWriter *w, const VMStateDescription *vmsd);

static void dump_field(JSONWriter *w, const VMStateField *field)
{
    json_writer_start_object(w, NULL);
    json_writer_str(w, "field", field->name);
    json_writer_int64(w, "version_id", field->version_id);
    json_writer_bool(w, "field_exists", field->field_exists != NULL);
    if (field->flags & VMS_ARRAY) {
        json_writer_int64(w, "num", field->num);
    }
    json_writer_int64(w, "size", (int64_t)field->size);
    if (field->vmsd) {
        json_writer_start_object(w, "Description");
        dump_description(w, field->vmsd);
        json_writer_end_object(w);
    }
    json_writer_end_object(w);
}

static void dump_description(JSONWriter *w, const VMStateDescription *vmsd)
{
    json_writer_str(w, "name", vmsd->name);
    json_writer_int64(w, "version_id", vmsd->version_id);
    json_writer_int64(w, "minimum_version_id", vmsd->minimum_version_id);
    if (vmsd->fields) {
        json_writer_start_array(w, "Fields");
        for (const VMStateField *field = vmsd->fields;
             !(field->flags & VMS_END); field++) {
            if (!(field->flags & VMS_MUST_EXIST)) { /* else nothing is sent */
                dump_field(w, field);
            }
        }
        json_writer_end_array(w);
    }
    if (vmsd->subsections) {
        json_writer_start_array(w, "Subsections");
        for (unsigned i = 0; vmsd->subsections[i]; i++) {
            json_writer_start_object(w, NULL);
            dump_description(w, vmsd->subsections[i]);
            json_writer_end_object(w);
        }
        json_writer_end_array(w);
    }
}

void vmstate_dump_add(VMStateDump *d, const char *name,
                      const VMStateDescription *vmsd)
{
    char *kept;

    g_hash_table_add(d->tables, (gpointer)vmsd);
    if (g_hash_table_contains(d->names, name)) {
        return;
    }
    kept = g_strdup(name); /* the set keeps it for the writer, too */
    g_hash_table_add(d->names, kept);
    json_writer_start_object(d->json, kept);
    json_writer_str(d->json, "Name", kept);
    json_writer_int64(d->json, "version_id", vmsd->version_id);
    json_writer_int64(d->json, "minimum_version_id", vmsd->minimum_version_id);
    json_writer_start_object(d->json, "Description");
    dump_description(d->json, vmsd);
    json_writer_end_object(d->json);
    json_writer_end_object(d->json);
}

void vmstate_dump_add_registry(VMStateDump *d, SaveVMRegistry *reg)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (se->vmsd && !g_hash_table_contains(d->tables, se->vmsd)) {
            vmstate_dump_add(d, se->idstr, se->vmsd);
        }
    }
}

char *vmstate_dump_text(VMStateDump *d)
{
    size_t len;

    json_writer_end_object(d->json);
    return json_writer_text(d->json, &len);
}
