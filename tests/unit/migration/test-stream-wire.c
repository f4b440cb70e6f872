/*
 * The stream's framing and its configuration section against bytes written
 * by hand.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "migration/stream/config-section.h"
#include "migration/stream/savevm.h"
#include "migration/stream/stream-wire.h"
#include "util/error.h"

#define BYTES(b) (b), sizeof(b) - 1

static void test_header(void)
{
    static const uint8_t good[] = "QEVM\0\0\0\x03";
    static const uint8_t old[] = "QEVM\0\0\0\x02";
    static const uint8_t newer[] = "QEVM\0\0\0\x04";
    static const uint8_t http[] = "GET / HT";
    g_auto(WireBuffer) b = { 0 };
    g_autoptr(Error) e1 = NULL, e2 = NULL, e3 = NULL;

    wire_writer_init(&b, 64, false);
    stream_header_put(&b);
    g_assert_cmpmem(b.data, b.len, good, 8);
    g_assert_true(stream_header_check(good, &error_abort));
    g_assert_false(stream_header_check(old, &e1));
    g_assert_cmpstr(error_get_pretty(e1), ==,
                    "migration stream of the obsolete version 2");
    g_assert_false(stream_header_check(newer, &e2));
    g_assert_false(stream_header_check(http, &e3));
    g_assert_cmpstr(error_get_pretty(e3), ==,
                    "not a migration stream (begins with 0x47455420)");
}

/* What each sender function puts on the wire. */
static void test_commands_golden(void)
{
    static const char wire[] = "\x08\x00\x01\x00\x00"
                               "\x08\x00\x02\x00\x04\x00\x00\x00\x07"
                               "\x08\x00\x03\x00\x10"
                               "\x00\x00\x00\x00\x00\x20\x10\x00"
                               "\x00\x00\x00\x00\x00\x00\x10\x00"
                               "\x08\x00\x03\x00\x00"
                               "\x08\x00\x06\x00\x19"
                               "\x00\x06pc.ram\x00"
                               "\x00\x00\x00\x00\x00\x00\x10\x00"
                               "\x00\x00\x00\x00\x00\x00\x20\x00"
                               "\x08\x00\x04\x00\x00"
                               "\x08\x00\x05\x00\x00"
                               "\x08\x00\x09\x00\x00"
                               "\x08\x00\x0a\x00\x07\x06pc.ram"
                               "\x08\x00\x0b\x00\x00"
                               "\x08\x00\x07\x00\x04\x00\x00\x00\x03"
                               "xyz";
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autofree uint8_t *bytes = NULL;
    StreamRange range = { 0x1000, 0x2000 };
    size_t len;

    savevm_send_open_return_path(f);
    savevm_send_ping(f, 7);
    savevm_send_postcopy_advise(f, 0x201000, 0x1000);
    savevm_send_postcopy_advise(f, 0, 0);
    savevm_send_postcopy_discard(f, "pc.ram", &range, 1);
    savevm_send_postcopy_listen(f);
    savevm_send_postcopy_run(f);
    savevm_send_postcopy_resume(f);
    savevm_send_recv_bitmap(f, "pc.ram");
    savevm_send_switchover_start(f);
    savevm_send_packaged(f, (const uint8_t *)"xyz", 3, &error_abort);
    bytes = qemu_file_memory_steal(f, &len, &error_abort);
    g_assert_cmpmem(bytes, len, wire, sizeof(wire) - 1);
}

/* 30 ranges are three commands of at most 12. */
static void test_discard_split(void)
{
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autofree uint8_t *bytes = NULL;
    StreamRange ranges[30];
    StreamCommandBody c;
    size_t len, at = 0, seen = 0;

    for (size_t i = 0; i < 30; i++) {
        ranges[i] = (StreamRange){ i * 0x10000, 0x1000 };
    }
    savevm_send_postcopy_discard(f, "a", ranges, 30);
    bytes = qemu_file_memory_steal(f, &len, &error_abort);
    while (at < len) {
        size_t n = (size_t)(bytes[at + 3] << 8 | bytes[at + 4]);

        g_assert_cmpint(bytes[at], ==, STREAM_COMMAND);
        g_assert_true(stream_command_decode(bytes[at + 2], bytes + at + 5, n,
                                            &c, &error_abort));
        g_assert_cmpuint(c.ranges, <=, STREAM_DISCARD_MAX);
        for (size_t i = 0; i < c.ranges; i++) {
            g_assert_cmpuint(c.range[i].start, ==, seen++ * 0x10000);
        }
        at += 5 + n;
    }
    g_assert_cmpuint(at, ==, len);
    g_assert_cmpuint(seen, ==, 30);
}

