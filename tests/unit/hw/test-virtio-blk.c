/*
 * virtio-blk-pci on real images: every request, errors, and a driver that
 * resets while requests are in flight.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <sys/resource.h>

#include "block/block-node.h"
#include "block/drive.h"
#include "hw/block/virtio-blk.h"
#include "hw/machine-lock.h"
#include "hw/types.h"
#include "hw/virtio/virtio-transport.h"
#include "util/bswap.h"
#include "util/main-loop.h"

#include "virtio-driver.h"
#include "vmstate-roundtrip.h"

#define DISK_BYTES   (1u << 20)
#define DISK_SECTORS (DISK_BYTES / 512)

enum {
    T_IN,
    T_OUT,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_ZEROES = 13
};
enum {
    S_OK,
    S_IOERR,
    S_UNSUPP
};

typedef struct Fixture {
    VirtDriver d;
    VdQueue *q;
    char *path;
    int reset_done; /* atomic */
} Fixture;

static void open_disk_as(Fixture *f, const char *id, const char *extra)
{
    g_autofree char *opts = NULL;
    int fd = g_file_open_tmp("virtio-blk-XXXXXX", &f->path, NULL);

    g_assert_cmpint(ftruncate(fd, DISK_BYTES), ==, 0);
    close(fd);
    vd_init(&f->d);
    opts = g_strdup_printf("file=%s,if=none,id=%s,format=raw%s", f->path, id,
                           extra);
    g_assert_nonnull(
        drive_new_str(opts, IF_NONE, qemu_get_aio_context(), &error_abort));
}

static void open_disk(Fixture *f, const char *extra)
{
    open_disk_as(f, "disk", extra);
}

static void begin(Fixture *f, uint64_t features)
{
    vd_map(&f->d, false);
    vd_start(&f->d, features);
    f->q = vd_queue(&f->d, 0, 0);
    vd_go(&f->d);
}

static void set_up(Fixture *f, gconstpointer extra)
{
    open_disk(f, extra ? extra : "");
    vd_new(&f->d, "virtio-blk-pci", "drive", "disk", "serial", "S3R1AL", NULL);
    begin(f, UINT64_MAX & ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));
}

static void tear_down(Fixture *f, gconstpointer extra)
{
    vd_deinit(&f->d);
    drives_cleanup();
    g_unlink(f->path);
    g_free(f->path);
}

/* Make a request available; the status byte's address goes to @ret_status. */
static unsigned submit(Fixture *f, uint32_t type, uint64_t sector,
                       uint64_t data, uint32_t len, uint64_t *ret_status)
{
    uint64_t head = vd_alloc(&f->d, 16, 16);
    uint64_t status = vd_alloc(&f->d, 1, 1);
    bool in = type == T_IN || type == T_GET_ID;
    VdBuf bufs[3] = { { head, 16, false }, { data, len, in } };
    unsigned n = len ? 2 : 1;
    unsigned id;

    bufs[n] = (VdBuf){ status, 1, true };
    stl_le_p(vd_ptr(&f->d, head), type);
    stq_le_p((uint8_t *)vd_ptr(&f->d, head) + 8, sector);
    *(uint8_t *)vd_ptr(&f->d, status) = 0xaa;
    id = vd_add(&f->d, f->q, bufs, n + 1);
    *ret_status = status;
    return id;
}

static uint8_t request(Fixture *f, uint32_t type, uint64_t sector,
                       uint64_t data, uint32_t len)
{
    uint64_t brk = f->d.brk;
    uint64_t status;
    unsigned id = submit(f, type, sector, data, len, &status);
    uint32_t written;

    vd_kick(&f->d, f->q);
    written = vd_wait(&f->d, f->q, id);
    g_assert_cmpuint(written, ==,
                     type == T_IN || type == T_GET_ID ? len + 1 : 1);
    f->d.brk = brk;
    return *(uint8_t *)vd_ptr(&f->d, status);
}

