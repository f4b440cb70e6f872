/*
 * The log of written pages as a migration's source uses it: what devices write
 * is told to each user once only, and none of it may be lost on the way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "accel/types.h"
#include "hw/core/guest-memory.h"
#include "hw/core/ram-blocks.h"
#include "io/channel-null.h"
#include "migration/qemu-file.h"
#include "migration/ram/ram.h"
#include "util/bitmap.h"
#include "util/error.h"

#define PAGES UINT64_C(256)
#define BYTES (PAGES * RAM_PAGE_SIZE)

/* -- an accelerator whose guest never writes --------------------------------------- */

static bool quiet_map(AccelState *accel, uint64_t gpa, uint64_t size,
                      void *host, unsigned flags, Error **errp)
{
    return true;
}

static bool quiet_unmap(AccelState *accel, uint64_t gpa, uint64_t size,
                        Error **errp)
{
    return true;
}

static bool quiet_start(AccelState *accel, Error **errp)
{
    return true;
}

static void quiet_stop(AccelState *accel)
{
}

static bool quiet_sync(AccelState *accel, uint64_t gpa, uint64_t size,
                       unsigned long *bitmap, Error **errp)
{
    return true;
}

static void quiet_clear(AccelState *accel, uint64_t gpa, uint64_t size)
{
}

static void quiet_class_init(ObjectClass *oc, void *data)
{
    AccelClass *ac = ACCEL_CLASS(oc);

    ac->name = "quiet";
    ac->map_ram = quiet_map;
    ac->unmap_ram = quiet_unmap;
    ac->dirty_log_start = quiet_start;
    ac->dirty_log_stop = quiet_stop;
    ac->dirty_log_sync = quiet_sync;
    ac->dirty_log_clear = quiet_clear;
}

static const TypeInfo quiet_type = {
    .name = ACCEL_CLASS_NAME("quiet"),
    .parent = TYPE_ACCEL,
    .class_init = quiet_class_init,
};

/* -- a machine, and a source of its memory ------------------------------------------ */

typedef struct Fixture {
    GuestMemory *gm;
    RAMBlocks *blocks;
    AccelState *accel;
    uint8_t *ram;
    RAMBlock *rb;
    MigrationStats stats;
    Pacer *pacer;
    QEMUFile *out;
    RAMSource *rs;
} Fixture;

static const RAMBlockList *host_blocks(void *opaque)
{
    return ram_blocks_list(((Fixture *)opaque)->blocks);
}

static bool host_start(void *opaque, Error **errp)
{
    return ram_log_start(((Fixture *)opaque)->blocks, RAM_LOG_MIGRATION, errp);
}

static void host_stop(void *opaque)
{
    ram_log_stop(((Fixture *)opaque)->blocks, RAM_LOG_MIGRATION);
}

static bool host_sync(void *opaque, RAMBlock *rb, uint64_t first_page,
                      uint64_t n_pages, unsigned long *bitmap,
                      uint64_t *ret_new, Error **errp)
{
    return ram_log_sync(((Fixture *)opaque)->blocks, RAM_LOG_MIGRATION, rb,
                        first_page, n_pages, bitmap, ret_new, errp);
}

static void host_clear(void *opaque, RAMBlock *rb, uint64_t first_page,
                       uint64_t n_pages)
{
    ram_log_clear(((Fixture *)opaque)->blocks, rb, first_page, n_pages);
}

static const MigrationHost host = {
    .ram_blocks = host_blocks,
    .dirty_log_start = host_start,
    .dirty_log_stop = host_stop,
    .dirty_sync = host_sync,
    .dirty_clear = host_clear,
};

