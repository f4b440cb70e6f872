/*
 * Sections: a registry's sender and receiver against bytes written by hand,
 * the order of what may come, and what a hostile stream may say.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <jansson.h>

#include "io/channel-buffer.h"
#include "migration/stream/savevm.h"
#include "util/error.h"
#include "util/thread.h"

#define BYTES(b) (b), sizeof(b) - 1

typedef struct Dev {
    uint16_t reg;
} Dev;

static const VMStateDescription vmstate_dev = {
    .name = "dev",
    .version_id = 3,
    .minimum_version_id = 2,
    .fields = (const VMStateField[]){ VMSTATE_UINT16(reg, Dev),
                                      VMSTATE_END_OF_LIST() },
};

/* A live part whose payload is a letter for each kind of section. */
typedef struct Live {
    GString *log;
    int iterations; /* until nothing is left */
    bool postcopy;
} Live;

static int live_setup(QEMUFile *f, void *opaque, Error **errp G_GNUC_UNUSED)
{
    g_string_append(((Live *)opaque)->log, "setup ");
    qemu_put_byte(f, 'S');
    return 0;
}

static int live_iterate(QEMUFile *f, void *opaque)
{
    qemu_put_byte(f, 'P');
    return --((Live *)opaque)->iterations <= 0;
}

static int live_complete(QEMUFile *f, void *opaque G_GNUC_UNUSED)
{
    qemu_put_byte(f, 'E');
    return 0;
}

static void live_pending(void *opaque, uint64_t *must, uint64_t *can)
{
    *must = (uint64_t)((Live *)opaque)->iterations;
    *can = 100;
}

static bool live_has_postcopy(void *opaque)
{
    return ((Live *)opaque)->postcopy;
}

static void live_cleanup(void *opaque)
{
    g_string_append(((Live *)opaque)->log, "cleanup ");
}

static int live_load(QEMUFile *f, void *opaque, int version_id)
{
    g_string_append_printf(((Live *)opaque)->log, "%c%d ", qemu_get_byte(f),
                           version_id);
    return 0;
}

static int live_load_setup(QEMUFile *f G_GNUC_UNUSED, void *opaque,
                           Error **errp G_GNUC_UNUSED)
{
    g_string_append(((Live *)opaque)->log, "load-setup ");
    return 0;
}

static int live_load_cleanup(void *opaque)
{
    g_string_append(((Live *)opaque)->log, "load-cleanup ");
    return 0;
}

static const SaveVMHandlers live_ops = {
    .save_setup = live_setup,
    .save_live_iterate = live_iterate,
    .save_live_complete_precopy = live_complete,
    .save_live_complete_postcopy = live_complete,
    .save_live_pending = live_pending,
    .has_postcopy = live_has_postcopy,
    .save_cleanup = live_cleanup,
    .load_state = live_load,
    .load_setup = live_load_setup,
    .load_cleanup = live_load_cleanup,
};

static void legacy_save(QEMUFile *f, void *opaque G_GNUC_UNUSED)
{
    qemu_put_buffer(f, (const uint8_t *)"old", 3);
}

static int legacy_load(QEMUFile *f, void *opaque, int version_id)
{
    char text[4] = "";

    qemu_get_buffer(f, (uint8_t *)text, 3);
    g_string_append_printf(opaque, "%s%d ", text, version_id);
    return 0;
}

static const SaveVMHandlers legacy_ops = { .save_state = legacy_save,
                                           .load_state = legacy_load };

/* -- a machine of three parts -------------------------------------------------- */

typedef struct Machine {
    SaveVMRegistry *reg;
    Dev dev, high;
    Live live;
    GString *log; /* also of the receiver's calls */
    QemuThread listener;
    bool refuse_config;
    int locked;
} Machine;

