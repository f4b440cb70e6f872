/*
 * ferry-nbd: serving.
 *
 * The image becomes the only export of the process's NBD server, as
 * block-export-add would make it. The program ends with the last client,
 * unless it is persistent, and at a signal.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-node.h"
#include "block/export.h"
#include "io/channel-socket.h"
#include "io/socket-address.h"
#include "nbd/server.h"
#include "qapi/qapi-types-block-export.h"
#include "qapi/qapi-visit-sockets.h"
#include "qapi/util.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/main-loop.h"

#include "nbd.h"

typedef struct Serve {
    Tool *tool;
    NbdArgs *a;
    BlockBackend *blk;
    NbdDevice *device; /* -c */
    bool ended;        /* nothing more to do */
    bool detached;     /* the kernel has let go of the device */
} Serve;

static void client_gone(void *opaque, unsigned left)
{
    Serve *s = opaque;

    if (s->a->verbose) {
        error_printf("ferry-nbd: a client has gone, %u left\n", left);
    }
    if (left == 0 && !s->a->persistent) {
        s->ended = true;
    }
}

/* In the connection's thread; one line is one write. */
static void client_refused(void *opaque, const char *peer, const char *why)
{
    error_printf("ferry-nbd: the client %s got no export: %s\n", peer, why);
}

/* -- the server ------------------------------------------------------------------------- */

static bool listen_fd(int fd, Error **errp)
{
    QIOChannelSocket *sioc = qio_channel_socket_new_fd(fd, errp);

    if (!sioc) {
        error_prepend(errp, "socket activation: ");
        return false;
    }
    nbd_server_add_listener(block_nbd_server(), sioc);
    object_unref(OBJECT(sioc));
    return true;
}

static bool start_server(Serve *s, Error **errp)
{
    const NbdArgs *a = s->a;
    NBDServerConfig config = {
        .tls_authz = a->tls_authz,
        .max_connections = (unsigned)MIN(a->shared.value, INT_MAX),
        .handshake_ms =
            (unsigned)MIN(a->handshake_limit.value, INT_MAX / 1000) * 1000,
        .threads = (unsigned)MIN(a->threads.value, INT_MAX),
        .client_gone = client_gone,
        .client_refused = a->verbose ? client_refused : NULL,
        .opaque = s,
    };

    if (a->tls_creds) {
        config.tls_creds =
            nbd_find_creds(a, QCRYPTO_TLS_CREDS_ENDPOINT_SERVER, errp);
        if (!config.tls_creds) {
            return false;
        }
    }
    return block_nbd_server_start(&config, errp);
}

/* Of the sockets that this thread makes from now on; NULL: the process's. */
static bool set_socket_label(const char *label, Error **errp)
{
    const char *path = "/proc/thread-self/attr/sockcreate";
    size_t len = label ? strlen(label) + 1 : 0;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, label, len) == (ssize_t)len;

    if (!ok) {
        error_setg_errno(errp, errno,
                         "cannot give the socket the label '%s' of SELinux",
                         label ?: "");
    }
    if (fd >= 0) {
        fd_close(fd);
    }
    return ok;
}

static bool start_listening(Serve *s, Error **errp)
{
    g_autoptr(SocketAddress) addr = NULL;

    if (s->a->activated_fd >= 0) {
        return listen_fd(s->a->activated_fd, errp);
    }
    addr = nbd_address(s->a, "0.0.0.0");
    if (s->a->selinux_label && !set_socket_label(s->a->selinux_label, errp)) {
        return false;
    }
    return nbd_server_listen(block_nbd_server(), addr, errp) &&
           (!s->a->selinux_label || set_socket_label(NULL, errp));
}

/* -- the export ---------------------------------------------------------------------------- */

static BlockDirtyBitmapOrStrList *bitmap_list(const GPtrArray *names)
{
    BlockDirtyBitmapOrStrList *list = NULL, **tail = &list;

    for (guint i = 0; names && i < names->len; i++) {
        BlockDirtyBitmapOrStr *b = g_new0(BlockDirtyBitmapOrStr, 1);

        b->type = QTYPE_QSTRING;
        b->u.local = g_strdup(g_ptr_array_index(names, i));
        QAPI_LIST_APPEND(tail, b);
    }
    return list;
}

