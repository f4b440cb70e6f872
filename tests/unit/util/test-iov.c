/*
 * iov_* and qemu_iovec_*: each operation is compared with the same one on
 * flat memory, over all offsets and lengths of a small list.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/socket.h>

#include "util/iov.h"

/* Lengths with empty elements at all places. */
static const size_t lens[] = { 0, 3, 1, 0, 0, 7, 2, 0 };
#define N     G_N_ELEMENTS(lens)
#define TOTAL 13

typedef struct List {
    struct iovec iov[N];
    uint8_t mem[TOTAL];
} List;

/* Elements follow each other in mem, which holds 1, 2, 3 ... */
static void list_init(List *l)
{
    size_t pos = 0;

    for (size_t i = 0; i < N; i++) {
        l->iov[i].iov_base = l->mem + pos;
        l->iov[i].iov_len = lens[i];
        pos += lens[i];
    }
    g_assert_cmpuint(pos, ==, TOTAL);
    for (size_t i = 0; i < TOTAL; i++) {
        l->mem[i] = (uint8_t)(i + 1);
    }
}

static size_t fits(size_t off, size_t bytes)
{
    return off > TOTAL ? 0 : MIN(bytes, TOTAL - off);
}

static void test_to_from_buf(void)
{
    List l;
    uint8_t buf[TOTAL + 5], flat[TOTAL];

    for (size_t off = 0; off <= TOTAL + 1; off++) {
        for (size_t n = 0; n <= TOTAL + 2; n++) {
            size_t want = fits(off, n);

            list_init(&l);
            memset(buf, 0, sizeof(buf));
            g_assert_cmpuint(iov_to_buf(l.iov, N, off, buf, n), ==, want);
            g_assert_cmpmem(buf, want, l.mem + MIN(off, TOTAL), want);
            g_assert_cmpuint(buf[want], ==, 0);

            memcpy(flat, l.mem, TOTAL);
            memset(buf, 0xaa, sizeof(buf));
            g_assert_cmpuint(iov_from_buf(l.iov, N, off, buf, n), ==, want);
            memset(flat + MIN(off, TOTAL), 0xaa, want);
            g_assert_cmpmem(l.mem, TOTAL, flat, TOTAL);

            g_assert_cmpuint(iov_memset(l.iov, N, off, 0x55, n), ==, want);
            memset(flat + MIN(off, TOTAL), 0x55, want);
            g_assert_cmpmem(l.mem, TOTAL, flat, TOTAL);
        }
    }
    g_assert_cmpuint(iov_size(l.iov, N), ==, TOTAL);
    g_assert_cmpuint(iov_size(NULL, 0), ==, 0);
    g_assert_cmpuint(iov_to_buf(NULL, 0, 0, buf, 5), ==, 0);
    g_assert_cmpuint(iov_to_buf(l.iov, N, SIZE_MAX, buf, SIZE_MAX), ==, 0);
}

static void test_copy(void)
{
    List l;
    struct iovec out[N];
    uint8_t buf[TOTAL];

    list_init(&l);
    for (size_t off = 0; off <= TOTAL; off++) {
        for (size_t n = 0; n <= TOTAL + 1; n++) {
            unsigned cnt = iov_copy(out, N, l.iov, N, off, n);
            size_t want = fits(off, n);

            g_assert_cmpuint(iov_size(out, cnt), ==, want);
            iov_to_buf(out, cnt, 0, buf, want);
            g_assert_cmpmem(buf, want, l.mem + off, want);
        }
    }
    /* Too short a destination takes what fits. */
    g_assert_cmpuint(iov_copy(out, 1, l.iov, N, 0, TOTAL), ==, 1);
    g_assert_cmpuint(out[0].iov_len, ==, 3);
    g_assert_cmpuint(iov_copy(out, 0, l.iov, N, 0, TOTAL), ==, 0);
}

static void check_discard(bool front, size_t n)
{
    List l;
    struct iovec *iov = l.iov;
    struct iovec before[N];
    IOVDiscardUndo undo;
    unsigned cnt = N;
    uint8_t buf[TOTAL];
    size_t want = MIN(n, TOTAL), left = TOTAL - want;

    list_init(&l);
    memcpy(before, l.iov, sizeof(before));
    g_assert_cmpuint(front ? iov_discard_front_undoable(&iov, &cnt, n, &undo)
                           : iov_discard_back_undoable(iov, &cnt, n, &undo),
                     ==, want);
    g_assert_cmpuint(iov_size(iov, cnt), ==, left);
    g_assert_cmpuint(iov_to_buf(iov, cnt, 0, buf, TOTAL), ==, left);
    g_assert_cmpmem(buf, left, l.mem + (front ? want : 0), left);
    iov_discard_undo(&undo);
    g_assert_cmpmem(l.iov, sizeof(before), before, sizeof(before));
}

