/*
 * memory-backend-memfd: anonymous memory with a descriptor that other
 * processes can map.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/mman.h>

#include "hw/mem/hostmem-internal.h"
#include "util/error.h"

#define MEMFD_HUGE_SHIFT 26 /* MFD_HUGE_SHIFT */

OBJECT_DECLARE_SIMPLE_TYPE(HostMemoryBackendMemfd, MEMORY_BACKEND_MEMFD)

struct HostMemoryBackendMemfd {
    HostMemoryBackend parent_obj;

    bool hugetlb;
    uint64_t hugetlb_size;
    bool seal;
};

static bool hugetlb_size_check(Object *obj, const Property *prop,
                               const void *value, Error **errp)
{
    uint64_t size = *(const uint64_t *)value;

    if (size & (size - 1)) {
        error_setg(errp, "hugetlbsize %" PRIu64 " is not a power of two", size);
        return false;
    }
    return true;
}

static size_t default_huge_page_size(void)
{
    g_autofree char *text = NULL;
    const char *line;

    if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL)) {
        return 0;
    }
    line = strstr(text, "Hugepagesize:");
    return line ? (size_t)g_ascii_strtoull(line + strlen("Hugepagesize:"), NULL,
                                           10) *
                      1024
                : 0;
}

static bool memfd_open(HostMemoryBackend *b, Error **errp)
{
    HostMemoryBackendMemfd *m = MEMORY_BACKEND_MEMFD(b);
    const char *name = object_get_canonical_path_component(OBJECT(b));
    unsigned flags = MFD_CLOEXEC | (m->seal ? MFD_ALLOW_SEALING : 0);

    if (m->hugetlb_size && !m->hugetlb) {
        error_setg(errp, "hugetlbsize needs hugetlb=on");
        return false;
    }
    if (m->hugetlb) {
        flags |= MFD_HUGETLB;
        b->page_size =
            m->hugetlb_size ? m->hugetlb_size : default_huge_page_size();
        if (m->hugetlb_size) {
            flags |= (unsigned)__builtin_ctzll(m->hugetlb_size)
                     << MEMFD_HUGE_SHIFT;
        }
        if (!b->page_size) {
            error_setg(errp, "the host has no huge pages");
            return false;
        }
    }
    b->fd = memfd_create(name ? name : "memory", flags);
    if (b->fd < 0) {
        error_setg_errno(errp, errno, "could not create a memfd");
        return false;
    }
    if (ftruncate(b->fd, (off_t)b->size) < 0) {
        error_setg_errno(errp, errno, "could not resize a memfd to %" PRIu64,
                         b->size);
        return false;
    }
    if (m->seal && fcntl(b->fd, F_ADD_SEALS,
                         F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
        error_setg_errno(errp, errno, "could not seal a memfd");
        return false;
    }
    return true;
}

static const Property memfd_props[] = {
    { "share", PROP_BOOL, offsetof(HostMemoryBackend, share), .def = "on",
      .help = "other processes that map it see the guest's writes",
      .since = "0.1" },
    { "hugetlb", PROP_BOOL, offsetof(HostMemoryBackendMemfd, hugetlb),
      .def = "off", .help = "use huge pages", .since = "0.1" },
    { "hugetlbsize", PROP_SIZE, offsetof(HostMemoryBackendMemfd, hugetlb_size),
      .unit = "bytes", .check = hugetlb_size_check,
      .help = "size of a huge page; 0 = the host's default", .since = "0.1" },
    { "seal", PROP_BOOL, offsetof(HostMemoryBackendMemfd, seal), .def = "on",
      .help = "nobody can change its size any more", .since = "0.1" },
    {},
};

static void memfd_class_init(ObjectClass *oc, void *data)
{
    MEMORY_BACKEND_CLASS(oc)->open = memfd_open;
}

extern const TypeInfo hw_type_hostmem_memfd;
const TypeInfo hw_type_hostmem_memfd = {
    .name = TYPE_MEMORY_BACKEND_MEMFD,
    .parent = TYPE_MEMORY_BACKEND,
    .instance_size = sizeof(HostMemoryBackendMemfd),
    .class_init = memfd_class_init,
    .props = memfd_props,
};
