/*
 * Byte order, Buffer, base64, hexdump, CRC-32C, secret memory, fds, event
 * notifiers: small things with one test each.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/base64.h"
#include "util/bswap.h"
#include "util/buffer.h"
#include "util/crc32c.h"
#include "util/error.h"
#include "util/event_notifier.h"
#include "util/hexdump.h"
#include "util/secret-mem.h"

/* -- byte order ------------------------------------------------------------ */

static void test_bswap(void)
{
    uint8_t m[9] = { 0, 0x81, 2, 3, 4, 5, 6, 7, 8 };
    uint8_t *p = m + 1; /* not aligned */
    uint32_t v = 0x01020304;

    g_assert_cmphex(lduw_be_p(p), ==, 0x8102);
    g_assert_cmphex((uint32_t)ldsw_be_p(p), ==, 0xffff8102);
    g_assert_cmphex(lduw_le_p(p), ==, 0x0281);
    g_assert_cmphex((uint32_t)ldl_be_p(p), ==, 0x81020304);
    g_assert_cmphex((uint32_t)ldl_le_p(p), ==, 0x04030281);
    g_assert_cmphex(ldq_be_p(p), ==, 0x8102030405060708);
    g_assert_cmphex(ldq_le_p(p), ==, 0x0807060504030281);
    g_assert_cmpint(ldsb_p(p), ==, -127);
    g_assert_cmpint(ldub_p(p), ==, 0x81);

    for (int size = 1; size <= 8; size *= 2) {
        uint64_t x = UINT64_C(0xf1f2f3f4f5f6f7f8) >> (64 - 8 * size);

        stn_be_p(p, size, x);
        g_assert_cmphex(ldn_be_p(p, size), ==, x);
        g_assert_cmphex(p[0], ==, 0xf1);
        stn_le_p(p, size, x);
        g_assert_cmphex(ldn_le_p(p, size), ==, x);
        g_assert_cmphex(p[size - 1], ==, 0xf1);
        stn_he_p(p, size, x);
        g_assert_cmphex(ldn_he_p(p, size), ==, x);
    }
    cpu_to_be32s(&v);
    g_assert_cmphex(ldl_be_p(&v), ==, 0x01020304);
    be32_to_cpus(&v);
    g_assert_cmphex(v, ==, 0x01020304);
    g_assert_cmphex(be16_to_cpu(cpu_to_be16(0x1234)), ==, 0x1234);
    g_assert_cmphex(le64_to_cpu(cpu_to_le64(1)), ==, 1);
    g_assert_cmphex(bswap16(0x1234), ==, 0x3412);
}

/* -- Buffer ---------------------------------------------------------------- */

static void buffer_put(Buffer *b, const char *text)
{
    buffer_reserve(b, strlen(text));
    buffer_append(b, text, strlen(text));
}

static void test_buffer(void)
{
    Buffer a, b = { 0 };

    buffer_init(&a, "test %d", 7);
    g_assert_cmpstr(a.name, ==, "test 7");
    g_assert_true(buffer_empty(&a));
    buffer_put(&a, "hello ");
    buffer_put(&a, "world");
    g_assert_cmpmem(a.buffer, a.offset, "hello world", 11);
    g_assert_true(buffer_end(&a) == a.buffer + 11);
    buffer_advance(&a, 6);
    g_assert_cmpmem(a.buffer, a.offset, "world", 5);

    buffer_move_empty(&b, &a);
    g_assert_true(buffer_empty(&a));
    g_assert_cmpmem(b.buffer, b.offset, "world", 5);
    buffer_put(&a, "!");
    buffer_move(&b, &a);
    g_assert_cmpmem(b.buffer, b.offset, "world!", 6);
    g_assert_true(buffer_empty(&a));
    buffer_move(&a, &b);
    g_assert_cmpmem(a.buffer, a.offset, "world!", 6);
    buffer_advance(&a, 6);
    g_assert_true(buffer_empty(&a));
    buffer_reset(&b);
    buffer_free(&b);
    buffer_free(&a);
    g_assert_null(a.buffer);
    buffer_put(&a, "usable");
    buffer_free(&a);
}

