/*
 * Memory backends: host memory that a guest may use as RAM.
 *
 * -object memory-backend-ram | memory-backend-memfd | memory-backend-file.
 * The memory is mapped when the object is complete; a machine then claims
 * the backend, which cannot be deleted while it is claimed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_HOSTMEM_H
#define HW_HOSTMEM_H

#include "qom/object.h"

#define TYPE_MEMORY_BACKEND       "memory-backend"
#define TYPE_MEMORY_BACKEND_RAM   "memory-backend-ram"
#define TYPE_MEMORY_BACKEND_MEMFD "memory-backend-memfd"
#define TYPE_MEMORY_BACKEND_FILE  "memory-backend-file"

typedef struct HostMemoryBackend HostMemoryBackend;

/* query-memdev's view of one backend. Strings are owned. */
typedef struct MemdevInfo {
    char *id;
    uint64_t size_bytes;
    bool merge;
    bool dump;
    bool prealloc;
    bool share;
    bool reserve;
    int policy;         /* HostMemPolicy */
    GArray *host_nodes; /* unsigned, ascending */
} MemdevInfo;

void memdev_info_free(MemdevInfo *info);
/** memdev_list: (transfer full) array of MemdevInfo of all of /objects. */
GPtrArray *memdev_list(void);

/** host_memory_backend_get_ptr: start of the mapping, NULL before complete. */
void *host_memory_backend_get_ptr(HostMemoryBackend *backend);
/** host_memory_backend_get_size: in bytes. */
uint64_t host_memory_backend_get_size(HostMemoryBackend *backend);
/** host_memory_backend_get_fd: descriptor behind the mapping, borrowed; -1 if
 *  it is anonymous memory. */
int host_memory_backend_get_fd(HostMemoryBackend *backend);
/** host_memory_backend_page_size: page size of the mapping, in bytes. */
size_t host_memory_backend_page_size(HostMemoryBackend *backend);
/** host_memory_backend_is_shared: do other processes that map it see writes? */
bool host_memory_backend_is_shared(HostMemoryBackend *backend);
/**
 * host_memory_backend_adopt: memory of @fd (@offset in it) at the same address
 *     in place of its own, which host_memory_backend_restore() brings back;
 *     host_memory_backend_settle() gives that up for good. @fd stays the
 *     caller's. Of a shared backend with a descriptor
 * host_memory_backend_abandon: empty memory of this process alone instead
 *
 * Nobody may use the memory meanwhile.
 */
bool host_memory_backend_adopt(HostMemoryBackend *backend, int fd,
                               uint64_t offset, Error **errp);
bool host_memory_backend_restore(HostMemoryBackend *backend, Error **errp);
void host_memory_backend_settle(HostMemoryBackend *backend);
bool host_memory_backend_abandon(HostMemoryBackend *backend, Error **errp);

/** host_memory_backend_set_mapped: claim (true) or release it. */
void host_memory_backend_set_mapped(HostMemoryBackend *backend, bool mapped);
bool host_memory_backend_is_mapped(HostMemoryBackend *backend);
/** host_memory_backend_get_name: (transfer full) name of the RAM block in
 *  the migration stream: the id, or the whole path with
 *  x-use-canonical-path-for-ramblock-id. */
char *host_memory_backend_get_name(HostMemoryBackend *backend);

#endif
