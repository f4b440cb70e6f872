/*
 * Reports and decisions as JSON, from one table of members each.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/policy/record.h"
#include "util/error.h"

typedef enum MemberKind {
    MEMBER_BOOL,
    MEMBER_UNSIGNED, /* unsigned */
    MEMBER_U64,
    MEMBER_I64,
} MemberKind;

typedef struct Member {
    const char *name;
    MemberKind kind;
    size_t offset;
} Member;

#define M(type, kind, member, name)                                            \
    {                                                                          \
        name, kind, offsetof(type, member)                                     \
    }

static const Member report_members[] = {
    M(PassReport, MEMBER_U64, pass, "pass"),
    M(PassReport, MEMBER_BOOL, partial, "partial"),
    M(PassReport, MEMBER_BOOL, can_switch, "can-switch"),
    M(PassReport, MEMBER_I64, time_ns, "time-ns"),
    M(PassReport, MEMBER_I64, duration_ns, "duration-ns"),
    M(PassReport, MEMBER_U64, ram_pages, "ram-pages"),
    M(PassReport, MEMBER_U64, sent_pages, "sent-pages"),
    M(PassReport, MEMBER_U64, sent_bytes, "sent-bytes"),
    M(PassReport, MEMBER_U64, dirtied_pages, "dirtied-pages"),
    M(PassReport, MEMBER_U64, remaining_pages, "remaining-pages"),
    M(PassReport, MEMBER_I64, switchover_fixed_ns, "switchover-fixed-ns"),
    M(PassReport, MEMBER_U64, bandwidth, "bandwidth"),
    M(PassReport, MEMBER_UNSIGNED, throttle, "throttle"),
    {},
};

static const Member method_members[] = {
    M(PolicyMethodReport, MEMBER_U64, pages, "pages"),
    M(PolicyMethodReport, MEMBER_U64, bytes, "bytes"),
    M(PolicyMethodReport, MEMBER_U64, cpu_ns, "cpu-ns"),
    {},
};

static const Member knob_members[] = {
    M(PolicyKnobs, MEMBER_BOOL, auto_converge, "auto-converge"),
    M(PolicyKnobs, MEMBER_BOOL, xbzrle, "xbzrle"),
    M(PolicyKnobs, MEMBER_BOOL, compress, "compress"),
    M(PolicyKnobs, MEMBER_BOOL, dirty_limit, "dirty-limit"),
    M(PolicyKnobs, MEMBER_UNSIGNED, throttle_trigger_threshold,
      "throttle-trigger-threshold"),
    M(PolicyKnobs, MEMBER_UNSIGNED, cpu_throttle_initial,
      "cpu-throttle-initial"),
    M(PolicyKnobs, MEMBER_UNSIGNED, cpu_throttle_increment,
      "cpu-throttle-increment"),
    M(PolicyKnobs, MEMBER_BOOL, cpu_throttle_tailslow, "cpu-throttle-tailslow"),
    M(PolicyKnobs, MEMBER_UNSIGNED, max_cpu_throttle, "max-cpu-throttle"),
    M(PolicyKnobs, MEMBER_U64, downtime_limit_ms, "downtime-limit"),
    M(PolicyKnobs, MEMBER_U64, max_bandwidth, "max-bandwidth"),
    M(PolicyKnobs, MEMBER_U64, avail_switchover_bandwidth,
      "avail-switchover-bandwidth"),
    M(PolicyKnobs, MEMBER_U64, vcpu_dirty_limit, "vcpu-dirty-limit"),
    M(PolicyKnobs, MEMBER_U64, x_vcpu_dirty_limit_period,
      "x-vcpu-dirty-limit-period"),
    {},
};

static const Member decision_members[] = {
    M(Decision, MEMBER_UNSIGNED, throttle, "throttle"),
    M(Decision, MEMBER_U64, dirty_limit, "dirty-limit"),
    M(Decision, MEMBER_BOOL, xbzrle, "xbzrle"),
    M(Decision, MEMBER_BOOL, compress, "compress"),
    M(Decision, MEMBER_I64, expected_pause_ns, "expected-pause-ns"),
    M(Decision, MEMBER_I64, expected_end_ns, "expected-end-ns"),
    {},
};

/* -- any struct ---------------------------------------------------------------- */

