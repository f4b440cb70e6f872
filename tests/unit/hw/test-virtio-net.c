/*
 * virtio-net-pci on a wire whose other end is the test: frames both ways in
 * both forms of ring and by both interfaces, buffers that are too few, too
 * small or wrong, the control queue, and who is told when to go on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/net/virtio-net.h"
#include "hw/types.h"
#include "hw/virtio/virtio-transport.h"
#include "util/bswap.h"
#include "util/iov.h"
#include "util/main-loop.h"

#include "virtio-driver.h"

#define F_MTU       VIRTIO_FEATURE(3)
#define F_MRG_RXBUF VIRTIO_FEATURE(15)
#define F_STATUS    VIRTIO_FEATURE(16)
#define F_CTRL      (VIRTIO_FEATURE(17) | VIRTIO_FEATURE(18) | VIRTIO_FEATURE(20))
#define F_CTRL_VLAN VIRTIO_FEATURE(19)
#define F_CTRL_MAC  VIRTIO_FEATURE(23)
#define F_EVENT_IDX VIRTIO_FEATURE(VIRTIO_F_EVENT_IDX)
#define F_PACKED    VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)
#define F_RESET     VIRTIO_FEATURE(VIRTIO_F_RING_RESET)

#define MAC "52:54:00:aa:bb:cc"

static const uint8_t own[NET_ADDRESS_SIZE] = {
    0x52, 0x54, 0, 0xaa, 0xbb, 0xcc
};

typedef struct Fixture {
    VirtDriver d;
    VirtIONet *net;
    VdQueue *rx;
    VdQueue *tx;
    VdQueue *ctrl;
    size_t header;

    NetClient wire; /* the other end */
    bool full;
    unsigned frames;
    unsigned resumes;
    uint8_t last[NET_FRAME_MAX];
    size_t last_len;
} Fixture;

/* -- the other end ----------------------------------------------------------------- */

static bool wire_receive(NetClient *nc, const struct iovec *iov, unsigned n)
{
    Fixture *f = nc->opaque;

    if (f->full) {
        return false;
    }
    f->frames++;
    f->last_len = iov_to_buf(iov, n, 0, f->last, sizeof(f->last));
    return true;
}

static void wire_resume(NetClient *nc)
{
    ((Fixture *)nc->opaque)->resumes++;
}

static const NetClientOps wire_ops = { .receive = wire_receive,
                                       .resume = wire_resume };

/* -- fixture ------------------------------------------------------------------------ */

static void set_up(Fixture *f, bool legacy, uint64_t features, uint16_t num)
{
    memset(f, 0, sizeof(*f));
    vd_init(&f->d);
    vd_new(&f->d, legacy ? "virtio-net-pci-transitional" : "virtio-net-pci",
           "mac", MAC, "packed", "on", "host_mtu", "1400", NULL);
    f->net = container_of(f->d.vdev, VirtIONet, vdev);
    net_client_init(&f->wire, &wire_ops, f, "wire");
    net_connect(&f->net->nc, &f->wire);
    vd_map(&f->d, legacy);
    vd_start(&f->d, features);
    f->header = legacy && !(features & F_MRG_RXBUF) ? 10 : 12;
    f->rx = vd_queue(&f->d, 0, num);
    f->tx = vd_queue(&f->d, 1, num);
    f->ctrl = vd_queue(&f->d, 2, 0);
    vd_go(&f->d);
    vd_settle();
}

static void tear_down(Fixture *f)
{
    vd_deinit(&f->d);
    g_assert_null(f->wire.peer); /* the card unplugs itself */
    net_client_deinit(&f->wire);
}

static void quiet(Fixture *f)
{
    f->d.vdev->warned = true; /* a broken device is what the test wants */
}

static void make_frame(uint8_t *frame, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        frame[i] = (uint8_t)(i * 7);
    }
    memcpy(frame, own, sizeof(own));
}

/* Returns: address of a buffer that the card may fill. */
static uint64_t give(Fixture *f, uint32_t len)
{
    VdBuf b = { vd_alloc(&f->d, len, 8), len, true };

    vd_add(&f->d, f->rx, &b, 1);
    return b.addr;
}

static void kick(Fixture *f, VdQueue *q)
{
    vd_kick(&f->d, q);
    vd_settle();
}

