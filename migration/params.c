/*
 * Parameters: one table with name, default, range and unit of each; reading,
 * writing, defaults, -global and the messages all follow from it.
 *
 * A change is made to a copy, which is checked as a whole and then taken over
 * member by member, so that readers in other threads see old or new numbers
 * and never a set that was refused.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/params.h"

#include "migration/bitmap/mapping.h"
#include "util/cutils.h"

#define MEMBER(m) .offset = offsetof(MigrationParams, m)
#define NUMBER(n, g, m, d, lo, hi, ...)                                        \
    {                                                                          \
        .name = (n), .global = (g), .kind = PARAM_NUMBER, MEMBER(m),           \
        .def = (d), .min = (lo), .max = (hi), __VA_ARGS__                      \
    }
#define BOOL(n, g, m, d, ...)                                                  \
    {                                                                          \
        .name = (n), .global = (g), .kind = PARAM_BOOL, MEMBER(m), .def = (d), \
        __VA_ARGS__                                                            \
    }
#define ENUM(n, g, m, d, l, ...)                                               \
    {                                                                          \
        .name = (n), .global = (g), .kind = PARAM_ENUM, MEMBER(m), .def = (d), \
        .lookup = &(l), __VA_ARGS__                                            \
    }
#define TEXT(n, m)                                                             \
    {                                                                          \
        .name = (n), .global = (n), .kind = PARAM_TEXT, MEMBER(m)              \
    }

#define JSON(n, m, c, ...)                                                     \
    {                                                                          \
        .name = (n), .kind = PARAM_JSON, MEMBER(m), .check = (c), __VA_ARGS__  \
    }

/* JSON integers are signed. */
#define NUMBER_MAX INT64_MAX
#define CACHE_MAX  (UINT64_C(1) << 42)
#define CACHE_MIN  4096

