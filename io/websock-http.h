/*
 * The HTTP side of WebSocket (RFC 6455 part 4): parse and make the upgrade
 * request and its answer. Pure: text in, text out.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef IO_WEBSOCK_HTTP_H
#define IO_WEBSOCK_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/typedefs.h"

/* Longest header block, its empty line included. */
#define WEBSOCK_HTTP_MAX 4096

/* 16 random bytes in base64, and SHA-1 in base64, with the final NUL. */
#define WEBSOCK_KEY_SIZE    25
#define WEBSOCK_ACCEPT_SIZE 29

#define WEBSOCK_PROTOCOL "binary"

typedef enum WebsockStatus {
    WEBSOCK_STATUS_SWITCHING = 101,
    WEBSOCK_STATUS_BAD_REQUEST = 400,
    WEBSOCK_STATUS_TOO_LARGE = 403,
    WEBSOCK_STATUS_NOT_FOUND = 404,
    WEBSOCK_STATUS_SERVER_ERROR = 500,
} WebsockStatus;

typedef struct WebsockRequest {
    WebsockStatus status;             /* what to answer */
    bool binary;                      /* client asked for WEBSOCK_PROTOCOL */
    char accept[WEBSOCK_ACCEPT_SIZE]; /* set with status SWITCHING */
} WebsockRequest;

/**
 * websock_request_parse:
 * @buf: (in) @len bytes off the wire; borrowed, not NUL-terminated
 * @req: (out) set when the return is not 0
 * @errp: (out) set when the return is -1; @req->status says what to answer
 *
 * Limit: WEBSOCK_HTTP_MAX bytes.
 * Source: RFC 6455 4.2.1, RFC 7230 3.
 * Returns: bytes of the header block, > 0; 0 = need more; -1 = error.
 * Errors: not a GET of "/" by HTTP/1.1; a header missing, twice or wrong;
 * block too large.
 */
ssize_t websock_request_parse(const char *buf, size_t len, WebsockRequest *req,
                              Error **errp);

/**
 * websock_response_format:
 * @req: (in) from websock_request_parse()
 *
 * Returns: (out) the whole answer to @req, owned by the caller.
 */
char *websock_response_format(const WebsockRequest *req);

/**
 * websock_request_format:
 * @host: (in) "name", "name:port" or "[v6]:port"
 * @path: (in) begins with '/'
 * @key: (in) 16 random bytes in base64
 * @errp: (out) error
 *
 * Returns: (out) a client's request, owned by the caller; NULL = error.
 * Errors: characters that are not allowed in @host or @path; request over
 * WEBSOCK_HTTP_MAX bytes.
 */
char *websock_request_format(const char *host, const char *path,
                             const char *key, Error **errp);

/**
 * websock_response_parse:
 * @buf: (in) @len bytes off the wire; borrowed
 * @key: (in) that was in the request
 * @errp: (out) set when the return is -1
 *
 * Limit: WEBSOCK_HTTP_MAX bytes.
 * Source: RFC 6455 4.1 (checks 1 to 6 of the answer).
 * Returns: bytes of the header block, > 0; 0 = need more; -1 = error.
 * Errors: status is not 101; a header missing or wrong; block too large.
 */
ssize_t websock_response_parse(const char *buf, size_t len, const char *key,
                               Error **errp);

/** websock_accept: @accept (out) is the answer to @key (RFC 6455 4.2.2 5.4). */
void websock_accept(const char *key, char accept[WEBSOCK_ACCEPT_SIZE]);

#endif