/* -- receiving ----------------------------------------------------------------------- */

static void receive_one(bool legacy, uint64_t features)
{
    uint8_t frame[100];
    uint64_t at;
    unsigned id;
    uint32_t len;
    const uint8_t *p;
    Fixture f;

    set_up(&f, legacy, features, 16);
    make_frame(frame, sizeof(frame));
    for (unsigned i = 0; i < 40; i++) { /* the ring goes round */
        at = give(&f, 2048);
        frame[99] = (uint8_t)i;
        g_assert_true(net_send_buf(&f.wire, frame, sizeof(frame)));
        g_assert_true(vd_used(&f.d, f.rx, &id, &len));
        g_assert_cmpuint(len, ==, f.header + sizeof(frame));
        p = vd_ptr(&f.d, at);
        g_assert_cmpmem(p + f.header, sizeof(frame), frame, sizeof(frame));
        if (f.header == 12) {
            g_assert_cmpuint(lduw_le_p(p + 10), ==, 1);
        }
    }
    tear_down(&f);
}

static void test_receive(void)
{
    receive_one(false, F_STATUS);
    receive_one(false, F_MRG_RXBUF | F_EVENT_IDX);
    receive_one(false, F_PACKED);
    receive_one(false, F_PACKED | F_MRG_RXBUF | F_EVENT_IDX);
    receive_one(true, 0);
    receive_one(true, F_MRG_RXBUF);
}

static void merge(uint64_t features)
{
    uint8_t frame[250], got[300];
    size_t have = 0;
    uint64_t at[3];
    unsigned id;
    uint32_t len;
    Fixture f;

    set_up(&f, false, F_MRG_RXBUF | features, 16);
    make_frame(frame, sizeof(frame));
    at[0] = give(&f, 100);
    at[1] = give(&f, 100);
    /* Two buffers are too few: it waits for a third, and tells so once. */
    g_assert_false(net_send_buf(&f.wire, frame, sizeof(frame)));
    g_assert_false(vd_used(&f.d, f.rx, &id, &len));
    g_assert_cmpuint(f.resumes, ==, 0);
    at[2] = give(&f, 100);
    kick(&f, f.rx);
    g_assert_cmpuint(f.resumes, ==, 1);
    g_assert_true(net_send_buf(&f.wire, frame, sizeof(frame)));
    g_assert_cmpuint(lduw_le_p((uint8_t *)vd_ptr(&f.d, at[0]) + 10), ==, 3);
    for (int i = 0; i < 3; i++) {
        g_assert_true(vd_used(&f.d, f.rx, &id, &len));
        g_assert_cmpuint(len, ==, i < 2 ? 100 : 62);
        memcpy(got + have, vd_ptr(&f.d, at[i]), len);
        have += len;
    }
    g_assert_cmpmem(got + 12, have - 12, frame, sizeof(frame));
    tear_down(&f);
}

static void test_merge(void)
{
    merge(0);
    merge(F_EVENT_IDX);
    merge(F_PACKED);
    merge(F_PACKED | F_EVENT_IDX);
}

/* A frame for which the buffer is too small is lost; the buffer is not. */
static void test_too_small(void)
{
    uint8_t frame[200];
    unsigned id;
    uint32_t len;
    Fixture f;

    set_up(&f, false, F_STATUS, 16);
    make_frame(frame, sizeof(frame));
    give(&f, 100);
    g_assert_true(net_send_buf(&f.wire, frame, 200));
    g_assert_false(vd_used(&f.d, f.rx, &id, &len));
    g_assert_cmpuint(f.net->nc.frames_dropped, ==, 1);
    g_assert_true(net_send_buf(&f.wire, frame, 88));
    g_assert_true(vd_used(&f.d, f.rx, &id, &len));
    g_assert_cmpuint(len, ==, 100);
    tear_down(&f);
}