typedef struct BadCommand {
    unsigned command;
    const char *data;
    size_t len;
    const char *message;
} BadCommand;

#define RANGE "\x00\x00\x00\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x10\x00"

static const BadCommand bad_commands[] = {
    { 0, BYTES(""), "unknown command 0 of 0 bytes" },
    { 12, BYTES("ab"), "unknown command 12 of 2 bytes" },
    { 65535, BYTES(""), "unknown command 65535 of 0 bytes" },
    { 1, BYTES("a"), "command OPEN_RETURN_PATH of 1 bytes, not 0" },
    { 2, BYTES("abc"), "command PING of 3 bytes, not 4" },
    { 3, BYTES("12345678"), "command POSTCOPY_ADVISE of 8 bytes, not 16" },
    { 3, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0"),
      "command POSTCOPY_ADVISE without page sizes" },
    { 6, BYTES(""), "command POSTCOPY_RAM_DISCARD is malformed" },
    { 6,
      BYTES("\x01\x01"
            "a\x00" RANGE),
      "command POSTCOPY_RAM_DISCARD of version 1" },
    { 6, BYTES("\x00\x00\x00" RANGE),
      "command POSTCOPY_RAM_DISCARD is malformed" },
    { 6,
      BYTES("\x00\xff"
            "a\x00" RANGE),
      "command POSTCOPY_RAM_DISCARD is malformed" },
    { 6,
      BYTES("\x00\x01"
            "a\x01" RANGE),
      "command POSTCOPY_RAM_DISCARD is malformed" },
    { 6,
      BYTES("\x00\x01"
            "a\x00"),
      "command POSTCOPY_RAM_DISCARD is malformed" },
    { 6,
      BYTES("\x00\x01"
            "a\x00" RANGE "x"),
      "command POSTCOPY_RAM_DISCARD is malformed" },
    { 6,
      BYTES("\x00\x01"
            "a\x00" RANGE RANGE RANGE RANGE RANGE RANGE RANGE RANGE RANGE RANGE
                RANGE RANGE RANGE),
      "command POSTCOPY_RAM_DISCARD with 13 ranges" },
    { 6,
      BYTES("\x00\x01"
            "a\x00\xff\xff\xff\xff\xff\xff\xf0\x00"
            "\x00\x00\x00\x00\x00\x00\x20\x00"),
      "command POSTCOPY_RAM_DISCARD of 8192 bytes at 18446744073709547520 of "
      "block 'a'" },
    { 6,
      BYTES("\x00\x01"
            "a\x00\x00\x00\x00\x00\x00\x00\x10\x00\0\0\0\0\0\0\0\0"),
      "command POSTCOPY_RAM_DISCARD of 0 bytes at 4096 of block 'a'" },
    { 7, BYTES("\x00\x00\x00\x00"), "package of 0 bytes, at most 268435456" },
    { 7, BYTES("\xff\xff\xff\xff"),
      "package of 4294967295 bytes, at most 268435456" },
    { 10, BYTES("\x02\xff\xff"), "command RECV_BITMAP is malformed" },
    { 10, BYTES("\x02\x1b["), "command RECV_BITMAP is malformed" },
    { 10,
      BYTES("\x03"
            "ab"),
      "command RECV_BITMAP is malformed" },
    { 10,
      BYTES("\x02"
            "a\0"),
      "command RECV_BITMAP is malformed" },
    { 10,
      BYTES("\x01"
            "ab"),
      "command RECV_BITMAP is malformed" },
};

static void test_bad_commands(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_commands); i++) {
        const BadCommand *c = &bad_commands[i];
        g_autofree uint8_t *data = g_memdup2(c->data, c->len);
        g_autoptr(Error) err = NULL;
        StreamCommandBody body;

        g_assert_false(
            stream_command_decode(c->command, data, c->len, &body, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, c->message);
    }
}

/* -- configuration ------------------------------------------------------------- */

static const char config_wire[] = "\x07\x00\x00\x00\x05pc-42"
                                  "\x05\x1a"
                                  "configuration/capabilities\x00\x00\x00\x01"
                                  "\x00\x00\x00\x02"
                                  "\x0fx-ignore-shared\x0amapped-ram"
                                  "\x05\x12"
                                  "configuration/uuid\x00\x00\x00\x01"
                                  "0123456789abcdef";

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

static void make_config(ConfigSection *c)
{
    config_section_init(c, "pc-42");
    config_section_add_capability(c, "x-ignore-shared");
    config_section_add_capability(c, "mapped-ram");
    config_section_set_uuid(c, (const uint8_t *)"0123456789abcdef");
}

