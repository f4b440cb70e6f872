/*
 * virtio-serial-pci with ports on socket and file chardevs: control messages,
 * data both ways, flow control, ports that come and go; virtio-rng-pci and
 * virtio-balloon-pci.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "chardev/char.h"
#include "hw/types.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-serial.h"
#include "qom/object_interfaces.h"
#include "util/bswap.h"
#include "util/fd.h"
#include "util/main-loop.h"

#include "virtio-driver.h"

#define CONTROL_BYTES 8u
#define MULTIPORT     VIRTIO_FEATURE(1)

typedef struct Fixture {
    VirtDriver d;
    VdQueue *control_in;
    VdQueue *control_out;
    VdQueue *in;
    VdQueue *out;
    DeviceState *port;
    int peer; /* other end of the chardev */
    uint64_t control_buf;
} Fixture;

/* -- control messages -------------------------------------------------------------- */

static void give_control_buffer(Fixture *f)
{
    VdBuf buf = { f->control_buf, 64, true };

    vd_add(&f->d, f->control_in, &buf, 1);
    vd_kick(&f->d, f->control_in);
}

static void tell(Fixture *f, uint32_t nr, uint16_t event, uint16_t value)
{
    uint64_t at = vd_alloc(&f->d, CONTROL_BYTES, 8);
    uint8_t *p = vd_ptr(&f->d, at);
    VdBuf buf = { at, CONTROL_BYTES, false };

    stl_le_p(p, nr);
    stw_le_p(p + 4, event);
    stw_le_p(p + 6, value);
    vd_wait(&f->d, f->control_out,
            (vd_kick(&f->d, f->control_out),
             vd_add(&f->d, f->control_out, &buf, 1)));
}

/* The next message must be this. Returns: what follows it. */
static const char *told(Fixture *f, uint32_t nr, uint16_t event, uint16_t value)
{
    const uint8_t *p = vd_ptr(&f->d, f->control_buf);
    gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
    unsigned id;
    uint32_t len;

    give_control_buffer(f);
    while (!vd_used(&f->d, f->control_in, &id, &len)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        main_loop_wait(0);
    }
    g_assert_cmpuint(len, >=, CONTROL_BYTES);
    g_assert_cmpuint(ldl_le_p(p), ==, nr);
    g_assert_cmpuint(lduw_le_p(p + 4), ==, event);
    g_assert_cmpuint(lduw_le_p(p + 6), ==, value);
    return (const char *)p + CONTROL_BYTES;
}

/* -- fixture --------------------------------------------------------------------------- */

static Chardev *make_chardev(Fixture *f, const char *id)
{
    g_autofree char *spec = NULL;
    int fds[2];

    g_assert_cmpint(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        ==, 0);
    f->peer = fds[1];
    spec = g_strdup_printf("socket,id=%s,fd=%d", id, fds[0]);
    return qemu_chr_new_from_cli(spec, NULL, &error_abort);
}

static DeviceState *add_port(Fixture *f, const char *type, const char *chardev,
                             const char *name)
{
    VirtIOSerial *s = container_of(f->d.vdev, VirtIOSerial, vdev);
    DeviceState *port = qdev_new(type);

    if (chardev) {
        object_property_parse(OBJECT(port), "chardev", chardev, &error_abort);
    }
    if (name) {
        object_property_parse(OBJECT(port), "name", name, &error_abort);
    }
    qdev_realize(port, BUS(s->bus), &error_abort);
    return port;
}

static void remove_port(DeviceState *port)
{
    qdev_unrealize(port);
    object_unref(OBJECT(port));
}

static void set_up(Fixture *f, gconstpointer type)
{
    vd_init(&f->d);
    f->control_buf = vd_alloc(&f->d, 64, 8);
    vd_new(&f->d, "virtio-serial-pci", "max_ports", "4", NULL);
    make_chardev(f, "c0");
    f->port = add_port(f, type, "c0", "org.test.0");
    vd_map(&f->d, false);
    vd_start(&f->d, MULTIPORT);
    f->control_in = vd_queue(&f->d, 2, 0);
    f->control_out = vd_queue(&f->d, 3, 0);
    f->in = vd_queue(&f->d, g_str_equal(type, "virtconsole") ? 0 : 4, 0);
    f->out = vd_queue(&f->d, f->in->index + 1, 0);
    vd_go(&f->d);
}

