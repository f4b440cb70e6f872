/*
 * Our NBD client and server, in one process, over a UNIX socket: every request
 * in every mode, several connections, TLS, limits, and a server that goes away
 * and comes back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "crypto/init.h"
#include "crypto/tlscreds.h"
#include "io/channel-socket.h"
#include "nbd/client.h"
#include "nbd/nbd-wire.h"
#include "qapi/qapi-types-sockets.h"
#include "util/atomic.h"
#include "util/coroutine.h"
#include "util/main-loop.h"

#include "nbd-disk.h"
#include "pki.h"
#include "tls-pair.h"

#define DISK_BYTES (1024 * 1024)

typedef struct Fixture {
    char *dir;
    char *path;
    NBDDisk *disk;
    NBDServer *server;
    NBDClient *client;
} Fixture;

static SocketAddress *address(Fixture *f)
{
    SocketAddress *addr = g_new0(SocketAddress, 1);

    addr->type = SOCKET_ADDRESS_TYPE_UNIX;
    addr->u.q_unix.path = g_strdup(f->path);
    return addr;
}

static void start_server(Fixture *f, const NBDServerConfig *config,
                         bool writable)
{
    NBDExportConfig e = nbd_disk_export(f->disk, "disk", writable);
    g_autoptr(SocketAddress) addr = address(f);
    Error *err = NULL;

    f->server = nbd_server_new(config, &err);
    g_assert_null(err);
    g_assert_nonnull(nbd_server_add_export(f->server, &e, &err));
    g_assert_true(nbd_server_listen(f->server, addr, &err));
}

static void stop_server(Fixture *f)
{
    nbd_server_stop(g_steal_pointer(&f->server));
}

static void fixture_init(Fixture *f)
{
    *f = (Fixture){ .dir = g_dir_make_tmp("nbd-XXXXXX", NULL) };
    f->path = g_build_filename(f->dir, "sock", NULL);
    f->disk = nbd_disk_new(DISK_BYTES);
}

static void fixture_clear(Fixture *f)
{
    nbd_client_close(f->client);
    nbd_server_stop(f->server);
    nbd_disk_free(f->disk);
    g_rmdir(f->dir);
    g_free(f->dir);
    g_free(f->path);
}

static const char *const both_contexts[] = { NBD_CONTEXT_ALLOCATION,
                                             "x-test:odd", NULL };

static NBDClient *open_client(Fixture *f, NBDClientConfig *config, Error **errp)
{
    g_autoptr(SocketAddress) addr = address(f);

    config->addr = addr;
    config->ctx = qemu_get_aio_context();
    return nbd_client_open(config, errp);
}

/* -- running coroutines ----------------------------------------------------------- */

typedef struct Run {
    Fixture *f;
    void (*fn)(Fixture *f);
    bool done;
} Run;

static void coroutine_fn run_entry(void *opaque)
{
    Run *r = opaque;

    r->fn(r->f);
    r->done = true;
}

static void run_co(Fixture *f, void (*fn)(Fixture *f))
{
    Run r = { f, fn, false };

    qemu_coroutine_enter(qemu_coroutine_create(run_entry, &r));
    while (!r.done) {
        main_loop_wait(false);
    }
}

/* -- every request ------------------------------------------------------------------ */

static void check_bytes(const uint8_t *buf, size_t offset, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        g_assert_cmpuint(buf[i], ==, nbd_disk_byte(offset + i));
    }
}

static void coroutine_fn do_reads(Fixture *f)
{
    g_autofree uint8_t *buf = g_malloc(DISK_BYTES);
    QEMUIOVector qiov;

    nbd_disk_fill(f->disk, 0, 64 * 1024);
    nbd_disk_fill(f->disk, 128 * 1024, 64 * 1024);
    /* Small, unaligned; and large, with holes. */
    qemu_iovec_init_buf(&qiov, buf, 513);
    g_assert_cmpint(nbd_client_co_preadv(f->client, 77, 513, &qiov, 0), ==, 0);
    check_bytes(buf, 77, 513);
    memset(buf, 0xee, DISK_BYTES);
    qemu_iovec_init_buf(&qiov, buf, DISK_BYTES);
    g_assert_cmpint(nbd_client_co_preadv(f->client, 0, DISK_BYTES, &qiov, 0),
                    ==, 0);
    g_assert_cmpmem(buf, DISK_BYTES, f->disk->data, DISK_BYTES);
    /* Into the middle of a vector of several elements. */
    qemu_iovec_init(&qiov, 3);
    qemu_iovec_add(&qiov, buf, 100);
    qemu_iovec_add(&qiov, buf + 1000, 200);
    qemu_iovec_add(&qiov, buf + 5000, 300);
    g_assert_cmpint(nbd_client_co_preadv(f->client, 4096, 450, &qiov, 50), ==,
                    0);
    check_bytes(buf + 50, 4096, 50);
    check_bytes(buf + 1000, 4146, 200);
    check_bytes(buf + 5000, 4346, 200);
    qemu_iovec_destroy(&qiov);
}

