/*
 * Parser of keys.psk.
 *
 * Keys live in TLSPskKey structs that are wiped when freed; the parser makes
 * no other copy of them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tls-psk-file.h"

#include "util/error.h"

struct TLSPskFile {
    GHashTable *users; /* char * -> TLSPskKey * */
    bool short_key;
};

static void psk_key_free(void *opaque)
{
    TLSPskKey *key = opaque;

    explicit_bzero(key, sizeof(*key));
    g_free(key);
}

void tls_psk_file_free(TLSPskFile *f)
{
    if (f) {
        g_hash_table_unref(f->users);
        g_free(f);
    }
}

/* Returns: bytes written to @out; -1 if @hex is not hex or does not fit. */
static int hex_decode(const char *hex, size_t len, uint8_t *out, size_t max)
{
    if (len % 2 || len / 2 > max) {
        return -1;
    }
    for (size_t i = 0; i < len; i += 2) {
        int hi = g_ascii_xdigit_value(hex[i]);
        int lo = g_ascii_xdigit_value(hex[i + 1]);

        if (hi < 0 || lo < 0) {
            return -1;
        }
        out[i / 2] = hi << 4 | lo;
    }
    return len / 2;
}

/*
 * Returns: the user name, owned by the caller; NULL if the line is a comment
 * or, with @errp set, if the name is bad.
 */
static char *psk_user(const char *name, size_t len, unsigned line, Error **errp)
{
    char plain[TLS_PSK_MAX_USER + 1] = { 0 };

    if (len > 0 && name[0] == '#') {
        int n =
            hex_decode(name + 1, len - 1, (uint8_t *)plain, TLS_PSK_MAX_USER);

        if (n <= 0 || memchr(plain, 0, n)) {
            return NULL;
        }
        return g_strndup(plain, n);
    }
    if (len == 0 || len > TLS_PSK_MAX_USER || memchr(name, 0, len)) {
        error_setg(errp, "line %u: user name must have 1 to %d bytes", line,
                   TLS_PSK_MAX_USER);
        return NULL;
    }
    return g_strndup(name, len);
}

static bool psk_line(TLSPskFile *f, const char *text, size_t len, unsigned line,
                     Error **errp)
{
    ERRP_GUARD();
    const char *colon = memrchr(text, ':', len);
    g_autofree char *user = NULL;
    TLSPskKey *key;
    int n;

    if (len == 0 || (text[0] == '#' && !colon)) {
        return true;
    }
    if (!colon) {
        error_setg(errp, "line %u: no ':' between user name and key", line);
        return false;
    }
    user = psk_user(text, colon - text, line, errp);
    if (!user) {
        return !*errp;
    }
    if (g_hash_table_contains(f->users, user)) {
        error_setg(errp, "line %u: user '%s' has a key already", line, user);
        return false;
    }
    if (g_hash_table_size(f->users) >= TLS_PSK_MAX_USERS) {
        error_setg(errp, "line %u: more than %d users", line,
                   TLS_PSK_MAX_USERS);
        return false;
    }
    key = g_new0(TLSPskKey, 1);
    n = hex_decode(colon + 1, text + len - colon - 1, key->bytes,
                   sizeof(key->bytes));
    if (n <= 0) {
        psk_key_free(key);
        error_setg(errp,
                   "line %u: key of user '%s' must have 1 to %d bytes in "
                   "hex digits",
                   line, user, TLS_PSK_MAX_KEY);
        return false;
    }
    key->len = n;
    f->short_key |= n < TLS_PSK_SHORT_KEY;
    g_hash_table_insert(f->users, g_steal_pointer(&user), key);
    return true;
}

TLSPskFile *tls_psk_file_parse(const char *text, size_t len, Error **errp)
{
    g_autoptr(TLSPskFile) f = g_new0(TLSPskFile, 1);
    const char *end = text + len;

    f->users =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, psk_key_free);
    for (unsigned line = 1; text < end; line++) {
        const char *nl = memchr(text, '\n', end - text);
        const char *stop = nl ? nl : end;
        size_t used = stop - text;

        if (used > 0 && text[used - 1] == '\r') {
            used--;
        }
        if (!psk_line(f, text, used, line, errp)) {
            return NULL;
        }
        text = stop + 1;
    }
    if (g_hash_table_size(f->users) == 0) {
        error_setg(errp, "no user in it");
        return NULL;
    }
    return g_steal_pointer(&f);
}

const TLSPskKey *tls_psk_file_lookup(const TLSPskFile *f, const char *user)
{
    return g_hash_table_lookup(f->users, user);
}

bool tls_psk_file_has_short_key(const TLSPskFile *f)
{
    return f->short_key;
}
