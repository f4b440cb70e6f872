/*
 * Sending sections: live parts straight to the stream, devices to memory
 * first (see stream/savevm.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram-block.h"
#include "migration/stream/savevm-internal.h"
#include "migration/vmstate/vmstate-json.h"

/* START and FULL: type, 3 numbers, counted name. */
#define SECTION_HEADER_MAX (1 + 3 * 4 + 1 + STREAM_NAME_MAX)

static void put_section_header(QEMUFile *f, StreamSection type,
                               const SaveStateEntry *se)
{
    g_auto(WireBuffer) b = { 0 };
    StreamSectionHeader h = {
        .section_id = se->section_id,
        .instance_id = se->instance_id,
        .version_id = (uint32_t)se->version_id,
    };

    g_strlcpy(h.idstr, se->idstr, sizeof(h.idstr));
    wire_writer_init(&b, SECTION_HEADER_MAX, false);
    stream_section_put(&b, type, &h);
    qemu_put_buffer(f, b.data, b.len);
}

static void put_section_again(QEMUFile *f, StreamSection type,
                              const SaveStateEntry *se)
{
    qemu_put_byte(f, type);
    qemu_put_be32(f, se->section_id);
}

static void put_footer(SaveVMRegistry *reg, QEMUFile *f,
                       const SaveStateEntry *se)
{
    if (reg->options.section_footer) {
        qemu_put_byte(f, STREAM_SECTION_FOOTER);
        qemu_put_be32(f, se->section_id);
    }
}

/* A handler of @se returned @ret: did it, and the stream, succeed? */
static bool part_ok(const SaveStateEntry *se, QEMUFile *f, int ret, Error *err,
                    Error **errp)
{
    if (ret >= 0 && qemu_file_get_error(f) == 0) {
        return true;
    }
    if (!err && qemu_file_get_error_obj(f, &err) == 0) {
        error_setg_errno(&err, -ret, "cannot be sent");
    }
    error_propagate_prepend(errp, err, "section '%s': ", se->idstr);
    return false;
}

void savevm_send_header(SaveVMRegistry *reg, QEMUFile *f,
                        const ConfigSection *config)
{
    g_auto(WireBuffer) b = { 0 };

    wire_writer_init(&b, STREAM_HEADER_LEN, false);
    stream_header_put(&b);
    qemu_put_buffer(f, b.data, b.len);
    if (reg->options.configuration) {
        config_section_put(f, config);
    }
}

bool savevm_setup(SaveVMRegistry *reg, QEMUFile *f, Error **errp)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        Error *err = NULL;
        int ret;

        se->ended = false;
        if (!savevm_entry_is_live(se) || !savevm_entry_is_active(se)) {
            continue;
        }
        put_section_header(f, STREAM_SECTION_START, se);
        se->set_up = true;
        ret = se->ops->save_setup(f, se->opaque, &err);
        put_footer(reg, f, se);
        if (!part_ok(se, f, ret, err, errp)) {
            return false;
        }
    }
    return qemu_fflush(f) == 0 || qemu_file_get_error_obj(f, errp) == 0;
}

static bool part_has_postcopy(const SaveStateEntry *se)
{
    return se->ops->has_postcopy && se->ops->has_postcopy(se->opaque);
}

void savevm_part_begin(SaveVMRegistry *reg G_GNUC_UNUSED, QEMUFile *f,
                       const SaveStateEntry *se)
{
    put_section_again(f, STREAM_SECTION_PART, se);
}

void savevm_part_end(SaveVMRegistry *reg, QEMUFile *f, const SaveStateEntry *se)
{
    put_footer(reg, f, se);
}

int savevm_iterate(SaveVMRegistry *reg, QEMUFile *f, bool postcopy,
                   Error **errp)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        int ret;

        if (!se->set_up || se->ended || !se->ops->save_live_iterate ||
            (postcopy && !part_has_postcopy(se)) ||
            (se->ops->is_active_iterate &&
             !se->ops->is_active_iterate(se->opaque))) {
            continue;
        }
        savevm_part_begin(reg, f, se);
        ret = se->ops->save_live_iterate(f, se->opaque);
        savevm_part_end(reg, f, se);
        if (!part_ok(se, f, ret, NULL, errp)) {
            return -1;
        }
        if (ret == 0) {
            return 0; /* the next part waits until this one is done */
        }
    }
    return 1;
}

