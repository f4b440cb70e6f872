/*
 * QMP sessions over a UNIX socket: the test is the client, and its thread is
 * the main loop, which runs only when a test lets it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "chardev/char.h"
#include "chardev/types.h"
#include "monitor/monitor.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-control.h"
#include "qapi/qapi-commands-misc.h"
#include "qapi/qmp-dispatch.h"
#include "qapi/qmp-event.h"
#include "util/atomic.h"
#include "util/coroutine.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/thread.h"

#include "qmp-fixture.h"

/* -- tests ------------------------------------------------------------------ */

static void test_negotiation(Fixture *f, gconstpointer data)
{
    Client c = client_connect(f);

    expect(&c, "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7}},"
               "\"capabilities\":[\"oob\"]}}");
    emit("EARLY");
    say(&c, "{\"execute\":\"fast\",\"id\":1}");
    expect(&c, "{\"id\":1,\"error\":{\"class\":\"CommandNotFound\"}}");
    say(&c, "{\"exec-oob\":\"fast\",\"id\":2}");
    expect(&c, "{\"id\":2,\"error\":{\"class\":\"GenericError\"}}");
    /* All in one piece: each is judged when its turn comes. */
    say(&c, CAPS_OOB "{\"execute\":\"fast\"}" CAPS
                     "{\"exec-oob\":\"fast\",\"id\":null}");
    expect(&c, "{\"return\":{}}");
    expect(&c, "{\"return\":{\"monitor\":true}}");
    expect(&c, "{\"error\":{\"class\":\"CommandNotFound\"}}");
    expect(&c, "{\"return\":{\"monitor\":true},\"id\":null}");
    emit("LATE");
    expect(&c, "{\"event\":\"LATE\"}");
    client_close(&c);
}

static void test_pretty(void)
{
    Fixture f = { 0 };
    Client c;

    setup_pretty(&f, true);
    c = client_connect(&f);
    while (!g_str_has_suffix(c.in->str, "}\r\n")) {
        g_assert_true(client_fill(&c, 10000, false));
    }
    g_assert_true(g_str_has_prefix(c.in->str, "{\n    \"QMP\": {\n"));
    client_close(&c);
    teardown(&f, NULL);
}

static void test_every_cut(Fixture *f, gconstpointer data)
{
    static const char text[] = "{\"execute\":\"fast\",\"id\":\"a\\\"}\"} "
                               "{'execute':'slow','id':2}";
    Client c = open_session(f, CAPS);

    for (size_t cut = 1; cut < strlen(text); cut++) {
        say_len(&c, text, cut);
        g_usleep(300);
        say(&c, text + cut);
        expect_main(&c, "{\"id\":\"a\\\"}\"}");
        expect_main(&c, "{\"id\":2}");
    }
    for (size_t i = 0; i < strlen(text); i++) {
        say_len(&c, text + i, 1);
    }
    expect_main(&c, "{\"id\":\"a\\\"}\"}");
    expect_main(&c, "{\"id\":2}");
    client_close(&c);
}

static void test_order(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);

    /* What runs at once waits for what was asked before. */
    say(&c, "{\"execute\":\"slow\",\"id\":1}{\"execute\":\"fast\",\"id\":2}"
            "{]{\"execute\":\"none\",\"id\":4}");
    expect_silence(&c, 50);
    expect_main(&c, "{\"id\":1}");
    expect(&c, "{\"id\":2}");
    expect(&c, "{\"error\":{\"class\":\"GenericError\"}}");
    client_close(&c);
}

static void test_oob(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS_OOB);

    /* Eight in flight are allowed, and out of band passes all of them. */
    for (int i = 0; i < 8; i++) {
        say(&c, "{\"execute\":\"slow\",\"id\":1}");
    }
    say(&c, "{\"exec-oob\":\"fast\",\"id\":\"o\"}");
    expect(&c, "{\"id\":\"o\",\"return\":{\"monitor\":true}}");
    /* So do its errors. */
    say(&c, "{\"exec-oob\":\"slow\",\"id\":\"p\"}");
    expect(&c, "{\"id\":\"p\",\"error\":{\"class\":\"GenericError\"}}");
    say(&c, "{\"exec-oob\":\"fast\",\"execute\":\"fast\",\"id\":\"q\"}");
    for (int i = 0; i < 8; i++) {
        expect_main(&c, "{\"id\":1}");
    }
    expect(&c, "{\"id\":\"q\",\"error\":{\"class\":\"GenericError\"}}");
    client_close(&c);
}

