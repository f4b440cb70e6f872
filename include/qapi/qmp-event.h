/*
 * QMP events on their way from qapi_event_send_NAME() to the monitors.
 *
 * Generated code builds {"event", "data", "timestamp"} and gives it to the
 * one sink that the binary has set. Without a sink (tools, unit tests)
 * events are dropped before anything is built.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_QMP_EVENT_H
#define QAPI_QMP_EVENT_H

#include "qapi/json.h"

typedef struct CompatPolicy CompatPolicy;

/**
 * QMPEventEmit:
 * @event: (in) name of the event, static
 * @qmp: (in) the whole message, borrowed; add a reference to keep it
 * @opaque: as given to qmp_event_set_emit()
 *
 * Thread: any; called without locks of qapi.
 */
typedef void QMPEventEmit(const char *event, json_t *qmp, void *opaque);

/**
 * qmp_event_set_emit:
 * @emit: sink, or NULL for none
 * @opaque: handed to @emit
 * @policy: (in) what to hide; must live as long as the sink; NULL = nothing
 *
 * Thread: only while no other thread can send events: at start, before
 * threads are made, and at the end. (This is the one variable of qapi that
 * is not part of an object: events come from anywhere.)
 */
void qmp_event_set_emit(QMPEventEmit *emit, void *opaque,
                        const CompatPolicy *policy);

/** qmp_event_wanted: is there a sink, and does its policy show the event? */
bool qmp_event_wanted(unsigned special_features);

/** qmp_event_policy: the sink's policy, or NULL. */
const CompatPolicy *qmp_event_policy(void);

/**
 * qmp_event_build_dict:
 * @event_name: (in) static name
 *
 * Returns: {"event": NAME, "timestamp": {...now...}}, a new reference.
 */
json_t *qmp_event_build_dict(const char *event_name);

/**
 * qmp_event_emit:
 * @event_name: (in) static name
 * @qmp: (in) message, borrowed
 *
 * Hand @qmp to the sink, if there is one.
 */
void qmp_event_emit(const char *event_name, json_t *qmp);

#endif