/* Buffers that no driver may give. */
static void test_bad_receive_buffers(void)
{
    static const VdBuf bad[] = {
        { 0x8000, 100, false }, /* to be read */
        { 0x8000, 12, true },   /* header only */
        { 0x8000, 3, true },
        { 1ull << 40, 2048, true }, /* not memory */
    };
    uint8_t frame[100];
    Fixture f;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        set_up(&f, false, F_STATUS, 16);
        quiet(&f);
        make_frame(frame, sizeof(frame));
        vd_add(&f.d, f.rx, &bad[i], 1);
        g_assert_true(net_send_buf(&f.wire, frame, sizeof(frame)));
        g_assert_true(f.d.vdev->broken);
        g_assert_cmphex(vd_status(&f.d) & VIRTIO_STATUS_NEEDS_RESET, !=, 0);
        /* and it takes frames, into nowhere, from then on */
        g_assert_true(net_send_buf(&f.wire, frame, sizeof(frame)));
        tear_down(&f);
    }
}

/* -- sending ------------------------------------------------------------------------ */

static unsigned send_pieces(Fixture *f, const uint8_t *frame, size_t len,
                            size_t first)
{
    uint64_t head = vd_alloc(&f->d, f->header, 8);
    uint64_t at = vd_alloc(&f->d, len, 8);
    VdBuf bufs[] = { { head, (uint32_t)f->header, false },
                     { at, (uint32_t)first, false },
                     { at + first, (uint32_t)(len - first), false } };

    memcpy(vd_ptr(&f->d, at), frame, len);
    return vd_add(&f->d, f->tx, bufs, 3);
}

static void send_one(bool legacy, uint64_t features)
{
    uint8_t frame[120];
    unsigned id;
    Fixture f;

    set_up(&f, legacy, features, 16);
    make_frame(frame, sizeof(frame));
    for (unsigned i = 1; i <= 20; i++) {
        frame[119] = (uint8_t)i;
        id = send_pieces(&f, frame, sizeof(frame), 5 * i);
        vd_kick(&f.d, f.tx);
        g_assert_cmpuint(vd_wait(&f.d, f.tx, id), ==, 0);
        g_assert_cmpuint(f.frames, ==, i);
        g_assert_cmpmem(f.last, f.last_len, frame, sizeof(frame));
    }
    tear_down(&f);
}

static void test_send(void)
{
    send_one(false, F_STATUS);
    send_one(false, F_PACKED | F_EVENT_IDX);
    send_one(true, 0);
    send_one(true, F_MRG_RXBUF);
}

/* A frame that is refused stays on the ring, in its place. */
static void test_refused(void)
{
    uint8_t frame[60];
    unsigned id[2], got;
    uint32_t len;
    Fixture f;

    set_up(&f, false, F_EVENT_IDX, 16);
    make_frame(frame, sizeof(frame));
    f.full = true;
    for (unsigned i = 0; i < 2; i++) {
        frame[59] = (uint8_t)i;
        id[i] = send_pieces(&f, frame, sizeof(frame), 20);
    }
    kick(&f, f.tx);
    g_assert_false(vd_used(&f.d, f.tx, &got, &len));
    f.full = false;
    net_resume_peer(&f.wire);
    vd_wait(&f.d, f.tx, id[0]);
    vd_wait(&f.d, f.tx, id[1]);
    g_assert_cmpuint(f.frames, ==, 2);
    g_assert_cmpuint(f.last[59], ==, 1);
    tear_down(&f);
}

static void test_bad_frames(void)
{
    static const VdBuf bad[] = { { 0x8000, 11, false }, { 0x8000, 64, true } };
    static const VdBuf odd[] = { { 0x8000, 12, false },
                                 { 0x8000, 12 + 13, false },
                                 { 0x8000, 12 + NET_FRAME_MAX + 1, false } };
    Fixture f;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        set_up(&f, false, F_STATUS, 16);
        quiet(&f);
        vd_add(&f.d, f.tx, &bad[i], 1);
        kick(&f, f.tx);
        g_assert_true(f.d.vdev->broken);
        tear_down(&f);
    }
    /* Too short and too long ones are lost and do no harm. */
    set_up(&f, false, F_STATUS, 16);
    for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
        unsigned id = vd_add(&f.d, f.tx, &odd[i], 1);

        vd_kick(&f.d, f.tx);
        vd_wait(&f.d, f.tx, id);
    }
    g_assert_cmpuint(f.frames, ==, 0);
    g_assert_cmpuint(f.net->nc.frames_dropped, ==, 3);
    tear_down(&f);
}

