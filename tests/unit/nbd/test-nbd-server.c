/*
 * The NBD server against clients that do what they should not: every option
 * with wrong lengths, requests that make no sense, a close at every point,
 * crowds that say nothing, floods, and words in the clear where TLS is due.
 * After each a good client is served, and no descriptor is left behind.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "crypto/init.h"
#include "crypto/tlscreds.h"
#include "io/channel-socket.h"
#include "nbd/nbd-wire.h"
#include "util/atomic.h"
#include "util/bswap.h"
#include "util/main-loop.h"
#include "util/thread.h"

#include "nbd-disk.h"
#include "pki.h"
#include "tls-pair.h"

#define DISK_BYTES (64 * 1024)
/* A server that does not answer at all is a failure, not a hang. */
#define PATIENCE_S 20

typedef struct Fixture {
    NBDDisk *disk;
    NBDServer *server;
} Fixture;

static void fixture_init(Fixture *f, const NBDServerConfig *config)
{
    NBDExportConfig e;
    Error *err = NULL;

    f->disk = nbd_disk_new(DISK_BYTES);
    nbd_disk_fill(f->disk, 0, 16 * 1024);
    e = nbd_disk_export(f->disk, "disk", true);
    f->server = nbd_server_new(config, &err);
    g_assert_null(err);
    g_assert_nonnull(nbd_server_add_export(f->server, &e, &err));
}

static void fixture_clear(Fixture *f)
{
    nbd_server_stop(f->server);
    g_assert_cmpuint(f->disk->gone, ==, 1);
    nbd_disk_free(f->disk);
}

static unsigned count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

/* -- a client of bytes ------------------------------------------------------------ */

static int serve_one_of(Fixture *f, const int sv[2])
{
    struct timeval patience = { .tv_sec = PATIENCE_S };
    QIOChannelSocket *sioc;

    setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sioc = qio_channel_socket_new_fd(sv[1], &error_abort);
    nbd_server_serve(f->server, sioc);
    object_unref(OBJECT(sioc));
    return sv[0];
}

static int connect_raw(Fixture *f)
{
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), ==,
                    0);
    return serve_one_of(f, sv);
}

/* Returns: whether the server took it. */
static bool put(int fd, const void *buf, size_t len)
{
    return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Returns: bytes; fewer than @len when the server hung up. */
static size_t get(int fd, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = recv(fd, (char *)buf + done, len - done, 0);

        if (n < 0 && errno == EAGAIN) {
            g_error("the server neither answers nor hangs up");
        }
        if (n <= 0) {
            break;
        }
        done += n;
    }
    return done;
}

static void expect_end(int fd)
{
    uint8_t buf[4096];

    while (get(fd, buf, sizeof(buf)) == sizeof(buf)) {
    }
}

static void greet(int fd, uint32_t flags)
{
    uint8_t greeting[NBD_GREETING_NEW], flags_be[4];

    g_assert_cmpuint(get(fd, greeting, sizeof(greeting)), ==, sizeof(greeting));
    g_assert_cmpint(nbd_greeting_style(greeting), ==, NBD_STYLE_NEW);
    stl_be_p(flags_be, flags);
    put(fd, flags_be, sizeof(flags_be));
}

static int connect_greeted(Fixture *f)
{
    int fd = connect_raw(f);

    greet(fd, NBD_GREET_FIXED_NEWSTYLE | NBD_GREET_NO_ZEROES);
    return fd;
}

