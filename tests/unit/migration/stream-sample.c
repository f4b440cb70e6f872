/*
 * Writes a migration stream to standard output, for the test of
 * scripts/analyze-stream: two devices with a field of every kind, one of an
 * older form, and RAM records made by hand of the kinds of the documented
 * format.
 *
 *   stream-sample precopy|postcopy|plain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/savevm.h"
#include "util/error.h"

#include "vmstate-sample.h"

#define PAGE      4096
#define RAM_BYTES (8 * PAGE)
#define ROM_BYTES PAGE

/* Flags of a RAM record. */
enum {
    ZERO = 0x02,
    MEM_SIZE = 0x04,
    NORMAL = 0x08,
    EOS = 0x10,
    CONTINUE = 0x20,
    XBZRLE = 0x40,
    FLUSH = 0x200,
};

static void put_page(QEMUFile *f, uint64_t offset, char fill)
{
    uint8_t page[PAGE];

    memset(page, fill, sizeof(page));
    qemu_put_be64(f, offset | NORMAL);
    qemu_put_counted_string(f, "pc.ram");
    qemu_put_buffer(f, page, sizeof(page));
}

static int ram_setup(QEMUFile *f, void *opaque G_GNUC_UNUSED,
                     Error **errp G_GNUC_UNUSED)
{
    qemu_put_be64(f, (RAM_BYTES + ROM_BYTES) | MEM_SIZE);
    qemu_put_counted_string(f, "pc.ram");
    qemu_put_be64(f, RAM_BYTES);
    qemu_put_counted_string(f, "pc.rom");
    qemu_put_be64(f, ROM_BYTES);
    qemu_put_be64(f, EOS);
    return 0;
}

static int ram_iterate(QEMUFile *f, void *opaque G_GNUC_UNUSED)
{
    put_page(f, 0, 'a');
    qemu_put_be64(f, PAGE | ZERO | CONTINUE);
    qemu_put_byte(f, 0);
    qemu_put_be64(f, FLUSH);
    qemu_put_be64(f, EOS);
    return 1;
}

/* Two bytes of the first page change. */
static int ram_complete(QEMUFile *f, void *opaque G_GNUC_UNUSED)
{
    static const uint8_t delta[] = { 0x80, 0x02, 0x02, 'X', 'Y' };

    qemu_put_be64(f, XBZRLE);
    qemu_put_counted_string(f, "pc.ram");
    qemu_put_byte(f, 1);
    qemu_put_be16(f, sizeof(delta));
    qemu_put_buffer(f, delta, sizeof(delta));
    put_page(f, 7 * PAGE, 'z');
    qemu_put_be64(f, EOS);
    return 0;
}

static bool ram_has_postcopy(void *opaque G_GNUC_UNUSED)
{
    return true;
}

static const SaveVMHandlers ram_ops = {
    .save_setup = ram_setup,
    .save_live_iterate = ram_iterate,
    .save_live_complete_precopy = ram_complete,
    .save_live_complete_postcopy = ram_complete,
    .has_postcopy = ram_has_postcopy,
};

static void old_save(QEMUFile *f, void *opaque G_GNUC_UNUSED)
{
    qemu_put_buffer(f, (const uint8_t *)"old~form", 8);
}

static const SaveVMHandlers old_ops = { .save_state = old_save };

static void send_start(SaveVMRegistry *reg, QEMUFile *f, bool postcopy)
{
    ConfigSection config;

    config_section_init(&config, "pc");
    if (postcopy) {
        config_section_set_uuid(&config, (const uint8_t *)"0123456789abcdef");
    }
    savevm_send_header(reg, f, &config);
    if (postcopy) {
        savevm_send_open_return_path(f);
        savevm_send_ping(f, 1);
        savevm_send_postcopy_advise(f, PAGE, PAGE);
    }
    savevm_setup(reg, f, &error_abort);
    savevm_iterate(reg, f, false, &error_abort);
}

static void send_postcopy(SaveVMRegistry *reg, QEMUFile *f)
{
    g_autoptr(QEMUFile) package = qemu_file_new_memory_output();
    g_auto(SaveVMDevices) d = { 0 };
    g_autofree uint8_t *bytes = NULL;
    StreamRange range = { 0, PAGE };
    size_t len;

    savevm_send_postcopy_discard(f, "pc.ram", &range, 1);
    savevm_capture_devices(reg, false, &d, &error_abort);
    savevm_send_postcopy_listen(package);
    savevm_send_devices(package, &d);
    savevm_send_ping(package, 3);
    savevm_send_postcopy_run(package);
    bytes = qemu_file_memory_steal(package, &len, &error_abort);
    savevm_send_packaged(f, bytes, len, &error_abort);
    qemu_fflush(f);
    savevm_complete_postcopy(reg, f, &error_abort);
    savevm_send_eof(f);
}

static void send_precopy(SaveVMRegistry *reg, QEMUFile *f)
{
    g_auto(SaveVMDevices) d = { 0 };

    savevm_complete(reg, f, false, &error_abort);
    savevm_capture_devices(reg, true, &d, &error_abort);
    savevm_send_devices(f, &d);
    savevm_send_eof(f);
    savevm_send_vmdesc(f, &d);
    qemu_fflush(f);
}

int main(int argc, char **argv)
{
    static const SaveVMOptions plain = { 0 };
    g_autoptr(SaveVMRegistry) reg = savevm_registry_new();
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autoptr(Sample) s1 = sample_new_filled();
    g_autoptr(Sample) s2 = sample_new_filled();
    g_autofree uint8_t *bytes = NULL;
    size_t len;

    if (argc != 2) {
        return 2;
    }
    s2->has_extra = true;
    s2->extra = 0xc1;
    s2->extra_nested = 0xc2;
    register_savevm_live(reg, "ram", 0, 4, &ram_ops, NULL, &error_abort);
    vmstate_register_with(reg, "sample", -1, &vmstate_sample, s1, 0,
                          &error_abort);
    vmstate_register_with(reg, "0000:00:02.0/sample", -1, &vmstate_sample, s2,
                          0, &error_abort);
    register_savevm_live(reg, "old", 0, 9, &old_ops, NULL, &error_abort);
    if (g_str_equal(argv[1], "plain")) {
        savevm_set_options(reg, &plain);
    }
    send_start(reg, f, g_str_equal(argv[1], "postcopy"));
    if (g_str_equal(argv[1], "postcopy")) {
        send_postcopy(reg, f);
    } else {
        send_precopy(reg, f);
    }
    savevm_cleanup(reg);
    bytes = qemu_file_memory_steal(f, &len, &error_abort);
    return fwrite(bytes, 1, len, stdout) == len ? 0 : 1;
}