/* -- control ------------------------------------------------------------------------- */

static unsigned control(Fixture *f, const void *command, size_t len)
{
    uint64_t at = vd_alloc(&f->d, len + 1, 8);
    VdBuf bufs[] = { { at, (uint32_t)len, false }, { at + len, 1, true } };
    uint8_t *p = vd_ptr(&f->d, at);
    unsigned id;

    memcpy(p, command, len);
    p[len] = 0xee;
    id = vd_add(&f->d, f->ctrl, bufs, 2);
    vd_kick(&f->d, f->ctrl);
    g_assert_cmpuint(vd_wait(&f->d, f->ctrl, id), ==, 1);
    return p[len];
}

#define CONTROL(f_, ...)                                                       \
    control(f_, (const uint8_t[]){ __VA_ARGS__ },                              \
            sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Does a frame to @to get through? */
static bool hears(Fixture *f, const uint8_t *to, unsigned vlan)
{
    uint8_t frame[64] = { 0 };
    unsigned id;
    uint32_t len;

    make_frame(frame, sizeof(frame));
    memcpy(frame, to, NET_ADDRESS_SIZE);
    stw_be_p(frame + 12, vlan ? 0x8100 : 0x0800);
    stw_be_p(frame + 14, (uint16_t)vlan);
    give(f, 256);
    g_assert_true(net_send_buf(&f->wire, frame, sizeof(frame)));
    return vd_used(&f->d, f->rx, &id, &len);
}

static void test_filter(void)
{
    static const uint8_t other[] = { 0x52, 0x54, 0, 1, 2, 3 };
    static const uint8_t group[] = { 0x33, 0x33, 0, 0, 0, 1 };
    static const uint8_t all[] = { 255, 255, 255, 255, 255, 255 };
    Fixture f;

    set_up(&f, false, F_CTRL | F_CTRL_VLAN, 64);
    g_assert_true(hears(&f, other, 0)); /* promiscuous at first */
    g_assert_cmpuint(CONTROL(&f, 0, 0, 0), ==, 0);
    g_assert_false(hears(&f, other, 0));
    g_assert_false(hears(&f, group, 0));
    g_assert_true(hears(&f, own, 0));
    g_assert_true(hears(&f, all, 0));
    g_assert_cmpuint(CONTROL(&f, 1, 0, 1, 0, 0, 0, 0x52, 0x54, 0, 1, 2, 3, 1, 0,
                             0, 0, 0x33, 0x33, 0, 0, 0, 1),
                     ==, 0);
    g_assert_true(hears(&f, other, 0));
    g_assert_true(hears(&f, group, 0));
    g_assert_false(hears(&f, own, 5));
    g_assert_cmpuint(CONTROL(&f, 2, 0, 5, 0), ==, 0);
    g_assert_true(hears(&f, own, 5));
    g_assert_cmpuint(CONTROL(&f, 2, 1, 5, 0), ==, 0);
    g_assert_false(hears(&f, own, 5));
    g_assert_cmpuint(CONTROL(&f, 0, 5, 1), ==, 0); /* no broadcasts */
    g_assert_false(hears(&f, all, 0));
    tear_down(&f);
}

static void test_bad_commands(void)
{
    Fixture f;

    set_up(&f, false, F_CTRL | F_CTRL_VLAN | F_CTRL_MAC, 64);
    g_assert_cmpuint(CONTROL(&f, 0), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 0, 0), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 0, 6, 1), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 99, 0, 0), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 1, 0), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 1, 0, 2, 0, 0, 0, 1, 2, 3), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 1, 0, 255, 255, 255, 255, 1), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 1, 1, 1, 2, 3), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 1, 7, 1, 2, 3), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 2, 0, 0, 0x10), ==, 1);
    g_assert_cmpuint(CONTROL(&f, 2, 2, 0, 0), ==, 1);
    /* nowhere to put the answer */
    quiet(&f);
    vd_add(&f.d, f.ctrl, &(VdBuf){ 0x8000, 3, false }, 1);
    kick(&f, f.ctrl);
    g_assert_true(f.d.vdev->broken);
    tear_down(&f);
}

