/*
 * ferry-nbd, among its files.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_NBD_H
#define TOOLS_NBD_H

#include "crypto/tlscreds.h"
#include "qapi/qapi-types-sockets.h"

#include "tool-common.h"

typedef struct NbdArgs {
    /* where */
    const char *port;
    const char *bind;
    const char *socket;
    const char *connect;
    bool disconnect;
    bool list;
    /* what */
    const char *format;
    bool image_opts;
    bool read_only;
    bool snapshot;
    const char *load_snapshot;
    bool nocache;
    const char *cache;
    const char *aio;
    const char *discard;
    const char *detect_zeroes;
    ToolSize offset;
    const char *export_name;
    const char *description;
    GPtrArray *bitmaps;
    bool allocation_depth;
    /* how */
    ToolSize shared;
    bool persistent;
    ToolSize handshake_limit;
    ToolSize threads;
    GPtrArray *objects;
    const char *tls_creds;
    const char *tls_authz;
    const char *tls_hostname;
    bool fork;
    const char *pid_file;
    const char *selinux_label;
    bool verbose;
    bool version;
    GPtrArray *trace;

    /* not options */
    const char *filename; /* or NULL */
    int activated_fd;     /* of socket activation; -1: none */
    int ready_fd;         /* tell the parent here; -1: none */
} NbdArgs;

/** nbd_find_creds: @endpoint for the message. Returns: borrowed. */
QCryptoTLSCreds *nbd_find_creds(const NbdArgs *a,
                                QCryptoTLSCredsEndpoint endpoint, Error **errp);
/** nbd_address: (transfer full) of -k, or -b and -p. */
SocketAddress *nbd_address(const NbdArgs *a, const char *default_host);

/** nbd_open: (transfer full) the image as the options want it. */
BlockBackend *nbd_open(Tool *tool, const NbdArgs *a, Error **errp);

/* Each returns the exit status. */
int nbd_serve(Tool *tool, NbdArgs *a);
int nbd_list(Tool *tool, const NbdArgs *a);

/* The kernel's NBD devices (nbd-device.c). */
typedef struct NbdDevice NbdDevice;

/**
 * nbd_device_open:
 * @path: "/dev/nbd0"
 * @ret_server: (out) a socket whose other end speaks NBD as a client: serve it
 *
 * Errors: the kernel has no NBD.
 */
NbdDevice *nbd_device_open(const char *path, int *ret_server, Error **errp);
/** nbd_device_attach: hand the disk to the kernel, in a thread; the server must
 *  run. @ended is set when the device has been detached. */
bool nbd_device_attach(NbdDevice *dev, bool *ended, Error **errp);
/** nbd_device_close: detach, if it is attached. Accepts NULL.
 *  Errors: why it had ended by itself. */
void nbd_device_close(NbdDevice *dev, Error **errp);
/** nbd_device_disconnect: -d. */
bool nbd_device_disconnect(const char *path, Error **errp);

#endif
