/*
 * Character devices but sockets: what all back ends have in common, each
 * kind's own, the command line and the legacy spellings.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <termios.h>

#include "chardev/char-ringbuf.h"
#include "chardev/types.h"
#include "chardev/yank.h"
#include "crypto/init.h"
#include "qapi/qapi-commands-char.h"
#include "qapi/qapi-commands-yank.h"
#include "qapi/qapi-types-char.h"
#include "qapi/qapi-types-yank.h"

#include "fake-fe.h"

static char *tmp_dir;

static char *in_tmp(const char *name)
{
    return g_build_filename(tmp_dir, name, NULL);
}

static Chardev *chr_new(const char *optarg)
{
    return qemu_chr_new_from_cli(optarg, NULL, &error_abort);
}

static Chardev *chr_new_path(const char *fmt, const char *path)
{
    g_autoptr(GString) opt = g_string_new(fmt);

    g_string_replace(opt, "@", path, 0);
    return chr_new(opt->str);
}

static void chr_delete(const char *id)
{
    g_assert_true(qemu_chr_remove(id, &error_abort));
}

static char *contents(const char *path)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* -- conformance: every kind that can be made without a peer ---------------------- */

static const char *const any_kind[] = {
    "null,id=k",
    "ringbuf,id=k,size=1k",
    "file,id=k,path=@",
    "pty,id=k",
    "testdev,id=k",
    "udp,id=k,host=127.0.0.1,port=9",
    "socket,id=k,path=@,server,nowait",
    "socket,id=k,host=127.0.0.1,port=0,server,nowait,telnet",
    "socket,id=k,host=127.0.0.1,port=1,reconnect-ms=10000",
    "null,id=k,mux=on",
};

static void test_conformance(gconstpointer data)
{
    g_autofree char *path = in_tmp("conf");
    g_autofree char *log = in_tmp("conf.log");
    g_autofree char *opt = g_strconcat(data, ",logfile=", log, NULL);
    g_autofree char *logged = NULL;
    g_autofree char *name = NULL;
    bool mux = strstr(data, "mux=on");
    Error *err = NULL;
    CharBackend other;
    FakeFe fe;
    Chardev *chr;
    int fds = count_fds();

    chr = chr_new_path(opt, path);
    name = qemu_chr_get_filename(chr);
    g_assert_cmpint(strlen(name), >, 0);
    g_assert_true(qemu_chr_find("k") == chr);
    g_assert_false(qemu_chr_is_busy(chr));
    g_assert_null(qemu_chr_new_from_cli("null,id=k", NULL, &err));
    error_free_or_abort(&err);
    fake_fe_init(&fe, chr);
    g_assert_true(qemu_chr_is_busy(chr));
    if (!mux) {
        g_assert_false(qemu_chr_fe_init(&other, chr, &err));
        error_free_or_abort(&err);
    }
    g_assert_false(qemu_chr_remove("k", &err));
    error_free_or_abort(&err);
    g_assert_cmpint(fake_write(&fe, "some text\n"), ==, 10);
    g_assert_cmpint(qemu_chr_fe_write(&fe.be, (uint8_t *)"", 0), ==, 0);
    g_assert_cmpint(qemu_chr_fe_ioctl(&fe.be, 9999, NULL), ==, -ENOTSUP);
    qemu_chr_fe_set_echo(&fe.be, true);
    qemu_chr_fe_accept_input(&fe.be);
    run_for_ms(10);
    if (!mux) {
        logged = contents(log);
        g_assert_cmpstr(logged, ==, "some text\n");
    }
    fake_fe_clear(&fe);
    /* A second front end may come after the first. */
    fake_fe_init(&fe, chr);
    run_for_ms(10);
    fake_fe_clear(&fe);
    chr_delete("k");
    if (mux) {
        chr_delete("k-base");
    }
    g_assert_null(qemu_chr_find("k"));
    run_for_ms(10);
    g_assert_cmpint(count_fds(), ==, fds);
    g_unlink(path);
    g_unlink(log);
}

