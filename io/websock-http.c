/*
 * Parser and writer of the WebSocket upgrade.
 *
 * The header block is copied once into a NUL-terminated string of at most
 * WEBSOCK_HTTP_MAX bytes, split into lines in place, and each header that
 * matters is put into a slot. Strictness follows RFC 7230: CRLF only, no
 * folded lines, no blanks before the colon, no control characters; anything
 * lax here could be read differently by a proxy in between.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "websock-http.h"

#include "util/error.h"

#define WEBSOCK_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define HTTP_END     "\r\n\r\n"

/* The headers that matter, on either side. */
typedef enum HeaderSlot {
    HEADER_HOST,
    HEADER_UPGRADE,
    HEADER_CONNECTION,
    HEADER_KEY,
    HEADER_ACCEPT,
    HEADER_VERSION,
    HEADER_PROTOCOL,
    HEADER_EXTENSIONS,
    HEADER_COUNT,
} HeaderSlot;

/* A list header may come in several lines, which count as one (7230 3.2.2). */
static const struct {
    const char *name;
    bool list;
} header_table[HEADER_COUNT] = {
    [HEADER_HOST] = { "Host", false },
    [HEADER_UPGRADE] = { "Upgrade", true },
    [HEADER_CONNECTION] = { "Connection", true },
    [HEADER_KEY] = { "Sec-WebSocket-Key", false },
    [HEADER_ACCEPT] = { "Sec-WebSocket-Accept", false },
    [HEADER_VERSION] = { "Sec-WebSocket-Version", false },
    [HEADER_PROTOCOL] = { "Sec-WebSocket-Protocol", true },
    [HEADER_EXTENSIONS] = { "Sec-WebSocket-Extensions", true },
};

typedef struct HeaderBlock {
    char *start; /* first line */
    char *value[HEADER_COUNT];
} HeaderBlock;

