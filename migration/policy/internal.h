/*
 * Inside of policies.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_POLICY_INTERNAL_H
#define MIGRATION_POLICY_INTERNAL_H

#include <stddef.h>

#include "migration/policy/policy.h"

/**
 * PolicyClass:
 * @size: of the state of one policy; zeroed at first
 * @decide: @decision holds neutral values (policy_decide()) and is changed
 */
typedef struct PolicyClass {
    const char *name;
    const char *help; /* one line */
    size_t size;
    void (*decide)(void *state, const PassReport *report, Decision *decision);
} PolicyClass;

extern const PolicyClass policy_classic;

/** policy_ram_ns: time to send @pages at @bandwidth bytes/s; INT64_MAX: not
 *  known. */
int64_t policy_ram_ns(uint64_t pages, uint64_t bandwidth);

#endif
