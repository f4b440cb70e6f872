/*
 * Rule lists: what authz-list and authz-list-file have in common.
 *
 * The decision is a walk from the first rule to the last, because the order
 * is what the administrator wrote. Lists have tens of rules; the walk over
 * the most that is allowed takes a millisecond.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <fnmatch.h>

#include "authz/list.h"
#include "authz/types.h"
#include "qapi/json.h"
#include "qapi/qapi-visit-authz.h"
#include "qapi/qobject-input-visitor.h"
#include "util/error.h"

#include "authz-internal.h"

static void rule_clear(void *opaque)
{
    AuthzRule *rule = opaque;

    g_free(rule->match);
}

static GArray *rule_array_new(void)
{
    GArray *rules = g_array_new(FALSE, FALSE, sizeof(AuthzRule));

    g_array_set_clear_func(rules, rule_clear);
    return rules;
}

AuthzRules *authz_rules_new(void)
{
    AuthzRules *r = g_new0(AuthzRules, 1);

    r->policy = QAUTHZ_LIST_POLICY_DENY;
    r->rules = rule_array_new();
    return r;
}

void authz_rules_free(AuthzRules *r)
{
    if (r) {
        g_array_unref(r->rules);
        g_free(r);
    }
}

ssize_t authz_rules_insert(AuthzRules *r, size_t index, const char *match,
                           QAuthZListPolicy policy, QAuthZListFormat format,
                           Error **errp)
{
    AuthzRule rule = { .policy = policy, .format = format };

    if (r->rules->len >= QAUTHZ_LIST_MAX_RULES) {
        error_setg(errp, "authorization list has more than %d rules",
                   QAUTHZ_LIST_MAX_RULES);
        return -1;
    }
    if (strlen(match) > QAUTHZ_LIST_MAX_MATCH) {
        error_setg(errp,
                   "authorization rule %zu has a match of more than %d "
                   "bytes",
                   index, QAUTHZ_LIST_MAX_MATCH);
        return -1;
    }
    rule.match = g_strdup(match);
    index = MIN(index, r->rules->len);
    g_array_insert_val(r->rules, index, rule);
    return index;
}

bool authz_rules_set_list(AuthzRules *r, const QAuthZListRuleList *list,
                          Error **errp)
{
    g_autoptr(AuthzRules) fresh = authz_rules_new();
    GArray *old = r->rules;

    for (; list; list = list->next) {
        const QAuthZListRule *v = list->value;
        QAuthZListFormat format =
            v->has_format ? v->format : QAUTHZ_LIST_FORMAT_EXACT;

        if (authz_rules_insert(fresh, fresh->rules->len, v->match, v->policy,
                               format, errp) < 0) {
            return false;
        }
    }
    r->rules = fresh->rules;
    fresh->rules = old;
    return true;
}

QAuthZListRuleList *authz_rules_get_list(const AuthzRules *r)
{
    QAuthZListRuleList *list = NULL;

    for (size_t i = r->rules->len; i > 0; i--) {
        const AuthzRule *rule = &g_array_index(r->rules, AuthzRule, i - 1);
        QAuthZListRuleList *el = g_new0(QAuthZListRuleList, 1);

        el->value = g_new0(QAuthZListRule, 1);
        el->value->match = g_strdup(rule->match);
        el->value->policy = rule->policy;
        el->value->has_format = true;
        el->value->format = rule->format;
        el->next = list;
        list = el;
    }
    return list;
}

static bool rule_matches(const AuthzRule *rule, const char *identity)
{
    switch (rule->format) {
    case QAUTHZ_LIST_FORMAT_EXACT:
        return g_str_equal(rule->match, identity);
    case QAUTHZ_LIST_FORMAT_GLOB:
        return fnmatch(rule->match, identity, 0) == 0;
    default:
        g_assert_not_reached();
    }
}

bool authz_rules_decide(const AuthzRules *r, const char *identity)
{
    for (size_t i = 0; i < r->rules->len; i++) {
        const AuthzRule *rule = &g_array_index(r->rules, AuthzRule, i);

        if (rule_matches(rule, identity)) {
            return rule->policy == QAUTHZ_LIST_POLICY_ALLOW;
        }
    }
    return r->policy == QAUTHZ_LIST_POLICY_ALLOW;
}

AuthzRules *authz_rules_parse(const char *text, size_t len, Error **errp)
{
    g_autoptr(AuthzRules) r = authz_rules_new();
    g_autoptr(AuthZListProperties) props = NULL;
    g_autoptr(Visitor) v = NULL;
    g_autoptr(json_t) json = NULL;
    json_error_t jerr;

    json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &jerr);
    if (!json) {
        error_setg(errp, "line %d, column %d: %s", jerr.line, jerr.column,
                   jerr.text);
        return NULL;
    }
    v = qobject_input_visitor_new(json);
    if (!visit_type_AuthZListProperties(v, NULL, &props, errp) ||
        !authz_rules_set_list(r, props->rules, errp)) {
        return NULL;
    }
    if (props->has_policy) {
        r->policy = props->policy;
    }
    return g_steal_pointer(&r);
}