static void header_block_clear(HeaderBlock *b)
{
    g_free(b->start);
    for (int i = 0; i < HEADER_COUNT; i++) {
        g_free(b->value[i]);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(HeaderBlock, header_block_clear)

/* tchar of RFC 7230 3.2.6 */
static bool is_token_char(char c)
{
    return g_ascii_isalnum(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool has_control_char(const char *s)
{
    for (; *s; s++) {
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool header_store(HeaderBlock *b, const char *name, const char *value,
                         Error **errp)
{
    for (int i = 0; i < HEADER_COUNT; i++) {
        if (g_ascii_strcasecmp(name, header_table[i].name) != 0) {
            continue;
        }
        if (!b->value[i]) {
            b->value[i] = g_strdup(value);
        } else if (header_table[i].list) {
            g_autofree char *old = b->value[i];
            b->value[i] = g_strdup_printf("%s, %s", old, value);
        } else {
            error_setg(errp, "websocket header '%s' is given twice", name);
            return false;
        }
        return true;
    }
    return true;
}

/* One "Name: value" line, which is cut up in place. */
static bool header_line_parse(HeaderBlock *b, char *line, Error **errp)
{
    char *p = line;

    while (is_token_char(*p)) {
        p++;
    }
    if (p == line || *p != ':' || has_control_char(p)) {
        error_setg(errp, "malformed websocket header line");
        return false;
    }
    *p++ = '\0';
    return header_store(b, line, g_strstrip(p), errp);
}

/*
 * Split the block off @buf. Returns its length, 0 = need more, -1 = error
 * (@too_large tells which kind).
 */
static ssize_t header_block_parse(const char *buf, size_t len, HeaderBlock *b,
                                  bool *too_large, Error **errp)
{
    const char *end = len ? memmem(buf, MIN(len, WEBSOCK_HTTP_MAX), HTTP_END,
                                   strlen(HTTP_END))
                          : NULL;
    g_autofree char *text = NULL;
    char *line, *next;
    size_t block;

    *too_large = !end && len >= WEBSOCK_HTTP_MAX;
    if (*too_large) {
        error_setg(errp, "websocket header block is over %d bytes",
                   WEBSOCK_HTTP_MAX);
        return -1;
    }
    if (!end) {
        return 0;
    }
    block = end - buf;
    if (memchr(buf, '\0', block)) {
        error_setg(errp, "websocket header block holds a zero byte");
        return -1;
    }
    text = g_strndup(buf, block);
    for (line = text; line; line = next) {
        next = strstr(line, "\r\n");
        if (next) {
            *next = '\0';
            next += 2;
        }
        if (line == text) {
            b->start = g_strdup(line);
        } else if (!header_line_parse(b, line, errp)) {
            return -1;
        }
    }
    return block + strlen(HTTP_END);
}

/* Whether the comma-separated @list has @token, case ignored. */
static bool list_has_token(const char *list, const char *token)
{
    g_auto(GStrv) items = g_strsplit(list, ",", -1);

    for (char **i = items; *i; i++) {
        if (g_ascii_strcasecmp(g_strstrip(*i), token) == 0) {
            return true;
        }
    }
    return false;
}

static bool require_header(HeaderBlock *b, HeaderSlot slot, Error **errp)
{
    if (!b->value[slot] || !*b->value[slot]) {
        error_setg(errp, "missing websocket header '%s'",
                   header_table[slot].name);
        return false;
    }
    return true;
}

static bool require_token(HeaderBlock *b, HeaderSlot slot, const char *token,
                          Error **errp)
{
    if (!require_header(b, slot, errp)) {
        return false;
    }
    if (!list_has_token(b->value[slot], token)) {
        error_setg(errp, "websocket header '%s' is '%s', not '%s'",
                   header_table[slot].name, b->value[slot], token);
        return false;
    }
    return true;
}

/* The key must be the base64 form of 16 bytes. */
static bool key_is_valid(const char *key)
{
    g_autofree char *again = NULL;
    g_autofree guchar *raw = NULL;
    gsize n;

    if (strlen(key) != WEBSOCK_KEY_SIZE - 1) {
        return false;
    }
    raw = g_base64_decode(key, &n);
    again = g_base64_encode(raw, n);
    /* The last character has unused bits: some clients do not clear them. */
    return n == 16 && strncmp(key, again, 21) == 0 &&
           g_str_has_suffix(key, "==");
}

/* "GET / HTTP/1.1"; a query after the path is accepted and ignored. */
static bool request_line_check(const char *line, WebsockStatus *status,
                               Error **errp)
{
    g_auto(GStrv) w = g_strsplit(line, " ", -1);

    *status = WEBSOCK_STATUS_BAD_REQUEST;
    if (g_strv_length(w) != 3 || has_control_char(line) || strchr(line, '\t')) {
        error_setg(errp, "malformed websocket request line");
        return false;
    }
    if (strcmp(w[0], "GET") != 0) {
        error_setg(errp, "websocket request method is '%s', not 'GET'", w[0]);
        return false;
    }
    if (strcmp(w[2], "HTTP/1.1") != 0) {
        error_setg(errp, "websocket request is '%s', not 'HTTP/1.1'", w[2]);
        return false;
    }
    if (w[1][0] != '/' || (w[1][1] != '\0' && w[1][1] != '?')) {
        error_setg(errp, "unexpected websocket request path '%s'", w[1]);
        *status = WEBSOCK_STATUS_NOT_FOUND;
        return false;
    }
    return true;
}

static bool request_check(HeaderBlock *b, WebsockRequest *req, Error **errp)
{
    if (!request_line_check(b->start, &req->status, errp)) {
        return false;
    }
    req->status = WEBSOCK_STATUS_BAD_REQUEST;
    if (!require_header(b, HEADER_HOST, errp) ||
        !require_token(b, HEADER_UPGRADE, "websocket", errp) ||
        !require_token(b, HEADER_CONNECTION, "upgrade", errp) ||
        !require_header(b, HEADER_KEY, errp) ||
        !require_header(b, HEADER_VERSION, errp)) {
        return false;
    }
    if (strcmp(b->value[HEADER_VERSION], "13") != 0) {
        error_setg(errp, "websocket version is '%s', not '13'",
                   b->value[HEADER_VERSION]);
        return false;
    }
    if (!key_is_valid(b->value[HEADER_KEY])) {
        error_setg(errp, "websocket key '%s' is not 16 bytes in base64",
                   b->value[HEADER_KEY]);
        return false;
    }
    req->binary = b->value[HEADER_PROTOCOL] != NULL;
    if (req->binary &&
        !list_has_token(b->value[HEADER_PROTOCOL], WEBSOCK_PROTOCOL)) {
        error_setg(errp, "websocket client offers '%s', not '%s'",
                   b->value[HEADER_PROTOCOL], WEBSOCK_PROTOCOL);
        return false;
    }
    websock_accept(b->value[HEADER_KEY], req->accept);
    req->status = WEBSOCK_STATUS_SWITCHING;
    return true;
}

ssize_t websock_request_parse(const char *buf, size_t len, WebsockRequest *req,
                              Error **errp)
{
    g_auto(HeaderBlock) b = { 0 };
    bool too_large;
    ssize_t n = header_block_parse(buf, len, &b, &too_large, errp);

    if (n == 0) {
        return 0;
    }
    memset(req, 0, sizeof(*req));
    if (n < 0) {
        req->status =
            too_large ? WEBSOCK_STATUS_TOO_LARGE : WEBSOCK_STATUS_BAD_REQUEST;
        return -1;
    }
    return request_check(&b, req, errp) ? n : -1;
}

void websock_accept(const char *key, char accept[WEBSOCK_ACCEPT_SIZE])
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    g_autofree char *text = NULL;
    uint8_t digest[20];
    gsize n = sizeof(digest);

    g_checksum_update(sum, (const guchar *)key, strlen(key));
    g_checksum_update(sum, (const guchar *)WEBSOCK_GUID, strlen(WEBSOCK_GUID));
    g_checksum_get_digest(sum, digest, &n);
    text = g_base64_encode(digest, n);
    assert(strlen(text) == WEBSOCK_ACCEPT_SIZE - 1);
    memcpy(accept, text, WEBSOCK_ACCEPT_SIZE);
}

static const char *status_reason(WebsockStatus status)
{
    switch (status) {
    case WEBSOCK_STATUS_SWITCHING:
        return "Switching Protocols";
    case WEBSOCK_STATUS_BAD_REQUEST:
        return "Bad Request";
    case WEBSOCK_STATUS_TOO_LARGE:
        return "Request Entity Too Large";
    case WEBSOCK_STATUS_NOT_FOUND:
        return "Not Found";
    case WEBSOCK_STATUS_SERVER_ERROR:
        break;
    }
    return "Internal Server Error";
}

static char *http_date(void)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    static const char *const day[] = { "Mon", "Tue", "Wed", "Thu",
                                       "Fri", "Sat", "Sun" };
    static const char *const month[] = { "Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec" };

    /* Not by g_date_time_format("%a %b"): that follows the locale. */
    return g_strdup_printf("%s, %02d %s %04d %02d:%02d:%02d GMT",
                           day[g_date_time_get_day_of_week(now) - 1],
                           g_date_time_get_day_of_month(now),
                           month[g_date_time_get_month(now) - 1],
                           g_date_time_get_year(now), g_date_time_get_hour(now),
                           g_date_time_get_minute(now),
                           g_date_time_get_second(now));
}

char *websock_response_format(const WebsockRequest *req)
{
    g_autofree char *date = http_date();

    if (req->status == WEBSOCK_STATUS_SWITCHING) {
        return g_strdup_printf(
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Server: ferry\r\n"
            "Date: %s\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: %s\r\n"
            "%s\r\n",
            date, req->accept,
            req->binary ? "Sec-WebSocket-Protocol: " WEBSOCK_PROTOCOL "\r\n"
                        : "");
    }
    return g_strdup_printf("HTTP/1.1 %d %s\r\n"
                           "Server: ferry\r\n"
                           "Date: %s\r\n"
                           "Sec-WebSocket-Version: 13\r\n"
                           "Content-Length: 0\r\n"
                           "Connection: close\r\n\r\n",
                           req->status, status_reason(req->status), date);
}

/* Printable ASCII without blanks, which covers both a host and a path. */
static bool is_visible(const char *s)
{
    if (!*s) {
        return false;
    }
    for (; *s; s++) {
        if (!g_ascii_isgraph(*s)) {
            return false;
        }
    }
    return true;
}

char *websock_request_format(const char *host, const char *path,
                             const char *key, Error **errp)
{
    g_autofree char *text = NULL;

    if (!is_visible(host) || strpbrk(host, "/?#@")) {
        error_setg(errp, "invalid websocket host '%s'", host);
        return NULL;
    }
    if (!is_visible(path) || path[0] != '/' || strchr(path, '#')) {
        error_setg(errp, "invalid websocket path '%s'", path);
        return NULL;
    }
    text = g_strdup_printf("GET %s HTTP/1.1\r\n"
                           "Host: %s\r\n"
                           "Upgrade: websocket\r\n"
                           "Connection: Upgrade\r\n"
                           "Sec-WebSocket-Key: %s\r\n"
                           "Sec-WebSocket-Version: 13\r\n"
                           "Sec-WebSocket-Protocol: " WEBSOCK_PROTOCOL "\r\n"
                           "\r\n",
                           path, host, key);
    if (strlen(text) > WEBSOCK_HTTP_MAX) {
        error_setg(errp, "websocket request is over %d bytes",
                   WEBSOCK_HTTP_MAX);
        return NULL;
    }
    return g_steal_pointer(&text);
}

static bool status_line_check(const char *line, Error **errp)
{
    if (!g_str_has_prefix(line, "HTTP/1.1 ") || has_control_char(line)) {
        error_setg(errp, "websocket server's answer is not HTTP/1.1");
        return false;
    }
    line += strlen("HTTP/1.1 ");
    if (strncmp(line, "101", 3) != 0 || (line[3] != '\0' && line[3] != ' ')) {
        error_setg(errp, "websocket server refused: '%s'", line);
        return false;
    }
    return true;
}

ssize_t websock_response_parse(const char *buf, size_t len, const char *key,
                               Error **errp)
{
    g_auto(HeaderBlock) b = { 0 };
    char accept[WEBSOCK_ACCEPT_SIZE];
    bool too_large;
    ssize_t n = header_block_parse(buf, len, &b, &too_large, errp);

    if (n <= 0) {
        return n;
    }
    if (!status_line_check(b.start, errp) ||
        !require_token(&b, HEADER_UPGRADE, "websocket", errp) ||
        !require_token(&b, HEADER_CONNECTION, "upgrade", errp) ||
        !require_header(&b, HEADER_ACCEPT, errp)) {
        return -1;
    }
    websock_accept(key, accept);
    if (strcmp(b.value[HEADER_ACCEPT], accept) != 0) {
        error_setg(errp, "websocket server's accept value is wrong");
        return -1;
    }
    if (b.value[HEADER_EXTENSIONS] && *b.value[HEADER_EXTENSIONS]) {
        error_setg(errp, "websocket server uses extension '%s' unasked",
                   b.value[HEADER_EXTENSIONS]);
        return -1;
    }
    if (b.value[HEADER_PROTOCOL] &&
        strcmp(b.value[HEADER_PROTOCOL], WEBSOCK_PROTOCOL) != 0) {
        error_setg(errp, "websocket server chose protocol '%s', not '%s'",
                   b.value[HEADER_PROTOCOL], WEBSOCK_PROTOCOL);
        return -1;
    }
    return n;
}