static uint8_t range(Fixture *f, uint32_t type, uint64_t sector,
                     uint32_t sectors, uint32_t flags)
{
    uint64_t at = vd_alloc(&f->d, 16, 8);

    stq_le_p(vd_ptr(&f->d, at), sector);
    stl_le_p((uint8_t *)vd_ptr(&f->d, at) + 8, sectors);
    stl_le_p((uint8_t *)vd_ptr(&f->d, at) + 12, flags);
    return request(f, type, 0, at, 16);
}

static void expect_file(Fixture *f, size_t at, int byte, size_t len)
{
    g_autofree char *data = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(f->path, &data, &size, NULL));
    g_assert_cmpuint(at + len, <=, size);
    for (size_t i = 0; i < len; i++) {
        g_assert_cmpint((uint8_t)data[at + i], ==, byte);
    }
}

static void test_read_write(Fixture *f, gconstpointer extra)
{
    uint64_t data = vd_alloc(&f->d, 8192, 4096);
    uint8_t *p = vd_ptr(&f->d, data);

    memset(p, 0x5a, 4096);
    g_assert_cmpint(request(f, T_OUT, 16, data, 4096), ==, S_OK);
    g_assert_cmpint(request(f, T_FLUSH, 0, 0, 0), ==, S_OK);
    expect_file(f, 16 * 512, 0x5a, 4096);
    memset(p, 0, 8192);
    g_assert_cmpint(request(f, T_IN, 14, data, 8192), ==, S_OK);
    for (int i = 0; i < 8192; i++) {
        g_assert_cmpint(p[i], ==, i >= 1024 && i < 5120 ? 0x5a : 0);
    }
    /* The last sector, and none at all. */
    g_assert_cmpint(request(f, T_OUT, DISK_SECTORS - 1, data, 512), ==, S_OK);
    g_assert_cmpint(request(f, T_IN, 0, data, 0), ==, S_OK);
}

/* Buffers as odd as a driver may make them. */
static void test_layouts(Fixture *f, gconstpointer extra)
{
    uint64_t at = vd_alloc(&f->d, 4096, 512);
    uint8_t *p = vd_ptr(&f->d, at);
    /* header in three, its end and the data in one; status alone */
    VdBuf out[] = { { at, 1, false },
                    { at + 1, 7, false },
                    { at + 8, 8 + 511, false },
                    { at + 16 + 511, 1, false },
                    { at + 2048, 1, true } };
    /* data and status in one */
    VdBuf in[] = { { at, 16, false }, { at + 1024, 512 + 1, true } };
    unsigned id;

    stl_le_p(p, T_OUT);
    stq_le_p(p + 8, 3);
    memset(p + 16, 0x77, 512);
    id = vd_add_indirect(&f->d, f->q, out, G_N_ELEMENTS(out));
    vd_kick(&f->d, f->q);
    g_assert_cmpuint(vd_wait(&f->d, f->q, id), ==, 1);
    g_assert_cmpint(p[2048], ==, S_OK);
    expect_file(f, 3 * 512, 0x77, 512);
    stl_le_p(p, T_IN);
    p[1024 + 512] = 0xaa;
    id = vd_add(&f->d, f->q, in, G_N_ELEMENTS(in));
    vd_kick(&f->d, f->q);
    g_assert_cmpuint(vd_wait(&f->d, f->q, id), ==, 513);
    g_assert_cmpint(p[1024 + 512], ==, S_OK);
    g_assert_cmpint(p[1024 + 511], ==, 0x77);
}

