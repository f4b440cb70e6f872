/*
 * Nodes: what a BlockBackend stands on.
 *
 * A node is a QOM object of a driver class ("blockdev-file"); nodes with a
 * name are below /block-nodes. Its life: new, properties, open, requests,
 * close. Whoever uses a node (a node above, a backend of a device, a job, an
 * export) holds a NodeLink to it, which says what it does with the node and
 * what it lets others do.
 *
 * Requests are coroutines and run in the AioContext in which they were
 * started, whichever that is: a node has no thread of its own, and two
 * threads may be in one node at the same time. A driver guards its own state
 * (CoMutex, atomics). node_co_*() check bounds and alignment once for all
 * drivers, count the request and call the driver.
 *
 * The graph (links, permissions, open and close) belongs to the main loop's
 * thread, and changes only between node_drained_begin() and _end(), while no
 * request is in the nodes concerned; so a request may follow links without a
 * lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_BLOCK_INTERNAL_H
#define BLOCK_BLOCK_INTERNAL_H

#include "block/block-backend.h"
#include "block/block-node.h"
#include "block/node-image.h"
#include "block/node-open.h"
#include "block/node-status.h"
#include "qom/object.h"
#include "qom/property.h"
#include "util/coroutine.h"

/* What a child is to the node above it. */
typedef enum NodeRole {
    NODE_ROLE_DATA = 1 << 0,     /* the guest's bytes are in it */
    NODE_ROLE_METADATA = 1 << 1, /* the format's tables are in it */
    NODE_ROLE_FILTERED = 1 << 2, /* the same contents as the node above */
    NODE_ROLE_COW = 1 << 3,      /* shows through where the node has nothing */
    NODE_ROLE_PRIMARY = 1 << 4,  /* the one that a file name means */
    NODE_ROLE_IMAGE = NODE_ROLE_DATA | NODE_ROLE_METADATA | NODE_ROLE_PRIMARY,
} NodeRole;

/* Longest copy that a request is cut into when its buffers do not suit. */
#define NODE_BOUNCE_BYTES (1024 * 1024)

typedef struct NodeLink NodeLink;

/**
 * NodeLinkOps: what the user of a node must do when its node changes. All are
 * called in the main loop's thread.
 * @describe: (transfer full) who this is, for messages: "node 'top'"
 * @drained_begin: send nothing new into the node until @drained_end
 * @drained_busy: something that was begun before may still enter the node
 * @resized: the node's length changed
 */
typedef struct NodeLinkOps {
    char *(*describe)(const NodeLink *link);
    void (*drained_begin)(NodeLink *link);
    bool (*drained_busy)(NodeLink *link);
    void (*drained_end)(NodeLink *link);
    void (*resized)(NodeLink *link);
} NodeLinkOps;

struct NodeLink {
    const NodeLinkOps *ops;
    void *owner;      /* BlockNode for a child; else whose the ops know */
    const char *name; /* "file", "backing", ...; borrowed */
    unsigned role;    /* NodeRole; 0 for roots */
    BlockNode *node;  /* (owned) the node, or NULL */
    QemuMutex *lock;  /* (nullable) held while @node changes: other threads may
                       * look at it without a request */
    unsigned perm;
    unsigned shared;
    bool frozen; /* a job relies on this link: it may not be moved */
    QLIST_ENTRY(NodeLink) of_node;  /* @node's users */
    QLIST_ENTRY(NodeLink) of_owner; /* a node's children */
};

/* A write in a node where writes may have to wait for each other. */
typedef struct NodeRequest {
    int64_t start; /* rounded to the alignment */
    int64_t end;
    bool serialising; /* nothing may overlap it */
    CoQueue waiters;
    QLIST_ENTRY(NodeRequest) next;
} NodeRequest;

/* In a count of requests: somebody waits for its end. It is in the same word,
 * so that the last request does not look at memory that may be gone. */
#define NODE_WATCHED (1u << 31)

struct BlockNode {
    Object parent_obj;

