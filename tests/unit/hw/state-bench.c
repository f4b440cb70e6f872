/*
 * Saving and loading devices on a bench.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "state-bench.h"

#include "block/types.h"
#include "chardev/types.h"
#include "hw/qdev-core.h"
#include "hw/types.h"
#include "io/channel-buffer.h"
#include "migration/qemu-file.h"
#include "ui/console.h"
#include "util/main-loop.h"

static const StateBenchKind *const kinds[] = {
    &sb_serial,        &sb_parallel,       &sb_i8042,
    &sb_port92,        &sb_fw_cfg,         &sb_acpi_pm,
    &sb_vga,           &sb_vga_core,       &sb_bochs,
    &sb_ide,           &sb_virtio_blk,     &sb_virtio_net,
    &sb_virtio_serial, &sb_virtio_balloon, &sb_virtio_rng,
};

void sb_init(void)
{
    static bool done;

    if (!done) {
        done = true;
        qemu_init_main_loop(&error_abort);
        hw_register_types();
        block_register_types();
        chardev_register_types();
    }
}

const StateBenchKind *sb_kind(unsigned n)
{
    return n < G_N_ELEMENTS(kinds) ? kinds[n] : NULL;
}

StateBench *sb_make(const StateBenchKind *kind)
{
    StateBench *b = kind->make();

    b->kind = kind;
    return b;
}

void sb_destroy(StateBench *b)
{
    b->kind->destroy(b);
}

void sb_add_part(StateBench *b, void *dev)
{
    const VMStateDescription *vmsd = DEVICE_GET_CLASS(dev)->vmsd;

    g_assert_nonnull(vmsd);
    g_assert_cmpuint(b->n_parts, <, SB_PARTS_MAX);
    b->part[b->n_parts++] = (StateBenchPart){ vmsd, dev };
}

static void stop(StateBench *b)
{
    if (b->kind->stop) {
        b->kind->stop(b);
    }
}

void sb_reset(StateBench *b)
{
    if (b->kind->reset) {
        b->kind->reset(b);
        return;
    }
    for (unsigned i = 0; i < b->n_parts; i++) {
        device_cold_reset(b->part[i].opaque);
    }
}

void sb_go(StateBench *b)
{
    if (b->kind->go) {
        b->kind->go(b);
    }
}

GByteArray *sb_save(StateBench *b)
{
    QIOChannelBuffer *ioc = qio_channel_buffer_new(4096);
    QEMUFile *f = qemu_file_new_output(QIO_CHANNEL(ioc));
    GByteArray *bytes = g_byte_array_new();

    stop(b);
    for (unsigned i = 0; i < b->n_parts; i++) {
        g_assert_cmpint(vmstate_save_state(f, b->part[i].vmsd,
                                           b->part[i].opaque, NULL),
                        ==, 0);
    }
    g_assert_cmpint(qemu_fflush(f), ==, 0);
    g_byte_array_append(bytes, ioc->data, (guint)ioc->usage);
    g_assert_cmpint(qemu_fclose(f), ==, 0);
    object_unref(OBJECT(ioc));
    return bytes;
}

bool sb_load(StateBench *b, const uint8_t *data, size_t len, Error **errp)
{
    QIOChannelBuffer *ioc = qio_channel_buffer_new(len);
    QEMUFile *f;
    bool ok = true;

    ioc->usage = len;
    if (len) {
        memcpy(ioc->data, data, len);
    }
    f = qemu_file_new_input(QIO_CHANNEL(ioc));
    stop(b);
    for (unsigned i = 0; ok && i < b->n_parts; i++) {
        ok = vmstate_load_state(f, b->part[i].vmsd, b->part[i].opaque,
                                b->part[i].vmsd->version_id) == 0;
    }
    if (!ok) {
        qemu_file_get_error_obj(f, errp);
    }
    qemu_fclose(f);
    object_unref(OBJECT(ioc));
    return ok;
}