/* TCP holds much, and takes more after its reading side was shut down. */
static int connect_tcp_greeted(Fixture *f)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(a);
    int sv[2];

    g_assert_cmpint(bind(listener, (struct sockaddr *)&a, len), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    getsockname(listener, (struct sockaddr *)&a, &len);
    sv[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(sv[0], (struct sockaddr *)&a, len), ==, 0);
    sv[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    close(listener);
    serve_one_of(f, sv);
    greet(sv[0], NBD_GREET_FIXED_NEWSTYLE | NBD_GREET_NO_ZEROES);
    return sv[0];
}

static void put_opt(int fd, uint32_t option, const void *data, uint32_t len)
{
    NBDOptHeader h = { option, len };
    uint8_t head[NBD_OPT_HEADER];

    nbd_opt_encode(&h, head);
    put(fd, head, sizeof(head));
    put(fd, data, len);
}

/* Returns: type of the reply; 0 = the server hung up. */
static uint32_t get_rep(int fd, uint32_t option)
{
    uint8_t head[NBD_OPT_REPLY_HEADER];
    g_autofree uint8_t *data = NULL;
    NBDOptReply r;

    if (get(fd, head, sizeof(head)) < sizeof(head)) {
        return 0;
    }
    g_assert_true(nbd_opt_reply_decode(head, &r));
    g_assert_cmpuint(r.option, ==, option);
    g_assert_cmpuint(r.length, <=, NBD_OPT_REPLY_MAX);
    data = g_malloc(r.length + 1);
    g_assert_cmpuint(get(fd, data, r.length), ==, r.length);
    return r.type;
}

/* The last reply to an option: ACK or an error. */
static uint32_t last_rep(int fd, uint32_t option)
{
    uint32_t type;

    do {
        type = get_rep(fd, option);
    } while (type > NBD_REP_ACK && !(type & NBD_REP_ERR_BIT));
    return type;
}

static uint32_t ask(int fd, uint32_t option, const void *data, uint32_t len)
{
    put_opt(fd, option, data, len);
    return last_rep(fd, option);
}

static uint32_t go(int fd, const char *name)
{
    g_auto(WireBuffer) b = { 0 };

    wire_writer_init(&b, NBD_OPT_PAYLOAD_MAX, false);
    nbd_opt_info_encode(&b, name, NULL, 0);
    return ask(fd, NBD_OPT_GO, b.data, b.len);
}

static void put_request(int fd, NBDMode mode, const NBDRequest *r)
{
    uint8_t buf[NBD_REQUEST_EXT_SIZE];

    put(fd, buf, nbd_request_encode(mode, r, buf));
}

static uint32_t simple_error(int fd, uint64_t cookie)
{
    uint8_t buf[NBD_REPLY_SIZE];
    NBDReply r;

    g_assert_cmpuint(get(fd, buf, sizeof(buf)), ==, sizeof(buf));
    g_assert_cmpint(nbd_reply_decode(NBD_MODE_SIMPLE, buf, sizeof(buf), &r), ==,
                    NBD_REPLY_SIZE);
    g_assert_cmpuint(r.cookie, ==, cookie);
    return r.error;
}

static void check_good_client(Fixture *f)
{
    NBDRequest r = { .type = NBD_CMD_READ, .cookie = 5, .length = 4096 };
    int fd = connect_greeted(f);
    uint8_t data[4096];

    g_assert_cmpuint(go(fd, "disk"), ==, NBD_REP_ACK);
    put_request(fd, NBD_MODE_SIMPLE, &r);
    g_assert_cmpuint(simple_error(fd, 5), ==, 0);
    g_assert_cmpuint(get(fd, data, sizeof(data)), ==, sizeof(data));
    g_assert_cmpuint(data[17], ==, nbd_disk_byte(17));
    r.type = NBD_CMD_DISC;
    put_request(fd, NBD_MODE_SIMPLE, &r);
    expect_end(fd);
    close(fd);
}

/* -- options --------------------------------------------------------------------------- */

static void test_option_lengths(void)
{
    static const uint32_t lengths[] = { 0,     1,           3,
                                        4,     5,           6,
                                        7,     8,           100,
                                        4096,  4097,        65536,
                                        65537, 1024 * 1024, 1024 * 1024 + 1 };
    g_autofree uint8_t *junk = g_malloc0(1024 * 1024 + 1);
    NBDServerConfig config = { .threads = 1 };
    Fixture f;

    fixture_init(&f, &config);
    for (int fill = 0; fill < 2; fill++) {
        memset(junk, fill ? 0xff : 0, 1024 * 1024 + 1);
        for (uint32_t opt = 0; opt < 14; opt++) {
            for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
                int fd = connect_greeted(&f);
                uint32_t type = ask(fd, opt, junk, lengths[i]);

                /* It goes on after an error. */
                if (type & NBD_REP_ERR_BIT) {
                    g_assert_cmpuint(go(fd, "disk"), ==, NBD_REP_ACK);
                }
                close(fd);
            }
        }
    }
    check_good_client(&f);
    fixture_clear(&f);
}

