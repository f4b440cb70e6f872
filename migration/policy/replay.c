/*
 * Asking a policy about a recorded run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/policy-replay.h"
#include "migration/policy/record.h"
#include "migration/ram-block.h"
#include "util/error.h"

#define MS 1e6

typedef struct Replay {
    const char *want; /* policy; NULL: as recorded */
    const json_t *knobs;
    MigrationPolicy *policy; /* of the present run; NULL: no run yet */
    GString *out;
    uint64_t differ;
} Replay;

static double mib(uint64_t pages)
{
    return (double)(pages * RAM_PAGE_SIZE) / (1 << 20);
}

static void put_decision(GString *out, const Decision *d)
{
    g_string_append_printf(out, "  %-8s %3u%%",
                           d->action == POLICY_SWITCH ? "switch" : "continue",
                           d->throttle);
    if (d->expected_pause_ns == INT64_MAX) {
        g_string_append(out, "        ?");
    } else {
        g_string_append_printf(out, " %8.1f",
                               (double)d->expected_pause_ns / MS);
    }
}

static bool same_decision(const Decision *a, const Decision *b)
{
    return a->action == b->action && a->throttle == b->throttle &&
           a->dirty_limit == b->dirty_limit && a->xbzrle == b->xbzrle &&
           a->compress == b->compress;
}

static bool replay_pass(Replay *r, const json_t *json, Error **errp)
{
    PassReport report;
    Decision recorded, now;
    bool same;

    if (!r->policy) {
        error_setg(errp, "a pass before the begin of a run");
        return false;
    }
    if (!policy_report_from_json(json_object_get(json, "report"), &report,
                                 errp) ||
        !policy_decision_from_json(json_object_get(json, "decision"), &recorded,
                                   errp) ||
        !policy_knobs_from_json(r->knobs, &report.knobs, errp)) {
        return false;
    }
    policy_decide(r->policy, &report, &now);
    same = same_decision(&recorded, &now);
    r->differ += !same;
    g_string_append_printf(r->out, "%5" PRIu64 "%c %9.1f %9.1f %9.1f %9.1f",
                           report.pass, report.partial ? '+' : ' ',
                           (double)report.time_ns / MS,
                           (double)report.duration_ns / MS,
                           mib(report.dirtied_pages),
                           mib(report.remaining_pages));
    put_decision(r->out, &recorded);
    put_decision(r->out, &now);
    g_string_append_printf(r->out, "  %s%s\n",
                           same ? "" : "DIFFERS: ", now.why);
    return true;
}

static bool replay_begin(Replay *r, const json_t *json, Error **errp)
{
    const char *name = json_string_value(json_object_get(json, "policy"));

    if (json_integer_value(json_object_get(json, "ferry-run")) !=
            POLICY_RECORD_VERSION ||
        !name) {
        error_setg(errp, "not the begin of a run of version %d",
                   POLICY_RECORD_VERSION);
        return false;
    }
    policy_free(r->policy);
    r->policy = policy_new(r->want ? r->want : name, errp);
    if (!r->policy) {
        return false;
    }
    g_string_append_printf(
        r->out,
        "run by policy %s, replayed by %s\n"
        " pass    time ms   pass ms dirty MiB  left MiB  recorded"
        "       pause ms  replayed       pause ms\n",
        name, policy_name(r->policy));
    return true;
}

static void replay_end(Replay *r, const json_t *json)
{
    const json_t *total = json_object_get(json, "total-ns");
    const json_t *down = json_object_get(json, "downtime-ns");

    g_string_append_printf(r->out, "end: %s after %.1f ms, pause %.1f ms\n",
                           json_string_value(json_object_get(json, "end")),
                           (double)json_integer_value(total) / MS,
                           (double)json_integer_value(down) / MS);
}

static bool replay_line(Replay *r, const char *line, size_t len, Error **errp)
{
    json_error_t why;
    json_auto_t *json = json_loadb(line, len, 0, &why);

    if (!json_is_object(json)) {
        error_setg(errp, "not a JSON object");
        return false;
    }
    if (json_object_get(json, "ferry-run")) {
        return replay_begin(r, json, errp);
    }
    if (json_object_get(json, "report")) {
        return replay_pass(r, json, errp);
    }
    if (json_string_value(json_object_get(json, "end"))) {
        replay_end(r, json);
        return true;
    }
    error_setg(errp, "not a line of a record");
    return false;
}

bool policy_replay(const char *text, size_t len, const char *policy,
                   const json_t *knobs, GString *out, uint64_t *ret_differ,
                   Error **errp)
{
    Replay r = { .want = policy, .knobs = knobs, .out = out };
    unsigned number = 0;
    bool ok = true;

    while (ok && len) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;

        number++;
        if (n > POLICY_RECORD_LINE_MAX || number > POLICY_RECORD_LINES_MAX) {
            error_setg(errp, "longer than a record can be");
            ok = false;
        } else if (n) {
            ok = replay_line(&r, text, n, errp);
        }
        if (!ok) {
            error_prepend(errp, "line %u: ", number);
        }
        n += end ? 1 : 0;
        text += n;
        len -= n;
    }
    policy_free(r.policy);
    if (ok) {
        *ret_differ = r.differ;
    }
    return ok;
}
