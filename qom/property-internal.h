/*
 * What the two files of property tables share: values and kinds.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_PROPERTY_INTERNAL_H
#define QOM_PROPERTY_INTERNAL_H

#include "qom/property.h"

/* A value of any kind, between visitor and storage. */
typedef union PropertyValue {
    bool b;
    int e;
    int64_t i;
    uint64_t u;
    char *s;
    Object *link;
    json_t *json;
} PropertyValue;

/* opaque of a table property: the line and its default, ready to copy. */
typedef struct TableEntry {
    const Property *line;
    PropertyValue def; /* s borrows the line's text; json is owned */
} TableEntry;

typedef struct KindInfo {
    const char *name;
    size_t size;
    int64_t min;
    uint64_t max;
} KindInfo;

/* By PropertyKind. */
extern const KindInfo property_kinds[PROP__MAX];

static inline bool property_kind_is_signed(PropertyKind kind)
{
    return kind >= PROP_INT8 && kind <= PROP_INT64;
}

static inline void *property_ptr(Object *obj, const Property *line)
{
    return (char *)obj + line->offset;
}

/** property_in_range: is the number within the line's range? */
bool property_in_range(const Property *line, PropertyValue val);

/** property_store: takes what @val owns; frees the old value. */
void property_store(Object *obj, const Property *line, PropertyValue val);

/* The accessors of table properties; opaque is the TableEntry. */
ObjectPropertyAccessor property_table_get, property_table_set;
/** property_table_resolve: the target of a PROP_LINK. */
Object *property_table_resolve(Object *obj, void *opaque, const char *part);

#endif
