/*
 * Visitors: walk a QAPI type and do one thing with it: build it from JSON
 * (input), print it as JSON (output), copy it (clone), free it (dealloc).
 *
 * Generated visit_type_T() and hand-written code (QOM property accessors)
 * call the functions below; what they do is the visitor's business. @name is
 * the member's name inside the enclosing object; NULL inside a list and for
 * the root of a virtual walk, where it is ignored.
 *
 * Rules: every visit_start_X() that returned true (and, for a real object of
 * an input visitor, set *obj) is matched by visit_end_X(). visit_check_X()
 * comes before visit_end_X() and only if all went well. An input visitor
 * that fails leaves *obj NULL at the root; partly built objects are freed by
 * the generated code.
 *
 * Thread: a visitor belongs to one thread at a time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_VISITOR_H
#define QAPI_VISITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "qapi/json.h"
#include "qapi/util.h"
#include "util/error.h"

/* What every generated list begins with; @padding stands for the value. */
typedef struct GenericList {
    struct GenericList *next;
    char padding[];
} GenericList;

/* What every generated alternate begins with. */
typedef struct GenericAlternate {
    QType type;
    char padding[];
} GenericAlternate;

typedef struct CompatPolicy CompatPolicy;

/**
 * visit_complete:
 * @v: (in) visitor
 * @opaque: the same pointer that was given to the visitor's constructor
 *
 * An output visitor hands over its result here; others do nothing.
 */
void visit_complete(Visitor *v, void *opaque);

/** visit_free: free @v, also in the middle of a walk; accepts NULL. */
void visit_free(Visitor *v);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Visitor, visit_free)

/**
 * visit_start_struct:
 * @v: (in) visitor
 * @name: (in) member name
 * @obj: (inout) NULL for a virtual walk; an input visitor sets *@obj to
 *       @size zeroed bytes (NULL on failure)
 * @size: size of the C struct
 * @errp: (out) set when the return is false
 *
 * Returns: true on success; visit_end_struct() must follow.
 */
bool visit_start_struct(Visitor *v, const char *name, void **obj, size_t size,
                        Error **errp);

/**
 * visit_check_struct:
 * Refuse members that were given and that nobody visited.
 *
 * Returns: true on success.
 */
bool visit_check_struct(Visitor *v, Error **errp);

/** visit_end_struct: @obj as in visit_start_struct(). */
void visit_end_struct(Visitor *v, void **obj);

/**
 * visit_start_list:
 * @list: (inout) NULL for a virtual walk; an input visitor sets *@list to
 *        the first element, or to NULL for an empty list
 * @size: size of one element
 *
 * Then for each element: visit the value, visit_next_list().
 *
 * Returns: true on success; visit_end_list() must follow.
 */
bool visit_start_list(Visitor *v, const char *name, GenericList **list,
                      size_t size, Error **errp);

/** visit_next_list: the element after @tail, or NULL at the end. */
GenericList *visit_next_list(Visitor *v, GenericList *tail, size_t size);

/** visit_check_list: refuse elements that nobody visited (virtual walk). */
bool visit_check_list(Visitor *v, Error **errp);

/** visit_end_list: @list as in visit_start_list(). */
void visit_end_list(Visitor *v, void **list);

/**
 * visit_start_alternate:
 * @obj: (inout) an input visitor sets *@obj, with the type found
 *
 * Returns: true on success; visit_end_alternate() must follow.
 */
bool visit_start_alternate(Visitor *v, const char *name, GenericAlternate **obj,
                           size_t size, Error **errp);

/** visit_end_alternate: @obj as in visit_start_alternate(). */
void visit_end_alternate(Visitor *v, void **obj);

/**
 * visit_type_mismatch:
 * @expected: (in) what the schema says, for the message
 *
 * Say that what is at @name is not what was expected.
 *
 * Returns: false, with @errp set.
 */
bool visit_type_mismatch(Visitor *v, const char *name, const char *expected,
                         Error **errp);

/**
 * visit_optional:
 * @present: (inout) an input visitor says whether the member was given; the
 *           others take the value as it is
 *
 * Returns: *@present.
 */
bool visit_optional(Visitor *v, const char *name, bool *present);

/**
 * visit_policy_reject:
 * @special_features: set of 1u << QapiSpecialFeature
 *
 * Should the member be refused by the policy?
 *
 * Returns: true if so, with @errp set.
 */
bool visit_policy_reject(Visitor *v, const char *name,
                         unsigned special_features, Error **errp);

/** visit_policy_skip: should the member be left out by the policy? */
bool visit_policy_skip(Visitor *v, const char *name, unsigned special_features);

/**
 * visit_set_policy:
 * @policy: (in) copied; NULL = accept all
 */
void visit_set_policy(Visitor *v, const CompatPolicy *policy);

/** visit_is_input: does this visitor create what it walks? */
bool visit_is_input(Visitor *v);
/** visit_is_dealloc: does this visitor free what it walks? */
bool visit_is_dealloc(Visitor *v);

/**
 * visit_type_enum:
 * @obj: (inout) the enum, as int
 * @lookup: (in) its names
 *
 * Returns: true on success.
 * Errors: not a name; refused by the policy.
 */
bool visit_type_enum(Visitor *v, const char *name, int *obj,
                     const QEnumLookup *lookup, Error **errp);

/*
 * Scalars. An input visitor sets *@obj on success only; out of range is an
 * error. visit_type_size() takes the suffixes B K M G T P E where numbers
 * come as text (keyval).
 */
bool visit_type_int(Visitor *v, const char *name, int64_t *obj, Error **errp);
bool visit_type_uint8(Visitor *v, const char *name, uint8_t *obj, Error **errp);
bool visit_type_uint16(Visitor *v, const char *name, uint16_t *obj,
                       Error **errp);
bool visit_type_uint32(Visitor *v, const char *name, uint32_t *obj,
                       Error **errp);
bool visit_type_uint64(Visitor *v, const char *name, uint64_t *obj,
                       Error **errp);
bool visit_type_int8(Visitor *v, const char *name, int8_t *obj, Error **errp);
bool visit_type_int16(Visitor *v, const char *name, int16_t *obj, Error **errp);
bool visit_type_int32(Visitor *v, const char *name, int32_t *obj, Error **errp);
bool visit_type_int64(Visitor *v, const char *name, int64_t *obj, Error **errp);
bool visit_type_size(Visitor *v, const char *name, uint64_t *obj, Error **errp);
bool visit_type_bool(Visitor *v, const char *name, bool *obj, Error **errp);
bool visit_type_number(Visitor *v, const char *name, double *obj, Error **errp);

/**
 * visit_type_str:
 * @obj: (inout) an input visitor sets it to a new string, owned by the
 *       caller; a text with U+0000 in it is refused. An output visitor
 *       prints NULL as "".
 */
bool visit_type_str(Visitor *v, const char *name, char **obj, Error **errp);

/**
 * visit_type_any:
 * @obj: (inout) an input visitor sets it to a new reference
 */
bool visit_type_any(Visitor *v, const char *name, json_t **obj, Error **errp);

/** visit_type_null: as visit_type_any(), JSON null only. */
bool visit_type_null(Visitor *v, const char *name, QNull **obj, Error **errp);

/**
 * visit_open_members:
 * @obj: (inout) an input visitor sets it to a new object with every member
 *       of the innermost struct that has not been visited yet (which count
 *       as visited then); an output visitor adds the members of the object
 *
 * For unions marked 'x-open' in the schema, whose branches come from
 * property tables.
 *
 * Returns: true on success.
 */
bool visit_open_members(Visitor *v, json_t **obj, Error **errp);

#endif
