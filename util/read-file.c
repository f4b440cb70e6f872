/*
 * Bounded reading of whole files.
 *
 * A regular file is read into one buffer of its size; what has no size, or
 * grows meanwhile, into one that doubles. Old buffers are wiped.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/read-file.h"

#include "util/error.h"
#include "util/fdset.h"

#define READ_FILE_FIRST 4096

typedef struct ReadBuf {
    char *data;
    size_t len, size;
} ReadBuf;

static void read_buf_clear(ReadBuf *b)
{
    if (b->data) {
        explicit_bzero(b->data, b->size);
        g_free(b->data);
    }
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReadBuf, read_buf_clear)

/* One byte more than the contents stays free for the NUL. */
static void read_buf_grow(ReadBuf *b, size_t size)
{
    ReadBuf grown = { .data = g_malloc(size), .len = b->len, .size = size };

    if (b->len) {
        memcpy(grown.data, b->data, b->len);
    }
    read_buf_clear(b);
    *b = grown;
}

static char *read_fd_bounded(int fd, const char *path, size_t max, size_t *len,
                             Error **errp)
{
    g_auto(ReadBuf) b = { 0 };
    struct stat st;

    if (fstat(fd, &st) < 0) {
        error_setg_file_open(errp, errno, path);
        return NULL;
    }
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > max) {
        error_setg(errp,
                   "file '%s' has %" PRIu64 " bytes, at most %zu are "
                   "accepted",
                   path, (uint64_t)st.st_size, max);
        return NULL;
    }
    read_buf_grow(&b, S_ISREG(st.st_mode) ? st.st_size + 2 : READ_FILE_FIRST);
    for (;;) {
        ssize_t n = read(fd, b.data + b.len, b.size - 1 - b.len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            error_setg_errno(errp, errno, "could not read '%s'", path);
            return NULL;
        }
        if (n == 0) {
            break;
        }
        b.len += n;
        if (b.len > max) {
            error_setg(errp, "file '%s' has more than %zu bytes", path, max);
            return NULL;
        }
        if (b.len == b.size - 1) {
            read_buf_grow(&b, b.size * 2);
        }
    }
    b.data[b.len] = '\0';
    *len = b.len;
    return g_steal_pointer(&b.data);
}

char *read_file_bounded(const char *path, size_t max, size_t *len, Error **errp)
{
    /* Counted when @path is /dev/fdset/N, so not an AUTO_FD. */
    int fd = qemu_open(path, O_RDONLY | O_NOCTTY, errp);
    char *data;

    if (fd < 0) {
        return NULL;
    }
    data = read_fd_bounded(fd, path, max, len, errp);
    qemu_close(fd);
    return data;
}