static Machine *machine_new_(void)
{
    Machine *m = g_new0(Machine, 1);

    m->log = g_string_new(NULL);
    m->live = (Live){ .log = m->log, .iterations = 2 };
    m->reg = savevm_registry_new();
    m->dev.reg = 0x1122;
    m->high.reg = 0x3344;
    g_assert_cmpint(vmstate_register_with(
                        m->reg, "dev", VMSTATE_INSTANCE_ID_ANY, &vmstate_dev,
                        &m->dev, MIG_PRI_DEFAULT, &error_abort),
                    ==, 0);
    register_savevm_live(m->reg, "ram", 0, 4, &live_ops, &m->live,
                         &error_abort);
    register_savevm_live(m->reg, "legacy", 0, 9, &legacy_ops, m->log,
                         &error_abort);
    vmstate_register_with(m->reg, "dev", VMSTATE_INSTANCE_ID_ANY, &vmstate_dev,
                          &m->high, MIG_PRI_PCI_BUS, &error_abort);
    return m;
}

static void machine_free_(Machine *m)
{
    savevm_registry_free(m->reg);
    g_string_free(m->log, TRUE);
    g_free(m);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Machine, machine_free_)

#define CONFIG "\x07\x00\x00\x00\x02pc"
#define HEADER "QEVM\x00\x00\x00\x03" CONFIG
#define START                                                                  \
    "\x01\x00\x00\x00\x01\x03ram\x00\x00\x00\x00\x00\x00\x00\x04"              \
    "S\x7e\x00\x00\x00\x01"
#define PART "\x02\x00\x00\x00\x01P\x7e\x00\x00\x00\x01"
#define END                                                                    \
    "\x03\x00\x00\x00\x01"                                                     \
    "E\x7e\x00\x00\x00\x01"
/* The one with the higher priority comes first, as instance 1. */
#define DEV1                                                                   \
    "\x04\x00\x00\x00\x03\x03"                                                 \
    "dev\x00\x00\x00\x01\x00\x00\x00\x03\x33\x44\x7e\x00\x00\x00\x03"
#define DEV0                                                                   \
    "\x04\x00\x00\x00\x00\x03"                                                 \
    "dev\x00\x00\x00\x00\x00\x00\x00\x03\x11\x22\x7e\x00\x00\x00\x00"
#define LEGACY                                                                 \
    "\x04\x00\x00\x00\x02\x06legacy\x00\x00\x00\x00\x00\x00\x00\x09old"        \
    "\x7e\x00\x00\x00\x02"
#define ALL_DEVS DEV1 DEV0 LEGACY
#define EOS      "\x00"

static const char vmdesc_text[] =
    "{\"page_size\": 4096, \"devices\": ["
    "{\"name\": \"dev\", \"instance_id\": 1, \"vmsd_name\": \"dev\", "
    "\"version\": 3, \"fields\": [{\"name\": \"reg\", \"type\": \"uint16\", "
    "\"size\": 2}]}, "
    "{\"name\": \"dev\", \"instance_id\": 0, \"vmsd_name\": \"dev\", "
    "\"version\": 3, \"fields\": [{\"name\": \"reg\", \"type\": \"uint16\", "
    "\"size\": 2}]}, "
    "{\"name\": \"legacy\", \"instance_id\": 0, \"version\": 9, \"fields\": "
    "[{\"name\": \"data\", \"type\": \"buffer\", \"size\": 3}]}]}";

static uint8_t *save_all(Machine *m, bool vmdesc, size_t *len)
{
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_auto(SaveVMDevices) d = { 0 };
    ConfigSection config;
    uint64_t must, can;
    uint8_t *bytes;

    config_section_init(&config, "pc");
    savevm_send_header(m->reg, f, &config);
    g_assert_true(savevm_setup(m->reg, f, &error_abort));
    savevm_pending(m->reg, &must, &can);
    g_assert_cmpuint(must, ==, 2);
    g_assert_cmpuint(can, ==, 100);
    g_assert_cmpint(savevm_iterate(m->reg, f, false, &error_abort), ==, 0);
    g_assert_cmpint(savevm_iterate(m->reg, f, false, &error_abort), ==, 1);
    g_assert_true(savevm_complete(m->reg, f, false, &error_abort));
    g_assert_true(savevm_capture_devices(m->reg, vmdesc, &d, &error_abort));
    g_assert_cmpuint(d.sections, ==, 3);
    savevm_send_devices(f, &d);
    savevm_send_eof(f);
    savevm_send_vmdesc(f, &d);
    bytes = qemu_file_memory_steal(f, len, &error_abort);
    savevm_cleanup(m->reg);
    return bytes;
}