static void test_no_back_end(void)
{
    FakeFe fe;

    fake_fe_init(&fe, NULL);
    g_assert_cmpint(fake_write(&fe, "x"), ==, 1);
    g_assert_false(qemu_chr_fe_backend_connected(&fe.be));
    g_assert_false(qemu_chr_fe_backend_open(&fe.be));
    g_assert_cmpint(qemu_chr_fe_add_watch(&fe.be, G_IO_OUT, NULL, NULL), ==, 0);
    g_assert_cmpint(qemu_chr_fe_get_msgfd(&fe.be), ==, -1);
    fake_fe_clear(&fe);
}

/* -- kinds ------------------------------------------------------------------------------ */

static void test_ringbuf(void)
{
    Error *err = NULL;
    Chardev *chr;
    g_autofree char *a = NULL, *b = NULL, *c = NULL, *d = NULL;

    g_assert_null(qemu_chr_new_from_cli("ringbuf,id=r,size=5", NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(qemu_chr_new_from_cli("ringbuf,id=r,size=0", NULL, &err));
    error_free_or_abort(&err);
    chr = chr_new("memory,id=r,size=8");
    qmp_ringbuf_write("r", "abcdefghij", false, 0, &error_abort);
    g_assert_cmpuint(qemu_chr_ringbuf_count(chr), ==, 8);
    a = qmp_ringbuf_read("r", 3, false, 0, &error_abort);
    g_assert_cmpstr(a, ==, "cde");
    b = qmp_ringbuf_read("r", 100, true, DATA_FORMAT_BASE64, &error_abort);
    g_assert_cmpstr(b, ==, "ZmdoaWo=");
    qmp_ringbuf_write("r", "w6TDtg==", true, DATA_FORMAT_BASE64, &error_abort);
    /* Three bytes would cut the second character. */
    c = qmp_ringbuf_read("r", 3, false, 0, &error_abort);
    g_assert_cmpstr(c, ==, "\xc3\xa4");
    d = qmp_ringbuf_read("r", 3, true, DATA_FORMAT_UTF8, &error_abort);
    g_assert_cmpstr(d, ==, "\xc3\xb6");
    g_assert_null(qmp_ringbuf_read("r", 0, false, 0, &err));
    error_free_or_abort(&err);
    g_assert_null(qmp_ringbuf_read("zz", 1, false, 0, &err));
    error_free_or_abort(&err);
    qmp_ringbuf_write("r", "!!", true, DATA_FORMAT_BASE64, &err);
    error_free_or_abort(&err);
    chr_delete("r");
}

static void test_file(void)
{
    g_autofree char *path = in_tmp("out"), *in = in_tmp("in");
    g_autofree char *opt =
        g_strdup_printf("file,id=f,path=%s,input-path=%s,append=on", path, in);
    g_autofree char *text = NULL;
    FakeFe fe;

    g_assert_true(g_file_set_contents(path, "old ", -1, NULL));
    g_assert_true(g_file_set_contents(in, "input", -1, NULL));
    fake_fe_init(&fe, chr_new(opt));
    g_assert_cmpstr(fe.events->str, ==, "O");
    fake_write(&fe, "new");
    text = contents(path);
    g_assert_cmpstr(text, ==, "old new");
    RUN_UNTIL(g_str_equal(fe.input->str, "input"));
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    fake_fe_clear(&fe);
    chr_delete("f");
    g_unlink(path);
    g_unlink(in);
}

static void test_pipe(void)
{
    g_autofree char *base = in_tmp("p");
    g_autofree char *in = in_tmp("p.in"), *out = in_tmp("p.out");
    char buf[16];
    FakeFe fe;
    int win, rout;

    g_assert_cmpint(mkfifo(in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(out, 0600), ==, 0);
    fake_fe_init(&fe, chr_new_path("pipe,id=p,path=@", base));
    win = open(in, O_WRONLY | O_NONBLOCK);
    rout = open(out, O_RDONLY | O_NONBLOCK);
    g_assert_cmpint(win, >=, 0);
    g_assert_cmpint(rout, >=, 0);
    fake_write(&fe, "to");
    g_assert_cmpint(read(rout, buf, sizeof(buf)), ==, 2);
    g_assert_cmpint(write(win, "fro", 3), ==, 3);
    RUN_UNTIL(g_str_equal(fe.input->str, "fro"));
    close(win);
    close(rout);
    fake_fe_clear(&fe);
    chr_delete("p");
    g_unlink(in);
    g_unlink(out);
}

static void test_pty(void)
{
    g_autofree char *link = in_tmp("tty");
    Chardev *chr = chr_new_path("pty,id=t,path=@", link);
    g_autofree char *name = qemu_chr_get_filename(chr);
    g_autofree char *target = g_file_read_link(link, NULL);
    char buf[16];
    FakeFe fe;
    int fd;

    g_assert_true(g_str_has_prefix(name, "pty:/dev/pts/"));
    g_assert_cmpstr(target, ==, name + 4);
    fake_fe_init(&fe, chr);
    run_for_ms(20);
    g_assert_cmpstr(fe.events->str, ==, "");
    g_assert_cmpint(fake_write(&fe, "lost"), ==, 4);
    fd = open(link, O_RDWR | O_NOCTTY);
    g_assert_cmpint(fd, >=, 0);
    RUN_UNTIL(g_str_equal(fe.events->str, "O"));
    fake_write(&fe, "out");
    g_assert_cmpint(read(fd, buf, sizeof(buf)), ==, 3);
    g_assert_cmpint(write(fd, "in\r\n", 4), ==, 4);
    RUN_UNTIL(fe.input->len == 4);
    close(fd);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    fd = open(link, O_RDWR | O_NOCTTY);
    RUN_UNTIL(g_str_equal(fe.events->str, "OCO"));
    close(fd);
    fake_fe_clear(&fe);
    chr_delete("t");
    g_assert_false(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
}

static void test_udp(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sa);
    g_autofree char *opt = NULL;
    char buf[64];
    FakeFe fe;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&sa, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&sa, &len), ==, 0);
    opt =
        g_strdup_printf("udp,id=u,host=127.0.0.1,port=%d", ntohs(sa.sin_port));
    fake_fe_init(&fe, chr_new(opt));
    g_assert_cmpstr(fe.events->str, ==, "O");
    fake_write(&fe, "ping");
    g_assert_cmpint(
        recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&sa, &len), ==, 4);
    fe.room = 3; /* a datagram comes in pieces */
    g_assert_cmpint(sendto(fd, "pong-pong", 9, 0, (struct sockaddr *)&sa, len),
                    ==, 9);
    RUN_UNTIL(g_str_equal(fe.input->str, "pong-pong"));
    close(fd);
    fake_fe_clear(&fe);
    chr_delete("u");
}