static void test_bad_requests(Fixture *f, gconstpointer extra)
{
    uint64_t data = vd_alloc(&f->d, 4096, 4096);

    g_assert_cmpint(request(f, T_IN, DISK_SECTORS, data, 512), ==, S_IOERR);
    g_assert_cmpint(request(f, T_IN, DISK_SECTORS - 1, data, 1024), ==,
                    S_IOERR);
    g_assert_cmpint(request(f, T_IN, UINT64_MAX, data, 512), ==, S_IOERR);
    g_assert_cmpint(request(f, T_IN, UINT64_MAX / 512 + 1, data, 512), ==,
                    S_IOERR);
    g_assert_cmpint(request(f, T_OUT, 0, data, 100), ==, S_IOERR);
    g_assert_cmpint(request(f, 2, 0, data, 512), ==, S_UNSUPP);
    g_assert_cmpint(request(f, 12345, 0, data, 512), ==, S_UNSUPP);
    g_assert_cmpint(range(f, T_DISCARD, DISK_SECTORS, 1, 0), ==, S_IOERR);
    g_assert_cmpint(range(f, T_DISCARD, 0, UINT32_MAX, 0), ==, S_IOERR);
    g_assert_cmpint(range(f, T_DISCARD, UINT64_MAX, 1, 0), ==, S_IOERR);
    g_assert_cmpint(range(f, T_DISCARD, 0, 1, 1), ==, S_UNSUPP);
    g_assert_cmpint(range(f, T_ZEROES, 0, 1, 2), ==, S_UNSUPP);
    g_assert_cmpint(request(f, T_DISCARD, 0, data, 15), ==, S_IOERR);
    g_assert_cmpint(request(f, T_ZEROES, 0, data, 32), ==, S_IOERR);
    g_assert_false(f->d.vdev->broken);
}

/* No header, no status: nothing can be told, so the device is broken. */
static void test_malformed(Fixture *f, gconstpointer extra)
{
    uint64_t at = vd_alloc(&f->d, 4096, 512);
    VdBuf short_head[] = { { at, 15, false }, { at + 64, 1, true } };
    VdBuf no_status[] = { { at, 16, false } };

    vd_add(&f->d, f->q, short_head, 2);
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_true(f->d.vdev->broken);
    begin(f, 0);
    vd_add(&f->d, f->q, no_status, 1);
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_true(f->d.vdev->broken);
    begin(f, 0);
    g_assert_cmpint(request(f, T_FLUSH, 0, 0, 0), ==, S_OK);
}

static void test_id(Fixture *f, gconstpointer extra)
{
    uint64_t data = vd_alloc(&f->d, 64, 4);
    uint8_t *p = vd_ptr(&f->d, data);

    memset(p, 0xff, 64);
    g_assert_cmpint(request(f, T_GET_ID, 0, data, 20), ==, S_OK);
    g_assert_cmpstr((char *)p, ==, "S3R1AL");
    g_assert_cmpint(p[19], ==, 0);
    memset(p, 0xff, 64);
    g_assert_cmpint(request(f, T_GET_ID, 0, data, 4), ==, S_OK);
    g_assert_cmpint(memcmp(p, "S3R1\xff", 5), ==, 0);
}

static void test_zeroes_and_discard(Fixture *f, gconstpointer extra)
{
    uint64_t data = vd_alloc(&f->d, 65536, 4096);
    uint64_t allocated;
    GStatBuf st;

    memset(vd_ptr(&f->d, data), 0x11, 65536);
    g_assert_cmpint(request(f, T_OUT, 0, data, 65536), ==, S_OK);
    g_assert_cmpint(range(f, T_ZEROES, 1, 3, 0), ==, S_OK);
    expect_file(f, 0, 0x11, 512);
    expect_file(f, 512, 0, 3 * 512);
    expect_file(f, 4 * 512, 0x11, 512);
    g_assert_cmpint(range(f, T_ZEROES, 8, 8, 1), ==, S_OK);
    expect_file(f, 4096, 0, 4096);
    g_assert_cmpint(request(f, T_FLUSH, 0, 0, 0), ==, S_OK);
    g_assert_cmpint(g_stat(f->path, &st), ==, 0);
    allocated = (uint64_t)st.st_blocks;
    g_assert_cmpint(range(f, T_DISCARD, 64, 64, 0), ==, S_OK);
    g_assert_cmpint(g_stat(f->path, &st), ==, 0);
    if (extra && strstr(extra, "discard=unmap")) {
        g_assert_cmpuint((uint64_t)st.st_blocks, <, allocated);
        expect_file(f, 32768, 0, 32768);
    } else {
        expect_file(f, 32768, 0x11, 32768);
    }
}

