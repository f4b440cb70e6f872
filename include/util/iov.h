/*
 * Scatter/gather lists: plain struct iovec arrays (iov_*) and growing ones
 * that know their size (QEMUIOVector).
 *
 * Offsets and sizes count bytes from the start of the first element.
 * An offset beyond the end moves nothing; an offset at the end is allowed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <assert.h>
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "util/compiler.h"
#include "util/typedefs.h"

/** iov_size: sum of all lengths. */
size_t iov_size(const struct iovec *iov, unsigned int iov_cnt);

/**
 * iov_from_buf / iov_to_buf:
 *
 * Copy @bytes between @buf and the list from @offset on.
 *
 * Returns: bytes copied, less than @bytes when the list ends before.
 */
size_t iov_from_buf(const struct iovec *iov, unsigned int iov_cnt,
                    size_t offset, const void *buf, size_t bytes);
size_t iov_to_buf(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  void *buf, size_t bytes);
/* The same, under QEMU's names for the out-of-line versions. */
size_t iov_from_buf_full(const struct iovec *iov, unsigned int iov_cnt,
                         size_t offset, const void *buf, size_t bytes);
size_t iov_to_buf_full(const struct iovec *iov, const unsigned int iov_cnt,
                       size_t offset, void *buf, size_t bytes);

/** iov_memset: fill; Returns: bytes set. */
size_t iov_memset(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  int fillc, size_t bytes);

/**
 * iov_send_recv:
 * @sockfd: socket
 * @do_send: send if true, else receive
 *
 * Move the @bytes from @offset on, until all are moved, EOF or error. @iov
 * is the same on return as at call.
 *
 * Returns: bytes moved if any, else -1 with errno (or 0 at end of file).
 */
ssize_t iov_send_recv(int sockfd, const struct iovec *iov, unsigned iov_cnt,
                      size_t offset, size_t bytes, bool do_send);
#define iov_recv(sockfd, iov, iov_cnt, offset, bytes)                          \
    iov_send_recv(sockfd, iov, iov_cnt, offset, bytes, false)
#define iov_send(sockfd, iov, iov_cnt, offset, bytes)                          \
    iov_send_recv(sockfd, iov, iov_cnt, offset, bytes, true)

/** iov_hexdump: up to @limit bytes to @fp, lines start with @prefix. */
void iov_hexdump(const struct iovec *iov, const unsigned int iov_cnt, FILE *fp,
                 const char *prefix, size_t limit);

/**
 * iov_copy:
 * @dst_iov: (out) array of @dst_iov_cnt elements; points into @iov's memory
 *
 * Make the list of @bytes from @offset on, without copying data.
 *
 * Returns: elements used in @dst_iov; fewer bytes if it is too short.
 */
unsigned iov_copy(struct iovec *dst_iov, unsigned int dst_iov_cnt,
                  const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  size_t bytes);

/**
 * iov_discard_front / iov_discard_back:
 *
 * Drop @bytes at one end by changing *@iov (front) and *@iov_cnt, and the
 * length (and base) of one element.
 *
 * Returns: bytes dropped, less than @bytes when there are no more.
 */
size_t iov_discard_front(struct iovec **iov, unsigned int *iov_cnt,
                         size_t bytes);
size_t iov_discard_back(struct iovec *iov, unsigned int *iov_cnt, size_t bytes);

/* The element that a discard changed, as it was. */
typedef struct IOVDiscardUndo {
    struct iovec *modified_iov;
    struct iovec orig;
} IOVDiscardUndo;

void iov_discard_undo(IOVDiscardUndo *undo);
size_t iov_discard_front_undoable(struct iovec **iov, unsigned int *iov_cnt,
                                  size_t bytes, IOVDiscardUndo *undo);
size_t iov_discard_back_undoable(struct iovec *iov, unsigned int *iov_cnt,
                                 size_t bytes, IOVDiscardUndo *undo);

/*
 * Owns the array unless it came from qemu_iovec_init_external(), never the
 * memory that the elements point to.
 */
