/*
 * Guest memory from one fake machine to another over a socket: every method,
 * switched while it runs, with a guest that writes between slices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/qemu-file.h"
#include "migration/ram/incoming.h"
#include "migration/ram/ram.h"
#include "util/bitmap.h"
#include "util/thread.h"

#include "channel-pair.h"
#include "fake-ram.h"

#define MIB (UINT64_C(1) << 20)

/* -- two machines and a stream -------------------------------------------------- */

typedef struct Pair {
    FakeRAM *from, *to;
    ChannelPair *channels;
    QEMUFile *out, *in;
    MigrationStats stats;
    Pacer *pacer;
    RAMSource *rs;
    RAMIncoming *ri;
    QemuThread loader;
    Error *load_err;
    uint8_t writes; /* by the guest so far: no two write the same */
} Pair;

/* Each section comes behind a byte 1, the end is a byte 0. */
static void *load_thread(void *opaque)
{
    Pair *p = opaque;

    while (qemu_get_byte(p->in) == 1) {
        if (!ram_load(p->ri, p->in, &p->load_err)) {
            qemu_file_shutdown(p->in);
            return NULL;
        }
    }
    ram_load_finish(p->ri, &p->load_err);
    return NULL;
}

static void pair_blocks(FakeRAM *fr)
{
    fake_ram_add(fr, "pc.ram", 48 * MIB, 4096, 0);
    fake_ram_add(fr, "0000:00:02.0/vga.vram", MIB, 4096, RAM_BLOCK_SHARED);
    fake_ram_add(fr, "pc.bios", 20 * RAM_PAGE_SIZE, 4096, RAM_BLOCK_ROM);
}

/* Without blocks. */
static Pair *pair_new_over(const char *stack)
{
    Pair *p = g_new0(Pair, 1);

    p->from = fake_ram_new();
    p->to = fake_ram_new();
    p->channels = channel_pair_new(stack);
    p->out = qemu_file_new_output(p->channels->a);
    p->in = qemu_file_new_input(p->channels->b);
    p->pacer = pacer_new();
    return p;
}

/* Machines without a migration. */
static Pair *pair_new(void)
{
    Pair *p = pair_new_over("unix");

    pair_blocks(p->from);
    pair_blocks(p->to);
    return p;
}

static void pair_start(Pair *p, RAMSourceConfig config,
                       RAMIncomingConfig incoming)
{
    config.host = &p->from->host;
    config.host_opaque = p->from;
    config.stats = &p->stats;
    config.pacer = p->pacer;
    incoming.host = &p->to->host;
    incoming.host_opaque = p->to;
    p->rs = ram_source_new(&config, &error_abort);
    p->ri = ram_incoming_new(&incoming, &error_abort);
    qemu_thread_create(&p->loader, "load", load_thread, p,
                       QEMU_THREAD_JOINABLE);
    qemu_put_byte(p->out, 1);
    ram_save_setup(p->rs, p->out, &error_abort);
}

/* One pass; the guest writes by @guest between its slices. */
static void pair_pass(Pair *p, RAMPassReport *report,
                      void (*guest)(Pair *p, unsigned slice))
{
    RAMSendResult result;
    unsigned slice = 0;

    ram_pass_begin(p->rs, report, &error_abort);
    do {
        qemu_put_byte(p->out, 1);
        result =
            ram_pass_send(p->rs, p->out, guest ? 1000 * 1000 : 0, &error_abort);
        if (guest) {
            guest(p, slice++);
        }
    } while (result == RAM_SEND_MORE);
    g_assert_cmpint(result, ==, RAM_SEND_DONE);
}

static void pair_end(Pair *p)
{
    qemu_put_byte(p->out, 0);
    g_assert_cmpint(qemu_fflush(p->out), ==, 0);
    qemu_thread_join(&p->loader);
}

static void pair_complete(Pair *p)
{
    qemu_put_byte(p->out, 1);
    ram_complete(p->rs, p->out, &error_abort);
    pair_end(p);
    if (p->load_err) {
        error_report_err(p->load_err);
        g_assert_not_reached();
    }
}

