/*
 * The listener of an incoming migration among clients that say nothing, too
 * little or the wrong thing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/channel-socket.h"
#include "io/types.h"
#include "migration/incoming/listener.h"
#include "util/bswap.h"
#include "util/fd.h"

typedef struct Found {
    QemuSemaphore something;
    int mains; /* atomic, as all of these */
    int multifds;
    int preempts;
    int urgents;
    uint32_t word;
    int recovered;
    int asked;
    bool enough;
    size_t prefill;
    uint8_t first[MULTIFD_INIT_LEN];
} Found;

static bool found_main(void *opaque, QIOChannel *ioc, const uint8_t *prefill,
                       size_t len, Error **errp)
{
    Found *f = opaque;

    f->prefill = len;
    memcpy(f->first, prefill, len);
    qatomic_inc(&f->mains);
    qemu_sem_post(&f->something);
    return true;
}

static bool found_multifd(void *opaque, QIOChannel *ioc,
                          const uint8_t init[MULTIFD_INIT_LEN], Error **errp)
{
    Found *f = opaque;

    memcpy(f->first, init, MULTIFD_INIT_LEN);
    qatomic_inc(&f->multifds);
    qemu_sem_post(&f->something);
    return true;
}

static bool found_preempt(void *opaque, QIOChannel *ioc, Error **errp)
{
    Found *f = opaque;

    qatomic_inc(&f->preempts);
    qemu_sem_post(&f->something);
    return true;
}

static bool found_urgent(void *opaque, QIOChannel *ioc, uint32_t word,
                         Error **errp)
{
    Found *f = opaque;

    f->word = word;
    qatomic_inc(&f->urgents);
    qemu_sem_post(&f->something);
    return true;
}

static void asked(void *opaque, QIOChannel *ioc)
{
    Found *f = opaque;

    qatomic_inc(&f->asked);
    qio_channel_write_all(ioc, "Y", 1, NULL);
    qemu_sem_post(&f->something);
}

static bool found_recovered(void *opaque, QIOChannel *ioc,
                            const uint8_t *prefill, size_t len, Error **errp)
{
    Found *f = opaque;

    g_assert_cmpuint(len, ==, 1);
    qatomic_inc(&f->recovered);
    qemu_sem_post(&f->something);
    return true;
}

static bool wants(void *opaque)
{
    return !qatomic_read(&((Found *)opaque)->enough);
}

static const ListenerOps ops = {
    .main_stream = found_main,
    .multifd = found_multifd,
    .preempt = found_preempt,
    .urgent = found_urgent,
    .asked = asked,
    .recovered = found_recovered,
    .wants = wants,
};

typedef struct Fixture {
    char *dir;
    char *path;
    Found found;
    MigrationListener *l;
} Fixture;

