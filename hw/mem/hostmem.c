/*
 * Memory backends: the common class.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/hostmem.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "hw/mem/hostmem-internal.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/util.h"
#include "qom/object_interfaces.h"
#include "util/error.h"

#define PREALLOC_THREADS_MAX 256
#define NODE_WORD_BITS       (8 * sizeof(unsigned long))

/* Modes of mbind(2), which are the kernel's interface. */
QEMU_BUILD_BUG_ON(HOSTMEM_DEFAULT != 0);
QEMU_BUILD_BUG_ON(HOSTMEM_PREFERRED != 1);
QEMU_BUILD_BUG_ON(HOSTMEM_BIND != 2);
QEMU_BUILD_BUG_ON(HOSTMEM_INTERLEAVE != 3);
#define MBIND_STRICT_MOVE 3u /* MPOL_MF_STRICT | MPOL_MF_MOVE */

static const char *const policy_names[] = { "default", "preferred", "bind",
                                            "interleave" };
static const QEnumLookup policy_lookup = {
    .array = policy_names,
    .size = G_N_ELEMENTS(policy_names),
};

/* -- NUMA -------------------------------------------------------------------- */

static gint compare_nodes(gconstpointer a, gconstpointer b)
{
    unsigned x = *(const unsigned *)a;
    unsigned y = *(const unsigned *)b;

    return x < y ? -1 : x > y;
}

static bool add_node_range(GArray *nodes, uint64_t first, uint64_t last,
                           Error **errp)
{
    if (first > last || last >= HOSTMEM_NODES_MAX) {
        error_setg(errp,
                   "host-nodes: %" PRIu64 "-%" PRIu64
                   " is not a range of nodes below %u",
                   first, last, HOSTMEM_NODES_MAX);
        return false;
    }
    for (uint64_t n = first; n <= last; n++) {
        unsigned node = (unsigned)n;
        g_array_append_val(nodes, node);
    }
    return true;
}

bool hostmem_nodes_parse(const char *text, GArray *nodes, Error **errp)
{
    uint64_t first, last;
    char *end = (char *)text;

    if (g_ascii_isdigit(*text)) {
        first = last = g_ascii_strtoull(text, &end, 10);
        if (*end == '-' && g_ascii_isdigit(end[1])) {
            last = g_ascii_strtoull(end + 1, &end, 10);
        }
    }
    if (end == text || *end) {
        error_setg(errp, "host-nodes: '%s' is not a node or a range of nodes",
                   text);
        return false;
    }
    return add_node_range(nodes, first, last, errp);
}

static void host_nodes_get(Object *obj, Visitor *v, const char *name,
                           void *opaque, Error **errp)
{
    GArray *nodes = MEMORY_BACKEND(obj)->host_nodes;
    uint16List *list = NULL;

    for (guint i = nodes->len; i > 0; i--) {
        QAPI_LIST_PREPEND(list,
                          (uint16_t)g_array_index(nodes, unsigned, i - 1));
    }
    visit_type_uint16List(v, name, &list, errp);
    qapi_free_uint16List(list);
}

/* A list of numbers, or on the command line one number or range as text. */
static void host_nodes_set(Object *obj, Visitor *v, const char *name,
                           void *opaque, Error **errp)
{
    HostMemoryBackend *b = MEMORY_BACKEND(obj);
    g_autoptr(GArray) nodes = g_array_new(FALSE, FALSE, sizeof(unsigned));
    g_autofree char *text = NULL;
    uint16List *list = NULL;
    bool ok = true;

    if (b->ptr) {
        error_setg(errp, "property '%s' cannot be changed any more", name);
        return;
    }
    if (visit_type_str(v, name, &text, NULL)) {
        ok = hostmem_nodes_parse(text, nodes, errp);
    } else if (!visit_type_uint16List(v, name, &list, errp)) {
        return;
    }
    for (uint16List *l = list; ok && l; l = l->next) {
        ok = add_node_range(nodes, l->value, l->value, errp);
    }
    qapi_free_uint16List(list);
    if (ok) {
        g_array_sort(nodes, compare_nodes);
        g_array_unref(b->host_nodes);
        b->host_nodes = g_steal_pointer(&nodes);
    }
}

static bool apply_policy(HostMemoryBackend *b, Error **errp)
{
    unsigned long mask[HOSTMEM_NODES_MAX / NODE_WORD_BITS] = { 0 };
    const GArray *nodes = b->host_nodes;

    if (nodes->len && b->policy == HOSTMEM_DEFAULT) {
        error_setg(errp, "host-nodes must be empty for policy 'default', or "
                         "give another policy");
        return false;
    }
    if (!nodes->len && b->policy != HOSTMEM_DEFAULT) {
        error_setg(errp, "host-nodes must be set for policy '%s'",
                   policy_names[b->policy]);
        return false;
    }
    if (b->policy == HOSTMEM_DEFAULT) {
        return true;
    }
    for (guint i = 0; i < nodes->len; i++) {
        unsigned n = g_array_index(nodes, unsigned, i);
        mask[n / NODE_WORD_BITS] |= 1ul << (n % NODE_WORD_BITS);
    }
    if (syscall(SYS_mbind, b->ptr, b->size, b->policy, mask,
                HOSTMEM_NODES_MAX + 1, MBIND_STRICT_MOVE) < 0) {
        error_setg_errno(errp, errno, "could not bind memory to host nodes");
        return false;
    }
    return true;
}

