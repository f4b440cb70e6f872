/*
 * Scatter/gather lists as plain arrays. Almost everything is a walk over the
 * parts of elements that a byte range covers: iov_walk().
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/iov.h"

#include <sys/socket.h>

#include "util/hexdump.h"

size_t iov_size(const struct iovec *iov, unsigned int iov_cnt)
{
    size_t len = 0;

    for (unsigned int i = 0; i < iov_cnt; i++) {
        len += iov[i].iov_len;
    }
    return len;
}

/* Position in a list while a range is walked. */
typedef struct IOVWalk {
    const struct iovec *iov;
    unsigned int left; /* elements from iov on */
    size_t offset;     /* bytes to skip from iov's start */
    size_t bytes;      /* still to cover */
} IOVWalk;

/* Sets *@part to the next piece of memory; false at the end of the range. */
static bool iov_walk(IOVWalk *walk, struct iovec *part)
{
    while (walk->left > 0 && walk->bytes > 0) {
        const struct iovec *v = walk->iov++;

        walk->left--;
        if (walk->offset >= v->iov_len) {
            walk->offset -= v->iov_len;
            continue;
        }
        part->iov_base = (char *)v->iov_base + walk->offset;
        part->iov_len = MIN(v->iov_len - walk->offset, walk->bytes);
        walk->offset = 0;
        walk->bytes -= part->iov_len;
        return true;
    }
    return false;
}

size_t iov_from_buf_full(const struct iovec *iov, unsigned int iov_cnt,
                         size_t offset, const void *buf, size_t bytes)
{
    IOVWalk walk = { iov, iov_cnt, offset, bytes };
    struct iovec part;
    size_t done = 0;

    while (iov_walk(&walk, &part)) {
        memcpy(part.iov_base, (const char *)buf + done, part.iov_len);
        done += part.iov_len;
    }
    return done;
}

size_t iov_to_buf_full(const struct iovec *iov, const unsigned int iov_cnt,
                       size_t offset, void *buf, size_t bytes)
{
    IOVWalk walk = { iov, iov_cnt, offset, bytes };
    struct iovec part;
    size_t done = 0;

    while (iov_walk(&walk, &part)) {
        memcpy((char *)buf + done, part.iov_base, part.iov_len);
        done += part.iov_len;
    }
    return done;
}

/* The first element serves most calls. */
size_t iov_from_buf(const struct iovec *iov, unsigned int iov_cnt,
                    size_t offset, const void *buf, size_t bytes)
{
    if (iov_cnt && offset <= iov[0].iov_len &&
        bytes <= iov[0].iov_len - offset) {
        if (bytes) {
            memcpy((char *)iov[0].iov_base + offset, buf, bytes);
        }
        return bytes;
    }
    return iov_from_buf_full(iov, iov_cnt, offset, buf, bytes);
}

size_t iov_to_buf(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  void *buf, size_t bytes)
{
    if (iov_cnt && offset <= iov[0].iov_len &&
        bytes <= iov[0].iov_len - offset) {
        if (bytes) {
            memcpy(buf, (char *)iov[0].iov_base + offset, bytes);
        }
        return bytes;
    }
    return iov_to_buf_full(iov, iov_cnt, offset, buf, bytes);
}

size_t iov_memset(const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  int fillc, size_t bytes)
{
    IOVWalk walk = { iov, iov_cnt, offset, bytes };
    struct iovec part;
    size_t done = 0;

    while (iov_walk(&walk, &part)) {
        memset(part.iov_base, fillc, part.iov_len);
        done += part.iov_len;
    }
    return done;
}

unsigned iov_copy(struct iovec *dst_iov, unsigned int dst_iov_cnt,
                  const struct iovec *iov, unsigned int iov_cnt, size_t offset,
                  size_t bytes)
{
    IOVWalk walk = { iov, iov_cnt, offset, bytes };
    unsigned int n = 0;

    while (n < dst_iov_cnt && iov_walk(&walk, &dst_iov[n])) {
        n++;
    }
    return n;
}

void iov_hexdump(const struct iovec *iov, const unsigned int iov_cnt, FILE *fp,
                 const char *prefix, size_t limit)
{
    size_t size = MIN(iov_size(iov, iov_cnt), limit);
    g_autofree char *buf = g_malloc(size);

    size = iov_to_buf(iov, iov_cnt, 0, buf, size);
    qemu_hexdump(fp, prefix, buf, size);
}

/* -- discarding ------------------------------------------------------------ */

static void remember(IOVDiscardUndo *undo, struct iovec *v)
{
    if (undo) {
        undo->modified_iov = v;
        undo->orig = *v;
    }
}

void iov_discard_undo(IOVDiscardUndo *undo)
{
    if (undo->modified_iov) {
        *undo->modified_iov = undo->orig;
    }
}

size_t iov_discard_front_undoable(struct iovec **iov, unsigned int *iov_cnt,
                                  size_t bytes, IOVDiscardUndo *undo)
{
    size_t left = bytes;

    if (undo) {
        undo->modified_iov = NULL;
    }
    while (*iov_cnt > 0 && left > 0) {
        struct iovec *v = *iov;

        if (left < v->iov_len) {
            remember(undo, v);
            v->iov_base = (char *)v->iov_base + left;
            v->iov_len -= left;
            left = 0;
            break;
        }
        left -= v->iov_len;
        ++*iov;
        --*iov_cnt;
    }
    return bytes - left;
}

size_t iov_discard_front(struct iovec **iov, unsigned int *iov_cnt,
                         size_t bytes)
{
    return iov_discard_front_undoable(iov, iov_cnt, bytes, NULL);
}

size_t iov_discard_back_undoable(struct iovec *iov, unsigned int *iov_cnt,
                                 size_t bytes, IOVDiscardUndo *undo)
{
    size_t left = bytes;

    if (undo) {
        undo->modified_iov = NULL;
    }
    while (*iov_cnt > 0 && left > 0) {
        struct iovec *v = &iov[*iov_cnt - 1];

        if (left < v->iov_len) {
            remember(undo, v);
            v->iov_len -= left;
            left = 0;
            break;
        }
        left -= v->iov_len;
        --*iov_cnt;
    }
    return bytes - left;
}

size_t iov_discard_back(struct iovec *iov, unsigned int *iov_cnt, size_t bytes)
{
    return iov_discard_back_undoable(iov, iov_cnt, bytes, NULL);
}

/* -- sockets --------------------------------------------------------------- */

/* One call, for as much as the kernel takes. */
static ssize_t send_recv_once(int fd, struct iovec *iov, unsigned int cnt,
                              bool do_send)
{
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = MIN(cnt, IOV_MAX) };
    ssize_t ret;

    for (;;) {
        ret = do_send ? sendmsg(fd, &msg, MSG_NOSIGNAL) : recvmsg(fd, &msg, 0);
        if (ret >= 0 || errno != EINTR) {
            return ret;
        }
    }
}

ssize_t iov_send_recv(int sockfd, const struct iovec *iov, unsigned iov_cnt,
                      size_t offset, size_t bytes, bool do_send)
{
    g_autofree struct iovec *copy = g_new(struct iovec, iov_cnt);
    unsigned int cnt = iov_copy(copy, iov_cnt, iov, iov_cnt, offset, bytes);
    struct iovec *v = copy;
    ssize_t total = 0;

    while (cnt > 0) {
        ssize_t ret = send_recv_once(sockfd, v, cnt, do_send);

        if (ret < 0) {
            return total > 0 ? total : -1;
        }
        if (ret == 0) {
            break;
        }
        total += ret;
        iov_discard_front(&v, &cnt, (size_t)ret);
    }
    return total;
}
