/*
 * GDB's remote protocol: framing, registers, memory, breakpoints and what
 * each CPU does when the guest goes on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "gdbstub/gdb-x86.h"

#include "fake-host.h"

/* -- framing --------------------------------------------------------------------- */

static GdbInput feed(GdbDecoder *d, const char *bytes, size_t len)
{
    GdbInput last = GDB_INPUT_MORE;

    for (size_t i = 0; i < len; i++) {
        last = gdb_decode(d, (uint8_t)bytes[i]);
    }
    return last;
}

static void test_decode(void)
{
    GdbDecoder d;

    gdb_decoder_init(&d);
    g_assert_cmpint(feed(&d, "+", 1), ==, GDB_INPUT_ACK);
    g_assert_cmpint(feed(&d, "-", 1), ==, GDB_INPUT_NACK);
    g_assert_cmpint(feed(&d, "\3", 1), ==, GDB_INPUT_INTERRUPT);
    g_assert_cmpint(feed(&d, "noise$g#67", 10), ==, GDB_INPUT_PACKET);
    g_assert_cmpstr((char *)d.packet->data, ==, "g");
    g_assert_cmpint(feed(&d, "$g#68", 5), ==, GDB_INPUT_BAD);
    g_assert_cmpint(feed(&d, "$g#6x", 5), ==, GDB_INPUT_BAD);
    g_assert_cmpint(feed(&d, "$g#x", 4), ==, GDB_INPUT_BAD);
    /* an escaped '#', and 0x03 inside of a packet */
    g_assert_cmpint(feed(&d, "$}\3\3#83", 7), ==, GDB_INPUT_PACKET);
    g_assert_cmpmem(d.packet->data, d.packet->len, "#\3", 2);
    /* the end of one packet was lost */
    g_assert_cmpint(feed(&d, "$mbroken$g#67", 13), ==, GDB_INPUT_PACKET);
    g_assert_cmpstr((char *)d.packet->data, ==, "g");
    gdb_decoder_deinit(&d);
}

static void test_too_long(void)
{
    g_autofree char *data = g_strnfill(GDB_PACKET_MAX + 1, 'a');
    GdbDecoder d;

    gdb_decoder_init(&d);
    gdb_decode(&d, '$');
    feed(&d, data, GDB_PACKET_MAX + 1);
    g_assert_cmpuint(d.packet->len, ==, GDB_PACKET_MAX);
    g_assert_cmpint(feed(&d, "#00", 3), ==, GDB_INPUT_BAD);
    g_assert_cmpint(feed(&d, "$g#67", 5), ==, GDB_INPUT_PACKET);
    gdb_decoder_deinit(&d);
}

static void test_round_trip(void)
{
    uint8_t all[256];
    g_autoptr(GString) wire = NULL;
    GdbDecoder d;

    for (unsigned i = 0; i < sizeof(all); i++) {
        all[i] = (uint8_t)i;
    }
    wire = gdb_encode(all, sizeof(all));
    gdb_decoder_init(&d);
    g_assert_cmpint(feed(&d, wire->str, wire->len), ==, GDB_INPUT_PACKET);
    g_assert_cmpmem(d.packet->data, d.packet->len, all, sizeof(all));
    gdb_decoder_deinit(&d);
}

/* -- commands ---------------------------------------------------------------------- */

static char *ask_len(GdbServer *s, const char *packet, size_t len)
{
    g_autofree char *copy = g_memdup2(packet, len + 1);
    const char *hash;

    if (s->last) {
        g_string_free(s->last, TRUE);
        s->last = NULL;
    }
    gdb_command(s, copy, len);
    if (!s->last) {
        return NULL;
    }
    hash = strrchr(s->last->str, '#');
    return g_strndup(s->last->str + 1, (size_t)(hash - s->last->str) - 1);
}

static char *ask(GdbServer *s, const char *packet)
{
    return ask_len(s, packet, strlen(packet));
}

static void expect(GdbServer *s, const char *packet, const char *want)
{
    g_autofree char *got = ask(s, packet);

    g_assert_cmpstr(got, ==, want);
}

