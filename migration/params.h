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

#include "qapi/qapi-types-migration.h"
#include "util/atomic.h"
#include "util/error.h"

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
    uint64_t max_bandwidth;    /* bytes/s, 0 = no limit */
    uint64_t avail_switchover_bandwidth; /* bytes/s, 0 = measure */
    uint64_t downtime_limit;             /* ms */
    uint64_t max_postcopy_bandwidth;     /* bytes/s, 0 = no limit */
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
    bool send_section_footer;
    bool decompress_error_check;
    uint64_t x_clear_bitmap_shift;
} MigrationParams;

/* migrate_param(ms, max_bandwidth): one number or switch. Thread: any. */
#define migrate_param(ms, member) qatomic_read(&(ms)->params.member)

#endif