static void test_read_only(Fixture *f, gconstpointer extra)
{
    uint64_t data = vd_alloc(&f->d, 512, 512);

    g_assert_cmphex(f->d.features & (1u << 5), !=, 0);
    g_assert_cmpint(request(f, T_IN, 0, data, 512), ==, S_OK);
    g_assert_cmpint(request(f, T_OUT, 0, data, 512), ==, S_IOERR);
    g_assert_cmpint(range(f, T_ZEROES, 0, 1, 0), ==, S_IOERR);
    g_assert_cmpint(range(f, T_DISCARD, 0, 1, 0), ==, S_IOERR);
}

static void test_config(Fixture *f, gconstpointer extra)
{
    static const uint8_t golden[60] = {
        0x00, 0x08, 0,    0,  0, 0, 0, 0, /* 2048 sectors */
        0,    0,    0,    0,              /* size_max */
        0xfe, 0,    0,    0,              /* seg_max: 254 */
        2,    0,    16,   63,             /* geometry */
        0,    2,    0,    0,              /* blk_size: 512 */
        0,    0,    0,    0,  0, 0, 0, 0, /* topology */
        1,    0,    1,    0,              /* write back; one queue */
        0,    0,    0x20, 0,  1, 0, 0, 0, 1, 0, 0, 0, /* discard */
        0,    0,    0x20, 0,  1, 0, 0, 0, 1, 0, 0, 0, /* zeroes */
    };

    for (unsigned i = 0; i < sizeof(golden); i++) {
        g_assert_cmphex(vd_config(&f->d, i, 1), ==, golden[i]);
    }
    g_assert_cmphex(f->d.features & 0xffff, ==,
                    1u << 2 | 1u << 4 | 1u << 6 | 1u << 9 | 1u << 10 |
                        1u << 11 | 1u << 13 | 1u << 14);
    /* The driver switches the cache off, a reset brings it back. */
    vd_write(&f->d, VD_DEVICE + 32, 0, 1);
    g_assert_cmpuint(vd_config(&f->d, 32, 1), ==, 0);
    g_assert_false(blk_enable_write_cache(blk_by_name("disk")));
    vd_set_status(&f->d, 0);
    g_assert_true(blk_enable_write_cache(blk_by_name("disk")));
}

/* A driver that cannot flush gets a disk that needs none. */
static void test_no_flush(Fixture *f, gconstpointer extra)
{
    begin(f, 0);
    g_assert_false(blk_enable_write_cache(blk_by_name("disk")));
}

static void test_resize(Fixture *f, gconstpointer extra)
{
    uint8_t generation = (uint8_t)vd_read(&f->d, VD_GENERATION, 1);

    g_assert_true(
        blk_truncate(blk_by_name("disk"), 2 * DISK_BYTES, &error_abort));
    g_assert_cmpuint(vd_config(&f->d, 0, 4), ==, 2 * DISK_SECTORS);
    g_assert_cmpuint(vd_read(&f->d, VD_GENERATION, 1), !=, generation);
    g_assert_cmpuint(vd_read(&f->d, VD_ISR, 1) & VIRTIO_ISR_CONFIG, !=, 0);
}

/* Many at once, out of order, more than the ring wraps. */
static void test_many(Fixture *f, gconstpointer extra)
{
    uint64_t data = vd_alloc(&f->d, 64 * 4096, 4096);

    for (int round = 0; round < 20; round++) {
        uint64_t brk = f->d.brk;
        uint64_t status[64];
        bool done[VD_RING_MAX] = { false };
        unsigned got;
        uint32_t len;
        int n = 0;

        for (unsigned i = 0; i < 64; i++) {
            memset(vd_ptr(&f->d, data + i * 4096), (int)(i + 1), 4096);
            done[submit(f, T_OUT, i * 8, data + i * 4096, 4096, &status[i])] =
                true;
        }
        vd_kick(&f->d, f->q);
        while (n < 64) {
            main_loop_wait(0);
            while (vd_used(&f->d, f->q, &got, &len)) {
                g_assert_true(done[got]);
                done[got] = false;
                n++;
            }
        }
        for (unsigned i = 0; i < 64; i++) {
            g_assert_cmpint(*(uint8_t *)vd_ptr(&f->d, status[i]), ==, S_OK);
        }
        f->d.brk = brk;
    }
    for (unsigned i = 0; i < 64; i++) {
        expect_file(f, i * 4096, (int)(i + 1), 4096);
    }
}