static void test_save_golden(void)
{
    static const char wire[] = HEADER START PART PART END ALL_DEVS EOS;
    g_autoptr(Machine) m = machine_new_();
    g_autofree uint8_t *bytes = NULL;
    size_t len;

    bytes = save_all(m, false, &len);
    g_assert_cmpmem(bytes, len, wire, sizeof(wire) - 1);
    g_assert_cmpstr(m->log->str, ==, "setup cleanup ");
}

static void test_vmdesc(void)
{
    static const char wire[] = HEADER START PART PART END ALL_DEVS EOS;
    g_autoptr(Machine) m = machine_new_();
    g_autofree uint8_t *bytes = NULL;
    const uint8_t *desc;
    size_t len, n = sizeof(vmdesc_text) - 1;

    bytes = save_all(m, true, &len);
    g_assert_cmpuint(len, ==, sizeof(wire) - 1 + 5 + n);
    desc = bytes + sizeof(wire) - 1;
    g_assert_cmpint(desc[0], ==, STREAM_VMDESCRIPTION);
    g_assert_cmpint(desc[3] << 8 | desc[4], ==, (int)n);
    g_assert_cmpmem(desc + 5, n, vmdesc_text, n);
}

/* No byte of the description's length is an opening brace. */
static void test_vmdesc_length(void)
{
    for (unsigned i = 0; i < 300; i++) {
        g_autoptr(SaveVMRegistry) reg = savevm_registry_new();
        g_autofree char *name = g_strnfill(i % 200 + 1, 'n');
        g_autofree char *name2 = g_strnfill(i / 2 + 1, 'm');
        g_auto(SaveVMDevices) d = { 0 };
        Dev dev = { 0 };

        vmstate_register_with(reg, name, -1, &vmstate_dev, &dev, 0,
                              &error_abort);
        vmstate_register_with(reg, name2, -1, &vmstate_dev, &dev, 0,
                              &error_abort);
        g_assert_true(savevm_capture_devices(reg, true, &d, &error_abort));
        g_assert_null(d.vmdesc);
        savevm_devices_describe(&d);
        g_assert_cmpint(d.vmdesc_len & 0xff, !=, '{');
        g_assert_cmpint(d.vmdesc_len >> 8, !=, '{');
        g_assert_cmpuint(strlen(d.vmdesc), ==, d.vmdesc_len);
    }
}

/* -- receiving ------------------------------------------------------------------ */

static bool on_configured(void *opaque, const ConfigSection *config,
                          Error **errp)
{
    Machine *m = opaque;
    ConfigSection ours;

    config_section_init(&ours, "pc");
    if (savevm_get_options(m->reg)->configuration &&
        !config_section_check(config, &ours, errp)) {
        return false;
    }
    g_string_append(m->log, "configured ");
    return true;
}

static void on_lock(void *opaque)
{
    ((Machine *)opaque)->locked++;
}

static void on_unlock(void *opaque)
{
    ((Machine *)opaque)->locked--;
}

static bool on_ping(void *opaque, uint32_t value, Error **errp G_GNUC_UNUSED)
{
    g_string_append_printf(((Machine *)opaque)->log, "ping%u ", value);
    return true;
}

static bool on_listen(void *opaque, Error **errp G_GNUC_UNUSED)
{
    g_string_append(((Machine *)opaque)->log, "listen ");
    return true;
}

static bool on_run(void *opaque, Error **errp G_GNUC_UNUSED)
{
    g_string_append(((Machine *)opaque)->log, "run ");
    return true;
}

static bool on_discard(void *opaque, const char *block,
                       const StreamRange *ranges, size_t n,
                       Error **errp G_GNUC_UNUSED)
{
    g_string_append_printf(((Machine *)opaque)->log, "discard-%s-%zu-%zx ",
                           block, n, (size_t)ranges[0].len);
    return true;
}

