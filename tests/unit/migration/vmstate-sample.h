/*
 * A struct with a field of every kind that VMState knows, for the unit test
 * and the fuzz target.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_VMSTATE_SAMPLE_H
#define TESTS_VMSTATE_SAMPLE_H

#include "migration/vmstate.h"
#include "util/bitmap.h"
#include "util/queue.h"
#include "util/timer.h"

#define SAMPLE_ROOM 4

typedef struct SamplePoint {
    uint8_t x;
    uint16_t y;
} SamplePoint;

typedef struct SampleItem {
    uint32_t value;
    QTAILQ_ENTRY(SampleItem) tail_next;
    QLIST_ENTRY(SampleItem) list_next;
} SampleItem;

typedef struct Sample {
    bool b;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    uint32_t equal;
    int32_t le;
    CPU_DoubleU doubles[1];
    QEMUTimer timer;
    QEMUTimer *timer_ptr;
    uint8_t buffer[3];
    uint8_t part[4];
    uint32_t vsize;
    uint8_t *vbuffer; /* SAMPLE_ROOM bytes, vsize of them */
    uint32_t alloc_size;
    uint8_t *alloc_buffer;
    int32_t bits;
    unsigned long *bitmap; /* room for SAMPLE_ROOM * 64 bits */
    uint16_t array[2];
    uint8_t grid[2][2];
    uint16_t n_in;
    uint16_t in[SAMPLE_ROOM];
    uint32_t n_rows;
    uint8_t rows[SAMPLE_ROOM * 2];
    int32_t n_out;
    uint32_t *out; /* SAMPLE_ROOM */
    uint32_t n_alloc;
    uint16_t *alloc;
    SamplePoint point;
    SamplePoint vpoint;
    SamplePoint *point_ptr;
    SamplePoint points[2];
    uint8_t n_points_in;
    SamplePoint points_in[SAMPLE_ROOM];
    uint32_t n_points_out;
    SamplePoint *points_out; /* SAMPLE_ROOM */
    int32_t n_points_alloc;
    SamplePoint *points_alloc;
    SamplePoint *point_ptrs[3]; /* the second is NULL */
    QTAILQ_HEAD(, SampleItem) tail;
    QLIST_HEAD(, SampleItem) list;
    GTree *tree;        /* SampleItem by uint32 key struct */
    GTree *direct_tree; /* SampleItem by the pointer itself */
    uint32_t sum;       /* by way of a temporary */
    uint8_t new_field;  /* since version 2 */
    bool has_extra;
    uint32_t extra; /* a subsection */
    uint32_t extra_nested;
    int post_loads;
} Sample;

extern const VMStateDescription vmstate_sample;

/** sample_new: everything empty, with room. */
Sample *sample_new(void);
/** sample_new_filled: every member has a value of its own. */
Sample *sample_new_filled(void);
void sample_free(Sample *s);
/** sample_add: an item at the end of both lists and both trees. */
void sample_add(Sample *s, uint32_t value);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Sample, sample_free)

#endif
