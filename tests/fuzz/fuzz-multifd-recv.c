/*
 * A multifd channel of the destination: any bytes after the setup's SYNC, in
 * any state of the migration. No byte outside of the blocks is written, and
 * it ends.
 *
 * Input: u8 options (bit 0: before the setup's SYNC, bit 1: post-copy), then the
 * channel's bytes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "migration/multifd/multifd.h"
#include "util/sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAGES     16
#define INPUT_MAX (32 * 1024) /* fits the socket's buffer */
#define OPT_EARLY 1
#define OPT_QUIET 2

static RAMBlock *find_block(void *opaque, const char *name, Error **errp)
{
    RAMBlock *rb = opaque;

    if (!g_str_equal(name, rb->idstr)) {
        error_setg(errp, "unknown RAM block '%s'", name);
        return NULL;
    }
    return rb;
}

static void channel_write(int fd, const void *buf, size_t len)
{
    if (send(fd, buf, len, MSG_NOSIGNAL) < 0 && errno != EPIPE) {
        abort();
    }
}

static void sync_write(int fd)
{
    static MultiFDPacket sync = { .sync = true };
    uint8_t buf[MULTIFD_HEADER_SIZE];

    multifd_packet_encode(&sync, buf);
    channel_write(fd, buf, sizeof(buf));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static RAMBlock rb;
    MultiFDRecvConfig config = { .channels = 1,
                                 .block = find_block,
                                 .opaque = &rb };
    MultiFDHello hello = { .id = 0 };
    uint8_t buf[MULTIFD_HELLO_SIZE];
    g_autoptr(MultiFDRecv) r = NULL;
    g_autoptr(QIOChannel) ioc = NULL;
    int fds[2];

    if (size < 1 || size > INPUT_MAX ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return 0;
    }
    g_strlcpy(rb.idstr, "ram", sizeof(rb.idstr));
    rb.used_length = rb.max_length = PAGES * RAM_PAGE_SIZE;
    rb.host = g_aligned_alloc0(PAGES, RAM_PAGE_SIZE, RAM_PAGE_SIZE);
    ioc = QIO_CHANNEL(qio_channel_socket_new_fd(fds[1], NULL));
    r = multifd_recv_new(&config, NULL);
    multifd_hello_encode(&hello, buf);
    if (!multifd_recv_add_channel(r, ioc, buf, NULL)) {
        abort();
    }
    if (!(data[0] & OPT_EARLY)) {
        sync_write(fds[0]);
        multifd_recv_sync(r, NULL);
    }
    if (data[0] & OPT_QUIET) {
        multifd_recv_quiet(r);
    }
    channel_write(fds[0], data + 1, size - 1);
    shutdown(fds[0], SHUT_WR);
    /* Ends with an error in any case: the last one has no SYNC. */
    while (multifd_recv_sync(r, NULL)) {
    }
    g_clear_pointer(&r, multifd_recv_free);
    g_aligned_free(rb.host);
    close(fds[0]);
    return 0;
}
