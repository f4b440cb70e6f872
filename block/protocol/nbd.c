/*
 * Driver "nbd": an export of an NBD server as a node.
 *
 * The work is done by nbd/client*.c; this file makes properties of the node
 * into its configuration and requests of nodes into its requests. Where the
 * server allows several connections there are as many as the load wants; with
 * TLS they are received in threads, so that decrypting is spread.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/block-internal.h"
#include "block/protocol/nbd-internal.h"
#include "block/protocol/nbd-status.h"
#include "crypto/tlscreds.h"
#include "io/yank.h"
#include "nbd/client.h"
#include "qapi/qapi-types-yank.h"
#include "qapi/qapi-visit-sockets.h"
#include "qapi/qobject-input-visitor.h"
#include "qapi/qobject-output-visitor.h"

#define TYPE_BLOCK_NBD TYPE_BLOCK_NODE "-nbd"
OBJECT_DECLARE_SIMPLE_TYPE(BlockNBD, BLOCK_NBD)

/* Threads that receive, where there are several connections or TLS. */
#define NBD_RECEIVE_THREADS 4
/* Status of fewer bytes is asked for alone. */
#define NBD_STATUS_AHEAD (1024 * 1024)
/* Longest zeroes or status that fits a compact request, at any alignment. */
#define NBD_COMPACT_MAX (UINT32_MAX & ~UINT32_C(65535))
/* Properties that are times, seconds. */
#define NBD_SECONDS_MAX 4294967

struct BlockNBD {
    BlockNode parent_obj;

    /* properties */
    json_t *server;
    char *host;
    char *port;
    char *path;
    char *export;
    char *tls_creds_id;
    char *tls_hostname;
    char *dirty_bitmap;
    uint32_t reconnect_delay; /* s */
    uint32_t open_timeout;    /* s */
    uint8_t connections;

    SocketAddress *addr; /* owned */
    NBDClient *client;   /* while open */
    bool yank_registered;
    bool has_status;     /* contexts[0] is what we asked for */
    uint64_t max_simple; /* bytes of one TRIM, WRITE_ZEROES, BLOCK_STATUS */
    NBDStatus status;
};

/* -- address ------------------------------------------------------------------------ */

static SocketAddress *visit_server(BlockNBD *s, Error **errp)
{
    SocketAddress *addr = NULL;
    Visitor *v = BLOCK_NODE(s)->options_are_text
                     ? qobject_input_visitor_new_keyval(s->server)
                     : qobject_input_visitor_new(s->server);

    visit_type_SocketAddress(v, NULL, &addr, errp);
    visit_free(v);
    return addr;
}

/* "host", "port" and "path" are short for "server". */
static SocketAddress *make_address(BlockNBD *s, Error **errp)
{
    SocketAddress *addr;
    bool any = s->host || s->port || s->path;

    if (!s->server == !any) {
        error_setg(errp, s->server
                             ? "'server' cannot be used with 'host', 'port' or "
                               "'path'"
                             : "driver nbd needs 'server'");
        return NULL;
    }
    if (s->server) {
        return visit_server(s, errp);
    }
    if (!s->path == !s->host) {
        error_setg(errp, "driver nbd needs one of 'path' and 'host'");
        return NULL;
    }
    if (s->path && s->port) {
        error_setg(errp, "'port' goes with 'host' only");
        return NULL;
    }
    addr = g_new0(SocketAddress, 1);
    if (s->path) {
        addr->type = SOCKET_ADDRESS_TYPE_UNIX;
        addr->u.q_unix.path = g_strdup(s->path);
    } else {
        addr->type = SOCKET_ADDRESS_TYPE_INET;
        addr->u.inet.host = g_strdup(s->host);
        addr->u.inet.port = s->port ? g_strdup(s->port)
                                    : g_strdup_printf("%d", NBD_DEFAULT_PORT);
    }
    return addr;
}

/* -- TLS ------------------------------------------------------------------------------ */