static void test_queue_limit(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS_OOB);
    size_t sent = 0;
    int buffer = 4096;

    setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    for (;;) {
        static const char text[] = "{\"execute\":\"slow\",\"id\":1}";
        struct pollfd p = { .fd = c.fd, .events = POLLOUT };

        if (poll(&p, 1, 100) == 0) {
            break;
        }
        say(&c, text);
        sent++;
        /* A monitor that reads without limit never gets here. */
        g_assert_cmpint(sent, <, 20000);
    }
    for (size_t i = 0; i < sent; i++) {
        expect_main(&c, "{\"id\":1}");
    }
    client_close(&c);
}

/* Answers that nobody reads hold up their reader, and it alone. */
static void test_slow_reader(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    g_autoptr(GString) batch = g_string_new(NULL);

    for (int i = 0; i < 100; i++) {
        g_string_append_printf(batch, "{\"execute\":\"big\",\"id\":%d}", i);
    }
    say(&c, batch->str);
    g_usleep(100000);
    emit("AMID");
    for (int i = 0, events = 0; i < 100;) {
        g_autoptr(json_t) msg = hear(&c, false);

        if (json_object_get(msg, "event")) {
            events++;
            /* 100 answers of 300 kB are not made in advance. */
            g_assert_cmpint(i, <, 20);
            continue;
        }
        g_assert_cmpint(json_integer_value(json_object_get(msg, "id")), ==, i);
        i++;
        g_assert_cmpint(events, ==, i > 20 ? 1 : events);
    }
    client_close(&c);
}

static void test_event_flood(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    g_autofree char *text = g_strnfill(1024 * 1024, 'e');
    g_autoptr(json_t) event = qmp_event_build_dict("FLOOD");
    Client d;

    json_object_set_new(event, "data", json_string(text));
    for (int i = 0; i < 70; i++) {
        qmp_event_emit("FLOOD", event);
    }
    /* It is cut off, and the next one is served. */
    while (client_fill(&c, 10000, false)) {
        g_string_truncate(c.in, 0);
    }
    d = open_session(f, CAPS);
    client_close(&d);
    client_close(&c);
}

static void test_disconnect(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    Client d;

    say(&c, "{\"execute\":\"slow\",\"id\":1}{\"execute\":\"slow\",\"id\":2}"
            "{\"execute\":\"slow\"");
    g_usleep(20000);
    client_close(&c);
    /* The next one does not wait for the command, nor hears its answer. */
    d = open_session(f, CAPS);
    say(&d, "{\"execute\":\"fast\",\"id\":3}");
    expect(&d, "{\"id\":3}");
    say(&d, "{\"execute\":\"slow\",\"id\":4}");
    expect_main(&d, "{\"id\":4}");
    client_close(&d);
}

static void test_free_while_running(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);

    slow_runs = 0;
    say(&c, "{\"execute\":\"slow\",\"id\":1}{\"execute\":\"slow\",\"id\":2}");
    g_usleep(20000);
    monitor_set_free(g_steal_pointer(&f->set));
    /* The one that had begun was answered, the other never began. */
    expect(&c, "{\"id\":1}");
    g_assert_cmpint(slow_runs, ==, 1);
    g_assert_false(client_fill(&c, 100, true));
    client_close(&c);
}

static void test_coroutine(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS_OOB);
    int64_t end = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;

    sleeper = NULL;
    say(&c, "{\"execute\":\"sleep\",\"id\":1}");
    while (!sleeper && g_get_monotonic_time() < end) {
        main_loop_wait(true);
    }
    g_assert_nonnull(sleeper);
    /* It sleeps: nothing of it sticks to the thread. */
    g_assert_null(monitor_cur());
    say(&c, "{\"exec-oob\":\"fast\",\"id\":2}");
    expect(&c, "{\"id\":2}");
    qemu_coroutine_enter(sleeper);
    expect_main(&c, "{\"id\":1,\"return\":{}}");
    client_close(&c);
}