struct QEMUIOVector {
    struct iovec *iov;
    int niov;
    /*
     * For a list of one buffer the array is local_iov, and nalloc is -1, as
     * for every array that is not ours; its last word is the list's size.
     */
    union {
        struct {
            int nalloc;
            struct iovec local_iov;
        };
        struct {
            char pad_[sizeof(int) + offsetof(struct iovec, iov_len)];
            size_t size;
        };
    };
};

QEMU_BUILD_BUG_ON(offsetof(struct QEMUIOVector, size) !=
                  offsetof(struct QEMUIOVector, local_iov.iov_len));

#define QEMU_IOVEC_INIT_BUF(self, buf, len)                                    \
    {                                                                          \
        .iov = &(self).local_iov, .niov = 1, .nalloc = -1,                     \
        .local_iov = { .iov_base = (void *)(buf), .iov_len = (len) },          \
    }

/** qemu_iovec_init_buf: a list of the one buffer @buf; needs no destroy. */
static inline void qemu_iovec_init_buf(QEMUIOVector *qiov, void *buf,
                                       size_t len)
{
    *qiov = (QEMUIOVector)QEMU_IOVEC_INIT_BUF(*qiov, buf, len);
}

/** qemu_iovec_buf: the memory of a list made by qemu_iovec_init_buf(). */
static inline void *qemu_iovec_buf(QEMUIOVector *qiov)
{
    assert(qiov->nalloc == -1 && qiov->iov == &qiov->local_iov);
    return qiov->local_iov.iov_base;
}

void qemu_iovec_init(QEMUIOVector *qiov, int alloc_hint);
void qemu_iovec_init_external(QEMUIOVector *qiov, struct iovec *iov, int niov);
/**
 * qemu_iovec_init_extended: @head, then @mid_len bytes of @mid_qiov from
 * @mid_offset on, then @tail. Returns: 0, or -EINVAL (too many elements).
 */
int qemu_iovec_init_extended(QEMUIOVector *qiov, void *head_buf,
                             size_t head_len, QEMUIOVector *mid_qiov,
                             size_t mid_offset, size_t mid_len, void *tail_buf,
                             size_t tail_len);
void qemu_iovec_init_slice(QEMUIOVector *qiov, QEMUIOVector *source,
                           size_t offset, size_t len);
/** qemu_iovec_slice: the elements that cover a range, and what to cut off. */
struct iovec *qemu_iovec_slice(QEMUIOVector *qiov, size_t offset, size_t len,
                               size_t *head, size_t *tail, int *niov);
/** qemu_iovec_subvec_niov: number of elements that cover a range. */
int qemu_iovec_subvec_niov(QEMUIOVector *qiov, size_t offset, size_t len);
void qemu_iovec_add(QEMUIOVector *qiov, void *base, size_t len);
/** qemu_iovec_concat: add @sbytes of @src from @soffset on. */
void qemu_iovec_concat(QEMUIOVector *dst, QEMUIOVector *src, size_t soffset,
                       size_t sbytes);
size_t qemu_iovec_concat_iov(QEMUIOVector *dst, struct iovec *src_iov,
                             unsigned int src_cnt, size_t soffset,
                             size_t sbytes);
bool qemu_iovec_is_zero(QEMUIOVector *qiov, size_t qiov_offeset, size_t bytes);
void qemu_iovec_destroy(QEMUIOVector *qiov);
/** qemu_iovec_reset: empty, keep the array. */
void qemu_iovec_reset(QEMUIOVector *qiov);
size_t qemu_iovec_to_buf(QEMUIOVector *qiov, size_t offset, void *buf,
                         size_t bytes);
size_t qemu_iovec_from_buf(QEMUIOVector *qiov, size_t offset, const void *buf,
                           size_t bytes);
size_t qemu_iovec_memset(QEMUIOVector *qiov, size_t offset, int fillc,
                         size_t bytes);
/** qemu_iovec_compare: offset of the first difference, or -1. */
ssize_t qemu_iovec_compare(QEMUIOVector *a, QEMUIOVector *b);
/** qemu_iovec_clone: same shape as @src, memory in @buf (src->size bytes). */
void qemu_iovec_clone(QEMUIOVector *dest, const QEMUIOVector *src, void *buf);
void qemu_iovec_discard_back(QEMUIOVector *qiov, size_t bytes);

#endif