static void pair_free(Pair *p)
{
    error_free(p->load_err);
    ram_source_free(p->rs);
    ram_incoming_free(p->ri);
    qemu_file_free(p->out);
    qemu_file_free(p->in);
    channel_pair_free(p->channels);
    pacer_free(p->pacer);
    g_assert_false(p->from->logging);
    fake_ram_free(p->from);
    fake_ram_free(p->to);
    g_free(p);
}

/* Some random, some text, some zero but touched; half never touched. */
static void fill_some(Pair *p)
{
    RAMBlock *ram = p->from->list.block[0];
    uint8_t zero[RAM_PAGE_SIZE] = { 0 };
    char text[RAM_PAGE_SIZE];

    for (unsigned i = 0; i < sizeof(text); i++) {
        text[i] = "the quick brown fox jumps over the lazy dog, "[i * 7 % 45];
    }
    fake_ram_fill(p->from, ram, 3, 2000, 1);
    fake_ram_fill(p->from, ram, 5000, 1, 2);
    for (uint64_t page = 2500; page < 4000; page++) {
        fake_ram_write(p->from, ram, page << RAM_PAGE_BITS, text, sizeof(text));
        fake_ram_write(p->from, ram, page << RAM_PAGE_BITS, &page, 8);
    }
    for (uint64_t page = 4200; page < 4500; page++) {
        fake_ram_write(p->from, ram, page << RAM_PAGE_BITS, zero, sizeof(zero));
    }
    fake_ram_fill(p->from, p->from->list.block[1], 10, 5, 3);
    fake_ram_fill(p->from, p->from->list.block[2], 0, 20, 4);
    /* Here the destination holds something that has to go. */
    fake_ram_fill(p->to, p->to->list.block[0], 4300, 10, 5);
    fake_ram_fill(p->to, p->to->list.block[0], 9000, 3, 6);
}

/* A byte here and there, some pages anew, some to zero. */
static void write_some(Pair *p, unsigned slice)
{
    RAMBlock *ram = p->from->list.block[0];
    uint8_t zero[RAM_PAGE_SIZE] = { 0 };
    uint8_t byte = ++p->writes;

    if (slice > 20) {
        return;
    }
    for (uint64_t page = 100; page < 900; page += 3) {
        fake_ram_write(p->from, ram, (page << RAM_PAGE_BITS) + slice * 5, &byte,
                       1);
    }
    fake_ram_fill(p->from, ram, 6000 + slice, 2, slice);
    fake_ram_write(p->from, ram, (1000 + slice) << RAM_PAGE_BITS, zero,
                   sizeof(zero));
    fake_ram_write(p->from, ram, (10000 + slice) << RAM_PAGE_BITS, &byte, 1);
}

/* Of many zero pages every hundredth gets its last byte set. */
static void write_last_bytes(Pair *p, unsigned slice)
{
    RAMBlock *ram = p->from->list.block[0];
    uint8_t byte = ++p->writes;

    for (uint64_t page = slice % 100; page < 12288 && slice < 20; page += 100) {
        fake_ram_write(p->from, ram, (page << RAM_PAGE_BITS) + 4095, &byte, 1);
    }
}

/* Zero pages in a row, as many as make the source look ahead. */
static void test_many_zeros(void)
{
    Pair *p = pair_new();
    RAMBlock *ram = p->from->list.block[0];
    uint8_t zero[RAM_PAGE_SIZE] = { 0 };
    RAMPassReport report;

    for (uint64_t page = 0; page < 12288; page++) {
        fake_ram_write(p->from, ram, page << RAM_PAGE_BITS, zero, sizeof(zero));
    }
    fake_ram_fill(p->from, ram, 8000, 3, 1);
    fake_ram_fill(p->to, p->to->list.block[0], 9000, 3, 2);
    pair_start(p, (RAMSourceConfig){ .methods = { .zero_detect = true } },
               (RAMIncomingConfig){ 0 });
    pair_pass(p, &report, write_last_bytes);
    /* All of it is dirty once more: the second pass looks ahead as well. */
    for (uint64_t page = 0; page < 12288; page++) {
        fake_ram_write(p->from, ram, page << RAM_PAGE_BITS, zero, sizeof(zero));
    }
    pair_pass(p, &report, write_last_bytes);
    pair_complete(p);
    g_assert_cmpuint(stats_get(&p->stats.method[PAGE_METHOD_ZERO].pages), >,
                     20000);
    fake_ram_assert_equal(p->from, p->to);
    pair_free(p);
}