    AioContext *ctx;    /* home of timers and sockets; requests run anywhere */
    unsigned refs;      /* links, and blockdev-add */
    char *name;         /* node-name, or generated */
    bool named;         /* by the user */
    bool is_open;       /* the driver's open() went well */
    bool by_user;       /* blockdev-add: holds a reference until blockdev-del */
    bool of_job;        /* a filter that a job put in */
    bool implicit;      /* and has no name of the user's: not shown to users */
    bool inactive;      /* the image is another process's */
    bool tracks_writes; /* by open(): a user of node_request_begin() */
    bool options_are_text;        /* they came from a command line */
    unsigned open_flags;          /* NodeOpenFlags */
    const BlockNode *opening_for; /* above, while open() runs */
    struct CryptKeys *keys;       /* (borrowed, nullable) while open() runs */
    unsigned chain_depth;         /* images above it when it was opened */
    NodeLink *backing_link; /* by a driver with backing files: its own memory */

    /* set by open() of a format, freed by the core */
    char *backing_file;   /* as it stands in the image, or NULL */
    char *backing_format; /* the same */

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
    uint32_t preferred_write;   /* smallest write without a read; 0: none */
    uint32_t preferred_discard; /* bytes; 0: any */
    int64_t max_zeroes;         /* bytes of one pwrite_zeroes; 0: any */
    unsigned zero_flags;        /* what co_pwrite_zeroes knows: BLK_REQ_* */
    unsigned write_flags;       /* what co_pwritev knows: BLK_REQ_FUA */
    bool can_grow;              /* a write past the end makes it longer */

    int64_t length;    /* bytes; atomic */
    unsigned resizing; /* users that do not know @length yet; atomic */
    unsigned perm;     /* of all users together */
    unsigned shared;

    unsigned in_flight; /* requests inside, and NODE_WATCHED; atomic */
    unsigned quiesced;  /* reasons to send nothing; atomic, of main loop */
    unsigned hurried;   /* reasons not to wait for time; main loop */
    uint64_t write_gen; /* writes that ended; atomic */
    uint64_t flush_gen; /* write_gen that is on stable storage; atomic */
    uint64_t highest;   /* end of the last byte written; atomic */
    uint64_t write_threshold; /* BLOCK_WRITE_THRESHOLD above it; atomic; 0 */

    QemuMutex lock; /* guards requests */
    QLIST_HEAD(, NodeRequest) requests;
    QLIST_HEAD(, NodeLink) users;
    QLIST_HEAD(, NodeLink) children;
    QLIST_HEAD(, DirtyBitmap) bitmaps; /* block/dirty-bitmap.h */
    unsigned
        n_bitmaps; /* atomic: who writes data needs no lock while it is 0 */
    QemuMutex bitmap_lock;
};