static bool on_resume(void *opaque, Error **errp G_GNUC_UNUSED)
{
    g_string_append(((Machine *)opaque)->log, "resume ");
    return true;
}

static const SaveVMLoadOps load_ops = {
    .configured = on_configured,
    .lock = on_lock,
    .unlock = on_unlock,
    .ping = on_ping,
    .postcopy_listen = on_listen,
    .postcopy_run = on_run,
    .ram_discard = on_discard,
    .postcopy_resume = on_resume,
};

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

static void assert_load(Machine *m, const char *bytes, size_t len,
                        SaveVMLoadResult expected, const char *message)
{
    g_autoptr(QEMUFile) f = file_of(bytes, len);
    g_autoptr(Error) err = NULL;
    SaveVMLoadResult result;

    m->dev.reg = m->high.reg = 0;
    g_string_truncate(m->log, 0);
    result = savevm_load_state(m->reg, f, &load_ops, m, &err);
    savevm_load_cleanup(m->reg);
    g_assert_cmpstr(err ? error_get_pretty(err) : NULL, ==, message);
    g_assert_cmpint(result, ==, expected);
    g_assert_cmpint(m->locked, ==, 0);
}

static void test_load_golden(void)
{
    g_autoptr(Machine) m = machine_new_();

    assert_load(m, BYTES(HEADER START PART PART END ALL_DEVS EOS "rest"),
                SAVEVM_LOAD_OK, NULL);
    g_assert_cmpuint(m->dev.reg, ==, 0x1122);
    g_assert_cmpuint(m->high.reg, ==, 0x3344);
    g_assert_cmpstr(m->log->str, ==,
                    "configured load-setup S4 P4 P4 E4 old9 load-cleanup ");
    g_assert_null(savevm_load_missing(m->reg));
    /* and once more: nothing of the first load is left */
    assert_load(m, BYTES(HEADER START END DEV0 EOS), SAVEVM_LOAD_OK, NULL);
    g_assert_cmpuint(m->high.reg, ==, 0);
}

static void test_missing(void)
{
    g_autoptr(Machine) m = machine_new_();
    g_autofree char *missing = NULL;

    assert_load(m, BYTES(HEADER START END DEV0 EOS), SAVEVM_LOAD_OK, NULL);
    missing = savevm_load_missing(m->reg);
    g_assert_cmpstr(missing, ==, "dev instance 1\nlegacy instance 0");
}

/* An older sender's section is loaded by its own version. */
static void test_old_version(void)
{
    g_autoptr(Machine) m = machine_new_();

    assert_load(m,
                BYTES(HEADER "\x04\x00\x00\x00\x05\x03"
                             "dev\x00\x00\x00\x00\x00\x00\x00\x02\x11\x22"
                             "\x7e\x00\x00\x00\x05" EOS),
                SAVEVM_LOAD_OK, NULL);
    g_assert_cmpuint(m->dev.reg, ==, 0x1122);
}

static void test_options(void)
{
    static const SaveVMOptions none = { 0 };
    static const char wire[] =
        "QEVM\x00\x00\x00\x03"
        "\x01\x00\x00\x00\x01\x03ram\x00\x00\x00\x00\x00\x00\x00\x04S"
        "\x02\x00\x00\x00\x01P\x02\x00\x00\x00\x01P\x03\x00\x00\x00\x01"
        "E\x04\x00\x00\x00\x03\x03"
        "dev\x00\x00\x00\x01\x00\x00\x00\x03\x33\x44"
        "\x04\x00\x00\x00\x00\x03"
        "dev\x00\x00\x00\x00\x00\x00\x00\x03\x11\x22"
        "\x04\x00\x00\x00\x02\x06legacy\x00\x00\x00\x00\x00\x00\x00\x09old";
    g_autoptr(Machine) m = machine_new_();
    g_autofree uint8_t *bytes = NULL;
    size_t len;

    savevm_set_options(m->reg, &none);
    bytes = save_all(m, false, &len);
    g_assert_cmpmem(bytes, len, wire, sizeof(wire)); /* with its NUL: EOF */
    assert_load(m, (const char *)bytes, len, SAVEVM_LOAD_OK, NULL);
    g_assert_cmpuint(m->dev.reg, ==, 0x1122);
}

