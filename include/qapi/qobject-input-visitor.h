/*
 * Input visitors: a JSON value becomes a QAPI type.
 *
 * Messages name the whole path of the member: "Parameter 'a.b[0].c' ...".
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_QOBJECT_INPUT_VISITOR_H
#define QAPI_QOBJECT_INPUT_VISITOR_H

#include "qapi/visitor.h"

/**
 * qobject_input_visitor_new:
 * @obj: (in) value; the visitor takes its own reference
 *
 * Strict: each member must have the JSON type the schema says. Members that
 * the walk does not ask for are errors (visit_check_struct()).
 *
 * Returns: the visitor; free with visit_free().
 */
Visitor *qobject_input_visitor_new(json_t *obj);

/**
 * qobject_input_visitor_new_keyval:
 * @obj: (in) value from keyval_parse(): objects, arrays, and strings as
 *       leaves; the visitor takes its own reference
 *
 * Numbers, booleans (on/off, yes/no, true/false, y/n), sizes with suffixes
 * and enums are read from strings. 'any' and 'null' members cannot be given.
 *
 * Returns: the visitor; free with visit_free().
 */
Visitor *qobject_input_visitor_new_keyval(json_t *obj);

/**
 * qobject_input_visitor_new_str:
 * @str: (in) JSON if it begins with '{', else key=value,... text
 * @implied_key: (in) key of a first value that has none, or NULL
 * @errp: (out) set when the return is NULL
 *
 * Returns: the visitor, or NULL.
 */
Visitor *qobject_input_visitor_new_str(const char *str, const char *implied_key,
                                       Error **errp);

#endif