static void coroutine_fn do_writes(Fixture *f)
{
    g_autofree uint8_t *buf = g_malloc(300000);
    QEMUIOVector qiov;

    for (size_t i = 0; i < 300000; i++) {
        buf[i] = (uint8_t)(i * 7);
    }
    qemu_iovec_init(&qiov, 2);
    qemu_iovec_add(&qiov, buf, 1000);
    qemu_iovec_add(&qiov, buf + 1000, 299000);
    g_assert_cmpint(nbd_client_co_pwritev(f->client, 500000, 299990, &qiov, 10,
                                          true),
                    ==, 0);
    g_assert_cmpmem(f->disk->data + 500000, 299990, buf + 10, 299990);
    qemu_iovec_destroy(&qiov);
    g_assert_cmpint(nbd_client_co_simple(f->client, NBD_CMD_FLUSH, 0, 0, 0), ==,
                    0);
    g_assert_cmpint(nbd_client_co_simple(f->client, NBD_CMD_TRIM, 0, 0, 4096),
                    ==, 0);
    g_assert_cmpint(nbd_client_co_simple(f->client, NBD_CMD_CACHE, 0, 0, 4096),
                    ==, 0);
    g_assert_cmpint(nbd_client_co_simple(f->client, NBD_CMD_WRITE_ZEROES,
                                         NBD_CMD_FLAG_NO_HOLE, 500000, 10000),
                    ==, 0);
    g_assert_cmpuint(f->disk->data[500000], ==, 0);
    g_assert_cmpuint(f->disk->data[509999], ==, 0);
    g_assert_cmpint(nbd_client_co_simple(f->client, NBD_CMD_WRITE_ZEROES,
                                         NBD_CMD_FLAG_FAST_ZERO, 0, 4096),
                    ==, -ENOTSUP);
    g_assert_cmpuint(f->disk->flushes, ==, 1);
    g_assert_cmpuint(f->disk->trims, ==, 1);
    g_assert_cmpuint(f->disk->caches, ==, 1);
    g_assert_cmpuint(f->disk->zeroes, ==, 1);
}

static void coroutine_fn do_errors(Fixture *f)
{
    uint8_t buf[512];
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, sizeof(buf));

    g_assert_cmpint(nbd_client_co_preadv(f->client, DISK_BYTES, 512, &qiov, 0),
                    ==, -EINVAL);
    g_assert_cmpint(nbd_client_co_pwritev(f->client, DISK_BYTES - 1, 512, &qiov,
                                          0, false),
                    ==, -ENOSPC);
    g_assert_cmpint(nbd_client_co_simple(f->client, (NBDCmd)99, 0, 0, 512), ==,
                    -EINVAL);
    qatomic_set(&f->disk->fail_errno, ENOSPC);
    g_assert_cmpint(nbd_client_co_preadv(f->client, 0, 512, &qiov, 0), ==,
                    -ENOSPC);
    g_assert_cmpint(nbd_client_co_pwritev(f->client, 0, 512, &qiov, 0, false),
                    ==, -ENOSPC);
    qatomic_set(&f->disk->fail_errno, 0);
    /* The connection is as good as before. */
    g_assert_cmpint(nbd_client_co_preadv(f->client, 0, 512, &qiov, 0), ==, 0);
}

static void coroutine_fn do_status(Fixture *f)
{
    NBDExtent ext[8];
    int n = nbd_client_co_extents(f->client, 0, 60 * 1024, 100 * 1024, ext, 8);

    g_assert_cmpint(n, ==, 3);
    g_assert_cmpuint(ext[0].length, ==, 4 * 1024);
    g_assert_cmpuint(ext[0].flags, ==, 0);
    g_assert_cmpuint(ext[1].length, ==, 64 * 1024);
    g_assert_cmpuint(ext[1].flags, ==, NBD_STATE_HOLE | NBD_STATE_ZERO);
    n = nbd_client_co_extents(f->client, 1, 4096, 20000, ext, 1);
    g_assert_cmpint(n, ==, 1);
    g_assert_cmpuint(ext[0].length, ==, 4096);
    g_assert_cmpuint(ext[0].flags, ==, 1);
}

