/*
 * What the two flavours of the input visitor share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_QOBJECT_INPUT_INTERNAL_H
#define QAPI_QOBJECT_INPUT_INTERNAL_H

#include "qapi/visitor-impl.h"

typedef struct InputFrame {
    char *name;            /* of the container in its parent, or NULL */
    json_t *obj;           /* borrowed from the root */
    GHashTable *unvisited; /* set of const char *: members of an object */
    size_t next;           /* index of the element to take next */
    size_t current;        /* index of the element looked at last */
} InputFrame;

typedef struct InputVisitor {
    Visitor base;
    json_t *root;  /* owned */
    GArray *stack; /* of InputFrame */
} InputVisitor;

/** qobject_input_new: the JSON flavour, whose callbacks may be replaced. */
InputVisitor *qobject_input_new(json_t *obj);

/** qobject_input_cast: @v must be an input visitor. */
InputVisitor *qobject_input_cast(Visitor *v);

/** qobject_input_full_name: "a.b[0].c" for member @name of where the walk
 * stands; owned by the caller. */
char *qobject_input_full_name(InputVisitor *iv, const char *name);

/**
 * qobject_input_get:
 * @consume: it counts as visited; in an array the next call gives the next
 *           element
 *
 * Returns: the value at @name, borrowed; NULL with @errp set if it is missing.
 */
json_t *qobject_input_get(InputVisitor *iv, const char *name, bool consume,
                          Error **errp);

#endif