static void setup(Fixture *f, gconstpointer recovering)
{
    SocketAddress addr = { .type = SOCKET_ADDRESS_TYPE_UNIX };

    f->dir = g_dir_make_tmp("ferry-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "m", NULL);
    qemu_sem_init(&f->found.something, 0);
    addr.u.q_unix.path = f->path;
    f->l = migration_listener_new(&addr, recovering != NULL, &ops, &f->found,
                                  &error_abort);
}

static void teardown(Fixture *f, gconstpointer recovering)
{
    migration_listener_free(f->l);
    qemu_sem_destroy(&f->found.something);
    g_unlink(f->path);
    g_rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
}

static int client(Fixture *f)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(un.sun_path, f->path, sizeof(un.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    return fd;
}

static void say(int fd, const void *data, size_t len)
{
    g_assert_cmpint(send(fd, data, len, MSG_NOSIGNAL), ==, (ssize_t)len);
}

static void say_magic(int fd, uint32_t magic)
{
    uint8_t bytes[4];

    stl_be_p(bytes, magic);
    say(fd, bytes, sizeof(bytes));
}

static void wait_something(Fixture *f)
{
    g_assert_cmpint(qemu_sem_timedwait(&f->found.something, 20000), ==, 0);
}

/* Does the other side close @fd? */
static bool is_closed(int fd)
{
    char c;

    return recv(fd, &c, 1, 0) <= 0;
}

static void test_kinds(Fixture *f, gconstpointer data)
{
    uint8_t init[MULTIFD_INIT_LEN] = { 0 };
    AUTO_FD a = client(f);
    AUTO_FD b = client(f);
    AUTO_FD c = client(f);
    AUTO_FD d = client(f);
    char answer = 0;

    /* In pieces of one byte. */
    for (int i = 0; i < 4; i++) {
        say(a, &"QEVM"[i], 1);
        g_usleep(1000);
    }
    wait_something(f);
    g_assert_cmpint(qatomic_read(&f->found.mains), ==, 1);
    g_assert_cmpuint(f->found.prefill, ==, 4);
    g_assert_cmpmem(f->found.first, 4, "QEVM", 4);

    stl_be_p(init, MIGRATION_MAGIC_MULTIFD);
    init[24] = 7;
    say(b, init, 10);
    g_usleep(2000);
    g_assert_cmpint(qatomic_read(&f->found.multifds), ==, 0);
    say(b, init + 10, sizeof(init) - 10);
    wait_something(f);
    g_assert_cmpint(qatomic_read(&f->found.multifds), ==, 1);
    g_assert_cmpuint(f->found.first[24], ==, 7);

    say_magic(c, MIGRATION_MAGIC_PREEMPT);
    wait_something(f);
    g_assert_cmpint(qatomic_read(&f->found.preempts), ==, 1);

    say_magic(d, MIGRATION_MAGIC_ASK);
    wait_something(f);
    g_assert_cmpint(recv(d, &answer, 1, 0), ==, 1);
    g_assert_cmpint(answer, ==, 'Y');
}

static void test_garbage(Fixture *f, gconstpointer data)
{
    static const char *const lines[] = { "GET / HTTP/1.0\r\n\r\n",
                                         "SSH-2.0-OpenSSH", "MVEQ",
                                         "\x08\x08"
                                         "zz" };

    for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
        AUTO_FD fd = client(f);

        say(fd, lines[i], strlen(lines[i]));
        g_assert_true(is_closed(fd));
    }
    for (int i = 0; i < 20; i++) {
        AUTO_FD fd = client(f); /* and gone */

        say(fd, "QE", 2);
    }
    g_assert_cmpint(qatomic_read(&f->found.mains), ==, 0);
}

/* More silent clients than may be half open; then the source comes. */
static void test_crowd(Fixture *f, gconstpointer data)
{
    int crowd[LISTENER_HALF_OPEN_MAX + 40];
    AUTO_FD source = -1;

    for (size_t i = 0; i < G_N_ELEMENTS(crowd); i++) {
        crowd[i] = client(f);
        if (i % 3) {
            say(crowd[i], "QEV", i % 3);
        }
    }
    source = client(f);
    say(source, "QEVM", 4);
    wait_something(f);
    g_assert_cmpint(qatomic_read(&f->found.mains), ==, 1);
    /* The oldest ones had to go. */
    g_assert_true(is_closed(crowd[0]));
    for (size_t i = 0; i < G_N_ELEMENTS(crowd); i++) {
        fd_close(crowd[i]);
    }
}

static void test_recovering(Fixture *f, gconstpointer data)
{
    AUTO_FD fd = client(f);
    AUTO_FD preempt = client(f);
    const uint8_t command[] = { 0x08, 0x00 };

    say(fd, command, sizeof(command));
    wait_something(f);
    g_assert_cmpint(qatomic_read(&f->found.recovered), ==, 1);
    say_magic(preempt, MIGRATION_MAGIC_PREEMPT);
    wait_something(f);
    g_assert_cmpint(qatomic_read(&f->found.preempts), ==, 1);
}

/* The word is taken off, in whatever pieces it comes, and nothing behind it. */
static void test_urgent(Fixture *f, gconstpointer data)
{
    AUTO_FD fd = client(f);
    AUTO_FD half = client(f);
    uint8_t first[URGENT_INIT_LEN + 1] = { 0 };

    stl_be_p(first, MIGRATION_MAGIC_URGENT);
    stl_be_p(first + 4, 0x89abcdef);
    say(half, first, URGENT_INIT_LEN - 1);
    say(fd, first, 5);
    g_usleep(2000);
    g_assert_cmpint(qatomic_read(&f->found.urgents), ==, 0);
    say(fd, first + 5, sizeof(first) - 5);
    wait_something(f);
    g_assert_cmpint(qatomic_read(&f->found.urgents), ==, 1);
    g_assert_cmphex(f->found.word, ==, 0x89abcdef);
}

static void test_done(Fixture *f, gconstpointer data)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    bool refused = false;

    qatomic_set(&f->found.enough, true);
    migration_listener_check(f->l);
    g_strlcpy(un.sun_path, f->path, sizeof(un.sun_path));
    for (int i = 0; i < 1000 && !refused; i++) {
        AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        refused = connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0;
        g_usleep(5000);
    }
    g_assert_true(refused);
}

#define ADD(name, recovering)                                                  \
    g_test_add("/migration/listener/" #name, Fixture, recovering, setup,       \
               test_##name, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_register_types();
    ADD(kinds, NULL);
    ADD(garbage, NULL);
    ADD(crowd, NULL);
    ADD(urgent, NULL);
    ADD(recovering, "recovering");
    ADD(done, NULL);
    return g_test_run();
}
