/*
 * QEMUFile over memory, sockets, files and a channel with faults.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "io/channel-buffer.h"
#include "io/channel-file.h"
#include "migration/qemu-file.h"
#include "migration/stream/savevm.h"
#include "util/error.h"
#include "util/thread.h"

#include "channel-pair.h"
#include "fault-channel.h"

#define PAGE 4096

static QEMUFile *file_of(const void *bytes, size_t len)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    QEMUFile *f;

    mem->data = g_memdup2(bytes, len);
    mem->capacity = mem->usage = len;
    f = qemu_file_new_input(QIO_CHANNEL(mem));
    object_unref(OBJECT(mem));
    return f;
}

static void test_scalars(void)
{
    static const char wire[] = "\x01\x02\x03\x04\x05\x06\x07\xff\xff\xff\xff"
                               "\xff\xff\xff\xfe\x03"
                               "abc";
    g_autoptr(QEMUFile) out = qemu_file_new_memory_output();
    g_autoptr(QEMUFile) in = NULL;
    g_autofree uint8_t *bytes = NULL;
    char name[256];
    size_t len;

    qemu_put_byte(out, 0x01);
    qemu_put_be16(out, 0x0203);
    qemu_put_be32(out, 0x04050607);
    qemu_put_sbe64(out, -2);
    qemu_put_counted_string(out, "abc");
    g_assert_cmpuint(qemu_file_transferred(out), ==, sizeof(wire) - 1);
    bytes = qemu_file_memory_steal(out, &len, &error_abort);
    g_assert_cmpmem(bytes, len, wire, sizeof(wire) - 1);

    in = file_of(bytes, len);
    g_assert_cmpint(qemu_get_byte(in), ==, 1);
    g_assert_cmpuint(qemu_get_be16(in), ==, 0x0203);
    g_assert_cmpuint(qemu_get_be32(in), ==, 0x04050607);
    g_assert_cmpint(qemu_get_sbe64(in), ==, -2);
    g_assert_cmpuint(qemu_get_counted_string(in, name), ==, 3);
    g_assert_cmpstr(name, ==, "abc");
    g_assert_cmpuint(qemu_file_transferred(in), ==, len);
    g_assert_cmpint(qemu_file_get_error(in), ==, 0);
}

/* The end of the stream is an error to a get, none to a peek; it sticks. */
static void test_end(void)
{
    g_autoptr(QEMUFile) f = file_of("\x01\x02\x03", 3);
    g_autoptr(Error) err = NULL;
    uint8_t *p, buf[8] = { 9, 9, 9, 9 };

    g_assert_cmpuint(qemu_peek_buffer(f, &p, 8, 0), ==, 3);
    g_assert_cmpuint(qemu_peek_buffer(f, &p, 8, 2), ==, 1);
    g_assert_cmpint(p[0], ==, 3);
    g_assert_cmpint(qemu_peek_byte(f, 3), ==, -1);
    g_assert_cmpint(qemu_file_get_error(f), ==, 0);
    g_assert_cmpuint(qemu_get_buffer(f, buf, 8), ==, 3);
    g_assert_cmpmem(buf, 4, "\x01\x02\x03\x09", 4);
    g_assert_cmpint(qemu_file_get_error_obj(f, &err), ==, -EIO);
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "the migration stream ended unexpectedly after 3 bytes");
    g_assert_cmpuint(qemu_get_be64(f), ==, 0);
    g_assert_false(qemu_file_discard(f, 1));
}

static void test_first_error_sticks(void)
{
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autoptr(Error) got = NULL;
    Error *first = NULL, *second = NULL;
    size_t len;

    error_setg(&first, "first");
    error_setg(&second, "second");
    qemu_put_be32(f, 1);
    qemu_file_set_error_obj(f, -EPERM, first);
    qemu_file_set_error_obj(f, -EINVAL, second);
    qemu_file_prepend_error(f, "the %s: ", "very");
    qemu_put_be32(f, 2);
    g_assert_cmpint(qemu_fflush(f), ==, -EPERM);
    g_assert_null(qemu_file_memory_steal(f, &len, &got));
    g_assert_cmpstr(error_get_pretty(got), ==, "the very: first");
    g_assert_cmpuint(qemu_file_total_transferred(f), ==, 0);
}

