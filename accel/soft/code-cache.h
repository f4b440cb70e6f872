/*
 * Memory for generated code: one file in memory, mapped twice.
 *
 * Code is stored through one mapping (read, write) and executed through the
 * other (read, execute), so that no page is ever writable and executable at
 * once. The memory is cut into chunks; a block takes what is hot from one
 * chunk and what is rarely run from another, so that the processor's caches
 * hold hot code only. Nothing is freed singly: when the chunks are used up,
 * everything is dropped and the pages go back to the host.
 *
 * A cache belongs to one virtual CPU and needs no lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_CODE_CACHE_H
#define ACCEL_SOFT_CODE_CACHE_H

#include "util/error.h"

/* Hot and cold code come in chunks of this size. */
#define CODE_CHUNK_BYTES (128u * 1024)
/* More than one block can need of either kind. */
#define CODE_BLOCK_BYTES_MAX (16u * 1024)

#define CODE_CACHE_BYTES_MIN (1u << 20)
#define CODE_CACHE_BYTES_MAX (1u << 30)

typedef enum CodeHeat {
    CODE_HOT,
    CODE_COLD,
    CODE_HEAT_COUNT,
} CodeHeat;

typedef struct CodeCache {
    uint8_t *rw;                 /* the mapping that is written */
    const uint8_t *rx;           /* the mapping that is executed */
    size_t size;                 /* bytes, a multiple of CODE_CHUNK_BYTES */
    size_t base;                 /* below it: code that is never dropped */
    size_t next;                 /* first chunk that was not handed out */
    size_t pos[CODE_HEAT_COUNT]; /* next free byte of the present chunks */
    size_t end[CODE_HEAT_COUNT]; /* their ends */
    int fd;
} CodeCache;

/**
 * code_cache_init:
 * @size: bytes, rounded up to chunks and cut to the limits above
 *
 * Reserve addresses; memory is used as code is written.
 *
 * Errors: the host lets no file in memory be mapped for execution.
 */
bool code_cache_init(CodeCache *cc, size_t size, Error **errp);

/** code_cache_deinit: accepts one that was not initialised (all zero). */
void code_cache_deinit(CodeCache *cc);

/**
 * code_cache_seal: everything allocated until now (trampolines) survives
 * code_cache_reset().
 */
void code_cache_seal(CodeCache *cc);

/**
 * code_cache_reserve:
 * @ret_pos: (out) offset of CODE_BLOCK_BYTES_MAX free bytes of that kind
 *
 * Returns: false if the cache is full: code_cache_reset() is due.
 */
bool code_cache_reserve(CodeCache *cc, CodeHeat heat, size_t *ret_pos);

/** code_cache_commit: @used bytes of what was reserved last are kept. */
void code_cache_commit(CodeCache *cc, CodeHeat heat, size_t used);

/** code_cache_reset: drop all code but what was sealed; free its memory. */
void code_cache_reset(CodeCache *cc);

/** code_cache_used: bytes handed out, by whole chunks. */
size_t code_cache_used(const CodeCache *cc);

#endif
