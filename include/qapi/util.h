/*
 * Small things that generated QAPI code and its users share: enum tables,
 * features, lists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QAPI_UTIL_H
#define QAPI_UTIL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/typedefs.h"

/* Features of schema entities that the compatibility policy acts upon. */
typedef enum QapiSpecialFeature {
    QAPI_DEPRECATED,
    QAPI_UNSTABLE,
} QapiSpecialFeature;

/*
 * The names of an enum. @array has @size entries, index = value; an entry is
 * NULL where the value is compiled out. @special_features is NULL or has
 * @size entries, each a set of 1u << QapiSpecialFeature.
 */
typedef struct QEnumLookup {
    const char *const *array;
    const unsigned char *const special_features;
    const int size;
} QEnumLookup;

/**
 * qapi_enum_lookup:
 * @lookup: (in) table
 * @val: a value of the enum; anything else is a programming error
 *
 * Returns: the name; static.
 */
const char *qapi_enum_lookup(const QEnumLookup *lookup, int val);

/**
 * qapi_enum_parse:
 * @lookup: (in) table
 * @buf: (in) name to find, or NULL
 * @def: returned when @buf is NULL, or is not a name of the enum
 * @errp: (out) set when @buf is not NULL and not a name
 *
 * Returns: the value, or @def.
 */
int qapi_enum_parse(const QEnumLookup *lookup, const char *buf, int def,
                    Error **errp);

/**
 * qapi_bool_parse:
 * @name: (in) name of the parameter, for the message
 * @value: (in) on, yes, true, y / off, no, false, n
 * @obj: (out) set on success
 * @errp: (out) set when the return is false
 *
 * Returns: true on success.
 */
bool qapi_bool_parse(const char *name, const char *value, bool *obj,
                     Error **errp);

/**
 * parse_qapi_name:
 * @name: (in) text that begins with a QAPI name
 * @complete: the whole of @name must be the name
 *
 * A name is an optional "__RFQDN_" prefix, then letters, digits, '-' and
 * '_', the first a letter.
 *
 * Returns: length of the name in bytes, -1 if there is none.
 */
int parse_qapi_name(const char *name, bool complete);

/* Put @element before the first one of @list. */
#define QAPI_LIST_PREPEND(list, element)                                       \
    do {                                                                       \
        typeof(list) qapi_list_new_ = g_new0(typeof(*(list)), 1);              \
        qapi_list_new_->value = (element);                                     \
        qapi_list_new_->next = (list);                                         \
        (list) = qapi_list_new_;                                               \
    } while (0)

/* Put @element at @tail (FooList **), and move @tail on. */
#define QAPI_LIST_APPEND(tail, element)                                        \
    do {                                                                       \
        *(tail) = g_new0(typeof(**(tail)), 1);                                 \
        (*(tail))->value = (element);                                          \
        (tail) = &(*(tail))->next;                                             \
    } while (0)

/* Number of elements of @list, as size_t. */
#define QAPI_LIST_LENGTH(list)                                                 \
    ({                                                                         \
        size_t qapi_list_len_ = 0;                                             \
        for (typeof(list) qapi_list_i_ = (list); qapi_list_i_;                 \
             qapi_list_i_ = qapi_list_i_->next) {                              \
            qapi_list_len_++;                                                  \
        }                                                                      \
        qapi_list_len_;                                                        \
    })

#endif
