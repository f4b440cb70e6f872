/*
 * A QMP monitor on a UNIX socket with commands of its own, and its client,
 * for tests.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qmp-fixture.h"

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

/* -- commands --------------------------------------------------------------- */

Coroutine *sleeper;
int slow_runs;
bool errand_may_end;

static void cmd_capabilities(QmpContext *ctx, json_t *args, json_t **ret,
                             Error **errp)
{
    QMPCapabilityList oob = { .value = QMP_CAPABILITY_OOB };
    bool enable = json_object_get(args, "enable");

    qmp_qmp_capabilities(ctx, enable, enable ? &oob : NULL, errp);
}

static void cmd_fast(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    *ret = json_pack("{s:b}", "monitor", monitor_cur() != NULL);
}

/* Runs in the main loop. */
static void cmd_slow(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    g_assert_true(qemu_in_main_thread());
    g_assert_true(monitor_cur() == monitor_of_context(ctx));
    slow_runs++;
    *ret = json_pack("{s:i}", "slow", slow_runs);
}

/* Meets other commands if the monitor lets it. */
static void cmd_poll(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    int before = slow_runs;

    for (int i = 0; i < 20; i++) {
        aio_poll(qemu_get_aio_context(), false);
        g_usleep(1000);
    }
    g_assert_cmpint(slow_runs, ==, before);
}

static void coroutine_fn cmd_sleep(QmpContext *ctx, json_t *args, json_t **ret,
                                   Error **errp)
{
    sleeper = qemu_coroutine_self();
    qemu_coroutine_yield();
}

typedef struct Work {
    unsigned done;
    bool cancelled; /* atomic */
} Work;

/* Takes until a test says so, or its command is cancelled. */
static int work_errand(void *opaque)
{
    Work *w = opaque;

    g_assert_false(qemu_in_main_thread());
    while (!qatomic_read(&errand_may_end) && !qatomic_read(&w->cancelled)) {
        g_usleep(1000);
    }
    return 0;
}

static void cancel_errand(void *opaque)
{
    Work *w = opaque;

    qatomic_set(&w->cancelled, true);
}

/* Has two errands. */
static void cmd_errand(QmpContext *ctx, json_t *args, json_t **ret,
                       Error **errp)
{
    Work *w = ctx->errand.opaque;

    g_assert_true(qemu_in_main_thread());
    g_assert_true(monitor_cur() == monitor_of_context(ctx));
    g_assert_true(ctx->takes_errands);
    if (!w) {
        w = g_new0(Work, 1);
        ctx->errand = (QmpErrand){ w, work_errand, cancel_errand, g_free };
    }
    if (w->done < 2) {
        w->done++;
        ctx->again = true;
    } else if (qatomic_read(&w->cancelled)) {
        error_setg(errp, "cancelled");
    } else {
        *ret = json_pack("{s:i}", "x",
                         (int)json_integer_value(json_object_get(args, "x")));
    }
}

static void cmd_big(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    g_autofree char *text = g_strnfill(300000, 'x');

    *ret = json_string(text);
}

static void cmd_getfd(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    qmp_getfd(ctx, json_string_value(json_object_get(args, "fdname")), errp);
}

static void cmd_inode(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    const char *name = json_string_value(json_object_get(args, "fdname"));
    int fd = monitor_get_fd(monitor_of_context(ctx), name, errp);
    struct stat st;

    if (fd >= 0) {
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        *ret = json_integer(st.st_ino);
        fd_close(fd);
    }
}

static void cmd_hmp(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    g_autofree char *text = qmp_human_monitor_command(
        ctx, json_string_value(json_object_get(args, "command-line")), false, 0,
        errp);

    *ret = text ? json_string(text) : NULL;
}

static void hmp_echo(HMPContext *ctx, json_t *args)
{
    hmp_printf(ctx, "%s\n", hmp_arg_str(args, "text"));
}

static const HMPCommand test_hmp_commands[] = {
    { .name = "echo", .args = "text:S", .help = "say", .handler = hmp_echo },
    { NULL },
};

/* -- fixture ---------------------------------------------------------------- */

static int *preconfig_flag;

static bool is_preconfig(void)
{
    return qatomic_read(preconfig_flag);
}

static void add(Fixture *f, const char *name, QmpCommandFunc *fn,
                QmpCommandOptions options)
{
    qmp_register_command(f->commands, name, fn, options, 0);
}

static void add_commands(Fixture *f)
{
    f->commands = qmp_command_list_new();
    add(f, "qmp_capabilities", cmd_capabilities,
        QCO_CONCURRENT | QCO_ALLOW_PRECONFIG);
    add(f, "fast", cmd_fast, QCO_CONCURRENT | QCO_ALLOW_OOB);
    add(f, "big", cmd_big, QCO_CONCURRENT);
    add(f, "slow", cmd_slow, QCO_NO_OPTIONS);
    add(f, "poll", cmd_poll, QCO_NO_OPTIONS);
    add(f, "sleep", cmd_sleep, QCO_COROUTINE);
    add(f, "errand", cmd_errand, QCO_NO_OPTIONS);
    add(f, "getfd", cmd_getfd, QCO_CONCURRENT);
    add(f, "inode", cmd_inode, QCO_CONCURRENT);
    add(f, "human-monitor-command", cmd_hmp, QCO_NO_OPTIONS);
}

