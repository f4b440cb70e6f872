/*
 * The virtio memory balloon: pages that the guest gives back, statistics.
 *
 * Pages in the balloon are taken from the host's process (MADV_DONTNEED, or a
 * hole where memory is a shared file); the guest finds zeroes when it gets
 * them back. Where the host's pages are larger than the balloon's, a page
 * goes back only when the guest gave all of it in one run.
 *
 * Source: VIRTIO 1.2, 5.5.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/virtio/virtio-balloon.h"

#include <sys/mman.h>

#include "hw/core/machine-internal.h"
#include "qapi/qapi-events-virtio.h"
#include "trace/trace-hw.h"
#include "util/bswap.h"

enum {
    BALLOON_F_STATS_VQ = 1,
    BALLOON_F_DEFLATE_ON_OOM = 2,
    BALLOON_F_REPORTING = 5,
};

enum {
    CFG_NUM_PAGES = 0,
    CFG_ACTUAL = 4,
    CFG_BYTES = 16,
};

#define BALLOON_QUEUE_SIZE   128
#define REPORTING_QUEUE_SIZE 32
/* Requests in one run of a handler. */
#define BUDGET 64u
/* Page numbers read at once. */
#define PFN_CHUNK 256u

static VirtIOBalloon *balloon_of(VirtIODevice *vdev)
{
    return container_of(vdev, VirtIOBalloon, vdev);
}

/* -- memory ---------------------------------------------------------------------------- */

static size_t host_page(VirtIOBalloon *s)
{
    HostMemoryBackend *ram = s->machine ? s->machine->ram : NULL;

    return ram ? host_memory_backend_page_size(ram)
               : (size_t)sysconf(_SC_PAGESIZE);
}

/* Is there somebody for whom memory must not vanish? */
static bool may_discard(VirtIOBalloon *s)
{
    return s->machine == NULL || s->machine->ram != NULL;
}

/* Give whole host pages in @len bytes at @p back to the host. */
static void discard(VirtIOBalloon *s, uint8_t *p, size_t len)
{
    uintptr_t page = host_page(s);
    uintptr_t from = ROUND_UP((uintptr_t)p, page);
    uintptr_t to = ROUND_DOWN((uintptr_t)p + len, page);
    HostMemoryBackend *ram = s->machine ? s->machine->ram : NULL;
    bool shared = ram && host_memory_backend_get_fd(ram) >= 0;

    if (from >= to || !may_discard(s)) {
        return;
    }
    if (madvise((void *)from, to - from, shared ? MADV_REMOVE : MADV_DONTNEED) <
        0) {
        trace_virtio_balloon_discard_failed(errno);
    }
}

/* Page numbers that follow one another are discarded in one go. */
typedef struct PageRun {
    uint64_t first;
    uint64_t count;
} PageRun;

static void end_run(VirtIOBalloon *s, PageRun *run)
{
    GuestMemory *gm = s->vdev.memory;
    uint64_t gpa = run->first << BALLOON_PAGE_SHIFT;
    uint64_t left = run->count << BALLOON_PAGE_SHIFT;

    while (left) {
        uint64_t len = left;
        uint8_t *p = guest_memory_dma_map(gm, gpa, &len, true);

        if (!p || len == 0) {
            /* Not RAM: skip this page, there is nothing to give back. */
            len = MIN(left, BALLOON_PAGE_BYTES);
        } else {
            discard(s, p, len);
            guest_memory_dma_unmap(gm, gpa, len);
        }
        gpa += len;
        left -= len;
    }
    run->count = 0;
}

static void add_page(VirtIOBalloon *s, PageRun *run, uint32_t pfn)
{
    if (run->count && pfn != run->first + run->count) {
        end_run(s, run);
    }
    if (!run->count) {
        run->first = pfn;
    }
    run->count++;
}

/* Returns: number of pages. */
static size_t take_pages(VirtIOBalloon *s, const VirtQueueElement *e)
{
    uint8_t chunk[PFN_CHUNK * 4];
    PageRun run = { 0 };
    size_t done = 0;
    size_t n;

    while (done < BALLOON_REQUEST_PAGES_MAX * 4 &&
           (n = virtio_element_read(e, done, chunk, sizeof(chunk)) & ~3ul)) {
        for (size_t i = 0; i < n; i += 4) {
            add_page(s, &run, ldl_le_p(chunk + i));
        }
        done += n;
    }
    end_run(s, &run);
    trace_virtio_balloon_pages(done / 4);
    return done / 4;
}

/* -- queues --------------------------------------------------------------------------------- */

