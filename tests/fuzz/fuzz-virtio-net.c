/*
 * virtio-net-pci under a driver that does anything, while frames arrive and
 * the other end of the wire now and then has no room.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/net/virtio-net.h"

#include "virtio-fuzz.h"

#define FRAME_BYTES 300

/* The other end. */
typedef struct Wire {
    NetClient nc;
    unsigned frames;
    unsigned refusals;
} Wire;

static bool wire_receive(NetClient *nc, const struct iovec *iov, unsigned n)
{
    Wire *w = nc->opaque;

    if (w->frames++ % 4 == 3) {
        w->refusals++;
        return false;
    }
    return true;
}

static const NetClientOps wire_ops = { .receive = wire_receive };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A frame after each step; its first bytes are those of the step. */
static void feed(VirtDriver *d, Wire *w, const uint8_t *data, size_t size)
{
    uint8_t frame[FRAME_BYTES] = { 0x52, 0x54 };

    for (size_t i = 0; i < VF_STEPS_MAX && size >= VF_STEP_BYTES; i++) {
        vf_step(d, data);
        memcpy(frame + (data[0] & 8), data, VF_STEP_BYTES);
        net_send_buf(&w->nc, frame, NET_FRAME_MIN + data[7]);
        if (w->refusals) {
            w->refusals = 0;
            net_resume_peer(&w->nc);
        }
        data += VF_STEP_BYTES;
        size -= VF_STEP_BYTES;
    }
    vf_pump();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Wire w = { 0 };
    VirtIONet *net;
    VirtDriver d;

    vd_init(&d);
    vd_new(&d, "virtio-net-pci", "mac", "52:54:00:12:34:56", "packed", "on",
           NULL);
    net = container_of(d.vdev, VirtIONet, vdev);
    net_client_init(&w.nc, &wire_ops, &w, "wire");
    net_connect(&net->nc, &w.nc);
    d.vdev->warned = true; /* nobody wants to read of each broken device */
    vd_map(&d, false);
    feed(&d, &w, data, size);
    vd_deinit(&d);
    net_client_deinit(&w.nc);
    return 0;
}
