/*
 * What to do with deprecated and unstable parts of the interface (-compat).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_COMPAT_POLICY_H
#define QAPI_COMPAT_POLICY_H

#include "qapi/qapi-types-compat.h"
#include "util/error.h"

/**
 * compat_policy_input_ok:
 * @special_features: set of 1u << QapiSpecialFeature of the thing used
 * @policy: (in) policy
 * @error_class: class of the error
 * @kind: (in) "command", "parameter", "value"; for the message
 * @name: (in) what was used; for the message
 * @errp: (out) set when the return is false
 *
 * Policy "crash" ends the process with abort(): it is meant for test runs
 * that must not use anything deprecated.
 *
 * Returns: true if @policy accepts the use.
 */
bool compat_policy_input_ok(unsigned special_features,
                            const CompatPolicy *policy, ErrorClass error_class,
                            const char *kind, const char *name, Error **errp);

/**
 * compat_policy_output_hide:
 * @special_features: set of 1u << QapiSpecialFeature of the thing
 * @policy: (in) policy, or NULL
 *
 * Returns: true if @policy says to leave the thing out.
 */
bool compat_policy_output_hide(unsigned special_features,
                               const CompatPolicy *policy);

#endif
