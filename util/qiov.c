/*
 * QEMUIOVector: a list that grows and knows its size.
 *
 * nalloc says whose the array is: >= 0 ours, with that many elements of
 * room; -1 somebody else's (or the embedded local_iov), which may be read
 * but not grown. local_iov shares memory with size: the embedded element's
 * length is the size of a list with that one element.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/buffer-zero.h"
#include "util/iov.h"

void qemu_iovec_init(QEMUIOVector *qiov, int alloc_hint)
{
    qiov->iov = g_new(struct iovec, alloc_hint);
    qiov->niov = 0;
    qiov->nalloc = alloc_hint;
    qiov->size = 0;
}

void qemu_iovec_init_external(QEMUIOVector *qiov, struct iovec *iov, int niov)
{
    qiov->iov = iov;
    qiov->niov = niov;
    qiov->nalloc = -1;
    qiov->size = iov_size(iov, niov);
}

void qemu_iovec_add(QEMUIOVector *qiov, void *base, size_t len)
{
    assert(qiov->nalloc != -1);
    if (qiov->niov == qiov->nalloc) {
        qiov->nalloc = 2 * qiov->nalloc + 1;
        qiov->iov = g_renew(struct iovec, qiov->iov, qiov->nalloc);
    }
    qiov->iov[qiov->niov].iov_base = base;
    qiov->iov[qiov->niov].iov_len = len;
    qiov->size += len;
    qiov->niov++;
}

size_t qemu_iovec_concat_iov(QEMUIOVector *dst, struct iovec *src_iov,
                             unsigned int src_cnt, size_t soffset,
                             size_t sbytes)
{
    size_t done = 0;
    unsigned int i;

    for (i = 0; i < src_cnt && done < sbytes; i++) {
        size_t len = src_iov[i].iov_len;

        if (soffset >= len) {
            soffset -= len;
            continue;
        }
        len = MIN(len - soffset, sbytes - done);
        qemu_iovec_add(dst, (char *)src_iov[i].iov_base + soffset, len);
        done += len;
        soffset = 0;
    }
    return done;
}

void qemu_iovec_concat(QEMUIOVector *dst, QEMUIOVector *src, size_t soffset,
                       size_t sbytes)
{
    qemu_iovec_concat_iov(dst, src->iov, src->niov, soffset, sbytes);
}

struct iovec *qemu_iovec_slice(QEMUIOVector *qiov, size_t offset, size_t len,
                               size_t *head, size_t *tail, int *niov)
{
    struct iovec *first = qiov->iov;
    struct iovec *last;
    size_t end;

    assert(offset <= qiov->size && len <= qiov->size - offset);
    /* Empty elements at the front belong to no range. */
    while (first < qiov->iov + qiov->niov && offset >= first->iov_len &&
           (offset > 0 || len > 0)) {
        offset -= first->iov_len;
        first++;
    }
    if (len == 0) {
        *head = 0;
        *tail = 0;
        *niov = 0;
        return first;
    }
    *head = offset;

    last = first;
    end = offset + len;
    while (end > last->iov_len) {
        end -= last->iov_len;
        last++;
    }
    *tail = last->iov_len - end;
    *niov = (int)(last - first) + 1;
    return first;
}

int qemu_iovec_subvec_niov(QEMUIOVector *qiov, size_t offset, size_t len)
{
    size_t head, tail;
    int niov;

    qemu_iovec_slice(qiov, offset, len, &head, &tail, &niov);
    return niov;
}

int qemu_iovec_init_extended(QEMUIOVector *qiov, void *head_buf,
                             size_t head_len, QEMUIOVector *mid_qiov,
                             size_t mid_offset, size_t mid_len, void *tail_buf,
                             size_t tail_len)
{
    int mid_niov = 0, niov;
    size_t mid_head, mid_tail, sum;

    if (__builtin_add_overflow(head_len, mid_len, &sum) ||
        __builtin_add_overflow(sum, tail_len, &sum)) {
        return -EINVAL;
    }
    if (mid_len) {
        qemu_iovec_slice(mid_qiov, mid_offset, mid_len, &mid_head, &mid_tail,
                         &mid_niov);
    }
    niov = !!head_len + mid_niov + !!tail_len;
    if (niov > IOV_MAX) {
        return -EINVAL;
    }

    qemu_iovec_init(qiov, niov);
    if (head_len) {
        qemu_iovec_add(qiov, head_buf, head_len);
    }
    if (mid_len) {
        qemu_iovec_concat(qiov, mid_qiov, mid_offset, mid_len);
    }
    if (tail_len) {
        qemu_iovec_add(qiov, tail_buf, tail_len);
    }
    return 0;
}