/* -- completion -------------------------------------------------------------- */

static void apply_advice(HostMemoryBackend *b)
{
    /* Hints: a kernel that cannot follow them says so, nothing is lost. */
    if (b->merge && !b->share) {
        madvise(b->ptr, b->size, MADV_MERGEABLE);
    }
    if (!b->dump) {
        madvise(b->ptr, b->size, MADV_DONTDUMP);
    }
    /* Children (exec: transports, network scripts) need none of it, and a
     * fork would write-protect all of it. */
    madvise(b->ptr, b->size, MADV_DONTFORK);
    madvise(b->ptr, b->size, MADV_HUGEPAGE);
}

static void hostmem_complete(UserCreatable *uc, Error **errp)
{
    HostMemoryBackend *b = MEMORY_BACKEND(uc);
    HostMemoryBackendClass *klass = MEMORY_BACKEND_GET_CLASS(b);

    if (b->size == 0) {
        error_setg(errp, "property 'size' of the memory backend must be set");
        return;
    }
    if (!b->reserve && b->prealloc) {
        error_setg(errp, "'prealloc=on' and 'reserve=off' are incompatible");
        return;
    }
    b->page_size = (size_t)sysconf(_SC_PAGESIZE);
    if (klass->open && !klass->open(b, errp)) {
        return;
    }
    if (b->size % b->page_size) {
        error_setg(errp,
                   "size %" PRIu64 " is not a multiple of the page size "
                   "%zu",
                   b->size, b->page_size);
        return;
    }
    if (!hostmem_map(b, errp)) {
        return;
    }
    apply_advice(b);
    if (!apply_policy(b, errp)) {
        return;
    }
    if (b->prealloc) {
        hostmem_prealloc(b->ptr, b->size, b->page_size, !b->readonly,
                         b->prealloc_threads, errp);
    }
}

static bool hostmem_can_be_deleted(UserCreatable *uc)
{
    return !MEMORY_BACKEND(uc)->mapped;
}

/* -- other memory in its place ------------------------------------------------ */

bool host_memory_backend_adopt(HostMemoryBackend *b, int fd, uint64_t offset,
                               Error **errp)
{
    AUTO_FD dup = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    assert(b->share && b->fd >= 0 && b->own_fd < 0);
    if (dup < 0) {
        error_setg_errno(errp, errno, "could not keep a descriptor");
        return false;
    }
    if (!hostmem_remap(b, dup, offset, errp)) {
        return false;
    }
    b->own_fd = b->fd;
    b->fd = fd_steal(&dup);
    apply_advice(b);
    return apply_policy(b, errp);
}

bool host_memory_backend_restore(HostMemoryBackend *b, Error **errp)
{
    if (b->own_fd < 0) {
        return true;
    }
    if (!hostmem_remap(b, b->own_fd, 0, errp)) {
        return false;
    }
    fd_close(b->fd);
    b->fd = b->own_fd;
    b->own_fd = -1;
    apply_advice(b);
    return apply_policy(b, errp);
}

void host_memory_backend_settle(HostMemoryBackend *b)
{
    b->own_fd = fd_close(b->own_fd);
}

bool host_memory_backend_abandon(HostMemoryBackend *b, Error **errp)
{
    bool reserve = b->reserve;
    bool ok;

    /* Nobody is going to fill it. */
    b->share = false;
    b->reserve = false;
    ok = hostmem_remap(b, -1, 0, errp);
    b->reserve = reserve;
    b->fd = fd_close(b->fd);
    if (ok) {
        apply_advice(b);
    }
    return ok;
}

/* -- users ------------------------------------------------------------------- */

void *host_memory_backend_get_ptr(HostMemoryBackend *backend)
{
    return backend->ptr;
}

uint64_t host_memory_backend_get_size(HostMemoryBackend *backend)
{
    return backend->size;
}

int host_memory_backend_get_fd(HostMemoryBackend *backend)
{
    return backend->fd;
}

size_t host_memory_backend_page_size(HostMemoryBackend *backend)
{
    return backend->page_size;
}

bool host_memory_backend_is_shared(HostMemoryBackend *backend)
{
    return backend->share;
}

void host_memory_backend_set_mapped(HostMemoryBackend *backend, bool mapped)
{
    backend->mapped = mapped;
}

bool host_memory_backend_is_mapped(HostMemoryBackend *backend)
{
    return backend->mapped;
}

char *host_memory_backend_get_name(HostMemoryBackend *backend)
{
    if (backend->canonical_path) {
        return object_get_canonical_path(OBJECT(backend));
    }
    return g_strdup(object_get_canonical_path_component(OBJECT(backend)));
}