/* -- methods ------------------------------------------------------------------------ */

static const RAMMethods all_methods = {
    .zero_detect = true,
    .compress_threads = 2,
    .compress_level = 1,
    .compress_wait = true,
    .xbzrle_cache_bytes = 16 * 1024 * 1024,
};

static void run_passes(RAMMethods m, unsigned passes)
{
    Pair *p = pair_new();
    RAMPassReport report;

    fill_some(p);
    pair_start(p, (RAMSourceConfig){ .methods = m },
               (RAMIncomingConfig){ .decompress_threads = 2 });
    for (unsigned i = 0; i < passes; i++) {
        pair_pass(p, &report, write_some);
        g_assert_cmpuint(report.pass, ==, i + 1);
    }
    pair_complete(p);
    fake_ram_assert_equal(p->from, p->to);
    g_assert_cmpuint(ram_dirty_bytes(p->rs), ==, 0);
    g_assert_cmpuint(p->stats.dirty_sync_count, ==, passes + 1);
    g_assert_cmpuint(p->to->written_bytes, ==, p->stats.total_bytes);
    if (m.xbzrle && m.xbzrle_cache_bytes > RAM_PAGE_SIZE) {
        g_assert_cmpuint(p->stats.xbzrle_pages, >, 0);
        g_assert_cmpuint(p->stats.xbzrle_cache_miss, >, 0);
    }
    if (m.compress) {
        g_assert_cmpuint(p->stats.compress_pages, >,
                         m.compress_wait ? 1000 : 10);
        g_assert_true(m.compress_wait || p->stats.compress_busy > 0);
    }
    if (m.zero_detect) {
        g_assert_cmpuint(p->stats.method[PAGE_METHOD_ZERO].pages, >=, 300);
    }
    pair_free(p);
}

static void test_plain(void)
{
    run_passes(all_methods, 1);
    run_passes(all_methods, 4);
}

static void test_no_zero_detection(void)
{
    RAMMethods m = all_methods;

    m.zero_detect = false;
    run_passes(m, 2);
}

static void test_xbzrle(void)
{
    RAMMethods m = all_methods;

    m.xbzrle = true;
    run_passes(m, 6);
    m.xbzrle_cache_bytes = RAM_PAGE_SIZE; /* conflicts everywhere */
    run_passes(m, 6);
}

/* Where the sender waits for the limit, the first pass fills the cache: what is
 * written behind it is a difference in the second. */
static void test_xbzrle_slow_link(void)
{
    for (unsigned slow = 0; slow < 2; slow++) {
        Pair *p = pair_new();
        RAMPassReport report;
        RAMMethods m = all_methods;

        m.xbzrle = true;
        fill_some(p);
        pacer_set_rate(p->pacer, slow ? 10 * 1000 * 1000 : 0);
        pair_start(p, (RAMSourceConfig){ .methods = m }, (RAMIncomingConfig){});
        pair_pass(p, &report, NULL);
        g_assert_cmpuint(p->stats.xbzrle_cache_miss, ==, 0);
        pacer_set_rate(p->pacer, 0);
        write_some(p, 0);
        pair_pass(p, &report, NULL);
        g_assert_cmpuint(p->stats.xbzrle_pages > 0, ==, slow);
        pair_complete(p);
        fake_ram_assert_equal(p->from, p->to);
        pair_free(p);
    }
}

