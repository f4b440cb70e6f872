/*
 * query-qmp-schema: collects what the registered commands and the events
 * reach, and puts numbers in place of type names.
 *
 * A type gets its number when it is met first, and is put on a queue then;
 * when its turn comes, its members meet further types. So everything in the
 * answer is reachable, once, whatever cycles the types form.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/introspect.h"

#include "introspect-internal.h"

typedef struct Introspector {
    GHashTable *types; /* const char * -> json_t *: entity, owned */
    GHashTable *masks; /* char * -> char *: name -> name in the answer */
    GQueue todo;       /* of char *: names of types to put in the answer */
    unsigned next_number;
    QapiOpenFill *fill;
    void *opaque;
    json_t *result;
} Introspector;

static const char *use_type(Introspector *in, const char *name);

static void decref(void *json)
{
    json_decref(json);
}

static const struct {
    const char *name, *json_type;
} builtins[] = {
    { "any", "value" }, { "bool", "boolean" },  { "int", "int" },
    { "null", "null" }, { "number", "number" }, { "str", "string" },
};

static const char *builtin_json_type(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(builtins); i++) {
        if (strcmp(builtins[i].name, name) == 0) {
            return builtins[i].json_type;
        }
    }
    return NULL;
}

/* Property tables may say "uint16"; to clients all integers are "int". */
static const char *plain_name(const char *name)
{
    static const char *const integers[] = {
        "size",  "int8",   "int16",  "int32",  "int64",
        "uint8", "uint16", "uint32", "uint64",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(integers); i++) {
        if (strcmp(name, integers[i]) == 0) {
            return "int";
        }
    }
    return name;
}

/* The name of the element type of "[T]", owned; NULL if it is no array. */
static char *element_name(const char *name)
{
    size_t len = strlen(name);

    if (len < 2 || name[0] != '[' || name[len - 1] != ']') {
        return NULL;
    }
    return g_strndup(name + 1, len - 2);
}

/* A first name for the answer, owned. */
static char *make_mask(Introspector *in, const char *name)
{
    g_autofree char *element = element_name(name);

    if (element) {
        return g_strdup_printf("[%s]", use_type(in, element));
    }
    if (builtin_json_type(name)) {
        return g_strdup(name);
    }
    if (!g_hash_table_contains(in->types, name)) {
        g_error("the QAPI schema has no type '%s'", name);
    }
    return g_strdup_printf("%u", in->next_number++);
}

/* The name of type @name in the answer; sees to it that the type gets in. */
static const char *use_type(Introspector *in, const char *name)
{
    const char *mask;

    name = plain_name(name);
    mask = g_hash_table_lookup(in->masks, name);
    if (!mask) {
        char *new_mask = make_mask(in, name);

        g_hash_table_insert(in->masks, g_strdup(name), new_mask);
        g_queue_push_tail(&in->todo, g_strdup(name));
        mask = new_mask;
    }
    return mask;
}

/* Mask the type that member @key of @obj names, if there is one. */
static void mask_member(Introspector *in, json_t *obj, const char *key)
{
    const char *name = json_string_value(json_object_get(obj, key));

    if (name) {
        json_object_set_new(obj, key, json_string(use_type(in, name)));
    }
}

/* The same for each element of the array @key of @entity. */
static void mask_elements(Introspector *in, json_t *entity, const char *key)
{
    json_t *element;
    size_t i;

    json_array_foreach(json_object_get(entity, key), i, element)
    {
        mask_member(in, element, "type");
    }
}

/* Lists of the generated data begin with null; see gen_introspect.py. */
static void strip_nulls(json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;

    if (json_is_object(value)) {
        json_object_foreach(value, key, child)
        {
            strip_nulls(child);
        }
    } else if (json_is_array(value)) {
        if (json_is_null(json_array_get(value, 0))) {
            json_array_remove(value, 0);
        }
        json_array_foreach(value, i, child)
        {
            strip_nulls(child);
        }
    }
}

/* A list of features that an #if left empty is no list. */
static void drop_empty_features(json_t *entity)
{
    static const char *const lists[] = { "members", "variants" };
    json_t *element;
    size_t i;

    if (json_array_size(json_object_get(entity, "features")) == 0) {
        json_object_del(entity, "features");
    }
    for (size_t n = 0; n < G_N_ELEMENTS(lists); n++) {
        json_array_foreach(json_object_get(entity, lists[n]), i, element)
        {
            if (json_array_size(json_object_get(element, "features")) == 0) {
                json_object_del(element, "features");
            }
        }
    }
}

