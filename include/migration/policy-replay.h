/*
 * Replaying recorded migrations through a policy, offline.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POLICY_REPLAY_H
#define MIGRATION_POLICY_REPLAY_H

#include <glib.h>
#include <jansson.h>

#include "util/error.h"

/**
 * policy_replay:
 * @text: (in) whole record, any bytes; @len of them
 * @policy: (nullable) name of the policy to ask; NULL: that of each run
 * @knobs: (nullable) object: members of PolicyKnobs that replace the recorded
 * @out: a table is appended: each report and both decisions
 * @ret_differ: (out) how many decisions are not those recorded
 *
 * Ask a policy about the reports of each run in the record. Throttle in a
 * report is what was recorded, so a decision that differs shows where the
 * policies part, not where the run would have gone.
 *
 * Errors: not a record; unknown policy; with the number of the line.
 */
bool policy_replay(const char *text, size_t len, const char *policy,
                   const json_t *knobs, GString *out, uint64_t *ret_differ,
                   Error **errp);

#endif
