/*
 * Fuzz target: the state of a device with a field of every kind.
 *
 * The first byte is the version. What loads must save, and load again.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../unit/migration/vmstate-sample.h"
#include "io/channel-buffer.h"
#include "migration/stream/savevm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load(Sample *s, const uint8_t *data, size_t size, int version)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    g_autoptr(QEMUFile) f = NULL;

    mem->data = g_memdup2(data, size);
    mem->capacity = mem->usage = size;
    f = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    return vmstate_load_state(f, &vmstate_sample, s, version);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(Sample) s = sample_new();
    g_autoptr(Sample) again = NULL;
    g_autoptr(QEMUFile) out = NULL;
    g_autofree uint8_t *bytes = NULL;
    size_t len;

    if (size == 0 || load(s, data + 1, size - 1, data[0]) < 0) {
        return 0;
    }
    out = qemu_file_new_memory_output();
    g_assert(vmstate_save_state(out, &vmstate_sample, s, NULL) == 0);
    bytes = qemu_file_memory_steal(out, &len, NULL);
    again = sample_new();
    again->le = s->le;
    g_assert(load(again, bytes, len, vmstate_sample.version_id) == 0);
    return 0;
}