static int exit_status = -1;

static void note_exit(int status, void *opaque)
{
    exit_status = status;
}

static int quits;

static void note_quit(void *opaque)
{
    quits++;
}

static const ChardevHostOps host_ops = { .quit = note_quit, .exit = note_exit };

static void test_testdev(void)
{
    FakeFe fe;

    fake_fe_init(&fe, chr_new("testdev,id=t"));
    fake_write(&fe, "7x2");
    g_assert_cmpint(exit_status, ==, -1);
    fake_write(&fe, "1q");
    g_assert_cmpint(exit_status, ==, 43);
    fake_fe_clear(&fe);
    chr_delete("t");
}

/* -- mux and hub ------------------------------------------------------------------------ */

static void feed(Chardev *chr, const char *text)
{
    qemu_chr_be_write(chr, (const uint8_t *)text, strlen(text));
}

#define MUX_FES 6

static void test_mux(void)
{
    Chardev *mux = chr_new("ringbuf,id=m,size=64k,mux=on");
    Chardev *base = qemu_chr_find("m-base");
    FakeFe fe[MUX_FES];
    g_autofree char *out = NULL, *help = NULL;

    g_assert_nonnull(base);
    for (int i = 0; i < MUX_FES; i++) {
        fake_fe_init(&fe[i], mux);
    }
    /* Each new one took the focus. */
    g_assert_cmpstr(fe[0].events->str, ==, "IOU");
    feed(base, "last");
    g_assert_cmpstr(fe[MUX_FES - 1].input->str, ==, "last");
    feed(base, "\x01"
               "c"
               "first");
    g_assert_cmpstr(fe[0].input->str, ==, "first");
    feed(base, "\x01");
    feed(base, "3third");
    g_assert_cmpstr(fe[2].input->str, ==, "third");
    feed(base, "\x01\x01");
    g_assert_cmpint(fe[2].input->str[5], ==, 1);
    g_string_truncate(fe[2].events, 0);
    feed(base, "\x01"
               "b");
    g_assert_cmpstr(fe[2].events->str, ==, "B");
    feed(base, "\x01"
               "x");
    g_assert_cmpint(quits, ==, 1);

    /* All write; only what is there is seen. */
    fake_write(&fe[0], "a");
    fake_write(&fe[5], "b");
    out = qmp_ringbuf_read("m-base", 1000, false, 0, &error_abort);
    g_assert_nonnull(strstr(out, "ab"));
    feed(base, "\x01"
               "h");
    help = qmp_ringbuf_read("m-base", 1000, false, 0, &error_abort);
    g_assert_nonnull(strstr(help, "Ctrl-a x"));

    /* A focused front end that does not read: kept, and keys still work. */
    fe[2].room = 0;
    g_string_truncate(fe[2].input, 0);
    feed(base, "kept");
    g_assert_cmpstr(fe[2].input->str, ==, "");
    feed(base, "\x01"
               "1x");
    g_assert_cmpstr(fe[0].input->str, ==, "firstx");
    fe[2].room = 100;
    feed(base, "\x01"
               "3!");
    g_assert_cmpstr(fe[2].input->str, ==, "kept!");
    for (int i = 0; i < MUX_FES; i++) {
        fake_fe_clear(&fe[i]);
    }
    chr_delete("m");
    chr_delete("m-base");
}