/**
 * BlockNodeClass: a driver. What is optional is marked so; a filter inherits
 * TYPE_BLOCK_FILTER, which passes everything on to its child "file".
 *
 * @driver: as blockdev-add takes it
 * @help: one line
 * @is_filter: same contents as its FILTERED child
 * @is_format: bytes of other nodes arranged in some way: has a "file" child
 * @is_internal: only jobs make such nodes: unknown to users
 * @uri_schemes: (optional) NULL-terminated, of file names that mean it: "nbd"
 * @parse_filename: (optional) a file name with such a scheme ("nbd:...") into
 *        properties; hostile input
 * @probe: (optional) how sure it is from the first bytes: 0 to 100
 * @open: properties are set; (optional) everything before requests. Sets
 *        node->length. In a coroutine or not: may use node_pread()
 * @close: (optional) undo open; no request is in flight. Links to children
 *        are still there, and the graph removes them afterwards; also when
 *        open() failed
 * @reopen_prepare, @reopen_commit, @reopen_abort: (optional) new values of
 *        properties stand in @opts ("read-only", "cache", and of
 *        blockdev-reopen all others); prepare may fail and changes nothing
 * @reopen_props: (optional) NULL-terminated, of own properties that may change
 * @set_perm: (optional) users changed: take and give back locks; must check
 *        first and change nothing on failure
 * @child_perm: (optional) what @link needs and shares, given what the users of
 *        this node do; default by role
 * @child_resized: (optional) the length of a child changed; main loop
 * @filename: (transfer full) where it is: a path or a URI
 * @name_props: (optional) NULL-terminated, of own properties that a name must
 *        have where they are not as by default, for the same contents
 * @name_options: (optional) adds other such options to @opts, of what has no
 *        "filename"
 * @allocated: (optional) bytes on the host, or -errno
 * @co_preadv, @co_pwritev: aligned, at most max_transfer bytes, inside the
 *        node when its length is rounded up to the alignment; the bytes of
 *        @qiov from @qiov_offset; all or nothing. 0 or -errno
 * @co_pwritev_compressed: (optional) one cluster
 * @read_fd: (optional) a descriptor (borrowed, while a request of the caller is
 *        in the node) from which reads at the same offsets give what co_preadv
 *        gives; -1: none. For sendfile
 * @co_flush: (optional) write out own caches; the caller flushes children
 * @co_pdiscard: (optional) nothing to do
 * @co_pwrite_zeroes: (optional) -ENOTSUP: the caller writes zeroes
 * @co_copy_range_to: (optional) -ENOTSUP: the caller reads and writes
 * @writes_to: (optional) what is written at *@offset goes as it is to *@offset
 *        of the node returned (copy_file_range finds its target so); or NULL
 * @co_block_status: (optional, default: all data) one answer for a range from
 *        @offset: bits of NodeStatus; *@pnum > 0, at most @bytes; -errno
 * @co_truncate: (optional) -ENOTSUP; *errp is set in any failure
 * @co_info, @specific_info, @co_check, snapshots: (optional) for tools and
 *        QMP; see block/node-image.h
 * @co_save_vmstate, @co_load_vmstate: bytes from @pos of a machine's state,
 *        which the next snapshot takes along; @co_forget_vmstate: drop it
 * @co_make_empty: (optional) nothing of the disk is in this image any more
 * @drain_begin, @drain_end: (optional) requests that wait for time (throttle,
 *        reconnect) go on at once
 * @co_inactivate: (optional) everything on disk; another process takes over.
 *        A node that is inactive when it is opened writes nothing
 * @co_activate: (optional) read again what another process may have changed
 */
struct BlockNodeClass {
    ObjectClass parent_class;

    const char *driver;
    const char *help;
    bool is_filter;
    bool is_format;
    bool is_internal;
    bool supports_backing;
    const char *const *uri_schemes;
    bool (*parse_filename)(const char *filename, json_t *opts, Error **errp);
    int (*probe)(const uint8_t *buf, size_t len, const char *filename);

    bool (*open)(BlockNode *node, Error **errp);
    void (*close)(BlockNode *node);
    bool (*reopen_prepare)(BlockNode *node, const json_t *opts, void **state,
                           Error **errp);
    const char *const *reopen_props;
    void (*reopen_commit)(BlockNode *node, void *state);
    void (*reopen_abort)(BlockNode *node, void *state);
    bool (*set_perm)(BlockNode *node, unsigned perm, unsigned shared,
                     Error **errp);
    void (*child_perm)(BlockNode *node, const NodeLink *link, unsigned perm,
                       unsigned shared, unsigned *ret_perm,
                       unsigned *ret_shared);
    void (*child_resized)(BlockNode *node, NodeLink *link);
    char *(*filename)(BlockNode *node);
    const char *const *name_props;
    void (*name_options)(BlockNode *node, json_t *opts);
    int64_t (*allocated)(BlockNode *node);

    int coroutine_fn (*co_preadv)(BlockNode *node, int64_t offset,
                                  int64_t bytes, QEMUIOVector *qiov,
                                  size_t qiov_offset, BlkRequestFlags flags);
    int coroutine_fn (*co_pwritev)(BlockNode *node, int64_t offset,
                                   int64_t bytes, QEMUIOVector *qiov,
                                   size_t qiov_offset, BlkRequestFlags flags);
    int coroutine_fn (*co_pwritev_compressed)(BlockNode *node, int64_t offset,
                                              int64_t bytes, QEMUIOVector *qiov,
                                              size_t qiov_offset);
    int coroutine_fn (*co_flush)(BlockNode *node);
    int coroutine_fn (*co_pdiscard)(BlockNode *node, int64_t offset,
                                    int64_t bytes);
    int coroutine_fn (*co_pwrite_zeroes)(BlockNode *node, int64_t offset,
                                         int64_t bytes, BlkRequestFlags flags);
    int coroutine_fn (*co_copy_range_to)(BlockNode *node, int64_t src_offset,
                                         BlockNode *dst, int64_t dst_offset,
                                         int64_t bytes, BlkRequestFlags flags);
    int (*read_fd)(BlockNode *node);
    BlockNode *(*writes_to)(BlockNode *node, int64_t *offset);
    int coroutine_fn (*co_block_status)(BlockNode *node, unsigned want,
                                        int64_t offset, int64_t bytes,
                                        int64_t *pnum, int64_t *map,
                                        BlockNode **file);
    int coroutine_fn (*co_truncate)(BlockNode *node, int64_t bytes, bool exact,
                                    PreallocMode prealloc,
                                    BlkRequestFlags flags, Error **errp);

