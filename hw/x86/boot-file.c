/*
 * Files of a direct boot.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/boot-file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fdset.h"
#include "util/read-file.h"

struct BootFile {
    char *path;
    int fd;       /* of a regular file, or -1 */
    GBytes *copy; /* of anything else */
    uint64_t size;
};

static bool open_regular(BootFile *f, bool *ret_regular, Error **errp)
{
    struct stat st;

    f->fd = qemu_open(f->path, O_RDONLY, errp);
    if (f->fd < 0) {
        return false;
    }
    *ret_regular = fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
    f->size = *ret_regular ? (uint64_t)st.st_size : 0;
    return true;
}

static bool check_size(const BootFile *f, Error **errp)
{
    if (f->size == 0 || f->size > BOOT_FILE_BYTES_MAX) {
        error_setg(errp, "file '%s' has %" PRIu64 " bytes: must be 1 to %llu",
                   f->path, f->size, BOOT_FILE_BYTES_MAX);
        return false;
    }
    return true;
}

BootFile *boot_file_open(const char *path, Error **errp)
{
    g_autoptr(BootFile) f = g_new0(BootFile, 1);
    bool regular = false;
    size_t len;
    char *data;

    f->path = g_strdup(path);
    f->fd = -1;
    if (!open_regular(f, &regular, errp)) {
        return NULL;
    }
    if (!regular) {
        qemu_close(f->fd);
        f->fd = -1;
        data = read_file_bounded(path, BOOT_FILE_BYTES_MAX, &len, errp);
        if (!data) {
            return NULL;
        }
        f->copy = g_bytes_new_take(data, len);
        f->size = len;
    }
    return check_size(f, errp) ? g_steal_pointer(&f) : NULL;
}

void boot_file_free(BootFile *f)
{
    if (f) {
        if (f->fd >= 0) {
            qemu_close(f->fd);
        }
        g_clear_pointer(&f->copy, g_bytes_unref);
        g_free(f->path);
        g_free(f);
    }
}

uint64_t boot_file_size(const BootFile *f)
{
    return f->size;
}

const char *boot_file_path(const BootFile *f)
{
    return f->path;
}

GBytes *boot_file_bytes(const BootFile *f, Error **errp)
{
    g_autoptr(GMappedFile) map = NULL;
    g_autoptr(GError) why = NULL;

    if (f->copy) {
        return g_bytes_ref(f->copy);
    }
    map = g_mapped_file_new_from_fd(f->fd, FALSE, &why);
    if (!map) {
        error_setg(errp, "could not map '%s': %s", f->path, why->message);
        return NULL;
    }
    return g_mapped_file_get_bytes(map);
}

bool boot_file_read(const BootFile *f, uint64_t offset, void *buf, size_t len,
                    Error **errp)
{
    uint8_t *p = buf;

    if (offset > f->size || len > f->size - offset) {
        error_setg(errp, "file '%s' is too short", f->path);
        return false;
    }
    if (f->copy) {
        memcpy(buf, (const uint8_t *)g_bytes_get_data(f->copy, NULL) + offset,
               len);
        return true;
    }
    while (len) {
        ssize_t n = pread(f->fd, p, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            error_setg_errno(errp, n < 0 ? errno : ENODATA,
                             "could not read '%s'", f->path);
            return false;
        }
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

bool boot_file_load(const BootFile *f, uint64_t offset, uint64_t len,
                    GuestMemory *memory, uint64_t gpa, Error **errp)
{
    while (len) {
        uint64_t n = len;
        void *host = guest_memory_dma_map(memory, gpa, &n, true);

        if (!host) {
            error_setg(errp,
                       "guest address 0x%" PRIx64 ", where '%s' is to be "
                       "loaded, is not in RAM",
                       gpa, f->path);
            return false;
        }
        if (!boot_file_read(f, offset, host, n, errp)) {
            return false;
        }
        guest_memory_dma_unmap(memory, gpa, n);
        offset += n;
        gpa += n;
        len -= n;
    }
    return true;
}