static void tear_down(Fixture *f, gconstpointer type)
{
    if (f->port) {
        remove_port(f->port);
    }
    vd_deinit(&f->d);
    fd_close(f->peer);
    qemu_chr_cleanup();
}

/* Until the guest's program has the port open. */
static void open_port(Fixture *f)
{
    tell(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    told(f, 1, VIRTIO_CONSOLE_DEVICE_ADD, 1);
    tell(f, 1, VIRTIO_CONSOLE_PORT_READY, 1);
    g_assert_cmpstr(told(f, 1, VIRTIO_CONSOLE_PORT_NAME, 1), ==, "org.test.0");
    told(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
    tell(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 1);
}

static void expect_peer(Fixture *f, const char *text)
{
    gint64 end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND;
    char buf[64];
    size_t have = 0;

    while (have < strlen(text)) {
        ssize_t n = read(f->peer, buf + have, sizeof(buf) - have);

        have += n > 0 ? (size_t)n : 0;
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        main_loop_wait(1);
    }
    g_assert_cmpuint(have, ==, strlen(text));
    g_assert_cmpint(memcmp(buf, text, have), ==, 0);
}

static void send_text(Fixture *f, const char *text)
{
    uint64_t at = vd_alloc(&f->d, strlen(text), 1);
    VdBuf buf = { at, (uint32_t)strlen(text), false };

    memcpy(vd_ptr(&f->d, at), text, strlen(text));
    vd_wait(&f->d, f->out,
            (vd_kick(&f->d, f->out), vd_add(&f->d, f->out, &buf, 1)));
}

/* -- tests -------------------------------------------------------------------------------- */

static void test_port(Fixture *f, gconstpointer type)
{
    uint64_t at = vd_alloc(&f->d, 16, 1);
    VdBuf bufs[] = { { at, 3, true }, { at + 3, 4, true } };
    unsigned id;

    g_assert_cmpuint(vd_config(&f->d, 4, 4), ==, 4);
    open_port(f);
    send_text(f, "hello");
    expect_peer(f, "hello");
    /* Input waits for buffers. */
    g_assert_cmpint(write(f->peer, "abcdefghij", 10), ==, 10);
    vd_settle();
    id = vd_add(&f->d, f->in, bufs, 2);
    vd_kick(&f->d, f->in);
    g_assert_cmpuint(vd_wait(&f->d, f->in, id), ==, 7);
    g_assert_cmpint(memcmp(vd_ptr(&f->d, at), "abcdefg", 7), ==, 0);
    id = vd_add(&f->d, f->in, bufs, 2);
    vd_kick(&f->d, f->in);
    g_assert_cmpuint(vd_wait(&f->d, f->in, id), ==, 3);
    g_assert_cmpint(memcmp(vd_ptr(&f->d, at), "hij", 3), ==, 0);
}

static void test_console(Fixture *f, gconstpointer type)
{
    tell(f, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
    told(f, 0, VIRTIO_CONSOLE_DEVICE_ADD, 1);
    tell(f, 0, VIRTIO_CONSOLE_PORT_READY, 1);
    told(f, 0, VIRTIO_CONSOLE_CONSOLE_PORT, 1);
    told(f, 0, VIRTIO_CONSOLE_PORT_NAME, 1);
    told(f, 0, VIRTIO_CONSOLE_PORT_OPEN, 1);
    send_text(f, "login:");
    expect_peer(f, "login:");
    /* The register that works without queues. */
    vd_write(&f->d, VD_DEVICE + 8, '!', 4);
    expect_peer(f, "!");
}

/* What the peer does not take stays with the guest, and nothing is lost. */
static void test_flow_control(Fixture *f, gconstpointer type)
{
    uint32_t len = 1u << 20;
    uint64_t at = vd_alloc(&f->d, len, 1);
    uint8_t *p = vd_ptr(&f->d, at);
    VdBuf buf = { at, len, false };
    g_autofree uint8_t *got = g_malloc(len);
    gint64 end = g_get_monotonic_time() + 20 * G_TIME_SPAN_SECOND;
    size_t have = 0;
    unsigned id, done;
    uint32_t used;

    open_port(f);
    for (uint32_t i = 0; i < len; i++) {
        p[i] = (uint8_t)(i * 31 >> 3);
    }
    id = vd_add(&f->d, f->out, &buf, 1);
    vd_kick(&f->d, f->out);
    vd_settle();
    g_assert_false(vd_used(&f->d, f->out, &done, &used));
    while (have < len) {
        ssize_t n = read(f->peer, got + have, len - have);

        have += n > 0 ? (size_t)n : 0;
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        main_loop_wait(1);
    }
    g_assert_cmpint(memcmp(got, p, len), ==, 0);
    vd_wait(&f->d, f->out, id);
}

/* A reset while output waits: it is forgotten, the next driver works. */
static void test_reset_with_output(Fixture *f, gconstpointer type)
{
    VdBuf buf = { vd_alloc(&f->d, 1u << 20, 1), 1u << 20, false };
    char sink[4096];

    open_port(f);
    vd_add(&f->d, f->out, &buf, 1);
    vd_kick(&f->d, f->out);
    vd_settle();
    vd_set_status(&f->d, 0);
    while (read(f->peer, sink, sizeof(sink)) > 0) {
        vd_settle();
    }
    vd_start(&f->d, MULTIPORT);
    f->control_in = vd_queue(&f->d, 2, 0);
    f->control_out = vd_queue(&f->d, 3, 0);
    f->out = vd_queue(&f->d, 5, 0);
    vd_go(&f->d);
    open_port(f);
    send_text(f, "again");
    expect_peer(f, "again");
}

static void test_hotplug(Fixture *f, gconstpointer type)
{
    DeviceState *other;

    open_port(f);
    other = add_port(f, "virtserialport", NULL, "org.test.1");
    told(f, 2, VIRTIO_CONSOLE_DEVICE_ADD, 1);
    tell(f, 2, VIRTIO_CONSOLE_PORT_READY, 1);
    g_assert_cmpstr(told(f, 2, VIRTIO_CONSOLE_PORT_NAME, 1), ==, "org.test.1");
    remove_port(other);
    told(f, 2, VIRTIO_CONSOLE_DEVICE_REMOVE, 1);
    /* Messages about what is not there are ignored. */
    tell(f, 2, VIRTIO_CONSOLE_PORT_OPEN, 1);
    tell(f, 0xffffffff, VIRTIO_CONSOLE_PORT_READY, 1);
    tell(f, 1, 0xffff, 1);
    g_assert_false(f->d.vdev->broken);
    /* The peer goes. */
    f->peer = fd_close(f->peer);
    told(f, 1, VIRTIO_CONSOLE_PORT_OPEN, 0);
}

static void refuse_port(Fixture *f, const char *prop, const char *value,
                        const char *expect)
{
    VirtIOSerial *s = container_of(f->d.vdev, VirtIOSerial, vdev);
    DeviceState *port = qdev_new("virtserialport");
    Error *err = NULL;

    object_property_parse(OBJECT(port), prop, value, &error_abort);
    g_assert_false(qdev_realize(port, BUS(s->bus), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), expect));
    error_free(err);
    object_unref(OBJECT(port));
}

static void test_port_numbers(Fixture *f, gconstpointer type)
{
    DeviceState *two = add_port(f, "virtserialport", NULL, NULL);
    DeviceState *three = add_port(f, "virtconsole", NULL, NULL);
    DeviceState *four = add_port(f, "virtserialport", NULL, NULL);

    g_assert_cmpuint(VIRTIO_SERIAL_PORT(f->port)->nr, ==, 1);
    g_assert_cmpuint(VIRTIO_SERIAL_PORT(two)->nr, ==, 2);
    g_assert_cmpuint(VIRTIO_SERIAL_PORT(three)->nr, ==, 0);
    g_assert_cmpuint(VIRTIO_SERIAL_PORT(four)->nr, ==, 3);
    refuse_port(f, "nr", "4", "max. allowed: 3");
    refuse_port(f, "nr", "0", "reserved for virtconsole");
    refuse_port(f, "nr", "2", "already exists at id 2");
    refuse_port(f, "name", "org.test.0", "already exists by name");
    refuse_port(f, "name", "x", "Maximum port limit");
    remove_port(two);
    remove_port(three);
    remove_port(four);
}

/* -- rng ------------------------------------------------------------------------------------ */

static void test_rng(gconstpointer source)
{
    VirtDriver d;
    VdQueue *q;
    VdBuf buf;
    uint8_t *p;
    unsigned id, set = 0;

    vd_init(&d);
    if (source) {
        user_creatable_add_from_str(source, &error_abort);
        vd_new(&d, "virtio-rng-pci", "rng", "rng0", NULL);
    } else {
        vd_new(&d, "virtio-rng-pci", NULL);
    }
    vd_map(&d, false);
    vd_start(&d, UINT64_MAX);
    q = vd_queue(&d, 0, 0);
    vd_go(&d);
    buf = (VdBuf){ vd_alloc(&d, 4096, 8), 4096, true };
    p = vd_ptr(&d, buf.addr);
    id = vd_add(&d, q, &buf, 1);
    vd_kick(&d, q);
    g_assert_cmpuint(vd_wait(&d, q, id), ==, 4096);
    for (int i = 0; i < 4096; i++) {
        set += (unsigned)__builtin_popcount(p[i]);
    }
    g_assert_cmpuint(set, >, 4096 * 8 / 2 - 1500);
    g_assert_cmpuint(set, <, 4096 * 8 / 2 + 1500);
    vd_deinit(&d);
    user_creatable_cleanup();
}

/* No more than max-bytes in a period. */
static void test_rng_quota(void)
{
    VirtDriver d;
    VdQueue *q;
    VdBuf buf;
    unsigned id;
    uint32_t len;
    gint64 start;

    vd_init(&d);
    vd_new(&d, "virtio-rng-pci", "max-bytes", "16", "period", "300", NULL);
    cpu_enable_ticks();
    vd_map(&d, false);
    vd_start(&d, 0);
    q = vd_queue(&d, 0, 0);
    vd_go(&d);
    buf = (VdBuf){ vd_alloc(&d, 64, 8), 64, true };
    start = g_get_monotonic_time();
    id = vd_add(&d, q, &buf, 1);
    vd_kick(&d, q);
    g_assert_cmpuint(vd_wait(&d, q, id), ==, 16);
    id = vd_add(&d, q, &buf, 1);
    vd_kick(&d, q);
    vd_settle();
    g_assert_false(vd_used(&d, q, &id, &len));
    g_assert_cmpuint(vd_wait(&d, q, id), ==, 16);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 290 * 1000);
    cpu_disable_ticks();
    vd_deinit(&d);
}

/* The daemon's protocol: 0x02, length; at most 255 at once. */
static void test_rng_egd(void)
{
    Fixture f = { 0 };
    VdQueue *q;
    VdBuf buf;
    uint8_t requests[4];
    uint8_t bytes[300];
    unsigned id;

    vd_init(&f.d);
    make_chardev(&f, "egd");
    user_creatable_add_from_str("rng-egd,id=rng0,chardev=egd", &error_abort);
    vd_new(&f.d, "virtio-rng-pci", "rng", "rng0", NULL);
    vd_map(&f.d, false);
    vd_start(&f.d, 0);
    q = vd_queue(&f.d, 0, 0);
    vd_go(&f.d);
    buf = (VdBuf){ vd_alloc(&f.d, 300, 8), 300, true };
    id = vd_add(&f.d, q, &buf, 1);
    vd_kick(&f.d, q);
    vd_settle();
    g_assert_cmpint(read(f.peer, requests, 4), ==, 4);
    g_assert_cmpint(memcmp(requests, "\x02\xff\x02\x2d", 4), ==, 0);
    for (int i = 0; i < 300; i++) {
        bytes[i] = (uint8_t)(i * 3);
    }
    g_assert_cmpint(write(f.peer, bytes, 100), ==, 100);
    vd_settle();
    g_assert_cmpint(write(f.peer, bytes + 100, 200), ==, 200);
    g_assert_cmpuint(vd_wait(&f.d, q, id), ==, 300);
    g_assert_cmpint(memcmp(vd_ptr(&f.d, buf.addr), bytes, 300), ==, 0);
    vd_deinit(&f.d);
    user_creatable_cleanup();
    fd_close(f.peer);
    qemu_chr_cleanup();
}

/* -- balloon ---------------------------------------------------------------------------------- */

typedef struct BalloonFixture {
    VirtDriver d;
    VirtIOBalloon *b;
    VdQueue *q[4];
} BalloonFixture;

static void balloon_set_up(BalloonFixture *f, gconstpointer data)
{
    vd_init(&f->d);
    vd_new(&f->d, "virtio-balloon-pci", "free-page-reporting", "on", NULL);
    f->b = container_of(f->d.vdev, VirtIOBalloon, vdev);
    vd_map(&f->d, false);
    vd_start(&f->d, UINT64_MAX & ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED));
    for (unsigned i = 0; i < 4; i++) {
        f->q[i] = vd_queue(&f->d, i, 0);
    }
    vd_go(&f->d);
}

