/*
 * The NBD server of this process: nbd-server-start, -stop, and the old
 * commands nbd-server-add and -remove. It is the QOM object /nbd-server.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/export/nbd.h"
#include "block/types.h"
#include "crypto/tlscreds.h"
#include "io/socket-address.h"
#include "qapi/qapi-commands-block-export.h"
#include "qapi/qapi-visit-sockets.h"

#define TYPE_NBD_SERVER_HOLDER "nbd-server"
OBJECT_DECLARE_SIMPLE_TYPE(NBDServerHolder, NBD_SERVER_HOLDER)

struct NBDServerHolder {
    Object parent_obj;

    NBDServer *server; /* owned */
};

static NBDServerHolder *find_holder(void)
{
    return (NBDServerHolder *)object_dynamic_cast(
        object_resolve_path_component(object_get_root(), "nbd-server"),
        TYPE_NBD_SERVER_HOLDER);
}

NBDServer *block_nbd_server(void)
{
    NBDServerHolder *h = find_holder();

    return h ? h->server : NULL;
}

bool block_nbd_server_start(const NBDServerConfig *config, Error **errp)
{
    NBDServerHolder *h;
    NBDServer *server;

    if (block_nbd_server()) {
        error_setg(errp, "NBD server already running");
        return false;
    }
    server = nbd_server_new(config, errp);
    if (!server) {
        return false;
    }
    block_register_types();
    h = NBD_SERVER_HOLDER(object_new(TYPE_NBD_SERVER_HOLDER));
    h->server = server;
    object_property_add_child(object_get_root(), "nbd-server", OBJECT(h));
    object_unref(OBJECT(h)); /* the tree has it */
    return true;
}

void block_nbd_server_stop(void)
{
    NBDServerHolder *h = find_holder();

    if (!h) {
        return;
    }
    block_exports_shut_down(BLOCK_EXPORT_TYPE_NBD);
    nbd_server_stop(g_steal_pointer(&h->server));
    object_unparent(OBJECT(h));
}

/* -- commands -------------------------------------------------------------------------- */

static QCryptoTLSCreds *find_creds(const char *id, Error **errp)
{
    Object *obj = object_resolve_path_component(object_get_objects_root(), id);

    if (!obj) {
        error_setg(errp, "No TLS credentials with id '%s'", id);
        return NULL;
    }
    obj = object_dynamic_cast(obj, TYPE_QCRYPTO_TLS_CREDS);
    if (!obj) {
        error_setg(errp, "Object with id '%s' is not TLS credentials", id);
    }
    return (QCryptoTLSCreds *)obj;
}

static void server_start(SocketAddressLegacy *legacy, const char *tls_creds,
                         NBDServerConfig *config, Error **errp)
{
    SocketAddress *addr;

    if (tls_creds) {
        config->tls_creds = find_creds(tls_creds, errp);
        if (!config->tls_creds) {
            return;
        }
    }
    if (!block_nbd_server_start(config, errp)) {
        return;
    }
    addr = socket_address_flatten(legacy);
    if (!nbd_server_listen(block_nbd_server(), addr, errp)) {
        block_nbd_server_stop();
    }
    qapi_free_SocketAddress(addr);
}

void qmp_nbd_server_start(SocketAddressLegacy *addr, const char *tls_creds,
                          const char *tls_authz, bool has_max_connections,
                          uint32_t max_connections,
                          bool has_handshake_max_seconds,
                          uint32_t handshake_max_seconds, Error **errp)
{
    NBDServerConfig config = {
        .tls_authz = tls_authz,
        .max_connections =
            has_max_connections ? max_connections : NBD_MAX_CONNECTIONS_DEFAULT,
        .handshake_ms = has_handshake_max_seconds
                            ? MIN(handshake_max_seconds, INT_MAX / 1000) * 1000
                            : NBD_HANDSHAKE_MS_DEFAULT,
    };

    server_start(addr, tls_creds, &config, errp);
}

void qmp_nbd_server_stop(Error **errp)
{
    if (!block_nbd_server()) {
        error_setg(errp, "NBD server not running");
        return;
    }
    block_nbd_server_stop();
}

/* A node, or what is in a block device. */
static BlockNode *find_device(const char *device, Error **errp)
{
    BlockBackend *blk = blk_by_name(device);
    BlockNode *node = blk ? blk_node(blk) : block_node_find(device);

    if (blk && !node) {
        error_setg(errp, "Device '%s' has no medium", device);
    } else if (!node) {
        error_setg(errp, "Cannot find device '%s' nor node-name '%s'", device,
                   device);
    }
    return node;
}

