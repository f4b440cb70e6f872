/*
 * Codec of passed memory: bytes written by hand, and messages that no source
 * sends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/cpr/wire.h"

#define TOKEN "0123456789abcdef"

static const char wire[] = "\x00\x00\x00\x01" TOKEN "\x00\x00\x00\x02"
                           "\x00\x00\x00\x40"
                           "\x06pc.ram"
                           "\x00\x00\x00\x00\x40\x00\x00\x00"
                           "\x00\x00\x00\x00\x00\x00\x10\x00"
                           "\x00\x00\x00\x00\x00\x00\x00\x00"
                           "\x08"
                           "mem/huge"
                           "\x00\x00\x00\x01\x00\x00\x00\x00"
                           "\x00\x00\x00\x00\x00\x20\x00\x00"
                           "\x00\x00\x00\x00\x00\x40\x00\x00";

static bool decode(const void *bytes, size_t len, CprMessage *m, Error **errp)
{
    const uint8_t *p = bytes;
    size_t body;

    g_assert_cmpuint(len, >=, CPR_HEADER_LEN);
    return cpr_header_decode(p, m, &body, errp) &&
           cpr_body_decode(p + CPR_HEADER_LEN, MIN(body, len - CPR_HEADER_LEN),
                           m, errp);
}

static void test_golden(void)
{
    CprMessage m = { 0 };
    uint8_t buf[CPR_HEADER_LEN + CPR_BODY_MAX];

    g_assert_true(decode(wire, sizeof(wire) - 1, &m, &error_abort));
    g_assert_cmpmem(m.token, CPR_TOKEN_LEN, TOKEN, 16);
    g_assert_cmpuint(m.n, ==, 2);
    g_assert_cmpstr(m.block[0].idstr, ==, "pc.ram");
    g_assert_cmphex(m.block[0].bytes, ==, 0x40000000);
    g_assert_cmpuint(m.block[0].page_size, ==, 4096);
    g_assert_cmpstr(m.block[1].idstr, ==, "mem/huge");
    g_assert_cmphex(m.block[1].bytes, ==, 0x100000000);
    g_assert_cmphex(m.block[1].page_size, ==, 0x200000);
    g_assert_cmphex(m.block[1].offset, ==, 0x400000);
    g_assert_cmpmem(buf, cpr_encode(&m, buf), wire, sizeof(wire) - 1);
}

static void test_longest(void)
{
    g_autofree CprMessage *m = g_new0(CprMessage, 1);
    g_autofree CprMessage *got = g_new0(CprMessage, 1);
    uint8_t buf[CPR_HEADER_LEN + CPR_BODY_MAX];

    m->n = CPR_BLOCKS_MAX;
    for (unsigned i = 0; i < m->n; i++) {
        memset(m->block[i].idstr, 'a' + (int)i, RAM_BLOCK_NAME_MAX);
        m->block[i].bytes = m->block[i].page_size = 4096;
    }
    g_assert_cmpuint(cpr_encode(m, buf), ==, sizeof(buf));
    g_assert_true(decode(buf, sizeof(buf), got, &error_abort));
    g_assert_cmpmem(m, sizeof(*m), got, sizeof(*got));
}

/* One byte of the golden message is another; what is wrong then? */
static const struct {
    size_t at;
    uint8_t byte;
    const char *message;
} bad[] = {
    { 3, 2, "message of passed memory: version 2" },
    { 23, 0, "message of passed memory: 0 blocks in 64 bytes" },
    { 23, 17, "message of passed memory: 17 blocks in 64 bytes" },
    { 24, 1, "message of passed memory: 2 blocks in 16777280 bytes" },
    { 27, 0x3f, "message of passed memory: block 1 is malformed" },
    { 23, 1, "message of passed memory: 33 bytes too many" },
    { 28, 0, "message of passed memory: block 0 is malformed" },
    { 28, 60, "message of passed memory: block 0 is malformed" },
    { 29, 7, "message of passed memory: block 0 is malformed" },
    { 42, 1,
      "message of passed memory: block 'pc.ram' is malformed or comes twice" },
    { 49, 1,
      "message of passed memory: block 'pc.ram' is malformed or comes twice" },
    { 51, 0x80,
      "message of passed memory: block 'pc.ram' is malformed or comes twice" },
    { 35, 0x80,
      "message of passed memory: block 'pc.ram' is malformed or comes twice" },
};

static void test_bad(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *bytes = g_memdup2(wire, sizeof(wire));
        g_autoptr(Error) err = NULL;
        CprMessage m = { 0 };

        bytes[bad[i].at] = (char)bad[i].byte;
        g_assert_false(decode(bytes, sizeof(wire) - 1, &m, &err));
        g_assert_cmpstr(error_get_pretty(err), ==, bad[i].message);
    }
}

static void test_twice(void)
{
    CprMessage m = { .n = 2 }, got;
    uint8_t buf[CPR_HEADER_LEN + CPR_BODY_MAX];
    g_autoptr(Error) err = NULL;

    for (unsigned i = 0; i < 2; i++) {
        g_strlcpy(m.block[i].idstr, "same", sizeof(m.block[i].idstr));
        m.block[i].bytes = m.block[i].page_size = 4096;
    }
    g_assert_false(decode(buf, cpr_encode(&m, buf), &got, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'same'"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpr-wire/golden", test_golden);
    g_test_add_func("/cpr-wire/longest", test_longest);
    g_test_add_func("/cpr-wire/bad", test_bad);
    g_test_add_func("/cpr-wire/twice", test_twice);
    return g_test_run();
}