static void test_option_answers(void)
{
    static const uint8_t unknown[] = { 0, 0, 0, 1, 'x', 0, 0 };
    NBDServerConfig config = { .threads = 1 };
    Fixture f;
    int fd;

    fixture_init(&f, &config);
    fd = connect_greeted(&f);
    g_assert_cmpuint(ask(fd, 99, NULL, 0), ==, NBD_REP_ERR_UNSUP);
    g_assert_cmpuint(ask(fd, NBD_OPT_STARTTLS, NULL, 0), ==,
                     NBD_REP_ERR_POLICY);
    g_assert_cmpuint(ask(fd, NBD_OPT_LIST, "x", 1), ==, NBD_REP_ERR_INVALID);
    g_assert_cmpuint(ask(fd, NBD_OPT_LIST, NULL, 0), ==, NBD_REP_ACK);
    g_assert_cmpuint(ask(fd, NBD_OPT_INFO, unknown, sizeof(unknown)), ==,
                     NBD_REP_ERR_UNKNOWN);
    g_assert_cmpuint(ask(fd, NBD_OPT_INFO, unknown, 3), ==,
                     NBD_REP_ERR_INVALID);
    g_assert_cmpuint(ask(fd, NBD_OPT_SET_META_CONTEXT, NULL, 0), ==,
                     NBD_REP_ERR_INVALID); /* needs structured replies */
    g_assert_cmpuint(ask(fd, NBD_OPT_STRUCTURED_REPLY, NULL, 0), ==,
                     NBD_REP_ACK);
    g_assert_cmpuint(ask(fd, NBD_OPT_STRUCTURED_REPLY, NULL, 0), ==,
                     NBD_REP_ERR_INVALID);
    g_assert_cmpuint(ask(fd, NBD_OPT_EXTENDED_HEADERS, NULL, 0), ==,
                     NBD_REP_ACK);
    g_assert_cmpuint(ask(fd, NBD_OPT_STRUCTURED_REPLY, NULL, 0), ==,
                     NBD_REP_ERR_EXT_HEADER_REQD);
    g_assert_cmpuint(ask(fd, NBD_OPT_ABORT, NULL, 0), ==, NBD_REP_ACK);
    expect_end(fd);
    close(fd);
    fixture_clear(&f);
}

/* A client without fixed newstyle may say one thing only. */
static void test_old_client(void)
{
    NBDServerConfig config = { .threads = 1 };
    uint8_t reply[NBD_EXPORT_REPLY + NBD_EXPORT_REPLY_PAD];
    Fixture f;
    int fd;

    fixture_init(&f, &config);
    fd = connect_raw(&f);
    greet(fd, 0);
    put_opt(fd, NBD_OPT_LIST, NULL, 0);
    expect_end(fd);
    close(fd);
    fd = connect_raw(&f);
    greet(fd, 1u << 7); /* a flag that there is not */
    expect_end(fd);
    close(fd);
    fd = connect_raw(&f);
    greet(fd, 0);
    put_opt(fd, NBD_OPT_EXPORT_NAME, "disk", 4);
    g_assert_cmpuint(get(fd, reply, sizeof(reply)), ==, sizeof(reply));
    g_assert_cmpuint(ldq_be_p(reply), ==, DISK_BYTES);
    close(fd);
    fd = connect_raw(&f);
    greet(fd, 0);
    put_opt(fd, NBD_OPT_EXPORT_NAME, "none", 4);
    expect_end(fd);
    close(fd);
    fixture_clear(&f);
}

/* -- requests -------------------------------------------------------------------------- */

