/*
 * Inside of a memory backend, for its classes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_MEM_HOSTMEM_INTERNAL_H
#define HW_MEM_HOSTMEM_INTERNAL_H

#include "hw/hostmem.h"
#include "qom/property.h"

typedef struct HostMemoryBackendClass HostMemoryBackendClass;

DECLARE_OBJ_CHECKERS(HostMemoryBackend, HostMemoryBackendClass, MEMORY_BACKEND,
                     TYPE_MEMORY_BACKEND)

/**
 * HostMemoryBackendClass:
 * @open: the descriptor of the memory into backend->fd, and
 *        backend->page_size; NULL: anonymous memory
 */
struct HostMemoryBackendClass {
    ObjectClass parent_class;

    bool (*open)(HostMemoryBackend *backend, Error **errp);
};

typedef enum HostMemPolicyMode {
    HOSTMEM_DEFAULT,
    HOSTMEM_PREFERRED,
    HOSTMEM_BIND,
    HOSTMEM_INTERLEAVE,
} HostMemPolicyMode;

/* Nodes that the kernel's interface is asked about. */
#define HOSTMEM_NODES_MAX 1024u

struct HostMemoryBackend {
    Object parent_obj;

    /* properties */
    uint64_t size;
    bool merge;
    bool dump;
    bool prealloc;
    bool share;
    bool reserve;
    bool canonical_path;
    uint32_t prealloc_threads;
    int policy;
    GArray *host_nodes; /* unsigned, ascending */

    int fd;           /* -1: anonymous */
    int own_fd;       /* while memory is adopted: what was @fd; else -1 */
    size_t page_size; /* of the mapping, bytes */
    size_t alignment; /* of the mapping, bytes; 0 = page_size */
    bool readonly;
    uint8_t *ptr; /* NULL before complete */
    bool mapped;  /* a machine uses it */
};

/** hostmem_map: reserve and map backend->size bytes. */
bool hostmem_map(HostMemoryBackend *backend, Error **errp);
void hostmem_unmap(HostMemoryBackend *backend);
/** hostmem_remap: @fd (-1: anonymous), from @offset on, in the same place. */
bool hostmem_remap(HostMemoryBackend *backend, int fd, uint64_t offset,
                   Error **errp);
/** hostmem_prealloc: make every page present (for writing if @writable), with
 *  @threads threads. Errors: not enough memory, also where a plain access
 *  would raise SIGBUS. */
bool hostmem_prealloc(void *ptr, size_t size, size_t page_size, bool writable,
                      unsigned threads, Error **errp);
/** hostmem_nodes_parse: add the nodes that @text names ("0", "0-3") to
 *  @nodes, an array of unsigned. */
bool hostmem_nodes_parse(const char *text, GArray *nodes, Error **errp);

#endif