static void test_compress(void)
{
    RAMMethods m = all_methods;

    m.compress = true;
    run_passes(m, 3);
    m.compress_wait = false;
    m.compress_threads = 1;
    m.compress_level = 9;
    run_passes(m, 2);
    m.compress_level = 0;
    m.compress_wait = true;
    m.xbzrle = true;
    m.compress_level = 1;
    run_passes(m, 5);
}

/* A page that a method was given in vain counts as it went: such a method saves
 * nothing, and has cost something. */
static void test_useless(void)
{
    Pair *p = pair_new();
    RAMBlock *ram = p->from->list.block[0];
    RAMMethods m = all_methods;
    RAMPassReport report;

    m.xbzrle = m.compress = true;
    for (uint64_t i = 0; i < 2000 * RAM_PAGE_SIZE; i += 4) {
        uint32_t noise = g_random_int();

        memcpy(ram->host + i, &noise, 4);
    }
    pair_start(p, (RAMSourceConfig){ .methods = m },
               (RAMIncomingConfig){ .decompress_threads = 2 });
    pair_pass(p, &report, NULL);
    for (uint64_t page = 0; page < 2000; page++) {
        uint32_t word = (uint32_t)page;

        fake_ram_write(p->from, ram, page << RAM_PAGE_BITS,
                       (const uint8_t *)&word, 4);
    }
    pair_pass(p, &report, NULL); /* nothing is in the cache yet */
    pair_complete(p);
    for (unsigned i = PAGE_METHOD_XBZRLE; i <= PAGE_METHOD_COMPRESS; i++) {
        const MigrationMethodStats *s = &p->stats.method[i];

        g_assert_cmpuint(s->pages, ==, 0);
        g_assert_cmpuint(stats_method_tried(s), >=, 2000);
        g_assert_cmpuint(stats_method_out(s), >, s->bytes_in);
        g_assert_cmpuint(s->cpu_ns, >, 0);
    }
    fake_ram_assert_equal(p->from, p->to);
    pair_free(p);
}

/* Methods come and go at passes, the cache changes its size in between. */
static void test_switching(void)
{
    Pair *p = pair_new();
    RAMPassReport report;

    fill_some(p);
    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ .decompress_threads = 3 });
    for (unsigned i = 0; i < 16; i++) {
        RAMMethods m = all_methods;

        m.xbzrle = i % 8 > 1;
        m.compress = i % 3 == 0;
        m.compress_level = i % 10;
        m.xbzrle_cache_bytes = (i & 1 ? 4 : 1) * MIB;
        g_assert_true(ram_source_set_methods(p->rs, &m, &error_abort));
        pair_pass(p, &report, write_some);
        if (i % 8 > 3) {
            g_assert_cmpuint(p->stats.xbzrle_cache_bytes, ==,
                             m.xbzrle_cache_bytes);
        }
    }
    pair_complete(p);
    fake_ram_assert_equal(p->from, p->to);
    g_assert_cmpuint(p->stats.method[PAGE_METHOD_XBZRLE].pages, >, 0);
    g_assert_cmpuint(p->stats.method[PAGE_METHOD_COMPRESS].pages, >, 0);
    pair_free(p);
}

static void test_bad_methods(void)
{
    static const RAMMethods bad[] = {
        { .compress = true, .compress_threads = 0 },
        { .compress = true, .compress_threads = 256 },
        { .compress = true, .compress_threads = 1, .compress_level = 10 },
        { .xbzrle = true, .xbzrle_cache_bytes = 4095 },
        { .xbzrle = true, .xbzrle_cache_bytes = 12288 },
    };
    Pair *p = pair_new();

    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ 0 });
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_false(ram_source_set_methods(p->rs, &bad[i], &err));
        error_free(g_steal_pointer(&err));
    }
    pair_complete(p);
    pair_free(p);
}

/* -- passes ----------------------------------------------------------------------------- */