static void test_mux_timestamps(void)
{
    Chardev *mux = chr_new("ringbuf,id=m,size=64k,mux=on");
    g_autofree char *out = NULL;
    FakeFe fe;

    fake_fe_init(&fe, mux);
    feed(qemu_chr_find("m-base"), "\x01"
                                  "t");
    fake_write(&fe, "one\ntwo\n");
    fake_write(&fe, "thr");
    fake_write(&fe, "ee\n");
    out = qmp_ringbuf_read("m-base", 1000, false, 0, &error_abort);
    g_assert_true(g_regex_match_simple(
        "^one\n\\[00:00:00\\.\\d{3}\\] two\n\\[00:00:00\\.\\d{3}\\] three\n$",
        out, 0, 0));
    fake_fe_clear(&fe);
    chr_delete("m");
    chr_delete("m-base");
}

static void test_hub(void)
{
    Error *err = NULL;
    FakeFe fe;
    g_autofree char *a = NULL, *b = NULL;

    chr_new("ringbuf,id=a");
    chr_new("ringbuf,id=b");
    g_assert_null(qemu_chr_new_from_cli("hub,id=h,chardevs.0=zz", NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(qemu_chr_new_from_cli("hub,id=h", NULL, &err));
    error_free_or_abort(&err);
    fake_fe_init(&fe, chr_new("hub,id=h,chardevs.0=a,chardevs.1=b"));
    g_assert_cmpstr(fe.events->str, ==, "O");
    fake_write(&fe, "both");
    a = qmp_ringbuf_read("a", 99, false, 0, &error_abort);
    b = qmp_ringbuf_read("b", 99, false, 0, &error_abort);
    g_assert_cmpstr(a, ==, "both");
    g_assert_cmpstr(b, ==, "both");
    feed(qemu_chr_find("a"), "x");
    feed(qemu_chr_find("b"), "y");
    g_assert_cmpstr(fe.input->str, ==, "xy");
    g_assert_false(qemu_chr_remove("a", &err));
    error_free_or_abort(&err);
    fake_fe_clear(&fe);
    chr_delete("h");
    chr_delete("a");
    chr_delete("b");
}

/* -- command line, legacy, QMP -------------------------------------------------------------- */

static void test_legacy(void)
{
    static const struct {
        const char *in;
        const char *json; /* NULL: refused */
    } forms[] = {
        { "null", "{\"type\":\"null\",\"data\":{}}" },
        { "pty", "{\"type\":\"pty\",\"data\":{}}" },
        { "stdio", "{\"type\":\"stdio\",\"data\":{}}" },
        { "file:/a,b", "{\"type\":\"file\",\"data\":{\"out\":\"/a,b\"}}" },
        { "pipe:/p", "{\"type\":\"pipe\",\"data\":{\"device\":\"/p\"}}" },
        { "/dev/ttyS0",
          "{\"type\":\"serial\",\"data\":{\"device\":\"/dev/ttyS0\"}}" },
        { "/dev/parport0",
          "{\"type\":\"parallel\",\"data\":{\"device\":\"/dev/parport0\"}}" },
        { "tcp:h:1,server,nowait",
          "{\"type\":\"socket\",\"data\":{\"addr\":{\"type\":\"inet\",\"data\":{"
          "\"host\":\"h\",\"port\":\"1\"}},\"server\":\"on\",\"wait\":\"off\"}"
          "}" },
        { "tcp:[::1]:1,nodelay",
          "{\"type\":\"socket\",\"data\":{\"addr\":{\"type\":\"inet\",\"data\":{"
          "\"host\":\"::1\",\"port\":\"1\"}},\"server\":\"off\",\"nodelay\":"
          "\"on\"}}" },
        { "tcp::1,server=on",
          "{\"type\":\"socket\",\"data\":{\"addr\":{\"type\":\"inet\",\"data\":{"
          "\"host\":\"\",\"port\":\"1\"}},\"server\":\"on\",\"wait\":\"on\"}}" },
        { "telnet:h:1,delay=on",
          "{\"type\":\"socket\",\"data\":{\"addr\":{\"type\":\"inet\",\"data\":{"
          "\"host\":\"h\",\"port\":\"1\"}},\"server\":\"off\",\"telnet\":\"on\","
          "\"nodelay\":\"off\"}}" },
        { "unix:/s,server,nowait",
          "{\"type\":\"socket\",\"data\":{\"addr\":{\"type\":\"unix\",\"data\":{"
          "\"path\":\"/s\"}},\"server\":\"on\",\"wait\":\"off\"}}" },
        { "udp:h:1@l:2",
          "{\"type\":\"udp\",\"data\":{\"remote\":{\"type\":\"inet\",\"data\":{"
          "\"host\":\"h\",\"port\":\"1\"}},\"local\":{\"type\":\"inet\","
          "\"data\":{\"host\":\"l\",\"port\":\"2\"}}}}" },
        { "udp::1",
          "{\"type\":\"udp\",\"data\":{\"remote\":{\"type\":\"inet\",\"data\":{"
          "\"host\":\"localhost\",\"port\":\"1\"}}}}" },
        { "tcp:nohost", NULL },
        { "none", NULL },
        { "con:", NULL },
        { "file:", NULL },
        { "bogus", NULL },
        { "nullx", NULL },
        { "", NULL },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        Error *err = NULL;
        g_autoptr(json_t) got = qemu_chr_parse_legacy(forms[i].in, &err);
        g_autoptr(json_t) want = NULL;

        g_test_message("%s", forms[i].in);
        if (!forms[i].json) {
            g_assert_null(got);
            error_free_or_abort(&err);
            continue;
        }
        g_assert_null(err);
        want = json_loads(forms[i].json, 0, NULL);
        json_object_del(got, "keyval");
        json_object_del(got, "mux");
        g_assert_true(json_equal(got, want));
    }
}

static void test_legacy_new(void)
{
    Chardev *chr = qemu_chr_new("serial0", "null", NULL);
    Chardev *mon;
    Error *err = NULL;

    g_assert_true(qemu_chr_find("serial0") == chr);
    g_assert_true(qemu_chr_new("x", "chardev:serial0", NULL) == chr);
    g_assert_null(qemu_chr_new_legacy("x", "chardev:no", false, NULL, &err));
    error_free_or_abort(&err);
    g_assert_null(qemu_chr_new_legacy("x", "mon:null", false, NULL, &err));
    error_free_or_abort(&err);
    mon = qemu_chr_new_mux_mon("serial1", "mon:null", NULL);
    g_assert_true(CHARDEV_IS_MUX(mon));
    g_assert_true(qemu_chr_wants_monitor(mon));
    g_assert_false(qemu_chr_wants_monitor(mon));
    chr_delete("serial1");
    chr_delete("serial1-base");
    chr_delete("serial0");
}

static void test_json_cli(void)
{
    chr_new("{\"id\":\"a\",\"backend\":{\"type\":\"ringbuf\",\"data\":{"
            "\"size\":128}}}");
    chr_new("{\"id\":\"b\",\"backend\":\"ringbuf\",\"size\":256}");
    chr_delete("a");
    chr_delete("b");
}

static void test_help(void)
{
    g_autofree char *list = qemu_chr_help_for("help");
    g_autofree char *one = qemu_chr_help_for("socket,help");

    g_assert_nonnull(strstr(list, "ringbuf"));
    g_assert_null(strstr(list, " fd "));
    g_assert_nonnull(strstr(one, "tls-hostname"));
    g_assert_nonnull(strstr(one, "reconnect-ms"));
    g_assert_null(qemu_chr_help_for("null,id=x"));
}

static void test_qmp(void)
{
    json_t *members = json_pack("{s:{}}", "data");
    ChardevBackend backend = { .type = CHARDEV_BACKEND_KIND_PTY,
                               .open_members = members };
    ChardevBackendInfoList *kinds;
    ChardevInfoList *list;
    ChardevReturn *ret;
    Error *err = NULL;
    FakeFe fe;

    ret = qmp_chardev_add("q", &backend, &error_abort);
    g_assert_true(g_str_has_prefix(ret->pty, "/dev/pts/"));
    qapi_free_ChardevReturn(ret);
    g_assert_null(qmp_chardev_add("q", &backend, &err));
    error_free_or_abort(&err);
    fake_fe_init(&fe, qemu_chr_find("q"));
    list = qmp_query_chardev(&error_abort);
    g_assert_cmpstr(list->value->label, ==, "q");
    g_assert_true(list->value->frontend_open);
    g_assert_null(list->next);
    qapi_free_ChardevInfoList(list);

    /* Change under a running front end. */
    backend.type = CHARDEV_BACKEND_KIND_RINGBUF;
    ret = qmp_chardev_change("q", &backend, &error_abort);
    g_assert_null(ret->pty);
    qapi_free_ChardevReturn(ret);
    g_assert_true(CHARDEV_IS_RINGBUF(qemu_chr_find("q")));
    g_assert_cmpstr(fe.events->str, ==, "O");
    fake_write(&fe, "abc");
    g_assert_cmpuint(qemu_chr_ringbuf_count(qemu_chr_find("q")), ==, 3);
    backend.type = CHARDEV_BACKEND_KIND_MUX;
    g_assert_null(qmp_chardev_change("q", &backend, &err));
    error_free_or_abort(&err);
    backend.type = CHARDEV_BACKEND_KIND_FILE; /* 'out' is missing */
    g_assert_null(qmp_chardev_change("q", &backend, &err));
    error_free_or_abort(&err);
    fake_write(&fe, "d");
    g_assert_cmpuint(qemu_chr_ringbuf_count(qemu_chr_find("q")), ==, 4);

    qmp_chardev_send_break("q", &error_abort);
    RUN_UNTIL(g_str_equal(fe.events->str, "OB"));
    qmp_chardev_remove("q", &err);
    error_free_or_abort(&err);
    fake_fe_clear(&fe);
    qmp_chardev_remove("q", &error_abort);
    qmp_chardev_remove("q", &err);
    error_free_or_abort(&err);

    kinds = qmp_query_chardev_backends(&error_abort);
    g_assert_nonnull(kinds);
    qapi_free_ChardevBackendInfoList(kinds);
    json_decref(members);
}

static void test_yank(void)
{
    g_autofree char *path = in_tmp("y");
    g_autofree char *opt = g_strdup_printf("socket,id=yc,path=%s", path);
    YankInstance inst = { .type = YANK_INSTANCE_TYPE_CHARDEV,
                          .u.chardev.id = (char *)"yc" };
    YankInstanceList args = { .value = &inst };
    YankInstanceList *list;
    Error *err = NULL;
    Chardev *srv = chr_new_path("socket,id=ys,path=@,server,nowait", path);
    FakeFe fe;

    fake_fe_init(&fe, chr_new(opt));
    RUN_UNTIL(g_str_equal(fe.events->str, "O"));
    list = qmp_query_yank(&error_abort);
    g_assert_nonnull(list);
    g_assert_nonnull(list->next);
    g_assert_cmpstr(list->next->value->u.chardev.id, ==, "yc");
    qapi_free_YankInstanceList(list);
    inst.u.chardev.id = (char *)"nope";
    qmp_yank(&args, &err);
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    error_free_or_abort(&err);
    inst.u.chardev.id = (char *)"yc";
    qmp_yank(&args, &error_abort);
    RUN_UNTIL(g_str_equal(fe.events->str, "OC"));
    fake_fe_clear(&fe);
    chr_delete("yc");
    chr_delete("ys");
    g_assert_nonnull(srv);
    g_assert_null(qmp_query_yank(&error_abort));
}

int main(int argc, char **argv)
{
    int ret;

    signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(qcrypto_init(&error_abort), ==, 0);
    chardev_register_types();
    chardev_set_host_ops(&host_ops, NULL);
    tmp_dir = g_dir_make_tmp("char-XXXXXX", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(any_kind); i++) {
        g_autofree char *path =
            g_strdup_printf("/char/conformance/%zu-%.8s", i, any_kind[i]);

        g_strdelimit(path + 18, ",/", '_');
        g_test_add_data_func(path, any_kind[i], test_conformance);
    }
    g_test_add_func("/char/no-back-end", test_no_back_end);
    g_test_add_func("/char/ringbuf", test_ringbuf);
    g_test_add_func("/char/file", test_file);
    g_test_add_func("/char/pipe", test_pipe);
    g_test_add_func("/char/pty", test_pty);
    g_test_add_func("/char/udp", test_udp);
    g_test_add_func("/char/testdev", test_testdev);
    g_test_add_func("/char/mux", test_mux);
    g_test_add_func("/char/mux-timestamps", test_mux_timestamps);
    g_test_add_func("/char/hub", test_hub);
    g_test_add_func("/char/legacy", test_legacy);
    g_test_add_func("/char/legacy-new", test_legacy_new);
    g_test_add_func("/char/json-cli", test_json_cli);
    g_test_add_func("/char/help", test_help);
    g_test_add_func("/char/qmp", test_qmp);
    g_test_add_func("/char/yank", test_yank);
    ret = g_test_run();
    g_rmdir(tmp_dir);
    g_free(tmp_dir);
    return ret;
}