/* -- slow and faulty images ------------------------------------------------------------ */

static void set_up_null(Fixture *f, gconstpointer latency)
{
    g_autofree char *opts = g_strdup_printf(
        "driver=null-co,node-name=disk,size=1M,read-zeroes=on,latency-ns=%s",
        (const char *)latency);

    vd_init(&f->d);
    f->path = NULL;
    g_assert_true(blockdev_add_str(opts, qemu_get_aio_context(), &error_abort));
    vd_new(&f->d, "virtio-blk-pci", "drive", "disk", NULL);
    begin(f, 0);
}

static void tear_down_null(Fixture *f, gconstpointer latency)
{
    vd_deinit(&f->d);
    blockdevs_cleanup();
}

static gpointer reset_by_vcpu(gpointer data)
{
    Fixture *f = data;
    gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;

    machine_lock();
    vd_set_status(&f->d, 0);
    /* It is not over while a request is in flight. */
    g_assert_cmpuint(vd_status(&f->d), !=, 0);
    while (vd_status(&f->d) != 0) {
        machine_unlock();
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
        machine_lock();
    }
    machine_unlock();
    g_atomic_int_set(&f->reset_done, 1);
    qemu_notify_event();
    return NULL;
}

static void test_reset_in_flight(Fixture *f, gconstpointer latency)
{
    uint64_t data = vd_alloc(&f->d, 4096, 4096);
    uint64_t status;
    unsigned id;
    uint32_t len;
    GThread *thread;

    submit(f, T_IN, 0, data, 512, &status);
    vd_kick(&f->d, f->q);
    vd_settle();
    g_assert_cmpuint(f->d.vdev->dma_requests, ==, 1);
    thread = g_thread_new("vcpu", reset_by_vcpu, f);
    while (!g_atomic_int_get(&f->reset_done)) {
        main_loop_wait(0);
    }
    g_thread_join(thread);
    /* What was in flight is not reported in the new ring. */
    g_assert_false(vd_used(&f->d, f->q, &id, &len));
    g_assert_cmpint(*(uint8_t *)vd_ptr(&f->d, status), ==, 0xaa);
    begin(f, 0);
    g_assert_cmpint(request(f, T_IN, 0, data, 512), ==, S_OK);
}

/* Reset of the machine, in the main thread, waits. */
static void test_cold_reset_in_flight(Fixture *f, gconstpointer latency)
{
    uint64_t data = vd_alloc(&f->d, 4096, 4096);
    uint64_t status;

    submit(f, T_IN, 0, data, 512, &status);
    vd_kick(&f->d, f->q);
    vd_settle();
    device_cold_reset(DEVICE(f->d.proxy));
    g_assert_cmpuint(f->d.vdev->dma_requests, ==, 0);
    begin(f, 0);
    g_assert_cmpint(request(f, T_IN, 0, data, 512), ==, S_OK);
}

static void test_stop_drains(Fixture *f, gconstpointer latency)
{
    uint64_t data = vd_alloc(&f->d, 4096, 4096);
    uint64_t status;
    unsigned id = submit(f, T_IN, 0, data, 512, &status);
    unsigned got;
    uint32_t len;

    vd_kick(&f->d, f->q);
    vd_settle();
    virtio_set_running(f->d.vdev, false);
    g_assert_true(vd_used(&f->d, f->q, &got, &len));
    g_assert_cmpuint(got, ==, id);
    g_assert_cmpint(*(uint8_t *)vd_ptr(&f->d, status), ==, S_OK);
    virtio_set_running(f->d.vdev, true);
}

static void note_stop(void *opaque)
{
    ++*(int *)opaque;
}