static json_t *member_to_json(const Member *m, const void *from)
{
    const char *p = (const char *)from + m->offset;

    switch (m->kind) {
    case MEMBER_BOOL:
        return json_boolean(*(const bool *)p);
    case MEMBER_UNSIGNED:
        return json_integer(*(const unsigned *)(const void *)p);
    case MEMBER_U64:
        return json_integer((json_int_t)MIN(*(const uint64_t *)(const void *)p,
                                            (uint64_t)INT64_MAX));
    default:
        return json_integer(*(const int64_t *)(const void *)p);
    }
}

static json_t *to_json(const Member *members, const void *from)
{
    json_t *json = json_object();

    for (const Member *m = members; m->name; m++) {
        json_object_set_new(json, m->name, member_to_json(m, from));
    }
    return json;
}

static bool integer_fits(MemberKind kind, json_int_t v)
{
    return kind == MEMBER_I64 ||
           (v >= 0 && (kind == MEMBER_U64 || v <= (json_int_t)UINT_MAX));
}

static bool member_from_json(const Member *m, const json_t *v, json_int_t max,
                             void *to, Error **errp)
{
    char *p = (char *)to + m->offset;

    if (m->kind == MEMBER_BOOL
            ? !json_is_boolean(v)
            : !json_is_integer(v) ||
                  !integer_fits(m->kind, json_integer_value(v))) {
        error_setg(errp, "member '%s' is not %s", m->name,
                   m->kind == MEMBER_BOOL ? "a boolean" : "a number for it");
        return false;
    }
    switch (m->kind) {
    case MEMBER_BOOL:
        *(bool *)p = json_is_true(v);
        break;
    case MEMBER_UNSIGNED:
        *(unsigned *)(void *)p = (unsigned)json_integer_value(v);
        break;
    case MEMBER_U64:
        *(uint64_t *)(void *)p = (uint64_t)MIN(json_integer_value(v), max);
        break;
    default:
        *(int64_t *)(void *)p = CLAMP(json_integer_value(v), -max, max);
        break;
    }
    return true;
}

static bool from_json(const Member *members, const json_t *json, json_int_t max,
                      void *to, Error **errp)
{
    for (const Member *m = members; m->name; m++) {
        const json_t *v = json_object_get(json, m->name);

        if (v && !member_from_json(m, v, max, to, errp)) {
            return false;
        }
    }
    return true;
}

/* -- reports and decisions ------------------------------------------------------- */

json_t *policy_report_to_json(const PassReport *report)
{
    json_t *json = to_json(report_members, report);
    json_t *methods = json_object();

    for (unsigned i = 0; i < POLICY_METHOD__MAX; i++) {
        json_object_set_new(methods, policy_method_name(i),
                            to_json(method_members, &report->method[i]));
    }
    json_object_set_new(json, "methods", methods);
    json_object_set_new(json, "knobs", to_json(knob_members, &report->knobs));
    return json;
}

bool policy_report_from_json(const json_t *json, PassReport *report,
                             Error **errp)
{
    const json_t *methods = json_object_get(json, "methods");

    memset(report, 0, sizeof(*report));
    for (unsigned i = 0; i < POLICY_METHOD__MAX; i++) {
        if (!from_json(method_members,
                       json_object_get(methods, policy_method_name(i)),
                       POLICY_RECORD_NUMBER_MAX, &report->method[i], errp)) {
            return false;
        }
    }
    return from_json(report_members, json, POLICY_RECORD_NUMBER_MAX, report,
                     errp) &&
           policy_knobs_from_json(json_object_get(json, "knobs"),
                                  &report->knobs, errp);
}

bool policy_knobs_from_json(const json_t *json, PolicyKnobs *knobs,
                            Error **errp)
{
    return from_json(knob_members, json, POLICY_RECORD_NUMBER_MAX, knobs, errp);
}

json_t *policy_decision_to_json(const Decision *decision)
{
    json_t *json = to_json(decision_members, decision);

    json_object_set_new(
        json, "action",
        json_string(decision->action == POLICY_SWITCH ? "switch" : "continue"));
    json_object_set_new(json, "why", json_string(decision->why));
    return json;
}

bool policy_decision_from_json(const json_t *json, Decision *decision,
                               Error **errp)
{
    const char *action = json_string_value(json_object_get(json, "action"));

    memset(decision, 0, sizeof(*decision));
    decision->why = "";
    if (action && strcmp(action, "switch") == 0) {
        decision->action = POLICY_SWITCH;
    } else if (!action || strcmp(action, "continue") != 0) {
        error_setg(errp, "member 'action' is neither 'switch' nor "
                         "'continue'");
        return false;
    }
    return from_json(decision_members, json, INT64_MAX, decision, errp);
}