const ParamDef migration_param_table[] = {
    NUMBER("announce-initial", "announce-initial", announce_initial, 50, 0,
           100000, .unit = "milliseconds"),
    NUMBER("announce-max", "announce-max", announce_max, 550, 0, 100000,
           .unit = "milliseconds"),
    NUMBER("announce-rounds", "announce-rounds", announce_rounds, 5, 0, 1000),
    NUMBER("announce-step", "announce-step", announce_step, 100, 1, 10000,
           .unit = "milliseconds"),
    NUMBER("compress-level", "x-compress-level", compress_level, 1, 0, 9),
    NUMBER("compress-threads", "x-compress-threads", compress_threads, 8, 1,
           255),
    BOOL("compress-wait-thread", "x-compress-wait-thread", compress_wait_thread,
         true),
    NUMBER("decompress-threads", "x-decompress-threads", decompress_threads, 2,
           1, 255, .flags = PARAM_F_FIXED),
    NUMBER("throttle-trigger-threshold", "x-throttle-trigger-threshold",
           throttle_trigger_threshold, 50, 1, 100, .unit = "percent"),
    NUMBER("cpu-throttle-initial", "x-cpu-throttle-initial",
           cpu_throttle_initial, 20, 1, 99, .unit = "percent"),
    NUMBER("cpu-throttle-increment", "x-cpu-throttle-increment",
           cpu_throttle_increment, 10, 1, 99, .unit = "percent"),
    BOOL("cpu-throttle-tailslow", "x-cpu-throttle-tailslow",
         cpu_throttle_tailslow, false),
    NUMBER("max-cpu-throttle", "max-cpu-throttle", max_cpu_throttle, 99, 1, 99,
           .unit = "percent"),
    TEXT("tls-creds", tls_creds),
    TEXT("tls-hostname", tls_hostname),
    TEXT("tls-authz", tls_authz),
    TEXT("x-record", x_record),
    NUMBER("max-bandwidth", "x-max-bandwidth", max_bandwidth, 128 << 20, 0,
           NUMBER_MAX, .unit = "bytes/second"),
    NUMBER("avail-switchover-bandwidth", "avail-switchover-bandwidth",
           avail_switchover_bandwidth, 0, 0, NUMBER_MAX,
           .unit = "bytes/second"),
    NUMBER("downtime-limit", "x-downtime-limit", downtime_limit, 300, 0,
           2000000, .unit = "milliseconds"),
    NUMBER("max-postcopy-bandwidth", "max-postcopy-bandwidth",
           max_postcopy_bandwidth, 0, 0, NUMBER_MAX, .unit = "bytes/second"),
    BOOL("block-incremental", NULL, block_incremental, false),
    JSON("block-bitmap-mapping", block_bitmap_mapping, bitmap_mapping_check,
         .flags = PARAM_F_FIXED),
    NUMBER("multifd-channels", "multifd-channels", multifd_channels, 2, 1, 255,
           .flags = PARAM_F_FIXED),
    ENUM("multifd-compression", "multifd-compression", multifd_compression,
         MULTIFD_COMPRESSION_NONE, MultiFDCompression_lookup),
    NUMBER("multifd-zlib-level", "multifd-zlib-level", multifd_zlib_level, 1, 0,
           9),
    NUMBER("multifd-zstd-level", "multifd-zstd-level", multifd_zstd_level, 1, 0,
           20),
    NUMBER("xbzrle-cache-size", "xbzrle-cache-size", xbzrle_cache_size,
           64 << 20, CACHE_MIN, CACHE_MAX, .unit = "bytes"),
    NUMBER("x-vcpu-dirty-limit-period", "x-vcpu-dirty-limit-period",
           x_vcpu_dirty_limit_period, 1000, 1, 1000, .unit = "milliseconds"),
    NUMBER("vcpu-dirty-limit", "vcpu-dirty-limit", vcpu_dirty_limit, 1, 1,
           NUMBER_MAX >> 20, .unit = "MB/second"),
    ENUM("mode", "mode", mode, MIG_MODE_NORMAL, MigMode_lookup,
         .flags = PARAM_F_FIXED),
    ENUM("zero-page-detection", "zero-page-detection", zero_page_detection,
         ZERO_PAGE_DETECTION_MULTIFD, ZeroPageDetection_lookup,
         .flags = PARAM_F_FIXED),
    BOOL("direct-io", "direct-io", direct_io, false, .flags = PARAM_F_FIXED),

    BOOL("store-global-state", "store-global-state", store_global_state, true,
         .flags = PARAM_F_GLOBAL_ONLY),
    BOOL("send-configuration", "send-configuration", send_configuration, true,
         .flags = PARAM_F_GLOBAL_ONLY),
    BOOL("x-send-devices", "x-send-devices", send_devices, true,
         .flags = PARAM_F_GLOBAL_ONLY),
    BOOL("x-near-threads", "x-near-threads", near_threads, true,
         .flags = PARAM_F_GLOBAL_ONLY),
    BOOL("x-urgent-channel", "x-urgent-channel", urgent_channel, true,
         .flags = PARAM_F_GLOBAL_ONLY),
    NUMBER("x-recovery-limit", "x-recovery-limit", recovery_limit, 30000, 0,
           3600000, .unit = "milliseconds", .flags = PARAM_F_GLOBAL_ONLY),
    BOOL("send-section-footer", "send-section-footer", send_section_footer,
         true, .flags = PARAM_F_GLOBAL_ONLY),
    BOOL("decompress-error-check", "decompress-error-check",
         decompress_error_check, true, .flags = PARAM_F_GLOBAL_ONLY),
    BOOL("x-postcopy-preempt-break-huge", "x-postcopy-preempt-break-huge",
         x_postcopy_preempt_break_huge, false, .flags = PARAM_F_GLOBAL_ONLY),
    NUMBER("x-checkpoint-delay", "x-checkpoint-delay", x_checkpoint_delay,
           20000, 0, UINT32_MAX, .flags = PARAM_F_GLOBAL_ONLY),
    NUMBER("x-clear-bitmap-shift", "x-clear-bitmap-shift", x_clear_bitmap_shift,
           18, 6, 31, .flags = PARAM_F_GLOBAL_ONLY),
    {}
};

static void *value_of(const MigrationParams *p, const ParamDef *def)
{
    return (char *)p + def->offset;
}

const ParamDef *migration_param_find(const char *name)
{
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        if (g_str_equal(d->name, name)) {
            return d;
        }
    }
    return NULL;
}

void migration_params_init(MigrationParams *p)
{
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        switch (d->kind) {
        case PARAM_NUMBER:
        case PARAM_ENUM:
            *(uint64_t *)value_of(p, d) = d->def;
            break;
        case PARAM_BOOL:
            *(bool *)value_of(p, d) = d->def != 0;
            break;
        case PARAM_TEXT:
            *(char **)value_of(p, d) = g_strdup("");
            break;
        case PARAM_JSON:
            *(json_t **)value_of(p, d) = NULL;
            break;
        }
    }
}

void migration_params_clear(MigrationParams *p)
{
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        if (d->kind == PARAM_TEXT) {
            g_clear_pointer((char **)value_of(p, d), g_free);
        } else if (d->kind == PARAM_JSON) {
            g_clear_pointer((json_t **)value_of(p, d), json_decref);
        }
    }
}

