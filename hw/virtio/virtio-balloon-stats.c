/*
 * The virtio memory balloon: statistics of the guest's memory.
 *
 * The driver leaves a buffer with what it knows; giving it back asks for
 * newer numbers, so that the device sets the pace.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"
#include "hw/virtio/virtio-balloon.h"
#include "util/bswap.h"

/* le16 tag; le64 value */
#define STAT_BYTES 10u

static const char *const stat_names[BALLOON_STATS_MAX] = {
    "stat-swap-in",          "stat-swap-out",    "stat-major-faults",
    "stat-minor-faults",     "stat-free-memory", "stat-total-memory",
    "stat-available-memory", "stat-disk-caches", "stat-htlb-pgalloc",
    "stat-htlb-pgfail",
};

const char *virtio_balloon_stats_name(unsigned tag)
{
    return stat_names[tag];
}

void virtio_balloon_stats_reset(VirtIOBalloon *s)
{
    if (s->stats_elem) {
        virtqueue_detach_element(s->stats, s->stats_elem, 0);
        g_clear_pointer(&s->stats_elem, g_free);
    }
    /* All ones: not known. */
    memset(s->stat, 0xff, sizeof(s->stat));
}

void virtio_balloon_stats_park(VirtIOBalloon *s)
{
    if (s->stats_elem) {
        virtqueue_unpop(s->stats, s->stats_elem);
        g_clear_pointer(&s->stats_elem, g_free);
    }
}

static void arm(VirtIOBalloon *s)
{
    if (s->stats_interval_s) {
        timer_mod(s->stats_timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) +
                                      s->stats_interval_s * 1000);
    }
}

static void read_stats(VirtIOBalloon *s, const VirtQueueElement *e)
{
    uint8_t stat[STAT_BYTES];

    virtio_balloon_stats_reset(s);
    for (size_t at = 0;
         virtio_element_read(e, at, stat, STAT_BYTES) == STAT_BYTES &&
         at < STAT_BYTES * 4 * BALLOON_STATS_MAX;
         at += STAT_BYTES) {
        uint16_t tag = lduw_le_p(stat);

        if (tag < BALLOON_STATS_MAX) {
            s->stat[tag] = ldq_le_p(stat + 2);
        }
    }
    s->stats_last_update_s = g_get_real_time() / G_USEC_PER_SEC;
}

void virtio_balloon_stats_ready(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = container_of(vdev, VirtIOBalloon, vdev);
    VirtQueueElement *e = virtqueue_pop(vq, sizeof(*e));

    if (!e) {
        return;
    }
    if (s->stats_elem) {
        /* A driver has one buffer in use, not two. */
        virtqueue_push(vq, s->stats_elem, 0);
        g_clear_pointer(&s->stats_elem, g_free);
    }
    read_stats(s, e);
    s->stats_elem = e;
    arm(s);
}

static void poll_now(void *opaque)
{
    VirtIOBalloon *s = opaque;

    MACHINE_LOCK_GUARD();
    if (!s->stats_elem || !virtio_is_live(&s->vdev)) {
        arm(s); /* the driver is not there yet, or has not answered */
        return;
    }
    virtqueue_push(s->stats, s->stats_elem, 0);
    g_clear_pointer(&s->stats_elem, g_free);
    virtio_notify(&s->vdev, s->stats);
}

void virtio_balloon_poll_stats(VirtIOBalloon *s, int64_t seconds)
{
    s->stats_interval_s = seconds;
    if (seconds == 0) {
        if (s->stats_timer) {
            timer_del(s->stats_timer);
        }
        return;
    }
    if (!s->stats_timer) {
        s->stats_timer = timer_new_ms(QEMU_CLOCK_VIRTUAL, poll_now, s);
    }
    timer_mod(s->stats_timer, qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL));
}