/* While one stream is loaded another client is turned away at the gate. */
static void other_client(void *opaque, const SaveStateEntry *se G_GNUC_UNUSED)
{
    Machine *m = opaque;
    g_autoptr(QEMUFile) f = file_of(BYTES("QEVM\x00\x00\x00\x03"
                                          "\x07\x00\x00\x00\x02q3"));
    g_autoptr(Error) err = NULL;

    g_assert_cmpint(savevm_load_state(m->reg, f, &load_ops, m, &err), ==,
                    SAVEVM_LOAD_ERROR);
    g_string_append(m->log, "refused ");
}

static void test_others_at_the_gate(void)
{
    g_autoptr(Machine) m = machine_new_();
    g_autoptr(QEMUFile) f = file_of(BYTES(HEADER START PART END DEV0 EOS));
    SaveVMLoadOps ops = load_ops;

    ops.section = other_client;
    g_assert_cmpint(savevm_load_state(m->reg, f, &ops, m, &error_abort), ==,
                    SAVEVM_LOAD_OK);
    g_assert_cmpstr(m->log->str, ==,
                    "configured load-setup refused S4 refused P4 refused E4 "
                    "refused ");
}

/* -- post-copy ------------------------------------------------------------------- */

#define PACKAGED(n) "\x08\x00\x07\x00\x04\x00\x00\x00" n
#define LISTEN      "\x08\x00\x04\x00\x00"
#define RUN         "\x08\x00\x05\x00\x00"
#define PING3       "\x08\x00\x02\x00\x04\x00\x00\x00\x03"
#define RESUME      "\x08\x00\x09\x00\x00"
#define DISCARD                                                                \
    "\x08\x00\x06\x00\x16\x00\x03ram\x00\x00\x00\x00\x00\x00\x00\x10\x00"      \
    "\x00\x00\x00\x00\x00\x00\x20\x00"

static void test_postcopy(void)
{
    g_autoptr(Machine) m = machine_new_();

    assert_load(m,
                BYTES(HEADER START DISCARD PACKAGED("\x2b")
                          LISTEN DEV0 PING3 RUN "\x02\x00\x00\x00\x01"),
                SAVEVM_LOAD_QUIT, NULL);
    g_assert_cmpstr(m->log->str, ==,
                    "configured load-setup S4 discard-ram-1-2000 listen ping3 "
                    "run load-cleanup ");
    g_assert_cmpuint(m->dev.reg, ==, 0x1122);
}

/* What the listen thread reads after that. */
static void test_load_main(void)
{
    g_autoptr(Machine) m = machine_new_();
    g_autoptr(QEMUFile) f = file_of(BYTES(PART END EOS));
    g_autoptr(QEMUFile) bad = file_of(BYTES(DEV0));
    g_autoptr(QEMUFile) pack = file_of(BYTES(PACKAGED("\x05") LISTEN));
    g_autoptr(Error) err = NULL, err2 = NULL;

    assert_load(m, BYTES(HEADER START PACKAGED("\x0a") LISTEN RUN),
                SAVEVM_LOAD_QUIT, NULL);
    g_assert_cmpint(savevm_load_main(m->reg, f, &load_ops, m, &error_abort), ==,
                    SAVEVM_LOAD_OK);
    g_assert_true(g_str_has_suffix(m->log->str, "P4 E4 "));
    g_assert_cmpint(savevm_load_main(m->reg, bad, &load_ops, m, &err), ==,
                    SAVEVM_LOAD_ERROR);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "section 'dev' is not expected here");
    g_assert_cmpint(savevm_load_main(m->reg, pack, &load_ops, m, &err2), ==,
                    SAVEVM_LOAD_ERROR);
    g_assert_cmpstr(error_get_pretty(err2), ==,
                    "command PACKAGED is not expected here");
}

