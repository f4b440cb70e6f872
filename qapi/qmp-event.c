/*
 * The way of an event from generated code to the monitors' sink.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/qmp-event.h"

#include "qapi/compat-policy.h"

/* Set at start, before other threads exist; see qmp_event_set_emit(). */
static struct {
    QMPEventEmit *emit;
    void *opaque;
    const CompatPolicy *policy;
} sink;

void qmp_event_set_emit(QMPEventEmit *emit, void *opaque,
                        const CompatPolicy *policy)
{
    sink.emit = emit;
    sink.opaque = opaque;
    sink.policy = policy;
}

bool qmp_event_wanted(unsigned special_features)
{
    return sink.emit &&
           !compat_policy_output_hide(special_features, sink.policy);
}

const CompatPolicy *qmp_event_policy(void)
{
    return sink.policy;
}

json_t *qmp_event_build_dict(const char *event_name)
{
    int64_t now_us = g_get_real_time();
    json_t *stamp = json_object(), *qmp = json_object();

    json_object_set_new(stamp, "seconds", json_integer(now_us / 1000000));
    json_object_set_new(stamp, "microseconds", json_integer(now_us % 1000000));
    json_object_set_new(qmp, "timestamp", stamp);
    json_object_set_new(qmp, "event", json_string(event_name));
    return qmp;
}

void qmp_event_emit(const char *event_name, json_t *qmp)
{
    if (sink.emit) {
        sink.emit(event_name, qmp, sink.opaque);
    }
}