/* Names go into messages: nothing but text may be one. */
static void test_counted_string_bad(void)
{
    static const char *const bad[] = { "\x03"
                                       "a\0b",
                                       "\x03"
                                       "a\xff"
                                       "b",
                                       "\x03\x1b[m", "\x03\x7f\x7f\x7f" };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(QEMUFile) f = file_of(bad[i], 4);
        char name[256];

        g_assert_cmpuint(qemu_get_counted_string(f, name), ==, 0);
        g_assert_cmpstr(name, ==, "");
        g_assert_cmpint(qemu_file_get_error(f), ==, -EINVAL);
    }
}

static void test_prefill(void)
{
    g_autoptr(QEMUFile) f = file_of("\x03\x04", 2);

    qemu_file_prefill(f, "\x01\x02", 2);
    g_assert_cmpuint(qemu_get_be32(f), ==, 0x01020304);
    g_assert_cmpuint(qemu_file_total_transferred(f), ==, 4);
}

/* -- a stream of pages through a socket ------------------------------------- */

#define STREAM_PAGES 3000

typedef struct Sender {
    QEMUFile *f;
    uint8_t *ram; /* STREAM_PAGES pages */
} Sender;

static void fill(uint8_t *ram)
{
    for (size_t i = 0; i < STREAM_PAGES * PAGE; i += 4) {
        uint32_t v = (uint32_t)(i * 2654435761u);

        memcpy(ram + i, &v, 4);
    }
}

/* Headers, references, copies small and large, in turn. */
static void *sender_thread(void *opaque)
{
    Sender *s = opaque;

    for (size_t i = 0; i < STREAM_PAGES; i++) {
        uint8_t *page = s->ram + i * PAGE;

        qemu_put_be64(s->f, i);
        switch (i % 4) {
        case 0:
            qemu_put_buffer_async(s->f, page, PAGE, false);
            break;
        case 1:
            qemu_put_buffer(s->f, page, PAGE);
            break;
        case 2:
            qemu_put_buffer_far(s->f, page, PAGE);
            break;
        default:
            qemu_put_buffer(s->f, page, 100);
            qemu_put_buffer_async(s->f, page + 100, PAGE - 100, false);
        }
    }
    qemu_put_buffer(s->f, s->ram, 70000);
    g_assert_cmpint(qemu_fflush(s->f), ==, 0);
    return NULL;
}

static void receive_pages(QEMUFile *f, const uint8_t *ram)
{
    g_autofree uint8_t *big = g_malloc(70000);
    uint8_t page[PAGE], *p;

    for (size_t i = 0; i < STREAM_PAGES; i++) {
        g_assert_cmpuint(qemu_get_be64(f), ==, i);
        if (i % 2) {
            g_assert_cmpuint(qemu_get_buffer_in_place(f, &p, PAGE), ==, PAGE);
        } else {
            g_assert_cmpuint(qemu_get_buffer(f, page, PAGE), ==, PAGE);
            p = page;
        }
        g_assert_cmpint(memcmp(p, ram + i * PAGE, PAGE), ==, 0);
    }
    g_assert_cmpuint(qemu_get_buffer(f, big, 70000), ==, 70000);
    g_assert_cmpint(memcmp(big, ram, 70000), ==, 0);
}

static void test_stream(gconstpointer opaque)
{
    g_autoptr(ChannelPair) pair = channel_pair_new(opaque);
    g_autofree uint8_t *ram = g_malloc(STREAM_PAGES * PAGE);
    Sender s = { .f = qemu_file_new_output(pair->a), .ram = ram };
    QEMUFile *in = qemu_file_new_input(pair->b);
    QemuThread thread;

    fill(ram);
    qemu_thread_create(&thread, "sender", sender_thread, &s,
                       QEMU_THREAD_JOINABLE);
    receive_pages(in, ram);
    qemu_thread_join(&thread);
    g_assert_cmpuint(qemu_file_total_transferred(s.f), ==,
                     STREAM_PAGES * (8 + PAGE) + 70000);
    g_assert_cmpuint(qemu_file_transferred(in), ==,
                     STREAM_PAGES * (8 + PAGE) + 70000);
    qemu_file_free(s.f);
    qemu_file_free(in);
}