/* The first connection broke behind END: it comes again. */
static void test_load_resumed(void)
{
    g_autoptr(Machine) m = machine_new_();
    g_autoptr(QEMUFile) f = file_of(BYTES(PART END));
    g_autoptr(QEMUFile) once_more = file_of(BYTES(END));
    g_autoptr(QEMUFile) resumed = file_of(BYTES(RESUME END EOS));
    g_autoptr(Error) err = NULL, err2 = NULL;

    assert_load(m, BYTES(HEADER START PACKAGED("\x0a") LISTEN RUN),
                SAVEVM_LOAD_QUIT, NULL);
    g_assert_cmpint(savevm_load_main(m->reg, f, &load_ops, m, &err), ==,
                    SAVEVM_LOAD_ERROR);
    g_assert_cmpint(savevm_load_main(m->reg, once_more, &load_ops, m, &err2),
                    ==, SAVEVM_LOAD_ERROR);
    g_assert_nonnull(strstr(error_get_pretty(err2), "has not begun"));
    g_assert_cmpint(savevm_load_main(m->reg, resumed, &load_ops, m,
                                     &error_abort),
                    ==, SAVEVM_LOAD_OK);
    g_assert_true(g_str_has_suffix(m->log->str, "P4 E4 resume E4 "));
}

static void test_save_postcopy(void)
{
    g_autoptr(Machine) m = machine_new_();
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autofree uint8_t *bytes = NULL;
    size_t len;

    m->live.postcopy = true;
    g_assert_true(savevm_setup(m->reg, f, &error_abort));
    g_assert_true(savevm_complete(m->reg, f, true, &error_abort));
    g_assert_cmpint(savevm_iterate(m->reg, f, true, &error_abort), ==, 0);
    g_assert_true(savevm_complete_postcopy(m->reg, f, &error_abort));
    g_assert_cmpint(savevm_iterate(m->reg, f, true, &error_abort), ==, 1);
    bytes = qemu_file_memory_steal(f, &len, &error_abort);
    g_assert_cmpmem(bytes, len, START PART END, sizeof(START PART END) - 1);
    savevm_cleanup(m->reg);
}

/* -- hostile streams -------------------------------------------------------------- */