static void balloon_tear_down(BalloonFixture *f, gconstpointer data)
{
    vd_deinit(&f->d);
}

static void balloon_pages(BalloonFixture *f, VdQueue *q, const uint32_t *pfns,
                          unsigned n)
{
    uint64_t at = vd_alloc(&f->d, n * 4, 4);
    VdBuf buf = { at, n * 4, false };

    for (unsigned i = 0; i < n; i++) {
        stl_le_p((uint8_t *)vd_ptr(&f->d, at) + 4 * i, pfns[i]);
    }
    vd_wait(&f->d, q, (vd_kick(&f->d, q), vd_add(&f->d, q, &buf, 1)));
}

static void test_balloon(BalloonFixture *f, gconstpointer data)
{
    static const uint32_t pfns[] = { 0x200,      0x201, 0x203, 0xffffffff,
                                     0x80000000, 0x3ff, 0x400 };

    memset(f->d.ram + 0x200000, 0x99, 0x200000);
    balloon_pages(f, f->q[0], pfns, G_N_ELEMENTS(pfns));
    g_assert_cmpint(f->d.ram[0x200000], ==, 0);
    g_assert_cmpint(f->d.ram[0x201fff], ==, 0);
    g_assert_cmpint(f->d.ram[0x202000], ==, 0x99);
    g_assert_cmpint(f->d.ram[0x203fff], ==, 0);
    g_assert_cmpint(f->d.ram[0x3ff000], ==, 0);
    balloon_pages(f, f->q[1], pfns, 2);
    vd_write(&f->d, VD_DEVICE + 4, 5, 4);
    g_assert_cmpuint(f->b->actual, ==, 5);
    g_assert_cmpuint(vd_config(&f->d, 4, 4), ==, 5);
    vd_set_status(&f->d, 0);
    g_assert_cmpuint(f->b->actual, ==, 0);
    g_assert_false(f->d.vdev->broken);
}

