/*
 * memory-backend-file: memory in a file, perhaps on hugetlbfs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>
#include <sys/vfs.h>

#include "hw/mem/hostmem-internal.h"
#include "util/error.h"

#define HUGETLBFS_MAGIC_NUMBER 0x958458f6

OBJECT_DECLARE_SIMPLE_TYPE(HostMemoryBackendFile, MEMORY_BACKEND_FILE)

struct HostMemoryBackendFile {
    HostMemoryBackend parent_obj;

    char *mem_path;
    uint64_t align;
    bool discard_data;
    bool pmem;
    bool readonly;
};

static bool pmem_check(Object *obj, const Property *prop, const void *value,
                       Error **errp)
{
    if (*(const bool *)value) {
        error_setg(errp, "pmem=on is not supported: this binary was built "
                         "without persistent memory");
        return false;
    }
    return true;
}

static bool align_check(Object *obj, const Property *prop, const void *value,
                        Error **errp)
{
    uint64_t align = *(const uint64_t *)value;

    if ((align & (align - 1)) || align > (1ull << 40)) {
        error_setg(errp, "align %" PRIu64 " is not a power of two up to 1 TiB",
                   align);
        return false;
    }
    return true;
}

/* A new file in directory @path that has no name any more. */
static int open_in_directory(const char *path, Error **errp)
{
    g_autofree char *name = g_build_filename(path, "ferry-ram.XXXXXX", NULL);
    int fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_setg_errno(errp, errno, "could not create a file in '%s'", path);
        return -1;
    }
    unlink(name);
    return fd;
}

static int open_path(HostMemoryBackendFile *f, Error **errp)
{
    int flags = (f->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;
    struct stat st;
    int fd;

    if (stat(f->mem_path, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (f->readonly) {
            error_setg(errp, "readonly=on needs a file, '%s' is a directory",
                       f->mem_path);
            return -1;
        }
        return open_in_directory(f->mem_path, errp);
    }
    fd = open(f->mem_path, flags | (f->readonly ? 0 : O_CREAT), 0644);
    if (fd < 0) {
        error_setg_file_open(errp, errno, f->mem_path);
    }
    return fd;
}

static bool fit_file(HostMemoryBackend *b, const char *path, bool readonly,
                     Error **errp)
{
    struct stat st;

    if (fstat(b->fd, &st) < 0) {
        error_setg_errno(errp, errno, "could not stat '%s'", path);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        return true; /* a device has the size it has */
    }
    if ((st.st_size > 0 || readonly) && (uint64_t)st.st_size < b->size) {
        error_setg(errp, "'%s' has %" PRIu64 " bytes, less than size %" PRIu64,
                   path, (uint64_t)st.st_size, b->size);
        return false;
    }
    if (st.st_size == 0 && ftruncate(b->fd, (off_t)b->size) < 0) {
        error_setg_errno(errp, errno, "could not resize '%s' to %" PRIu64, path,
                         b->size);
        return false;
    }
    return true;
}

static bool file_open(HostMemoryBackend *b, Error **errp)
{
    HostMemoryBackendFile *f = MEMORY_BACKEND_FILE(b);
    struct statfs fs;

    if (f->mem_path[0] == '\0') {
        error_setg(errp, "property 'mem-path' must be set");
        return false;
    }
    b->fd = open_path(f, errp);
    if (b->fd < 0) {
        return false;
    }
    if (fstatfs(b->fd, &fs) == 0 &&
        (uint32_t)fs.f_type == HUGETLBFS_MAGIC_NUMBER) {
        b->page_size = (size_t)fs.f_bsize;
    }
    b->alignment = (size_t)f->align;
    b->readonly = f->readonly;
    return fit_file(b, f->mem_path, f->readonly, errp);
}

static const Property file_props[] = {
    { "mem-path", PROP_STR, offsetof(HostMemoryBackendFile, mem_path),
      .flags = PROP_F_REQUIRED, .help = "file, or directory for a nameless one",
      .since = "0.1" },
    { "align", PROP_SIZE, offsetof(HostMemoryBackendFile, align),
      .unit = "bytes", .check = align_check,
      .help = "alignment of the mapping; 0 = automatic", .since = "0.1" },
    { "discard-data", PROP_BOOL, offsetof(HostMemoryBackendFile, discard_data),
      .def = "off", .flags = PROP_F_RUNTIME,
      .help = "throw the file's data away at the end", .since = "0.1" },
    { "pmem", PROP_BOOL, offsetof(HostMemoryBackendFile, pmem), .def = "off",
      .check = pmem_check, .help = "persistent memory (only off)",
      .since = "0.1" },
    { "readonly", PROP_BOOL, offsetof(HostMemoryBackendFile, readonly),
      .def = "off", .help = "open the file for reading only", .since = "0.1" },
    {},
};

/* Runs before the parent class unmaps. */
static void file_instance_finalize(Object *obj)
{
    HostMemoryBackendFile *f = MEMORY_BACKEND_FILE(obj);
    HostMemoryBackend *b = MEMORY_BACKEND(obj);

    if (f->discard_data && b->ptr && b->share) {
        madvise(b->ptr, b->size, MADV_REMOVE);
    }
}

static void file_class_init(ObjectClass *oc, void *data)
{
    MEMORY_BACKEND_CLASS(oc)->open = file_open;
}

extern const TypeInfo hw_type_hostmem_file;
const TypeInfo hw_type_hostmem_file = {
    .name = TYPE_MEMORY_BACKEND_FILE,
    .parent = TYPE_MEMORY_BACKEND,
    .instance_size = sizeof(HostMemoryBackendFile),
    .instance_finalize = file_instance_finalize,
    .class_init = file_class_init,
    .props = file_props,
};