/* Memory of one large message is given back, but not at once. */
static void test_buffer_shrink(void)
{
    Buffer b = { 0 };
    size_t large;
    int steps = 0;

    buffer_reserve(&b, 1 << 20);
    large = b.capacity;
    g_assert_cmpuint(large, >=, 1 << 20);
    b.offset = 1 << 20;
    buffer_reset(&b);
    g_assert_cmpuint(b.capacity, ==, large);
    while (b.capacity == large && steps < 10000) {
        buffer_put(&b, "small");
        buffer_reset(&b);
        steps++;
    }
    g_assert_cmpuint(b.capacity, <, large);
    g_assert_cmpint(steps, >, 10);
    /* What is inside stays inside. */
    buffer_reserve(&b, 1 << 20);
    memset(b.buffer, 7, 1 << 20);
    b.offset = 1 << 20;
    for (int i = 0; i < 2000; i++) {
        buffer_shrink(&b);
    }
    g_assert_cmpuint(b.capacity, >=, 1 << 20);
    g_assert_cmpuint(b.buffer[(1 << 20) - 1], ==, 7);
    buffer_free(&b);
}

static void test_buffer_overrun(void)
{
    if (g_test_subprocess()) {
        Buffer b = { 0 };

        buffer_reserve(&b, 10);
        buffer_append(&b, "x", b.capacity + 1);
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 20 * G_USEC_PER_SEC, 0);
    g_test_trap_assert_failed();
}

/* -- base64 ---------------------------------------------------------------- */

static void check_base64(const char *text, size_t len, const char *want)
{
    Error *err = NULL;
    size_t out_len = 99;
    g_autofree uint8_t *out = qbase64_decode(text, len, &out_len, &err);

    if (want) {
        g_assert_null(err);
        g_assert_nonnull(out);
        g_assert_cmpmem(out, out_len, want, strlen(want));
        g_assert_cmpuint(out[out_len], ==, 0);
    } else {
        g_assert_null(out);
        g_assert_cmpuint(out_len, ==, 0);
        /* It may be a secret: not in the message. */
        g_assert_null(strstr(error_get_pretty(err), "Zm"));
        error_free_or_abort(&err);
    }
}

