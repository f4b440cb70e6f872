/*
 * Return path: what the destination's sender writes, the source's reader hands
 * on, over a real socket; and how the reader ends when a peer is broken,
 * hostile or gone.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "io/channel-socket.h"
#include "io/types.h"
#include "migration/return/reader.h"
#include "migration/return/sender.h"
#include "util/bitmap.h"
#include "util/thread.h"

#define BLOCK_PAGES 100

typedef struct Fixture {
    QIOChannel *src, *dst;
    ReturnSender *sender;
    ReturnReader *reader;
    RAMBlock ram, vga;

    /* What came, as text; read after the reader has ended. */
    GString *log;
    unsigned long *bitmap;
    Error *error;
} Fixture;

static bool op_pong(void *opaque, uint32_t value, Error **errp)
{
    Fixture *fx = opaque;

    g_string_append_printf(fx->log, "pong %u;", value);
    return true;
}

static bool op_shut(void *opaque, uint32_t error, const char *text,
                    Error **errp)
{
    Fixture *fx = opaque;

    g_string_append_printf(fx->log, "shut %u '%s';", error, text);
    return true;
}

static bool op_req_pages(void *opaque, const char *name, uint64_t start,
                         uint32_t len, Error **errp)
{
    Fixture *fx = opaque;

    g_string_append_printf(fx->log, "pages %s %" PRIx64 " %x;", name, start,
                           len);
    if (start == 0xbad000) {
        error_setg(errp, "refused");
        return false;
    }
    return true;
}

static bool op_recv_bitmap(void *opaque, ReturnReader *r, const char *name,
                           Error **errp)
{
    Fixture *fx = opaque;

    g_string_append_printf(fx->log, "bitmap %s;", name);
    g_free(fx->bitmap);
    fx->bitmap = return_reader_get_bitmap(r, BLOCK_PAGES, errp);
    return fx->bitmap != NULL;
}

static bool op_resume_ack(void *opaque, uint32_t value, Error **errp)
{
    Fixture *fx = opaque;

    g_string_append_printf(fx->log, "resume %u;", value);
    return true;
}

static bool op_switchover_ack(void *opaque, Error **errp)
{
    Fixture *fx = opaque;

    g_string_append(fx->log, "switchover;");
    return true;
}

static void op_ended(void *opaque, Error *err)
{
    Fixture *fx = opaque;

    fx->error = err;
}

static const ReturnReaderOps ops = {
    .pong = op_pong,
    .shut = op_shut,
    .req_pages = op_req_pages,
    .recv_bitmap = op_recv_bitmap,
    .resume_ack = op_resume_ack,
    .switchover_ack = op_switchover_ack,
    .ended = op_ended,
};

static void block_init(RAMBlock *rb, const char *name)
{
    g_strlcpy(rb->idstr, name, sizeof(rb->idstr));
    rb->used_length = rb->max_length = BLOCK_PAGES * RAM_PAGE_SIZE;
    rb->page_size = RAM_PAGE_SIZE;
}

static Fixture *fixture_new(void)
{
    Fixture *fx = g_new0(Fixture, 1);
    int fd[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==,
                    0);
    fx->src = QIO_CHANNEL(qio_channel_socket_new_fd(fd[0], &error_abort));
    fx->dst = QIO_CHANNEL(qio_channel_socket_new_fd(fd[1], &error_abort));
    block_init(&fx->ram, "pc.ram");
    block_init(&fx->vga, "vga.vram");
    fx->log = g_string_new(NULL);
    fx->sender = return_sender_new(fx->dst);
    fx->reader = return_reader_new(fx->src, &ops, fx);
    return fx;
}

/* The reader has ended when this returns. */
static void fixture_join(Fixture *fx)
{
    return_reader_free(g_steal_pointer(&fx->reader));
}

