/*
 * Limits of I/O by leaky buckets.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/throttle.h"

#include "util/error.h"

#define THROTTLE_NS_PER_S 1000000000.0
/* What may come at once without `max`: this part of a second's worth. */
#define THROTTLE_DEFAULT_BURST 10

void throttle_config_init(ThrottleConfig *cfg)
{
    memset(cfg, 0, sizeof(*cfg));
    for (unsigned i = 0; i < BUCKETS_COUNT; i++) {
        cfg->buckets[i].burst_length = 1;
    }
}

bool throttle_enabled(const ThrottleConfig *cfg)
{
    for (unsigned i = 0; i < BUCKETS_COUNT; i++) {
        if (cfg->buckets[i].avg) {
            return true;
        }
    }
    return false;
}

/* -- validity ------------------------------------------------------------------ */

static bool bucket_conflicts(const ThrottleConfig *cfg, BucketType total,
                             BucketType read, BucketType write)
{
    const LeakyBucket *b = cfg->buckets;

    return (b[total].avg && (b[read].avg || b[write].avg)) ||
           (b[total].max && (b[read].max || b[write].max));
}

static bool bucket_is_valid(const LeakyBucket *b, Error **errp)
{
    if (b->avg > THROTTLE_VALUE_MAX || b->max > THROTTLE_VALUE_MAX) {
        error_setg(errp, "bps/iops/max values must be within [0, %" PRId64 "]",
                   THROTTLE_VALUE_MAX);
        return false;
    }
    if (!b->burst_length) {
        error_setg(errp, "the burst length cannot be 0");
        return false;
    }
    if (b->burst_length > 1 && !b->max) {
        error_setg(errp, "burst length set without burst rate");
        return false;
    }
    if (b->max && b->burst_length > THROTTLE_VALUE_MAX / b->max) {
        error_setg(errp, "burst length too high for this burst rate");
        return false;
    }
    if (b->max && !b->avg) {
        error_setg(errp,
                   "bps_max/iops_max require corresponding bps/iops values");
        return false;
    }
    if (b->max && b->max < b->avg) {
        error_setg(errp, "bps_max/iops_max cannot be lower than bps/iops");
        return false;
    }
    return true;
}

bool throttle_is_valid(const ThrottleConfig *cfg, Error **errp)
{
    const LeakyBucket *b = cfg->buckets;

    if (bucket_conflicts(cfg, THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ,
                         THROTTLE_BPS_WRITE) ||
        bucket_conflicts(cfg, THROTTLE_OPS_TOTAL, THROTTLE_OPS_READ,
                         THROTTLE_OPS_WRITE)) {
        error_setg(errp, "bps/iops/max total values and read/write values "
                         "cannot be used at the same time");
        return false;
    }
    if (cfg->op_size && !b[THROTTLE_OPS_TOTAL].avg &&
        !b[THROTTLE_OPS_READ].avg && !b[THROTTLE_OPS_WRITE].avg) {
        error_setg(errp, "iops size requires an iops value to be set");
        return false;
    }
    if (cfg->op_size > THROTTLE_VALUE_MAX) {
        error_setg(errp, "iops size must be within [0, %" PRId64 "]",
                   THROTTLE_VALUE_MAX);
        return false;
    }
    for (unsigned i = 0; i < BUCKETS_COUNT; i++) {
        if (!bucket_is_valid(&b[i], errp)) {
            return false;
        }
    }
    return true;
}

/* -- buckets ------------------------------------------------------------------- */

void throttle_config(ThrottleState *ts, const ThrottleConfig *cfg,
                     int64_t now_ns)
{
    ts->cfg = *cfg;
    for (unsigned i = 0; i < BUCKETS_COUNT; i++) {
        ts->cfg.buckets[i].level = 0;
        ts->cfg.buckets[i].burst_level = 0;
    }
    ts->previous_leak_ns = now_ns;
}

void throttle_get_config(const ThrottleState *ts, ThrottleConfig *cfg)
{
    *cfg = ts->cfg;
}

static void bucket_leak(LeakyBucket *b, double seconds)
{
    b->level = MAX(b->level - (double)b->avg * seconds, 0);
    if (b->burst_length > 1) {
        b->burst_level = MAX(b->burst_level - (double)b->max * seconds, 0);
    }
}

static void throttle_leak(ThrottleState *ts, int64_t now_ns)
{
    double seconds =
        (double)(now_ns - ts->previous_leak_ns) / THROTTLE_NS_PER_S;

    ts->previous_leak_ns = now_ns;
    if (seconds > 0) {
        for (unsigned i = 0; i < BUCKETS_COUNT; i++) {
            bucket_leak(&ts->cfg.buckets[i], seconds);
        }
    }
}

/* Seconds until @level is down to @size at @rate. */
static double bucket_excess(double level, double size, double rate)
{
    return level > size ? (level - size) / rate : 0;
}

static double bucket_wait(const LeakyBucket *b)
{
    double avg = (double)b->avg;
    double max = (double)b->max;
    double size;
    double wait;

    if (!b->avg) {
        return 0;
    }
    size =
        b->max ? max * (double)b->burst_length : avg / THROTTLE_DEFAULT_BURST;
    wait = bucket_excess(b->level, size, avg);
    if (b->burst_length > 1) {
        wait = MAX(wait, bucket_excess(b->burst_level,
                                       max / THROTTLE_DEFAULT_BURST, max));
    }
    return wait;
}

/* Which buckets a request of one direction goes into. */
static const BucketType throttle_buckets[2][4] = {
    { THROTTLE_BPS_TOTAL, THROTTLE_BPS_READ, THROTTLE_OPS_TOTAL,
      THROTTLE_OPS_READ },
    { THROTTLE_BPS_TOTAL, THROTTLE_BPS_WRITE, THROTTLE_OPS_TOTAL,
      THROTTLE_OPS_WRITE },
};

int64_t throttle_compute_wait_ns(ThrottleState *ts, bool is_write,
                                 int64_t now_ns)
{
    double wait = 0;

    throttle_leak(ts, now_ns);
    for (unsigned i = 0; i < ARRAY_SIZE(throttle_buckets[0]); i++) {
        BucketType type = throttle_buckets[is_write][i];

        wait = MAX(wait, bucket_wait(&ts->cfg.buckets[type]));
    }
    if (wait == 0) {
        return 0;
    }
    /* Rounded up, so that who waits so long need not wait again; and a day is
     * long enough to ask again. */
    return (int64_t)(MIN(wait, 86400.0) * THROTTLE_NS_PER_S) + 1;
}

static void bucket_pour(LeakyBucket *b, double units)
{
    b->level += units;
    if (b->burst_length > 1) {
        b->burst_level += units;
    }
}

void throttle_account(ThrottleState *ts, bool is_write, uint64_t bytes)
{
    double ops = 1;

    if (ts->cfg.op_size && bytes > ts->cfg.op_size) {
        ops = (double)bytes / (double)ts->cfg.op_size;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(throttle_buckets[0]); i++) {
        BucketType type = throttle_buckets[is_write][i];

        bucket_pour(&ts->cfg.buckets[type],
                    type < THROTTLE_OPS_TOTAL ? (double)bytes : ops);
    }
}
