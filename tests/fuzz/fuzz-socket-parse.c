/*
 * Socket addresses as text. What parses must come back from its own text
 * form as the same address.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup(size ? (const char *)data : "", size);
    g_autofree char *uri = NULL;
    g_autofree char *again_uri = NULL;
    SocketAddress *addr, *again;
    Error *err = NULL;

    addr = socket_parse(text, &err);
    assert((addr == NULL) == (err != NULL));
    if (!addr) {
        error_free(err);
        return 0;
    }
    uri = socket_uri(addr);
    again = socket_parse(uri, NULL);
    if (again) {
        assert(again->type == addr->type);
        again_uri = socket_uri(again);
        assert(strcmp(uri, again_uri) == 0);
    }
    qapi_free_SocketAddress(again);
    qapi_free_SocketAddress(addr);
    return 0;
}
