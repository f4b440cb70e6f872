/*
 * Nodes: what a BlockBackend stands on.
 *
 * A node is a QOM object of a driver class ("blockdev-file"); nodes with a
 * name are below /block-nodes. Its life: new, properties, open, requests,
 * close. Requests are coroutines of the node's AioContext; node_co_*() check
 * bounds and alignment once for all drivers and call the driver.
 *
 * Thread: the graph belongs to the main loop's thread; node_co_*() run in
 * the node's context.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLOCK_INTERNAL_H
#define BLOCK_BLOCK_INTERNAL_H

#include "block/block-backend.h"
#include "block/block-node.h"
#include "qom/object.h"
#include "qom/property.h"
#include "util/coroutine.h"

/* What a user of an image does with it, and lets others do. The bits are
 * those of the locks in the image file, which other programs know too. */
typedef enum NodePerm {
    NODE_PERM_CONSISTENT_READ = 1 << 0,
    NODE_PERM_WRITE = 1 << 1,
    NODE_PERM_WRITE_UNCHANGED = 1 << 2,
    NODE_PERM_RESIZE = 1 << 3,
    NODE_PERM_ALL = 15,
} NodePerm;

/* Longest copy that a request is cut into when its buffers do not suit. */
#define NODE_BOUNCE_BYTES (1024 * 1024)

typedef struct NodeRequest {
    int64_t start; /* rounded to the alignment */
    int64_t end;
    bool serialising; /* reads and writes back more than was asked for */
    CoQueue waiters;
    QLIST_ENTRY(NodeRequest) next;
} NodeRequest;

/* One user of a node: a backend, or a node above. */
typedef struct NodeUser {
    const char *what; /* for messages; borrowed */
    unsigned perm;
    unsigned shared;
    QLIST_ENTRY(NodeUser) next;
} NodeUser;

struct BlockNode {
    Object parent_obj;

    AioContext *ctx;
    unsigned refs; /* users, and blockdev-add */
    char *name;    /* node-name, or generated */
    bool named;    /* by the user */
    bool is_open;  /* the driver's open() went well */
    bool by_user;  /* blockdev-add: holds a reference until blockdev-del */
    bool options_are_text; /* they came from a command line */

    /* properties */
    bool read_only;
    bool auto_read_only;
    bool force_share;
    int discard;       /* BlockdevDiscardOptions */
    int detect_zeroes; /* BlockdevDetectZeroesOptions */
    json_t *cache;     /* {"direct":, "no-flush":} */
    bool direct;
    bool no_flush;

    /* set by open() */
    uint32_t request_alignment; /* of offsets and lengths; power of two */
    uint32_t memory_alignment;
    uint32_t max_transfer;
    uint32_t physical_block_size;

    int64_t length; /* bytes; atomic */
    unsigned perm;  /* of all users together */
    unsigned shared;

    QLIST_HEAD(, NodeUser) users;
    QLIST_HEAD(, NodeRequest) requests; /* writes with an alignment */
};

/**
 * BlockNodeClass: a driver.
 * @driver: as blockdev-add takes it
 * @help: one line
 * @open: properties are set; (optional) everything before requests. Sets
 *        node->length
 * @close: (optional) undo open; no request is in flight
 * @set_perm: (optional) users changed: take and give back locks; must check
 *            first and change nothing on failure
 * @filename: (transfer full) for people
 * @allocated: (optional) bytes on the host, or -errno
 * @co_preadv, @co_pwritev: inside the node, aligned, at most max_transfer;
 *            all or nothing. 0 or -errno
 * @co_flush, @co_pdiscard: (optional) nothing to do
 * @co_pwrite_zeroes: (optional) -ENOTSUP: the caller writes zeroes
 * @co_truncate: (optional) -ENOTSUP
 */
struct BlockNodeClass {
    ObjectClass parent_class;

    const char *driver;
    const char *help;
    bool (*open)(BlockNode *node, Error **errp);
    void (*close)(BlockNode *node);
    bool (*set_perm)(BlockNode *node, unsigned perm, unsigned shared,
                     Error **errp);
    char *(*filename)(BlockNode *node);
    int64_t (*allocated)(BlockNode *node);
    int coroutine_fn (*co_preadv)(BlockNode *node, int64_t offset,
                                  int64_t bytes, QEMUIOVector *qiov);
    int coroutine_fn (*co_pwritev)(BlockNode *node, int64_t offset,
                                   int64_t bytes, QEMUIOVector *qiov,
                                   BlkRequestFlags flags);
    int coroutine_fn (*co_flush)(BlockNode *node);
    int coroutine_fn (*co_pdiscard)(BlockNode *node, int64_t offset,
                                    int64_t bytes);
    int coroutine_fn (*co_pwrite_zeroes)(BlockNode *node, int64_t offset,
                                         int64_t bytes, BlkRequestFlags flags);
    int coroutine_fn (*co_truncate)(BlockNode *node, int64_t bytes);
};

/* -- graph ------------------------------------------------------------------- */

/** block_node_open: properties are set: open it and enter it in
 *  /block-nodes. */
bool block_node_open(BlockNode *node, Error **errp);
void block_node_ref(BlockNode *node);

/** block_node_child: (transfer full) the node that JSON @ref names, or
 *  a new one from the object @ref, which inherits what @parent says about
 *  caches, discard and read-only and @ref does not. */
BlockNode *block_node_child(BlockNode *parent, const json_t *ref,
                            const char *what, Error **errp);

/** block_node_use: @user wants to use @node; false if others or locks do not
 *  let it. */
bool block_node_use(BlockNode *node, NodeUser *user, unsigned perm,
                    unsigned shared, Error **errp);
/** block_node_set_user: other permissions for @user. */
bool block_node_set_user(BlockNode *node, NodeUser *user, unsigned perm,
                         unsigned shared, Error **errp);
/** block_node_unuse: @user is gone; no-op for one that never was. */
void block_node_unuse(BlockNode *node, NodeUser *user);
/** block_node_is_used: by anyone but blockdev-add itself. */
bool block_node_is_used(const BlockNode *node);

static inline int64_t block_node_length(BlockNode *node)
{
    return __atomic_load_n(&node->length, __ATOMIC_ACQUIRE);
}

/* -- requests; 0 or -errno ----------------------------------------------------- */

int coroutine_fn node_co_preadv(BlockNode *node, int64_t offset,
                                QEMUIOVector *qiov);
int coroutine_fn node_co_pwritev(BlockNode *node, int64_t offset,
                                 QEMUIOVector *qiov, BlkRequestFlags flags);
int coroutine_fn node_co_flush(BlockNode *node);
int coroutine_fn node_co_pdiscard(BlockNode *node, int64_t offset,
                                  int64_t bytes);
int coroutine_fn node_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                       int64_t bytes, BlkRequestFlags flags);
int coroutine_fn node_co_truncate(BlockNode *node, int64_t bytes);

#endif