static void params_copy(MigrationParams *to, const MigrationParams *from)
{
    *to = *from;
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        if (d->kind == PARAM_TEXT) {
            *(char **)value_of(to, d) = g_strdup(*(char **)value_of(from, d));
        } else if (d->kind == PARAM_JSON) {
            json_incref(*(json_t **)value_of(to, d));
        }
    }
}

/* -- checks --------------------------------------------------------------- */

static bool number_in_range(const ParamDef *d, json_int_t n, Error **errp)
{
    if (n >= 0 && (uint64_t)n >= d->min && (uint64_t)n <= d->max) {
        return true;
    }
    error_setg(errp,
               "Parameter '%s' expects an integer in the range of %" PRIu64
               " to %" PRIu64 "%s%s, not %" JSON_INTEGER_FORMAT,
               d->name, d->min, d->max, d->unit ? " " : "",
               d->unit ? d->unit : "", n);
    return false;
}

static bool wrong_type(const ParamDef *d, const char *expected, Error **errp)
{
    error_setg(errp, "Parameter '%s' expects %s", d->name, expected);
    return false;
}

static bool store_enum(const ParamDef *d, uint64_t *to, json_t *value,
                       Error **errp)
{
    const char *text = json_string_value(value);
    int code = text ? qapi_enum_parse(d->lookup, text, -1, NULL) : -1;

    if (code < 0) {
        error_setg(errp, "Parameter '%s' does not accept value '%s'", d->name,
                   text ? text : "");
        return false;
    }
    *to = (uint64_t)code;
    return true;
}

static bool store(const ParamDef *d, MigrationParams *p, json_t *value,
                  Error **errp)
{
    void *to = value_of(p, d);

    switch (d->kind) {
    case PARAM_NUMBER:
        if (!json_is_integer(value)) {
            return wrong_type(d, "an integer", errp);
        }
        if (!number_in_range(d, json_integer_value(value), errp)) {
            return false;
        }
        *(uint64_t *)to = (uint64_t)json_integer_value(value);
        return true;
    case PARAM_BOOL:
        if (!json_is_boolean(value)) {
            return wrong_type(d, "true or false", errp);
        }
        *(bool *)to = json_is_true(value);
        return true;
    case PARAM_ENUM:
        return store_enum(d, to, value, errp);
    case PARAM_TEXT:
        if (!json_is_string(value) && !json_is_null(value)) {
            return wrong_type(d, "a string or null", errp);
        }
        g_free(*(char **)to);
        *(char **)to =
            g_strdup(json_is_null(value) ? "" : json_string_value(value));
        return true;
    case PARAM_JSON:
        if (!d->check(value, errp)) {
            return false;
        }
        json_decref(*(json_t **)to);
        *(json_t **)to = json_incref(value);
        return true;
    }
    g_assert_not_reached();
}

static bool check_across(const MigrationParams *p, const bool *caps,
                         Error **errp)
{
    bool zero_copy = caps[MIGRATION_CAPABILITY_ZERO_COPY_SEND];

    if (p->block_incremental) {
        error_setg(errp, "Parameter 'block-incremental' cannot be true: disks "
                         "are copied by other means");
        return false;
    }
    if (p->max_cpu_throttle < p->cpu_throttle_initial) {
        error_setg(errp,
                   "Parameter 'max-cpu-throttle' (%" PRIu64
                   ") is below 'cpu-throttle-initial' (%" PRIu64 ")",
                   p->max_cpu_throttle, p->cpu_throttle_initial);
        return false;
    }
    if (p->xbzrle_cache_size & (p->xbzrle_cache_size - 1)) {
        error_setg(errp,
                   "Parameter 'xbzrle-cache-size' expects a power of two, not "
                   "%" PRIu64,
                   p->xbzrle_cache_size);
        return false;
    }
    if (zero_copy && p->multifd_compression != MULTIFD_COMPRESSION_NONE) {
        error_setg(errp, "Parameter 'multifd-compression' must be 'none' with "
                         "capability 'zero-copy-send'");
        return false;
    }
    if (zero_copy && p->tls_creds[0]) {
        error_setg(errp, "Parameter 'tls-creds' must be empty with capability "
                         "'zero-copy-send'");
        return false;
    }
    if (caps[MIGRATION_CAPABILITY_MAPPED_RAM] &&
        p->multifd_compression != MULTIFD_COMPRESSION_NONE) {
        error_setg(errp, "Parameter 'multifd-compression' must be 'none' with "
                         "capability 'mapped-ram'");
        return false;
    }
    return true;
}

/* -- changing --------------------------------------------------------------- */