static void test_report(void)
{
    Pair *p = pair_new();
    RAMBlock *ram = p->from->list.block[0];
    RAMPassReport report;
    uint8_t byte = 1;

    fake_ram_fill(p->from, ram, 0, 100, 1);
    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ 0 });
    pair_pass(p, &report, NULL);
    g_assert_cmpuint(report.total_bytes, ==, 49 * MIB + 20 * RAM_PAGE_SIZE);
    g_assert_cmpuint(report.dirty_bytes, ==, report.total_bytes);
    fake_ram_write(p->from, ram, 7 << RAM_PAGE_BITS, &byte, 1);
    fake_ram_write(p->from, ram, 7000 << RAM_PAGE_BITS, &byte, 1);
    pair_pass(p, &report, NULL);
    g_assert_cmpuint(report.new_bytes, ==, 2 * RAM_PAGE_SIZE);
    g_assert_cmpuint(report.dirty_bytes, ==, 2 * RAM_PAGE_SIZE);
    g_assert_cmpuint(report.sent_pages << RAM_PAGE_BITS, ==,
                     report.total_bytes);
    g_assert_cmpuint(report.method[PAGE_METHOD_PLAIN].pages, ==, 100);
    g_assert_cmpuint(report.method[PAGE_METHOD_UNTOUCHED].pages, >, 12000);
    g_assert_cmpint(report.duration_ns, >, 0);
    g_assert_cmpuint(report.goodput, >, report.dirty_rate);
    pair_complete(p);
    fake_ram_assert_equal(p->from, p->to);
    pair_free(p);
}

/* What is dirty again in the middle of a pass; to ask changes nothing. */
static void test_again(void)
{
    Pair *p = pair_new();
    RAMBlock *ram = p->from->list.block[0];
    RAMPassReport report;
    uint64_t again = 99;
    uint8_t byte = 1;

    fake_ram_fill(p->from, ram, 0, 100, 1);
    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ 0 });
    g_assert_true(ram_dirty_again(p->rs, &again));
    g_assert_cmpuint(again, ==, 0); /* nothing was sent yet */
    pair_pass(p, &report, NULL);
    g_assert_true(ram_dirty_again(p->rs, &again));
    g_assert_cmpuint(again, ==, 0);
    fake_ram_write(p->from, ram, 7 << RAM_PAGE_BITS, &byte, 1);
    fake_ram_write(p->from, ram, 7000 << RAM_PAGE_BITS, &byte, 1);
    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(ram_dirty_again(p->rs, &again));
        g_assert_cmpuint(again, ==, 2);
    }
    g_assert_cmpuint(ram_dirty_bytes(p->rs), ==, 0);
    pair_pass(p, &report, NULL);
    g_assert_cmpuint(report.dirty_bytes, ==, 2 * RAM_PAGE_SIZE);
    pair_complete(p);
    fake_ram_assert_equal(p->from, p->to);
    pair_free(p);
}

/*
 * A page of a chunk that the pass comes to later is written, and reported within
 * the pass: when the chunk is cleared in the log before it is sent, the report
 * was the last that is heard of it.
 */
static void test_again_before_clear(void)
{
    Pair *p = pair_new();
    RAMBlock *ram = p->from->list.block[0];
    RAMPassReport report;
    uint64_t again;
    uint8_t byte = 1;

    fake_ram_fill(p->from, ram, 0, 100, 1);
    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ 0 });
    pair_pass(p, &report, NULL);
    fake_ram_write(p->from, ram, 7 << RAM_PAGE_BITS, &byte, 1);
    ram_pass_begin(p->rs, &report, &error_abort);
    g_assert_cmpuint(report.dirty_bytes, ==, RAM_PAGE_SIZE);
    fake_ram_write(p->from, ram, 9 << RAM_PAGE_BITS, &byte, 1);
    g_assert_true(ram_dirty_again(p->rs, &again));
    g_assert_cmpuint(again, ==, 1);
    qemu_put_byte(p->out, 1);
    g_assert_cmpint(ram_pass_send(p->rs, p->out, 0, &error_abort), ==,
                    RAM_SEND_DONE);
    /* The log knows nothing of it any more; to ask again does not forget it. */
    g_assert_true(ram_dirty_again(p->rs, &again));
    g_assert_cmpuint(again, ==, 1);
    pair_pass(p, &report, NULL);
    g_assert_cmpuint(report.dirty_bytes, ==, RAM_PAGE_SIZE);
    g_assert_cmpuint(report.new_bytes, ==, RAM_PAGE_SIZE);
    pair_complete(p);
    fake_ram_assert_equal(p->from, p->to);
    pair_free(p);
}

