/*
 * Guest memory of one moment, while threads write all of it: what is loaded
 * from the stream is the memory as it was then, to the last byte.
 *
 * Skipped where userfaultfd cannot protect memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "io/types.h"
#include "migration/qemu-file.h"
#include "migration/ram/background.h"
#include "migration/ram/incoming.h"
#include "migration/stream/savevm.h"
#include "util/thread.h"

#include "fake-ram.h"

#define MIB     (UINT64_C(1) << 20)
#define WRITERS 2

typedef struct Fixture {
    FakeRAM *from, *to;
    uint8_t *moment[FAKE_RAM_BLOCKS]; /* contents when the guest stood */
    MigrationStats stats;
    Pacer *pacer;
    RAMSource *rs;
    RAMBackground *b;
    QEMUFile *out;
    QemuThread writer[WRITERS];
    bool stop;       /* atomic */
    uint64_t writes; /* atomic */
} Fixture;

static void add_blocks(FakeRAM *fr)
{
    fake_ram_add(fr, "pc.ram", 24 * MIB, 4096, 0);
    fake_ram_add(fr, "shared", 2 * MIB, 4096, RAM_BLOCK_SHARED);
    fake_ram_add(fr, "pc.bios", 20 * RAM_PAGE_SIZE, 4096, RAM_BLOCK_ROM);
}

static void moment_failed(void *opaque, Error *err)
{
    g_error("%s", error_get_pretty(err));
}

static const RAMBackgroundOps ops = { .failed = moment_failed };

static bool set_up(Fixture *f)
{
    g_autoptr(Error) err = NULL;
    RAMSourceConfig config = { .stats = &f->stats,
                               .background = true,
                               .methods = { .zero_detect = true } };
    RAMPassReport report;

    *f = (Fixture){ .from = fake_ram_new(), .to = fake_ram_new() };
    config.stats = &f->stats;
    add_blocks(f->from);
    add_blocks(f->to);
    if (!ram_background_supported(&f->from->list, &err)) {
        g_test_skip(error_get_pretty(err));
        fake_ram_free(f->from);
        fake_ram_free(f->to);
        return false;
    }
    f->pacer = pacer_new();
    config.pacer = f->pacer;
    config.host = &f->from->host;
    config.host_opaque = f->from;
    /* Full, with holes, and never touched. */
    fake_ram_fill(f->from, &f->from->block[0].rb, 0, 2000, 1);
    for (uint64_t page = 2500; page < 3500; page += 7) {
        fake_ram_fill(f->from, &f->from->block[0].rb, page, 1, (uint32_t)page);
    }
    fake_ram_fill(f->from, &f->from->block[1].rb, 100, 200, 2);
    fake_ram_fill(f->from, &f->from->block[2].rb, 0, 20, 3);
    f->out = qemu_file_new_memory_output();
    f->rs = ram_source_new(&config, &error_abort);
    ram_save_setup(f->rs, f->out, &error_abort);
    ram_pass_begin(f->rs, &report, &error_abort);
    g_assert_false(f->from->logging);
    f->b = ram_background_new(f->rs, &ops, f, &error_abort);
    return true;
}

static void tear_down(Fixture *f)
{
    ram_background_free(f->b);
    ram_source_free(f->rs);
    qemu_file_free(f->out);
    pacer_free(f->pacer);
    for (unsigned i = 0; i < f->from->list.n; i++) {
        g_free(f->moment[i]);
    }
    fake_ram_free(f->from);
    fake_ram_free(f->to);
}

/* -- the guest ---------------------------------------------------------------------- */

GUEST_MEMORY_ACCESS static void *write_all(void *opaque)
{
    Fixture *f = opaque;
    uint32_t x = (uint32_t)g_random_int() | 1;

    while (!qatomic_read(&f->stop)) {
        const RAMBlock *rb = &f->from->block[x % 2].rb;
        uint64_t *p = (uint64_t *)rb->host;

        p[(x >> 3) % (rb->used_length / 8)] = x;
        x = x * 1664525 + 1013904223;
        qatomic_inc(&f->writes);
    }
    return NULL;
}

static void start_guest(Fixture *f)
{
    f->stop = false;
    for (unsigned i = 0; i < WRITERS; i++) {
        qemu_thread_create(&f->writer[i], "guest", write_all, f,
                           QEMU_THREAD_JOINABLE);
    }
}

