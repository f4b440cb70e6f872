/*
 * How much a copy asks its source for at once: a few short pieces, which stay in
 * the CPU's cache from reading to writing, or many long ones, which hide the
 * way to a far server.
 *
 * That a read takes long does not tell which: where the source (or decrypting
 * what it sends) is the limit, reads take the longer the more of them are under
 * way, and nothing is won but page faults. So:
 *
 * - Where the first reads, beside which little else is under way, all take long,
 *   the source is far. There is no need to try in steps.
 * - Else, when reads are slow and threads sleep, twice as much is tried for a
 *   while, and kept if more came of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "convert-pace.h"

#include "util/atomic.h"

#define COROUTINES_FIRST 8
/* Levels, each twice the one before: first pieces grow, then there are more. */
#define LEVEL_LONGEST 3
#define LEVEL_TOP     6

/* A read that takes longer than that, while its thread has nothing to do, waits
 * rather than copies. */
#define SLOW_NS (1500 * 1000)
/* If the shortest of the first reads takes so long, they come from far away. */
#define FAR_NS    (5 * 1000 * 1000)
#define FAR_READS 4
/* A level is measured while so many times what is under way is read. */
#define WINDOW 4
/* What a new level must bring, percent. */
#define GAIN 120
/* Windows between a step that did not pay and the next try; then twice, ... */
#define HOLD_FIRST 8
#define HOLD_MAX   1024

QEMU_BUILD_BUG_ON(CONVERT_CHUNK_MIN << LEVEL_LONGEST != CONVERT_CHUNK_MAX);
QEMU_BUILD_BUG_ON(COROUTINES_FIRST << (LEVEL_TOP - LEVEL_LONGEST) !=
                  CONVERT_COROUTINES_MAX);

static void set_level(ConvertPace *p, unsigned level)
{
    int64_t chunk = CONVERT_CHUNK_MIN << MIN(level, LEVEL_LONGEST);
    unsigned n = COROUTINES_FIRST
                 << (MAX(level, LEVEL_LONGEST) - LEVEL_LONGEST);

    /* What is under way now is still of the old one. */
    p->skip = p->chunk * p->coroutines;
    p->level = level;
    qatomic_set(&p->chunk, MAX(chunk, p->granule));
    qatomic_set(&p->coroutines, p->fixed ?: n);
}

static void begin_window(ConvertPace *p, int64_t now)
{
    p->bytes = 0;
    p->begin_ns = now;
    p->slow = false;
}

void convert_pace_init(ConvertPace *p, unsigned fixed, int64_t granule)
{
    *p = (ConvertPace){
        .fixed = fixed,
        .granule = granule,
        .first_ns = INT64_MAX,
        .backoff = HOLD_FIRST,
    };
    set_level(p, 0);
}

/* Returns: whether this was the read by which the source is known to be far. */
static bool is_far(ConvertPace *p, int64_t ns)
{
    p->first_ns = MIN(p->first_ns, ns);
    return ++p->first == FAR_READS && p->first_ns >= FAR_NS;
}

static void step_back(ConvertPace *p)
{
    set_level(p, p->level - 1);
    p->hold = p->backoff;
    p->backoff = MIN(p->backoff * 2, HOLD_MAX);
}

/* A window is full. */
static void judge(ConvertPace *p, int64_t ns)
{
    unsigned top = p->fixed ? LEVEL_LONGEST : LEVEL_TOP;
    int64_t rate =
        (int64_t)((double)p->bytes * 1e9 / (double)MAX(ns, INT64_C(1)));
    bool paid = !p->probing || rate / GAIN >= p->rate / 100;

    p->probing = false;
    if (!paid) {
        step_back(p);
    } else if (p->hold > 0) {
        p->hold--;
    } else if (p->slow && p->level < top) {
        p->rate = rate;
        p->probing = true;
        set_level(p, p->level + 1);
    }
}

bool convert_pace_read(ConvertPace *p, int64_t bytes, int64_t ns, int64_t now,
                       bool slept)
{
    bool slow = slept && ns >= SLOW_NS;

    p->slow |= slow;
    if (p->first < FAR_READS && is_far(p, slept ? ns : 0)) {
        set_level(p, p->fixed ? LEVEL_LONGEST : LEVEL_TOP);
        p->probing = false;
    }
    if (!p->begin_ns) {
        begin_window(p, now);
        return slow;
    }
    if (p->skip > 0) {
        p->skip -= bytes;
        if (p->skip <= 0) {
            begin_window(p, now);
        }
        return slow;
    }
    p->bytes += bytes;
    if (p->bytes >= WINDOW * p->chunk * (int64_t)p->coroutines) {
        judge(p, now - p->begin_ns);
        begin_window(p, now);
    }
    return slow;
}
