/*
 * The wire between a card and a backend, -netdev's texts, and user networking
 * as a guest meets it first: by DHCP.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "net/net.h"
#include "net/types.h"
#include "qapi/json.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/main-loop.h"

/* One end that counts, and refuses when told to. */
typedef struct End {
    NetClient nc;
    bool full;
    unsigned frames;
    unsigned resumes;
    unsigned links;
    uint8_t last[NET_FRAME_MAX];
    size_t last_len;
} End;

static bool end_receive(NetClient *nc, const struct iovec *iov, unsigned n)
{
    End *e = nc->opaque;

    if (e->full) {
        return false;
    }
    e->frames++;
    e->last_len = iov_to_buf(iov, n, 0, e->last, sizeof(e->last));
    return true;
}

static void end_resume(NetClient *nc)
{
    ((End *)nc->opaque)->resumes++;
}

static void end_link(NetClient *nc)
{
    ((End *)nc->opaque)->links++;
}

static const NetClientOps end_ops = { .receive = end_receive,
                                      .resume = end_resume,
                                      .link_changed = end_link };

static End *end_new(const char *name)
{
    End *e = g_new0(End, 1);

    net_client_init(&e->nc, &end_ops, e, name);
    return e;
}

static void end_free(End *e)
{
    net_client_deinit(&e->nc);
    g_free(e);
}

static void test_wire(void)
{
    End *a = end_new("a"), *b = end_new("b");
    uint8_t frame[60] = { 1, 2, 3 };

    g_assert_true(net_send_buf(&a->nc, frame, sizeof(frame))); /* no peer */
    g_assert_cmpuint(a->nc.frames_dropped, ==, 1);
    net_connect(&a->nc, &b->nc);
    g_assert_true(net_link_is_up(&a->nc));
    g_assert_true(net_send_buf(&a->nc, frame, sizeof(frame)));
    g_assert_cmpuint(b->frames, ==, 1);
    g_assert_cmpmem(b->last, b->last_len, frame, sizeof(frame));
    g_assert_cmpuint(a->nc.bytes_sent, ==, sizeof(frame));

    b->full = true;
    g_assert_false(net_send_buf(&a->nc, frame, sizeof(frame)));
    net_resume_peer(&b->nc);
    net_resume_peer(&b->nc); /* nobody waits any more */
    g_assert_cmpuint(a->resumes, ==, 1);
    b->full = false;

    /* too short, too long */
    g_assert_true(net_send_buf(&a->nc, frame, NET_FRAME_MIN - 1));
    g_assert_true(net_send_buf(&a->nc, b->last, NET_FRAME_MAX + 1));
    g_assert_cmpuint(b->frames, ==, 1);

    net_set_link(&b->nc, false);
    g_assert_false(net_link_is_up(&a->nc));
    g_assert_true(net_send_buf(&a->nc, frame, sizeof(frame)));
    g_assert_cmpuint(b->frames, ==, 1);
    net_set_link(&b->nc, true);
    g_assert_cmpuint(a->links, ==, 3);

    /* Whoever waits is let go when the other end disappears. */
    b->full = true;
    g_assert_false(net_send_buf(&a->nc, frame, sizeof(frame)));
    end_free(b);
    g_assert_cmpuint(a->resumes, ==, 2);
    g_assert_null(a->nc.peer);
    end_free(a);
}

static void test_addresses(void)
{
    static const char *const bad[] = { "",
                                       "52:54:00:12:34",
                                       "x",
                                       "52:54:00:12:34:567",
                                       "53:54:00:12:34:56",
                                       "52:54:00:12:34:5g" };
    uint8_t a[NET_ADDRESS_SIZE], b[NET_ADDRESS_SIZE];

    g_assert_true(net_parse_address("02:00:ff:12:34:56", a, &error_abort));
    g_assert_cmphex(a[2], ==, 0xff);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_assert_false(net_parse_address(bad[i], a, &err));
        error_free(err);
    }
    net_default_address(a);
    net_default_address(b);
    g_assert_cmphex(a[0], ==, 0x52);
    g_assert_cmphex(a[5], ==, 0x56);
    g_assert_cmphex(b[5], ==, 0x57);
    net_address_release(a);
    net_address_release(b);
    /* What the user has given away is not given again. */
    net_address_take(a);
    net_address_take(a);
    net_address_release(a);
    net_default_address(b);
    g_assert_cmphex(b[5], ==, 0x57);
    net_address_release(a);
    net_default_address(a);
    g_assert_cmphex(a[5], ==, 0x56);
    for (unsigned i = 2; i < 256; i++) {
        net_default_address(a);
    }
    g_assert_cmphex(a[5], ==, 0x55);
    net_address_release(b);
    net_default_address(a);
    g_assert_cmphex(a[5], ==, 0x57);
}

static void test_parse(void)
{
    g_autoptr(json_t) got = netdev_parse(
        "user,id=n,hostfwd=tcp::1-:2,net=10.1.0.0/24,hostfwd=udp:127.0.0.1:3-"
        ":4,hostname=a,,b",
        &error_abort);
    g_autoptr(json_t) want =
        json_pack("{s:s,s:s,s:s,s:s,s:[ss]}", "type", "user", "id", "n", "net",
                  "10.1.0.0/24", "hostname", "a,b", "hostfwd", "tcp::1-:2",
                  "udp:127.0.0.1:3-:4");

    g_assert_true(json_equal(got, want));
}

