/*
 * The resolver. No name service is needed: "localhost" is in the hosts file.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/dns-resolver.h"
#include "io/socket-address.h"
#include "qapi/qapi-visit-sockets.h"
#include "util/error.h"

typedef struct Answer {
    size_t n;
    SocketAddress **addrs;
    Error *err;
    bool done;
} Answer;

static void answer_clear(Answer *a)
{
    for (size_t i = 0; i < a->n; i++) {
        qapi_free_SocketAddress(a->addrs[i]);
    }
    g_free(a->addrs);
    error_free(a->err);
    memset(a, 0, sizeof(*a));
}

static void on_answer(QIOTask *task, gpointer opaque)
{
    Answer *a = opaque;

    if (!qio_task_propagate_error(task, &a->err)) {
        qio_dns_resolver_lookup_result(qio_dns_resolver_get_instance(), task,
                                       &a->n, &a->addrs);
    }
    a->done = true;
}

static void lookup(Answer *a, const char *text, bool async)
{
    QIODNSResolver *r = qio_dns_resolver_get_instance();
    SocketAddress *addr = socket_parse(text, &error_abort);
    g_autoptr(GMainContext) ctx = g_main_context_new();

    memset(a, 0, sizeof(*a));
    if (!async) {
        qio_dns_resolver_lookup_sync(r, addr, &a->n, &a->addrs, &a->err);
    } else {
        qio_dns_resolver_lookup_async_full(r, addr, on_answer, a, NULL, ctx);
        while (!a->done) {
            g_main_context_iteration(ctx, true);
        }
    }
    qapi_free_SocketAddress(addr);
}

static void test_name(gconstpointer async)
{
    Answer a;
    InetSocketAddress *inet;

    lookup(&a, "localhost:80,ipv4,keep-alive=on,to=90", async != NULL);
    g_assert_null(a.err);
    g_assert_cmpuint(a.n, >=, 1);
    inet = &a.addrs[0]->u.inet;
    g_assert_cmpstr(inet->host, ==, "127.0.0.1");
    g_assert_cmpstr(inet->port, ==, "80");
    g_assert_true(inet->numeric && inet->has_numeric);
    g_assert_true(inet->has_keep_alive && inet->keep_alive);
    g_assert_true(inet->has_to && inet->to == 90);
    answer_clear(&a);
}

static void test_passed_through(gconstpointer async)
{
    Answer a;

    lookup(&a, "unix:/some/path", async != NULL);
    g_assert_cmpuint(a.n, ==, 1);
    g_assert_cmpstr(a.addrs[0]->u.q_unix.path, ==, "/some/path");
    answer_clear(&a);
}

static void test_failure(gconstpointer async)
{
    Answer a;

    lookup(&a, "not-numeric:80,numeric", async != NULL);
    g_assert_nonnull(a.err);
    g_assert_nonnull(strstr(error_get_pretty(a.err), "not-numeric:80"));
    answer_clear(&a);
    lookup(&a, "localhost:80,ipv4=off,ipv6=off", async != NULL);
    g_assert_nonnull(a.err);
    answer_clear(&a);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int async = 0; async < 2; async++) {
        const char *how = async ? "async" : "sync";
        g_autofree char *name = g_strdup_printf("/%s/name", how);
        g_autofree char *passed = g_strdup_printf("/%s/passed-through", how);
        g_autofree char *failure = g_strdup_printf("/%s/failure", how);

        g_test_add_data_func(name, GINT_TO_POINTER(async), test_name);
        g_test_add_data_func(passed, GINT_TO_POINTER(async),
                             test_passed_through);
        g_test_add_data_func(failure, GINT_TO_POINTER(async), test_failure);
    }
    return g_test_run();
}