static void do_all(Fixture *f)
{
    do_reads(f);
    do_errors(f);
    if (nbd_client_info(f->client)->structured) {
        do_status(f);
    }
    do_writes(f);
}

static void check_mode(NBDNegotiation n)
{
    NBDServerConfig sc = { .threads = 1 };
    NBDClientConfig cc = { .n = n };
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    start_server(&f, &sc, true);
    cc.n.export = "disk";
    cc.n.contexts = both_contexts;
    f.client = open_client(&f, &cc, &err);
    g_assert_null(err);
    g_assert_cmpuint(nbd_client_info(f.client)->size, ==, DISK_BYTES);
    g_assert_cmpint(nbd_client_info(f.client)->extended, ==,
                    !n.no_extended && !n.no_structured);
    run_co(&f, do_all);
    fixture_clear(&f);
}

static void test_extended(void)
{
    check_mode((NBDNegotiation){ 0 });
}

static void test_structured(void)
{
    check_mode((NBDNegotiation){ .no_extended = true });
}

static void test_simple(void)
{
    check_mode((NBDNegotiation){ .no_structured = true });
}

/* -- what the server refuses ----------------------------------------------------------- */

static void coroutine_fn do_read_only(Fixture *f)
{
    uint8_t buf[512] = { 0 };
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, sizeof(buf));

    g_assert_cmpint(nbd_client_co_pwritev(f->client, 0, 512, &qiov, 0, false),
                    ==, -EPERM);
    g_assert_cmpint(nbd_client_co_simple(f->client, NBD_CMD_WRITE_ZEROES, 0, 0,
                                         512),
                    ==, -EPERM);
    g_assert_cmpint(nbd_client_co_preadv(f->client, 0, 512, &qiov, 0), ==, 0);
}

static void test_read_only(void)
{
    NBDServerConfig sc = { .threads = 1 };
    NBDClientConfig cc = { .n.export = "disk" };
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    start_server(&f, &sc, false);
    f.client = open_client(&f, &cc, &err);
    g_assert_null(err);
    g_assert_true(nbd_client_info(f.client)->flags & NBD_FLAG_READ_ONLY);
    run_co(&f, do_read_only);
    fixture_clear(&f);
}

static void test_no_such_export(void)
{
    NBDServerConfig sc = { .threads = 1 };
    NBDClientConfig cc = { .n.export = "other" };
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    start_server(&f, &sc, false);
    g_assert_null(open_client(&f, &cc, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "cannot open NBD export 'other': there is no such export "
                    "(\"export 'other' not present\")");
    error_free(err);
    fixture_clear(&f);
}

/* -- depth, several connections ----------------------------------------------------------- */

#define MANY 200

typedef struct Many {
    NBDClient *client;
    unsigned left;
} Many;

typedef struct One {
    Many *m;
    unsigned i;
} One;

static void coroutine_fn many_entry(void *opaque)
{
    One *o = opaque;
    uint64_t offset = (o->i * 4096u) % DISK_BYTES;
    g_autofree uint8_t *buf = g_malloc(4096);
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, 4096);

    if (o->i % 3 == 0) {
        for (unsigned k = 0; k < 4096; k++) {
            buf[k] = nbd_disk_byte(offset + k);
        }
        g_assert_cmpint(nbd_client_co_pwritev(o->m->client, offset, 4096, &qiov,
                                              0, false),
                        ==, 0);
    } else {
        g_assert_cmpint(
            nbd_client_co_preadv(o->m->client, offset, 4096, &qiov, 0), ==, 0);
        check_bytes(buf, offset, 4096);
    }
    o->m->left--;
}

static void run_many(NBDClient *client)
{
    Many m = { client, MANY };
    One ones[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        ones[i] = (One){ &m, i };
        qemu_coroutine_enter(qemu_coroutine_create(many_entry, &ones[i]));
    }
    while (m.left) {
        main_loop_wait(false);
    }
}

static void check_many(unsigned server_threads, unsigned client_threads,
                       const NBDServerConfig *tls_server,
                       const NBDNegotiation *tls_client)
{
    NBDServerConfig sc = tls_server ? *tls_server : (NBDServerConfig){ 0 };
    NBDClientConfig cc = { .threads = client_threads };
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    nbd_disk_fill(f.disk, 0, DISK_BYTES);
    f.disk->delay_ms = 1;
    sc.threads = server_threads;
    start_server(&f, &sc, true);
    if (tls_client) {
        cc.n = *tls_client;
    }
    cc.n.export = "disk";
    f.client = open_client(&f, &cc, &err);
    g_assert_null(err);
    for (int i = 0; i < 200 && nbd_client_connections(f.client) < 2; i++) {
        run_many(f.client);
    }
    g_assert_cmpuint(nbd_client_connections(f.client), >, 1);
    run_many(f.client);
    fixture_clear(&f);
}