/* What was never touched is read on neither side. */
static void test_untouched(void)
{
    Pair *p = pair_new();
    RAMPassReport report;
    uint64_t before = fake_ram_resident(p->from->list.block[0]);

    fake_ram_fill(p->from, p->from->list.block[0], 8000, 1, 1);
    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ 0 });
    pair_pass(p, &report, NULL);
    pair_complete(p);
    g_assert_cmpuint(before, ==, 0);
    g_assert_cmpuint(fake_ram_resident(p->from->list.block[0]), <=, 512);
    g_assert_cmpuint(fake_ram_resident(p->to->list.block[0]), <=, 512);
    g_assert_cmpuint(fake_ram_resident(p->to->list.block[1]), ==, 0);
    g_assert_cmpuint(p->stats.method[PAGE_METHOD_PLAIN].pages, ==, 1);
    fake_ram_assert_equal(p->from, p->to);
    pair_free(p);
}

static void test_ignore_shared(void)
{
    Pair *p = pair_new();
    RAMPassReport report;

    fill_some(p);
    pair_start(
        p, (RAMSourceConfig){ .methods = all_methods, .ignore_shared = true },
        (RAMIncomingConfig){ .ignore_shared = true });
    pair_pass(p, &report, NULL);
    pair_complete(p);
    g_assert_cmpint(p->to->list.block[1]->host[10 << RAM_PAGE_BITS], ==, 0);
    g_assert_cmpmem(p->to->list.block[0]->host, 48 * MIB,
                    p->from->list.block[0]->host, 48 * MIB);
    pair_free(p);
}

/*
 * Rows of plain pages that end anywhere, on a channel that moves any number of
 * bytes at a time; what was guessed wrong leaves nothing behind.
 */
static void run_rows(const char *stack, uint32_t seed)
{
    Pair *p = pair_new_over(stack);
    RAMPassReport report;
    uint32_t x = seed * 2654435761u + 1;

    for (unsigned b = 0; b < 3; b++) {
        char name[] = { 'a', (char)('0' + b), 0 };
        uint64_t pages = b == 2 ? 700 : 90;
        RAMBlock *rb =
            fake_ram_add(p->from, name, pages * RAM_PAGE_SIZE, 4096, 0);

        fake_ram_add(p->to, name, pages * RAM_PAGE_SIZE, 4096, 0);
        for (uint64_t page = 0; page < pages;) {
            uint64_t n;

            x = x * 1664525 + 1013904223;
            n = 1 + (x >> 24) % 40;
            n = MIN(n, pages - page);
            if (x & 0x10000) {
                fake_ram_fill(p->from, rb, page, n, x);
            }
            page += n;
        }
    }
    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ .postcopy = false });
    pair_pass(p, &report, NULL);
    pair_complete(p);
    fake_ram_assert_equal(p->from, p->to);
    pair_free(p);
}

static void test_rows(void)
{
    for (uint32_t seed = 0; seed < 20; seed++) {
        run_rows("unix", seed);
        run_rows("unix/fault", seed);
    }
}

/* Cancelled while it waits for the limit. */
static void *stop_soon(void *opaque)
{
    g_usleep(50 * 1000);
    pacer_stop(((Pair *)opaque)->pacer);
    return NULL;
}