    int coroutine_fn (*co_info)(BlockNode *node, NodeInfo *info);
    ImageInfoSpecific *(*specific_info)(BlockNode *node, Error **errp);
    int coroutine_fn (*co_check)(BlockNode *node, unsigned fix,
                                 const NodeFindings *findings,
                                 ImageCheck *result, Error **errp);
    int coroutine_fn (*co_change_backing)(BlockNode *node, const char *file,
                                          const char *format, Error **errp);
    int coroutine_fn (*co_make_empty)(BlockNode *node, Error **errp);
    int coroutine_fn (*co_snapshot_create)(BlockNode *node, SnapshotInfo *info,
                                           Error **errp);
    int coroutine_fn (*co_snapshot_goto)(BlockNode *node, const char *id,
                                         Error **errp);
    int coroutine_fn (*co_snapshot_delete)(BlockNode *node, const char *id,
                                           const char *name, Error **errp);
    SnapshotInfoList *(*snapshot_list)(BlockNode *node, Error **errp);
    int coroutine_fn (*co_snapshot_load_tmp)(BlockNode *node, const char *id,
                                             const char *name, Error **errp);
    int coroutine_fn (*co_save_vmstate)(BlockNode *node, QEMUIOVector *qiov,
                                        int64_t pos);
    int coroutine_fn (*co_load_vmstate)(BlockNode *node, QEMUIOVector *qiov,
                                        int64_t pos);
    int coroutine_fn (*co_forget_vmstate)(BlockNode *node);
    bool coroutine_fn (*co_can_store_bitmap)(BlockNode *node, const char *name,
                                             uint32_t granularity,
                                             Error **errp);
    int coroutine_fn (*co_remove_bitmap)(BlockNode *node, const char *name,
                                         Error **errp);

    void (*drain_begin)(BlockNode *node);
    void (*drain_end)(BlockNode *node);
    int coroutine_fn (*co_inactivate)(BlockNode *node, Error **errp);
    int coroutine_fn (*co_activate)(BlockNode *node, Error **errp);
};

/* A filter: only what it changes. */
#define TYPE_BLOCK_FILTER TYPE_BLOCK_NODE "-filter"
OBJECT_DECLARE_SIMPLE_TYPE(BlockFilter, BLOCK_FILTER)
struct BlockFilter {
    BlockNode parent_obj;

    json_t *file_ref; /* property "file" */
    NodeLink file;    /* FILTERED | PRIMARY */
};

/* -- graph (graph.c, node-add.c); thread: main loop -------------------------- */

/** block_node_open: properties are set: open it and enter it in
 *  /block-nodes. */
bool block_node_open(BlockNode *node, Error **errp);

/**
 * block_node_open_child:
 * @link: (out) zeroed memory inside @parent
 * @ref: a node-name, or an object with the options of a new node, which
 *       inherits from @parent what it does not say
 *
 * Open (or find) a child and link it. Permissions follow those of @parent.
 */
bool block_node_open_child(BlockNode *parent, NodeLink *link, const json_t *ref,
                           const char *name, unsigned role, Error **errp);
/** block_node_link_child: the same with a node that exists (referenced). */
bool block_node_link_child(BlockNode *parent, NodeLink *link, BlockNode *child,
                           const char *name, unsigned role, Error **errp);
/** block_node_new_with_flags: block_node_new(), @open_flags: NodeOpenFlags. */
BlockNode *block_node_new_with_flags(const json_t *opts, bool keyval,
                                     AioContext *ctx, unsigned open_flags,
                                     Error **errp);