/* -- what the writer hands to its channel ------------------------------------ */

typedef struct Released {
    const uint8_t *base[8];
    size_t len[8];
    unsigned n;
} Released;

static void note_release(void *opaque, const uint8_t *buf, size_t size)
{
    Released *r = opaque;

    g_assert_cmpuint(r->n, <, ARRAY_SIZE(r->base));
    r->base[r->n] = buf;
    r->len[r->n++] = size;
}

/* Memory is released after it was sent, neighbours in one. */
static void test_release(void)
{
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();
    g_autofree uint8_t *ram = g_malloc0(6 * PAGE);
    Released r = { 0 };

    qemu_file_set_release(f, note_release, &r);
    for (int i = 0; i < 6; i++) {
        qemu_put_be64(f, (uint64_t)i);
        qemu_put_buffer_async(f, ram + i * PAGE, PAGE, i != 2);
    }
    g_assert_cmpuint(r.n, ==, 0);
    qemu_fflush(f);
    g_assert_cmpuint(r.n, ==, 2);
    g_assert_true(r.base[0] == ram && r.len[0] == 2 * PAGE);
    g_assert_true(r.base[1] == ram + 3 * PAGE && r.len[1] == 3 * PAGE);
    qemu_fflush(f);
    g_assert_cmpuint(r.n, ==, 2);
}

/* 1000 pages with headers: one write for each 2 MiB or 1024 pieces. */
static void test_few_writes(void)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(8 * 1024 * 1024);
    FaultPlan plan = { 0 };
    QIOChannel *counter = fault_channel_new(QIO_CHANNEL(mem), &plan);
    g_autoptr(QEMUFile) f = qemu_file_new_output(counter);
    g_autofree uint8_t *ram = g_malloc0(1024 * PAGE);

    for (size_t i = 0; i < 1024; i++) {
        qemu_put_be64(f, i);
        qemu_put_buffer_async(f, ram + i * PAGE, PAGE, false);
    }
    qemu_fflush(f);
    g_assert_cmpuint(fault_channel_writes(counter), <=, 3);
    g_assert_cmpuint(mem->usage, ==, 1024 * (8 + PAGE));
    object_unref(OBJECT(counter));
    object_unref(OBJECT(mem));
}

static void test_write_fails(void)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    FaultPlan plan = { .fail_at_write = 2 };
    QIOChannel *bad = fault_channel_new(QIO_CHANNEL(mem), &plan);
    g_autoptr(QEMUFile) f = qemu_file_new_output(bad);
    g_autoptr(Error) err = NULL;

    qemu_put_be64(f, 1);
    g_assert_cmpint(qemu_fflush(f), ==, 0);
    qemu_put_be64(f, 2);
    g_assert_cmpint(qemu_fflush(f), ==, -EIO);
    qemu_file_get_error_obj(f, &err);
    g_assert_cmpstr(error_get_pretty(err), ==, FAULT_ERROR);
    for (int i = 0; i < 100000; i++) { /* all of it goes nowhere */
        qemu_put_be64(f, 3);
    }
    g_assert_cmpuint(mem->usage, ==, 8);
    object_unref(OBJECT(bad));
    object_unref(OBJECT(mem));
}

/* -- shutdown, positions, hooks ----------------------------------------------- */

static void *reader_thread(void *opaque)
{
    return GINT_TO_POINTER(qemu_get_be64(opaque) == 0 &&
                           qemu_file_get_error(opaque) == -EIO);
}

static void test_shutdown(void)
{
    g_autoptr(ChannelPair) pair = channel_pair_new("unix");
    QEMUFile *in = qemu_file_new_input(pair->b);
    QemuThread thread;

    qemu_thread_create(&thread, "reader", reader_thread, in,
                       QEMU_THREAD_JOINABLE);
    g_usleep(20000);
    g_assert_cmpint(qemu_file_shutdown(in), ==, 0);
    g_assert_true(GPOINTER_TO_INT(qemu_thread_join(&thread)));
    qemu_fclose(in);
}