void setup_pretty(Fixture *f, bool pretty)
{
    static const HMPCommand *const tables[] = { monitor_hmp_commands,
                                                test_hmp_commands, NULL };
    static const HMPCommand *const info_tables[] = { monitor_hmp_info, NULL };
    g_autofree char *cli = NULL;
    MonitorSetConfig config;
    Chardev *chr;

    f->dir = g_dir_make_tmp("ferry-qmp-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "qmp", NULL);
    f->version = json_pack("{s:{s:i}}", "qemu", "major", 7);
    preconfig_flag = &f->preconfig;
    add_commands(f);
    config = (MonitorSetConfig){ .commands = f->commands,
                                 .hmp_tables = tables,
                                 .hmp_info_tables = info_tables,
                                 .version = f->version,
                                 .banner = "hello\n",
                                 .preconfig = is_preconfig };
    f->set = monitor_set_new(&config);
    cli = g_strdup_printf("socket,id=q,path=%s,server=on,wait=off", f->path);
    chr = qemu_chr_new_from_cli(cli, NULL, &error_abort);
    g_assert_nonnull(monitor_new_qmp(f->set, chr, pretty, &error_abort));
}

void setup(Fixture *f, gconstpointer data)
{
    setup_pretty(f, false);
}

void teardown(Fixture *f, gconstpointer data)
{
    monitor_set_free(f->set);
    qmp_command_list_free(f->commands);
    json_decref(f->version);
    qemu_chr_cleanup();
    g_unlink(f->path);
    g_rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
    preconfig_flag = NULL;
}

Client client_connect(Fixture *f)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    Client c = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                 .in = g_string_new(NULL) };

    g_strlcpy(addr.sun_path, f->path, sizeof(addr.sun_path));
    g_assert_cmpint(connect(c.fd, (struct sockaddr *)&addr, sizeof(addr)), ==,
                    0);
    return c;
}

void client_close(Client *c)
{
    close(c->fd);
    g_string_free(c->in, TRUE);
}

void say_len(Client *c, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

        g_assert_cmpint(n, >, 0);
        text += n;
        len -= n;
    }
}

void say(Client *c, const char *text)
{
    say_len(c, text, strlen(text));
}

bool client_fill(Client *c, int ms, bool main_loop)
{
    int64_t end = g_get_monotonic_time() + ms * 1000LL;
    char buf[65536];
    ssize_t n;

    do {
        struct pollfd p = { .fd = c->fd, .events = POLLIN };

        if (main_loop) {
            main_loop_wait(true);
        }
        if (poll(&p, 1, main_loop ? 1 : ms) > 0) {
            n = recv(c->fd, buf, sizeof(buf), 0);
            g_string_append_len(c->in, buf, MAX(n, 0));
            return n > 0;
        }
    } while (g_get_monotonic_time() < end);
    return false;
}

json_t *hear(Client *c, bool main_loop)
{
    char *eol;
    json_t *msg;

    while (!(eol = strstr(c->in->str, "\r\n"))) {
        if (!client_fill(c, 10000, main_loop)) {
            g_error("no message: '%s'", c->in->str);
        }
    }
    msg = json_loadb(c->in->str, eol - c->in->str, 0, NULL);
    g_assert_nonnull(msg);
    g_string_erase(c->in, 0, eol + 2 - c->in->str);
    return msg;
}

static void expect_full(Client *c, const char *text, bool main_loop)
{
    g_autoptr(json_t) msg = hear(c, main_loop);
    g_autoptr(json_t) want = json_loads(text, 0, NULL);
    const char *key;
    json_t *value;

    g_assert_nonnull(want);
    json_object_foreach(want, key, value)
    {
        json_t *got = json_object_get(msg, key);

        if (json_is_object(value) && json_object_get(value, "class")) {
            got = json_object_get(got, "class");
            value = json_object_get(value, "class");
        }
        if (!got || !json_equal(got, value)) {
            g_error("got %s, want %s", json_dumps(msg, 0), text);
        }
    }
}

void expect(Client *c, const char *text)
{
    expect_full(c, text, false);
}

void expect_main(Client *c, const char *text)
{
    expect_full(c, text, true);
}

void expect_silence(Client *c, int ms)
{
    g_assert_cmpstr(c->in->str, ==, "");
    g_assert_false(client_fill(c, ms, false));
}

Client open_session(Fixture *f, const char *caps)
{
    Client c = client_connect(f);

    expect(&c, "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7}},"
               "\"capabilities\":[\"oob\"]}}");
    say(&c, caps);
    expect(&c, "{\"return\":{}}");
    return c;
}

void emit(const char *name)
{
    g_autoptr(json_t) event = qmp_event_build_dict(name);

    qmp_event_emit(name, event);
}

int count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    int n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}