static void test_registers(void)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);
    g_autofree char *all = NULL;
    g_autofree char *packet = NULL;
    g_autofree char *xml = gdb_x86_target_xml();
    unsigned bytes = 0;

    for (unsigned n = 0; n < gdb_x86_count(); n++) {
        bytes += gdb_x86_bytes(n);
    }
    g_assert_cmpuint(gdb_x86_bytes(gdb_x86_count()), ==, 0);
    m->cpu[0]->gpr[X86_RAX] = 0x1122334455667788ull;
    m->cpu[0]->rip = 0xfff0;
    all = ask(s, "g");
    g_assert_cmpuint(strlen(all), ==, 2 * bytes);
    g_assert_true(g_str_has_prefix(all, "8877665544332211"));
    expect(s, "p10", "f0ff000000000000"); /* rip */
    expect(s, "P0=0100000000000000", "OK");
    g_assert_cmphex(m->cpu[0]->gpr[X86_RAX], ==, 1);
    packet = g_strconcat("G", all, NULL);
    expect(s, packet, "OK");
    g_assert_cmphex(m->cpu[0]->gpr[X86_RAX], ==, 0x1122334455667788ull);
    /* xmm0 is register 40 */
    expect(s, "P28=000102030405060708090a0b0c0d0e0f", "OK");
    g_assert_cmphex(m->cpu[0]->xsave[160 + 15], ==, 15);
    expect(s, "p28", "000102030405060708090a0b0c0d0e0f");
    expect(s, "pffff", "E16");
    expect(s, "P0=01", "E16");
    expect(s, "G00", "E16");
    g_assert_nonnull(strstr(xml, "name=\"efer\""));
    fake_session_free(s, m);
}

static void test_memory(void)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);
    g_autofree char *reply = NULL;

    expect(s, "M100,4:deadbeef", "OK");
    expect(s, "m100,4", "deadbeef");
    expect(s, "m102,2", "beef");
    expect(s, "mfffe,4", "0000"); /* as much as there is */
    expect(s, "m10000,4", "E0e");
    expect(s, "Mfffe,4:00000000", "E0e");
    expect(s, "m100", "E16");
    expect(s, "m100,fffff", "E16");
    expect(s, "M100,4:dead", "E16");
    reply = ask_len(s, "X200,3:\0\1\2", 10);
    g_assert_cmpstr(reply, ==, "OK");
    expect(s, "m200,3", "000102");
    expect(s, "X200,3:ab", "E16");
    fake_session_free(s, m);
}

static void test_breakpoints(void)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);

    m->memory[0x300] = 0x55;
    expect(s, "Z0,300,1", "OK");
    expect(s, "Z0,300,1", "OK");
    g_assert_cmphex(m->memory[0x300], ==, 0xcc);
    expect(s, "m2ff,3", "005500");
    expect(s, "M2ff,3:010203", "OK");
    g_assert_cmphex(m->memory[0x300], ==, 0xcc);
    g_assert_cmphex(m->memory[0x2ff], ==, 1);
    expect(s, "m2ff,3", "010203");
    expect(s, "z0,300,1", "OK");
    g_assert_cmphex(m->memory[0x300], ==, 2);
    expect(s, "z0,300,1", "OK");
    expect(s, "Z0,10000,1", "E0e");
    expect(s, "Z3,300,1", "");
    expect(s, "Z2,301,4", "E0e");
    expect(s, "Z2,300,3", "E0e");
    for (unsigned i = 0; i < ACCEL_DEBUG_POINTS; i++) {
        g_autofree char *z = g_strdup_printf("Z1,%x,1", 0x400 + i);

        expect(s, z, "OK");
    }
    expect(s, "Z2,300,4", "E0e");
    expect(s, "z1,401,1", "OK");
    expect(s, "Z2,300,4", "OK");
    g_assert_cmpuint(s->debug.n_points, ==, ACCEL_DEBUG_POINTS);
    expect(s, "Z0,300,1", "OK");
    expect(s, "D", "OK");
    g_assert_cmphex(m->memory[0x300], ==, 2);
    g_assert_cmpuint(s->debug.n_points, ==, 0);
    fake_session_free(s, m);
}

