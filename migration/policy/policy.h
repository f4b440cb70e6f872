/*
 * Policy: what to do after each pass, apart from how it is done.
 *
 * The migration thread makes a PassReport at the end of every pass (all pages
 * that were dirty at its begin are sent, and a new sync says which are dirty
 * now) and asks policy_decide(). It may also ask in the middle of a long pass,
 * at most once a second, with report.partial set. The policy looks at nothing
 * but the reports and the knobs in them, has no clock and touches no machine,
 * so that a recorded run (policy/record.h) can be replayed through the same or
 * another policy offline (ferry-replay) and gives the same decisions.
 *
 * All of this is called in one thread, by the owner of the migration.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POLICY_H
#define MIGRATION_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

/* How a page crossed. */
typedef enum PolicyMethod {
    POLICY_METHOD_ZERO,
    POLICY_METHOD_PLAIN, /* as it is, main channel */
    POLICY_METHOD_XBZRLE,
    POLICY_METHOD_COMPRESS,
    POLICY_METHOD_MULTIFD, /* whatever its compression */
    POLICY_METHOD__MAX,
} PolicyMethod;

/* What a method did in the pass that is reported. */
typedef struct PolicyMethodReport {
    uint64_t pages;
    uint64_t bytes; /* on the wire */
    uint64_t cpu_ns;
} PolicyMethodReport;

/* Parameters and capabilities that are a policy's business, as they are now;
 * names and units as in migrate-set-parameters. */
typedef struct PolicyKnobs {
    bool auto_converge;
    bool xbzrle;
    bool compress;
    bool dirty_limit;
    unsigned throttle_trigger_threshold; /* percent */
    unsigned cpu_throttle_initial;       /* percent */
    unsigned cpu_throttle_increment;     /* percent */
    bool cpu_throttle_tailslow;
    unsigned max_cpu_throttle; /* percent */
    uint64_t downtime_limit_ms;
    uint64_t max_bandwidth;              /* bytes/s, 0: none */
    uint64_t avail_switchover_bandwidth; /* bytes/s, 0: as measured */
    uint64_t vcpu_dirty_limit;           /* MiB/s */
    uint64_t x_vcpu_dirty_limit_period;  /* ms */
} PolicyKnobs;

/**
 * PassReport: one pass, ended by a sync.
 * @pass: 1 is the first, over all RAM
 * @partial: asked in the middle of @pass: times, bytes and pages are since the
 *           last report, but for @method, which is empty; @remaining_pages is
 *           what the pass has left plus what is known to be dirty again. In the
 *           first pass @dirtied_pages is an estimate: only what was sent is seen
 * @time_ns: since the migration began
 * @duration_ns: of the pass
 * @ram_pages: of all blocks
 * @sent_pages: passed in it, by any method
 * @sent_bytes: on the wire, all channels
 * @dirtied_pages: became dirty during it, as the sync at its end tells
 * @remaining_pages: dirty now
 * @method: see PolicyMethod
 * @switchover_fixed_ns: what a pause costs beside sending RAM: stop, final
 *           sync, device state, the other side's loading and handshake; from
 *           the model that the owner keeps
 * @bandwidth: bytes/s that the link gives without the limit, best estimate
 *           (avail-switchover-bandwidth already applied); 0: not known yet
 * @throttle: percent now
 * @can_switch: a switchover may be begun now (the destination has given its
 *           SWITCHOVER_ACK, ...)
 */
typedef struct PassReport {
    uint64_t pass;
    bool partial;
    bool can_switch;
    int64_t time_ns;
    int64_t duration_ns;
    uint64_t ram_pages;
    uint64_t sent_pages;
    uint64_t sent_bytes;
    uint64_t dirtied_pages;
    uint64_t remaining_pages;
    PolicyMethodReport method[POLICY_METHOD__MAX];
    int64_t switchover_fixed_ns;
    uint64_t bandwidth;
    unsigned throttle;
    PolicyKnobs knobs;
} PassReport;

typedef enum PolicyAction {
    POLICY_CONTINUE, /* another pass (partial: go on) */
    POLICY_SWITCH,   /* stop the guest and send the rest */
} PolicyAction;

/**
 * Decision:
 * @throttle: percent from now on (MigrationHost.throttle_set); 0: none
 * @dirty_limit: MiB/s for each vCPU from now on; 0: none
 * @xbzrle, @compress: use the method from the next pass on
 * @expected_pause_ns: of a switchover now (expected-downtime); INT64_MAX: not
 *             known
 * @expected_end_ns: from now to the end, if things stay so; INT64_MAX: it does
 *             not converge
 * @why: constant text, for the record and trace
 */
typedef struct Decision {
    PolicyAction action;
    unsigned throttle;
    uint64_t dirty_limit;
    bool xbzrle;
    bool compress;
    int64_t expected_pause_ns;
    int64_t expected_end_ns;
    const char *why;
} Decision;

typedef struct MigrationPolicy MigrationPolicy;

/** policy_new: "classic" (also NULL): QEMU's knobs. Errors: no such policy. */
MigrationPolicy *policy_new(const char *name, Error **errp);
/** policy_free: accepts NULL. */
void policy_free(MigrationPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrationPolicy, policy_free)

/** policy_decide: (out) @decision is set whole. */
void policy_decide(MigrationPolicy *policy, const PassReport *report,
                   Decision *decision);

/** policy_name: "classic". */
const char *policy_name(const MigrationPolicy *policy);

/** policy_record_to: from now on append every report and decision to the file
 *  @path, as JSON lines (policy/record.h). Errors: the file. */
bool policy_record_to(MigrationPolicy *policy, const char *path, Error **errp);
/** policy_record_end: the migration ended as @status says; no-op unless it is
 *  recorded. Accepts NULL. */
void policy_record_end(MigrationPolicy *policy, const char *status,
                       int64_t total_ns, int64_t downtime_ns);

/** policy_method_name: "zero", "plain", ... */
const char *policy_method_name(PolicyMethod method);

#endif
