/*
 * The NBD client: the bytes of a server. The first byte says what is asked of
 * it: a list, or an export and some requests. Whatever comes, every request
 * must end, and no byte may be written outside of a caller's memory.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "crypto/init.h"
#include "nbd/client-internal.h"
#include "util/main-loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Talk {
    QIOChannelSocket *sioc;
    NBDClientConn *conn;
    uint8_t how;
    unsigned running;
} Talk;

static void conn_ended(void *opaque, NBDClientConn *conn)
{
    Talk *t = opaque;

    t->running--;
}

static void coroutine_fn read_entry(void *opaque)
{
    Talk *t = opaque;
    /* Of its size to the byte, so that ASan sees one too many. */
    g_autofree uint8_t *buf = g_malloc(1000);
    QEMUIOVector qiov = QEMU_IOVEC_INIT_BUF(qiov, buf, 1000);
    NBDClientReq r = {
        .req = { .type = NBD_CMD_READ, .offset = 512, .length = 1000 },
        .qiov = &qiov,
    };

    nbd_client_conn_request(t->conn, &r);
    t->running--;
}

static void coroutine_fn status_entry(void *opaque)
{
    Talk *t = opaque;
    g_autofree NBDExtent *ext = g_new(NBDExtent, 3);
    NBDClientReq r = {
        .req = { .type = NBD_CMD_BLOCK_STATUS, .length = 65536 },
        .context = 1,
        .ext = ext,
        .max_ext = 3,
    };

    nbd_client_conn_request(t->conn, &r);
    t->running--;
}

static void coroutine_fn flush_entry(void *opaque)
{
    Talk *t = opaque;
    NBDClientReq r = { .req = { .type = NBD_CMD_FLUSH } };

    nbd_client_conn_request(t->conn, &r);
    t->running--;
}

static void start(Talk *t, CoroutineEntry *entry)
{
    t->running++;
    qemu_coroutine_enter(qemu_coroutine_create(entry, t));
}

static void start_requests(Talk *t, QIOChannel *ioc, NBDMode mode)
{
    t->running++;
    t->conn = nbd_client_conn_new(ioc, t->sioc, qemu_get_aio_context(), mode,
                                  conn_ended, t);
    nbd_client_conn_start(t->conn);
    start(t, read_entry);
    start(t, status_entry);
    start(t, flush_entry);
}

static void coroutine_fn talk_entry(void *opaque)
{
    static const char *const contexts[] = { NBD_CONTEXT_ALLOCATION, NULL };
    Talk *t = opaque;
    NBDNegotiation n = { .export = "x",
                         .contexts = contexts,
                         .no_extended = t->how & 2,
                         .no_structured = t->how & 4 };
    QIOChannel *ioc = QIO_CHANNEL(t->sioc);

    if (t->how & 1) {
        GPtrArray *infos = nbd_client_list(ioc, &n, NULL);

        if (infos) {
            g_ptr_array_unref(infos);
        }
    } else if (t->how & 8) {
        start_requests(t, ioc, (NBDMode)((t->how >> 4) % 3));
    } else {
        g_auto(NBDExportInfo) info = { 0 };

        ioc = nbd_client_negotiate(ioc, &n, &info, NULL);
        if (ioc) {
            start_requests(t, ioc,
                           info.extended     ? NBD_MODE_EXTENDED
                           : info.structured ? NBD_MODE_STRUCTURED
                                             : NBD_MODE_SIMPLE);
            object_unref(OBJECT(ioc));
        }
    }
    t->running--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    Talk t = { .running = 1 };
    size_t done = 0;
    bool said = false;
    int sv[2];

    if (!ready) {
        qemu_init_main_loop(&error_abort);
        qcrypto_init(&error_abort);
        ready = true;
    }
    if (size == 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) < 0) {
        return 0;
    }
    t.how = data[0];
    data++;
    size--;
    t.sioc = qio_channel_socket_new_fd(sv[1], &error_abort);
    qio_channel_set_blocking(QIO_CHANNEL(t.sioc), false, &error_abort);
    qemu_aio_coroutine_enter(qemu_get_aio_context(),
                             qemu_coroutine_create(talk_entry, &t));
    while (t.running > 0) {
        char sink[4096];

        if (done < size) {
            ssize_t n = send(sv[0], data + done, size - done, MSG_NOSIGNAL);

            done = n > 0 ? done + n : errno == EAGAIN ? done : size;
        } else if (!said) {
            shutdown(sv[0], SHUT_WR);
            said = true;
        }
        while (recv(sv[0], sink, sizeof(sink), 0) > 0) {
        }
        aio_poll(qemu_get_aio_context(), false);
    }
    if (t.conn) {
        nbd_client_conn_unref(t.conn);
    }
    object_unref(OBJECT(t.sioc));
    close(sv[0]);
    return 0;
}