/* The command's monitor waits for it; nobody else does. */
static void test_errand(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_strconcat(f->path, "2", NULL);
    g_autofree char *cli =
        g_strdup_printf("socket,id=r,path=%s,server=on,wait=off", path);
    Fixture second = { .path = path };
    Client c, d;

    errand_may_end = false;
    slow_runs = 0;
    monitor_new_qmp(f->set, qemu_chr_new_from_cli(cli, NULL, &error_abort),
                    false, &error_abort);
    c = open_session(f, CAPS_OOB);
    d = open_session(&second, CAPS);
    say(&c, "{\"execute\":\"errand\",\"arguments\":{\"x\":7},\"id\":1}"
            "{\"execute\":\"slow\",\"id\":2}");
    g_assert_false(client_fill(&c, 50, true));
    say(&d, "{\"execute\":\"slow\",\"id\":3}");
    expect_main(&d, "{\"id\":3,\"return\":{\"slow\":1}}");
    g_assert_null(monitor_cur());
    g_assert_false(client_fill(&c, 50, true));
    qatomic_set(&errand_may_end, true);
    expect_main(&c, "{\"id\":1,\"return\":{\"x\":7}}");
    expect_main(&c, "{\"id\":2,\"return\":{\"slow\":2}}");
    client_close(&c);
    client_close(&d);
    g_unlink(path);
}

static void test_free_during_errand(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    Client d;

    errand_may_end = false;
    /* One that nobody waits for any more, and another. */
    say(&c, "{\"execute\":\"errand\",\"id\":1}");
    g_assert_false(client_fill(&c, 50, true));
    client_close(&c);
    d = open_session(f, CAPS);
    say(&d, "{\"execute\":\"errand\",\"id\":2}");
    g_assert_false(client_fill(&d, 50, true));
    monitor_set_free(g_steal_pointer(&f->set));
    expect(&d, "{\"id\":2,\"error\":{\"class\":\"GenericError\"}}");
    client_close(&d);
}

static void test_no_nesting(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_strconcat(f->path, "2", NULL);
    g_autofree char *cli =
        g_strdup_printf("socket,id=r,path=%s,server=on,wait=off", path);
    Fixture second = { .path = path };
    Client c, d;

    monitor_new_qmp(f->set, qemu_chr_new_from_cli(cli, NULL, &error_abort),
                    false, &error_abort);
    c = open_session(f, CAPS);
    d = open_session(&second, CAPS);
    say(&c, "{\"execute\":\"poll\",\"id\":1}");
    g_usleep(20000);
    say(&d, "{\"execute\":\"slow\",\"id\":2}");
    expect_main(&c, "{\"id\":1,\"return\":{}}");
    expect_main(&d, "{\"id\":2}");
    client_close(&c);
    client_close(&d);
    g_unlink(path);
}

static void test_preconfig_in_turn(Fixture *f, gconstpointer data)
{
    Client c;

    qatomic_set(&f->preconfig, true);
    c = open_session(f, CAPS);
    say(&c, "{\"execute\":\"fast\",\"id\":1}");
    expect(&c, "{\"id\":1,\"error\":{\"class\":\"GenericError\"}}");
    qatomic_set(&f->preconfig, false);
    say(&c, "{\"execute\":\"fast\",\"id\":2}");
    expect(&c, "{\"id\":2,\"return\":{\"monitor\":true}}");
    client_close(&c);
}

/* -- events ------------------------------------------------------------------ */

static void *emit_many(void *opaque)
{
    for (int i = 0; i < 500; i++) {
        emit("BURST");
    }
    return NULL;
}