static void test_cancel(void)
{
    Pair *p = pair_new();
    RAMPassReport report;
    QemuThread stopper;
    Error *err = NULL;

    fill_some(p);
    pacer_set_rate(p->pacer, 100000);
    pair_start(p, (RAMSourceConfig){ .methods = all_methods },
               (RAMIncomingConfig){ 0 });
    ram_pass_begin(p->rs, &report, &error_abort);
    qemu_thread_create(&stopper, "stop", stop_soon, p, QEMU_THREAD_JOINABLE);
    qemu_put_byte(p->out, 1);
    g_assert_cmpint(ram_pass_send(p->rs, p->out, 0, &err), ==, RAM_SEND_ERROR);
    g_assert_nonnull(err);
    error_free(err);
    qemu_thread_join(&stopper);
    qemu_file_shutdown(p->out);
    qemu_thread_join(&p->loader);
    g_assert_nonnull(p->load_err);
    pair_free(p);
}

/* -- post-copy ------------------------------------------------------------------------------ */

#define HUGE_PAGE (64 * RAM_PAGE_SIZE)

static bool place_page(void *opaque, RAMBlock *rb, uint64_t offset,
                       const void *page, Error **errp)
{
    Pair *p = opaque;
    size_t len = MIN(rb->page_size, p->to->block[rb->index].mapped - offset);

    g_assert_cmpuint(offset % rb->page_size, ==, 0);
    g_assert_false(ram_received_test(p->ri, rb, offset));
    if (page) {
        memcpy(rb->host + offset, page, len);
    } else {
        memset(rb->host + offset, 0, len);
    }
    return true;
}

static bool discard_range(RAMBlock *rb, uint64_t start, uint64_t len,
                          void *opaque)
{
    Pair *p = opaque;
    RAMBlock *to = ram_block_find(&p->to->list, rb->idstr);

    g_assert_cmpuint(start % rb->page_size, ==, 0);
    memset(to->host + start, 0x5a, len);
    ram_received_clear(p->ri, to, start, len);
    return true;
}

/* Everything is dirty or sent; requested pages come first. */
static void test_postcopy(void)
{
    Pair *p = pair_new();
    RAMBlock *huge = fake_ram_add(p->from, "huge", 4 * MIB, HUGE_PAGE, 0);
    RAMPassReport report;
    QEMUFile *urgent = qemu_file_new_output(p->channels->a);
    Error *err = NULL;

    fake_ram_add(p->to, "huge", 4 * MIB, HUGE_PAGE, 0);
    fill_some(p);
    fake_ram_fill(p->from, huge, 100, 300, 9);
    pair_start(
        p, (RAMSourceConfig){ .methods = all_methods, .postcopy = true },
        (RAMIncomingConfig){ .postcopy = true,
                             .ops = { .place = place_page, .opaque = p } });
    pair_pass(p, &report, write_some);
    write_some(p, 2);
    fake_ram_fill(p->from, huge, 101, 1, 10);

    /* The load of the last section has come to its end. */
    ram_postcopy_start(p->rs, &error_abort);
    g_assert_cmpuint(ram_dirty_bytes(p->rs) % RAM_PAGE_SIZE, ==, 0);
    qemu_put_byte(p->out, 0);
    qemu_fflush(p->out);
    qemu_thread_join(&p->loader);
    g_assert_null(p->load_err);
    for (unsigned i = 0; i < p->from->list.n; i++) {
        ram_foreach_dirty_range(p->rs, p->from->list.block[i], discard_range,
                                p);
    }
    ram_incoming_postcopy(p->ri);
    qemu_thread_create(&p->loader, "load", load_thread, p,
                       QEMU_THREAD_JOINABLE);

    g_assert_false(ram_request_pages(p->rs, huge, 4 * MIB, 4096, &err));
    error_free(g_steal_pointer(&err));
    g_assert_false(ram_request_pages(p->rs, huge, 0, 0, &err));
    error_free(g_steal_pointer(&err));
    g_assert_false(ram_request_pages(p->rs, huge, 1, 4096, &err));
    error_free(g_steal_pointer(&err));
    g_assert_false(
        ram_request_pages(p->rs, huge, 4096, UINT64_MAX - 4095, &err));
    error_free(g_steal_pointer(&err));
    ram_request_pages(p->rs, huge, 101 << RAM_PAGE_BITS, 4096, &error_abort);

    qemu_put_byte(p->out, 1);
    g_assert_cmpint(ram_send_urgent(p->rs, ram_main_writer(p->rs, p->out), 8,
                                    &error_abort),
                    ==, 1);
    ram_put_eos(p->out);
    g_assert_cmpint(ram_send_host_page(p->rs, ram_main_writer(p->rs, p->out),
                                       huge, 101 << RAM_PAGE_BITS,
                                       &error_abort),
                    ==, 0);
    qemu_put_byte(p->out, 1);
    g_assert_cmpint(ram_pass_send(p->rs, p->out, 0, &error_abort), ==,
                    RAM_SEND_DONE);
    pair_complete(p);
    fake_ram_assert_equal(p->from, p->to);
    for (unsigned i = 0; i < p->to->list.n; i++) {
        RAMBlock *rb = p->to->list.block[i];

        g_assert_true(bitmap_full(ram_received_bitmap(p->ri, rb),
                                  (long)ram_block_pages(rb)));
    }
    g_assert_cmpuint(p->stats.postcopy_requests, ==, 1);
    g_assert_cmpuint(p->stats.urgent_bytes, >, 28 * RAM_PAGE_SIZE);
    qemu_file_free(urgent);
    pair_free(p);
}

