/*
 * -compat: what to do when something deprecated or unstable is used, and
 * whether to show it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/compat-policy.h"

#include "qapi/util.h"

static bool input_ok(const char *adjective, CompatPolicyInput policy,
                     ErrorClass error_class, const char *kind, const char *name,
                     Error **errp)
{
    switch (policy) {
    case COMPAT_POLICY_INPUT_ACCEPT:
        return true;
    case COMPAT_POLICY_INPUT_REJECT:
        error_set(errp, error_class, "%s %s '%s' disabled by policy", adjective,
                  kind, name);
        return false;
    case COMPAT_POLICY_INPUT_CRASH:
    default:
        abort();
    }
}

bool compat_policy_input_ok(unsigned special_features,
                            const CompatPolicy *policy, ErrorClass error_class,
                            const char *kind, const char *name, Error **errp)
{
    if (!policy) {
        return true;
    }
    if ((special_features & 1u << QAPI_DEPRECATED) &&
        !input_ok("deprecated", policy->deprecated_input, error_class, kind,
                  name, errp)) {
        return false;
    }
    return !(special_features & 1u << QAPI_UNSTABLE) ||
           input_ok("unstable", policy->unstable_input, error_class, kind, name,
                    errp);
}

bool compat_policy_output_hide(unsigned special_features,
                               const CompatPolicy *policy)
{
    if (!policy) {
        return false;
    }
    if ((special_features & 1u << QAPI_DEPRECATED) &&
        policy->deprecated_output == COMPAT_POLICY_OUTPUT_HIDE) {
        return true;
    }
    return (special_features & 1u << QAPI_UNSTABLE) &&
           policy->unstable_output == COMPAT_POLICY_OUTPUT_HIDE;
}
