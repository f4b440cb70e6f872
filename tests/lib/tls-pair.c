/*
 * Two TLS sessions on a socket pair (see tls-pair.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "tls-pair.h"

#include <poll.h>
#include <sys/socket.h>

#include "crypto/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"

QCryptoTLSCreds *test_tls_creds_new(const char *type, const char *endpoint,
                                    const char *dir, Error **errp, ...)
{
    g_autoptr(Object) obj = NULL;
    const char *name;
    bool ok = true;
    va_list ap;

    crypto_register_types();
    obj = object_new(type);
    object_property_set_str(obj, "endpoint", endpoint, &error_abort);
    if (dir) {
        object_property_set_str(obj, "dir", dir, &error_abort);
    }
    va_start(ap, errp);
    while (ok && (name = va_arg(ap, const char *))) {
        ok = object_property_parse(obj, name, va_arg(ap, const char *), errp);
    }
    va_end(ap);
    if (!ok || !user_creatable_complete(USER_CREATABLE(obj), errp)) {
        return NULL;
    }
    return QCRYPTO_TLS_CREDS(g_steal_pointer(&obj));
}

static bool end_fault(TestTLSEnd *end)
{
    if (end->fail_after && g_atomic_int_dec_and_test(&end->fail_after)) {
        errno = EIO;
        end->fail_after = 1;
        return true;
    }
    return false;
}

static ssize_t end_write(const char *buf, size_t len, void *opaque)
{
    TestTLSEnd *end = opaque;

    if (end_fault(end)) {
        return -1;
    }
    if (end->max_io) {
        len = MIN(len, end->max_io);
    }
    return send(end->fd, buf, len, MSG_NOSIGNAL);
}

static ssize_t end_read(char *buf, size_t len, void *opaque)
{
    TestTLSEnd *end = opaque;

    if (end_fault(end)) {
        return -1;
    }
    if (end->max_io) {
        len = MIN(len, end->max_io);
    }
    return recv(end->fd, buf, len, 0);
}

void test_tls_end_init(TestTLSEnd *end, QCryptoTLSSession *sess, int fd)
{
    *end = (TestTLSEnd){ .sess = sess, .fd = fd };
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    qcrypto_tls_session_set_callbacks(sess, end_write, end_read, end);
}

void test_tls_end_clear(TestTLSEnd *end)
{
    qcrypto_tls_session_free(end->sess);
    fd_close(end->fd);
    error_free(end->err);
    *end = (TestTLSEnd){ .fd = -1 };
}

bool test_tls_end_step(TestTLSEnd *end)
{
    if (end->done || end->err) {
        return true;
    }
    if (qcrypto_tls_session_handshake(end->sess, &end->err) < 0) {
        g_assert(end->err);
        shutdown(end->fd, SHUT_WR);
        return true;
    }
    if (qcrypto_tls_session_get_handshake_status(end->sess) !=
        QCRYPTO_TLS_HANDSHAKE_COMPLETE) {
        return false;
    }
    if (qcrypto_tls_session_check_credentials(end->sess, &end->err) < 0) {
        g_assert(end->err);
        shutdown(end->fd, SHUT_WR);
        return true;
    }
    end->done = true;
    return true;
}

void test_tls_handshake(TestTLSEnd *a, TestTLSEnd *b)
{
    for (int i = 0; i < 100000; i++) {
        bool done_a = test_tls_end_step(a);
        bool done_b = test_tls_end_step(b);

        if (done_a && done_b) {
            return;
        }
    }
    g_assert_not_reached();
}

static void end_wait(TestTLSEnd *end, short events)
{
    struct pollfd p = { .fd = end->fd, .events = events };

    g_assert_cmpint(poll(&p, 1, 30000), ==, 1);
}

ssize_t test_tls_write_all(TestTLSEnd *end, const void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = qcrypto_tls_session_write(
            end->sess, (const char *)buf + done, len - done);

        if (n < 0 && errno == EAGAIN) {
            end_wait(end, POLLOUT);
        } else if (n < 0) {
            return -1;
        } else {
            done += n;
        }
    }
    return done;
}

ssize_t test_tls_read_all(TestTLSEnd *end, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n =
            qcrypto_tls_session_read(end->sess, (char *)buf + done, len - done);

        if (n < 0 && errno == EAGAIN) {
            if (!qcrypto_tls_session_check_pending(end->sess)) {
                end_wait(end, POLLIN);
            }
        } else if (n < 0) {
            return -1;
        } else if (n == 0) {
            break;
        } else {
            done += n;
        }
    }
    return done;
}
