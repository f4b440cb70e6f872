/*
 * The virtio memory balloon.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include "hw/boards.h"
#include "hw/virtio/virtio.h"
#include "util/timer.h"

/* The balloon's unit, whatever the size of pages. */
#define BALLOON_PAGE_SHIFT 12
#define BALLOON_PAGE_BYTES (1u << BALLOON_PAGE_SHIFT)

/* Page numbers that are read of one request, and about so many of all in one
 * run of the handler: the descriptors of a request can name the same memory
 * over and over. Drivers have a few hundred. */
#define BALLOON_REQUEST_PAGES_MAX 65536u

/* Statistics, 5.5.6.4; numbers of tags. */
#define BALLOON_STATS_MAX 10

/* Guarded by the machine lock. */
typedef struct VirtIOBalloon {
    VirtIODevice vdev;

    MachineState *machine; /* NULL in tests of the device alone */
    bool deflate_on_oom;
    bool free_page_reporting;

    VirtQueue *inflate;
    VirtQueue *deflate;
    VirtQueue *stats;
    VirtQueue *reporting; /* or NULL */

    uint32_t num_pages; /* that the balloon should have */
    uint32_t actual;    /* that it has, as the driver says */

    VirtQueueElement *stats_elem; /* waits for the next poll */
    uint64_t stat[BALLOON_STATS_MAX];
    int64_t stats_last_update_s; /* host's clock; 0: never */
    int64_t stats_interval_s;    /* 0: no polling */
    QEMUTimer *stats_timer;
} VirtIOBalloon;

bool virtio_balloon_realize(VirtIOBalloon *s, DeviceState *owner,
                            GuestMemory *memory, AioContext *ctx);
void virtio_balloon_unrealize(VirtIOBalloon *s);

/** virtio_balloon_set_target: guest keeps @bytes of the machine's RAM. */
void virtio_balloon_set_target(VirtIOBalloon *s, uint64_t bytes);
/** virtio_balloon_actual: bytes that the guest has. */
uint64_t virtio_balloon_actual(VirtIOBalloon *s);

/** virtio_balloon_poll_stats: every @seconds; 0 stops. */
void virtio_balloon_poll_stats(VirtIOBalloon *s, int64_t seconds);
/** virtio_balloon_stats_ready: the driver has sent statistics. */
void virtio_balloon_stats_ready(VirtIODevice *vdev, VirtQueue *vq);
/** virtio_balloon_stats_name: as guest-stats calls tag @tag. */
const char *virtio_balloon_stats_name(unsigned tag);
/** virtio_balloon_stats_park: the driver's buffer goes back into its queue, to
 *  be taken again when the machine runs on. */
void virtio_balloon_stats_park(VirtIOBalloon *s);
/** virtio_balloon_stats_reset: forget them. */
void virtio_balloon_stats_reset(VirtIOBalloon *s);

#endif