void qemu_iovec_init_slice(QEMUIOVector *qiov, QEMUIOVector *source,
                           size_t offset, size_t len)
{
    assert(offset <= source->size && len <= source->size - offset);
    qemu_iovec_init(qiov, qemu_iovec_subvec_niov(source, offset, len));
    qemu_iovec_concat(qiov, source, offset, len);
}

bool qemu_iovec_is_zero(QEMUIOVector *qiov, size_t offset, size_t bytes)
{
    struct iovec *v = qiov->iov;

    assert(offset <= qiov->size && bytes <= qiov->size - offset);
    for (; bytes > 0; v++) {
        size_t len;

        if (offset >= v->iov_len) {
            offset -= v->iov_len;
            continue;
        }
        len = MIN(v->iov_len - offset, bytes);
        if (!buffer_is_zero((char *)v->iov_base + offset, len)) {
            return false;
        }
        bytes -= len;
        offset = 0;
    }
    return true;
}

void qemu_iovec_destroy(QEMUIOVector *qiov)
{
    if (qiov->nalloc != -1) {
        g_free(qiov->iov);
    }
    memset(qiov, 0, sizeof(*qiov));
}

void qemu_iovec_reset(QEMUIOVector *qiov)
{
    assert(qiov->nalloc != -1);
    qiov->niov = 0;
    qiov->size = 0;
}

size_t qemu_iovec_to_buf(QEMUIOVector *qiov, size_t offset, void *buf,
                         size_t bytes)
{
    return iov_to_buf(qiov->iov, qiov->niov, offset, buf, bytes);
}

size_t qemu_iovec_from_buf(QEMUIOVector *qiov, size_t offset, const void *buf,
                           size_t bytes)
{
    return iov_from_buf(qiov->iov, qiov->niov, offset, buf, bytes);
}

size_t qemu_iovec_memset(QEMUIOVector *qiov, size_t offset, int fillc,
                         size_t bytes)
{
    return iov_memset(qiov->iov, qiov->niov, offset, fillc, bytes);
}

/* Returns: offset of the first difference, or @len. */
static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
    size_t i = 0;

    if (memcmp(a, b, len) == 0) {
        return len;
    }
    while (a[i] == b[i]) {
        i++;
    }
    return i;
}

ssize_t qemu_iovec_compare(QEMUIOVector *a, QEMUIOVector *b)
{
    size_t pos = 0, a_off = 0, b_off = 0;
    int ai = 0, bi = 0;

    assert(a->size == b->size);
    while (pos < a->size) {
        const struct iovec *av = &a->iov[ai];
        const struct iovec *bv = &b->iov[bi];
        size_t len = MIN(av->iov_len - a_off, bv->iov_len - b_off);
        size_t same = first_difference((uint8_t *)av->iov_base + a_off,
                                       (uint8_t *)bv->iov_base + b_off, len);

        pos += same;
        if (same < len) {
            return (ssize_t)pos;
        }
        a_off += len;
        b_off += len;
        if (a_off == av->iov_len) {
            ai++;
            a_off = 0;
        }
        if (b_off == bv->iov_len) {
            bi++;
            b_off = 0;
        }
    }
    return -1;
}

void qemu_iovec_clone(QEMUIOVector *dest, const QEMUIOVector *src, void *buf)
{
    char *pos = buf;

    for (int i = 0; i < src->niov; i++) {
        qemu_iovec_add(dest, pos, src->iov[i].iov_len);
        pos += src->iov[i].iov_len;
    }
}

void qemu_iovec_discard_back(QEMUIOVector *qiov, size_t bytes)
{
    unsigned int niov = qiov->niov;
    size_t total;

    assert(qiov->size >= bytes);
    total = qiov->size - bytes;
    iov_discard_back(qiov->iov, &niov, bytes);
    qiov->niov = (int)niov;
    qiov->size = total;
}