static bool find_creds(BlockNBD *s, QCryptoTLSCreds **creds, Error **errp)
{
    Object *obj;

    *creds = NULL;
    if (!s->tls_creds_id) {
        if (s->tls_hostname) {
            error_setg(errp, "'tls-hostname' needs 'tls-creds'");
            return false;
        }
        return true;
    }
    obj = object_resolve_path_component(object_get_objects_root(),
                                        s->tls_creds_id);
    if (!obj) {
        error_setg(errp, "there are no TLS credentials '%s'", s->tls_creds_id);
        return false;
    }
    *creds =
        (QCryptoTLSCreds *)object_dynamic_cast(obj, TYPE_QCRYPTO_TLS_CREDS);
    if (!*creds) {
        error_setg(errp, "object '%s' is not TLS credentials", s->tls_creds_id);
        return false;
    }
    return true;
}

/* The name that the server's certificate must bear. */
static const char *certificate_name(const BlockNBD *s)
{
    if (s->tls_hostname) {
        return s->tls_hostname;
    }
    return s->addr->type == SOCKET_ADDRESS_TYPE_INET ? s->addr->u.inet.host
                                                     : NULL;
}

/* -- yank ------------------------------------------------------------------------------ */

static void nbd_watch(void *opaque, QIOChannel *ioc)
{
    BlockNode *node = opaque;

    yank_register_function(BLOCKDEV_YANK_INSTANCE(node->name),
                           yank_generic_iochannel, ioc);
    /* While there was none, others may have written. */
    nbd_status_changed(&BLOCK_NBD(node)->status);
}

static void nbd_unwatch(void *opaque, QIOChannel *ioc)
{
    BlockNode *node = opaque;

    yank_unregister_function(BLOCKDEV_YANK_INSTANCE(node->name),
                             yank_generic_iochannel, ioc);
}

/* -- open, close ------------------------------------------------------------------------ */

static bool nbd_connect(BlockNBD *s, Error **errp)
{
    BlockNode *node = BLOCK_NODE(s);
    const char *contexts[] = { NBD_CONTEXT_ALLOCATION, NULL };
    NBDClientConfig config = {
        .addr = s->addr,
        .n = { .export = s->export ?: "",
               .tls_hostname = certificate_name(s),
               .contexts = contexts },
        .ctx = node->ctx,
        .threads = MIN(g_get_num_processors(), NBD_RECEIVE_THREADS),
        .connections = s->connections,
        .reconnect_delay_ms = (uint64_t)s->reconnect_delay * 1000,
        .open_timeout_ms = (uint64_t)s->open_timeout * 1000,
        .watch = nbd_watch,
        .unwatch = nbd_unwatch,
        .opaque = node,
    };

    if (s->dirty_bitmap) {
        contexts[0] = s->dirty_bitmap;
    }
    if (!find_creds(s, &config.n.tls_creds, errp)) {
        return false;
    }
    s->client = nbd_client_open(&config, errp);
    return s->client;
}

/* What the server said becomes limits of the node. */
static bool nbd_take_info(BlockNBD *s, Error **errp)
{
    BlockNode *node = BLOCK_NODE(s);
    const NBDExportInfo *info = nbd_client_info(s->client);
    uint32_t max = MIN(info->max_block ?: NBD_MAX_PAYLOAD, NBD_MAX_PAYLOAD);
    uint32_t align = info->min_block ?: 1;

    s->has_status = info->n_contexts > 0 &&
                    g_str_equal(info->contexts[0].name,
                                s->dirty_bitmap ?: NBD_CONTEXT_ALLOCATION);
    if (s->dirty_bitmap && !s->has_status) {
        error_setg(errp, "NBD server has no context '%s'", s->dirty_bitmap);
        return false;
    }
    if (info->size > BLK_LENGTH_MAX) {
        error_setg(errp, "NBD export '%s' is too large", info->name);
        return false;
    }
    if ((info->flags & NBD_FLAG_READ_ONLY) && !node->read_only) {
        if (!node->auto_read_only) {
            error_setg(errp, "NBD export '%s' is read-only", info->name);
            return false;
        }
        node->read_only = true;
    }
    node->length = (int64_t)info->size;
    node->request_alignment = align;
    node->max_transfer = QEMU_ALIGN_DOWN(max, align);
    s->max_simple = info->extended ? (uint64_t)INT64_MAX & ~UINT64_C(65535)
                                   : NBD_COMPACT_MAX;
    node->max_zeroes = (int64_t)s->max_simple;
    if (info->flags & NBD_FLAG_SEND_FUA) {
        node->write_flags |= BLK_REQ_FUA;
        node->zero_flags |= BLK_REQ_FUA;
    }
    node->zero_flags |= BLK_REQ_MAY_UNMAP;
    if (info->flags & NBD_FLAG_SEND_FAST_ZERO) {
        node->zero_flags |= BLK_REQ_NO_FALLBACK;
    }
    return true;
}

