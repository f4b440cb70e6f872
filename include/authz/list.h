/*
 * authz-list: rules in order, the first that matches decides.
 *
 * A rule compares the identity exactly or as a shell-like pattern (`*`, `?`,
 * where `*` also crosses commas and slashes). If none matches, the list's
 * policy decides, which is to deny unless set otherwise.
 *
 * Thread: rules may be changed and asked from any thread at any time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef AUTHZ_LIST_H
#define AUTHZ_LIST_H

#include "authz/base.h"
#include "qapi/qapi-types-authz.h"

#define TYPE_QAUTHZ_LIST "authz-list"

OBJECT_DECLARE_SIMPLE_TYPE(QAuthZList, QAUTHZ_LIST)

/* Limits of one list; files come from administrators, not from peers, yet a
 * wrong file must not cost the machine its memory. */
#define QAUTHZ_LIST_MAX_RULES 65536
#define QAUTHZ_LIST_MAX_MATCH 4096 /* bytes of one `match` */

/**
 * qauthz_list_new:
 * @id: (in) id below /objects
 * @policy: (in) what happens to an identity that no rule matches
 * @errp: (out)
 *
 * Returns: a completed object without rules, borrowed from /objects; NULL on
 *          failure.
 * Errors: @id is taken or malformed.
 */
QAuthZList *qauthz_list_new(const char *id, QAuthZListPolicy policy,
                            Error **errp);

/**
 * qauthz_list_append_rule:
 * @auth: (in) the list
 * @match: (in) identity or pattern; copied
 * @policy: (in) what to do with an identity that matches
 * @format: (in) how @match is compared
 * @errp: (out)
 *
 * Returns: index of the new rule, which is now the last; -1 on failure.
 * Errors: a limit above is exceeded.
 */
ssize_t qauthz_list_append_rule(QAuthZList *auth, const char *match,
                                QAuthZListPolicy policy,
                                QAuthZListFormat format, Error **errp);

/**
 * qauthz_list_insert_rule:
 * @index: (in) where; rules from there on move up; past the end appends
 *
 * The rest as qauthz_list_append_rule().
 */
ssize_t qauthz_list_insert_rule(QAuthZList *auth, const char *match,
                                QAuthZListPolicy policy,
                                QAuthZListFormat format, size_t index,
                                Error **errp);

/**
 * qauthz_list_delete_rule:
 * @auth: (in) the list
 * @match: (in) text of the rule to delete; the first that has it goes
 *
 * Returns: index that the rule had, or -1 if no rule has @match.
 */
ssize_t qauthz_list_delete_rule(QAuthZList *auth, const char *match);

/**
 * qauthz_list_delete_rules:
 * @auth: (in) the list; afterwards only its policy decides
 */
void qauthz_list_delete_rules(QAuthZList *auth);

#endif
