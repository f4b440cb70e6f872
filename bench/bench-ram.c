/*
 * Guest memory over one stream, without a machine around it.
 *
 *     bench-ram [--quick] [CASE]
 *
 * A source and a destination in one process, a thread each on a processor of its
 * own, joined by a socket: the migration of BENCH_BYTES of RAM of one kind. GB/s
 * are of guest memory, by the wall clock, from the first byte to the last placed;
 * CPU is of both threads, kernel included, and holds on a busy machine too. The
 * destination's memory is fresh each time: first touches are part of the price.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "migration/compress/xbzrle.h"
#include "migration/qemu-file.h"
#include "migration/ram/incoming.h"
#include "migration/ram/page-zero.h"
#include "migration/ram/ram.h"
#include "util/thread.h"

#include "bench.h"
#include "channel-pair.h"
#include "fake-ram.h"

#define BENCH_BYTES  (UINT64_C(1) << 30)
#define BENCH_ROUNDS 5
#define GB           1e9

typedef enum Fill {
    FILL_RANDOM,
    FILL_ZERO,
    FILL_NONE,
    FILL_TEXT,
} Fill;

typedef struct Case {
    const char *name;
    const char *stack;
    Fill fill;
    bool compress;
    bool xbzrle; /* one byte a page is dirtied for three passes */
} Case;

static const Case cases[] = {
    { "random/unix", "unix", FILL_RANDOM },
    { "random/tcp", "tcp", FILL_RANDOM },
    { "zero/unix", "unix", FILL_ZERO },
    { "untouched/unix", "unix", FILL_NONE },
    { "text/unix", "unix", FILL_TEXT },
    { "text/unix/compress", "unix", FILL_TEXT, .compress = true },
    { "one-byte/unix", "unix", FILL_RANDOM, .xbzrle = true },
};

typedef struct Run {
    FakeRAM *from, *to;
    QEMUFile *out, *in;
    MigrationStats stats;
    RAMIncoming *ri;
    double cpu; /* of the loader, seconds */
} Run;