static void stop_guest(Fixture *f)
{
    qatomic_set(&f->stop, true);
    for (unsigned i = 0; i < WRITERS; i++) {
        qemu_thread_join(&f->writer[i]);
    }
}

static void take_moment(Fixture *f)
{
    for (unsigned i = 0; i < f->from->list.n; i++) {
        const RAMBlock *rb = &f->from->block[i].rb;

        f->moment[i] = g_malloc0(rb->used_length);
    }
    ram_background_protect(f->b, &error_abort);
    /* Reading is free. */
    for (unsigned i = 0; i < f->from->list.n; i++) {
        const RAMBlock *rb = &f->from->block[i].rb;

        memcpy(f->moment[i], rb->host, rb->used_length);
    }
}

/* -- the stream --------------------------------------------------------------------- */

static void load(Fixture *f, unsigned payloads)
{
    RAMIncomingConfig config = { .host = &f->to->host,
                                 .host_opaque = f->to,
                                 .decompress_threads = 1 };
    g_autoptr(RAMIncoming) ri = ram_incoming_new(&config, &error_abort);
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    QEMUFile *in;
    size_t len;

    mem->data = qemu_file_memory_steal(f->out, &len, &error_abort);
    mem->capacity = mem->usage = len;
    in = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    for (unsigned i = 0; i < payloads; i++) {
        g_assert_true(ram_load(ri, in, &error_abort));
    }
    g_assert_true(ram_load_finish(ri, &error_abort));
    g_assert_cmpint(qemu_peek_byte(in, 0), <, 0); /* nothing is left */
    qemu_file_free(in);
    for (unsigned i = 0; i < f->to->list.n; i++) {
        const RAMBlock *rb = &f->to->block[i].rb;

        g_assert_cmpint(memcmp(rb->host, f->moment[i], rb->used_length), ==, 0);
    }
}

static void test_moment(void)
{
    Fixture f;
    RAMSendResult r = RAM_SEND_MORE;
    unsigned payloads = 2; /* the list, and the END's */

    if (!set_up(&f)) {
        return;
    }
    take_moment(&f);
    start_guest(&f);
    while (r == RAM_SEND_MORE) {
        g_usleep(2000); /* a slow channel: the guest comes first */
        r = ram_background_send(f.b, f.out, 200 * 1000, &error_abort);
        payloads++;
    }
    g_assert_cmpint(r, ==, RAM_SEND_DONE);
    g_assert_cmpuint(ram_dirty_bytes(f.rs), ==, 0);
    stop_guest(&f);
    g_assert_cmpuint(f.writes, >, 1000);
    ram_background_free(g_steal_pointer(&f.b));
    g_assert_true(ram_complete(f.rs, f.out, &error_abort));
    load(&f, payloads);
    tear_down(&f);
}

/* Nobody sends: writers wait when the ring is full (here it is larger than the
 * memory: they do not), and all go on when it ends. */
static void test_given_up(void)
{
    for (unsigned sends = 0; sends < 3; sends++) {
        Fixture f;
        uint64_t before;

        if (!set_up(&f)) {
            return;
        }
        take_moment(&f);
        start_guest(&f);
        g_usleep(20 * 1000);
        for (unsigned i = 0; i < sends; i++) {
            ram_background_send(f.b, f.out, 1, &error_abort);
        }
        ram_background_free(g_steal_pointer(&f.b));
        before = qatomic_read(&f.writes);
        while (qatomic_read(&f.writes) < before + 5000) {
            g_usleep(1000);
        }
        stop_guest(&f);
        tear_down(&f);
    }
}

static void test_refused(void)
{
    g_autoptr(FakeRAM) fr = fake_ram_new();
    g_autoptr(Error) err = NULL;

    fake_ram_add(fr, "giant", 32 * MIB, 32 * MIB, 0);
    g_assert_false(ram_background_supported(&fr->list, &err));
    g_assert_nonnull(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_register_types();
    g_test_add_func("/ram-background/moment", test_moment);
    g_test_add_func("/ram-background/given-up", test_given_up);
    g_test_add_func("/ram-background/refused", test_refused);
    return g_test_run();
}
