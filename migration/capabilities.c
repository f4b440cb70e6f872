/*
 * Capabilities: one table with what each needs, what it does not go with, and
 * whether it may be switched while a migration runs.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/migration-internal.h"
#include "migration/postcopy/postcopy.h"
#include "migration/ram/background.h"

typedef enum CapSwitch {
    CAP_FIXED,    /* not while a migration runs, on either side */
    CAP_LIVE,     /* at any time; takes effect at the next pass */
    CAP_AT_START, /* fixed once a migration runs, but the destination may
                     still switch it while it listens */
} CapSwitch;

typedef struct CapDef {
    const char *absent; /* why it cannot be on in this build; or NULL */
    unsigned needs;     /* set of capabilities */
    unsigned excludes;  /* set; said once for each pair */
    CapSwitch when;
} CapDef;

#define C(cap) (1u << MIGRATION_CAPABILITY_##cap)

_Static_assert(MIGRATION_CAPABILITY__MAX <= 32, "a set is a word");

static const CapDef cap_table[MIGRATION_CAPABILITY__MAX] = {
    [MIGRATION_CAPABILITY_XBZRLE] = { .when = CAP_LIVE },
    [MIGRATION_CAPABILITY_RDMA_PIN_ALL] = { .absent = "this build has no "
                                                      "RDMA" },
    [MIGRATION_CAPABILITY_AUTO_CONVERGE] = { .excludes = C(DIRTY_LIMIT),
                                             .when = CAP_LIVE },
    [MIGRATION_CAPABILITY_COMPRESS] = { .when = CAP_LIVE },
    [MIGRATION_CAPABILITY_EVENTS] = { .when = CAP_LIVE },
    [MIGRATION_CAPABILITY_POSTCOPY_RAM] = { .excludes = C(X_IGNORE_SHARED) |
                                                        C(MAPPED_RAM) },
    [MIGRATION_CAPABILITY_RELEASE_RAM] = { .when = CAP_AT_START },
    [MIGRATION_CAPABILITY_RETURN_PATH] = { .when = CAP_AT_START },
    [MIGRATION_CAPABILITY_PAUSE_BEFORE_SWITCHOVER] = { .when = CAP_LIVE },
    [MIGRATION_CAPABILITY_MULTIFD] = { .excludes = C(COMPRESS) | C(XBZRLE) },
    [MIGRATION_CAPABILITY_DIRTY_BITMAPS] = { .when = CAP_FIXED },
    [MIGRATION_CAPABILITY_POSTCOPY_BLOCKTIME] = { .when = CAP_AT_START },
    [MIGRATION_CAPABILITY_LATE_BLOCK_ACTIVATE] = { .when = CAP_LIVE },
    [MIGRATION_CAPABILITY_VALIDATE_UUID] = { .when = CAP_AT_START },
    /* Nothing is moved, nobody answers, and each page goes once. */
    [MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT] = { .excludes =
                                                       C(POSTCOPY_RAM) |
                                                       C(DIRTY_BITMAPS) |
                                                       C(POSTCOPY_BLOCKTIME) |
                                                       C(LATE_BLOCK_ACTIVATE) |
                                                       C(RETURN_PATH) |
                                                       C(MULTIFD) |
                                                       C(PAUSE_BEFORE_SWITCHOVER) |
                                                       C(AUTO_CONVERGE) |
                                                       C(RELEASE_RAM) |
                                                       C(RDMA_PIN_ALL) |
                                                       C(COMPRESS) | C(XBZRLE) |
                                                       C(VALIDATE_UUID) |
                                                       C(ZERO_COPY_SEND) |
                                                       C(X_IGNORE_SHARED) |
                                                       C(SWITCHOVER_ACK) |
                                                       C(DIRTY_LIMIT) |
                                                       C(MAPPED_RAM) },
    [MIGRATION_CAPABILITY_ZERO_COPY_SEND] = { .needs = C(MULTIFD),
                                              .excludes = C(COMPRESS) |
                                                          C(XBZRLE) |
                                                          C(MAPPED_RAM) },
    [MIGRATION_CAPABILITY_POSTCOPY_PREEMPT] = { .needs = C(POSTCOPY_RAM),
                                                .excludes = C(COMPRESS) },
    [MIGRATION_CAPABILITY_SWITCHOVER_ACK] = { .needs = C(RETURN_PATH),
                                              .excludes = C(MAPPED_RAM) },
    [MIGRATION_CAPABILITY_DIRTY_LIMIT] = { .when = CAP_LIVE },
    [MIGRATION_CAPABILITY_MAPPED_RAM] = { .excludes = C(COMPRESS) | C(XBZRLE) |
                                                      C(RETURN_PATH) },
};