/* After a break exactly what the other side lacks is dirty. */
static void test_reload_received(void)
{
    Pair *p = pair_new();
    RAMBlock *ram = p->from->list.block[0];
    g_autofree unsigned long *received = bitmap_new((long)ram_block_pages(ram));
    RAMPassReport report;

    pair_start(p, (RAMSourceConfig){ .methods = all_methods, .postcopy = true },
               (RAMIncomingConfig){ .postcopy = true });
    pair_pass(p, &report, NULL);
    ram_postcopy_start(p->rs, &error_abort);
    g_assert_cmpuint(ram_dirty_bytes(p->rs), ==, 0);
    bitmap_set(received, 0, (long)ram_block_pages(ram));
    bitmap_clear(received, 77, 3);
    ram_request_pages(p->rs, ram, 0, 4096, &error_abort);
    ram_reload_received(p->rs, ram, received);
    g_assert_cmpuint(ram_dirty_bytes(p->rs), ==, 3 * RAM_PAGE_SIZE);
    g_assert_cmpint(ram_send_urgent(p->rs, ram_main_writer(p->rs, p->out), 8,
                                    &error_abort),
                    ==, 0);
    pair_end(p);
    pair_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram/plain", test_plain);
    g_test_add_func("/ram/no-zero-detection", test_no_zero_detection);
    g_test_add_func("/ram/many-zeros", test_many_zeros);
    g_test_add_func("/ram/xbzrle", test_xbzrle);
    g_test_add_func("/ram/xbzrle-slow-link", test_xbzrle_slow_link);
    g_test_add_func("/ram/compress", test_compress);
    g_test_add_func("/ram/useless", test_useless);
    g_test_add_func("/ram/switching", test_switching);
    g_test_add_func("/ram/bad-methods", test_bad_methods);
    g_test_add_func("/ram/report", test_report);
    g_test_add_func("/ram/again", test_again);
    g_test_add_func("/ram/again-before-clear", test_again_before_clear);
    g_test_add_func("/ram/untouched", test_untouched);
    g_test_add_func("/ram/ignore-shared", test_ignore_shared);
    g_test_add_func("/ram/rows", test_rows);
    g_test_add_func("/ram/cancel", test_cancel);
    g_test_add_func("/ram/postcopy", test_postcopy);
    g_test_add_func("/ram/reload-received", test_reload_received);
    return g_test_run();
}