static void test_events_from_threads(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    QemuThread threads[3];
    int events = 0, answers = 0;

    for (int i = 0; i < 3; i++) {
        qemu_thread_create(&threads[i], "emit", emit_many, NULL,
                           QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < 100; i++) {
        say(&c, "{\"execute\":\"fast\"}");
    }
    while (events < 1500 || answers < 100) {
        g_autoptr(json_t) msg = hear(&c, false);

        events += json_object_get(msg, "event") != NULL;
        answers += json_object_get(msg, "return") != NULL;
    }
    for (int i = 0; i < 3; i++) {
        qemu_thread_join(&threads[i]);
    }
    client_close(&c);
}

/* Clients that come and go get no event before they have negotiated. */
static void test_events_and_reconnects(Fixture *f, gconstpointer data)
{
    QemuThread threads[2];

    for (int i = 0; i < 2; i++) {
        qemu_thread_create(&threads[i], "emit", emit_many, NULL,
                           QEMU_THREAD_JOINABLE);
    }
    for (int i = 0; i < 50; i++) {
        Client c = open_session(f, CAPS);

        client_close(&c);
    }
    for (int i = 0; i < 2; i++) {
        qemu_thread_join(&threads[i]);
    }
}

static void test_event_rate(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    int64_t start = g_get_monotonic_time();

    for (int i = 0; i < 5; i++) {
        g_autoptr(json_t) event = qmp_event_build_dict("RTC_CHANGE");

        json_object_set_new(event, "data", json_pack("{s:i}", "offset", i));
        qmp_event_emit("RTC_CHANGE", event);
    }
    expect(&c, "{\"event\":\"RTC_CHANGE\",\"data\":{\"offset\":0}}");
    expect(&c, "{\"event\":\"RTC_CHANGE\",\"data\":{\"offset\":4}}");
    g_assert_cmpint(g_get_monotonic_time() - start, >, 900000);
    client_close(&c);
}

/* -- descriptors -------------------------------------------------------------- */

static void say_with_fds(Client *c, const char *text, const int *fds, int n)
{
    char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
    struct iovec iov = { (char *)text, strlen(text) };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
    memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
    g_assert_cmpint(sendmsg(c->fd, &msg, MSG_NOSIGNAL), ==, iov.iov_len);
}

static void expect_inode(Client *c, const char *name, int fd)
{
    g_autofree char *ask = g_strdup_printf(
        "{\"execute\":\"inode\",\"arguments\":{\"fdname\":\"%s\"}}", name);
    g_autofree char *answer = NULL;
    struct stat st;

    fstat(fd, &st);
    answer = g_strdup_printf("{\"return\":%" PRIu64 "}", (uint64_t)st.st_ino);
    say(c, ask);
    expect_main(c, answer);
}

#define GETFD(name)                                                            \
    "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"" name "\"}}"

static void test_fds(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    int fds[2], before;

    g_assert_cmpint(pipe(fds), ==, 0);
    fd_close(fds[1]);
    fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    before = count_fds();

    /* Two commands and two descriptors in one message. */
    say_with_fds(&c, GETFD("a") GETFD("b"), fds, 2);
    expect(&c, "{\"return\":{}}");
    expect(&c, "{\"return\":{}}");
    expect_inode(&c, "a", fds[0]);
    expect_inode(&c, "b", fds[1]);

    /* The descriptor comes with the first half of its command. */
    say_with_fds(&c, "{\"execute\":\"getfd\",", &fds[0], 1);
    g_usleep(20000);
    say(&c, "\"arguments\":{\"fdname\":\"c\"}}");
    expect(&c, "{\"return\":{}}");
    expect_inode(&c, "c", fds[0]);

    /* Behind a command that takes its time. */
    say(&c, "{\"execute\":\"slow\",\"id\":1}");
    say_with_fds(&c, GETFD("d"), &fds[1], 1);
    say_with_fds(&c, GETFD("e"), &fds[0], 1);
    expect_main(&c, "{\"id\":1}");
    expect_main(&c, "{\"return\":{}}");
    expect_main(&c, "{\"return\":{}}");
    expect_inode(&c, "d", fds[1]);
    expect_inode(&c, "e", fds[0]);

    /* One that nobody claims does not go to a later command. */
    say_with_fds(&c, "{\"execute\":\"fast\"}", &fds[0], 1);
    expect(&c, "{\"return\":{\"monitor\":true}}");
    say(&c, GETFD("f"));
    expect(&c, "{\"error\":{\"class\":\"GenericError\"}}");
    g_assert_cmpint(count_fds(), ==, before);
    client_close(&c);
    fd_close(fds[0]);
    fd_close(fds[1]);
}

/* More than may wait: none is lost and all stay in order. */
static void test_many_fds(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);
    int fds[2];
    const int n = 100;

    g_assert_cmpint(pipe(fds), ==, 0);
    fd_close(fds[1]);
    fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    say(&c, "{\"execute\":\"slow\",\"id\":1}");
    for (int i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf(
            "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"n%d\"}}", i);

        say_with_fds(&c, text, &fds[i % 2], 1);
    }
    expect_main(&c, "{\"id\":1}");
    for (int i = 0; i < n; i++) {
        expect_main(&c, "{\"return\":{}}");
    }
    for (int i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("n%d", i);

        expect_inode(&c, name, fds[i % 2]);
    }
    client_close(&c);
    fd_close(fds[0]);
    fd_close(fds[1]);
}