static void test_many(void)
{
    check_many(2, 0, NULL, NULL);
}

static void test_many_threads(void)
{
    check_many(3, 3, NULL, NULL);
}

/* -- TLS -------------------------------------------------------------------------------------- */

static void test_tls(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    QCryptoTLSCreds *srv =
        test_tls_creds_new("tls-creds-x509", "server",
                           test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD),
                           NULL, NULL);
    QCryptoTLSCreds *cli =
        test_tls_creds_new("tls-creds-x509", "client",
                           test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_GOOD),
                           NULL, NULL);
    NBDServerConfig sc = { .tls_creds = srv };
    NBDNegotiation n = { .tls_creds = cli, .tls_hostname = "localhost" };

    check_many(2, 2, &sc, &n);
    object_unref(srv);
    object_unref(cli);
}

static void expect_failure(Fixture *f, const NBDNegotiation *n,
                           const char *part)
{
    NBDClientConfig cc = { .n = *n };
    Error *err = NULL;

    cc.n.export = "disk";
    g_assert_null(open_client(f, &cc, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), part));
    error_free(err);
}

static void test_tls_or_not(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    QCryptoTLSCreds *srv =
        test_tls_creds_new("tls-creds-x509", "server",
                           test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD),
                           NULL, NULL);
    QCryptoTLSCreds *cli =
        test_tls_creds_new("tls-creds-x509", "client",
                           test_pki_dir(pki, TEST_PKI_CLIENT, TEST_PKI_GOOD),
                           NULL, NULL);
    NBDServerConfig with = { .tls_creds = srv, .threads = 1 };
    NBDServerConfig without = { .threads = 1 };
    NBDNegotiation plain = { 0 };
    NBDNegotiation plain_simple = { .no_structured = true };
    NBDNegotiation tls = { .tls_creds = cli, .tls_hostname = "localhost" };
    NBDNegotiation wrong = { .tls_creds = cli, .tls_hostname = "elsewhere" };
    Fixture f;

    fixture_init(&f);
    start_server(&f, &with, true);
    expect_failure(&f, &plain, "the server requires TLS");
    expect_failure(&f, &plain_simple, "the server requires TLS");
    expect_failure(&f, &wrong, "elsewhere");
    stop_server(&f);
    start_server(&f, &without, true);
    expect_failure(&f, &tls, "cannot start TLS with the NBD server");
    fixture_clear(&f);
    object_unref(srv);
    object_unref(cli);
}

/* -- a server that goes and comes back --------------------------------------------------------- */

static void coroutine_fn write_all_entry(void *opaque)
{
    Fixture *f = opaque;
    g_autofree uint8_t *buf = g_malloc(4096);

    for (unsigned i = 0; i < DISK_BYTES / 4096; i++) {
        QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, 4096);

        for (unsigned k = 0; k < 4096; k++) {
            buf[k] = nbd_disk_byte(i * 4096 + k);
        }
        g_assert_cmpint(nbd_client_co_pwritev(f->client, i * 4096, 4096, &qiov,
                                              0, false),
                        ==, 0);
    }
    g_assert_cmpint(nbd_client_co_simple(f->client, NBD_CMD_FLUSH, 0, 0, 0), ==,
                    0);
    f->disk->delay_ms = 0;
}

static void test_reconnect(void)
{
    NBDServerConfig sc = { .threads = 1 };
    NBDClientConfig cc = { .n.export = "disk", .reconnect_delay_ms = 30000 };
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    f.disk->delay_ms = 1;
    start_server(&f, &sc, true);
    f.client = open_client(&f, &cc, &err);
    g_assert_null(err);
    qemu_coroutine_enter(qemu_coroutine_create(write_all_entry, &f));
    for (int round = 0; round < 3 && f.disk->delay_ms; round++) {
        unsigned before = qatomic_read(&f.disk->writes);

        while (f.disk->delay_ms &&
               qatomic_read(&f.disk->writes) < before + 20) {
            main_loop_wait(false);
        }
        stop_server(&f);
        start_server(&f, &sc, true);
    }
    while (f.disk->delay_ms) {
        main_loop_wait(false);
    }
    check_bytes(f.disk->data, 0, DISK_BYTES);
    fixture_clear(&f);
}

typedef struct Late {
    Fixture *f;
    int ret;
    bool done;
} Late;

