/*
 * QMP commands about character devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/char-ringbuf.h"
#include "qapi/qapi-commands-char.h"
#include "qapi/qapi-types-char.h"
#include "util/base64.h"
#include "util/error.h"
#include "util/lockable.h"

#include "char-internal.h"

/* Limit: bytes that one ringbuf-read returns. */
#define RINGBUF_READ_MAX (64 * 1024 * 1024)

static bool fe_is_open(Chardev *chr)
{
    if (CHARDEV_IS_MUX(chr)) {
        return mux_chr_is_busy(chr);
    }
    QEMU_LOCK_GUARD(&chr->fe_lock);
    return chr->be && qatomic_read(&chr->be->fe_open);
}

static int query_one(Chardev *chr, void *opaque)
{
    ChardevInfoList **tail = *(ChardevInfoList ***)opaque;
    ChardevInfo *info = g_new0(ChardevInfo, 1);

    info->label = g_strdup(chr->label);
    info->filename = qemu_chr_get_filename(chr);
    info->frontend_open = fe_is_open(chr);
    QAPI_LIST_APPEND(tail, info);
    *(ChardevInfoList ***)opaque = tail;
    return 0;
}

ChardevInfoList *qmp_query_chardev(Error **errp)
{
    ChardevInfoList *list = NULL;
    ChardevInfoList **tail = &list;

    qemu_chr_foreach(query_one, &tail);
    return list;
}

static void list_kind(const char *kind, ChardevClass *cc, void *opaque)
{
    ChardevBackendInfoList **tail = *(ChardevBackendInfoList ***)opaque;
    ChardevBackendInfo *info = g_new0(ChardevBackendInfo, 1);

    info->name = g_strdup(kind);
    QAPI_LIST_APPEND(tail, info);
    *(ChardevBackendInfoList ***)opaque = tail;
}

ChardevBackendInfoList *qmp_query_chardev_backends(Error **errp)
{
    ChardevBackendInfoList *list = NULL;
    ChardevBackendInfoList **tail = &list;

    qemu_chr_foreach_kind(list_kind, &tail);
    return list;
}

/* The typed backend back to the JSON that the property tables read. */
static json_t *backend_to_json(ChardevBackend *backend)
{
    json_t *obj = backend->open_members ? json_copy(backend->open_members)
                                        : json_object();

    json_object_set_new(obj, "type",
                        json_string(ChardevBackendKind_str(backend->type)));
    return obj;
}

static ChardevReturn *chardev_return(Chardev *chr)
{
    ChardevReturn *ret = g_new0(ChardevReturn, 1);

    if (CHARDEV_IS_PTY(chr)) {
        g_autofree char *filename = qemu_chr_get_filename(chr);

        ret->pty = g_strdup(filename + strlen("pty:"));
    }
    return ret;
}

ChardevReturn *qmp_chardev_add(const char *id, ChardevBackend *backend,
                               Error **errp)
{
    g_autoptr(json_t) json = backend_to_json(backend);
    Chardev *chr = qemu_chr_new_from_json(id, json, NULL, errp);

    return chr ? chardev_return(chr) : NULL;
}

ChardevReturn *qmp_chardev_change(const char *id, ChardevBackend *backend,
                                  Error **errp)
{
    g_autoptr(json_t) json = backend_to_json(backend);
    Chardev *chr = qemu_chr_change_json(id, json, errp);

    return chr ? chardev_return(chr) : NULL;
}

void qmp_chardev_remove(const char *id, Error **errp)
{
    qemu_chr_remove(id, errp);
}

void qmp_chardev_send_break(const char *id, Error **errp)
{
    Chardev *chr = qemu_chr_find(id);

    if (!chr) {
        error_setg(errp, "there is no chardev '%s'", id);
        return;
    }
    qemu_chr_be_event_idle(chr, CHR_EVENT_BREAK);
}

static Chardev *find_ringbuf(const char *device, Error **errp)
{
    Chardev *chr = qemu_chr_find(device);

    if (!chr) {
        error_setg(errp, "there is no chardev '%s'", device);
        return NULL;
    }
    if (!CHARDEV_IS_RINGBUF(chr)) {
        error_setg(errp, "chardev '%s' is not a ringbuf", device);
        return NULL;
    }
    return chr;
}

void qmp_ringbuf_write(const char *device, const char *data, bool has_format,
                       DataFormat format, Error **errp)
{
    Chardev *chr = find_ringbuf(device, errp);
    g_autofree uint8_t *decoded = NULL;
    size_t len = strlen(data);

    if (!chr) {
        return;
    }
    if (has_format && format == DATA_FORMAT_BASE64) {
        decoded = qbase64_decode(data, -1, &len, errp);
        if (!decoded) {
            return;
        }
    }
    if (len > INT_MAX) {
        error_setg(errp, "too much data for a ringbuf");
        return;
    }
    qemu_chr_write_all(chr, decoded ? decoded : (const uint8_t *)data, len);
}

/* As JSON text can carry it: what is not UTF-8, and NUL, is replaced. */
static char *to_utf8(const uint8_t *buf, size_t len)
{
    g_autofree char *text = g_strndup((const char *)buf, len);

    for (size_t i = 0; i < len; i++) {
        text[i] = buf[i] ? buf[i] : '?';
    }
    return g_utf8_make_valid(text, len);
}

char *qmp_ringbuf_read(const char *device, int64_t size, bool has_format,
                       DataFormat format, Error **errp)
{
    Chardev *chr = find_ringbuf(device, errp);
    bool utf8 = !has_format || format == DATA_FORMAT_UTF8;
    g_autofree uint8_t *buf = NULL;
    size_t len;

    if (!chr) {
        return NULL;
    }
    if (size <= 0) {
        error_setg(errp, "size %" PRId64 " is not greater than zero", size);
        return NULL;
    }
    len = qemu_chr_ringbuf_count(chr);
    len = MIN(len, (uint64_t)size);
    len = MIN(len, RINGBUF_READ_MAX);
    buf = g_malloc(len + 1);
    len = qemu_chr_ringbuf_read(chr, buf, len, utf8);
    return utf8 ? to_utf8(buf, len) : g_base64_encode(buf, len);
}
