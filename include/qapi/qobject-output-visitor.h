/*
 * Output visitor: a QAPI type becomes a JSON value.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_QOBJECT_OUTPUT_VISITOR_H
#define QAPI_QOBJECT_OUTPUT_VISITOR_H

#include "qapi/visitor.h"

/**
 * qobject_output_visitor_new:
 * @result: (out) set by visit_complete(v, @result) to a new reference
 *
 * Members that the policy hides (deprecated-output=hide) are left out.
 *
 * Returns: the visitor; free with visit_free().
 */
Visitor *qobject_output_visitor_new(json_t **result);

#endif
