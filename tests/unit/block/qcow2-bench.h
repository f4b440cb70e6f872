/*
 * A bench for the qcow2 driver: a node whose storage is memory, that keeps a
 * log of what was written to it, fails when told to, and takes its time in
 * random order.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_QCOW2_BENCH_H
#define TESTS_QCOW2_BENCH_H

#include "block/block-internal.h"

#define TYPE_MEM_NODE TYPE_BLOCK_NODE "-testmem"
OBJECT_DECLARE_SIMPLE_TYPE(MemNode, MEM_NODE)

/* One thing that was done to the storage. */
typedef struct MemEntry {
    enum {
        MEM_WRITE,
        MEM_FLUSH,
        MEM_TRUNCATE
    } what;
    int64_t offset; /* or the new length */
    int64_t bytes;
    uint8_t *data; /* NULL: zeroes */
    unsigned file; /* of those that share a log */
} MemEntry;

struct MemNode {
    BlockNode parent_obj;

    QemuMutex lock; /* guards what follows */
    GByteArray *bytes;
    GArray *log; /* of MemEntry, while @logging */
    unsigned file;
    bool logging;
    bool jitter; /* requests wait for each other at random */
    uint32_t seed;
    int fail_writes_after; /* -1: never */
    int fail_writes_for;   /* so many in a row; 0: one */
    int fail_reads_after;
    int error;
};

/** bench_init: once, before anything else. */
void bench_init(void);
/** mem_new: a node named @name with a copy of @data. */
MemNode *mem_new(const char *name, const void *data, size_t len);
void mem_free(MemNode *mem);
void mem_log_start(MemNode *mem);
/** mem_log_share: into the log of @other, as @file. One thread uses both. */
void mem_log_share(MemNode *mem, MemNode *other, unsigned file);
/** mem_apply: what @e does, to @bytes; @sectors: (nullable) only those 512-byte
 *  pieces of it whose byte is not 0. */
void mem_apply(GByteArray *bytes, const MemEntry *e, const uint8_t *sectors);

/** bench_create: a qcow2 image in the node named "mem". @options: JSON
 *  members, or "". */
void bench_create(uint64_t size, const char *options);
/** bench_open: the image in the node "mem"; @options: JSON members. */
BlockNode *bench_open(const char *options, unsigned flags, Error **errp);

/* Waiting calls; 0 or -errno. */
int bench_write(BlockNode *node, int64_t offset, const void *buf,
                int64_t bytes);
int bench_compressed(BlockNode *node, int64_t offset, const void *buf,
                     int64_t bytes);
int bench_zero(BlockNode *node, int64_t offset, int64_t bytes, bool unmap);
int bench_discard(BlockNode *node, int64_t offset, int64_t bytes);
int bench_truncate(BlockNode *node, int64_t bytes, PreallocMode mode,
                   Error **errp);
int bench_check(BlockNode *node, ImageCheck *result, unsigned fix);
int bench_snapshot(BlockNode *node, const char *name, char **ret_id);
int bench_snapshot_delete(BlockNode *node, const char *id);
int bench_snapshot_goto(BlockNode *node, const char *id);
int bench_snapshot_load(BlockNode *node, const char *id);
int bench_remove_bitmap(BlockNode *node, const char *name);
int bench_change_backing(BlockNode *node, const char *file);
/** bench_assert_clean: check finds nothing at all. */
void bench_assert_clean(BlockNode *node);

#endif
