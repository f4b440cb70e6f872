/*
 * Property tables: the one way in which a class says what can be configured.
 *
 * A class names a `static const Property foo_props[]`, ended by an entry
 * without name, in TypeInfo.props (or calls object_class_add_properties() in
 * class_init). From it come storage, defaults, parsing, range checks, freeing,
 * help, qom-list-properties, the QMP schema and the reference page.
 *
 *     static const Property foo_props[] = {
 *         { "limit", PROP_SIZE, offsetof(Foo, limit), .def = "64k",
 *           .min = 512, .max = 1 << 20, .unit = "bytes",
 *           .help = "largest request", .since = "0.1" },
 *         {}
 *     };
 *
 * Life of a value: the default is stored just before instance_init of the
 * class that owns the table, so instance_init may change it; strings, links
 * and JSON are freed just after instance_finalize of that class. A subclass
 * may list an inherited name again, same kind and offset, to change default,
 * range, flags or help. PROP_CUSTOM accessors get the table line as @opaque;
 * their default is only text for help, instance_init stores it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_PROPERTY_H
#define QOM_PROPERTY_H

#include "qom/object.h"

typedef enum PropertyKind {
    PROP_BOOL, /* bool */
    PROP_STR,  /* char *, owned */
    PROP_INT8, /* int8_t, and so on */
    PROP_INT16,
    PROP_INT32,
    PROP_INT64,
    PROP_UINT8,
    PROP_UINT16,
    PROP_UINT32,
    PROP_UINT64,
    PROP_SIZE,   /* uint64_t, text with suffix B K M G T P E */
    PROP_ENUM,   /* int, one of @lookup */
    PROP_LINK,   /* Object *, by id or path; holds a reference */
    PROP_JSON,   /* json_t *, owned */
    PROP_CUSTOM, /* @get and @set do it; no storage */
    PROP__MAX,
} PropertyKind;

/* Must be given before completion. */
#define PROP_F_REQUIRED (1u << 0)
/* A secret: reading fails. */
#define PROP_F_WRITE_ONLY (1u << 1)
/* Cannot be written. */
#define PROP_F_READ_ONLY (1u << 2)
/* Can be written after completion; all others cannot. */
#define PROP_F_RUNTIME (1u << 3)
/* Help and schema say so. */
#define PROP_F_DEPRECATED (1u << 4)
/* The string's memory is wiped when it is freed. */
#define PROP_F_WIPE (1u << 5)
/* Not in help, for names kept only for old users. */
#define PROP_F_HIDDEN (1u << 6)

/**
 * PropertyCheck:
 * @obj: the object that is about to get the value
 * @prop: the table line
 * @value: the new value: `const bool *`, `char *const *`, `const int64_t *`
 *         (PROP_INTn), `const uint64_t *` (PROP_UINTn, PROP_SIZE),
 *         `const int *` (PROP_ENUM), `Object *const *`, `json_t *const *`
 *
 * Called before a value is stored. Returns: false with @errp set to refuse.
 */
typedef bool(PropertyCheck)(Object *obj, const Property *prop,
                            const void *value, Error **errp);

struct Property {
    const char *name; /* NULL ends the table */
    PropertyKind kind;
    size_t offset;               /* in the instance struct, bytes */
    const char *qapi_type;       /* schema type; NULL: from @kind */
    const QEnumLookup *lookup;   /* PROP_ENUM */
    const char *link_type;       /* PROP_LINK */
    const char *def;             /* default as text; NULL: zero, or nothing */
    int64_t min;                 /* with @max: allowed range; */
    uint64_t max;                /* 0 and 0: whatever the kind holds */
    unsigned flags;              /* PROP_F_* */
    const char *unit;            /* for help: "ms", "bytes" ... */
    const char *help;            /* one phrase, no full stop */
    const char *since;           /* version */
    PropertyCheck *check;        /* optional */
    ObjectPropertyAccessor *get; /* PROP_CUSTOM; NULL: cannot be read */
    ObjectPropertyAccessor *set; /* PROP_CUSTOM; NULL: cannot be written */
};

/**
 * object_class_add_properties:
 * @klass: in its class_init
 * @props: (in) table, ends with .name == NULL; lives for ever
 *
 * A wrong table (bad default, second owner of a name, PROP_ENUM without
 * lookup) is a bug and aborts, at the class's first use.
 */
void object_class_add_properties(ObjectClass *klass, const Property *props);

/**
 * object_check_required:
 *
 * Returns: false, with @errp naming the property, if one that is REQUIRED was
 * not given. user_creatable_complete() calls it; so does a device's realize.
 */
bool object_check_required(Object *obj, Error **errp);

/**
 * qom_property_table:
 * @klass: any class
 *
 * Returns: array of `const Property *`, the base class's first, an inherited
 * line that was listed again only once; free with g_ptr_array_unref().
 * Thread: any.
 */
GPtrArray *qom_property_table(ObjectClass *klass);

/**
 * object_class_help:
 *
 * Returns: a line for each property of @klass that can be set, sorted by
 * name: type, what it is for, unit, default; free with g_free().
 * Thread: any.
 */
char *object_class_help(ObjectClass *klass);

/** property_type_name: as qom-list shows it; free with g_free(). */
char *property_type_name(const Property *prop);
/** property_qapi_type: type name for the QMP schema; borrowed. */
const char *property_qapi_type(const Property *prop);
/** property_default_json: the default as JSON, or NULL; caller owns it. */
json_t *property_default_json(const Property *prop);

/**
 * property_only_true:
 *
 * A PropertyCheck for the deprecated booleans `loaded` and `opened`: true is
 * accepted without effect, false is refused.
 */
bool property_only_true(Object *obj, const Property *prop, const void *value,
                        Error **errp);

#endif
