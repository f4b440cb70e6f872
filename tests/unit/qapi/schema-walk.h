/*
 * Checks an answer of query-qmp-schema: every type that is named exists, is
 * reached, and has what its kind must have.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SCHEMA_WALK_H
#define SCHEMA_WALK_H

#include "qapi/json.h"

static inline const char *walk_str(json_t *obj, const char *key)
{
    const char *text = json_string_value(json_object_get(obj, key));

    g_assert_nonnull(text);
    return text;
}

/* The entity @name of @schema, or NULL; borrowed. */
static inline json_t *walk_find(json_t *schema, const char *name)
{
    json_t *entity;
    size_t i;

    json_array_foreach(schema, i, entity)
    {
        if (strcmp(walk_str(entity, "name"), name) == 0) {
            return entity;
        }
    }
    return NULL;
}

static inline void walk_use(json_t *schema, GHashTable *used, json_t *obj,
                            const char *key)
{
    const char *name = walk_str(obj, key);

    g_assert_nonnull(walk_find(schema, name));
    g_hash_table_add(used, (char *)name);
}

static inline void walk_use_all(json_t *schema, GHashTable *used,
                                json_t *entity, const char *list)
{
    json_t *array = json_object_get(entity, list), *element;
    size_t i;

    g_assert_true(json_is_array(array));
    json_array_foreach(array, i, element)
    {
        walk_use(schema, used, element, "type");
    }
}

static inline void walk_object(json_t *schema, GHashTable *used, json_t *entity)
{
    json_t *tag = json_object_get(entity, "tag"), *member;
    bool tag_found = false;
    size_t i;

    walk_use_all(schema, used, entity, "members");
    g_assert_true((tag != NULL) ==
                  (json_object_get(entity, "variants") != NULL));
    if (!tag) {
        return;
    }
    walk_use_all(schema, used, entity, "variants");
    json_array_foreach(json_object_get(entity, "members"), i, member)
    {
        if (json_equal(json_object_get(member, "name"), tag)) {
            json_t *type = walk_find(schema, walk_str(member, "type"));

            g_assert_cmpstr(walk_str(type, "meta-type"), ==, "enum");
            g_assert_cmpuint(
                json_array_size(json_object_get(type, "values")), ==,
                json_array_size(json_object_get(entity, "variants")));
            tag_found = true;
        }
    }
    g_assert_true(tag_found);
}

static inline void walk_entity(json_t *schema, GHashTable *used, json_t *entity)
{
    const char *meta = walk_str(entity, "meta-type");

    if (strcmp(meta, "command") == 0) {
        walk_use(schema, used, entity, "arg-type");
        walk_use(schema, used, entity, "ret-type");
        g_hash_table_add(used, (char *)walk_str(entity, "name"));
    } else if (strcmp(meta, "event") == 0) {
        walk_use(schema, used, entity, "arg-type");
        g_hash_table_add(used, (char *)walk_str(entity, "name"));
    } else if (strcmp(meta, "object") == 0) {
        walk_object(schema, used, entity);
    } else if (strcmp(meta, "alternate") == 0) {
        walk_use_all(schema, used, entity, "members");
    } else if (strcmp(meta, "array") == 0) {
        walk_use(schema, used, entity, "element-type");
    } else if (strcmp(meta, "enum") == 0) {
        g_assert_cmpuint(json_array_size(json_object_get(entity, "values")), ==,
                         json_array_size(json_object_get(entity, "members")));
    } else {
        g_assert_cmpstr(meta, ==, "builtin");
        walk_str(entity, "json-type");
    }
}

static inline void schema_walk(json_t *schema)
{
    g_autoptr(GHashTable) used = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    json_t *entity;
    size_t i;

    g_assert_cmpuint(json_array_size(schema), >, 0);
    json_array_foreach(schema, i, entity)
    {
        g_assert_true(
            g_hash_table_add(names, (char *)walk_str(entity, "name")));
        walk_entity(schema, used, entity);
    }
    g_assert_cmpuint(g_hash_table_size(used), ==, json_array_size(schema));
}

#endif