/* A request as long as memory, of page numbers over and over, costs what a
 * long one costs: what is beyond the limit is not looked at. */
static void test_balloon_long(BalloonFixture *f, gconstpointer data)
{
    VdBuf buf = { 0x200000, 0x100000, false };
    uint8_t *p = vd_ptr(&f->d, buf.addr);

    memset(p, 0xff, buf.len);
    memset(f->d.ram + 0x3f0000, 0x99, 0x3000);
    stl_le_p(p, 0x3f0);
    stl_le_p(p + 4 * (BALLOON_REQUEST_PAGES_MAX - 1), 0x3f1);
    stl_le_p(p + 4 * BALLOON_REQUEST_PAGES_MAX, 0x3f2);
    vd_wait(&f->d, f->q[0],
            (vd_kick(&f->d, f->q[0]), vd_add(&f->d, f->q[0], &buf, 1)));
    g_assert_cmphex(f->d.ram[0x3f0000], ==, 0);
    g_assert_cmphex(f->d.ram[0x3f1000], ==, 0);
    g_assert_cmphex(f->d.ram[0x3f2000], ==, 0x99);
    g_assert_false(f->d.vdev->broken);
}

static void test_reporting(BalloonFixture *f, gconstpointer data)
{
    VdBuf bufs[] = { { 0x200000, 0x2000, true }, { 0x205000, 0x1000, true } };

    memset(f->d.ram + 0x200000, 0x99, 0x10000);
    vd_wait(&f->d, f->q[3],
            (vd_kick(&f->d, f->q[3]), vd_add(&f->d, f->q[3], bufs, 2)));
    g_assert_cmpint(f->d.ram[0x201fff], ==, 0);
    g_assert_cmpint(f->d.ram[0x202000], ==, 0x99);
    g_assert_cmpint(f->d.ram[0x205000], ==, 0);
}

