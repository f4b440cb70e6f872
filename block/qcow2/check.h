/*
 * Checking an image: what refers to each cluster.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_QCOW2_CHECK_H
#define BLOCK_QCOW2_CHECK_H

#include "block/qcow2/internal.h"

/* Memory for the counts. */
#define QCOW_CHECK_COUNTS_MAX (UINT64_C(4) * 1024 * 1024 * 1024)

typedef struct QcowCheck {
    BlockQcow2 *s;
    const NodeFindings *findings; /* (nullable) who hears of each one */
    const char *where; /* what is looked at, for findings: "snapshot 'a'" */
    uint32_t *counts;  /* references found; stops at UINT32_MAX */
    uint64_t clusters;
    uint64_t end; /* of the last cluster in use */
    bool fix_leaks;
    bool fix_errors;
    bool rebuild;  /* refcount structures themselves are broken */
    bool is_short; /* not all was counted: a leak proves nothing */

    int64_t errors; /* could not look */
    int64_t corruptions;
    int64_t leaks;
    int64_t corruptions_fixed;
    int64_t leaks_fixed;
    int64_t allocated;
    int64_t fragmented;
    int64_t compressed;
} QcowCheck;

bool qcow_check_init(QcowCheck *c, BlockQcow2 *s, Error **errp);
void qcow_check_deinit(QcowCheck *c);
/** qcow_check_count: all references but those of the refcount structures. */
int coroutine_fn qcow_check_count(QcowCheck *c);
/** qcow_check_refs: a range of the file that something refers to: @what, for
 *  findings. */
void qcow_check_refs(QcowCheck *c, const char *what, uint64_t offset,
                     uint64_t bytes);

/**
 * qcow_check_found:
 * @repaired: it is, or will be when this check has ended
 *
 * Tell of something wrong. In a check that repairs, what stays wrong is told
 * only when it is looked at again. Counts nothing.
 */
void qcow_check_found(QcowCheck *c, bool repaired, const char *fmt, ...)
    G_GNUC_PRINTF(3, 4);
/** qcow_check_corrupt: count a corruption that is not repaired, and tell. */
#define qcow_check_corrupt(c, ...)                                             \
    ((c)->corruptions++, qcow_check_found(c, false, __VA_ARGS__))
/** qcow_check_error: the same of something that could not be looked at. */
#define qcow_check_error(c, ...)                                               \
    ((c)->errors++, qcow_check_found(c, false, __VA_ARGS__))

#endif