static void nbd_close(BlockNode *node)
{
    BlockNBD *s = BLOCK_NBD(node);

    g_clear_pointer(&s->client, nbd_client_close);
    if (s->yank_registered) {
        yank_unregister_instance(BLOCKDEV_YANK_INSTANCE(node->name));
        s->yank_registered = false;
    }
    g_clear_pointer(&s->addr, qapi_free_SocketAddress);
}

static bool nbd_open(BlockNode *node, Error **errp)
{
    BlockNBD *s = BLOCK_NBD(node);

    s->addr = make_address(s, errp);
    if (!s->addr) {
        return false;
    }
    s->yank_registered =
        yank_register_instance(BLOCKDEV_YANK_INSTANCE(node->name), errp);
    if (s->yank_registered && nbd_connect(s, errp) && nbd_take_info(s, errp)) {
        return true;
    }
    nbd_close(node);
    return false;
}

static char *nbd_filename(BlockNode *node)
{
    BlockNBD *s = BLOCK_NBD(node);

    return s->addr ? nbd_make_uri(s->addr, s->export ?: "", s->tls_creds_id)
                   : NULL;
}

/* All that a URI does not say is in the properties. */
static void nbd_name_options(BlockNode *node, json_t *opts)
{
    BlockNBD *s = BLOCK_NBD(node);
    json_t *server = NULL;
    Visitor *v = qobject_output_visitor_new(&server);

    if (visit_type_SocketAddress(v, NULL, &s->addr, NULL)) {
        visit_complete(v, &server);
        json_object_set_new(opts, "server", server);
    }
    visit_free(v);
    if (s->export && *s->export) {
        json_object_set_new(opts, "export", json_string(s->export));
    }
}

static bool nbd_reopen_prepare(BlockNode *node, const json_t *opts,
                               void **state, Error **errp)
{
    const NBDExportInfo *info = nbd_client_info(BLOCK_NBD(node)->client);

    if ((info->flags & NBD_FLAG_READ_ONLY) &&
        json_is_false(json_object_get(opts, "read-only"))) {
        error_setg(errp, "NBD export '%s' is read-only", info->name);
        return false;
    }
    return true;
}

static void nbd_drain_begin(BlockNode *node)
{
    nbd_client_retry_now(BLOCK_NBD(node)->client);
}

/* -- requests ----------------------------------------------------------------------------- */

static bool server_can(const BlockNBD *s, unsigned flag)
{
    return nbd_client_info(s->client)->flags & flag;
}

static int coroutine_fn nbd_co_preadv(BlockNode *node, int64_t offset,
                                      int64_t bytes, QEMUIOVector *qiov,
                                      size_t qiov_offset, BlkRequestFlags flags)
{
    return bytes == 0 ? 0
                      : nbd_client_co_preadv(BLOCK_NBD(node)->client, offset,
                                             bytes, qiov, qiov_offset);
}

static int coroutine_fn nbd_co_pwritev(BlockNode *node, int64_t offset,
                                       int64_t bytes, QEMUIOVector *qiov,
                                       size_t qiov_offset,
                                       BlkRequestFlags flags)
{
    BlockNBD *s = BLOCK_NBD(node);
    int ret = 0;

    if (bytes > 0) {
        nbd_status_changed(&s->status);
        ret = nbd_client_co_pwritev(s->client, offset, bytes, qiov, qiov_offset,
                                    flags & BLK_REQ_FUA);
        nbd_status_changed(&s->status);
    }
    return ret;
}

static int coroutine_fn nbd_co_flush(BlockNode *node)
{
    BlockNBD *s = BLOCK_NBD(node);

    return server_can(s, NBD_FLAG_SEND_FLUSH)
               ? nbd_client_co_simple(s->client, NBD_CMD_FLUSH, 0, 0, 0)
               : 0;
}