/* -- human monitor -------------------------------------------------------------- */

static void expect_hmp(Client *c, const char *line, const char *output)
{
    g_autoptr(json_t) ask =
        json_pack("{s:s,s:{s:s}}", "execute", "human-monitor-command",
                  "arguments", "command-line", line);
    g_autofree char *text = json_dumps(ask, 0);
    g_autoptr(json_t) msg = NULL;

    say(c, text);
    msg = hear(c, true);
    g_assert_cmpstr(json_string_value(json_object_get(msg, "return")), ==,
                    output);
}

static void test_human_monitor_command(Fixture *f, gconstpointer data)
{
    Client c = open_session(f, CAPS);

    expect_hmp(&c, "echo  two words ", "two words\n");
    expect_hmp(&c, "", "");
    expect_hmp(&c, "# remark", "");
    expect_hmp(&c, "nothing", "Error: unknown command: 'nothing'\n");
    expect_hmp(&c, "info history", "");
    expect_hmp(&c, "info nothing", "Error: unknown command: 'info nothing'\n");
    expect_hmp(&c, "help echo", "echo -- say\n");
    client_close(&c);
}

static void hmp_hear(Client *c, const char *text)
{
    while (!strstr(c->in->str, text)) {
        if (!client_fill(c, 10000, true)) {
            g_error("no '%s' in '%s'", text, c->in->str);
        }
    }
    g_string_truncate(c->in, 0);
}

static void test_human_session(Fixture *f, gconstpointer data)
{
    g_autofree char *path = g_strconcat(f->path, "h", NULL);
    g_autofree char *cli =
        g_strdup_printf("socket,id=h,path=%s,server=on,wait=off", path);
    Fixture second = { .path = path };
    Client c;

    monitor_new_hmp(f->set, qemu_chr_new_from_cli(cli, NULL, &error_abort),
                    &error_abort);
    c = client_connect(&second);
    hmp_hear(&c, "hello\r\n(ferry) ");
    /* Several lines at once; CR LF is one end of line. */
    say(&c, "echo one\r\necho two\necho three\r\n");
    hmp_hear(&c, "echo one\r\none\r\n(ferry) echo two\r\ntwo\r\n(ferry) "
                 "echo three\r\nthree\r\n(ferry) ");
    say(&c, "he\tin\tfds\t\n");
    hmp_hear(&c, "help info fdsets \r\ninfo fdsets");
    say(&c, "info hi\t\n");
    hmp_hear(&c, "info history \r\n0: 'echo one'\r\n");
    say(&c, "echo \xff\xfe\n");
    hmp_hear(&c, "not valid UTF-8");
    /* What one client leaves half done is not the next one's. */
    say(&c, "echo half \033[");
    g_usleep(20000);
    main_loop_wait(true);
    client_close(&c);
    c = client_connect(&second);
    hmp_hear(&c, "hello\r\n(ferry) ");
    say(&c, "echo new\n");
    hmp_hear(&c, "echo new\r\nnew\r\n(ferry) ");
    client_close(&c);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*func)(Fixture *f, gconstpointer data);
    } tests[] = {
        { "negotiation", test_negotiation },
        { "every-cut", test_every_cut },
        { "order", test_order },
        { "oob", test_oob },
        { "queue-limit", test_queue_limit },
        { "slow-reader", test_slow_reader },
        { "event-flood", test_event_flood },
        { "disconnect", test_disconnect },
        { "free-while-running", test_free_while_running },
        { "coroutine", test_coroutine },
        { "errand", test_errand },
        { "free-during-errand", test_free_during_errand },
        { "no-nesting", test_no_nesting },
        { "preconfig-in-turn", test_preconfig_in_turn },
        { "events-from-threads", test_events_from_threads },
        { "events-and-reconnects", test_events_and_reconnects },
        { "event-rate", test_event_rate },
        { "fds", test_fds },
        { "many-fds", test_many_fds },
        { "human-monitor-command", test_human_monitor_command },
        { "human-session", test_human_session },
    };

    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    chardev_register_types();
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
        g_autofree char *path =
            g_strconcat("/monitor/qmp/", tests[i].name, NULL);

        g_test_add(path, Fixture, NULL, setup, tests[i].func, teardown);
    }
    g_test_add_func("/monitor/qmp/pretty", test_pretty);
    return g_test_run();
}