/* werror=stop: the request waits for the machine, and is tried again. */
static void test_stop_on_error(void)
{
    Fixture f;
    uint64_t data, status;
    unsigned id, got;
    uint32_t len;
    int stops = 0;

    open_disk(&f, ",werror=stop,rerror=stop");
    vd_new(&f.d, "virtio-blk-pci", "drive", "disk", NULL);
    begin(&f, 0);
    blk_set_stop_handler(note_stop, &stops);
    data = vd_alloc(&f.d, 4096, 4096);
    /* A limit of this process stands for a full disk. */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, RLIM_INFINITY });
    id = submit(&f, T_OUT, 64, data, 512, &status);
    vd_kick(&f.d, f.q);
    for (int i = 0; i < 100 && !stops; i++) {
        main_loop_wait(1);
        g_usleep(10000);
    }
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
    g_assert_cmpint(stops, ==, 1);
    g_assert_false(vd_used(&f.d, f.q, &got, &len));
    virtio_set_running(f.d.vdev, false);
    virtio_set_running(f.d.vdev, true);
    g_assert_cmpuint(vd_wait(&f.d, f.q, id), ==, 1);
    g_assert_cmpint(*(uint8_t *)vd_ptr(&f.d, status), ==, S_OK);
    blk_set_stop_handler(NULL, NULL);
    tear_down(&f, NULL);
}

/* Two writes that fail, in two forms; they wait with the device stopped. */
static void fail_two_writes(Fixture *f, int *stops, uint64_t data,
                            uint64_t *status, unsigned *id)
{
    blk_set_stop_handler(note_stop, stops);
    memset(vd_ptr(&f->d, data), 0x5a, 1024);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 4096, RLIM_INFINITY });
    id[0] = submit(f, T_OUT, 64, data, 512, &status[0]);
    id[1] = submit(f, T_OUT, 65, data + 512, 512, &status[1]);
    vd_kick(&f->d, f->q);
    for (int i = 0; i < 100 && *stops < 2; i++) {
        main_loop_wait(1);
        g_usleep(10000);
    }
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
    g_assert_cmpint(*stops, ==, 2);
    virtio_set_running(f->d.vdev, false);
    blk_set_stop_handler(NULL, NULL);
}

/* A file of the host has @byte at @offset. */
static void assert_on_disk(const Fixture *f, off_t offset, uint8_t byte)
{
    uint8_t got = (uint8_t)~byte;
    int fd = open(f->path, O_RDONLY);

    g_assert_cmpint(pread(fd, &got, 1, offset), ==, 1);
    g_assert_cmpint(got, ==, byte);
    close(fd);
}

/* In whatever order they come. */
static void wait_for_both(Fixture *f, const unsigned *id)
{
    unsigned seen = 0;
    unsigned got;
    uint32_t len;

    for (int i = 0; i < 1000 && seen != 3; i++) {
        main_loop_wait(1);
        while (vd_used(&f->d, f->q, &got, &len)) {
            g_assert_cmpuint(len, ==, 1);
            seen += got == id[0] ? 1 : got == id[1] ? 2 : 4;
        }
        g_usleep(1000);
    }
    g_assert_cmpuint(seen, ==, 3);
}

/* werror=stop, then a migration: the requests are done at the new place, once,
 * and not at the old one. */
static void test_failed_moves(gconstpointer features)
{
    Fixture a, b;
    DeviceState *from, *to;
    uint64_t data, status[2];
    unsigned id[2];
    int stops = 0;

    open_disk(&a, ",werror=stop,rerror=stop");
    vd_new(&a.d, "virtio-blk-pci", "drive", "disk", "packed", "on", NULL);
    begin(&a, GPOINTER_TO_SIZE(features)
                  ? UINT64_MAX
                  : ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));
    data = vd_alloc(&a.d, 4096, 4096);
    fail_two_writes(&a, &stops, data, status, id);

    open_disk_as(&b, "moved", "");
    vd_new(&b.d, "virtio-blk-pci", "drive", "moved", "packed", "on", NULL);
    memcpy(b.d.ram, a.d.ram, VD_RAM_BYTES);
    from = DEVICE(a.d.proxy);
    to = DEVICE(b.d.proxy);
    b.d.vdev->vm_running = false;
    device_assert_moves(from, to);
    virtio_set_running(b.d.vdev, true);
    b.q = &b.d.q[0];
    *b.q = *a.q;
    b.d.features = a.d.features;
    b.d.bar = a.d.bar;
    wait_for_both(&b, id);
    for (int i = 0; i < 2; i++) {
        unsigned none;
        uint32_t len;

        g_assert_cmpint(*(uint8_t *)vd_ptr(&b.d, status[i]), ==, S_OK);
        g_assert_false(vd_used(&b.d, b.q, &none, &len));
        assert_on_disk(&b, (64 + i) * 512, 0x5a);
        assert_on_disk(&a, (64 + i) * 512, 0);
    }
    vd_deinit(&b.d);
    g_unlink(b.path);
    g_free(b.path);
    tear_down(&a, NULL);
}