static void test_positions(void)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("ferry-qemu-file-XXXXXX", &path, NULL);
    QIOChannelFile *ioc = qio_channel_file_new_fd(fd);
    QEMUFile *out = qemu_file_new_output(QIO_CHANNEL(ioc));
    QEMUFile *in = qemu_file_get_return_path(out);
    uint8_t buf[4];

    qemu_put_be32(out, 0x01020304);
    g_assert_cmpint(qemu_get_offset(out), ==, 4);
    g_assert_cmpuint(qemu_put_buffer_at(out, (const uint8_t *)"wxyz", 4, 100),
                     ==, 4);
    g_assert_cmpint(qemu_set_offset(out, 6, SEEK_CUR), ==, 0);
    qemu_put_be32(out, 0x05060708);
    g_assert_cmpint(qemu_get_offset(out), ==, 14);

    g_assert_cmpint(qemu_set_offset(in, 0, SEEK_SET), ==, 0);
    g_assert_cmpuint(qemu_get_be32(in), ==, 0x01020304);
    g_assert_cmpint(qemu_get_offset(in), ==, 4);
    g_assert_cmpint(qemu_set_offset(in, 6, SEEK_CUR), ==, 0);
    g_assert_cmpuint(qemu_get_be32(in), ==, 0x05060708);
    g_assert_cmpuint(qemu_get_buffer_at(in, buf, 4, 100), ==, 4);
    g_assert_cmpmem(buf, 4, "wxyz", 4);
    g_assert_cmpuint(qemu_get_buffer_at(in, buf, 4, 102), ==, 2);
    g_assert_cmpint(qemu_file_get_error(in), ==, 0);
    qemu_file_free(in);
    g_assert_cmpint(qemu_fclose(out), ==, 0);
    object_unref(OBJECT(ioc));
    g_unlink(path);
}

static void test_no_positions(void)
{
    g_autoptr(QEMUFile) f = qemu_file_new_memory_output();

    g_assert_cmpint(qemu_get_offset(f), ==, -1);
    g_assert_cmpint(qemu_file_get_error(f), ==, -ESPIPE);
}

static void hook_begin(void *opaque)
{
    ++*(int *)opaque;
}

static void hook_end(void *opaque)
{
    *(int *)opaque += 100;
}

/* The hooks enclose a read of the channel, not a get of what is held. */
static void test_wait_hooks(void)
{
    g_autoptr(QEMUFile) f = file_of("\x01\x02\x03", 3);
    int calls = 0;

    qemu_file_set_wait_hooks(f, hook_begin, hook_end, &calls);
    g_assert_cmpint(qemu_get_byte(f), ==, 1);
    g_assert_cmpint(calls, ==, 101);
    g_assert_cmpint(qemu_get_byte(f), ==, 2);
    g_assert_cmpint(calls, ==, 101);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu-file/scalars", test_scalars);
    g_test_add_func("/qemu-file/end", test_end);
    g_test_add_func("/qemu-file/first-error-sticks", test_first_error_sticks);
    g_test_add_func("/qemu-file/counted-string-bad", test_counted_string_bad);
    g_test_add_func("/qemu-file/prefill", test_prefill);
    g_test_add_data_func("/qemu-file/stream/unix", "unix", test_stream);
    g_test_add_data_func("/qemu-file/stream/tcp-tls", "tcp/tls", test_stream);
    g_test_add_data_func("/qemu-file/stream/fault", "unix/fault", test_stream);
    g_test_add_func("/qemu-file/release", test_release);
    g_test_add_func("/qemu-file/few-writes", test_few_writes);
    g_test_add_func("/qemu-file/write-fails", test_write_fails);
    g_test_add_func("/qemu-file/shutdown", test_shutdown);
    g_test_add_func("/qemu-file/positions", test_positions);
    g_test_add_func("/qemu-file/no-positions", test_no_positions);
    g_test_add_func("/qemu-file/wait-hooks", test_wait_hooks);
    return g_test_run();
}
