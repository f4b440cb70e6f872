/*
 * Unions whose branches come from property tables: a callback lists
 * branches and members, and out come parts of the schema in the form of the
 * generated data.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "introspect-internal.h"

struct QapiOpenVariant {
    char *name;
    char *wrapper;   /* or NULL */
    json_t *members; /* array */
    QapiOpenUnion *owner;
};

struct QapiOpenUnion {
    const char *name; /* of the union's type */
    const char *tag;
    GPtrArray *variants; /* of QapiOpenVariant * */
    GHashTable *enums;   /* set of QEnumLookup * that have a type */
    json_t *types;       /* array of entities made so far */
};

static void variant_free(void *data)
{
    QapiOpenVariant *variant = data;

    g_free(variant->name);
    g_free(variant->wrapper);
    json_decref(variant->members);
    g_free(variant);
}

const char *qapi_open_union_tag(const QapiOpenUnion *u)
{
    return u->tag;
}

QapiOpenVariant *qapi_open_union_add(QapiOpenUnion *u, const char *name,
                                     const char *wrapper)
{
    QapiOpenVariant *variant = g_new0(QapiOpenVariant, 1);

    variant->name = g_strdup(name);
    variant->wrapper = g_strdup(wrapper);
    variant->members = json_array();
    variant->owner = u;
    g_ptr_array_add(u->variants, variant);
    return variant;
}

/* A part of the schema; @name, a string, is taken. */
static json_t *add_type(QapiOpenUnion *u, char *name, const char *meta,
                        json_t *members)
{
    json_t *entity = json_object();

    json_object_set_new(entity, "name", json_string(name));
    json_object_set_new(entity, "meta-type", json_string(meta));
    json_object_set_new(entity, "members", members);
    json_array_append_new(u->types, entity);
    g_free(name);
    return json_object_get(entity, "name");
}

static json_t *enum_members(const QEnumLookup *lookup)
{
    json_t *members = json_array();

    for (int i = 0; i < lookup->size; i++) {
        if (lookup->array[i]) {
            json_array_append_new(members,
                                  json_pack("{s:s}", "name", lookup->array[i]));
        }
    }
    return members;
}

/* The type of the enum @lookup, which the schema does not know. */
static char *enum_type(QapiOpenUnion *u, const QEnumLookup *lookup)
{
    char *name = g_strdup_printf("q_lookup_%p", (const void *)lookup);

    if (g_hash_table_add(u->enums, (void *)lookup)) {
        add_type(u, g_strdup(name), "enum", enum_members(lookup));
    }
    return name;
}

static json_t *feature_names(unsigned special_features)
{
    json_t *names = json_array();

    if (special_features & 1u << QAPI_DEPRECATED) {
        json_array_append_new(names, json_string("deprecated"));
    }
    if (special_features & 1u << QAPI_UNSTABLE) {
        json_array_append_new(names, json_string("unstable"));
    }
    return names;
}

void qapi_open_variant_member(QapiOpenVariant *variant, const char *name,
                              const char *type, const QEnumLookup *lookup,
                              bool optional, unsigned special_features)
{
    g_autofree char *type_name =
        lookup ? enum_type(variant->owner, lookup) : g_strdup(type);
    json_t *member = json_object();

    json_object_set_new(member, "name", json_string(name));
    json_object_set_new(member, "type", json_string(type_name));
    if (optional) {
        json_object_set_new(member, "default", json_null());
    }
    if (special_features) {
        json_object_set_new(member, "features",
                            feature_names(special_features));
    }
    json_array_append_new(variant->members, member);
}

/* The type with the members of @variant; a JSON string, borrowed. */
static json_t *variant_type(QapiOpenUnion *u, QapiOpenVariant *variant)
{
    json_t *type, *wrapper;

    type = add_type(u, g_strdup_printf("q_open_%s-%s", u->name, variant->name),
                    "object", json_incref(variant->members));
    if (!variant->wrapper) {
        return type;
    }
    wrapper = json_pack("[{s:s, s:O}]", "name", variant->wrapper, "type", type);
    return add_type(
        u, g_strdup_printf("q_open_%s-%s-wrapper", u->name, variant->name),
        "object", wrapper);
}

/* Let the tag be of an enum with the names of the variants. */
static void type_the_tag(QapiOpenUnion *u, json_t *entity)
{
    const char *tag = json_string_value(json_object_get(entity, "tag"));
    json_t *cases = json_array(), *type, *member;
    size_t i;

    for (guint n = 0; n < u->variants->len; n++) {
        QapiOpenVariant *variant = g_ptr_array_index(u->variants, n);

        json_array_append_new(cases, json_pack("{s:s}", "name", variant->name));
    }
    type = add_type(u, g_strdup_printf("q_open_%s", u->name), "enum", cases);
    json_array_foreach(json_object_get(entity, "members"), i, member)
    {
        const char *name = json_string_value(json_object_get(member, "name"));

        if (name && strcmp(name, tag) == 0) {
            json_object_set(member, "type", type);
        }
    }
}

json_t *qapi_open_union_expand(json_t *entity, QapiOpenFill *fill, void *opaque)
{
    QapiOpenUnion u = {
        .name = json_string_value(json_object_get(entity, "name")),
        .tag = json_string_value(json_object_get(entity, "x-open")),
        .variants = g_ptr_array_new_with_free_func(variant_free),
        .enums = g_hash_table_new(NULL, NULL),
        .types = json_array(),
    };
    json_t *variants = json_array();

    if (fill) {
        fill(&u, opaque);
    }
    for (guint n = 0; n < u.variants->len; n++) {
        QapiOpenVariant *variant = g_ptr_array_index(u.variants, n);

        json_array_append_new(variants,
                              json_pack("{s:s, s:O}", "case", variant->name,
                                        "type", variant_type(&u, variant)));
    }
    type_the_tag(&u, entity);
    json_object_set_new(entity, "variants", variants);
    json_object_del(entity, "x-open");
    g_ptr_array_free(u.variants, true);
    g_hash_table_unref(u.enums);
    return u.types;
}
