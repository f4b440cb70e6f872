/*
 * Tests of accel/soft/tb.c and accel/soft/code-cache.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/code-cache.h"
#include "accel/soft/tb.h"
#include "qapi/error.h"

/* -- code memory ------------------------------------------------------------- */

static void test_two_views(void)
{
    static const uint8_t answer[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
    CodeCache cc;
    size_t pos;
    union {
        const uint8_t *code;
        int (*func)(void);
    } u;

    g_assert_true(code_cache_init(&cc, CODE_CACHE_BYTES_MIN, &error_abort));
    g_assert_true(code_cache_reserve(&cc, CODE_HOT, &pos));
    memcpy(cc.rw + pos, answer, sizeof(answer));
    u.code = cc.rx + pos;
    g_assert_cmpint(u.func(), ==, 42);
    code_cache_deinit(&cc);
    code_cache_deinit(&cc);
}

/* No page of this process may be written and executed. */
static void test_w_xor_x(void)
{
    CodeCache cc;
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    unsigned seen = 0;

    g_assert_true(code_cache_init(&cc, CODE_CACHE_BYTES_MIN, &error_abort));
    g_assert_true(g_file_get_contents("/proc/self/maps", &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        g_assert_false(strstr(lines[i], " rwx"));
        seen += strstr(lines[i], "memfd:soft-code") != NULL;
    }
    g_assert_cmpuint(seen, ==, 2);
    code_cache_deinit(&cc);
}

static void test_full(void)
{
    CodeCache cc;
    unsigned blocks[2] = { 0, 0 };
    size_t pos, first;

    g_assert_true(code_cache_init(&cc, 1, &error_abort));
    g_assert_cmpuint(cc.size, ==, CODE_CACHE_BYTES_MIN);
    g_assert_true(code_cache_reserve(&cc, CODE_HOT, &pos));
    code_cache_commit(&cc, CODE_HOT, 100);
    code_cache_seal(&cc);
    first = cc.base;
    g_assert_cmpuint(first, ==, CODE_CHUNK_BYTES);
    for (int round = 0; round < 2; round++) {
        size_t last[CODE_HEAT_COUNT] = { 0 };

        for (unsigned heat = 0; code_cache_reserve(&cc, heat, &pos);
             heat = !heat) {
            g_assert_cmpuint(pos, >=, first);
            g_assert_cmpuint(pos + CODE_BLOCK_BYTES_MAX, <=, cc.size);
            /* Nothing is given twice. */
            g_assert_cmpuint(pos, >=, last[heat]);
            last[heat] = pos + 1000;
            cc.rw[pos] = 1;
            code_cache_commit(&cc, heat, 1000);
            blocks[round]++;
        }
        g_assert_cmpuint(code_cache_used(&cc), <=, cc.size);
        code_cache_reset(&cc);
        g_assert_cmpuint(code_cache_used(&cc), ==, first);
        /* Its memory went back. */
        g_assert_cmpuint(cc.rx[first], ==, 0);
    }
    g_assert_cmpuint(blocks[0], ==, blocks[1]);
    g_assert_cmpuint(blocks[0], >, 500);
    code_cache_deinit(&cc);
}

/* -- blocks --------------------------------------------------------------------- */

static uint32_t add(TBTable *t, uint64_t gpa, uint64_t gpa2, uint64_t rip,
                    uint32_t key)
{
    uint32_t n = tb_new(t);

    t->block[n].gpa = gpa;
    t->block[n].gpa2 = gpa2;
    t->block[n].rip = rip;
    t->block[n].key = key;
    g_assert_false(t->block[n].valid);
    g_assert_cmpuint(tb_find(t, gpa, rip, key), ==, TB_NONE);
    tb_publish(t, n);
    return n;
}

static void count(const TBlock *b, void *opaque)
{
    unsigned *n = opaque;

    g_assert_false(b->valid);
    ++*n;
}

static void test_find(void)
{
    TBTable t;
    uint32_t a, b, c;

    tb_init(&t);
    a = add(&t, 0x1000, 0, 0x7000, 1);
    b = add(&t, 0x1000, 0, 0x8000, 1); /* mapped twice */
    c = add(&t, 0x1000, 0, 0x7000, 2); /* in another mode */
    g_assert_cmpuint(tb_find(&t, 0x1000, 0x7000, 1), ==, a);
    g_assert_cmpuint(tb_find(&t, 0x1000, 0x8000, 1), ==, b);
    g_assert_cmpuint(tb_find(&t, 0x1000, 0x7000, 2), ==, c);
    g_assert_cmpuint(tb_find(&t, 0x1001, 0x7000, 1), ==, TB_NONE);
    g_assert_cmpuint(tb_find(&t, 0x1000, 0x7000, 3), ==, TB_NONE);
    tb_reset(&t);
    g_assert_cmpuint(tb_find(&t, 0x1000, 0x7000, 1), ==, TB_NONE);
    tb_deinit(&t);
    tb_deinit(&t);
}

static void test_invalidate(void)
{
    TBTable t;
    unsigned n = 0;

    tb_init(&t);
    for (uint64_t i = 0; i < 5000; i++) {
        add(&t, i * 16, 0, i * 16, 0);
    }
    g_assert_true(tb_invalidate_page(&t, 0x2abc, count, &n));
    g_assert_cmpuint(n, ==, 256);
    g_assert_false(tb_invalidate_page(&t, 0x2000, count, &n));
    g_assert_cmpuint(n, ==, 256);
    for (uint64_t i = 0; i < 5000; i++) {
        bool gone = i * 16 >> 12 == 2;

        g_assert_true((tb_find(&t, i * 16, i * 16, 0) == TB_NONE) == gone);
    }
    /* The page may be translated again. */
    add(&t, 0x2000, 0, 0x2000, 0);
    g_assert_true(tb_invalidate_page(&t, 0x2fff, count, &n));
    g_assert_cmpuint(n, ==, 257);
    tb_deinit(&t);
}

/* A block on two pages goes with either, once. */
static void test_two_pages(void)
{
    TBTable t;
    unsigned n = 0;

    tb_init(&t);
    add(&t, 0x1ffe, 0x5000, 0x1ffe, 0);
    add(&t, 0x1000, 0, 0x1000, 0);
    add(&t, 0x5000, 0, 0x5000, 0);
    g_assert_true(tb_invalidate_page(&t, 0x5800, count, &n));
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpuint(tb_find(&t, 0x1ffe, 0x1ffe, 0), ==, TB_NONE);
    g_assert_cmpuint(tb_find(&t, 0x1000, 0x1000, 0), !=, TB_NONE);
    g_assert_true(tb_invalidate_page(&t, 0x1000, count, &n));
    g_assert_cmpuint(n, ==, 3);
    tb_deinit(&t);
}

static void test_drop(void)
{
    TBTable t;
    TBLink link = { .field = 1 };
    uint32_t n;

    tb_init(&t);
    add(&t, 0x1000, 0, 0x1000, 0);
    g_assert_cmpuint(tb_link_new(&t, &link), ==, 0);
    n = tb_new(&t);
    g_assert_cmpuint(tb_link_new(&t, &link), ==, 1);
    tb_drop(&t, n, 1);
    g_assert_cmpuint(tb_new(&t), ==, n);
    g_assert_cmpuint(tb_link_new(&t, &link), ==, 1);
    tb_deinit(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/code-cache/two-views", test_two_views);
    g_test_add_func("/accel/code-cache/w-xor-x", test_w_xor_x);
    g_test_add_func("/accel/code-cache/full", test_full);
    g_test_add_func("/accel/tb/find", test_find);
    g_test_add_func("/accel/tb/invalidate", test_invalidate);
    g_test_add_func("/accel/tb/two-pages", test_two_pages);
    g_test_add_func("/accel/tb/drop", test_drop);
    return g_test_run();
}