static void test_go_on(void)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);

    expect(s, "Z1,400,1", "OK");
    expect(s, "c", NULL);
    g_assert_true(m->running);
    g_assert_false(m->held[0] || m->held[1]);
    g_assert_cmpuint(m->debug[1].n_points, ==, 1);
    m->running = false;
    gdb_server_stopped(s, 1, &(AccelDebugHit){ ACCEL_DEBUG_HIT_POINT, 0 });
    g_assert_true(g_str_has_prefix(s->last->str, "$T05thread:02;#"));
    g_assert_cmpuint(s->cpu, ==, 1);

    expect(s, "vCont;s:2", NULL);
    g_assert_true(m->held[0] && !m->held[1]);
    g_assert_true(m->debug[1].single_step && !m->debug[0].single_step);
    m->running = false;
    gdb_server_stopped(s, 1, &(AccelDebugHit){ ACCEL_DEBUG_HIT_STEP });

    expect(s, "vCont;s:1;c", NULL);
    g_assert_true(!m->held[0] && !m->held[1]);
    g_assert_true(m->debug[0].single_step && !m->debug[1].single_step);
    m->running = false;
    gdb_server_stopped(s, 0, NULL);

    expect(s, "vCont;x", "E16");
    expect(s, "vCont;c:9", "E16");
    expect(s, "s1234", NULL);
    g_assert_cmphex(m->cpu[1]->rip, ==, 0x1234); /* where it stopped */
    fake_session_free(s, m);
}

/* The user let the guest go on by the monitor, and GDB does so as well. */
static void test_go_on_twice(void)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);

    expect(s, "c", NULL);
    expect(s, "vCont;s:1;c", NULL);
    g_assert_true(m->running && m->debug[0].single_step);
    g_assert_false(m->touched);
    g_assert_null(s->last);
    fake_session_free(s, m);
}

/* An INT3 that the guest itself has goes to the guest. */
static void test_guests_int3(void)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);

    expect(s, "Z0,300,1", "OK");
    expect(s, "c", NULL);
    m->running = false;
    m->cpu[0]->rip = 0x500;
    gdb_server_stopped(s, 0, &(AccelDebugHit){ ACCEL_DEBUG_HIT_INT3 });
    g_assert_true(m->running);
    g_assert_true(m->debug[0].inject_bp);
    g_assert_false(m->debug[0].single_step);
    m->running = false;
    m->cpu[0]->rip = 0x300;
    gdb_server_stopped(s, 0, &(AccelDebugHit){ ACCEL_DEBUG_HIT_INT3 });
    g_assert_false(m->running);
    g_assert_true(g_str_has_prefix(s->last->str, "$T05thread:01;"));

    /* A step onto it is still a step. */
    expect(s, "vCont;s:1", NULL);
    m->running = false;
    m->cpu[0]->rip = 0x500;
    gdb_server_stopped(s, 0, &(AccelDebugHit){ ACCEL_DEBUG_HIT_INT3 });
    g_assert_true(m->running);
    g_assert_true(m->debug[0].inject_bp && m->debug[0].single_step);
    fake_session_free(s, m);
}

static void test_queries(void)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);
    g_autofree char *xml = NULL;
    g_autofree char *supported = ask(s, "qSupported:swbreak+");

    g_assert_nonnull(strstr(supported, "PacketSize=4000;"));
    g_assert_nonnull(strstr(supported, "swbreak+"));
    expect(s, "qfThreadInfo", "m01,02");
    expect(s, "qsThreadInfo", "l");
    expect(s, "Hg2", "OK");
    expect(s, "qC", "QC02");
    expect(s, "Hg3", "E16");
    expect(s, "T2", "OK");
    expect(s, "T3", "E16");
    expect(s, "qAttached", "1");
    xml = ask(s, "qXfer:features:read:target.xml:0,20");
    g_assert_true(g_str_has_prefix(xml, "m<?xml"));
    expect(s, "qXfer:features:read:target.xml:fffff,20", "l");
    expect(s, "qXfer:features:read:target.xml:0", "E16");
    expect(s, "qRcmd,6869", "OK");
    expect(s, "qRcmd,6", "OK");
    expect(s, "qRcmd,zz", "E16");
    expect(s, "vMustReplyEmpty", "");
    expect(s, "k", "OK");
    g_assert_true(m->killed);
    fake_session_free(s, m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gdb/decode", test_decode);
    g_test_add_func("/gdb/too-long", test_too_long);
    g_test_add_func("/gdb/round-trip", test_round_trip);
    g_test_add_func("/gdb/registers", test_registers);
    g_test_add_func("/gdb/memory", test_memory);
    g_test_add_func("/gdb/breakpoints", test_breakpoints);
    g_test_add_func("/gdb/go-on", test_go_on);
    g_test_add_func("/gdb/go-on-twice", test_go_on_twice);
    g_test_add_func("/gdb/guests-int3", test_guests_int3);
    g_test_add_func("/gdb/queries", test_queries);
    return g_test_run();
}