static void test_bad_requests(void)
{
    static const struct {
        NBDRequest r;
        uint32_t payload;
        uint32_t error;
    } cases[] = {
        { { .type = 77, .length = 5 }, 0, 22 },
        { { .flags = NBD_CMD_FLAG_NO_HOLE, .length = 5 }, 0, 22 },
        { { .flags = 1 << 9, .type = NBD_CMD_WRITE, .length = 99 }, 99, 22 },
        { { .type = NBD_CMD_WRITE, .offset = DISK_BYTES, .length = 9 }, 9, 28 },
        { { .type = NBD_CMD_WRITE, .length = DISK_BYTES + 1 },
          DISK_BYTES + 1,
          28 },
        { { .offset = UINT64_MAX, .length = 5 }, 0, 22 },
        { { .offset = UINT64_MAX - 4, .length = UINT32_MAX }, 0, 75 },
        { { .length = UINT32_MAX }, 0, 75 },
        { { .type = NBD_CMD_TRIM, .length = UINT32_MAX }, 0, 22 },
        { { .type = NBD_CMD_FLUSH, .offset = 1 }, 0, 22 },
        { { .type = NBD_CMD_BLOCK_STATUS, .length = 5 }, 0, 22 },
        { { .type = NBD_CMD_WRITE_ZEROES, .offset = DISK_BYTES, .length = 1 },
          0,
          28 },
        { { .type = NBD_CMD_FLUSH }, 0, 0 },
        { { .type = NBD_CMD_WRITE }, 0, 0 },
        { { .type = NBD_CMD_READ }, 0, 0 },
    };
    g_autofree uint8_t *junk = g_malloc0(DISK_BYTES + 1);
    NBDServerConfig config = { .threads = 1 };
    Fixture f;
    int fd;

    fixture_init(&f, &config);
    fd = connect_greeted(&f);
    g_assert_cmpuint(go(fd, "disk"), ==, NBD_REP_ACK);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        NBDRequest r = cases[i].r;

        r.cookie = 1000 + i;
        put_request(fd, NBD_MODE_SIMPLE, &r);
        put(fd, junk, cases[i].payload);
        g_assert_cmpuint(simple_error(fd, 1000 + i), ==, cases[i].error);
    }
    put(fd, junk, NBD_REQUEST_SIZE); /* no magic */
    expect_end(fd);
    close(fd);
    check_good_client(&f);
    fixture_clear(&f);
}

static void test_extended_requests(void)
{
    NBDServerConfig config = { .threads = 1 };
    uint8_t payload[32] = { 0 }, head[NBD_REPLY_EXT_SIZE], text[256];
    NBDRequest r = { .type = NBD_CMD_WRITE, .cookie = 1, .length = 16 };
    NBDReply rep;
    Fixture f;
    int fd;

    fixture_init(&f, &config);
    fd = connect_greeted(&f);
    ask(fd, NBD_OPT_EXTENDED_HEADERS, NULL, 0);
    g_assert_cmpuint(go(fd, "disk"), ==, NBD_REP_ACK);
    /* A write must say that it has a payload; without, it has none. */
    put_request(fd, NBD_MODE_EXTENDED, &r);
    /* A payload where there should be none is skipped. */
    r = (NBDRequest){ .type = NBD_CMD_READ,
                      .flags = NBD_CMD_FLAG_PAYLOAD_LEN,
                      .cookie = 2,
                      .length = sizeof(payload) };
    put_request(fd, NBD_MODE_EXTENDED, &r);
    put(fd, payload, sizeof(payload));
    for (uint64_t cookie = 1; cookie <= 2; cookie++) {
        g_assert_cmpuint(get(fd, head, sizeof(head)), ==, sizeof(head));
        g_assert_cmpint(nbd_reply_decode(NBD_MODE_EXTENDED, head, sizeof(head),
                                         &rep),
                        ==, NBD_REPLY_EXT_SIZE);
        g_assert_cmpuint(rep.cookie, ==, cookie);
        g_assert_cmpuint(rep.type, ==, NBD_REPLY_TYPE_ERROR);
        g_assert_cmpuint(get(fd, text, rep.length), ==, rep.length);
        g_assert_cmpuint(ldl_be_p(text), ==, 22);
    }
    close(fd);
    fixture_clear(&f);
}

/* -- leaving ----------------------------------------------------------------------------- */

