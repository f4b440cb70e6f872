/*
 * The list of devices in the configuration section: bytes written by hand,
 * what differs between two machines, and lists that no source sends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "io/types.h"
#include "migration/register.h"
#include "migration/stream/config-devices.h"
#include "migration/stream/config-section.h"
#include "migration/stream/savevm.h"
#include "util/error.h"

#define BYTES(s) (s), sizeof(s) - 1

static bool sometimes(void *opaque G_GNUC_UNUSED)
{
    return false;
}

static const VMStateDescription vmsd_serial = {
    .name = "serial",
    .version_id = 3,
    .minimum_version_id = 2,
    .fields = (const VMStateField[]){ VMSTATE_END_OF_LIST() },
};
static const VMStateDescription vmsd_timer = {
    .name = "timer",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_END_OF_LIST() },
};
static const VMStateDescription vmsd_sometimes = {
    .name = "sometimes",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = sometimes,
    .fields = (const VMStateField[]){ VMSTATE_END_OF_LIST() },
};

static void add(SaveVMRegistry *reg, const VMStateDescription *vmsd)
{
    g_assert_cmpint(vmstate_register_with(reg, vmsd->name, -1, vmsd, NULL,
                                          MIG_PRI_DEFAULT, &error_abort),
                    ==, 0);
}

/* A timer, two serial ports, and one that is not always sent. */
static SaveVMRegistry *machine_new(void)
{
    SaveVMRegistry *reg = savevm_registry_new();

    add(reg, &vmsd_timer);
    add(reg, &vmsd_serial);
    add(reg, &vmsd_serial);
    add(reg, &vmsd_sometimes);
    return reg;
}

static const char wire[] = "\x07\x00\x00\x00\x02pc"
                           "\x05\x1b"
                           "configuration/ferry-devices\x00\x00\x00\x01"
                           "\x00\x00\x00\x04" /* CPUs */
                           "\x00\x00\x00\x03"
                           "\x05timer\x00\x00\x00\x00\x00\x00\x00\x01"
                           "\x06serial\x00\x00\x00\x00\x00\x00\x00\x03"
                           "\x06serial\x00\x00\x00\x01\x00\x00\x00\x03";

static QEMUFile *file_of(const void *bytes, size_t len)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    QEMUFile *f;

    mem->data = g_memdup2(bytes, len);
    mem->capacity = mem->usage = len;
    f = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    return f;
}

static void test_golden(void)
{
    SaveVMRegistry *reg = machine_new();
    g_autoptr(QEMUFile) out = qemu_file_new_memory_output();
    g_autoptr(QEMUFile) in = file_of(wire + 1, sizeof(wire) - 1);
    g_autofree uint8_t *bytes = NULL;
    g_auto(ConfigSection) ours = { 0 };
    g_auto(ConfigSection) got = { 0 };
    size_t len;

    config_section_init(&ours, "pc");
    ours.devices = config_devices_of(reg, 4);
    config_section_put(out, &ours);
    bytes = qemu_file_memory_steal(out, &len, &error_abort);
    g_assert_cmpmem(bytes, len, wire, sizeof(wire) - 1);

    g_assert_true(config_section_get(in, &got, &error_abort));
    g_assert_nonnull(got.devices);
    g_assert_cmpuint(got.devices->cpus, ==, 4);
    g_assert_cmpuint(got.devices->list->len, ==, 3);
    g_assert_true(config_devices_check(got.devices, reg, 4, &error_abort));
    savevm_registry_free(reg);
}

