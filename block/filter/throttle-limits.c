/*
 * Limits of I/O as users write them: ThrottleLimits of throttle groups,
 * BlockIOThrottle of block_set_io_throttle, and the options of -drive.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/filter/throttle-group.h"
#include "util/cutils.h"
#include "util/error.h"

/* One value into @field, if it was given. */
static bool take(bool has, int64_t value, const char *name, uint64_t *field,
                 Error **errp)
{
    if (!has) {
        return true;
    }
    if (value < 0 || value > THROTTLE_VALUE_MAX) {
        error_setg(errp, "%s must be within [0, %" PRId64 "]", name,
                   THROTTLE_VALUE_MAX);
        return false;
    }
    *field = (uint64_t)value;
    return true;
}

#define TAKE(from, member, field)                                              \
    take((from)->has_##member, (from)->member, #member, field, errp)
#define TAKE_BUCKET(from, name, bucket)                                        \
    (TAKE(from, name, &cfg->buckets[bucket].avg) &&                            \
     TAKE(from, name##_max, &cfg->buckets[bucket].max) &&                      \
     TAKE(from, name##_max_length, &cfg->buckets[bucket].burst_length))

bool throttle_limits_to_config(const ThrottleLimits *l, ThrottleConfig *ret_cfg,
                               Error **errp)
{
    ThrottleConfig copy = *ret_cfg;
    ThrottleConfig *cfg = &copy;

    if (!TAKE_BUCKET(l, iops_total, THROTTLE_OPS_TOTAL) ||
        !TAKE_BUCKET(l, iops_read, THROTTLE_OPS_READ) ||
        !TAKE_BUCKET(l, iops_write, THROTTLE_OPS_WRITE) ||
        !TAKE_BUCKET(l, bps_total, THROTTLE_BPS_TOTAL) ||
        !TAKE_BUCKET(l, bps_read, THROTTLE_BPS_READ) ||
        !TAKE_BUCKET(l, bps_write, THROTTLE_BPS_WRITE) ||
        !TAKE(l, iops_size, &cfg->op_size)) {
        return false;
    }
    *ret_cfg = copy;
    return true;
}

#define GIVE(to, member, value)                                                \
    do {                                                                       \
        (to)->has_##member = true;                                             \
        (to)->member = (int64_t)(value);                                       \
    } while (0)
#define GIVE_BUCKET(to, name, bucket)                                          \
    do {                                                                       \
        GIVE(to, name, cfg->buckets[bucket].avg);                              \
        GIVE(to, name##_max, cfg->buckets[bucket].max);                        \
        GIVE(to, name##_max_length, cfg->buckets[bucket].burst_length);        \
    } while (0)

void throttle_config_to_limits(const ThrottleConfig *cfg, ThrottleLimits *l)
{
    GIVE_BUCKET(l, iops_total, THROTTLE_OPS_TOTAL);
    GIVE_BUCKET(l, iops_read, THROTTLE_OPS_READ);
    GIVE_BUCKET(l, iops_write, THROTTLE_OPS_WRITE);
    GIVE_BUCKET(l, bps_total, THROTTLE_BPS_TOTAL);
    GIVE_BUCKET(l, bps_read, THROTTLE_BPS_READ);
    GIVE_BUCKET(l, bps_write, THROTTLE_BPS_WRITE);
    GIVE(l, iops_size, cfg->op_size);
}

/* -- block_set_io_throttle ----------------------------------------------------------- */

#define TAKE_OLD(from, name, bucket)                                           \
    (take(true, (from)->name, #name, &cfg->buckets[bucket].avg, errp) &&       \
     TAKE(from, name##_max, &cfg->buckets[bucket].max) &&                      \
     TAKE(from, name##_max_length, &cfg->buckets[bucket].burst_length))

bool throttle_config_from_qmp(const BlockIOThrottle *t, ThrottleConfig *cfg,
                              Error **errp)
{
    throttle_config_init(cfg);
    return TAKE_OLD(t, bps, THROTTLE_BPS_TOTAL) &&
           TAKE_OLD(t, bps_rd, THROTTLE_BPS_READ) &&
           TAKE_OLD(t, bps_wr, THROTTLE_BPS_WRITE) &&
           TAKE_OLD(t, iops, THROTTLE_OPS_TOTAL) &&
           TAKE_OLD(t, iops_rd, THROTTLE_OPS_READ) &&
           TAKE_OLD(t, iops_wr, THROTTLE_OPS_WRITE) &&
           TAKE(t, iops_size, &cfg->op_size) && throttle_is_valid(cfg, errp);
}

/* -- -drive ---------------------------------------------------------------------------- */

/* An option's name in -drive, its old spelling, and where it goes. */
typedef struct DriveLimit {
    const char *name;
    const char *old;
    size_t offset; /* in ThrottleConfig */
} DriveLimit;

#define DRIVE_BUCKET(name, old, bucket)                                        \
    { "throttling." name, old,                                                 \
      offsetof(ThrottleConfig, buckets[bucket].avg) },                         \
        { "throttling." name "-max", old "_max",                               \
          offsetof(ThrottleConfig, buckets[bucket].max) },                     \
    {                                                                          \
        "throttling." name "-max-length", old "_max_length",                   \
            offsetof(ThrottleConfig, buckets[bucket].burst_length)             \
    }

static const DriveLimit drive_limits[] = {
    DRIVE_BUCKET("iops-total", "iops", THROTTLE_OPS_TOTAL),
    DRIVE_BUCKET("iops-read", "iops_rd", THROTTLE_OPS_READ),
    DRIVE_BUCKET("iops-write", "iops_wr", THROTTLE_OPS_WRITE),
    DRIVE_BUCKET("bps-total", "bps", THROTTLE_BPS_TOTAL),
    DRIVE_BUCKET("bps-read", "bps_rd", THROTTLE_BPS_READ),
    DRIVE_BUCKET("bps-write", "bps_wr", THROTTLE_BPS_WRITE),
    { "throttling.iops-size", "iops_size", offsetof(ThrottleConfig, op_size) },
};

/* A leaf of "throttling.iops-total", in whatever way @opts is nested; taken
 * out of it. */
static json_t *steal_option(json_t *opts, const char *name)
{
    const char *dot = strchr(name, '.');
    json_t *nested = NULL;
    json_t *value;

    value = json_incref(json_object_get(opts, name));
    if (value) {
        json_object_del(opts, name);
        return value;
    }
    if (dot) {
        g_autofree char *head = g_strndup(name, (gsize)(dot - name));

        nested = json_object_get(opts, head);
        value = nested ? steal_option(nested, dot + 1) : NULL;
        if (value && json_object_size(nested) == 0) {
            json_object_del(opts, head);
        }
    }
    return value;
}

static bool parse_limit(const char *name, json_t *value, uint64_t *field,
                        Error **errp)
{
    uint64_t n;

    if (json_is_integer(value)) {
        return take(true, json_integer_value(value), name, field, errp);
    }
    if (!json_is_string(value) ||
        qemu_strtosz(json_string_value(value), NULL, &n) < 0 ||
        n > (uint64_t)THROTTLE_VALUE_MAX) {
        error_setg(errp, "parameter '%s' must be within [0, %" PRId64 "]", name,
                   THROTTLE_VALUE_MAX);
        return false;
    }
    *field = n;
    return true;
}

bool throttle_config_from_drive(json_t *opts, ThrottleConfig *cfg, char **group,
                                Error **errp)
{
    g_autoptr(json_t) name = steal_option(opts, "throttling.group");

    throttle_config_init(cfg);
    for (size_t i = 0; i < ARRAY_SIZE(drive_limits); i++) {
        const DriveLimit *d = &drive_limits[i];
        g_autoptr(json_t) value = steal_option(opts, d->name);
        g_autoptr(json_t) old = steal_option(opts, d->old);

        if (value && old) {
            error_setg(errp,
                       "'%s' and its alias '%s' can't be used at the "
                       "same time",
                       d->name, d->old);
            return false;
        }
        if ((value || old) &&
            !parse_limit(value ? d->name : d->old, value ? value : old,
                         (uint64_t *)((char *)cfg + d->offset), errp)) {
            return false;
        }
    }
    if (!throttle_is_valid(cfg, errp)) {
        return false;
    }
    *group = g_strdup(json_string_value(name));
    return true;
}
