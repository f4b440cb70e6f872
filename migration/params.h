/*
 * Settings of a migration: parameters and capabilities, one table each.
 *
 * Numbers are read by any thread with migrate_param(); a change while a
 * migration runs is seen at the next read. Strings are copied out under a
 * lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_PARAMS_H
#define MIGRATION_PARAMS_H

#include <jansson.h>

#include "qapi/qapi-types-migration.h"
#include "util/atomic.h"
#include "util/error.h"

typedef struct MigrationState MigrationState;

/* Members are those of QMP with '_' for '-'. All numbers are uint64_t (also
 * the enums), all switches bool; each is atomic. */
typedef struct MigrationParams {
    uint64_t announce_initial; /* ms */
    uint64_t announce_max;     /* ms */
    uint64_t announce_rounds;
    uint64_t announce_step; /* ms */
    uint64_t compress_level;
    uint64_t compress_threads;
    bool compress_wait_thread;
    uint64_t decompress_threads;
    uint64_t throttle_trigger_threshold; /* percent */
    uint64_t cpu_throttle_initial;       /* percent */
    uint64_t cpu_throttle_increment;     /* percent */
    bool cpu_throttle_tailslow;
    uint64_t max_cpu_throttle; /* percent */
    char *tls_creds;           /* under MigrationState.lock; never NULL */
    char *tls_hostname;        /* the same */
    char *tls_authz;           /* the same */
    char *x_record;            /* the same */
    uint64_t max_bandwidth;    /* bytes/s, 0 = no limit */
    uint64_t avail_switchover_bandwidth; /* bytes/s, 0 = measure */
    uint64_t downtime_limit;             /* ms */
    uint64_t max_postcopy_bandwidth;     /* bytes/s, 0 = no limit */
    bool block_incremental;
    json_t *block_bitmap_mapping; /* as tls_creds, but NULL: not set */
    uint64_t multifd_channels;
    uint64_t multifd_compression; /* MultiFDCompression */
    uint64_t multifd_zlib_level;
    uint64_t multifd_zstd_level;
    uint64_t xbzrle_cache_size;         /* bytes */
    uint64_t x_vcpu_dirty_limit_period; /* ms */
    uint64_t vcpu_dirty_limit;          /* MB/s */
    uint64_t mode;                      /* MigMode */
    uint64_t zero_page_detection;       /* ZeroPageDetection */
    bool direct_io;

    /* Not parameters of QMP: -global only. */
    bool store_global_state;
    bool send_configuration;
    bool send_devices;       /* ours: x-send-devices */
    bool near_threads;       /* ours: x-near-threads */
    bool urgent_channel;     /* ours: x-urgent-channel */
    uint64_t recovery_limit; /* ms, 0 = none; ours: x-recovery-limit */
    bool send_section_footer;
    bool decompress_error_check;
    uint64_t x_clear_bitmap_shift;
    bool x_postcopy_preempt_break_huge;
    uint64_t x_checkpoint_delay; /* ms; of COLO */
} MigrationParams;

/* migrate_param(ms, max_bandwidth): one number or switch. Thread: any. */
#define migrate_param(ms, member) qatomic_read(&(ms)->params.member)

typedef enum ParamKind {
    PARAM_NUMBER, /* uint64_t */
    PARAM_BOOL,   /* bool */
    PARAM_ENUM,   /* uint64_t, one of @lookup */
    PARAM_TEXT,   /* char *, never NULL; JSON null means "" */
    PARAM_JSON,   /* json_t *, is not changed; NULL: not set */
} ParamKind;

/* Cannot change while a migration runs. */
#define PARAM_F_FIXED (1u << 0)
/* Only for -global; no member of MigrationParameters. */
#define PARAM_F_GLOBAL_ONLY (1u << 1)

/* One parameter. */
typedef struct ParamDef {
    const char *name;   /* in QMP; NULL ends the table */
    const char *global; /* -global migration.NAME; NULL: none */
    ParamKind kind;
    unsigned flags;
    size_t offset; /* in MigrationParams */
    uint64_t def;
    uint64_t min, max; /* PARAM_NUMBER */
    const char *unit;  /* for messages and HMP; NULL: none */
    const QEnumLookup *lookup;
    bool (*check)(const json_t *value, Error **errp); /* PARAM_JSON */
} ParamDef;

extern const ParamDef migration_param_table[];

/** migration_param_find: the line called @name in QMP, or NULL. */
const ParamDef *migration_param_find(const char *name);

/** migration_params_init: all defaults. */
void migration_params_init(MigrationParams *p);
/** migration_params_clear: free the strings. */
void migration_params_clear(MigrationParams *p);

/**
 * migration_params_change:
 * @members: (in) object: parameter -> JSON number, bool or string
 * @running: is a migration under way? Then fixed ones are refused
 * @caps: (in) switched on capabilities, for the checks across
 *
 * Change @p, all or nothing. Errors name the member: out of range; fixed; it
 * does not go with another one or with a capability.
 */
bool migration_params_change(MigrationParams *p, json_t *members, bool running,
                             const bool caps[MIGRATION_CAPABILITY__MAX],
                             Error **errp);

/** migration_params_json: (transfer full) all parameters of QMP. */
json_t *migration_params_json(const MigrationParams *p);

/**
 * migration_param_parse:
 * @text: (in) as typed in HMP or -global: sizes may have suffixes
 * @def_shift: a number of a size without suffix is shifted by so many bits
 *
 * Returns: (transfer full) the JSON value; NULL = error.
 */
json_t *migration_param_parse(const ParamDef *def, const char *text,
                              int def_shift, Error **errp);

/* -- capabilities --------------------------------------------------------- */

/**
 * migration_caps_check:
 * @old: (in) as they are
 * @caps: (in) as they are to be
 * @params: (in) for the checks across
 * @ms: (in) for what depends on the host; NULL: leave that out
 * @outgoing, @incoming: is a migration under way, does this process wait for
 *     or load one?
 *
 * Errors: not in this build or on this host; cannot be switched now; does not
 * go with another capability or needs one.
 */
bool migration_caps_check(const bool old[MIGRATION_CAPABILITY__MAX],
                          const bool caps[MIGRATION_CAPABILITY__MAX],
                          const MigrationParams *params, MigrationState *ms,
                          bool outgoing, bool incoming, Error **errp);

#endif