void memdev_info_free(MemdevInfo *info)
{
    if (info) {
        g_free(info->id);
        g_array_unref(info->host_nodes);
        g_free(info);
    }
}

static int add_memdev(Object *obj, void *opaque)
{
    GPtrArray *list = opaque;
    HostMemoryBackend *b =
        (HostMemoryBackend *)object_dynamic_cast(obj, TYPE_MEMORY_BACKEND);
    MemdevInfo *info;

    if (b) {
        info = g_new0(MemdevInfo, 1);
        info->id = g_strdup(object_get_canonical_path_component(obj));
        info->size_bytes = b->size;
        info->merge = b->merge;
        info->dump = b->dump;
        info->prealloc = b->prealloc;
        info->share = b->share;
        info->reserve = b->reserve;
        info->policy = b->policy;
        info->host_nodes = g_array_copy(b->host_nodes);
        g_ptr_array_add(list, info);
    }
    return 0;
}

GPtrArray *memdev_list(void)
{
    GPtrArray *list =
        g_ptr_array_new_with_free_func((GDestroyNotify)memdev_info_free);

    object_child_foreach(object_get_objects_root(), add_memdev, list);
    return list;
}

/* -- class ------------------------------------------------------------------- */

static const Property hostmem_props[] = {
    { "size", PROP_SIZE, offsetof(HostMemoryBackend, size),
      .flags = PROP_F_REQUIRED, .unit = "bytes", .help = "size of the memory",
      .since = "0.1" },
    { "share", PROP_BOOL, offsetof(HostMemoryBackend, share), .def = "off",
      .help = "other processes that map it see the guest's writes",
      .since = "0.1" },
    { "prealloc", PROP_BOOL, offsetof(HostMemoryBackend, prealloc),
      .def = "off", .help = "allocate all of it at once", .since = "0.1" },
    { "prealloc-threads", PROP_UINT32,
      offsetof(HostMemoryBackend, prealloc_threads), .def = "1", .min = 1,
      .max = PREALLOC_THREADS_MAX, .help = "threads that allocate",
      .since = "0.1" },
    { "merge", PROP_BOOL, offsetof(HostMemoryBackend, merge), .def = "on",
      .help = "let the host merge identical pages", .since = "0.1" },
    { "dump", PROP_BOOL, offsetof(HostMemoryBackend, dump), .def = "on",
      .help = "include it in a core dump", .since = "0.1" },
    { "reserve", PROP_BOOL, offsetof(HostMemoryBackend, reserve), .def = "on",
      .help = "reserve swap space or huge pages", .since = "0.1" },
    { "policy", PROP_ENUM, offsetof(HostMemoryBackend, policy),
      .qapi_type = "HostMemPolicy", .lookup = &policy_lookup, .def = "default",
      .help = "NUMA policy", .since = "0.1" },
    { "host-nodes", PROP_CUSTOM, 0, .qapi_type = "[uint16]",
      .get = host_nodes_get, .set = host_nodes_set,
      .help = "host NUMA nodes of the policy", .since = "0.1" },
    { "x-use-canonical-path-for-ramblock-id", PROP_BOOL,
      offsetof(HostMemoryBackend, canonical_path), .def = "off",
      .help = "name in the migration stream is the whole object path",
      .since = "0.1" },
    {},
};

static void hostmem_instance_init(Object *obj)
{
    HostMemoryBackend *b = MEMORY_BACKEND(obj);

    b->fd = -1;
    b->own_fd = -1;
    b->host_nodes = g_array_new(FALSE, FALSE, sizeof(unsigned));
}

static void hostmem_instance_finalize(Object *obj)
{
    HostMemoryBackend *b = MEMORY_BACKEND(obj);

    hostmem_unmap(b);
    b->fd = fd_close(b->fd);
    b->own_fd = fd_close(b->own_fd);
    g_array_unref(b->host_nodes);
}

static void hostmem_class_init(ObjectClass *oc, void *data)
{
    UserCreatableClass *ucc = USER_CREATABLE_CLASS(oc);

    ucc->complete = hostmem_complete;
    ucc->can_be_deleted = hostmem_can_be_deleted;
}

static InterfaceInfo hostmem_interfaces[] = { { TYPE_USER_CREATABLE }, {} };

extern const TypeInfo hw_type_hostmem;
const TypeInfo hw_type_hostmem = {
    .name = TYPE_MEMORY_BACKEND,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(HostMemoryBackend),
    .instance_init = hostmem_instance_init,
    .instance_finalize = hostmem_instance_finalize,
    .class_size = sizeof(HostMemoryBackendClass),
    .class_init = hostmem_class_init,
    .interfaces = hostmem_interfaces,
    .props = hostmem_props,
};

extern const TypeInfo hw_type_hostmem_ram;
const TypeInfo hw_type_hostmem_ram = {
    .name = TYPE_MEMORY_BACKEND_RAM,
    .parent = TYPE_MEMORY_BACKEND,
};
