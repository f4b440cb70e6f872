/*
 * ferry-nbd -L: what a server exports.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-socket.h"
#include "nbd/client.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error-report.h"
#include "util/error.h"

#include "nbd.h"

static void print_flags(unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        { NBD_FLAG_READ_ONLY, "readonly" },
        { NBD_FLAG_SEND_FLUSH, "flush" },
        { NBD_FLAG_SEND_FUA, "fua" },
        { NBD_FLAG_ROTATIONAL, "rotational" },
        { NBD_FLAG_SEND_TRIM, "trim" },
        { NBD_FLAG_SEND_WRITE_ZEROES, "zeroes" },
        { NBD_FLAG_SEND_DF, "df" },
        { NBD_FLAG_CAN_MULTI_CONN, "multi" },
        { NBD_FLAG_SEND_RESIZE, "resize" },
        { NBD_FLAG_SEND_CACHE, "cache" },
        { NBD_FLAG_SEND_FAST_ZERO, "fast-zero" },
        { NBD_FLAG_BLOCK_STAT_PAYLOAD, "block-status-payload" },
    };

    printf("  flags: 0x%x (", flags);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (flags & names[i].flag) {
            printf(" %s", names[i].name);
        }
    }
    printf(" )\n");
}

static void print_export(const NBDExportInfo *info)
{
    printf(" export: '%s'\n", info->name);
    if (info->description && *info->description) {
        printf("  description: %s\n", info->description);
    }
    if (info->flags & NBD_FLAG_HAS_FLAGS) {
        printf("  size:  %" PRIu64 "\n", info->size);
        print_flags(info->flags);
    }
    if (info->min_block) {
        printf("  min block: %u\n", info->min_block);
        printf("  opt block: %u\n", info->preferred_block);
        printf("  max block: %u\n", info->max_block);
    }
    if (info->structured) {
        printf("  transaction size: %s\n",
               info->extended ? "64-bit" : "32-bit");
    }
    if (info->n_contexts) {
        printf("  available meta contexts: %u\n", info->n_contexts);
        for (unsigned i = 0; i < info->n_contexts; i++) {
            printf("   %s\n", info->contexts[i].name);
        }
    }
}

static GPtrArray *ask(const NbdArgs *a, Error **errp)
{
    g_autoptr(SocketAddress) addr = nbd_address(a, "localhost");
    g_autoptr(QIOChannelSocket) sioc = qio_channel_socket_new();
    NBDNegotiation n = {
        .export = "",
        .tls_hostname = a->socket ? NULL : addr->u.inet.host,
    };

    if (a->tls_hostname) {
        n.tls_hostname = a->tls_hostname;
    }
    if (a->tls_creds) {
        n.tls_creds =
            nbd_find_creds(a, QCRYPTO_TLS_CREDS_ENDPOINT_CLIENT, errp);
        if (!n.tls_creds) {
            return NULL;
        }
    }
    if (qio_channel_socket_connect_sync(sioc, addr, errp) < 0) {
        return NULL;
    }
    return nbd_client_list(QIO_CHANNEL(sioc), &n, errp);
}

int nbd_list(Tool *tool, const NbdArgs *a)
{
    Error *err = NULL;
    g_autoptr(GPtrArray) infos = ask(a, &err);

    if (!infos) {
        error_report_err(err);
        return EXIT_FAILURE;
    }
    printf("exports available: %u\n", infos->len);
    for (guint i = 0; i < infos->len; i++) {
        print_export(g_ptr_array_index(infos, i));
    }
    return EXIT_SUCCESS;
}