static void assert_differs(const ConfigDevices *theirs, SaveVMRegistry *reg,
                           uint32_t cpus, const char *message)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(config_devices_check(theirs, reg, cpus, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
}

static void add_theirs(ConfigDevices *d, const char *name, uint32_t instance_id,
                       uint32_t version_id)
{
    ConfigDevice one = { .instance_id = instance_id, .version_id = version_id };

    g_strlcpy(one.idstr, name, sizeof(one.idstr));
    g_array_append_val(d->list, one);
}

static ConfigDevice *theirs_at(ConfigDevices *d, guint i)
{
    return &g_array_index(d->list, ConfigDevice, i);
}

static void test_differences(void)
{
    SaveVMRegistry *reg = machine_new();
    g_autoptr(ConfigDevices) d = config_devices_of(reg, 2);

    assert_differs(d, reg, 1, "number of CPUs is 2 at the source and 1 here");
    g_array_remove_index(d->list, 2);
    assert_differs(d, reg, 2,
                   "the devices differ: only this side has 'serial' instance "
                   "1");
    add_theirs(d, "0000:00:03.0/virtio-net", 0, 11);
    assert_differs(d, reg, 2,
                   "the devices differ: only the source has "
                   "'0000:00:03.0/virtio-net'; only this side has 'serial' "
                   "instance 1");
    g_array_remove_index(d->list, 2);
    add_theirs(d, "serial", 1, 3);
    theirs_at(d, 2)->version_id = 4;
    assert_differs(d, reg, 2,
                   "device 'serial' has version 4 at the source, this side "
                   "knows up to 3");
    theirs_at(d, 2)->version_id = 1;
    assert_differs(d, reg, 2,
                   "device 'serial' has version 1 at the source, this side "
                   "needs 2 at least");
    /* Older, but it can be loaded; one that may or may not come is not missed
     * and does not disturb. */
    theirs_at(d, 2)->version_id = 2;
    add_theirs(d, "sometimes", 0, 1);
    g_assert_true(config_devices_check(d, reg, 2, &error_abort));
    savevm_registry_free(reg);
}

/* However many there are, the message stays readable. */
static void test_many(void)
{
    SaveVMRegistry *reg = machine_new();
    g_autoptr(ConfigDevices) d = config_devices_of(reg, 1);
    g_autoptr(Error) err = NULL;

    for (unsigned i = 0; i < 30; i++) {
        add_theirs(d, "x", i, 1);
    }
    g_assert_false(config_devices_check(d, reg, 1, &err));
    g_assert_true(
        g_str_has_suffix(error_get_pretty(err), "'x' instance 7 and 22 more"));
    savevm_registry_free(reg);
}

static const struct {
    const char *bytes;
    size_t len;
    const char *message; /* NULL: the file says it */
} bad[] = {
    { BYTES("\x00\x00\x00\x01\x00\x00\x10\x01"),
      "configuration with 4097 devices" },
    { BYTES("\x00\x00\x00\x01\xff\xff\xff\xff"),
      "configuration with 4294967295 devices" },
    { BYTES("\x00\x00\x00\x01\x00\x00\x00\x01"
            "\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
      "configuration: device 0 has no name" },
    { BYTES("\x00\x00\x00\x01\x00\x00\x00\x01"
            "\x02\x1b[\x00\x00\x00\x00\x00\x00\x00\x00"),
      NULL },
    { BYTES("\x00\x00\x00\x01\x00\x00\x00\x02"
            "\x01"
            "a\x00\x00\x00\x00\x00\x00\x00\x00"),
      NULL },
    { BYTES("\x00\x00\x00"), NULL },
};

static void test_bad(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(QEMUFile) f = file_of(bad[i].bytes, bad[i].len);
        g_autoptr(Error) err = NULL;

        g_assert_null(config_devices_get(f, &err));
        if (bad[i].message) {
            g_assert_cmpstr(error_get_pretty(err), ==, bad[i].message);
        } else {
            g_assert_cmpint(qemu_file_get_error(f), <, 0);
        }
    }
}

static void test_twice(void)
{
    SaveVMRegistry *reg = machine_new();
    g_autoptr(ConfigDevices) d = config_devices_of(reg, 1);

    add_theirs(d, "timer", 0, 1);
    assert_differs(d, reg, 1,
                   "configuration: device 'timer' instance 0 is listed twice");
    savevm_registry_free(reg);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_register_types();
    g_test_add_func("/config-devices/golden", test_golden);
    g_test_add_func("/config-devices/differences", test_differences);
    g_test_add_func("/config-devices/many", test_many);
    g_test_add_func("/config-devices/bad", test_bad);
    g_test_add_func("/config-devices/twice", test_twice);
    return g_test_run();
}