static GByteArray *whole_talk(void)
{
    static const char *const queries[] = { "base:allocation", NULL };
    GByteArray *a = g_byte_array_new();
    NBDRequest requests[] = {
        { .type = NBD_CMD_READ, .length = 32768 },
        { .type = NBD_CMD_BLOCK_STATUS, .length = 32768 },
        { .type = NBD_CMD_WRITE, .offset = 40000, .length = 20 },
        { .type = NBD_CMD_FLUSH },
        { .type = NBD_CMD_DISC },
    };
    uint8_t buf[64] = { 0, 0, 0, 3 };
    g_auto(WireBuffer) meta = { 0 };
    g_auto(WireBuffer) info = { 0 };
    NBDOptHeader h = { NBD_OPT_STRUCTURED_REPLY, 0 };

    wire_writer_init(&meta, 1000, false);
    nbd_opt_meta_encode(&meta, "disk", queries);
    wire_writer_init(&info, 1000, false);
    nbd_opt_info_encode(&info, "disk", NULL, 0);
    g_byte_array_append(a, buf, 4);
    nbd_opt_encode(&h, buf);
    g_byte_array_append(a, buf, NBD_OPT_HEADER);
    h = (NBDOptHeader){ NBD_OPT_SET_META_CONTEXT, (uint32_t)meta.len };
    nbd_opt_encode(&h, buf);
    g_byte_array_append(a, buf, NBD_OPT_HEADER);
    g_byte_array_append(a, meta.data, meta.len);
    h = (NBDOptHeader){ NBD_OPT_GO, (uint32_t)info.len };
    nbd_opt_encode(&h, buf);
    g_byte_array_append(a, buf, NBD_OPT_HEADER);
    g_byte_array_append(a, info.data, info.len);
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_byte_array_append(
            a, buf, nbd_request_encode(NBD_MODE_STRUCTURED, &requests[i], buf));
        if (requests[i].type == NBD_CMD_WRITE) {
            g_byte_array_append(a, buf, 20);
        }
    }
    return a;
}

/* With and without reading what the server says. */
static void test_close_everywhere(void)
{
    NBDServerConfig config = { .threads = 2 };
    g_autoptr(GByteArray) talk = whole_talk();
    unsigned fds;
    Fixture f;

    fixture_init(&f, &config);
    check_good_client(&f);
    fds = count_fds();
    for (guint n = 0; n <= talk->len; n++) {
        int fd = connect_raw(&f);

        put(fd, talk->data, n);
        if (n & 1) {
            shutdown(fd, SHUT_WR);
            expect_end(fd);
        }
        close(fd);
    }
    check_good_client(&f);
    for (int i = 0; i < 1000 && count_fds() > fds; i++) {
        g_usleep(5000);
    }
    g_assert_cmpuint(count_fds(), <=, fds);
    fixture_clear(&f);
}

/* -- crowds -------------------------------------------------------------------------------- */

#define CROWD 500

