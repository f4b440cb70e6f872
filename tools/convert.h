/*
 * Copying an image to another, by several threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TOOLS_CONVERT_H
#define TOOLS_CONVERT_H

#include "util/coroutine.h"
#include "util/thread.h"

#include "convert-pace.h"
#include "tool-common.h"

#define CONVERT_THREADS_MAX 8

/* -- what to do with a range (convert-ranges.c) ----------------------------- */

typedef enum ConvertKind {
    CONVERT_DATA,    /* read and write it */
    CONVERT_ZERO,    /* the target shall read as zeroes */
    CONVERT_BACKING, /* the target's backing file has it */
} ConvertKind;

/* A source; several follow one another in the target. */
typedef struct ConvertSource {
    BlockBackend *blk;
    int64_t start;  /* in the target */
    int64_t length; /* bytes */
    int64_t skip;   /* what of the source is not copied, at its beginning */
} ConvertSource;

typedef struct ConvertRange {
    ConvertKind kind;
    const ConvertSource *source;
    int64_t offset; /* in the target */
    int64_t bytes;
    uint64_t ticket; /* numbers ranges in order */
} ConvertRange;

typedef struct ConvertExtent {
    ConvertKind kind;
    int64_t start;
    int64_t end; /* not behind @start: nothing is known */
} ConvertExtent;

/* Walks over the sources and tells what is where. */
typedef struct ConvertCursor {
    const ConvertSource *sources;
    unsigned n_sources;
    int64_t end;            /* bytes of the target that have a source */
    bool only_top;          /* not what the source's backing file has */
    int64_t backing_length; /* of the target's backing file */
    bool all_is_data;       /* -S 0 */
    int64_t granule;        /* ranges begin and end at multiples of it */

    bool done;            /* all ranges are taken; atomic */
    CoMutex lock;         /* guards what follows */
    unsigned index;       /* source; atomic */
    int64_t offset;       /* next, in the target */
    ConvertExtent known;  /* what is at @offset */
    ConvertExtent beyond; /* what is at known.end, if it is known */
    uint64_t next_ticket;
} ConvertCursor;

void convert_cursor_init(ConvertCursor *c);
/**
 * convert_cursor_next:
 * @data_max: most bytes of a DATA range; at least the granule
 *
 * Returns: 1: *@ret is the next range; 0: all is done; -errno: the source
 *   cannot tell, at ret->offset.
 */
int coroutine_fn convert_cursor_next(ConvertCursor *c, int64_t data_max,
                                     ConvertRange *ret);

/**
 * convert_zero_run:
 * @buf: @len bytes
 * @granule: smallest piece that is worth looking at alone
 * @ret_zero: (out) the run at the beginning is zeroes, or data
 *
 * Pure. Returns: bytes of the run, a multiple of @granule or @len.
 */
size_t convert_zero_run(const uint8_t *buf, size_t len, size_t granule,
                        bool *ret_zero);

/* -- the work (convert-copy.c) ----------------------------------------------- */

typedef struct Convert {
    Tool *tool;
    BlockProgress *progress;
    BlockBackend *target;
    ConvertCursor cursor;

    unsigned coroutines;  /* -m; 0: as many as it takes */
    bool out_of_order;    /* -W */
    bool compressed;      /* -c */
    bool copy_range;      /* -C */
    bool salvage;         /* --salvage */
    bool target_is_zero;  /* what is not written reads as zeroes */
    bool keep_space;      /* zeroes get space, too: -S 0 */
    size_t min_sparse;    /* -S; 0: no search for zeroes */
    uint64_t rate;        /* -r: bytes a second; 0: no limit */
    int64_t cluster_size; /* of the target; 0: none */

    /* private to convert-copy.c */
    uint32_t align; /* of pieces of a request */
    bool is_slow;   /* reads wait rather than copy; atomic */
    unsigned threads;
    unsigned running;  /* coroutines; atomic */
    int ret;           /* first failure; atomic */
    const char *doing; /* what failed; set before @ret */
    int64_t failed_at;
    QemuMutex lock; /* guards what follows */
    ConvertPace pace;
    uint64_t turn; /* ticket whose write may start; written atomically */
    Coroutine *waiting[CONVERT_COROUTINES_MAX]; /* by ticket */
    int64_t rate_ns; /* when the next write may start */
    uint64_t lost;   /* bytes that --salvage could not read */
} Convert;

/** convert_run: copy all; waits. Errors: I/O; cancelled. Thread: main. */
bool convert_run(Convert *s, Error **errp);

#endif