static void coroutine_fn late_entry(void *opaque)
{
    Late *l = opaque;
    uint8_t buf[512];
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, sizeof(buf));

    l->ret = nbd_client_co_preadv(l->f->client, 0, 512, &qiov, 0);
    l->done = true;
}

static int read_late(Fixture *f)
{
    Late l = { f };

    qemu_coroutine_enter(qemu_coroutine_create(late_entry, &l));
    while (!l.done) {
        main_loop_wait(false);
    }
    return l.ret;
}

/* Requests wait no longer than they should, and later ones work again. */
static void test_reconnect_too_late(void)
{
    NBDServerConfig sc = { .threads = 1 };
    NBDClientConfig cc = { .n.export = "disk", .reconnect_delay_ms = 150 };
    int64_t begin, ms;
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    start_server(&f, &sc, true);
    f.client = open_client(&f, &cc, &err);
    g_assert_null(err);
    g_assert_cmpint(read_late(&f), ==, 0);
    stop_server(&f);
    begin = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    g_assert_cmpint(read_late(&f), ==, -EIO);
    ms = qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - begin;
    g_assert_cmpint(ms, >=, 50);
    start_server(&f, &sc, true);
    nbd_client_retry_now(f.client);
    for (int i = 0; i < 5000 && read_late(&f) != 0; i++) {
        main_loop_wait(true); /* the server accepts here */
        g_usleep(1000);
    }
    g_assert_cmpint(read_late(&f), ==, 0);
    fixture_clear(&f);
}

static void test_open_timeout(void)
{
    NBDClientConfig cc = { .n.export = "disk", .open_timeout_ms = 200 };
    int64_t begin = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    g_assert_null(open_client(&f, &cc, &err));
    g_assert_nonnull(err);
    error_free(err);
    g_assert_cmpint(qemu_clock_get_ms(QEMU_CLOCK_REALTIME) - begin, >=, 200);
    fixture_clear(&f);
}

/* -- limits --------------------------------------------------------------------------------------- */

/* With one place, the second client waits until the first has gone. */
static void test_max_connections(void)
{
    NBDServerConfig sc = { .threads = 1, .max_connections = 1 };
    NBDClientConfig cc = { .n.export = "disk" };
    NBDClient *first;
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    start_server(&f, &sc, true);
    first = open_client(&f, &cc, &err);
    g_assert_null(err);
    g_assert_false(nbd_client_info(first)->flags & NBD_FLAG_CAN_MULTI_CONN);
    while (nbd_server_connections(f.server) != 1) {
        main_loop_wait(false);
    }
    nbd_client_close(first);
    f.client = open_client(&f, &cc, &err);
    g_assert_null(err);
    fixture_clear(&f);
}

static void test_remove_export(void)
{
    NBDServerConfig sc = { .threads = 1 };
    NBDClientConfig cc = { .n.export = "disk" };
    NBDExport *e;
    Error *err = NULL;
    Fixture f;

    fixture_init(&f);
    start_server(&f, &sc, true);
    f.client = open_client(&f, &cc, &err);
    g_assert_null(err);
    e = nbd_server_find_export(f.server, "disk");
    g_assert_cmpuint(nbd_export_clients(e), ==, 1);
    nbd_server_remove_export(f.server, e);
    g_assert_null(nbd_server_find_export(f.server, "disk"));
    while (!qatomic_read(&f.disk->gone)) {
        main_loop_wait(false);
    }
    g_assert_cmpint(read_late(&f), ==, -EIO);
    fixture_clear(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    qcrypto_init(&error_abort);
    g_test_add_func("/nbd/pair/extended", test_extended);
    g_test_add_func("/nbd/pair/structured", test_structured);
    g_test_add_func("/nbd/pair/simple", test_simple);
    g_test_add_func("/nbd/pair/read-only", test_read_only);
    g_test_add_func("/nbd/pair/no-such-export", test_no_such_export);
    g_test_add_func("/nbd/pair/many", test_many);
    g_test_add_func("/nbd/pair/many-threads", test_many_threads);
    g_test_add_func("/nbd/pair/tls", test_tls);
    g_test_add_func("/nbd/pair/tls-or-not", test_tls_or_not);
    g_test_add_func("/nbd/pair/reconnect", test_reconnect);
    g_test_add_func("/nbd/pair/reconnect-too-late", test_reconnect_too_late);
    g_test_add_func("/nbd/pair/open-timeout", test_open_timeout);
    g_test_add_func("/nbd/pair/max-connections", test_max_connections);
    g_test_add_func("/nbd/pair/remove-export", test_remove_export);
    return g_test_run();
}