/** blockdev_add_with_keys: blockdev_add() of JSON values that does not wait for
 *  keys but fails; see block/format/crypt-keys.h. */
bool blockdev_add_with_keys(const json_t *opts, AioContext *ctx,
                            struct CryptKeys *keys, Error **errp);
/** node_link_init: @link of a user that is no node (backend, job, export). */
void node_link_init(NodeLink *link, const NodeLinkOps *ops, void *owner,
                    const char *name);
/** node_link_attach: use @node (referenced). Errors: permissions. */
bool node_link_attach(NodeLink *link, BlockNode *node, unsigned perm,
                      unsigned shared, Error **errp);
/** node_link_detach: no-op for one that is not attached. */
void node_link_detach(NodeLink *link);
/** node_link_set_perm: Errors: others, or locks of the image, forbid it. */
bool node_link_set_perm(NodeLink *link, unsigned perm, unsigned shared,
                        Error **errp);
/** node_link_replace: point @link at @node instead; drained by the caller. */
bool node_link_replace(NodeLink *link, BlockNode *node, Error **errp);
/**
 * node_insert_above, node_replace:
 * All users of @node use @filter (whose child is @node already) or @other
 * instead; undone whole on failure.
 */
bool node_insert_above(BlockNode *node, BlockNode *filter, Error **errp);
bool node_replace(BlockNode *node, BlockNode *other, Error **errp);

/** node_inactivate_all, node_activate_all: see node-active.c. Errors: what is
 *  not on disk; locks: then nothing has changed. */
bool node_inactivate_all(Error **errp);
bool node_activate_all(Error **errp);
/** node_activate: @node and what it uses. */
bool node_activate(BlockNode *node, Error **errp);
/** node_set_backing: put @backing (NULL: nothing) below the image @node; drained
 *  by the caller. */
bool node_set_backing(BlockNode *node, BlockNode *backing, Error **errp);
/** node_child: the child of @role; (transfer none), or NULL. */
BlockNode *node_child_of_role(BlockNode *node, unsigned role);
/** node_link_of_role: the same, the link itself. */
NodeLink *node_link_of_role(BlockNode *node, unsigned role);
/** node_chain_contains: is @base at or below @top? */
bool node_chain_contains(BlockNode *top, BlockNode *base);

/**
 * node_drained_begin: wait until no request is in @node and stop all users
 * from sending more. Nests. Thread: main loop, outside of coroutines.
 */
void node_drained_begin(BlockNode *node);
void node_drained_end(BlockNode *node);
/** node_drained_all_begin: of all nodes there are. Returns: (transfer full)
 *  them, for node_drained_all_end(): some may come or go in between. */
GPtrArray *node_drained_all_begin(void);
/** node_drained_all_end: takes over @nodes. */
void node_drained_all_end(GPtrArray *nodes);
/** node_quiesce, node_unquiesce: node_drained_begin() without waiting. */
void node_quiesce(BlockNode *node);
void node_unquiesce(BlockNode *node);
/** node_hurry, node_unhurry: nothing in or below @node waits for time. */
void node_hurry(BlockNode *node);
void node_unhurry(BlockNode *node);
/** node_is_busy: does a request run in @node or on its way there? */
bool node_is_busy(BlockNode *node);
/** node_refresh_perm: the driver's child_perm() would answer otherwise now. */
bool node_refresh_perm(BlockNode *node, Error **errp);
/** node_user_perm: a node's name and what is done to it, for messages. */
const char *node_perm_name(unsigned perm);
/** node_foreach: all nodes that are open; @cb returns false to stop. */
void node_foreach(bool (*cb)(BlockNode *node, void *opaque), void *opaque);

static inline int64_t block_node_length(BlockNode *node)
{
    return __atomic_load_n(&node->length, __ATOMIC_ACQUIRE);
}
/** block_node_set_length: of the driver, after a truncate; tells users. */
void block_node_set_length(BlockNode *node, int64_t bytes);

/* -- names of images (open-*.c); thread: main loop ---------------------------- */

/* First bytes of an image, by which its format is known. */
#define NODE_PROBE_BYTES 2048

