/*
 * Limits of I/O by leaky buckets.
 *
 * There are six buckets: bytes and operations, each for reads, writes, and
 * both together. A request pours its bytes (or 1) into those that it belongs
 * to, and each leaks at its average rate. A request may start while none of
 * its buckets is over its size; it may then overflow it, and those that come
 * later wait until what is too much has leaked. So a long-term average is
 * exact however large requests are.
 *
 * The size of a bucket is what may come at once: a tenth of a second's worth,
 * or `max`, one second of the rate allowed in a burst. A burst may last
 * `length` seconds, and is then limited to `max` a second by a second bucket.
 *
 * No lock and no clock in here: the caller has both.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_THROTTLE_H
#define UTIL_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/typedefs.h"

/* Largest rate and burst: a petabyte a second. */
#define THROTTLE_VALUE_MAX INT64_C(1000000000000000)

typedef enum BucketType {
    THROTTLE_BPS_TOTAL,
    THROTTLE_BPS_READ,
    THROTTLE_BPS_WRITE,
    THROTTLE_OPS_TOTAL,
    THROTTLE_OPS_READ,
    THROTTLE_OPS_WRITE,
    BUCKETS_COUNT,
} BucketType;

typedef struct LeakyBucket {
    uint64_t avg;          /* units a second; 0: no limit */
    uint64_t max;          /* units a second in a burst; 0: none */
    uint64_t burst_length; /* seconds that a burst may last; 1 or more */

    double level;       /* units in the bucket */
    double burst_level; /* units in the burst's bucket */
} LeakyBucket;

typedef struct ThrottleConfig {
    LeakyBucket buckets[BUCKETS_COUNT];
    uint64_t op_size; /* bytes; a larger request counts as several; 0: no */
} ThrottleConfig;

/* Zeroed memory has no limits. */
typedef struct ThrottleState {
    ThrottleConfig cfg;
    int64_t previous_leak_ns; /* on the caller's clock */
} ThrottleState;

/** throttle_config_init: no limits. */
void throttle_config_init(ThrottleConfig *cfg);
/** throttle_enabled: is there any limit? */
bool throttle_enabled(const ThrottleConfig *cfg);
/** throttle_is_valid: Errors: limits that contradict each other. */
bool throttle_is_valid(const ThrottleConfig *cfg, Error **errp);

/** throttle_config: take over new limits; buckets are empty then. */
void throttle_config(ThrottleState *ts, const ThrottleConfig *cfg,
                     int64_t now_ns);
/** throttle_get_config: what throttle_config() was given. */
void throttle_get_config(const ThrottleState *ts, ThrottleConfig *cfg);

/**
 * throttle_compute_wait_ns:
 * @now_ns: on the clock of the other calls; going back is harmless
 *
 * Leak, and say how long a request that begins now has to wait.
 *
 * Returns: 0: it may start.
 */
int64_t throttle_compute_wait_ns(ThrottleState *ts, bool is_write,
                                 int64_t now_ns);
/** throttle_account: a request of @bytes starts. */
void throttle_account(ThrottleState *ts, bool is_write, uint64_t bytes);

#endif
