/*
 * Two TLS sessions on the ends of a socket pair, for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_LIB_TLS_PAIR_H
#define TESTS_LIB_TLS_PAIR_H

#include "crypto/tlssession.h"

/**
 * test_tls_creds_new:
 * @type: (in) class name
 * @endpoint: (in) "server" or "client"
 * @dir: (in) directory, or NULL
 * @errp: (out)
 * @...: more properties as names and texts in turn, ends with NULL
 *
 * Returns: credentials without a parent, owned by the caller; NULL.
 */
QCryptoTLSCreds *test_tls_creds_new(const char *type, const char *endpoint,
                                    const char *dir, Error **errp,
                                    ...) G_GNUC_NULL_TERMINATED;

typedef struct TestTLSEnd {
    QCryptoTLSSession *sess;
    int fd;
    Error *err;      /* from handshake or check */
    bool done;       /* handshake and check succeeded */
    gint fail_after; /* transport calls until EIO; 0 = never */
    size_t max_io;   /* most bytes that one transport call moves; 0 = all */
} TestTLSEnd;

/** test_tls_end_init: @fd is owned by @end; non-blocking unless changed. */
void test_tls_end_init(TestTLSEnd *end, QCryptoTLSSession *sess, int fd);
void test_tls_end_clear(TestTLSEnd *end);

/** test_tls_end_step: one step of handshake and check.
 *  Returns: true if there is nothing more to do (done or failed). */
bool test_tls_end_step(TestTLSEnd *end);

/** test_tls_handshake: drive both until each is done or has failed. */
void test_tls_handshake(TestTLSEnd *a, TestTLSEnd *b);

/** test_tls_write_all, test_tls_read_all: poll until all is moved.
 *  Returns: @len; less on EOF; -1 on error. */
ssize_t test_tls_write_all(TestTLSEnd *end, const void *buf, size_t len);
ssize_t test_tls_read_all(TestTLSEnd *end, void *buf, size_t len);

#endif