static const struct {
    const char *bytes;
    size_t len;
    const char *message;
} hostile[] = {
    { BYTES("QEVM\x00\x00\x00\x03\x01"),
      "the stream has no configuration section (type 0x01)" },
    { BYTES("QEVM\x00\x00\x00\x03\x07\x00\x00\x00\x02q3"),
      "machine type is 'q3' at the source and 'pc' here" },
    { BYTES(HEADER), "the migration stream ended unexpectedly after 15 bytes" },
    { BYTES(HEADER "\x09"),
      "unknown section type 0x09 after 15 bytes of the stream" },
    { BYTES(HEADER "\x06\x00\x00\x00\x00"),
      "unknown section type 0x06 after 15 bytes of the stream" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x03"
                   "foo\x00\x00\x00\x07\x00\x00\x00\x03"),
      "unknown section 'foo' instance 7: this side has no such device" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x03"
                   "dev\x00\x00\x00\x00\x00\x00\x00\x04"),
      "section 'dev' of version 4, this side knows up to 3" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x03"
                   "dev\x00\x00\x00\x00\xff\xff\xff\xff"),
      "section 'dev' of version 4294967295, this side knows up to 3" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x03"
                   "dev\x00\x00\x00\x00\x00\x00\x00\x01"),
      "section 'dev' instance 0: 'dev': version 1 in the stream, this side "
      "knows 2 and newer" },
    { BYTES(HEADER DEV0 DEV0), "section 'dev' instance 0 comes twice" },
    { BYTES(HEADER START START), "section 'ram' instance 0 comes twice" },
    { BYTES(HEADER "\x01\x00\x00\x00\x00\x03"
                   "dev\x00\x00\x00\x00\x00\x00\x00\x03"),
      "section 'dev' is not expected here" },
    { BYTES(HEADER
            "\x04\x00\x00\x00\x00\x03ram\x00\x00\x00\x00\x00\x00\x00\x04"),
      "section 'ram' is not expected here" },
    { BYTES(HEADER PART), "section number 1 continues but has not begun" },
    { BYTES(HEADER START END PART),
      "section number 1 continues but has not begun" },
    { BYTES(HEADER DEV0 "\x02\x00\x00\x00\x00"),
      "section number 0 continues but has not begun" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x03"
                   "dev\x00\x00\x00\x00\x00\x00\x00\x03\x11\x22"
                   "\x7f\x00\x00\x00\x00"),
      "section 'dev' instance 0: byte 0x7f instead of the section's footer" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x03"
                   "dev\x00\x00\x00\x00\x00\x00\x00\x03\x11\x22"
                   "\x7e\x00\x00\x00\x01"),
      "section 'dev' instance 0: footer of section 1 instead of 0" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x03"
                   "dev\x00\x00\x00\x00\x00\x00\x00\x03\x11"),
      "section 'dev' instance 0: field 'reg' of 'dev': the migration stream "
      "ended unexpectedly after 33 bytes" },
    { BYTES(HEADER "\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03"),
      "unknown section '' instance 0: this side has no such device" },
    { BYTES(HEADER "\x08\x00\x02\xff\xff"), "command 2 of 65535 bytes" },
    { BYTES(HEADER "\x08\x00\x08\x00\x00"),
      "command ENABLE_COLO is not expected here" },
    { BYTES(HEADER "\x08\x00\x01\x00\x00"),
      "command OPEN_RETURN_PATH is not expected here" },
    { BYTES(HEADER LISTEN), "command POSTCOPY_LISTEN is not expected here" },
    { BYTES(HEADER RUN), "command POSTCOPY_RUN is not expected here" },
    { BYTES(HEADER PACKAGED("\x05") RUN),
      "command POSTCOPY_RUN is not expected here" },
    { BYTES(HEADER PACKAGED("\x05") LISTEN),
      "a package with command POSTCOPY_LISTEN does not end with "
      "POSTCOPY_RUN" },
    { BYTES(HEADER PACKAGED("\x0a") LISTEN LISTEN),
      "command POSTCOPY_LISTEN is not expected here" },
    { BYTES(HEADER PACKAGED("\x09") PACKAGED("\x01")),
      "command PACKAGED is not expected here" },
    { BYTES(HEADER PACKAGED("\x01") EOS),
      "a package holds an end of the stream" },
    { BYTES(HEADER START PACKAGED("\x0b") PART),
      "section number 1 continues but has not begun" },
    { BYTES(HEADER PACKAGED("\x17") START),
      "section 'ram' is not expected here" },
    { BYTES(HEADER PACKAGED("\x1b") DISCARD),
      "command POSTCOPY_RAM_DISCARD is not expected here" },
    { BYTES(HEADER PACKAGED("\x20") DEV0),
      "the migration stream ended unexpectedly after 48 bytes" },
};

static void test_hostile(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
        g_autoptr(Machine) m = machine_new_();

        assert_load(m, hostile[i].bytes, hostile[i].len, SAVEVM_LOAD_ERROR,
                    hostile[i].message);
    }
}

static void test_two_sections_one_number(void)
{
    g_autoptr(Machine) m = machine_new_();

    register_savevm_live(m->reg, "vfio", 0, 1, &live_ops, &m->live,
                         &error_abort);
    assert_load(m,
                BYTES(HEADER START
                      "\x01\x00\x00\x00\x01\x04vfio\x00\x00\x00\x00\x00\x00"
                      "\x00\x01"),
                SAVEVM_LOAD_ERROR, "section number 1 is used twice");
}

static void assert_vmdesc(const char *bytes, size_t len, const char *message)
{
    g_autoptr(QEMUFile) f = file_of(bytes, len);
    g_autoptr(Error) err = NULL;

    g_assert_cmpint(savevm_load_vmdesc(f, &err), ==, message == NULL);
    g_assert_cmpstr(err ? error_get_pretty(err) : NULL, ==, message);
}