void savevm_pending(SaveVMRegistry *reg, uint64_t *ret_must_precopy,
                    uint64_t *ret_can_postcopy)
{
    SaveStateEntry *se;
    uint64_t must = 0, can = 0;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        uint64_t part_must = 0, part_can = 0;

        if (se->set_up && !se->ended && se->ops->save_live_pending) {
            se->ops->save_live_pending(se->opaque, &part_must, &part_can);
            must += part_must;
            can += part_can;
        }
    }
    *ret_must_precopy = must;
    *ret_can_postcopy = can;
}

typedef int PartComplete(QEMUFile *f, void *opaque);

static bool part_complete(SaveVMRegistry *reg, QEMUFile *f, SaveStateEntry *se,
                          PartComplete *complete, Error **errp)
{
    int ret;

    put_section_again(f, STREAM_SECTION_END, se);
    ret = complete(f, se->opaque);
    put_footer(reg, f, se);
    se->ended = true;
    return part_ok(se, f, ret, NULL, errp);
}

bool savevm_complete(SaveVMRegistry *reg, QEMUFile *f, bool postcopy_follows,
                     Error **errp)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (!se->set_up || se->ended || !se->ops->save_live_complete_precopy ||
            (postcopy_follows && part_has_postcopy(se))) {
            continue;
        }
        if (!part_complete(reg, f, se, se->ops->save_live_complete_precopy,
                           errp)) {
            return false;
        }
    }
    return true;
}

bool savevm_complete_postcopy(SaveVMRegistry *reg, QEMUFile *f, Error **errp)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (!se->set_up || se->ended || !se->ops->save_live_complete_postcopy) {
            continue;
        }
        if (!part_complete(reg, f, se, se->ops->save_live_complete_postcopy,
                           errp)) {
            return false;
        }
    }
    return true;
}

void savevm_cleanup(SaveVMRegistry *reg)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (se->set_up) {
            se->set_up = false;
            se->ended = false;
            if (se->ops->save_cleanup) {
                se->ops->save_cleanup(se->opaque);
            }
        }
    }
}

bool savevm_resume_prepare(SaveVMRegistry *reg, Error **errp)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        Error *err = NULL;
        int ret;

        if (!se->set_up || !se->ops->resume_prepare) {
            continue;
        }
        ret = se->ops->resume_prepare(se->opaque, &err);
        if (ret < 0) {
            if (!err) {
                error_setg_errno(&err, -ret, "cannot be resumed");
            }
            error_propagate_prepend(errp, err, "section '%s': ", se->idstr);
            return false;
        }
    }
    return true;
}

unsigned savevm_switchover_acks(SaveVMRegistry *reg)
{
    SaveStateEntry *se;
    unsigned n = 0;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        n += se->ops && se->ops->switchover_ack_needed &&
             se->ops->switchover_ack_needed(se->opaque);
    }
    return n;
}

/* -- devices ------------------------------------------------------------------ */

static bool device_is_sent(const SaveStateEntry *se)
{
    if (savevm_entry_is_live(se)) {
        return false;
    }
    return se->vmsd ? vmstate_section_needed(se->vmsd, se->opaque)
                    : se->ops->save_state && savevm_entry_is_active(se);
}

/* Payload by save_state, and a description that says no more than its size. */
static int save_legacy(QEMUFile *f, const SaveStateEntry *se,
                       JSONWriter *vmdesc)
{
    uint64_t before = qemu_file_transferred(f);
    int64_t size;

    se->ops->save_state(f, se->opaque);
    size = (int64_t)(qemu_file_transferred(f) - before);
    if (vmdesc) {
        json_writer_int64(vmdesc, "version", se->version_id);
        json_writer_start_array(vmdesc, "fields");
        json_writer_start_object(vmdesc, NULL);
        json_writer_str(vmdesc, "name", "data");
        json_writer_str(vmdesc, "type", "buffer");
        json_writer_int64(vmdesc, "size", size);
        json_writer_end_object(vmdesc);
        json_writer_end_array(vmdesc);
    }
    return qemu_file_get_error(f);
}

