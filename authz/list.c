/*
 * authz-list: rules given on the command line or over QMP.
 *
 * A lock in the object guards the rules, so a program may change them while
 * other threads ask.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/list.h"

#include "authz/types.h"
#include "qapi/qapi-visit-authz.h"
#include "util/error.h"
#include "util/lockable.h"

#include "authz-internal.h"

struct QAuthZList {
    QAuthZ parent_obj;

    QemuMutex lock; /* guards rules */
    AuthzRules *rules;
};

static bool list_is_allowed(QAuthZ *authz, const char *identity, Error **errp)
{
    QAuthZList *l = QAUTHZ_LIST(authz);

    QEMU_LOCK_GUARD(&l->lock);
    return authz_rules_decide(l->rules, identity);
}

static void list_get_policy(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    QAuthZList *l = QAUTHZ_LIST(obj);
    QAuthZListPolicy policy;

    WITH_QEMU_LOCK_GUARD(&l->lock)
    {
        policy = l->rules->policy;
    }
    visit_type_QAuthZListPolicy(v, name, &policy, errp);
}

static void list_set_policy(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    QAuthZList *l = QAUTHZ_LIST(obj);
    QAuthZListPolicy policy;

    if (visit_type_QAuthZListPolicy(v, name, &policy, errp)) {
        QEMU_LOCK_GUARD(&l->lock);
        l->rules->policy = policy;
    }
}

static void list_get_rules(Object *obj, Visitor *v, const char *name,
                           void *opaque, Error **errp)
{
    QAuthZList *l = QAUTHZ_LIST(obj);
    g_autoptr(QAuthZListRuleList) list = NULL;

    WITH_QEMU_LOCK_GUARD(&l->lock)
    {
        list = authz_rules_get_list(l->rules);
    }
    visit_type_QAuthZListRuleList(v, name, &list, errp);
}

static void list_set_rules(Object *obj, Visitor *v, const char *name,
                           void *opaque, Error **errp)
{
    QAuthZList *l = QAUTHZ_LIST(obj);
    g_autoptr(QAuthZListRuleList) list = NULL;

    if (visit_type_QAuthZListRuleList(v, name, &list, errp)) {
        QEMU_LOCK_GUARD(&l->lock);
        authz_rules_set_list(l->rules, list, errp);
    }
}

static const Property list_props[] = {
    { "policy", PROP_CUSTOM, .qapi_type = "QAuthZListPolicy",
      .flags = PROP_F_RUNTIME,
      .help = "decision if no rule matches: deny (default) or allow",
      .since = "4.0", .get = list_get_policy, .set = list_set_policy },
    { "rules", PROP_CUSTOM, .qapi_type = "[QAuthZListRule]",
      .flags = PROP_F_RUNTIME,
      .help = "rules, each with match, policy and format (exact or glob)",
      .since = "4.0", .get = list_get_rules, .set = list_set_rules },
    {}
};

QAuthZList *qauthz_list_new(const char *id, QAuthZListPolicy policy,
                            Error **errp)
{
    authz_register_types();
    return QAUTHZ_LIST(object_new_with_props(
        TYPE_QAUTHZ_LIST, object_get_objects_root(), id, errp, "policy",
        QAuthZListPolicy_str(policy), NULL));
}

ssize_t qauthz_list_append_rule(QAuthZList *auth, const char *match,
                                QAuthZListPolicy policy,
                                QAuthZListFormat format, Error **errp)
{
    return qauthz_list_insert_rule(auth, match, policy, format, SIZE_MAX, errp);
}

ssize_t qauthz_list_insert_rule(QAuthZList *auth, const char *match,
                                QAuthZListPolicy policy,
                                QAuthZListFormat format, size_t index,
                                Error **errp)
{
    QEMU_LOCK_GUARD(&auth->lock);
    return authz_rules_insert(auth->rules, index, match, policy, format, errp);
}

ssize_t qauthz_list_delete_rule(QAuthZList *auth, const char *match)
{
    QEMU_LOCK_GUARD(&auth->lock);

    for (size_t i = 0; i < auth->rules->rules->len; i++) {
        const AuthzRule *rule =
            &g_array_index(auth->rules->rules, AuthzRule, i);

        if (g_str_equal(rule->match, match)) {
            g_array_remove_index(auth->rules->rules, i);
            return i;
        }
    }
    return -1;
}

void qauthz_list_delete_rules(QAuthZList *auth)
{
    QEMU_LOCK_GUARD(&auth->lock);
    g_array_set_size(auth->rules->rules, 0);
}

static void list_init(Object *obj)
{
    QAuthZList *l = QAUTHZ_LIST(obj);

    qemu_mutex_init(&l->lock);
    l->rules = authz_rules_new();
}

static void list_finalize(Object *obj)
{
    QAuthZList *l = QAUTHZ_LIST(obj);

    authz_rules_free(l->rules);
    qemu_mutex_destroy(&l->lock);
}

static void list_class_init(ObjectClass *oc, void *data)
{
    QAUTHZ_CLASS(oc)->is_allowed = list_is_allowed;
}

const TypeInfo authz_type_list = {
    .name = TYPE_QAUTHZ_LIST,
    .parent = TYPE_QAUTHZ,
    .instance_size = sizeof(QAuthZList),
    .instance_init = list_init,
    .instance_finalize = list_finalize,
    .class_init = list_class_init,
    .props = list_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};