static void add_types(Introspector *in, json_t *entities)
{
    json_t *entity;
    size_t i;

    json_array_foreach(entities, i, entity)
    {
        g_hash_table_insert(
            in->types,
            (char *)json_string_value(json_object_get(entity, "name")),
            json_incref(entity));
    }
}

static void emit_enum_values(json_t *entity)
{
    json_t *values = json_array(), *member;
    size_t i;

    json_array_foreach(json_object_get(entity, "members"), i, member)
    {
        json_array_append(values, json_object_get(member, "name"));
    }
    json_object_set_new(entity, "values", values);
}

static json_t *declared_type(Introspector *in, const char *name)
{
    json_t *entity = json_deep_copy(g_hash_table_lookup(in->types, name));
    const char *meta = json_string_value(json_object_get(entity, "meta-type"));

    if (json_object_get(entity, "x-open")) {
        json_t *types = qapi_open_union_expand(entity, in->fill, in->opaque);

        add_types(in, types);
        json_decref(types);
    }
    if (strcmp(meta, "enum") == 0) {
        emit_enum_values(entity);
        return entity;
    }
    mask_elements(in, entity, "members");
    mask_elements(in, entity, "variants");
    return entity;
}

static void emit_type(Introspector *in, const char *name)
{
    const char *json_type = builtin_json_type(name);
    g_autofree char *element = element_name(name);
    json_t *entity;

    if (element) {
        entity = json_pack("{s:s, s:s}", "meta-type", "array", "element-type",
                           use_type(in, element));
    } else if (json_type) {
        entity = json_pack("{s:s, s:s}", "meta-type", "builtin", "json-type",
                           json_type);
    } else {
        entity = declared_type(in, name);
    }
    json_object_set_new(entity, "name", json_string(use_type(in, name)));
    json_array_append_new(in->result, entity);
}

static void emit_command_or_event(Introspector *in, json_t *entity)
{
    mask_member(in, entity, "arg-type");
    mask_member(in, entity, "ret-type");
    json_array_append(in->result, entity);
}

/* Does the answer start from @entity: a command that is there, an event? */
static bool is_root(json_t *entity, const QmpCommandList *cmds)
{
    const char *meta = json_string_value(json_object_get(entity, "meta-type"));

    if (strcmp(meta, "command") == 0) {
        return !cmds ||
               qmp_find_command(
                   cmds, json_string_value(json_object_get(entity, "name")));
    }
    return strcmp(meta, "event") == 0;
}

static bool is_type(json_t *entity)
{
    const char *meta = json_string_value(json_object_get(entity, "meta-type"));

    return strcmp(meta, "command") != 0 && strcmp(meta, "event") != 0;
}

static json_t *parse_data(const char *const *data)
{
    json_t *entities = json_array(), *entity;

    for (; *data; data++) {
        entity = json_loads(*data, JSON_REJECT_DUPLICATES, NULL);
        assert(entity);
        strip_nulls(entity);
        drop_empty_features(entity);
        json_array_append_new(entities, entity);
    }
    entity = json_pack("{s:s, s:s, s:[]}", "name", QAPI_EMPTY_TYPE, "meta-type",
                       "object", "members");
    json_array_append_new(entities, entity);
    return entities;
}

json_t *qapi_introspect(const char *const *data, const QmpCommandList *cmds,
                        QapiOpenFill *fill, void *opaque)
{
    g_autoptr(json_t) entities = parse_data(data);
    Introspector in = {
        .types = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, decref),
        .masks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free),
        .todo = G_QUEUE_INIT,
        .fill = fill,
        .opaque = opaque,
        .result = json_array(),
    };
    json_t *entity;
    char *name;
    size_t i;

    json_array_foreach(entities, i, entity)
    {
        if (is_type(entity)) {
            const char *key =
                json_string_value(json_object_get(entity, "name"));

            g_hash_table_insert(in.types, (char *)key, json_incref(entity));
        }
    }
    json_array_foreach(entities, i, entity)
    {
        if (is_root(entity, cmds)) {
            emit_command_or_event(&in, entity);
        }
    }
    while ((name = g_queue_pop_head(&in.todo))) {
        emit_type(&in, name);
        g_free(name);
    }
    g_hash_table_unref(in.types);
    g_hash_table_unref(in.masks);
    return in.result;
}
