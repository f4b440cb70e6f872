/*
 * The NBD server: the bytes of a client. A connection is served in this
 * thread, over a socket pair, until the client's bytes have ended; whatever
 * they are, it must end too.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "crypto/init.h"
#include "nbd/server-internal.h"
#include "util/atomic.h"
#include "util/main-loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DISK_BYTES (256 * 1024)

static int64_t disk_length(void *opaque)
{
    return DISK_BYTES;
}

static int coroutine_fn disk_co_preadv(void *opaque, uint64_t offset,
                                       QEMUIOVector *qiov)
{
    if (offset > DISK_BYTES || qiov->size > DISK_BYTES - offset) {
        abort();
    }
    qemu_iovec_memset(qiov, 0, 1, qiov->size);
    return offset & 8 ? -EIO : 0;
}

static int coroutine_fn disk_co_pwritev(void *opaque, uint64_t offset,
                                        QEMUIOVector *qiov, bool fua)
{
    return disk_co_preadv(opaque, offset, qiov);
}

static int coroutine_fn disk_co_flush(void *opaque)
{
    return 0;
}

static int coroutine_fn disk_co_zero(void *opaque, uint64_t offset,
                                     uint64_t bytes, unsigned flags)
{
    if (offset > DISK_BYTES || bytes > DISK_BYTES - offset) {
        abort();
    }
    return 0;
}

static int coroutine_fn disk_co_extents(void *opaque, unsigned context,
                                        uint64_t offset, uint64_t bytes,
                                        NBDExtent *ext, unsigned max)
{
    unsigned n = 0;

    if (offset > DISK_BYTES || bytes > DISK_BYTES - offset || bytes == 0) {
        abort();
    }
    while (bytes > 0 && n < max) {
        ext[n].length = MIN(bytes, 4096 * (1 + context));
        ext[n].flags = n & 3;
        bytes -= ext[n++].length;
    }
    return (int)n;
}

static const NBDBackendOps ops = {
    .co_length = disk_length,
    .co_preadv = disk_co_preadv,
    .co_pwritev = disk_co_pwritev,
    .co_flush = disk_co_flush,
    .co_zero = disk_co_zero,
    .co_extents = disk_co_extents,
};

static NBDServer *make_server(void)
{
    static const char *const contexts[] = { NBD_CONTEXT_ALLOCATION,
                                            NBD_CONTEXT_DEPTH, NULL };
    NBDServerConfig config = { .max_connections = 0 };
    NBDExportConfig e = { .name = "",
                          .description = "d",
                          .ops = &ops,
                          .writable = true,
                          .contexts = contexts };
    NBDServer *s;

    qemu_init_main_loop(&error_abort);
    qcrypto_init(&error_abort);
    s = nbd_server_new(&config, &error_abort);
    nbd_server_add_export(s, &e, &error_abort);
    e.name = "x";
    e.writable = false;
    nbd_server_add_export(s, &e, &error_abort);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static NBDServer *s;
    QIOChannelSocket *sioc;
    unsigned refs;
    size_t done = 0;
    bool said = false;
    int sv[2];

    if (!s) {
        s = make_server();
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv) < 0) {
        return 0;
    }
    sioc = qio_channel_socket_new_fd(sv[1], &error_abort);
    refs = qatomic_read(&s->refs);
    qatomic_inc(&s->refs);
    WITH_QEMU_LOCK_GUARD(&s->lock)
    {
        NBDConn *c = nbd_conn_start(s, sioc, qemu_get_aio_context(), NULL);

        s->half_open++;
        QTAILQ_INSERT_TAIL(&s->conns, c, next);
    }
    object_unref(OBJECT(sioc));
    while (qatomic_read(&s->refs) > refs) {
        char sink[65536];

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
    close(sv[0]);
    return 0;
}