void qmp_nbd_server_add(NbdServerAddOptions *arg, Error **errp)
{
    const char *name = arg->name ?: arg->device;
    BlockNode *node = find_device(arg->device, errp);
    BlockDirtyBitmapOrStr bitmap = { .type = QTYPE_QSTRING,
                                     .u.local = arg->bitmap };
    BlockDirtyBitmapOrStrList bitmaps = { NULL, &bitmap };
    BlockExportOptions opts = {
        .type = BLOCK_EXPORT_TYPE_NBD,
        .id = (char *)name,
        .has_writable = true,
        .u.nbd = { .name = (char *)name,
                   .description = arg->description,
                   .has_bitmaps = arg->bitmap != NULL,
                   .bitmaps = arg->bitmap ? &bitmaps : NULL },
    };

    if (!node) {
        return;
    }
    if (block_export_find(name)) {
        error_setg(errp, "Block export id '%s' is already in use", name);
        return;
    }
    /* As the command has always had it: what cannot be written is exported
     * for reading. */
    opts.writable = arg->has_writable && arg->writable && !node->read_only;
    opts.node_name = (char *)block_node_name(node);
    block_export_add(&opts, errp);
}

void qmp_nbd_server_remove(const char *name, bool has_mode,
                           BlockExportRemoveMode mode, Error **errp)
{
    BlockExport *exp = block_export_find(name);

    if (!exp || !object_dynamic_cast(OBJECT(exp), TYPE_BLOCK_EXPORT_NBD)) {
        error_setg(errp, "Export '%s' is not found", name);
        return;
    }
    block_export_del(exp, has_mode ? mode : BLOCK_EXPORT_REMOVE_MODE_SAFE,
                     errp);
}

/* -- the human monitor ------------------------------------------------------------------- */

static bool add_all(bool writable, Error **errp)
{
    for (BlockBackend *blk = blk_next(NULL); blk; blk = blk_next(blk)) {
        NbdServerAddOptions opts = { .device = (char *)blk_name(blk),
                                     .has_writable = true,
                                     .writable = writable };
        Error *err = NULL;

        if (!*blk_name(blk) || !blk_node(blk)) {
            continue;
        }
        qmp_nbd_server_add(&opts, &err);
        if (err) {
            error_propagate(errp, err);
            return false;
        }
    }
    return true;
}

static void hmp_nbd_server_start(HMPContext *ctx, json_t *args)
{
    bool writable = hmp_arg_bool(args, "writable", false);
    bool all = hmp_arg_bool(args, "all", false);
    NBDServerConfig config = {
        .max_connections = NBD_MAX_CONNECTIONS_DEFAULT,
        .handshake_ms = NBD_HANDSHAKE_MS_DEFAULT,
    };
    g_autoptr(SocketAddress) addr = NULL;
    Error *err = NULL;

    if (writable && !all) {
        error_setg(&err, "-w only valid together with -a");
        hmp_handle_error(ctx, err);
        return;
    }
    addr = socket_parse(hmp_arg_str(args, "uri"), &err);
    if (addr && block_nbd_server_start(&config, &err) &&
        (!nbd_server_listen(block_nbd_server(), addr, &err) ||
         (all && !add_all(writable, &err)))) {
        block_nbd_server_stop();
    }
    hmp_handle_error(ctx, err);
}

static void hmp_nbd_server_add(HMPContext *ctx, json_t *args)
{
    NbdServerAddOptions opts = {
        .device = (char *)hmp_arg_str(args, "device"),
        .name = (char *)hmp_arg_str(args, "name"),
        .has_writable = true,
        .writable = hmp_arg_bool(args, "writable", false),
    };
    Error *err = NULL;

    qmp_nbd_server_add(&opts, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_nbd_server_remove(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_nbd_server_remove(hmp_arg_str(args, "name"), true,
                          hmp_arg_bool(args, "force", false)
                              ? BLOCK_EXPORT_REMOVE_MODE_HARD
                              : BLOCK_EXPORT_REMOVE_MODE_SAFE,
                          &err);
    hmp_handle_error(ctx, err);
}

static void hmp_nbd_server_stop(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_nbd_server_stop(&err);
    hmp_handle_error(ctx, err);
}

const HMPCommand block_export_hmp_commands[] = {
    { .name = "nbd_server_start",
      .args = "all:-a,writable:-w,uri:s",
      .params = "nbd_server_start [-a] [-w] host:port",
      .help = "serve block devices by NBD; -a: all of them, -w: for writing",
      .handler = hmp_nbd_server_start },
    { .name = "nbd_server_add",
      .args = "writable:-w,device:B,name:s?",
      .params = "nbd_server_add [-w] device [name]",
      .help = "export a block device by the NBD server",
      .handler = hmp_nbd_server_add },
    { .name = "nbd_server_remove",
      .args = "force:-f,name:s",
      .params = "nbd_server_remove [-f] name",
      .help = "remove an export; -f: even if it has clients",
      .handler = hmp_nbd_server_remove },
    { .name = "nbd_server_stop",
      .args = "",
      .params = "nbd_server_stop",
      .help = "stop serving block devices by NBD",
      .handler = hmp_nbd_server_stop },
    {},
};

/* -- class ----------------------------------------------------------------------------------- */

extern const TypeInfo block_type_nbd_server_holder;
const TypeInfo block_type_nbd_server_holder = {
    .name = TYPE_NBD_SERVER_HOLDER,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(NBDServerHolder),
};
