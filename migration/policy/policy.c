/*
 * Policies: choosing one by name and asking it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/policy/policy.h"

#include "migration/policy/internal.h"
#include "migration/policy/record.h"
#include "migration/ram-block.h"
#include "trace/trace-migration.h"
#include "util/error.h"

#define NS_PER_S INT64_C(1000000000)

struct MigrationPolicy {
    const PolicyClass *class;
    void *state;
    PolicyRecorder *recorder; /* NULL: not recorded */
};

/* The first one is the default. */
static const PolicyClass *const policies[] = { &policy_classic };

static const char *const method_names[POLICY_METHOD__MAX] = {
    "zero", "plain", "xbzrle", "compress", "multifd",
};

const char *policy_method_name(PolicyMethod method)
{
    return method < POLICY_METHOD__MAX ? method_names[method] : "?";
}

int64_t policy_ram_ns(uint64_t pages, uint64_t bandwidth)
{
    double ns;

    if (pages == 0) {
        return 0;
    }
    if (bandwidth == 0) {
        return INT64_MAX;
    }
    ns = (double)pages * RAM_PAGE_SIZE * NS_PER_S / (double)bandwidth;
    return ns < (double)INT64_MAX / 2 ? (int64_t)ns : INT64_MAX;
}

MigrationPolicy *policy_new(const char *name, Error **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(policies); i++) {
        if (!name || strcmp(policies[i]->name, name) == 0) {
            MigrationPolicy *p = g_new0(MigrationPolicy, 1);

            p->class = policies[i];
            p->state = g_malloc0(p->class->size);
            return p;
        }
    }
    error_setg(errp, "there is no migration policy '%s'", name);
    return NULL;
}

void policy_free(MigrationPolicy *policy)
{
    if (policy) {
        policy_recorder_free(policy->recorder);
        g_free(policy->state);
        g_free(policy);
    }
}

const char *policy_name(const MigrationPolicy *policy)
{
    return policy->class->name;
}

static int64_t expected_pause(const PassReport *r)
{
    int64_t ram = policy_ram_ns(r->remaining_pages, r->bandwidth);

    return ram == INT64_MAX ? ram : ram + MAX(r->switchover_fixed_ns, 0);
}

void policy_decide(MigrationPolicy *policy, const PassReport *report,
                   Decision *decision)
{
    *decision = (Decision){ .action = POLICY_CONTINUE,
                            .throttle = report->throttle,
                            .xbzrle = report->knobs.xbzrle,
                            .compress = report->knobs.compress,
                            .expected_pause_ns = expected_pause(report),
                            .expected_end_ns = INT64_MAX,
                            .why = "go on" };
    policy->class->decide(policy->state, report, decision);
    trace_migration_policy(report->pass, report->remaining_pages,
                           decision->action, decision->throttle, decision->why);
    if (policy->recorder) {
        policy_recorder_pass(policy->recorder, report, decision);
    }
}

bool policy_record_to(MigrationPolicy *policy, const char *path, Error **errp)
{
    PolicyRecorder *rec = policy_recorder_new(path, policy->class->name, errp);

    if (!rec) {
        return false;
    }
    policy_recorder_free(policy->recorder);
    policy->recorder = rec;
    return true;
}

void policy_record_end(MigrationPolicy *policy, const char *status,
                       int64_t total_ns, int64_t downtime_ns)
{
    if (policy && policy->recorder) {
        policy_recorder_end(policy->recorder, status, total_ns, downtime_ns);
    }
}
