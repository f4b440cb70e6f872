/*
 * Measuring how fast the guest writes its memory.
 *
 * One measurement at a time, in a thread of its own. Results stay until the
 * next one.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_DIRTY_MEASURE_H
#define MIGRATION_DIRTY_MEASURE_H

#include "migration/dirty/forecast.h"
#include "migration/host.h"

#define DIRTY_MEASURE_MS_MIN   50
#define DIRTY_MEASURE_MS_MAX   60000
#define DIRTY_SAMPLES_MIN      128 /* pages a GiB */
#define DIRTY_SAMPLES_MAX      16384
#define DIRTY_SAMPLES_DEFAULT  512
#define DIRTY_CURVE_MS_DEFAULT 2000

typedef struct DirtyMeasure DirtyMeasure;

typedef enum DirtyKind {
    DIRTY_KIND_SAMPLES, /* look at some pages twice */
    DIRTY_KIND_VCPUS,   /* what each vCPU counts */
    DIRTY_KIND_BITMAP,  /* log writes */
    DIRTY_KIND_CURVE,   /* log writes, look at it again and again */
} DirtyKind;

typedef struct DirtyMeasureConfig {
    DirtyKind kind;
    int64_t time_ms;
    unsigned sample_pages; /* a GiB; 0 but for DIRTY_KIND_SAMPLES */
} DirtyMeasureConfig;

typedef enum DirtyMeasureStatus {
    DIRTY_MEASURE_UNSTARTED,
    DIRTY_MEASURE_MEASURING,
    DIRTY_MEASURE_MEASURED,
} DirtyMeasureStatus;

/* The last measurement of a rate, or of a curve. */
typedef struct DirtyMeasureResult {
    DirtyMeasureStatus status;
    DirtyMeasureConfig config;
    int64_t start_s;  /* host's clock; 0: never */
    double mib_per_s; /* not of a curve */
    unsigned n_vcpus; /* of DIRTY_KIND_VCPUS */
    double *vcpu_mib_per_s;
    DirtyCurve curve; /* of DIRTY_KIND_CURVE */
} DirtyMeasureResult;

void dirty_measure_result_clear(DirtyMeasureResult *r);

DirtyMeasure *dirty_measure_new(const MigrationHost *host, void *opaque);
/** dirty_measure_free: ends a measurement. Accepts NULL. */
void dirty_measure_free(DirtyMeasure *m);

/**
 * dirty_measure_start:
 * Errors: a number out of range; another goes on; the accelerator cannot.
 * Thread: any.
 */
bool dirty_measure_start(DirtyMeasure *m, const DirtyMeasureConfig *config,
                         Error **errp);

/** dirty_measure_get: (out) @ret: of curves (@curve) or of rates; a copy, for
 *  dirty_measure_result_clear(). Thread: any. */
void dirty_measure_get(DirtyMeasure *m, bool curve, DirtyMeasureResult *ret);

/** dirty_measure_wait: until none goes on. For tests. */
void dirty_measure_wait(DirtyMeasure *m);

#endif
