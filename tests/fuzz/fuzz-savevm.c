/*
 * Fuzz target: a migration stream on the main channel: header, configuration,
 * sections, commands, packages, and what a listen thread reads after them.
 *
 * The first byte says whether there are footers and a configuration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../unit/migration/vmstate-sample.h"
#include "io/channel-buffer.h"
#include "migration/stream/savevm.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The receiver's state, for what must never happen. */
typedef struct Fuzz {
    SaveVMRegistry *reg;
    int locks;
    bool configured;
    bool listening;
    bool running;
} Fuzz;

static bool on_configured(void *opaque, const ConfigSection *config,
                          Error **errp)
{
    Fuzz *fz = (Fuzz *)opaque;
    ConfigSection ours;

    fz->configured = true;
    config_section_init(&ours, "pc");
    return (config->machine[0] == '\0' ||
            config_section_check(config, &ours, errp)) &&
           (!config->devices ||
            config_devices_check(config->devices, fz->reg, 1, errp));
}

static void on_lock(void *opaque)
{
    g_assert(((Fuzz *)opaque)->locks++ == 0);
}

static void on_unlock(void *opaque)
{
    g_assert(--((Fuzz *)opaque)->locks == 0);
}

static bool on_plain(void *opaque, Error **errp G_GNUC_UNUSED)
{
    g_assert(((Fuzz *)opaque)->configured);
    return true;
}

static bool on_ping(void *opaque G_GNUC_UNUSED, uint32_t value G_GNUC_UNUSED,
                    Error **errp G_GNUC_UNUSED)
{
    return true;
}

static bool on_advise(void *opaque G_GNUC_UNUSED, uint64_t page_sizes,
                      uint64_t target_page_size, Error **errp G_GNUC_UNUSED)
{
    g_assert((page_sizes == 0) == (target_page_size == 0));
    return true;
}

static bool on_listen(void *opaque, Error **errp G_GNUC_UNUSED)
{
    Fuzz *fz = opaque;

    g_assert(!fz->listening);
    fz->listening = true;
    return true;
}

static bool on_run(void *opaque, Error **errp G_GNUC_UNUSED)
{
    Fuzz *fz = opaque;

    g_assert(fz->listening && !fz->running);
    fz->running = true;
    return true;
}

static bool on_discard(void *opaque, const char *block,
                       const StreamRange *ranges, size_t n,
                       Error **errp G_GNUC_UNUSED)
{
    g_assert(!((Fuzz *)opaque)->listening);
    g_assert(*block && n >= 1 && n <= STREAM_DISCARD_MAX);
    for (size_t i = 0; i < n; i++) {
        g_assert(ranges[i].len > 0 &&
                 ranges[i].start <= UINT64_MAX - ranges[i].len);
    }
    return true;
}

static bool on_bitmap(void *opaque G_GNUC_UNUSED, const char *block,
                      Error **errp G_GNUC_UNUSED)
{
    g_assert(*block);
    return true;
}

static const SaveVMLoadOps fuzz_ops = {
    .configured = on_configured,
    .lock = on_lock,
    .unlock = on_unlock,
    .open_return_path = on_plain,
    .ping = on_ping,
    .postcopy_advise = on_advise,
    .postcopy_listen = on_listen,
    .postcopy_run = on_run,
    .ram_discard = on_discard,
    .postcopy_resume = on_plain,
    .recv_bitmap = on_bitmap,
    .switchover_start = on_plain,
};

/* A live part: counted bytes up to an empty piece. */
static int live_load(QEMUFile *f, void *opaque, int version_id)
{
    int n;

    g_assert(((Fuzz *)opaque)->locks == 0 && version_id <= 4);
    while ((n = qemu_get_byte(f)) > 0) {
        qemu_file_discard(f, (uint64_t)n);
    }
    return 0;
}

static int live_setup(QEMUFile *f G_GNUC_UNUSED, void *opaque G_GNUC_UNUSED,
                      Error **errp G_GNUC_UNUSED)
{
    return 0;
}

static const SaveVMHandlers live_ops = { .save_setup = live_setup,
                                         .load_state = live_load };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(SaveVMRegistry) reg = savevm_registry_new();
    g_autoptr(Sample) s1 = sample_new();
    g_autoptr(Sample) s2 = sample_new();
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    g_autoptr(QEMUFile) f = NULL;
    g_autoptr(Error) err = NULL, err2 = NULL;
    g_autofree char *missing = NULL;
    SaveVMOptions options = { 0 };
    SaveVMLoadResult result;
    Fuzz fz = { .reg = reg };

    mem->data = g_memdup2(data, size);
    mem->capacity = mem->usage = size;
    f = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    options.configuration = qemu_get_byte(f) & 1;
    options.section_footer = size > 0 && (data[0] & 2);
    savevm_set_options(reg, &options);
    register_savevm_live(reg, "ram", 0, 4, &live_ops, &fz, &error_abort);
    vmstate_register_with(reg, "sample", -1, &vmstate_sample, s1, 0,
                          &error_abort);
    vmstate_register_with(reg, "0000:00:02.0/sample", -1, &vmstate_sample, s2,
                          0, &error_abort);

    result = savevm_load_state(reg, f, &fuzz_ops, &fz, &err);
    g_assert((result == SAVEVM_LOAD_ERROR) == (err != NULL));
    g_assert((result == SAVEVM_LOAD_QUIT) <= fz.running);
    if (result == SAVEVM_LOAD_QUIT) {
        result = savevm_load_main(reg, f, &fuzz_ops, &fz, &err2);
        g_assert((result == SAVEVM_LOAD_ERROR) == (err2 != NULL));
    } else if (result == SAVEVM_LOAD_OK) {
        savevm_load_vmdesc(f, &err2);
    }
    savevm_load_cleanup(reg);
    missing = savevm_load_missing(reg);
    g_assert(fz.locks == 0);
    return 0;
}