static int coroutine_fn nbd_co_pdiscard(BlockNode *node, int64_t offset,
                                        int64_t bytes)
{
    BlockNBD *s = BLOCK_NBD(node);
    int ret = 0;

    nbd_status_changed(&s->status);
    while (server_can(s, NBD_FLAG_SEND_TRIM) && bytes > 0 && ret == 0) {
        int64_t n = MIN(bytes, (int64_t)s->max_simple);

        ret = nbd_client_co_simple(s->client, NBD_CMD_TRIM, 0, offset, n);
        offset += n;
        bytes -= n;
    }
    nbd_status_changed(&s->status);
    return ret;
}

static int coroutine_fn nbd_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                             int64_t bytes,
                                             BlkRequestFlags flags)
{
    BlockNBD *s = BLOCK_NBD(node);
    unsigned cmd_flags = 0;
    int ret;

    if (!server_can(s, NBD_FLAG_SEND_WRITE_ZEROES)) {
        return -ENOTSUP;
    }
    if (flags & BLK_REQ_FUA) {
        cmd_flags |= NBD_CMD_FLAG_FUA;
    }
    if (!(flags & BLK_REQ_MAY_UNMAP)) {
        cmd_flags |= NBD_CMD_FLAG_NO_HOLE;
    }
    if (flags & BLK_REQ_NO_FALLBACK) {
        cmd_flags |= NBD_CMD_FLAG_FAST_ZERO;
    }
    nbd_status_changed(&s->status);
    ret = nbd_client_co_simple(s->client, NBD_CMD_WRITE_ZEROES, cmd_flags,
                               offset, bytes);
    nbd_status_changed(&s->status);
    return ret;
}

/* An extent as a node says it. A dirty bitmap's dirty pieces are "not data",
 * which is what users of x-dirty-bitmap look for. */
static int status_of(const BlockNBD *s, const NBDExtent *ext)
{
    int status = NODE_STATUS_OFFSET;

    if (s->dirty_bitmap) {
        return status | (ext->flags & NBD_STATE_DIRTY ? 0 : NODE_STATUS_DATA);
    }
    status |= ext->flags & NBD_STATE_HOLE ? 0 : NODE_STATUS_DATA;
    status |= ext->flags & NBD_STATE_ZERO ? NODE_STATUS_ZERO : 0;
    /* A hole that may read as anything: a read tells. */
    return status & (NODE_STATUS_DATA | NODE_STATUS_ZERO)
               ? status
               : status | NODE_STATUS_DATA;
}

/* The first extent from @offset on; those behind it are kept. 0 or -errno. */
static int coroutine_fn ask_ahead(BlockNBD *s, int64_t offset, int64_t bytes,
                                  NBDExtent *ret)
{
    uint64_t seen = nbd_status_now(&s->status);
    g_autofree NBDExtent *extents = g_new(NBDExtent, NBD_STATUS_EXTENTS);
    int n = nbd_client_co_extents(s->client, 0, offset, bytes, extents,
                                  NBD_STATUS_EXTENTS);

    if (n < 0) {
        return n;
    }
    *ret = extents[0];
    nbd_status_keep(&s->status, seen, offset, extents, n);
    return 0;
}

static int coroutine_fn ask_status(BlockNBD *s, int64_t offset, int64_t bytes,
                                   NBDExtent *ret)
{
    int n;

    if (nbd_status_find(&s->status, offset, bytes, ret)) {
        return 0;
    }
    bytes = MIN(bytes, (int64_t)s->max_simple);
    if (bytes > NBD_STATUS_AHEAD && nbd_status_pays(&s->status)) {
        return ask_ahead(s, offset, bytes, ret);
    }
    n = nbd_client_co_extents(s->client, 0, offset, bytes, ret, 1);
    return MIN(n, 0);
}

static int coroutine_fn nbd_co_block_status(BlockNode *node, unsigned want,
                                            int64_t offset, int64_t bytes,
                                            int64_t *pnum, int64_t *map,
                                            BlockNode **file)
{
    BlockNBD *s = BLOCK_NBD(node);
    NBDExtent ext;
    int ret;

    *pnum = bytes;
    *map = offset;
    *file = node;
    if (!s->has_status) {
        return NODE_STATUS_DATA | NODE_STATUS_OFFSET;
    }
    ret = ask_status(s, offset, bytes, &ext);
    if (ret < 0) {
        return ret;
    }
    /* A server may say more exactly than its requests go. */
    *pnum = (int64_t)ROUND_DOWN(ext.length, node->request_alignment);
    if (*pnum == 0) {
        *pnum = node->request_alignment;
        return NODE_STATUS_DATA | NODE_STATUS_OFFSET;
    }
    return status_of(s, &ext);
}

