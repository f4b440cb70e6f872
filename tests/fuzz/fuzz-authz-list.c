/*
 * The JSON file of authz-list-file: any bytes give rules or an error, and
 * rules give an answer.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/authz-internal.h"
#include "util/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(AuthzRules) rules = NULL;
    Error *err = NULL;

    rules = authz_rules_parse((const char *)data, size, &err);
    g_assert(!rules == !!err);
    error_free(err);
    if (rules) {
        authz_rules_decide(rules, "O=Ferry,CN=client.example.org");
    }
    return 0;
}