static bool add_export(Serve *s, Error **errp)
{
    const NbdArgs *a = s->a;
    BlockExportOptions opts = {
        .type = BLOCK_EXPORT_TYPE_NBD,
        .id = (char *)"ferry-nbd",
        .node_name = (char *)block_node_name(blk_node(s->blk)),
        .has_writable = true,
        .writable = !a->read_only && !a->load_snapshot,
        .has_writethrough = true,
        .writethrough = !blk_enable_write_cache(s->blk),
        .u.nbd = { .name = (char *)(a->export_name ?: ""),
                   .description = (char *)a->description,
                   .has_bitmaps = a->bitmaps != NULL,
                   .bitmaps = bitmap_list(a->bitmaps),
                   .has_allocation_depth = true,
                   .allocation_depth = a->allocation_depth },
    };
    bool ok;

    /* The export has a backend of its own, which takes over the image. */
    ok = blk_set_node_perm(s->blk, 0, NODE_PERM_ALL, errp) &&
         block_export_add(&opts, errp);
    qapi_free_BlockDirtyBitmapOrStrList(opts.u.nbd.bitmaps);
    return ok;
}

/* -- -c --------------------------------------------------------------------------------------- */

static bool attach_device(Serve *s, Error **errp)
{
    QIOChannelSocket *sioc;
    int fd;

    s->device = nbd_device_open(s->a->connect, &fd, errp);
    if (!s->device) {
        return false;
    }
    sioc = qio_channel_socket_new_fd(fd, errp);
    if (!sioc) {
        fd_close(fd);
        return false;
    }
    nbd_server_serve(block_nbd_server(), sioc);
    object_unref(OBJECT(sioc));
    return nbd_device_attach(s->device, &s->detached, errp);
}

/* -- ready ------------------------------------------------------------------------------------ */

static bool write_pid_file(const char *path, Error **errp)
{
    g_autofree char *text = g_strdup_printf("%d\n", (int)getpid());
    g_autoptr(GError) gerr = NULL;

    if (!g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE,
                                  0644, &gerr)) {
        error_setg(errp, "cannot write the pid file: %s", gerr->message);
        return false;
    }
    return true;
}

/* Let go of the terminal, and of the parent. */
static void tell_parent(NbdArgs *a)
{
    const char ok = 0;
    int fd;

    if (a->ready_fd < 0) {
        return;
    }
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        dup2(fd, STDIN_FILENO);
        dup2(fd, STDOUT_FILENO);
        if (!a->verbose) {
            dup2(fd, STDERR_FILENO);
        }
        fd_close(fd);
    }
    if (write(a->ready_fd, &ok, 1) != 1) {
        error_report("the parent process has gone");
    }
    a->ready_fd = fd_close(a->ready_fd);
}

static void say_address(const NbdArgs *a)
{
    g_autoptr(SocketAddress) addr = nbd_server_address(block_nbd_server());
    g_autofree char *text = addr ? socket_uri(addr) : NULL;

    if (a->verbose && text) {
        error_printf("ferry-nbd: listening on %s\n", text);
    }
}

static bool start(Serve *s, Error **errp)
{
    s->blk = nbd_open(s->tool, s->a, errp);
    if (!s->blk || !start_server(s, errp) || !add_export(s, errp)) {
        return false;
    }
    if (s->a->connect ? !attach_device(s, errp) : !start_listening(s, errp)) {
        return false;
    }
    return !s->a->pid_file || write_pid_file(s->a->pid_file, errp);
}

static bool has_ended(const Serve *s)
{
    return s->ended || s->tool->interrupted ||
           __atomic_load_n(&s->detached, __ATOMIC_ACQUIRE);
}

int nbd_serve(Tool *tool, NbdArgs *a)
{
    Serve s = { .tool = tool, .a = a };
    Error *err = NULL;
    bool ok = start(&s, &err);

    if (ok) {
        say_address(a);
        tell_parent(a);
        while (!has_ended(&s)) {
            main_loop_wait(false);
        }
        if (a->pid_file) {
            unlink(a->pid_file);
        }
    }
    nbd_device_close(s.device, err ? NULL : &err);
    block_exports_cleanup();
    blk_unref(s.blk);
    if (err) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