static void test_base64(void)
{
    /* RFC 4648 10 */
    static const struct {
        const char *text, *want;
    } cases[] = {
        { "", "" },
        { "Zg==", "f" },
        { "Zm8=", "fo" },
        { "Zm9v", "foo" },
        { "Zm9vYg==", "foob" },
        { "Zm9vYmE=", "fooba" },
        { "Zm9vYmFy", "foobar" },
        { "Zm9v\nYmFy\n", "foobar" },
        { "Zm9v\r\nYm\nFy", "foobar" },
        { "+/+/", "\xfb\xff\xbf" },
        { "Zm9", NULL },
        { "Zm9vY", NULL },
        { "Zg=", NULL },
        { "Zg", NULL },
        { "Z===", NULL },
        { "====", NULL },
        { "=", NULL },
        { "Zg==Zg==", NULL },
        { "Zm9v====", NULL },
        { "Zm9v=", NULL },
        { "Zg==\nZ", NULL },
        { "Zm9v!", NULL },
        { "Zm 9v", NULL },
        { "Zm-_", NULL },
        { "Zh==", NULL }, /* bits that are dropped must be 0 */
        { "Zm9=", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        check_base64(cases[i].text, (size_t)-1, cases[i].want);
        check_base64(cases[i].text, strlen(cases[i].text), cases[i].want);
    }
    check_base64("Zm9v\0Zm9v", 9, NULL);
    check_base64("Zm9vYmFy", 4, "foo");
}

static void test_base64_round(void)
{
    for (size_t len = 0; len < 200; len++) {
        g_autofree uint8_t *data = g_malloc(len + 1);
        g_autofree char *text = NULL;
        g_autofree uint8_t *back = NULL;
        size_t back_len;

        for (size_t i = 0; i < len; i++) {
            data[i] = (uint8_t)g_random_int();
        }
        text = g_base64_encode(data, len);
        back = qbase64_decode(text, (size_t)-1, &back_len, &error_abort);
        g_assert_cmpmem(back, back_len, data, len);
    }
}

/* -- text for people ------------------------------------------------------- */

static void test_hexdump(void)
{
    g_autofree char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    qemu_hexdump(f, "x", "0123456789abcdef\x01Z", 18);
    fclose(f);
    g_assert_cmpstr(
        text, ==,
        "x: 0000:  30 31 32 33  34 35 36 37  38 39 61 62  63 64 65 66 "
        "0123456789abcdef\n"
        "x: 0010:  01 5a                                              "
        ".Z\n");
}

/* -- CRC-32C --------------------------------------------------------------- */

static void test_crc32c(void)
{
    uint8_t buf[32] = { 0 };

    /* RFC 3720 B.4 */
    g_assert_cmphex(crc32c(0xffffffff, buf, 32), ==, 0x8a9136aa);
    memset(buf, 0xff, 32);
    g_assert_cmphex(crc32c(0xffffffff, buf, 32), ==, 0x62a8ab43);
    for (int i = 0; i < 32; i++) {
        buf[i] = (uint8_t)i;
    }
    g_assert_cmphex(crc32c(0xffffffff, buf, 32), ==, 0x46dd794e);
    /* In parts, at odd places. */
    for (unsigned cut = 0; cut <= 32; cut++) {
        uint32_t crc = crc32c(0xffffffff, buf, cut);

        g_assert_cmphex(crc32c(~crc, buf + cut, 32 - cut), ==, 0x46dd794e);
    }
    g_assert_cmphex(crc32c(0xffffffff, (const uint8_t *)"123456789", 9), ==,
                    0xe3069283);
}

/* -- secrets --------------------------------------------------------------- */

static void test_secret(void)
{
    char buf[16] = "top secret";
    g_autoptr(GBytes) bytes = NULL;

    secret_wipe(buf, sizeof(buf));
    for (size_t i = 0; i < sizeof(buf); i++) {
        g_assert_cmpint(buf[i], ==, 0);
    }
    secret_wipe(NULL, 0);
    secret_free(NULL, 0);
    secret_str_free(NULL);
    secret_gstring_free(NULL);
    secret_free(g_strdup("abc"), 3);
    secret_str_free(g_strdup("abc"));
    secret_gstring_free(g_string_new("abc"));
    bytes = secret_bytes_new_take(g_strdup("abc"), 3);
    g_assert_cmpuint(g_bytes_get_size(bytes), ==, 3);

    g_assert_true(secret_equal("abc", "abd", 2));
    g_assert_false(secret_equal("abc", "abd", 3));
    g_assert_true(secret_equal(NULL, NULL, 0));
}

/* -- descriptors ----------------------------------------------------------- */

static void test_fd(void)
{
    int kept, number;

    {
        AUTO_FD fd = dup(0);

        number = fd;
        g_assert_cmpint(fcntl(number, F_GETFD), >=, 0);
    }
    g_assert_cmpint(fcntl(number, F_GETFD), ==, -1);
    {
        AUTO_FD fd = dup(0);

        kept = fd_steal(&fd);
        g_assert_cmpint(fd, ==, -1);
    }
    g_assert_cmpint(fcntl(kept, F_GETFD), >=, 0);
    errno = ENOTTY;
    g_assert_cmpint(fd_close(kept), ==, -1);
    g_assert_cmpint(fd_close(-1), ==, -1);
    g_assert_cmpint(fd_close(kept), ==, -1); /* fails, and errno is kept */
    g_assert_cmpint(errno, ==, ENOTTY);
}

static void test_event_notifier(void)
{
    EventNotifier e = { 0 };

    g_assert_cmpint(event_notifier_set(&e), ==, -EBADF);
    g_assert_cmpint(event_notifier_init(&e, true), ==, 0);
    g_assert_cmpint(event_notifier_get_fd(&e), ==, event_notifier_get_wfd(&e));
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 1);
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 0);
    for (int i = 0; i < 5; i++) {
        g_assert_cmpint(event_notifier_set(&e), ==, 0);
    }
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 1);
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 0);
    event_notifier_cleanup(&e);
    g_assert_cmpint(event_notifier_test_and_clear(&e), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bswap", test_bswap);
    g_test_add_func("/buffer/basics", test_buffer);
    g_test_add_func("/buffer/shrink", test_buffer_shrink);
    g_test_add_func("/buffer/overrun", test_buffer_overrun);
    g_test_add_func("/base64/table", test_base64);
    g_test_add_func("/base64/round", test_base64_round);
    g_test_add_func("/hexdump", test_hexdump);
    g_test_add_func("/crc32c", test_crc32c);
    g_test_add_func("/secret-mem", test_secret);
    g_test_add_func("/fd", test_fd);
    g_test_add_func("/event-notifier", test_event_notifier);
    return g_test_run();
}
