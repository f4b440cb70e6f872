/*
 * How much a copy asks its source for at once.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_CONVERT_PACE_H
#define TOOLS_CONVERT_PACE_H

/* Longest piece that is read at once (one huge page), and the shortest, with
 * which a copy begins. */
#define CONVERT_CHUNK_MAX (2 * 1024 * 1024)
#define CONVERT_CHUNK_MIN (256 * 1024)

#define CONVERT_COROUTINES_MAX 64

/* Not shared between threads, but for @chunk and @coroutines. */
typedef struct ConvertPace {
    int64_t chunk;       /* bytes of a piece; read atomically */
    unsigned coroutines; /* how many there may be; read atomically */

    /* private */
    int64_t granule;
    unsigned fixed; /* coroutines, if the user says it; or 0 */
    unsigned level;
    unsigned first;   /* reads, up to what tells a far source */
    int64_t first_ns; /* the shortest of them */
    bool slow;        /* in this window a thread slept over a slow read */
    bool probing;     /* the level is new, and may be of no use */
    int64_t skip;     /* bytes to come that belong to the level before */
    int64_t bytes;    /* of this window */
    int64_t begin_ns; /* of this window */
    int64_t rate;     /* of the level below while probing; bytes/s */
    unsigned hold;    /* windows until the next probe */
    unsigned backoff; /* how many that will be the next time */
} ConvertPace;

/**
 * convert_pace_init:
 * @fixed: number of coroutines; 0: as many as are of use
 * @granule: pieces are not shorter
 */
void convert_pace_init(ConvertPace *p, unsigned fixed, int64_t granule);

/**
 * convert_pace_read: a read has ended.
 * @bytes: its length
 * @ns: how long it took
 * @now: when it ended, ns
 * @slept: its thread had nothing to do meanwhile
 *
 * Returns: whether the source is one that has to be waited for.
 */
bool convert_pace_read(ConvertPace *p, int64_t bytes, int64_t ns, int64_t now,
                       bool slept);

#endif