static void test_discard(void)
{
    for (size_t n = 0; n <= TOTAL + 2; n++) {
        check_discard(true, n);
        check_discard(false, n);
    }
}

static void test_send_recv(void)
{
    List a, b;
    int sv[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), ==, 0);
    for (size_t off = 0; off < TOTAL; off++) {
        for (size_t n = 1; n <= TOTAL - off; n++) {
            list_init(&a);
            list_init(&b);
            memset(b.mem, 0, TOTAL);
            g_assert_cmpint(iov_send(sv[0], a.iov, N, off, n), ==, n);
            g_assert_cmpint(iov_recv(sv[1], b.iov, N, off, n), ==, n);
            g_assert_cmpmem(a.mem + off, n, b.mem + off, n);
            g_assert_cmpuint(b.mem[0], ==, off == 0 ? 1 : 0);
        }
    }
    /* What there is, then the end of the file. */
    g_assert_cmpint(iov_send(sv[0], a.iov, N, 0, 5), ==, 5);
    fd_close(sv[0]);
    g_assert_cmpint(iov_recv(sv[1], b.iov, N, 0, TOTAL), ==, 5);
    g_assert_cmpint(iov_recv(sv[1], b.iov, N, 0, TOTAL), ==, 0);
    g_assert_cmpint(iov_send(sv[1], b.iov, N, 0, TOTAL), ==, -1);
    g_assert_cmpint(errno, ==, EPIPE);
    fd_close(sv[1]);
}

static void test_hexdump(void)
{
    List l;
    g_autofree char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    list_init(&l);
    iov_hexdump(l.iov, N, f, "pre", 4);
    fclose(f);
    g_assert_true(g_str_has_prefix(text, "pre: 0000:  01 02 03 04 "));
    g_assert_null(strstr(text, "05"));
}

/* -- QEMUIOVector ---------------------------------------------------------- */

static void qiov_of(QEMUIOVector *q, List *l)
{
    list_init(l);
    qemu_iovec_init_external(q, l->iov, N);
}

static void test_qiov_basics(void)
{
    char a[4] = "abc", b[4] = "def", out[8] = { 0 };
    QEMUIOVector q, one = QEMU_IOVEC_INIT_BUF(one, a, 3);

    qemu_iovec_init(&q, 0);
    g_assert_cmpuint(q.size, ==, 0);
    qemu_iovec_add(&q, a, 3);
    qemu_iovec_add(&q, b, 3);
    g_assert_cmpuint(q.size, ==, 6);
    g_assert_cmpint(q.niov, ==, 2);
    g_assert_cmpuint(qemu_iovec_to_buf(&q, 0, out, 6), ==, 6);
    g_assert_cmpstr(out, ==, "abcdef");
    g_assert_cmpuint(qemu_iovec_from_buf(&q, 2, "XY", 2), ==, 2);
    g_assert_cmpstr(a, ==, "abX");
    g_assert_cmpstr(b, ==, "Yef");
    g_assert_cmpuint(qemu_iovec_memset(&q, 5, 'z', 9), ==, 1);
    g_assert_cmpstr(b, ==, "Yez");
    qemu_iovec_discard_back(&q, 4);
    g_assert_cmpuint(q.size, ==, 2);
    g_assert_cmpint(q.niov, ==, 1);
    qemu_iovec_reset(&q);
    g_assert_cmpuint(q.size, ==, 0);
    qemu_iovec_destroy(&q);
    qemu_iovec_destroy(&q);

    g_assert_cmpuint(one.size, ==, 3);
    g_assert_true(qemu_iovec_buf(&one) == a);
    qemu_iovec_init_buf(&one, b, 2);
    g_assert_cmpuint(one.size, ==, 2);
    g_assert_true(one.iov == &one.local_iov);
    qemu_iovec_discard_back(&one, 1);
    g_assert_cmpuint(one.size, ==, 1);
}