static void test_address(void)
{
    static const uint8_t next[] = { 2, 0, 0, 0, 0, 9 };
    Fixture f;

    set_up(&f, false, F_CTRL | F_CTRL_MAC | F_MTU, 16);
    g_assert_cmphex(vd_config(&f.d, 0, 4), ==, 0xaa005452);
    g_assert_cmpuint(vd_config(&f.d, 10, 2), ==, 1400);
    g_assert_cmpuint(CONTROL(&f, 1, 1, 2, 0, 0, 0, 0, 9), ==, 0);
    g_assert_cmphex(vd_config(&f.d, 0, 4), ==, 2);
    g_assert_cmpuint(CONTROL(&f, 0, 0, 0), ==, 0);
    g_assert_true(hears(&f, next, 0));
    g_assert_false(hears(&f, own, 0));
    vd_set_status(&f.d, 0);
    g_assert_cmphex(vd_config(&f.d, 0, 4), ==, 0xaa005452);
    tear_down(&f);
}

/* -- life ----------------------------------------------------------------------------- */

static void test_link(void)
{
    uint8_t frame[64];
    uint64_t generation;
    Fixture f;

    set_up(&f, false, F_STATUS, 16);
    make_frame(frame, sizeof(frame));
    g_assert_cmpuint(vd_config(&f.d, 6, 2), ==, 1);
    generation = vd_read(&f.d, VD_GENERATION, 1);
    net_set_link(&f.wire, false);
    g_assert_cmpuint(vd_config(&f.d, 6, 2), ==, 0);
    g_assert_cmpuint(vd_read(&f.d, VD_GENERATION, 1), !=, generation);
    g_assert_cmphex(vd_read(&f.d, VD_ISR, 1) & 2, !=, 0);
    /* Without a link the guest's frames are taken, and lost. */
    vd_kick(&f.d, f.tx);
    vd_wait(&f.d, f.tx, (send_pieces(&f, frame, sizeof(frame), 9)));
    g_assert_cmpuint(f.frames, ==, 0);
    tear_down(&f);
}

/* The wire belongs to the main loop: a register write only asks it to go on.
 */
static void test_reset_while_waiting(void)
{
    uint8_t frame[64];
    Fixture f;

    set_up(&f, false, F_STATUS, 16);
    make_frame(frame, sizeof(frame));
    g_assert_false(net_send_buf(&f.wire, frame, sizeof(frame)));
    vd_set_status(&f.d, 0);
    g_assert_cmpuint(f.resumes, ==, 0);
    vd_settle();
    g_assert_cmpuint(f.resumes, ==, 1);
    g_assert_true(net_send_buf(&f.wire, frame, sizeof(frame))); /* lost */
    tear_down(&f);
}

static void test_stop_and_go(void)
{
    uint8_t frame[64];
    unsigned id;
    uint32_t len;
    Fixture f;

    set_up(&f, false, F_STATUS, 16);
    make_frame(frame, sizeof(frame));
    give(&f, 256);
    virtio_set_running(f.d.vdev, false);
    g_assert_false(net_send_buf(&f.wire, frame, sizeof(frame)));
    send_pieces(&f, frame, sizeof(frame), 9);
    kick(&f, f.tx);
    g_assert_cmpuint(f.frames, ==, 0);
    g_assert_false(vd_used(&f.d, f.rx, &id, &len));
    virtio_set_running(f.d.vdev, true);
    vd_settle();
    g_assert_cmpuint(f.resumes, ==, 1);
    g_assert_cmpuint(f.frames, ==, 1);
    g_assert_true(net_send_buf(&f.wire, frame, sizeof(frame)));
    g_assert_true(vd_used(&f.d, f.rx, &id, &len));
    tear_down(&f);
}

