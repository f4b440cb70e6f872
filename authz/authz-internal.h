/*
 * What the files of authz/ share: rule lists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef AUTHZ_INTERNAL_H
#define AUTHZ_INTERNAL_H

#include "qapi/qapi-types-authz.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"

typedef struct AuthzRule {
    char *match;
    QAuthZListPolicy policy;
    QAuthZListFormat format;
} AuthzRule;

/* Rules in order with the policy behind them. No lock of its own. */
typedef struct AuthzRules {
    QAuthZListPolicy policy;
    GArray *rules; /* of AuthzRule */
} AuthzRules;

/** authz_rules_new: no rules, deny. */
AuthzRules *authz_rules_new(void);
/** authz_rules_free: NULL is accepted. */
void authz_rules_free(AuthzRules *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuthzRules, authz_rules_free)

/**
 * authz_rules_insert:
 * @index: (in) where; past the end appends
 *
 * Returns: index of the new rule; -1 with @errp set if a limit of
 *          authz/list.h is exceeded.
 */
ssize_t authz_rules_insert(AuthzRules *r, size_t index, const char *match,
                           QAuthZListPolicy policy, QAuthZListFormat format,
                           Error **errp);

/** authz_rules_set_list: replace the rules by those of a QAPI list. */
bool authz_rules_set_list(AuthzRules *r, const QAuthZListRuleList *list,
                          Error **errp);
/** authz_rules_get_list: a copy; free with qapi_free_QAuthZListRuleList(). */
QAuthZListRuleList *authz_rules_get_list(const AuthzRules *r);

/** authz_rules_decide: the first rule that matches, else the policy. */
bool authz_rules_decide(const AuthzRules *r, const char *identity);

/**
 * authz_rules_parse:
 * @text: (in) @len bytes of JSON, see authz/listfile.h
 *
 * Returns: rules, owned by the caller; NULL with @errp set.
 */
AuthzRules *authz_rules_parse(const char *text, size_t len, Error **errp);

#endif