static void test_qiov_slices(void)
{
    List l;
    QEMUIOVector src, q;
    char before[] = "<<", behind[] = ">";
    uint8_t buf[TOTAL + 4];

    qiov_of(&src, &l);
    for (size_t off = 0; off <= TOTAL; off++) {
        for (size_t n = 0; n <= TOTAL - off; n++) {
            size_t head, tail;
            int niov;
            struct iovec *v;

            qemu_iovec_init_slice(&q, &src, off, n);
            g_assert_cmpuint(q.size, ==, n);
            g_assert_cmpuint(qemu_iovec_to_buf(&q, 0, buf, n), ==, n);
            g_assert_cmpmem(buf, n, l.mem + off, n);
            qemu_iovec_destroy(&q);

            v = qemu_iovec_slice(&src, off, n, &head, &tail, &niov);
            g_assert_cmpuint(iov_size(v, niov), ==, head + n + tail);
            g_assert_cmpint(niov, ==, qemu_iovec_subvec_niov(&src, off, n));
            if (n) {
                g_assert_cmpuint(head, <, v[0].iov_len);
                g_assert_cmpuint(tail, <, v[niov - 1].iov_len);
            }

            g_assert_cmpint(qemu_iovec_init_extended(&q, before, 2, &src, off,
                                                     n, behind, 1),
                            ==, 0);
            g_assert_cmpuint(q.size, ==, n + 3);
            qemu_iovec_to_buf(&q, 0, buf, n + 3);
            g_assert_cmpmem(buf, 2, "<<", 2);
            g_assert_cmpmem(buf + 2, n, l.mem + off, n);
            g_assert_cmpuint(buf[n + 2], ==, '>');
            qemu_iovec_destroy(&q);
        }
    }
    g_assert_cmpint(qemu_iovec_init_extended(&q, NULL, SIZE_MAX, &src, 0, 1,
                                             NULL, 1),
                    ==, -EINVAL);
}

static void test_qiov_too_many(void)
{
    QEMUIOVector src, q;
    char c = 0;

    qemu_iovec_init(&src, IOV_MAX);
    for (int i = 0; i < IOV_MAX; i++) {
        qemu_iovec_add(&src, &c, 1);
    }
    g_assert_cmpint(qemu_iovec_init_extended(&q, NULL, 0, &src, 0, IOV_MAX,
                                             NULL, 0),
                    ==, 0);
    qemu_iovec_destroy(&q);
    g_assert_cmpint(qemu_iovec_init_extended(&q, &c, 1, &src, 0, IOV_MAX, NULL,
                                             0),
                    ==, -EINVAL);
    qemu_iovec_destroy(&src);
}

static void test_qiov_compare(void)
{
    List l;
    QEMUIOVector a, b;
    uint8_t flat[TOTAL];

    qiov_of(&a, &l);
    qemu_iovec_init(&b, (int)N);
    qemu_iovec_clone(&b, &a, flat);
    g_assert_cmpint(b.niov, ==, a.niov);
    memcpy(flat, l.mem, TOTAL);
    g_assert_cmpint(qemu_iovec_compare(&a, &b), ==, -1);
    for (size_t i = 0; i < TOTAL; i++) {
        QEMUIOVector whole;

        flat[i] ^= 0x80;
        g_assert_cmpint(qemu_iovec_compare(&a, &b), ==, i);
        qemu_iovec_init_buf(&whole, flat, TOTAL);
        g_assert_cmpint(qemu_iovec_compare(&whole, &a), ==, i);
        flat[i] ^= 0x80;
    }
    qemu_iovec_destroy(&b);
}

static void test_qiov_zero(void)
{
    List l;
    QEMUIOVector q;

    qiov_of(&q, &l);
    for (size_t i = 0; i < TOTAL; i++) {
        memset(l.mem, 0, TOTAL);
        g_assert_true(qemu_iovec_is_zero(&q, 0, TOTAL));
        l.mem[i] = 1;
        for (size_t off = 0; off <= TOTAL; off++) {
            for (size_t n = 0; n <= TOTAL - off; n++) {
                g_assert_true(qemu_iovec_is_zero(&q, off, n) ==
                              !(off <= i && i < off + n));
            }
        }
    }
}

static void test_qiov_concat(void)
{
    List l;
    QEMUIOVector src, q;
    uint8_t buf[2 * TOTAL];

    qiov_of(&src, &l);
    qemu_iovec_init(&q, 1);
    qemu_iovec_concat(&q, &src, 2, 5);
    g_assert_cmpuint(qemu_iovec_concat_iov(&q, l.iov, N, 10, 100), ==, 3);
    g_assert_cmpuint(q.size, ==, 8);
    qemu_iovec_to_buf(&q, 0, buf, 8);
    g_assert_cmpmem(buf, 5, l.mem + 2, 5);
    g_assert_cmpmem(buf + 5, 3, l.mem + 10, 3);
    qemu_iovec_destroy(&q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iov/to-from-buf", test_to_from_buf);
    g_test_add_func("/iov/copy", test_copy);
    g_test_add_func("/iov/discard", test_discard);
    g_test_add_func("/iov/send-recv", test_send_recv);
    g_test_add_func("/iov/hexdump", test_hexdump);
    g_test_add_func("/qiov/basics", test_qiov_basics);
    g_test_add_func("/qiov/slices", test_qiov_slices);
    g_test_add_func("/qiov/too-many", test_qiov_too_many);
    g_test_add_func("/qiov/compare", test_qiov_compare);
    g_test_add_func("/qiov/zero", test_qiov_zero);
    g_test_add_func("/qiov/concat", test_qiov_concat);
    return g_test_run();
}