static void test_stats(BalloonFixture *f, gconstpointer data)
{
    uint64_t at = vd_alloc(&f->d, 30, 1);
    uint8_t *p = vd_ptr(&f->d, at);
    VdBuf buf = { at, 30, false };
    unsigned id;
    uint32_t len;

    stw_le_p(p, 4); /* free memory */
    stq_le_p(p + 2, 123456);
    stw_le_p(p + 10, 0xffff); /* nobody knows this one */
    stw_le_p(p + 20, 5);      /* total */
    stq_le_p(p + 22, 999999);
    vd_add(&f->d, f->q[2], &buf, 1);
    vd_kick(&f->d, f->q[2]);
    vd_settle();
    g_assert_cmpuint(f->b->stat[4], ==, 123456);
    g_assert_cmpuint(f->b->stat[5], ==, 999999);
    g_assert_cmpuint(f->b->stat[0], ==, UINT64_MAX);
    /* The device keeps it until it wants newer numbers. */
    g_assert_false(vd_used(&f->d, f->q[2], &id, &len));
    cpu_enable_ticks();
    object_property_parse(OBJECT(f->d.proxy), "guest-stats-polling-interval",
                          "1", &error_abort);
    vd_wait(&f->d, f->q[2], 0);
    cpu_disable_ticks();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    qemu_init_main_loop(&error_abort);
    cpu_disable_ticks();
#define T(name, func, type)                                                    \
    g_test_add("/virtio-serial/" name, Fixture, type, set_up, func, tear_down)
    T("port", test_port, "virtserialport");
    T("console", test_console, "virtconsole");
    T("flow-control", test_flow_control, "virtserialport");
    T("reset-with-output", test_reset_with_output, "virtserialport");
    T("hotplug", test_hotplug, "virtserialport");
    T("port-numbers", test_port_numbers, "virtserialport");
    g_test_add_data_func("/virtio-rng/own", NULL, test_rng);
    g_test_add_data_func("/virtio-rng/builtin", "rng-builtin,id=rng0",
                         test_rng);
    g_test_add_data_func("/virtio-rng/random", "rng-random,id=rng0", test_rng);
    g_test_add_func("/virtio-rng/quota", test_rng_quota);
    g_test_add_func("/virtio-rng/egd", test_rng_egd);
#define B(name, func)                                                          \
    g_test_add("/virtio-balloon/" name, BalloonFixture, NULL, balloon_set_up,  \
               func, balloon_tear_down)
    B("pages", test_balloon);
    B("long", test_balloon_long);
    B("reporting", test_reporting);
    B("stats", test_stats);
    return g_test_run();
}
