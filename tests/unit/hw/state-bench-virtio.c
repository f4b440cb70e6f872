/*
 * Virtio devices on a bench, with the driver of the unit tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../../fuzz/virtio-fuzz.h"
#include "block/block-node.h"
#include "chardev/char.h"
#include "hw/net/virtio-net.h"
#include "hw/virtio/virtio-serial.h"

#include "state-bench.h"

#define PORTS 2

typedef struct VirtioBench {
    StateBench parent;

    VirtDriver d;
    char *backend; /* block node or chardev, or NULL */
    DeviceState *port[PORTS];
    NetClient wire;
    bool has_wire;
} VirtioBench;

static VirtioBench *begin(void)
{
    VirtioBench *b = g_new0(VirtioBench, 1);

    vd_init(&b->d);
    return b;
}

static StateBench *finish(VirtioBench *b)
{
    b->parent.ram = b->d.ram;
    b->parent.ram_bytes = VD_RAM_BYTES;
    b->d.vdev->warned = true;
    sb_add_part(&b->parent, b->d.proxy);
    return &b->parent;
}

static void step_virtio(StateBench *sb, const uint8_t *p)
{
    VirtioBench *b = (VirtioBench *)sb;
    uint8_t again[SB_STEP_BYTES] = { 7, p[1], 0, 0, 0xff, 0xff, 0xff, 0xff };

    if (p[0] >= 0xf0) {
        vd_map(&b->d, false);
        vf_step(&b->d, again); /* negotiate */
    } else {
        vf_step(&b->d, p);
    }
}

static void stop_virtio(StateBench *sb)
{
    virtio_set_running(((VirtioBench *)sb)->d.vdev, false);
}

static void go_virtio(StateBench *sb)
{
    virtio_set_running(((VirtioBench *)sb)->d.vdev, true);
}

static void destroy_virtio(StateBench *sb)
{
    VirtioBench *b = (VirtioBench *)sb;

    for (int i = 0; i < PORTS; i++) {
        if (b->port[i]) {
            qdev_unrealize(b->port[i]);
            object_unref(OBJECT(b->port[i]));
        }
    }
    vd_deinit(&b->d);
    if (b->has_wire) {
        net_client_deinit(&b->wire);
    }
    if (b->backend && b->port[0]) {
        qemu_chr_remove(b->backend, &error_abort);
    } else if (b->backend) {
        blockdev_del(b->backend, &error_abort);
    }
    g_free(b->backend);
    g_free(b);
}

#define KIND(sym, name_)                                                       \
    const StateBenchKind sb_virtio_##sym = { .name = name_,                    \
                                             .make = make_##sym,               \
                                             .step = step_virtio,              \
                                             .stop = stop_virtio,              \
                                             .go = go_virtio,                  \
                                             .destroy = destroy_virtio }

static char *unique(const char *name)
{
    static unsigned n;

    return g_strdup_printf("%s%u", name, n++);
}

static StateBench *make_blk(void)
{
    VirtioBench *b = begin();
    g_autofree char *option = NULL;

    b->backend = unique("sbdisk");
    option = g_strdup_printf("driver=null-co,node-name=%s,size=1M,"
                             "read-zeroes=on,discard=unmap",
                             b->backend);
    blockdev_add_str(option, qemu_get_aio_context(), &error_abort);
    vd_new(&b->d, "virtio-blk-pci", "drive", b->backend, "packed", "on",
           "num-queues", "2", NULL);
    return finish(b);
}

static bool wire_receive(NetClient *nc, const struct iovec *iov, unsigned n)
{
    return true;
}

static const NetClientOps wire_ops = { .receive = wire_receive };

static StateBench *make_net(void)
{
    VirtioBench *b = begin();
    VirtIONet *net;

    vd_new(&b->d, "virtio-net-pci", "mac", "52:54:00:12:34:56", "packed", "on",
           NULL);
    net = container_of(b->d.vdev, VirtIONet, vdev);
    net_client_init(&b->wire, &wire_ops, b, "wire");
    net_connect(&net->nc, &b->wire);
    b->has_wire = true;
    return finish(b);
}

static StateBench *make_serial(void)
{
    VirtioBench *b = begin();
    g_autofree char *option = NULL;
    VirtIOSerial *s;

    b->backend = unique("sbchr");
    option = g_strdup_printf("ringbuf,id=%s,size=1024", b->backend);
    qemu_chr_new_from_cli(option, NULL, &error_abort);
    vd_new(&b->d, "virtio-serial-pci", "max_ports", "3", "packed", "on", NULL);
    s = container_of(b->d.vdev, VirtIOSerial, vdev);
    for (int i = 0; i < PORTS; i++) {
        b->port[i] = qdev_new(i ? "virtserialport" : "virtconsole");
        if (i) {
            object_property_parse(OBJECT(b->port[i]), "chardev", b->backend,
                                  &error_abort);
        }
        qdev_realize(b->port[i], BUS(s->bus), &error_abort);
    }
    return finish(b);
}

static StateBench *make_balloon(void)
{
    VirtioBench *b = begin();

    vd_new(&b->d, "virtio-balloon-pci", "packed", "on", NULL);
    return finish(b);
}

static StateBench *make_rng(void)
{
    VirtioBench *b = begin();

    vd_new(&b->d, "virtio-rng-pci", "packed", "on", "max-bytes", "4096",
           "period", "100", NULL);
    return finish(b);
}

KIND(blk, "virtio-blk");
KIND(net, "virtio-net");
KIND(serial, "virtio-serial");
KIND(balloon, "virtio-balloon");
KIND(rng, "virtio-rng");