static void handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = balloon_of(vdev);
    unsigned n = 0;
    size_t pages = 0;
    VirtQueueElement *e;

    while (n < BUDGET && pages < BALLOON_REQUEST_PAGES_MAX &&
           (e = virtqueue_pop(vq, sizeof(*e)))) {
        if (vq == s->inflate) {
            pages += take_pages(s, e);
        } else if (vq == s->reporting) {
            for (unsigned i = 0; i < e->in_num; i++) {
                discard(s, e->in_sg[i].iov_base, e->in_sg[i].iov_len);
            }
        }
        /* Deflated pages come back when they are touched. */
        virtqueue_push(vq, e, 0);
        g_free(e);
        n++;
    }
    if (n) {
        virtio_notify(vdev, vq);
    }
    if (n == BUDGET || pages >= BALLOON_REQUEST_PAGES_MAX) {
        virtio_queue_kick(vq);
    }
}

/* -- size ------------------------------------------------------------------------------------- */

static uint64_t ram_bytes(VirtIOBalloon *s)
{
    return s->machine ? machine_ram_bytes(s->machine) : 0;
}

uint64_t virtio_balloon_actual(VirtIOBalloon *s)
{
    uint64_t in = (uint64_t)s->actual << BALLOON_PAGE_SHIFT;

    return ram_bytes(s) - MIN(in, ram_bytes(s));
}

void virtio_balloon_set_target(VirtIOBalloon *s, uint64_t bytes)
{
    bytes = MIN(bytes, ram_bytes(s));
    s->num_pages = (uint32_t)((ram_bytes(s) - bytes) >> BALLOON_PAGE_SHIFT);
    trace_virtio_balloon_target(bytes, s->num_pages);
    virtio_notify_config(&s->vdev);
}

static void get_config(VirtIODevice *vdev, uint8_t *cfg)
{
    const VirtIOBalloon *s = balloon_of(vdev);

    stl_le_p(cfg + CFG_NUM_PAGES, s->num_pages);
    stl_le_p(cfg + CFG_ACTUAL, s->actual);
}

static void set_config(VirtIODevice *vdev, const uint8_t *cfg)
{
    VirtIOBalloon *s = balloon_of(vdev);
    uint32_t actual = ldl_le_p(cfg + CFG_ACTUAL);

    if (actual != s->actual) {
        s->actual = actual;
        qapi_event_send_balloon_change((int64_t)virtio_balloon_actual(s));
    }
}

static uint64_t get_features(VirtIODevice *vdev, uint64_t features)
{
    const VirtIOBalloon *s = balloon_of(vdev);

    features |= VIRTIO_FEATURE(BALLOON_F_STATS_VQ);
    features |=
        s->deflate_on_oom ? VIRTIO_FEATURE(BALLOON_F_DEFLATE_ON_OOM) : 0;
    features |= s->reporting ? VIRTIO_FEATURE(BALLOON_F_REPORTING) : 0;
    return features;
}

static void reset(VirtIODevice *vdev)
{
    VirtIOBalloon *s = balloon_of(vdev);

    s->actual = 0;
    virtio_balloon_stats_reset(s);
}

static void set_running(VirtIODevice *vdev, bool running)
{
    if (!running) {
        virtio_balloon_stats_park(balloon_of(vdev));
    }
}

static const VirtioDeviceClass virtio_balloon_class = {
    .name = "virtio-balloon",
    .device_id = VIRTIO_ID_BALLOON,
    .config_len = CFG_BYTES,
    .get_features = get_features,
    .get_config = get_config,
    .set_config = set_config,
    .reset = reset,
    .set_running = set_running,
};

bool virtio_balloon_realize(VirtIOBalloon *s, DeviceState *owner,
                            GuestMemory *memory, AioContext *ctx)
{
    VirtIODevice *vdev = &s->vdev;

    virtio_device_realize(vdev, &virtio_balloon_class, owner, memory, ctx, 4);
    s->inflate = virtio_add_queue(vdev, BALLOON_QUEUE_SIZE, handle_queue);
    s->deflate = virtio_add_queue(vdev, BALLOON_QUEUE_SIZE, handle_queue);
    s->stats =
        virtio_add_queue(vdev, BALLOON_QUEUE_SIZE, virtio_balloon_stats_ready);
    if (s->free_page_reporting) {
        s->reporting =
            virtio_add_queue(vdev, REPORTING_QUEUE_SIZE, handle_queue);
    }
    return true;
}

void virtio_balloon_unrealize(VirtIOBalloon *s)
{
    virtio_balloon_poll_stats(s, 0);
    g_clear_pointer(&s->stats_timer, timer_free);
    g_clear_pointer(&s->stats_elem, g_free);
    virtio_device_unrealize(&s->vdev);
}