/* -- class ---------------------------------------------------------------------------------- */

static const char *const nbd_name_props[] = { "tls-creds", "tls-hostname",
                                              "x-dirty-bitmap", NULL };

static const Property nbd_props[] = {
    { "server", PROP_JSON, offsetof(BlockNBD, server),
      .qapi_type = "SocketAddress", .help = "where the server is",
      .since = "0.2" },
    { "host", PROP_STR, offsetof(BlockNBD, host),
      .help = "short for server.type=inet,server.host", .since = "0.2" },
    { "port", PROP_STR, offsetof(BlockNBD, port),
      .help = "short for server.port; 10809 if it is not given",
      .since = "0.2" },
    { "path", PROP_STR, offsetof(BlockNBD, path),
      .help = "short for server.type=unix,server.path", .since = "0.2" },
    { "export", PROP_STR, offsetof(BlockNBD, export),
      .help = "name of the export; the server's default one if not given",
      .since = "0.2" },
    { "tls-creds", PROP_STR, offsetof(BlockNBD, tls_creds_id),
      .help = "id of TLS credentials; then nothing goes in the clear",
      .since = "0.2" },
    { "tls-hostname", PROP_STR, offsetof(BlockNBD, tls_hostname),
      .help = "name in the server's certificate, if it is not the host",
      .since = "0.2" },
    { "x-dirty-bitmap", PROP_STR, offsetof(BlockNBD, dirty_bitmap),
      .help = "metadata context that block status shows: "
              "qemu:dirty-bitmap:NAME",
      .since = "0.2" },
    { "reconnect-delay", PROP_UINT32, offsetof(BlockNBD, reconnect_delay),
      .def = "0", .max = NBD_SECONDS_MAX, .unit = "seconds",
      .help = "how long requests wait for a server that is lost",
      .since = "0.2" },
    { "open-timeout", PROP_UINT32, offsetof(BlockNBD, open_timeout), .def = "0",
      .max = NBD_SECONDS_MAX, .unit = "seconds",
      .help = "how long to try to connect at first; 0 = once", .since = "0.2" },
    { "connections", PROP_UINT8, offsetof(BlockNBD, connections), .def = "0",
      .max = NBD_CLIENT_CONNS_MAX,
      .help = "most connections at a time, if the server allows several; 0 = "
              "as many as are good",
      .since = "0.2" },
    {},
};

static void nbd_instance_init(Object *obj)
{
    nbd_status_init(&BLOCK_NBD(obj)->status);
}

static void nbd_instance_finalize(Object *obj)
{
    nbd_status_deinit(&BLOCK_NBD(obj)->status);
}

static void nbd_class_init(ObjectClass *oc, void *data)
{
    BlockNodeClass *nc = BLOCK_NODE_CLASS(oc);

    nc->driver = "nbd";
    nc->help = "an export of an NBD server";
    nc->uri_schemes = nbd_uri_schemes;
    nc->parse_filename = nbd_parse_filename;
    nc->open = nbd_open;
    nc->close = nbd_close;
    nc->reopen_prepare = nbd_reopen_prepare;
    nc->filename = nbd_filename;
    nc->name_props = nbd_name_props;
    nc->name_options = nbd_name_options;
    nc->co_preadv = nbd_co_preadv;
    nc->co_pwritev = nbd_co_pwritev;
    nc->co_flush = nbd_co_flush;
    nc->co_pdiscard = nbd_co_pdiscard;
    nc->co_pwrite_zeroes = nbd_co_pwrite_zeroes;
    nc->co_block_status = nbd_co_block_status;
    nc->drain_begin = nbd_drain_begin;
}

extern const TypeInfo block_type_nbd;
const TypeInfo block_type_nbd = {
    .name = TYPE_BLOCK_NBD,
    .parent = TYPE_BLOCK_NODE,
    .instance_size = sizeof(BlockNBD),
    .instance_init = nbd_instance_init,
    .instance_finalize = nbd_instance_finalize,
    .class_init = nbd_class_init,
    .props = nbd_props,
};
