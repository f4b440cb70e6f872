/*
 * Frees QAPI types; generated qapi_free_T() are made of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_DEALLOC_VISITOR_H
#define QAPI_DEALLOC_VISITOR_H

#include "qapi/visitor.h"

/**
 * qapi_dealloc_visitor_new:
 *
 * Accepts trees that an input visitor left half built.
 *
 * Returns: the visitor; free with visit_free().
 */
Visitor *qapi_dealloc_visitor_new(void);

#endif