static void refuse(const char *const *props, const char *expect)
{
    PCIDevice *dev = pci_new(PCI_DEVFN(4, 0), "virtio-blk-pci");
    Error *err = NULL;
    FakePCI pci;
    bool ok = true;

    fake_pci_init(&pci);
    for (; ok && props[0]; props += 2) {
        ok = object_property_parse(OBJECT(dev), props[0], props[1], &err);
    }
    if (ok) {
        fake_pci_realize(&pci, dev, &err);
    } else {
        object_unref(OBJECT(dev));
    }
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(error_get_pretty(err), expect));
    error_free(err);
    fake_pci_deinit(&pci);
}

#define REFUSE(expect, ...)                                                    \
    refuse((const char *const[]){ __VA_ARGS__, NULL, NULL }, expect)

static void test_refused(void)
{
    Fixture f;

    open_disk(&f, "");
    REFUSE("drive property not set", "num-queues", "1");
    REFUSE("can't find value 'nix'", "drive", "nix");
    REFUSE("power of 2", "drive", "disk", "queue-size", "100");
    REFUSE("power of 2", "drive", "disk", "logical_block_size", "1000");
    REFUSE("logical_block_size >", "drive", "disk", "logical_block_size",
           "4096", "physical_block_size", "512");
    REFUSE("num-queues", "drive", "disk", "num-queues", "0");
    REFUSE("scsi=on", "drive", "disk", "scsi", "on");
    REFUSE("neither", "drive", "disk", "disable-legacy", "on", "disable-modern",
           "on");
    /* Two devices cannot have one drive. */
    vd_new(&f.d, "virtio-blk-pci", "drive", "disk", NULL);
    REFUSE("already in use", "drive", "disk");
    tear_down(&f, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    qemu_init_main_loop(&error_abort);
#define T(name, func, extra)                                                   \
    g_test_add("/virtio-blk/" name, Fixture, extra, set_up, func, tear_down)
    T("read-write", test_read_write, NULL);
    T("read-write/direct", test_read_write, ",cache=none");
    T("read-write/threads", test_read_write, ",aio=threads");
    T("read-write/writethrough", test_read_write, ",cache=writethrough");
    T("layouts", test_layouts, NULL);
    T("layouts/direct", test_layouts, ",cache=none");
    T("bad-requests", test_bad_requests, NULL);
    T("malformed", test_malformed, NULL);
    T("id", test_id, NULL);
    T("zeroes", test_zeroes_and_discard, NULL);
    T("discard", test_zeroes_and_discard, ",discard=unmap");
    T("read-only", test_read_only, ",readonly=on");
    T("config", test_config, NULL);
    T("no-flush", test_no_flush, NULL);
    T("resize", test_resize, NULL);
    T("many", test_many, NULL);
    T("many/direct", test_many, ",cache=none");
    T("many/threads", test_many, ",aio=threads");
#define N(name, func)                                                          \
    g_test_add("/virtio-blk/" name, Fixture, "100000000", set_up_null, func,   \
               tear_down_null)
    N("reset-in-flight", test_reset_in_flight);
    N("cold-reset-in-flight", test_cold_reset_in_flight);
    N("stop-drains", test_stop_drains);
    g_test_add_func("/virtio-blk/stop-on-error", test_stop_on_error);
    g_test_add_data_func("/virtio-blk/failed-moves/split", GSIZE_TO_POINTER(0),
                         test_failed_moves);
    g_test_add_data_func("/virtio-blk/failed-moves/packed", GSIZE_TO_POINTER(1),
                         test_failed_moves);
    g_test_add_func("/virtio-blk/refused", test_refused);
    return g_test_run();
}
