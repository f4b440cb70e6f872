/*
 * WebSocket upgrade: the same bytes as a request and as an answer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/websock-http.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(ssize_t used, size_t size, const Error *err)
{
    assert(used >= -1 && used <= (ssize_t)MIN(size, WEBSOCK_HTTP_MAX));
    assert((used < 0) == (err != NULL));
    assert(used != 0 || size < WEBSOCK_HTTP_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WebsockRequest req = { .status = 0 };
    Error *err = NULL;
    ssize_t used;

    used = websock_request_parse((const char *)data, size, &req, &err);
    check(used, size, err);
    error_free(err);
    if (used != 0) {
        g_autofree char *answer = websock_response_format(&req);

        assert((used > 0) == (req.status == WEBSOCK_STATUS_SWITCHING));
        assert(strlen(answer) < WEBSOCK_HTTP_MAX);
    }

    err = NULL;
    used = websock_response_parse((const char *)data, size,
                                  "dGhlIHNhbXBsZSBub25jZQ==", &err);
    check(used, size, err);
    error_free(err);
    return 0;
}