static void test_config_golden(void)
{
    g_autoptr(QEMUFile) out = qemu_file_new_memory_output();
    g_autoptr(QEMUFile) in = file_of(config_wire + 1, sizeof(config_wire) - 1);
    g_autofree uint8_t *bytes = NULL;
    ConfigSection ours, got;
    size_t len;

    make_config(&ours);
    config_section_put(out, &ours);
    bytes = qemu_file_memory_steal(out, &len, &error_abort);
    g_assert_cmpmem(bytes, len, config_wire, sizeof(config_wire) - 1);
    g_assert_true(config_section_get(in, &got, &error_abort));
    g_assert_cmpstr(got.machine, ==, "pc-42");
    g_assert_true(got.has_uuid);
    g_assert_cmpuint(got.n_capabilities, ==, 2);
    g_assert_true(config_section_check(&got, &ours, &error_abort));
    g_assert_cmpint(qemu_get_byte(in), ==, 0); /* what stands behind */
}

static void assert_differs(const ConfigSection *theirs,
                           const ConfigSection *ours, const char *message)
{
    g_autoptr(Error) err = NULL;

    g_assert_false(config_section_check(theirs, ours, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, message);
}

static void test_config_check(void)
{
    ConfigSection ours, theirs;

    make_config(&ours);
    config_section_init(&theirs, "pc-43");
    assert_differs(&theirs, &ours,
                   "machine type is 'pc-43' at the source and 'pc-42' here");
    config_section_init(&theirs, "pc-42");
    assert_differs(&theirs, &ours,
                   "capability 'x-ignore-shared' is off at the source and on "
                   "here");
    make_config(&theirs);
    config_section_add_capability(&theirs, "multifd");
    assert_differs(&theirs, &ours,
                   "capability 'multifd' is on at the source and off here");
    make_config(&theirs);
    theirs.uuid.data[15] = 'x';
    assert_differs(&theirs, &ours,
                   "UUID is 30313233-3435-3637-3839-616263646578 at the source "
                   "and 30313233-3435-3637-3839-616263646566 here");
    theirs.has_uuid = false;
    g_assert_true(config_section_check(&theirs, &ours, &error_abort));
    theirs.page_bits = 14;
    assert_differs(&theirs, &ours,
                   "page size is 2^14 at the source and 2^12 here");
}

static const struct {
    const char *bytes;
    size_t len;
    const char *message;
} bad_configs[] = {
    { BYTES("\x00\x00\x00\x00"), "configuration: machine type of 0 bytes" },
    { BYTES("\x00\x01\x00\x00"), "configuration: machine type of 65536 bytes" },
    { BYTES("\xff\xff\xff\xff"),
      "configuration: machine type of 4294967295 bytes" },
    { BYTES("\x00\x00\x00\x02"
            "a\0"),
      "configuration: machine type is not text" },
    { BYTES("\x00\x00\x00\x01"
            "a\x05\x03"
            "foo\x00\x00\x00\x01"),
      "unknown subsection 'foo' version 1 in the configuration" },
    { BYTES("\x00\x00\x00\x01"
            "a\x05\x12"
            "configuration/uuid\x00\x00\x00\x02"),
      "unknown subsection 'configuration/uuid' version 2 in the "
      "configuration" },
    { BYTES("\x00\x00\x00\x01"
            "a\x05\x1a"
            "configuration/capabilities\x00\x00\x00\x01\x00\x00\x00\x41"),
      "configuration with 65 capabilities" },
    { BYTES("\x00\x00\x00\x01"
            "a\x05\x1a"
            "configuration/capabilities\x00\x00\x00\x01\x00\x00\x00\x01\x00"),
      "configuration with a capability of 0 bytes" },
    { BYTES("\x00\x00\x00\x01"
            "a\x05\x12"
            "configuration/uuid\x00\x00\x00\x01short"),
      "the migration stream ended unexpectedly after 34 bytes" },
};

static void test_bad_configs(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_configs); i++) {
        g_autoptr(QEMUFile) f =
            file_of(bad_configs[i].bytes, bad_configs[i].len);
        g_autoptr(Error) err = NULL;
        ConfigSection c;

        g_assert_false(config_section_get(f, &c, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, bad_configs[i].message);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stream-wire/header", test_header);
    g_test_add_func("/stream-wire/commands-golden", test_commands_golden);
    g_test_add_func("/stream-wire/discard-split", test_discard_split);
    g_test_add_func("/stream-wire/bad-commands", test_bad_commands);
    g_test_add_func("/config-section/golden", test_config_golden);
    g_test_add_func("/config-section/check", test_config_check);
    g_test_add_func("/config-section/bad", test_bad_configs);
    return g_test_run();
}