/* The first member of @set, which is not empty. */
static const char *name_in(unsigned set)
{
    return MigrationCapability_str((MigrationCapability)__builtin_ctz(set));
}

static unsigned set_of(const bool caps[MIGRATION_CAPABILITY__MAX])
{
    unsigned set = 0;

    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        set |= (unsigned)qatomic_read(&caps[i]) << i;
    }
    return set;
}

static bool check_switch(unsigned changed, bool outgoing, bool incoming,
                         Error **errp)
{
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        CapSwitch when = cap_table[i].when;

        if (!(changed & (1u << i)) || when == CAP_LIVE) {
            continue;
        }
        if (outgoing || (incoming && when == CAP_FIXED)) {
            error_setg(errp,
                       "Capability '%s' cannot be switched while a migration "
                       "is under way",
                       MigrationCapability_str((MigrationCapability)i));
            return false;
        }
    }
    return true;
}

static bool check_pairs(unsigned on, Error **errp)
{
    for (int i = 0; i < MIGRATION_CAPABILITY__MAX; i++) {
        const CapDef *d = &cap_table[i];
        const char *name = MigrationCapability_str((MigrationCapability)i);

        if (!(on & (1u << i))) {
            continue;
        }
        if (d->absent) {
            error_setg(errp, "Capability '%s' is not available: %s", name,
                       d->absent);
            return false;
        }
        if (d->needs & ~on) {
            error_setg(errp, "Capability '%s' requires capability '%s'", name,
                       name_in(d->needs & ~on));
            return false;
        }
        if (d->excludes & on) {
            error_setg(errp,
                       "Capability '%s' is not compatible with capability "
                       "'%s'",
                       name, name_in(d->excludes & on));
            return false;
        }
    }
    return true;
}

static bool check_params(unsigned on, const MigrationParams *p, Error **errp)
{
    if (!(on & (C(ZERO_COPY_SEND) | C(MAPPED_RAM)))) {
        return true;
    }
    if (qatomic_read(&p->multifd_compression) != MULTIFD_COMPRESSION_NONE) {
        error_setg(errp,
                   "Capability '%s' is not compatible with parameter "
                   "'multifd-compression'",
                   name_in(on & (C(ZERO_COPY_SEND) | C(MAPPED_RAM))));
        return false;
    }
    if ((on & C(ZERO_COPY_SEND)) && p->tls_creds[0]) {
        error_setg(errp, "Capability 'zero-copy-send' is not compatible with "
                         "TLS (parameter 'tls-creds')");
        return false;
    }
    return true;
}

/* What the machine or the host cannot do; asked when it is switched on. */
static bool check_host(unsigned added, MigrationState *ms, Error **errp)
{
    /* Monitors are up before there is a machine. */
    const MigrationHost *host = qatomic_load_acquire(&ms->host);
    uint64_t pages;

    if ((added & C(POSTCOPY_RAM)) && host &&
        qatomic_load_acquire(&ms->incoming) &&
        !postcopy_supported(host->ram_blocks(ms->host_opaque), errp)) {
        error_prepend(errp, "Capability 'postcopy-ram' is not available: ");
        return false;
    }
    if ((added & C(BACKGROUND_SNAPSHOT)) && host &&
        !ram_background_supported(host->ram_blocks(ms->host_opaque), errp)) {
        error_prepend(errp,
                      "Capability 'background-snapshot' is not available: ");
        return false;
    }
    if ((added & C(DIRTY_LIMIT)) &&
        (!host || !host->vcpu_dirty_pages(ms->host_opaque, 0, &pages))) {
        error_setg(errp, "Capability 'dirty-limit' is not available: it needs "
                         "KVM with property 'dirty-ring-size'");
        return false;
    }
    return true;
}

bool migration_caps_check(const bool old[MIGRATION_CAPABILITY__MAX],
                          const bool caps[MIGRATION_CAPABILITY__MAX],
                          const MigrationParams *params, MigrationState *ms,
                          bool outgoing, bool incoming, Error **errp)
{
    unsigned was = set_of(old);
    unsigned on = set_of(caps);

    return check_switch(was ^ on, outgoing, incoming, errp) &&
           check_pairs(on, errp) && check_params(on, params, errp) &&
           (!ms || check_host(on & ~was, ms, errp));
}