static bool is_same(const ParamDef *d, const MigrationParams *a,
                    const MigrationParams *b)
{
    switch (d->kind) {
    case PARAM_BOOL:
        return *(bool *)value_of(a, d) == *(bool *)value_of(b, d);
    case PARAM_TEXT:
        return g_str_equal(*(char **)value_of(a, d), *(char **)value_of(b, d));
    case PARAM_JSON:
        return *(json_t **)value_of(a, d) == *(json_t **)value_of(b, d) ||
               json_equal(*(json_t **)value_of(a, d),
                          *(json_t **)value_of(b, d));
    default:
        return *(uint64_t *)value_of(a, d) == *(uint64_t *)value_of(b, d);
    }
}

static void take_over(MigrationParams *p, MigrationParams *staged)
{
    for (const ParamDef *d = migration_param_table; d->name; d++) {
        void *to = value_of(p, d);
        void *from = value_of(staged, d);

        switch (d->kind) {
        case PARAM_BOOL:
            qatomic_set((bool *)to, *(bool *)from);
            break;
        case PARAM_TEXT:
            g_free(*(char **)to);
            *(char **)to = g_steal_pointer((char **)from);
            break;
        case PARAM_JSON:
            json_decref(*(json_t **)to);
            *(json_t **)to = g_steal_pointer((json_t **)from);
            break;
        default:
            qatomic_set((uint64_t *)to, *(uint64_t *)from);
            break;
        }
    }
}

static bool stage(MigrationParams *staged, const MigrationParams *p,
                  json_t *members, bool running, Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach(members, key, value)
    {
        const ParamDef *d = migration_param_find(key);

        if (!d) {
            error_setg(errp, "Parameter '%s' is unexpected", key);
            return false;
        }
        if (!store(d, staged, value, errp)) {
            return false;
        }
        if (running && (d->flags & PARAM_F_FIXED) && !is_same(d, p, staged)) {
            error_setg(errp,
                       "Parameter '%s' cannot change while a migration is "
                       "under way",
                       key);
            return false;
        }
    }
    return true;
}

bool migration_params_change(MigrationParams *p, json_t *members, bool running,
                             const bool caps[MIGRATION_CAPABILITY__MAX],
                             Error **errp)
{
    MigrationParams staged;
    bool ok;

    params_copy(&staged, p);
    ok = stage(&staged, p, members, running, errp) &&
         check_across(&staged, caps, errp);
    if (ok) {
        take_over(p, &staged);
    }
    migration_params_clear(&staged);
    return ok;
}

json_t *migration_params_json(const MigrationParams *p)
{
    json_t *all = json_object();

    for (const ParamDef *d = migration_param_table; d->name; d++) {
        const void *from = value_of(p, d);
        json_t *value = NULL;

        if (d->flags & PARAM_F_GLOBAL_ONLY) {
            continue;
        }
        switch (d->kind) {
        case PARAM_NUMBER:
            value = json_integer((json_int_t)qatomic_read((uint64_t *)from));
            break;
        case PARAM_ENUM:
            value = json_string(qapi_enum_lookup(
                d->lookup, (int)qatomic_read((uint64_t *)from)));
            break;
        case PARAM_BOOL:
            value = json_boolean(qatomic_read((bool *)from));
            break;
        case PARAM_TEXT:
            value = json_string(*(char **)from);
            break;
        case PARAM_JSON:
            value = json_incref(*(json_t **)from);
            break;
        }
        if (!value) {
            continue;
        }
        json_object_set_new(all, d->name, value);
    }
    return all;
}

/* -- text -------------------------------------------------------------------- */

static bool is_size(const ParamDef *d)
{
    return d->unit && g_str_has_prefix(d->unit, "bytes");
}

static json_t *parse_number(const ParamDef *d, const char *text, int def_shift,
                            Error **errp)
{
    uint64_t n = 0;
    int ret;

    if (is_size(d)) {
        ret = def_shift ? qemu_strtosz_MiB(text, NULL, &n)
                        : qemu_strtosz(text, NULL, &n);
    } else {
        ret = qemu_strtou64(text, NULL, 10, &n);
    }
    if (ret < 0 || n > NUMBER_MAX) {
        error_setg(errp, "Parameter '%s' expects a number, not '%s'", d->name,
                   text);
        return NULL;
    }
    return json_integer((json_int_t)n);
}

json_t *migration_param_parse(const ParamDef *def, const char *text,
                              int def_shift, Error **errp)
{
    bool on = false;

    switch (def->kind) {
    case PARAM_NUMBER:
        return parse_number(def, text, def_shift, errp);
    case PARAM_BOOL:
        return qapi_bool_parse(def->name, text, &on, errp) ? json_boolean(on)
                                                           : NULL;
    case PARAM_JSON:
        error_setg(errp, "Parameter '%s' can only be set by QMP", def->name);
        return NULL;
    default:
        return json_string(text);
    }
}