static void set_up(Fixture *f, gconstpointer data)
{
    RAMSourceConfig config = { .host = &host, .host_opaque = f };
    QIOChannel *ioc;

    f->gm = guest_memory_new();
    f->blocks = guest_memory_blocks(f->gm);
    f->accel = ACCEL(object_new(quiet_type.name));
    f->ram = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(f->ram != MAP_FAILED);
    f->rb = ram_blocks_add(f->blocks, "pc.ram", f->ram, BYTES, 0, &error_abort);
    g_assert_true(
        guest_memory_map(f->gm, f->accel, 0, BYTES, f->ram, &error_abort));
    f->pacer = pacer_new();
    ioc = QIO_CHANNEL(qio_channel_null_new());
    f->out = qemu_file_new_output(ioc);
    object_unref(OBJECT(ioc));
    config.stats = &f->stats;
    config.pacer = f->pacer;
    f->rs = ram_source_new(&config, &error_abort);
    ram_save_setup(f->rs, f->out, &error_abort);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    ram_source_free(f->rs);
    qemu_file_free(f->out);
    pacer_free(f->pacer);
    guest_memory_free(f->gm);
    object_unref(OBJECT(f->accel));
    munmap(f->ram, BYTES);
}

static void device_writes(Fixture *f, uint64_t page)
{
    f->ram[page * RAM_PAGE_SIZE]++;
    ram_blocks_written(f->blocks, f->ram + page * RAM_PAGE_SIZE, 1);
}

static uint64_t pass_begin(Fixture *f)
{
    RAMPassReport report;

    ram_pass_begin(f->rs, &report, &error_abort);
    return report.dirty_bytes / RAM_PAGE_SIZE;
}

static void pass_send(Fixture *f)
{
    g_assert_cmpint(ram_pass_send(f->rs, f->out, 0, &error_abort), ==,
                    RAM_SEND_DONE);
}

static uint64_t again(Fixture *f)
{
    uint64_t pages;

    g_assert_true(ram_dirty_again(f->rs, &pages));
    return pages;
}

/* A report between two syncs hears of the write as the only one. */
static void test_between_syncs(Fixture *f, gconstpointer data)
{
    pass_send(f);
    device_writes(f, 7);
    g_assert_cmpuint(again(f), ==, 1);
    device_writes(f, 9);
    g_assert_cmpuint(again(f), ==, 2);
    g_assert_cmpuint(again(f), ==, 2);
    g_assert_cmpuint(pass_begin(f), ==, 2);
    pass_send(f);
    g_assert_cmpuint(again(f), ==, 0);
    g_assert_cmpuint(pass_begin(f), ==, 0);
}

/* What another user's sync found comes by the same way. */
static void test_other_user(Fixture *f, gconstpointer data)
{
    DECLARE_BITMAP(map, PAGES);
    uint64_t fresh;

    bitmap_zero(map, PAGES);
    pass_send(f);
    ram_log_start(f->blocks, RAM_LOG_RATE, &error_abort);
    device_writes(f, 3);
    ram_log_sync(f->blocks, RAM_LOG_RATE, f->rb, 0, PAGES, map, &fresh,
                 &error_abort);
    g_assert_cmpuint(fresh, ==, 1);
    g_assert_cmpuint(again(f), ==, 1);
    g_assert_cmpuint(pass_begin(f), ==, 1);
    pass_send(f);
    ram_log_stop(f->blocks, RAM_LOG_RATE);
}

/* The end of the migration hears of it as well. */
static void test_at_the_end(Fixture *f, gconstpointer data)
{
    uint64_t sent;

    pass_send(f);
    device_writes(f, 7);
    g_assert_cmpuint(again(f), ==, 1);
    sent = stats_pages_sent(&f->stats);
    ram_complete(f->rs, f->out, &error_abort);
    g_assert_cmpuint(stats_pages_sent(&f->stats), ==, sent + 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    accel_register_types();
    type_register_static(&quiet_type);
#define ADD(name, fn)                                                          \
    g_test_add("/ram-log/" name, Fixture, NULL, set_up, fn, tear_down)
    ADD("between-syncs", test_between_syncs);
    ADD("other-user", test_other_user);
    ADD("at-the-end", test_at_the_end);
#undef ADD
    return g_test_run();
}