static void fixture_free(Fixture *fx)
{
    if (fx->reader) {
        qio_channel_shutdown(fx->dst, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
        fixture_join(fx);
    }
    return_sender_free(fx->sender);
    object_unref(OBJECT(fx->src));
    object_unref(OBJECT(fx->dst));
    g_string_free(fx->log, true);
    g_free(fx->bitmap);
    error_free(fx->error);
    g_free(fx);
}

static void test_messages(void)
{
    Fixture *fx = fixture_new();
    Error **e = &error_abort;

    g_assert_true(return_sender_pong(fx->sender, 1, e));
    g_assert_true(
        return_sender_req_pages(fx->sender, &fx->ram, 0x1000, 0x1000, e));
    g_assert_true(
        return_sender_req_pages(fx->sender, &fx->ram, 0x3000, 0x1000, e));
    g_assert_true(
        return_sender_req_pages(fx->sender, &fx->vga, 0x4000, 0x1000, e));
    g_assert_true(
        return_sender_req_pages(fx->sender, &fx->ram, 0, 0x200000, e));
    g_assert_true(return_sender_switchover_ack(fx->sender, e));
    g_assert_true(return_sender_resume_ack(fx->sender, e));
    g_assert_true(return_sender_shut(fx->sender, 0, "not sent", e));
    fixture_join(fx);
    g_assert_cmpstr(fx->log->str, ==,
                    "pong 1;pages pc.ram 1000 1000;pages pc.ram 3000 1000;"
                    "pages vga.vram 4000 1000;pages pc.ram 0 200000;"
                    "switchover;resume 1;shut 0 '';");
    g_assert_null(fx->error);
    fixture_free(fx);
}

static void test_shut_text(void)
{
    Fixture *fx = fixture_new();
    g_autofree char *text = g_strnfill(1000, 'e');

    g_assert_true(return_sender_shut(fx->sender, 1, text, &error_abort));
    fixture_join(fx);
    text[508] = 0;
    g_assert_true(g_str_has_prefix(fx->log->str, "shut 1 'eee"));
    g_assert_cmpuint(fx->log->len, ==, strlen("shut 1 '';") + strlen(text));
    g_assert_null(fx->error);
    fixture_free(fx);
}

static void test_bitmap(void)
{
    Fixture *fx = fixture_new();
    g_autofree unsigned long *bitmap = bitmap_new(BLOCK_PAGES);

    for (unsigned i = 0; i < BLOCK_PAGES; i += 7) {
        set_bit(i, bitmap);
    }
    g_assert_true(
        return_sender_recv_bitmap(fx->sender, &fx->ram, bitmap, &error_abort));
    g_assert_true(return_sender_shut(fx->sender, 0, NULL, &error_abort));
    fixture_join(fx);
    g_assert_cmpstr(fx->log->str, ==, "bitmap pc.ram;shut 0 '';");
    g_assert_nonnull(fx->bitmap);
    g_assert_true(bitmap_equal(fx->bitmap, bitmap, BLOCK_PAGES));
    fixture_free(fx);
}

typedef struct Hostile {
    const char *name;
    const char *bytes;
    size_t len;
    const char *error; /* its message holds this */
} Hostile;

#define BYTES(s) s, sizeof(s) - 1

/* name, 16 bytes of a bitmap of 100 pages, end mark */
#define BITMAP_HEAD "\0\5\0\7\6pc.ram"
#define SIZE_16     "\0\0\0\0\0\0\0\20"
#define EIGHT       "\0\0\0\0\0\0\0\0"

static const Hostile hostile[] = {
    { "nothing", BYTES(""), "closed the connection" },
    { "type", BYTES("\0\11\0\0"), "unknown type" },
    { "tls", BYTES("\25\3\3\0"), "expects TLS" },
    { "length", BYTES("\0\2\0\5\0\0\0\0\0"), "5 bytes" },
    { "huge", BYTES("\0\1\377\377"), "65535 bytes" },
    { "half-header", BYTES("\0\2\0"), "ends in a message" },
    { "half-payload", BYTES("\0\2\0\4\0"), "ends in a" },
    { "no-block", BYTES("\0\4\0\14\0\0\0\0\0\0\20\0\0\0\20\0"), "before any" },
    { "refused", BYTES("\0\3\0\23\0\0\0\0\0\xba\xd0\0\0\0\20\0\6pc.ram"),
      "refused" },
    { "bitmap-size", BYTES(BITMAP_HEAD "\0\0\0\0\0\0\0\30" EIGHT EIGHT EIGHT),
      "bitmap of 24 bytes" },
    { "bitmap-giant", BYTES(BITMAP_HEAD "\377\377\377\377\377\377\377\370"),
      "bitmap of 18446744073709551608 bytes" },
    { "bitmap-half", BYTES(BITMAP_HEAD SIZE_16 EIGHT "\0\0"), "it ends in" },
    { "bitmap-no-size", BYTES(BITMAP_HEAD), "ends in a bitmap" },
    { "bitmap-mark",
      BYTES(BITMAP_HEAD SIZE_16 EIGHT EIGHT "\1\43\105\147\211\253\315\356"),
      "ends with 0x123456789abcdee" },
};

static void test_hostile(gconstpointer data)
{
    const Hostile *h = data;
    Fixture *fx = fixture_new();

    g_assert_cmpint(
        qio_channel_write_all(fx->dst, h->bytes, h->len, &error_abort), ==, 0);
    qio_channel_shutdown(fx->dst, QIO_CHANNEL_SHUTDOWN_WRITE, &error_abort);
    fixture_join(fx);
    g_assert_nonnull(fx->error);
    g_assert_nonnull(strstr(error_get_pretty(fx->error), h->error));
    fixture_free(fx);
}

/* Without a connection calls fail; the next one works, and names the block. */
static void test_replace(void)
{
    Fixture *fx = fixture_new();
    Error *err = NULL;
    Error **e = &error_abort;

    g_assert_true(return_sender_req_pages(fx->sender, &fx->ram, 0, 0x1000, e));
    return_sender_replace(fx->sender, NULL);
    g_assert_false(
        return_sender_req_pages(fx->sender, &fx->ram, 0x1000, 0x1000, &err));
    error_free_or_abort(&err);
    g_assert_false(return_sender_pong(fx->sender, 1, &err));
    error_free_or_abort(&err);
    return_sender_replace(fx->sender, fx->dst);
    g_assert_true(
        return_sender_req_pages(fx->sender, &fx->ram, 0x2000, 0x1000, e));
    g_assert_true(return_sender_shut(fx->sender, 0, NULL, e));
    fixture_join(fx);
    g_assert_cmpstr(fx->log->str, ==,
                    "pages pc.ram 0 1000;pages pc.ram 2000 1000;shut 0 '';");
    fixture_free(fx);
}

/* There is no return path. */
static void test_no_sender(void)
{
    RAMBlock rb = { 0 };
    Error *err = NULL;

    g_assert_true(return_sender_pong(NULL, 1, &error_abort));
    g_assert_true(return_sender_shut(NULL, 1, "x", &error_abort));
    g_assert_false(return_sender_req_pages(NULL, &rb, 0, 0x1000, &err));
    error_free_or_abort(&err);
    return_sender_free(NULL);
    return_reader_free(NULL);
}

#define SENDERS  4
#define MESSAGES 200

static void *send_many(void *opaque)
{
    Fixture *fx = opaque;

    for (unsigned i = 0; i < MESSAGES; i++) {
        g_assert_true(return_sender_req_pages(fx->sender,
                                              i % 3 ? &fx->ram : &fx->vga,
                                              0x1000, 0x1000, &error_abort));
    }
    return NULL;
}

/* Messages of several threads are never mixed. */
static void test_threads(void)
{
    Fixture *fx = fixture_new();
    QemuThread thread[SENDERS];
    g_auto(GStrv) part = NULL;

    for (unsigned i = 0; i < SENDERS; i++) {
        qemu_thread_create(&thread[i], "sender", send_many, fx,
                           QEMU_THREAD_JOINABLE);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        qemu_thread_join(&thread[i]);
    }
    g_assert_true(return_sender_shut(fx->sender, 0, NULL, &error_abort));
    fixture_join(fx);
    part = g_strsplit(fx->log->str, ";", -1);
    g_assert_cmpuint(g_strv_length(part), ==, SENDERS * MESSAGES + 2);
    g_assert_null(fx->error);
    fixture_free(fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    io_register_types();
    g_test_add_func("/return-path/messages", test_messages);
    g_test_add_func("/return-path/shut-text", test_shut_text);
    g_test_add_func("/return-path/bitmap", test_bitmap);
    g_test_add_func("/return-path/replace", test_replace);
    g_test_add_func("/return-path/no-sender", test_no_sender);
    g_test_add_func("/return-path/threads", test_threads);
    for (size_t i = 0; i < G_N_ELEMENTS(hostile); i++) {
        g_autofree char *path =
            g_strconcat("/return-path/hostile/", hostile[i].name, NULL);

        g_test_add_data_func(path, &hostile[i], test_hostile);
    }
    return g_test_run();
}
