/*
 * State of a device to bytes and back, for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "vmstate-roundtrip.h"

#include "io/channel-buffer.h"
#include "migration/qemu-file.h"

#define CHANGES_MAX 4
#define MADE_UP_MAX 4096

GBytes *vmstate_to_bytes(const VMStateDescription *vmsd, void *opaque)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(0);
    QEMUFile *f = qemu_file_new_output(QIO_CHANNEL(buffer));
    Error *err = NULL;
    GBytes *bytes;

    vmstate_save_state(f, vmsd, opaque, NULL);
    qemu_fflush(f);
    if (qemu_file_get_error_obj(f, &err)) {
        g_error("%s: %s", vmsd->name, err ? error_get_pretty(err) : "failed");
    }
    bytes = g_bytes_new(buffer->data, buffer->usage);
    qemu_file_free(f);
    object_unref(OBJECT(buffer));
    return bytes;
}

bool vmstate_from_bytes(const VMStateDescription *vmsd, void *opaque,
                        int version, const void *data, size_t len, Error **errp)
{
    QIOChannelBuffer *buffer = qio_channel_buffer_new(len);
    QEMUFile *f;
    int ret;

    if (len) {
        memcpy(buffer->data, data, len);
    }
    buffer->usage = len;
    f = qemu_file_new_input(QIO_CHANNEL(buffer));
    ret = vmstate_load_state(f, vmsd, opaque, version);
    if (ret < 0) {
        Error *err = NULL;

        qemu_file_get_error_obj(f, &err);
        g_assert_nonnull(err); /* a failed load says why */
        error_propagate(errp, err);
    }
    qemu_file_free(f);
    object_unref(OBJECT(buffer));
    return ret >= 0;
}

void vmstate_assert_moves(const VMStateDescription *vmsd, void *from, void *to)
{
    g_autoptr(GBytes) saved = vmstate_to_bytes(vmsd, from);
    g_autoptr(GBytes) again = NULL;
    gsize len, len_again;
    const void *data = g_bytes_get_data(saved, &len);
    const void *data_again;

    vmstate_from_bytes(vmsd, to, vmsd->version_id, data, len, &error_abort);
    again = vmstate_to_bytes(vmsd, to);
    data_again = g_bytes_get_data(again, &len_again);
    g_assert_cmpmem(data, len, data_again, len_again);
}

void device_assert_moves(DeviceState *from, DeviceState *to)
{
    vmstate_assert_moves(DEVICE_GET_CLASS(from)->vmsd, from, to);
}

/* Bytes with few changes, cut, or of no origin. */
static GByteArray *spoil(const void *data, size_t len, GRand *rand)
{
    GByteArray *bytes = g_byte_array_new();
    unsigned kind = g_rand_int(rand) % 8;

    if (kind == 0) {
        g_byte_array_set_size(bytes, g_rand_int(rand) % MADE_UP_MAX);
        for (guint i = 0; i < bytes->len; i++) {
            bytes->data[i] = (uint8_t)g_rand_int(rand);
        }
        return bytes;
    }
    g_byte_array_append(bytes, data, (guint)len);
    if (kind == 1 && len) {
        g_byte_array_set_size(bytes, g_rand_int(rand) % (guint)len);
        return bytes;
    }
    for (unsigned n = 1 + g_rand_int(rand) % CHANGES_MAX; n && len; n--) {
        uint8_t *p = &bytes->data[g_rand_int(rand) % (guint)len];

        switch (g_rand_int(rand) % 4) {
        case 0:
            *p = 0xff;
            break;
        case 1:
            *p ^= (uint8_t)(1u << g_rand_int(rand) % 8);
            break;
        case 2:
            *p = 0x80;
            break;
        default:
            *p = (uint8_t)g_rand_int(rand);
            break;
        }
    }
    return bytes;
}

unsigned vmstate_assert_robust(const VMStateDescription *vmsd, void *from,
                               void *to, unsigned rounds, GRand *rand,
                               void (*use)(void *opaque, bool loaded),
                               void *opaque)
{
    g_autoptr(GBytes) saved = vmstate_to_bytes(vmsd, from);
    gsize len;
    const void *data = g_bytes_get_data(saved, &len);
    unsigned loaded = 0;

    for (unsigned i = 0; i < rounds; i++) {
        g_autoptr(GByteArray) bytes = spoil(data, len, rand);
        Error *err = NULL;

        bool ok = vmstate_from_bytes(vmsd, to, vmsd->version_id, bytes->data,
                                     bytes->len, &err);

        error_free(err);
        loaded += ok;
        if (use) {
            use(opaque, ok);
        }
    }
    return loaded;
}
