/*
 * Power cuts: what may be on a disk afterwards, and who wrote what a disk shows.
 *
 * Each sector's contents are a number, so that it tells who wrote it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_POWER_CUT_H
#define TESTS_POWER_CUT_H

#include "qcow2-bench.h"

#define SECTOR      512
#define MAX_SECTORS 6144

/* Who wrote a sector, after which entry of the log it began. */
typedef struct Stamp {
    uint32_t tag; /* 0: zeroes */
    guint begin;
    guint operation; /* its number */
} Stamp;

/* What was written to a disk, sector by sector. */
typedef struct History {
    GArray *sectors[MAX_SECTORS]; /* of Stamp */
    GArray *flushes;
    uint32_t now[MAX_SECTORS];
    uint32_t next_tag;
    guint operation; /* counted by the user, from 1 */
} History;

void history_init(History *h);
void history_destroy(History *h);
/** history_note: the present operation, which began at entry @begin of the
 *  log, wrote @tag to @count sectors. */
void history_note(History *h, uint32_t first, uint32_t count, uint32_t tag,
                  guint begin);
/** history_flushed: what was noted so far is on the disk, from entry @end on. */
void history_flushed(History *h, guint end);
/** history_durable: operations before this one are on the disk. */
guint history_durable(const History *h, guint cut);
/** history_may_be: may @stamps, a sector's or others, show @tag after @cut? */
bool history_may_be(const GArray *stamps, guint durable, guint cut,
                    int64_t tag);
/** history_check: @bytes from the beginning of the disk after @cut; else the
 *  test fails. */
void history_check(const History *h, guint cut, const uint8_t *buf,
                   int64_t bytes);

/** tag_fill: (transfer full) sectors that @tag wrote. */
uint8_t *tag_fill(uint32_t tag, uint32_t sectors);
/** tag_read: of a sector. Returns: -1: not one writer's bytes. */
int64_t tag_read(const uint8_t *sector);

/**
 * power_cut:
 * @log: of MemEntry
 * @file: whose entries count
 * @base: what was in the file before
 *
 * Returns: (transfer full) what may be in the file when the power goes after
 *   entry @cut: what came before its last flush, and of the rest any part, in
 *   pieces of a sector.
 */
GByteArray *power_cut(const GArray *log, unsigned file, const GByteArray *base,
                      guint cut, GRand *rnd);

#endif