static void test_refused(void)
{
    static const char *const bad[] = {
        "user",
        "user,id=1x",
        "nothing,id=n",
        "id=n",
        "user,id=n,net=10.0.2.0/2",
        "user,id=n,net=ten",
        "user,id=n,dns=1.2.3.4",
        "user,id=n,host=10.0.2.3",
        "user,id=n,ipv4=off,ipv6=off",
        "user,id=n,hostfwd=nonsense",
        "user,id=n,hostfwd=sctp::1-:2",
        "user,id=n,hostfwd=tcp::99999-:2",
        "user,id=n,hostfwd=tcp:300.0.0.1:1-:2",
        "user,id=n,hostfwd=tcp::1-:0",
        "user,id=n,colour=red",
        "user,id=n,ipv6-prefix=zz",
        "tap,id=n,fd=x",
        "tap,id=n,fd=0",
        "tap,id=n,fd=0,ifname=t0",
        "tap,id=n,ifname=aninterfacenamethatistoolong",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;

        g_test_message("%s", bad[i]);
        g_assert_null(netdev_add_str(bad[i], &err));
        g_assert_nonnull(err);
        g_test_message("  -> %s", error_get_pretty(err));
        error_free(err);
        g_assert_null(netdev_find("n"));
    }
}

static void test_add_del(void)
{
    End *card = end_new("card");
    Error *err = NULL;
    Netdev *n = netdev_add_str("user,id=n,restrict=on", &error_abort);

    g_assert_true(netdev_find("n") == n);
    g_assert_null(netdev_add_str("user,id=n", &err));
    error_free(err);
    err = NULL;
    net_connect(&card->nc, &n->nc);
    g_assert_false(netdev_del("n", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "card"));
    error_free(err);
    err = NULL;
    net_disconnect(&card->nc);
    g_assert_true(netdev_del("n", &error_abort));
    g_assert_false(netdev_del("n", &err));
    error_free(err);
    end_free(card);
}

/* -- DHCP (RFC 2131) over UDP, IPv4 and Ethernet ----------------------------------- */

static uint16_t ip_checksum(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i += 2) {
        sum += lduw_be_p(p + i);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

static size_t make_discover(uint8_t *f)
{
    static const uint8_t mac[] = { 0x52, 0x54, 0, 1, 2, 3 };
    static const uint8_t options[] = { 0x63, 0x82, 0x53, 0x63, /* cookie */
                                       53,   1,    1,          /* discover */
                                       255 };
    const size_t dhcp = 14 + 20 + 8, total = dhcp + 300;

    memset(f, 0, total);
    memset(f, 0xff, 6);
    memcpy(f + 6, mac, 6);
    stw_be_p(f + 12, 0x0800);
    f[14] = 0x45;
    stw_be_p(f + 16, (uint16_t)(total - 14));
    f[22] = 64;
    f[23] = 17; /* UDP */
    memset(f + 30, 0xff, 4);
    stw_be_p(f + 24, ip_checksum(f + 14, 20));
    stw_be_p(f + 34, 68);
    stw_be_p(f + 36, 67);
    stw_be_p(f + 38, (uint16_t)(total - 34));
    f[dhcp] = 1; /* request */
    f[dhcp + 1] = 1;
    f[dhcp + 2] = 6;
    stl_be_p(f + dhcp + 4, 0x12345678);
    memcpy(f + dhcp + 28, mac, 6);
    memcpy(f + dhcp + 236, options, sizeof(options));
    return total;
}

static void test_dhcp(void)
{
    End *card = end_new("card");
    Netdev *n = netdev_add_str("user,id=n,net=10.7.0.0/24", &error_abort);
    uint8_t frame[512];
    size_t len = make_discover(frame), half = 100;
    struct iovec two[] = { { frame, half }, { frame + half, len - half } };
    const size_t dhcp = 14 + 20 + 8;

    net_connect(&card->nc, &n->nc);
    /* In pieces as a ring has them, and in one. */
    g_assert_true(net_send(&card->nc, two, 2));
    g_assert_true(net_send_buf(&card->nc, frame, len));
    for (int i = 0; i < 100 && card->frames < 2; i++) {
        main_loop_wait(true);
    }
    g_assert_cmpuint(card->frames, ==, 2);
    g_assert_cmpuint(card->last_len, >, dhcp + 240);
    g_assert_cmphex(ldl_be_p(card->last + dhcp + 4), ==, 0x12345678);
    g_assert_cmphex(ldl_be_p(card->last + dhcp + 16), ==, 0x0a07000f);
    g_assert_cmphex(ldl_be_p(card->last + 26), ==, 0x0a070002);
    end_free(card);
    netdev_cleanup();
    g_assert_null(netdev_find("n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    net_register_types();
    g_test_add_func("/net/wire", test_wire);
    g_test_add_func("/net/addresses", test_addresses);
    g_test_add_func("/net/parse", test_parse);
    if (CONFIG_SLIRP) {
        g_test_add_func("/net/refused", test_refused);
        g_test_add_func("/net/add-del", test_add_del);
        g_test_add_func("/net/dhcp", test_dhcp);
    }
    return g_test_run();
}