static void test_load_vmdesc(void)
{
    assert_vmdesc(BYTES(""), NULL);
    assert_vmdesc(BYTES("\x06\x00\x00\x00\x02{}"), NULL);
    assert_vmdesc(BYTES("\x05"), "byte 0x05 behind the end of the stream");
    assert_vmdesc(BYTES("\x06\xff\xff\xff\xff"),
                  "a description of 4294967295 bytes");
    assert_vmdesc(BYTES("\x06\x00\x00\x00\x03{}"),
                  "the migration stream ended unexpectedly after 7 bytes");
}

/* -- the registry ------------------------------------------------------------------ */

static void test_registry(void)
{
    g_autoptr(Machine) m = machine_new_();
    g_autofree char *long_name = g_strnfill(256, 'x');
    g_autoptr(Error) e1 = NULL, e2 = NULL;
    Dev extra = { 0 };

    g_assert_cmpint(vmstate_register_with(m->reg, "dev", 1, &vmstate_dev,
                                          &extra, MIG_PRI_DEFAULT, &e1),
                    ==, -EEXIST);
    g_assert_cmpstr(error_get_pretty(e1), ==,
                    "section 'dev' instance 1 exists already");
    g_assert_cmpint(vmstate_register_with(m->reg, long_name, -1, &vmstate_dev,
                                          &extra, MIG_PRI_DEFAULT, &e2),
                    ==, -EINVAL);
    vmstate_unregister_with(m->reg, &vmstate_dev, &m->high);
    g_assert_null(savevm_find(m->reg, "dev", 1));
    g_assert_nonnull(savevm_find(m->reg, "dev", 0));
    vmstate_register_with(m->reg, "dev", -1, &vmstate_dev, &extra, 0,
                          &error_abort);
    g_assert_nonnull(savevm_find(m->reg, "dev", 1));
    unregister_savevm(m->reg, "legacy", m->log);
    g_assert_null(savevm_find(m->reg, "legacy", 0));
}

static void test_unmigratable(void)
{
    static const VMStateDescription vmsd = { .name = "stuck",
                                             .unmigratable = true };
    g_autoptr(Machine) m = machine_new_();
    g_auto(SaveVMDevices) d = { 0 };
    g_autoptr(Error) err = NULL;

    g_assert_null(savevm_registry_unmigratable(m->reg));
    vmstate_register_with(m->reg, "00:01.0/stuck", -1, &vmsd, NULL, 0,
                          &error_abort);
    g_assert_cmpstr(savevm_registry_unmigratable(m->reg), ==, "00:01.0/stuck");
    g_assert_false(savevm_capture_devices(m->reg, false, &d, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "device '00:01.0/stuck' cannot be migrated");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/savevm/save-golden", test_save_golden);
    g_test_add_func("/savevm/vmdesc", test_vmdesc);
    g_test_add_func("/savevm/vmdesc-length", test_vmdesc_length);
    g_test_add_func("/savevm/load-golden", test_load_golden);
    g_test_add_func("/savevm/missing", test_missing);
    g_test_add_func("/savevm/old-version", test_old_version);
    g_test_add_func("/savevm/options", test_options);
    g_test_add_func("/savevm/others-at-the-gate", test_others_at_the_gate);
    g_test_add_func("/savevm/postcopy", test_postcopy);
    g_test_add_func("/savevm/load-main", test_load_main);
    g_test_add_func("/savevm/load-resumed", test_load_resumed);
    g_test_add_func("/savevm/save-postcopy", test_save_postcopy);
    g_test_add_func("/savevm/hostile", test_hostile);
    g_test_add_func("/savevm/two-sections-one-number",
                    test_two_sections_one_number);
    g_test_add_func("/savevm/load-vmdesc", test_load_vmdesc);
    g_test_add_func("/savevm/registry", test_registry);
    g_test_add_func("/savevm/unmigratable", test_unmigratable);
    return g_test_run();
}