/* 2.6.1: one queue begins anew, the other does not notice. */
static void test_queue_reset(void)
{
    uint8_t frame[64];
    unsigned id;
    uint32_t len;
    Fixture f;

    set_up(&f, false, F_RESET, 16);
    make_frame(frame, sizeof(frame));
    g_assert_false(net_send_buf(&f.wire, frame, sizeof(frame)));
    f.full = true;
    send_pieces(&f, frame, sizeof(frame), 9);
    kick(&f, f.tx);
    for (unsigned i = 0; i < 2; i++) {
        vd_write(&f.d, VD_Q_SELECT, i, 2);
        vd_write(&f.d, VD_Q_RESET, 1, 2);
    }
    f.full = false;
    net_resume_peer(&f.wire); /* for a frame that is no more */
    vd_settle();
    g_assert_cmpuint(f.frames, ==, 0);
    f.rx = vd_queue(&f.d, 0, 8);
    f.tx = vd_queue(&f.d, 1, 8);
    give(&f, 256);
    kick(&f, f.rx);
    g_assert_cmpuint(f.resumes, ==, 1);
    g_assert_true(net_send_buf(&f.wire, frame, sizeof(frame)));
    g_assert_true(vd_used(&f.d, f.rx, &id, &len));
    id = send_pieces(&f, frame, sizeof(frame), 9);
    vd_kick(&f.d, f.tx);
    vd_wait(&f.d, f.tx, id);
    g_assert_cmpuint(f.frames, ==, 1);
    tear_down(&f);
}

static void test_refused_properties(void)
{
    static const char *const bad[][2] = {
        { "netdev", "nobody" },
        { "mac", "53:00:00:00:00:01" },
        { "mac", "x" },
        { "rx_queue_size", "100" },
        { "tx_queue_size", "2048" },
        { "host_mtu", "67" },
    };
    VirtDriver d;

    vd_init(&d);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        PCIDevice *dev = pci_new(-1, "virtio-net-pci");
        Error *err = NULL;

        object_property_parse(OBJECT(dev), bad[i][0], bad[i][1], &error_abort);
        g_assert_false(fake_pci_realize(&d.pci, dev, &err));
        g_test_message("%s", error_get_pretty(err));
        error_free(err);
    }
    vd_deinit(&d);
}

/* An address that a user chose is not that of another card as well, and that
 * of a card that is gone is free. */
static void test_default_address(void)
{
    VirtDriver d;

    for (unsigned i = 0; i < 2; i++) {
        vd_init(&d);
        vd_new(&d, "virtio-net-pci", "mac", "52:54:00:12:34:56", NULL);
        d.devfn = PCI_DEVFN(4, 0);
        vd_new(&d, "virtio-net-pci", NULL);
        vd_map(&d, false);
        g_assert_cmphex(vd_config(&d, 0, 4), ==, 0x12005452);
        g_assert_cmphex(vd_config(&d, 4, 2), ==, 0x5734);
        vd_deinit(&d);
    }
}

static void test_boot_index(void)
{
    g_autofree char *path = NULL;
    VirtDriver d;

    vd_init(&d);
    vd_new(&d, "virtio-net-pci", "bootindex", "3", NULL);
    g_assert_cmpint(object_property_get_int(OBJECT(d.proxy), "bootindex",
                                            &error_abort),
                    ==, 3);
    path = DEVICE_GET_CLASS(d.proxy)->fw_path(DEVICE(d.proxy));
    g_assert_cmpstr(path, ==, "/pci@i0cf8/ethernet@3/ethernet-phy@0");
    vd_deinit(&d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    g_test_add_func("/virtio-net/receive", test_receive);
    g_test_add_func("/virtio-net/merge", test_merge);
    g_test_add_func("/virtio-net/too-small", test_too_small);
    g_test_add_func("/virtio-net/bad-receive-buffers",
                    test_bad_receive_buffers);
    g_test_add_func("/virtio-net/send", test_send);
    g_test_add_func("/virtio-net/refused", test_refused);
    g_test_add_func("/virtio-net/bad-frames", test_bad_frames);
    g_test_add_func("/virtio-net/filter", test_filter);
    g_test_add_func("/virtio-net/bad-commands", test_bad_commands);
    g_test_add_func("/virtio-net/address", test_address);
    g_test_add_func("/virtio-net/link", test_link);
    g_test_add_func("/virtio-net/reset-while-waiting",
                    test_reset_while_waiting);
    g_test_add_func("/virtio-net/stop-and-go", test_stop_and_go);
    g_test_add_func("/virtio-net/queue-reset", test_queue_reset);
    g_test_add_func("/virtio-net/refused-properties", test_refused_properties);
    g_test_add_func("/virtio-net/default-address", test_default_address);
    g_test_add_func("/virtio-net/boot-index", test_boot_index);
    return g_test_run();
}
