/*
 * Records of runs: JSON, one object a line (replaying: migration/policy-replay.h).
 *
 *   {"ferry-run": 1, "policy": "classic"}
 *   {"report": {...}, "decision": {...}}         one for each policy_decide()
 *   {"end": "completed", "total-ns": n, "downtime-ns": n}
 *
 * Members of reports and decisions are those of the structs in policy/policy.h, with
 * '-' for '_'. A line is whole or not there: it is written by one call.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POLICY_RECORD_H
#define MIGRATION_POLICY_RECORD_H

#include <jansson.h>

#include "migration/policy/policy.h"

#define POLICY_RECORD_VERSION 1
/* Longest line, and most lines, of a record that is read. */
#define POLICY_RECORD_LINE_MAX  65536
#define POLICY_RECORD_LINES_MAX 1000000
/* Larger numbers in a report are read as this, 104 days in nanoseconds, so that
 * sums fit. */
#define POLICY_RECORD_NUMBER_MAX (INT64_C(1) << 53)

typedef struct PolicyRecorder PolicyRecorder;

/** policy_recorder_new: append a run to the file @path (created if missing).
 *  Errors: it cannot be opened or written. */
PolicyRecorder *policy_recorder_new(const char *path, const char *policy,
                                    Error **errp);
/** policy_recorder_free: accepts NULL. */
void policy_recorder_free(PolicyRecorder *rec);
/** policy_recorder_pass, policy_recorder_end: what cannot be written is lost
 *  (and traced): a migration does not fail for its record. */
void policy_recorder_pass(PolicyRecorder *rec, const PassReport *report,
                          const Decision *decision);
void policy_recorder_end(PolicyRecorder *rec, const char *status,
                         int64_t total_ns, int64_t downtime_ns);

/** policy_report_to_json, policy_decision_to_json: (transfer full). */
json_t *policy_report_to_json(const PassReport *report);
json_t *policy_decision_to_json(const Decision *decision);
/** policy_report_from_json, policy_decision_from_json: missing members are 0,
 *  unknown ones ignored. Errors: a member of a wrong type or range. The text
 *  of a decision is not read: why is "". */
bool policy_report_from_json(const json_t *json, PassReport *report,
                             Error **errp);
bool policy_knobs_from_json(const json_t *json, PolicyKnobs *knobs,
                            Error **errp);
bool policy_decision_from_json(const json_t *json, Decision *decision,
                               Error **errp);

#endif
