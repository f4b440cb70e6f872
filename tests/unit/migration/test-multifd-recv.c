/*
 * The destination's side of multifd: who is let in, packets that do not mean
 * well, ends and cuts.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/atomic.h"

#include "multifd-link.h"

/* -- who comes ----------------------------------------------------------------- */

static void hello_write(MultiFDLink *l, unsigned pair, uint8_t id,
                        const char *uuid)
{
    MultiFDHello h = { .id = id };
    uint8_t buf[MULTIFD_HELLO_SIZE];

    memcpy(h.uuid, uuid, 16);
    multifd_hello_encode(&h, buf);
    qio_channel_write_all(l->pair[pair]->a, (char *)buf, sizeof(buf),
                          &error_abort);
}

static void test_hello(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 4);
    MultiFDRecvConfig rc = multifd_link_recv_config(l);
    Error *err = NULL;

    rc.channels = 2;
    l->recv = multifd_recv_new(&rc, &error_abort);
    hello_write(l, 0, 1, "0123456789abcdX");
    g_assert_false(multifd_link_accept(l, 0, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "multifd channel 1 is of a guest with another UUID");
    error_free_or_abort(&err);
    hello_write(l, 0, 2, "0123456789abcde");
    g_assert_false(multifd_link_accept(l, 0, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "multifd channel 2: only 2 are expected");
    error_free_or_abort(&err);
    hello_write(l, 1, 1, "0123456789abcde");
    multifd_link_accept(l, 1, &error_abort);
    hello_write(l, 2, 1, "0123456789abcde");
    g_assert_false(multifd_link_accept(l, 2, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "multifd channel 1 came twice");
    error_free_or_abort(&err);
    g_assert_false(multifd_recv_has_all(l->recv));
    hello_write(l, 3, 0, "0123456789abcde");
    multifd_link_accept(l, 3, &error_abort);
    g_assert_true(multifd_recv_has_all(l->recv));
    g_assert_cmpuint(l->recv_errors, ==, 0);
    multifd_recv_cancel(l->recv, NULL);
    g_assert_false(multifd_recv_sync(l->recv, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "migration was cancelled");
    error_free_or_abort(&err);
}

/* -- hostile packets ----------------------------------------------------------- */

typedef struct Hostile {
    const char *name;
    const char *block;
    uint32_t normal, zero;
    uint64_t offset;
    const char *error; /* after "multifd channel 0: " */
} Hostile;

static const Hostile hostile[] = {
    { "block", "pc.ram", 1, 0, 0, "unknown RAM block 'pc.ram'" },
    { "offset", "block.1", 1, 0, MULTIFD_LINK_PAGES *RAM_PAGE_SIZE,
      "page 0x2bc000 is not in RAM block 'block.1' of 0x2bc000 bytes" },
    { "zero-offset", "block.1", 0, 1, MULTIFD_LINK_PAGES *RAM_PAGE_SIZE,
      "page 0x2bc000 is not in RAM block 'block.1' of 0x2bc000 bytes" },
    { "wrap", "block.1", 0, 1, UINT64_MAX - RAM_PAGE_SIZE + 1,
      "page 0xfffffffffffff000 is not in RAM block 'block.1' of 0x2bc000 "
      "bytes" },
};

static void packet_write(MultiFDLink *l, const MultiFDPacket *p)
{
    uint8_t buf[MULTIFD_HEADER_SIZE];

    multifd_packet_encode(p, buf);
    qio_channel_write_all(l->pair[0]->a, (char *)buf, sizeof(buf),
                          &error_abort);
}

/* A destination with one channel whose source is the test. */
static void hostile_start(MultiFDLink *l, bool sync)
{
    MultiFDRecvConfig rc = multifd_link_recv_config(l);
    g_autofree MultiFDPacket *p = g_new0(MultiFDPacket, 1);

    l->recv = multifd_recv_new(&rc, &error_abort);
    hello_write(l, 0, 0, "0123456789abcde");
    multifd_link_accept(l, 0, &error_abort);
    if (sync) {
        p->sync = true;
        packet_write(l, p);
        multifd_recv_sync(l->recv, &error_abort);
    }
}

/* on_error is called, and once; that may be after the sync has returned. */
static void wait_recv_error(MultiFDLink *l)
{
    while (qatomic_read(&l->recv_errors) == 0) {
        g_usleep(100);
    }
    g_assert_false(multifd_recv_finish(l->recv, NULL));
    g_assert_cmpuint(qatomic_read(&l->recv_errors), ==, 1);
}

static void expect_error(MultiFDLink *l, const char *text)
{
    g_autofree char *want = g_strdup_printf("multifd channel 0: %s", text);
    Error *err = NULL;

    g_assert_false(multifd_recv_sync(l->recv, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, want);
    error_free_or_abort(&err);
    wait_recv_error(l);
}

static void test_hostile(const void *data)
{
    const Hostile *h = data;
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    g_autofree MultiFDPacket *p = g_new0(MultiFDPacket, 1);

    hostile_start(l, true);
    p->normal = h->normal;
    p->zero = h->zero;
    p->offset[0] = h->offset;
    g_strlcpy(p->block, h->block, sizeof(p->block));
    packet_write(l, p);
    expect_error(l, h->error);
}

static void test_early(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    g_autofree MultiFDPacket *p = g_new0(MultiFDPacket, 1);

    hostile_start(l, false);
    p->zero = 1;
    g_strlcpy(p->block, "block.0", sizeof(p->block));
    packet_write(l, p);
    expect_error(l, "pages of 'block.0' came before the list of RAM blocks");
}

static void test_quiet(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    g_autofree MultiFDPacket *p = g_new0(MultiFDPacket, 1);

    hostile_start(l, true);
    multifd_recv_quiet(l->recv);
    p->zero = 1;
    g_strlcpy(p->block, "block.0", sizeof(p->block));
    packet_write(l, p);
    expect_error(l, "pages of 'block.0' came after the pre-copy phase");
}

static void test_garbage(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    char rubbish[MULTIFD_HEADER_SIZE];

    memset(rubbish, 'r', sizeof(rubbish));
    hostile_start(l, true);
    qio_channel_write_all(l->pair[0]->a, rubbish, sizeof(rubbish),
                          &error_abort);
    expect_error(l, "magic is 0x72727272, not 0x11223344");
}

/* The end between packets is fine, until another SYNC is due. */
static void test_end(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    Error *err = NULL;

    hostile_start(l, true);
    qio_channel_shutdown(l->pair[0]->a, QIO_CHANNEL_SHUTDOWN_BOTH,
                         &error_abort);
    g_usleep(20000);
    g_assert_cmpuint(qatomic_read(&l->recv_errors), ==, 0);
    g_assert_false(multifd_recv_sync(l->recv, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "multifd channel 0: source ended the connection");
    error_free_or_abort(&err);
    multifd_recv_finish(l->recv, &error_abort);
}

/* A cut within the data. */
static void test_cut(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    g_autofree MultiFDPacket *p = g_new0(MultiFDPacket, 1);
    Error *err = NULL;

    hostile_start(l, true);
    p->normal = 2;
    p->offset[1] = RAM_PAGE_SIZE;
    g_strlcpy(p->block, "block.0", sizeof(p->block));
    packet_write(l, p);
    qio_channel_write_all(l->pair[0]->a, "some", 4, &error_abort);
    qio_channel_shutdown(l->pair[0]->a, QIO_CHANNEL_SHUTDOWN_BOTH,
                         &error_abort);
    g_assert_false(multifd_recv_sync(l->recv, &err));
    error_free_or_abort(&err);
    wait_recv_error(l);
}

static bool main_has_ended(void *opaque)
{
    return true;
}

/* Nobody is there any more from whom channels could come. */
static void test_main_ended(void)
{
    g_autoptr(MultiFDLink) l = multifd_link_new("unix", 1);
    MultiFDRecvConfig rc = multifd_link_recv_config(l);
    int64_t begin = g_get_monotonic_time();
    Error *err = NULL;

    rc.main_ended = main_has_ended;
    l->recv = multifd_recv_new(&rc, &error_abort);
    g_assert_false(multifd_recv_sync(l->recv, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "only 0 of 1 multifd channels came before the source went");
    error_free_or_abort(&err);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 10 * G_USEC_PER_SEC);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/multifd-recv/hello", test_hello);
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *path =
            g_strdup_printf("/multifd-recv/hostile/%s", hostile[i].name);

        g_test_add_data_func(path, &hostile[i], test_hostile);
    }
    g_test_add_func("/multifd-recv/hostile/early", test_early);
    g_test_add_func("/multifd-recv/hostile/quiet", test_quiet);
    g_test_add_func("/multifd-recv/hostile/garbage", test_garbage);
    g_test_add_func("/multifd-recv/end", test_end);
    g_test_add_func("/multifd-recv/cut", test_cut);
    g_test_add_func("/multifd-recv/main-ended", test_main_ended);
    return g_test_run();
}
