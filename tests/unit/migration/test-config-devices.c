/*
 * The list of devices in the configuration section: bytes written by hand,
 * what differs between two machines, and lists that no source sends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "io/types.h"
#include "migration/constants.h"
#include "migration/register.h"
#include "migration/stream/config-constants.h"
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

/* -- constants -------------------------------------------------------------------- */

typedef struct Ports {
    uint32_t n;
    uint64_t bits;
    uint8_t config[4];
} Ports;

typedef struct Card {
    uint16_t width;
    Ports ports[2];
} Card;

static const char *const bit_names[32] = { "fast", NULL, "wide" };

static void ports_constants(void *opaque, VMStateConstants *c)
{
    static const uint8_t changeable[4] = { 0, 0xf0, 0, 0xff };
    const Ports *p = opaque;

    vmstate_constant_bits(c, "features", p->bits, p->bits, bit_names);
    vmstate_constant_least(c, "room", p->n * 10);
    vmstate_constant_bytes(c, "configuration", p->config, changeable, 4);
    vmstate_constant_text(c, "maker", p->n == 9 ? "other" : "this");
    vmstate_constant_if_set(c, "place", p->n == 9 ? 0 : p->n);
}

static const VMStateDescription vmsd_ports = {
    .name = "ports",
    .version_id = 1,
    .minimum_version_id = 1,
    .constants = ports_constants,
    .fields = (const VMStateField[]){ VMSTATE_UINT32_EQUAL(n, Ports, "number"),
                                      VMSTATE_UINT64(bits, Ports),
                                      VMSTATE_END_OF_LIST() },
};
static const VMStateDescription vmsd_card = {
    .name = "card",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT16_EQUAL(width, Card, NULL),
                                      VMSTATE_STRUCT_ARRAY(ports, Card, 2, 1,
                                                           vmsd_ports, Ports),
                                      VMSTATE_END_OF_LIST() },
};

static const Card card = { 8, { { 1, 0x3, { 1, 2, 3, 4 } }, { 2 } } };

static SaveVMRegistry *registry_of(Card *c)
{
    SaveVMRegistry *reg = savevm_registry_new();

    g_assert_cmpint(vmstate_register_with(reg, "card", -1, &vmsd_card, c,
                                          MIG_PRI_DEFAULT, &error_abort),
                    ==, 0);
    return reg;
}

/* Through a stream; @message NULL: it fits. */
static void assert_comes(Card source, Card here, const char *message)
{
    SaveVMRegistry *from = registry_of(&source);
    SaveVMRegistry *to = registry_of(&here);
    g_autoptr(QEMUFile) out = qemu_file_new_memory_output();
    g_autoptr(QEMUFile) in = NULL;
    g_autofree uint8_t *bytes = NULL;
    g_auto(ConfigSection) ours = { 0 };
    g_auto(ConfigSection) got = { 0 };
    g_autoptr(Error) err = NULL;
    size_t len;

    config_section_init(&ours, "pc");
    ours.devices = config_devices_of(from, 1);
    config_section_put(out, &ours);
    bytes = qemu_file_memory_steal(out, &len, &error_abort);
    in = file_of(bytes + 1, len - 1);
    g_assert_true(config_section_get(in, &got, &error_abort));
    config_devices_check(got.devices, to, 1, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : NULL, ==, message);
    savevm_registry_free(from);
    savevm_registry_free(to);
}

static void test_constants(void)
{
    Card c = card;

    assert_comes(card, c, NULL);
    c.width = 4;
    c.ports[1].n = 3;
    assert_comes(card, c,
                 "device 'card' differs: width is 8 at the source and 4 here; "
                 "number, number 2 is 2 at the source and 3 here; place, "
                 "number 2 is 2 at the source and 3 here");
    c = card;
    c.ports[0].config[3] = 0x77; /* all of it may differ */
    c.ports[0].config[1] = 0x72; /* half of it */
    c.ports[0].bits = 0x7;       /* more does not hurt */
    assert_comes(card, c, NULL);
    c.ports[0].config[1] = 0x71;
    c.ports[0].bits = 0;
    assert_comes(card, c,
                 "device 'card' differs: features: only the source has fast, "
                 "bit 1; configuration: byte 0x01 is 0x02 at the source and "
                 "0x71 here");
    c = card;
    c.ports[0].n = 9;
    assert_comes(c, card,
                 "device 'card' differs: number is 9 at the source and 1 "
                 "here; room is 90 at the source and only 10 here; maker is "
                 "'other' at the source and 'this' here");
}

static const struct {
    const char *bytes;
    size_t len;
    const char *message; /* NULL: it fits */
} constants[] = {
    { BYTES("\x04"
            "card\x00\x00\x00\x00\x00\x01\x04"
            "what\x00\x01?"),
      NULL }, /* not known here */
    { BYTES("\x04"
            "what\x00\x00\x00\x00\x00\x01\x05"
            "width\x00\x01?"),
      NULL },
    { BYTES("\x04"
            "card\x00\x00\x00\x00\x00\x01\x05"
            "width\x00\x01?"),
      "device 'card' differs: width has 1 bytes at the source and 8 bytes "
      "here" },
    { BYTES("\x04"
            "card\x00\x00\x00\x00\x00\x01\x05"
            "maker\x00\x03\x1b[m"),
      "device 'card' differs: maker is '?[m' at the source and 'this' here" },
    { BYTES("\x04"
            "card\x00\x00\x00\x00\x00\x00\x04"
            "card\x00\x00\x00\x00\x00\x00"),
      "configuration: the constants of device 'card' instance 0 come twice" },
    { BYTES("\x04"
            "card\x00\x00\x00\x00\x00\x01"),
      "configuration: the constants of devices end early" },
    { BYTES("\x04"
            "card\x00\x00\x00\x00\x00\x01\x05"
            "width\x00\x08\x00"),
      "configuration: the constants of devices end early" },
    { BYTES("\x00"), "configuration: the constants of devices end early" },
};

static void test_bad_constants(void)
{
    g_autoptr(Error) too_many = NULL;
    g_autoptr(QEMUFile) f = file_of(BYTES("\x00\x10\x00\x01"));
    Card c = card;
    SaveVMRegistry *reg = registry_of(&c);

    g_assert_null(config_constants_get(f, &too_many));
    g_assert_cmpstr(error_get_pretty(too_many), ==,
                    "configuration with 1048577 bytes of constants");
    for (size_t i = 0; i < G_N_ELEMENTS(constants); i++) {
        g_autoptr(GByteArray) a = g_byte_array_new();
        g_autoptr(Error) err = NULL;

        g_byte_array_append(a, (const uint8_t *)constants[i].bytes,
                            (guint)constants[i].len);
        g_assert_true(config_constants_check(a, reg, &err) ==
                      !constants[i].message);
        g_assert_cmpstr(err ? error_get_pretty(err) : NULL, ==,
                        constants[i].message);
    }
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
    g_test_add_func("/config-devices/constants", test_constants);
    g_test_add_func("/config-devices/bad-constants", test_bad_constants);
    return g_test_run();
}