/**
 * block_open_backing:
 * @link: (out) zeroed memory inside @parent
 * @filename, @format: (format nullable) as they stand in @parent's image:
 *                     hostile
 *
 * Open what is below the image @parent and link it.
 */
bool block_open_backing(BlockNode *parent, NodeLink *link, const char *filename,
                        const char *format, Error **errp);
/** block_probe_format: name of the driver that knows these bytes best;
 *  "raw" if none does. */
const char *block_probe_format(const uint8_t *buf, size_t len,
                               const char *filename);
/** block_json_to_text: (transfer full) leaves as keyval has them. */
json_t *block_json_to_text(const json_t *value);

/* -- requests; 0 or -errno; thread: any, in a coroutine ------------------------ */

/**
 * node_request_begin, node_request_end:
 * For a driver with tracks_writes: keep everything else that writes to the
 * range (and other serialising requests) out between the two. The memory of
 * @req is the caller's.
 */
void coroutine_fn node_request_begin(BlockNode *node, NodeRequest *req,
                                     int64_t offset, int64_t bytes,
                                     bool serialising);
void coroutine_fn node_request_end(BlockNode *node, NodeRequest *req);

/**
 * node_co_preadv, node_co_pwritev:
 * @qiov_offset: the request's bytes begin there in @qiov
 *
 * What lies past the end of a node reads as zeroes, and a write past it is
 * -ENOSPC unless the node can grow: a BlockBackend keeps to the limit of its
 * disk, a format writes where it wants.
 */
int coroutine_fn node_co_preadv(BlockNode *node, int64_t offset, int64_t bytes,
                                QEMUIOVector *qiov, size_t qiov_offset,
                                BlkRequestFlags flags);
int coroutine_fn node_co_pwritev(BlockNode *node, int64_t offset, int64_t bytes,
                                 QEMUIOVector *qiov, size_t qiov_offset,
                                 BlkRequestFlags flags);
/** node_co_pread, node_co_pwrite: one buffer. */
int coroutine_fn node_co_pread(BlockNode *node, int64_t offset, int64_t bytes,
                               void *buf, BlkRequestFlags flags);
int coroutine_fn node_co_pwrite(BlockNode *node, int64_t offset, int64_t bytes,
                                const void *buf, BlkRequestFlags flags);
/** node_co_flush: this node and all children with data, in order. */
int coroutine_fn node_co_flush(BlockNode *node);
int coroutine_fn node_co_pdiscard(BlockNode *node, int64_t offset,
                                  int64_t bytes);
int coroutine_fn node_co_pwrite_zeroes(BlockNode *node, int64_t offset,
                                       int64_t bytes, BlkRequestFlags flags);
/** node_co_copy_up: what the nodes below, down to above @base (NULL: all of
 *  them), have for the range, where @node has nothing, goes into it; no write
 *  can get lost. @node->tracks_writes is set. */
int coroutine_fn node_co_copy_up(BlockNode *node, BlockNode *base,
                                 int64_t offset, int64_t bytes);
/** node_co_copy_range: -ENOTSUP: read and write instead. */
int coroutine_fn node_co_copy_range(BlockNode *src, int64_t src_offset,
                                    BlockNode *dst, int64_t dst_offset,
                                    int64_t bytes, BlkRequestFlags flags);
int coroutine_fn node_co_truncate(BlockNode *node, int64_t bytes, bool exact,
                                  PreallocMode prealloc, BlkRequestFlags flags,
                                  Error **errp);
/** node_co_block_status: of this node alone (its protocol asked for zeroes if
 *  @want says so); see NodeStatus. */
int coroutine_fn node_co_block_status(BlockNode *node, unsigned want,
                                      int64_t offset, int64_t bytes,
                                      int64_t *pnum, int64_t *map,
                                      BlockNode **file);
/* The same, waiting. Thread: main loop; for open() and tools. In a coroutine
 * they are the coroutine versions. */
int node_pread(BlockNode *node, int64_t offset, int64_t bytes, void *buf);
int node_pwrite(BlockNode *node, int64_t offset, int64_t bytes, const void *buf,
                BlkRequestFlags flags);
int node_flush(BlockNode *node);
#endif