static bool capture_device(SaveVMRegistry *reg, QEMUFile *f, SaveStateEntry *se,
                           JSONWriter *vmdesc, Error **errp)
{
    int ret;

    if (se->vmsd && se->vmsd->unmigratable) {
        error_setg(errp, "device '%s' cannot be migrated", se->idstr);
        return false;
    }
    put_section_header(f, STREAM_SECTION_FULL, se);
    if (vmdesc) {
        json_writer_start_object(vmdesc, NULL);
        json_writer_str_dup(vmdesc, "name", se->idstr);
        json_writer_int64(vmdesc, "instance_id", se->instance_id);
    }
    ret = se->vmsd ? vmstate_save_state(f, se->vmsd, se->opaque, vmdesc)
                   : save_legacy(f, se, vmdesc);
    if (vmdesc) {
        json_writer_end_object(vmdesc);
    }
    put_footer(reg, f, se);
    return part_ok(se, f, ret, NULL, errp);
}

/*
 * The text goes out behind its be32 length, and readers find it by its first
 * '{' behind the last NUL: no byte of the length may look like one.
 */
static void pad_vmdesc(GString *text)
{
    for (;;) {
        size_t n = text->len;
        bool looks = false;

        for (unsigned shift = 0; shift < 32; shift += 8) {
            looks |= ((n >> shift) & 0xff) == '{';
        }
        if (!looks) {
            return;
        }
        g_string_append_c(text, ' ');
    }
}

bool savevm_capture_devices(SaveVMRegistry *reg, bool vmdesc,
                            SaveVMDevices *ret, Error **errp)
{
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autoptr(JSONWriter) json = vmdesc ? json_writer_new(false) : NULL;
    g_auto(SaveVMDevices) d = { 0 };
    SaveStateEntry *se;

    if (json) {
        json_writer_start_object(json, NULL);
        json_writer_int64(json, "page_size", (int64_t)RAM_PAGE_SIZE);
        json_writer_start_array(json, "devices");
    }
    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (!device_is_sent(se)) {
            continue;
        }
        if (!capture_device(reg, f, se, json, errp)) {
            return false;
        }
        d.sections++;
    }
    if (json) {
        json_writer_end_array(json);
        json_writer_end_object(json);
        d.notes = g_steal_pointer(&json);
    }
    d.data = qemu_file_memory_steal(f, &d.len, errp);
    if (qemu_file_get_error(f)) {
        return false;
    }
    *ret = d;
    d = (SaveVMDevices){ 0 };
    return true;
}

void savevm_devices_clear(SaveVMDevices *d)
{
    g_free(d->data);
    g_free(d->vmdesc);
    json_writer_free(d->notes);
    *d = (SaveVMDevices){ 0 };
}

void savevm_send_devices(QEMUFile *f, const SaveVMDevices *d)
{
    qemu_put_buffer_async(f, d->data, d->len, false);
}

void savevm_send_eof(QEMUFile *f)
{
    qemu_put_byte(f, STREAM_EOF);
}

void savevm_devices_describe(SaveVMDevices *d)
{
    g_autofree char *plain = NULL;
    GString *text;
    size_t len;

    if (!d->notes || d->vmdesc) {
        return;
    }
    plain = json_writer_text(d->notes, &len);
    text = g_string_new_len(plain, (gssize)len);
    pad_vmdesc(text);
    d->vmdesc_len = text->len;
    d->vmdesc = g_string_free(text, FALSE);
}

void savevm_send_vmdesc(QEMUFile *f, SaveVMDevices *d)
{
    if (!d->notes) {
        return;
    }
    qemu_fflush(f); /* the other side loads while we write prose */
    savevm_devices_describe(d);
    qemu_put_byte(f, STREAM_VMDESCRIPTION);
    qemu_put_be32(f, (unsigned)d->vmdesc_len);
    qemu_put_buffer_async(f, (const uint8_t *)d->vmdesc, d->vmdesc_len, false);
}
