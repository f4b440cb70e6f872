/*
 * What a user can create by name: -object, object-add, object_add.
 *
 * A class that implements TYPE_USER_CREATABLE is configured through its
 * properties and then completed; it lives under /objects/ID until object-del.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef QOM_OBJECT_INTERFACES_H
#define QOM_OBJECT_INTERFACES_H

#include "qom/object.h"

#define TYPE_USER_CREATABLE "user-creatable"

typedef struct UserCreatable UserCreatable;
typedef struct UserCreatableClass UserCreatableClass;

DECLARE_CLASS_CHECKERS(UserCreatableClass, USER_CREATABLE, TYPE_USER_CREATABLE)
#define USER_CREATABLE(obj)                                                    \
    INTERFACE_CHECK(UserCreatable, (obj), TYPE_USER_CREATABLE)

struct UserCreatableClass {
    InterfaceClass parent_class;

    /**
     * complete: (optional) all properties were set; check them together and
     * make the object ready. Failure leaves an object that is finalized next.
     */
    void (*complete)(UserCreatable *uc, Error **errp);

    /** can_be_deleted: (default true) false while something uses it. */
    bool (*can_be_deleted)(UserCreatable *uc);
};

/**
 * user_creatable_complete:
 *
 * Check the REQUIRED properties, call @complete of the class, and mark @uc as
 * completed. A second call does nothing.
 */
bool user_creatable_complete(UserCreatable *uc, Error **errp);

/** user_creatable_can_be_deleted: asks the class, and counts strong links. */
bool user_creatable_can_be_deleted(UserCreatable *uc);

/**
 * user_creatable_add_type:
 * @type: type name or alias
 * @id: id, becomes /objects/@id
 * @props: (in) JSON object of the properties, without qom-type and id; its
 *         leaves are JSON values, or text when @keyval
 * @keyval: how to read leaves
 * @errp: (out) set when the return is NULL
 *
 * Returns: the object, with a reference for the caller; NULL on failure, with
 * nothing left behind.
 * Errors: unknown, abstract or not user-creatable type; bad or used id;
 * a property; completion.
 */
Object *user_creatable_add_type(const char *type, const char *id,
                                const json_t *props, bool keyval, Error **errp);

/**
 * user_creatable_add_qapi:
 * @options: (in) JSON object with qom-type, id and the properties
 *
 * Body of object-add.
 */
bool user_creatable_add_qapi(const json_t *options, Error **errp);

/**
 * user_creatable_parse_str:
 * @str: "TYPE,id=ID,k=v..." or a JSON object, as after -object
 * @keyval: (out) leaves are text; for user_creatable_add_options()
 *
 * Returns: the options (qom-type, id, properties), owned by the caller; NULL
 * with @errp set; NULL without @errp when @str asks for help (see
 * user_creatable_help()).
 */
json_t *user_creatable_parse_str(const char *str, bool *keyval, Error **errp);

/** user_creatable_add_options: make what user_creatable_parse_str() gave. */
bool user_creatable_add_options(const json_t *options, bool keyval,
                                Error **errp);

/** user_creatable_add_from_str: parse and make. A help request is an error. */
bool user_creatable_add_from_str(const char *str, Error **errp);

/**
 * user_creatable_help:
 * @str: what stood after -object
 * @errp: (out) set when @str asks for help on what is no object type
 *
 * Returns: the text that "help" or "TYPE,help" asks for, free with g_free();
 * NULL without @errp set if @str asks for none.
 */
char *user_creatable_help(const char *str, Error **errp);

/** user_creatable_type_is: a concrete user-creatable type or alias. */
bool user_creatable_type_is(const char *type);

/**
 * user_creatable_del:
 * @id: of an object under /objects
 *
 * Errors: no such object; in use.
 */
bool user_creatable_del(const char *id, Error **errp);

/** user_creatable_cleanup: at exit, drop all of /objects. */
void user_creatable_cleanup(void);

#endif