static void check_crowd(const NBDServerConfig *config)
{
    int fds[CROWD];
    Fixture f;

    fixture_init(&f, config);
    for (int i = 0; i < CROWD; i++) {
        fds[i] = connect_raw(&f);
        if (i % 3 == 1) {
            put(fds[i], "\0\0\0\3", 4);
        } else if (i % 3 == 2) {
            put(fds[i], "GET / HTTP/1.1\r\n\r\n", 18);
        }
    }
    if (!config->tls_creds) {
        check_good_client(&f);
    }
    for (int i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    if (!config->tls_creds) {
        check_good_client(&f);
    }
    fixture_clear(&f);
}

static void test_crowd(void)
{
    NBDServerConfig config = { .threads = 2, .max_connections = 1 };

    check_crowd(&config);
}

static void test_handshake_timeout(void)
{
    NBDServerConfig config = { .threads = 1, .handshake_ms = 100 };
    Fixture f;
    int fd, good;

    fixture_init(&f, &config);
    good = connect_greeted(&f);
    g_assert_cmpuint(go(good, "disk"), ==, NBD_REP_ACK);
    fd = connect_greeted(&f);
    put_opt(fd, NBD_OPT_LIST, NULL, 0);
    expect_end(fd);
    close(fd);
    fd = connect_raw(&f);
    expect_end(fd);
    close(fd);
    /* Who has chosen an export may take his time. */
    put_request(good, NBD_MODE_SIMPLE,
                &(NBDRequest){ .type = NBD_CMD_FLUSH, .cookie = 3 });
    g_assert_cmpuint(simple_error(good, 3), ==, 0);
    close(good);
    fixture_clear(&f);
}

/* -- floods -------------------------------------------------------------------------------- */

/* A client that sends the same refused thing again and again, and reads what
 * it is told, so that its socket always has something for the server. */
typedef struct Flood {
    int fd;
    uint8_t *what; /* owned */
    size_t bytes;
    uint64_t sent; /* atomic */
    QemuThread sender, reader;
} Flood;

static void *flood_send(void *opaque)
{
    Flood *f = opaque;
    ssize_t n;

    while ((n = send(f->fd, f->what, f->bytes, MSG_NOSIGNAL)) ==
           (ssize_t)f->bytes) {
        qatomic_add(&f->sent, (uint64_t)n);
    }
    return NULL;
}

static void *flood_read(void *opaque)
{
    Flood *f = opaque;
    g_autofree uint8_t *buf = g_malloc(1024 * 1024);

    while (recv(f->fd, buf, 1024 * 1024, 0) > 0) {
    }
    return NULL;
}

static void flood_begin(Flood *f, int fd, const uint8_t *what, size_t len)
{
    unsigned n = 64 * 1024 / len;

    f->fd = fd;
    f->bytes = n * len;
    f->what = g_malloc(f->bytes);
    for (unsigned i = 0; i < n; i++) {
        memcpy(f->what + i * len, what, len);
    }
    f->sent = 0;
    qemu_thread_create(&f->sender, "flood-send", flood_send, f,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_create(&f->reader, "flood-read", flood_read, f,
                       QEMU_THREAD_JOINABLE);
    while (qatomic_read(&f->sent) < 4 * f->bytes) {
        g_usleep(1000);
    }
}

/* The server has hung up, or does so. */
static void flood_end(Flood *f)
{
    qemu_thread_join(&f->sender);
    qemu_thread_join(&f->reader);
    close(f->fd);
    g_free(f->what);
}

/* However much is there: the loop runs many times until all is answered. */
static void test_flood_rounds(void)
{
    static const NBDRequest bad = { .type = NBD_CMD_READ,
                                    .offset = DISK_BYTES,
                                    .length = 4096 };
    NBDServerConfig config = { .threads = 1 };
    uint8_t replies[NBD_REPLY_SIZE * 64];
    NBDExportConfig e;
    const size_t want = 3000;
    g_autofree uint8_t *requests = g_malloc(want * NBD_REQUEST_EXT_SIZE);
    size_t len = 0;
    unsigned rounds = 0;
    Fixture f;
    int fd;

    fixture_init(&f, &config);
    e = nbd_disk_export(f.disk, "here", true);
    e.ctx = qemu_get_aio_context(); /* runs when this thread says so */
    e.gone = NULL;
    nbd_server_add_export(f.server, &e, &error_abort);
    fd = connect_greeted(&f);
    g_assert_cmpuint(go(fd, "here"), ==, NBD_REP_ACK);
    for (size_t i = 0; i < want; i++) {
        len += nbd_request_encode(NBD_MODE_SIMPLE, &bad, requests + len);
    }
    g_assert_true(put(fd, requests, len)); /* in one piece: it has room */
    for (size_t got = 0; got < want * NBD_REPLY_SIZE; rounds++) {
        ssize_t n;

        main_loop_wait(true);
        while ((n = recv(fd, replies, sizeof(replies), MSG_DONTWAIT)) > 0) {
            got += n;
        }
    }
    g_assert_cmpuint(rounds, >=, want / 100);
    close(fd);
    fixture_clear(&f);
}

/* A flood of requests keeps neither others nor the end of the server waiting. */
static void test_flood_requests(void)
{
    static const NBDRequest bad = { .type = NBD_CMD_READ,
                                    .offset = DISK_BYTES,
                                    .length = 4096 };
    NBDServerConfig config = { .threads = 1 };
    uint8_t buf[NBD_REQUEST_EXT_SIZE];
    size_t len = nbd_request_encode(NBD_MODE_SIMPLE, &bad, buf);
    Flood flood;
    Fixture f;
    int fd;

    fixture_init(&f, &config);
    fd = connect_tcp_greeted(&f);
    g_assert_cmpuint(go(fd, "disk"), ==, NBD_REP_ACK);
    flood_begin(&flood, fd, buf, len);
    for (int i = 0; i < 5; i++) {
        check_good_client(&f);
    }
    fixture_clear(&f);
    flood_end(&flood);
}

/* One of options does not either, and ends by itself. */
static void test_flood_options(void)
{
    NBDServerConfig config = { .threads = 1 };
    uint8_t buf[NBD_OPT_HEADER];
    Flood flood;
    Fixture f;

    nbd_opt_encode(&(NBDOptHeader){ 99, 0 }, buf);
    fixture_init(&f, &config);
    for (int i = 0; i < 3; i++) {
        flood_begin(&flood, connect_tcp_greeted(&f), buf, sizeof(buf));
        check_good_client(&f);
        flood_end(&flood); /* not for ever */
        g_assert_cmpuint(flood.sent, <, 64 * 1024 * 1024);
    }
    flood_begin(&flood, connect_tcp_greeted(&f), buf, sizeof(buf));
    fixture_clear(&f);
    flood_end(&flood);
}

/* -- TLS ------------------------------------------------------------------------------------- */

static void test_tls_in_the_clear(void)
{
    g_autoptr(TestPki) pki = test_pki_new();
    QCryptoTLSCreds *creds =
        test_tls_creds_new("tls-creds-x509", "server",
                           test_pki_dir(pki, TEST_PKI_SERVER, TEST_PKI_GOOD),
                           NULL, NULL);
    NBDServerConfig config = { .tls_creds = creds, .threads = 1 };
    uint8_t two[2 * NBD_OPT_HEADER];
    Fixture f;
    int fd;

    fixture_init(&f, &config);
    for (uint32_t opt = 0; opt < 20; opt++) {
        bool drops = opt == NBD_OPT_EXPORT_NAME;

        if (opt == NBD_OPT_STARTTLS) {
            continue;
        }
        fd = connect_greeted(&f);
        g_assert_cmpuint(ask(fd, opt, "disk", 4), ==,
                         drops ? 0 : NBD_REP_ERR_TLS_REQD);
        if (opt == NBD_OPT_ABORT) {
            expect_end(fd);
        }
        close(fd);
    }
    /* STARTTLS has no data. */
    fd = connect_greeted(&f);
    g_assert_cmpuint(ask(fd, NBD_OPT_STARTTLS, "x", 1), ==, 0);
    close(fd);
    /* Words behind STARTTLS, in one packet with it. */
    fd = connect_greeted(&f);
    nbd_opt_encode(&(NBDOptHeader){ NBD_OPT_STARTTLS, 0 }, two);
    nbd_opt_encode(&(NBDOptHeader){ NBD_OPT_LIST, 0 }, two + NBD_OPT_HEADER);
    put(fd, two, sizeof(two));
    g_assert_cmpuint(get_rep(fd, NBD_OPT_STARTTLS), ==, 0);
    close(fd);
    /* An acknowledged STARTTLS, then no TLS. */
    fd = connect_greeted(&f);
    g_assert_cmpuint(ask(fd, NBD_OPT_STARTTLS, NULL, 0), ==, NBD_REP_ACK);
    put(fd, "this is no hello of TLS, whatever it is", 39);
    expect_end(fd);
    close(fd);
    fixture_clear(&f);
    check_crowd(&config);
    object_unref(creds);
}

int main(int argc, char **argv)
{
    struct rlimit files = { 4096, 4096 };

    g_test_init(&argc, &argv, NULL);
    setrlimit(RLIMIT_NOFILE, &files);
    qemu_init_main_loop(&error_abort);
    qcrypto_init(&error_abort);
    g_test_add_func("/nbd/server/option-lengths", test_option_lengths);
    g_test_add_func("/nbd/server/option-answers", test_option_answers);
    g_test_add_func("/nbd/server/old-client", test_old_client);
    g_test_add_func("/nbd/server/bad-requests", test_bad_requests);
    g_test_add_func("/nbd/server/extended-requests", test_extended_requests);
    g_test_add_func("/nbd/server/close-everywhere", test_close_everywhere);
    g_test_add_func("/nbd/server/crowd", test_crowd);
    g_test_add_func("/nbd/server/handshake-timeout", test_handshake_timeout);
    g_test_add_func("/nbd/server/flood-rounds", test_flood_rounds);
    g_test_add_func("/nbd/server/flood-requests", test_flood_requests);
    g_test_add_func("/nbd/server/flood-options", test_flood_options);
    g_test_add_func("/nbd/server/tls-in-the-clear", test_tls_in_the_clear);
    return g_test_run();
}
