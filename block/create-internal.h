/*
 * What the files of image creation share.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef BLOCK_CREATE_INTERNAL_H
#define BLOCK_CREATE_INTERNAL_H

#include "block/create.h"

#define TYPE_BLOCK_CREATE_FILE TYPE_BLOCK_CREATE "-file"

/** create_class: the class "<@base>-<@driver>". Errors: the driver does not
 *  support @verb ("image creation"). */
ObjectClass *create_class(const char *base, const char *driver,
                          const char *verb, Error **errp);

/** create_set_options: @opts into properties. @keyval: leaves are text. */
bool create_set_options(Object *obj, const json_t *opts, bool keyval,
                        Error **errp);

/** create_find_option: the property of @klass that -o calls @key, or NULL. */
const char *create_find_option(ObjectClass *klass,
                               const BlockCreateAlias *aliases,
                               const char *key);

/**
 * create_map_options:
 * @opts: (in) options with names and values as after -o
 * @ret_rest: (out, optional) those that @klass does not have; NULL: an error
 *
 * Returns: (transfer full) the same with the properties' names and values.
 * Errors: unknown option; one given twice, in two spellings.
 */
json_t *create_map_options(ObjectClass *klass, const BlockCreateAlias *aliases,
                           const json_t *opts, json_t **ret_rest, Error **errp);

/** create_options_help: the properties as -o spells them; g_free(). */
char *create_options_help(ObjectClass *klass, bool keeps_dashes);

/** create_open_ref: "file": a node-name or options, for writing. */
BlockBackend *create_open_ref(const json_t *ref, bool keyval, AioContext *ctx,
                              const char *what, Error **errp);

#endif