static double cpu_seconds(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void *load_thread(void *opaque)
{
    Run *r = opaque;

    bench_pin(1);
    while (qemu_get_byte(r->in) == 1) {
        ram_load(r->ri, r->in, &error_abort);
    }
    return NULL;
}

static void fill(FakeRAM *fr, Fill how)
{
    RAMBlock *rb = fr->list.block[0];

    if (how == FILL_RANDOM) {
        fake_ram_fill(fr, rb, 0, ram_block_pages(rb), 1);
    } else if (how == FILL_ZERO) {
        memset(rb->host, 1, rb->used_length);
        memset(rb->host, 0, rb->used_length);
    } else if (how == FILL_TEXT) {
        uint32_t x = 1;

        for (uint64_t i = 0; i < rb->used_length; i += 8) {
            static const char *const words[] = { "memory  ", "channel ",
                                                 "page of ", "the bit ",
                                                 "ferry   ", "to send ",
                                                 "and not ", "return  " };

            x = x * 1664525 + 1013904223;
            memcpy(rb->host + i, words[x >> 29], 8);
            rb->host[i + ((x >> 8) & 7)] = (uint8_t)('a' + (x >> 16) % 26);
        }
    }
}

static FakeRAM *new_machine(void)
{
    FakeRAM *fr = fake_ram_new();
    RAMBlock *rb = fake_ram_add(fr, "pc.ram", BENCH_BYTES, 4096, 0);

    madvise(rb->host, rb->used_length, MADV_HUGEPAGE);
    return fr;
}

static void one_pass(Run *r, RAMSource *rs)
{
    RAMPassReport report;

    ram_pass_begin(rs, &report, &error_abort);
    qemu_put_byte(r->out, 1);
    ram_pass_send(rs, r->out, 0, &error_abort);
}

/* Write one byte in every page of the cache's size. */
static void dirty(Run *r, unsigned pass)
{
    RAMBlock *rb = r->from->list.block[0];
    uint8_t byte = (uint8_t)pass;

    for (uint64_t o = 0; o < rb->used_length; o += RAM_PAGE_SIZE) {
        fake_ram_write(r->from, rb, o + 64 * pass, &byte, 1);
    }
}

/* Returns: seconds by the clock; @cpu of both threads. */
static double migrate(const Case *c, FakeRAM *from, double *cpu)
{
    g_autoptr(ChannelPair) channels = channel_pair_new(c->stack);
    Pacer *pacer = pacer_new();
    Run r = { .from = from, .to = new_machine() };
    RAMIncomingConfig incoming = { .host = &r.to->host,
                                   .host_opaque = r.to,
                                   .decompress_threads = 2 };
    RAMSourceConfig config = {
        .host = &from->host,
        .host_opaque = from,
        .stats = &r.stats,
        .pacer = pacer,
        .methods = { .zero_detect = true,
                     .compress = c->compress,
                     .compress_threads = 2,
                     .compress_level = 1,
                     .compress_wait = true,
                     .xbzrle = c->xbzrle,
                     .xbzrle_cache_bytes = BENCH_BYTES },
    };
    RAMSource *rs = ram_source_new(&config, &error_abort);
    QemuThread loader;
    double start_cpu = cpu_seconds(RUSAGE_SELF);
    BenchTime start = bench_now();
    double wall;

    r.ri = ram_incoming_new(&incoming, &error_abort);
    r.out = qemu_file_new_output(channels->a);
    r.in = qemu_file_new_input(channels->b);
    qemu_thread_create(&loader, "load", load_thread, &r, QEMU_THREAD_JOINABLE);
    qemu_put_byte(r.out, 1);
    ram_save_setup(rs, r.out, &error_abort);
    one_pass(&r, rs);
    if (c->xbzrle) {
        dirty(&r, 1);
        one_pass(&r, rs);
        dirty(&r, 2);
        start_cpu = cpu_seconds(RUSAGE_SELF);
        start = bench_now();
        one_pass(&r, rs);
    }
    qemu_put_byte(r.out, 1);
    ram_complete(rs, r.out, &error_abort);
    qemu_put_byte(r.out, 0);
    qemu_fflush(r.out);
    qemu_thread_join(&loader);
    wall = bench_since(start).wall / 1e9;
    *cpu = cpu_seconds(RUSAGE_SELF) - start_cpu;
    ram_source_free(rs);
    ram_incoming_free(r.ri);
    qemu_file_free(r.out);
    qemu_file_free(r.in);
    pacer_free(pacer);
    fake_ram_free(r.to);
    return wall;
}

static void bench_case(const Case *c, unsigned rounds)
{
    double speed[BENCH_ROUNDS], cpu[BENCH_ROUNDS];
    FakeRAM *from = new_machine();

    fill(from, c->fill);
    for (unsigned i = 0; i < rounds; i++) {
        double seconds = migrate(c, from, &cpu[i]);

        speed[i] = (double)BENCH_BYTES / GB / seconds;
        cpu[i] /= (double)BENCH_BYTES / GB;
    }
    printf("%-24s %8.2f GB/s %8.3f CPU s/GB\n", c->name,
           bench_median(speed, rounds), bench_median(cpu, rounds));
    fake_ram_free(from);
}

/* -- single functions ------------------------------------------------------------- */

static void bench_zero(void)
{
    static const char *const names[BUFFER_ZERO_WAY__MAX] = { "portable", "sse2",
                                                             "avx2", "avx512" };
    size_t bytes = 256 << 20;
    uint8_t *mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(mem, bytes, MADV_HUGEPAGE);
    memset(mem, 1, bytes);
    memset(mem, 0, bytes);
    for (BufferZeroWay way = 0; way <= buffer_zero_best(); way++) {
        BenchTime start = bench_now();

        for (size_t o = 0; o < bytes; o += RAM_PAGE_SIZE) {
            g_assert_true(buffer_is_zero_by(way, mem + o, RAM_PAGE_SIZE));
        }
        printf("zero test %-14s %8.2f GB/s\n", names[way],
               (double)bytes / bench_since(start).cpu);
    }
    munmap(mem, bytes);
}

static void bench_xbzrle(void)
{
    static const char *const names[XBZRLE_WAY__MAX] = { "portable", "avx2",
                                                        "avx512" };
    uint8_t *old = g_malloc(RAM_PAGE_SIZE), *page = g_malloc(RAM_PAGE_SIZE);
    uint8_t *out = g_malloc(RAM_PAGE_SIZE);
    unsigned n = 200000;

    memset(old, 7, RAM_PAGE_SIZE);
    for (unsigned changes = 1; changes <= 64; changes *= 8) {
        memcpy(page, old, RAM_PAGE_SIZE);
        for (unsigned i = 0; i < changes; i++) {
            page[i * (RAM_PAGE_SIZE / changes) + 5] = 9;
        }
        for (XBZRLEWay way = 0; way <= xbzrle_best(); way++) {
            BenchTime start = bench_now();
            int len = 0;
            double encode, decode;

            for (unsigned i = 0; i < n; i++) {
                len = xbzrle_encode_by(way, old, page, out, RAM_PAGE_SIZE);
            }
            encode = bench_since(start).cpu / n;
            start = bench_now();
            for (unsigned i = 0; i < n; i++) {
                xbzrle_decode_by(way, out, (size_t)len, page);
            }
            decode = bench_since(start).cpu / n;
            printf("xbzrle %2u changes %-8s %7.0f ns encode %7.0f ns decode\n",
                   changes, names[way], encode, decode);
        }
    }
    g_free(old);
    g_free(page);
    g_free(out);
}

int main(int argc, char **argv)
{
    bool quick = argc > 1 && !strcmp(argv[1], "--quick");
    const char *only = argc > 1 + quick ? argv[1 + quick] : NULL;

    bench_pin(0);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (!only || strstr(cases[i].name, only)) {
            bench_case(&cases[i], quick ? 1 : BENCH_ROUNDS);
        }
    }
    if (!only) {
        bench_zero();
        bench_xbzrle();
    }
    return 0;
}
