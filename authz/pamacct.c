/*
 * authz-pam: PAM's account management decides.
 *
 * Only pam_acct_mgmt() is asked: who the peer is was proved before. There is
 * nobody to talk to, so a module that starts a conversation is told that it
 * failed. Each question has its own PAM handle and may block as long as the
 * modules do.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/pamacct.h"

#include <security/pam_appl.h>

#include "authz/types.h"
#include "qom/object_interfaces.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/library.h"

/* Loaded with the first question. */
static int (*lib_start)(const char *service, const char *user,
                        const struct pam_conv *conv, pam_handle_t **handle);
static int (*lib_acct_mgmt)(pam_handle_t *handle, int flags);
static const char *(*lib_strerror)(pam_handle_t *handle, int error);
static int (*lib_end)(pam_handle_t *handle, int status);
static const LibrarySymbol pam_symbols[] = { { "pam_start", &lib_start },
                                             { "pam_acct_mgmt",
                                               &lib_acct_mgmt },
                                             { "pam_strerror", &lib_strerror },
                                             { "pam_end", &lib_end },
                                             {} };
static Library pam_library = { .soname = "libpam.so.0",
                               .symbols = pam_symbols };

struct QAuthZPAM {
    QAuthZ parent_obj;

    char *service;
};

static int pam_no_conversation(int n, const struct pam_message **msg,
                               struct pam_response **resp, void *opaque)
{
    return PAM_CONV_ERR;
}

/* Answers about the user, as against faults of PAM or of its modules. */
static bool pam_is_refusal(int ret)
{
    switch (ret) {
    case PAM_ACCT_EXPIRED:
    case PAM_AUTH_ERR:
    case PAM_NEW_AUTHTOK_REQD:
    case PAM_PERM_DENIED:
    case PAM_USER_UNKNOWN:
        return true;
    default:
        return false;
    }
}

static bool pam_is_allowed(QAuthZ *authz, const char *identity, Error **errp)
{
    QAuthZPAM *p = QAUTHZ_PAM(authz);
    const struct pam_conv conv = { .conv = pam_no_conversation };
    pam_handle_t *handle = NULL;
    int ret;

    if (!library_load(&pam_library, errp)) {
        return false;
    }
    ret = lib_start(p->service, identity, &conv, &handle);
    if (ret != PAM_SUCCESS) {
        error_setg(errp, "cannot start PAM service '%s' for '%s': error %d",
                   p->service, identity, ret);
        return false;
    }
    ret = lib_acct_mgmt(handle, PAM_SILENT);
    if (ret != PAM_SUCCESS && !pam_is_refusal(ret)) {
        error_setg(errp, "PAM service '%s' cannot decide about '%s': %s",
                   p->service, identity, lib_strerror(handle, ret));
    }
    lib_end(handle, ret);
    return ret == PAM_SUCCESS;
}

/* PAM makes a path of it. */
static bool pam_check_service(Object *obj, const Property *prop,
                              const void *value, Error **errp)
{
    const char *service = *(char *const *)value;

    if (!*service || service[0] == '.' || strchr(service, '/')) {
        error_setg(errp, "PAM service '%s' is not a plain name", service);
        return false;
    }
    return true;
}

static const Property pam_props[] = {
    { "service", PROP_STR, offsetof(QAuthZPAM, service),
      .flags = PROP_F_REQUIRED, .help = "name of the PAM service",
      .since = "4.0", .check = pam_check_service },
    {}
};

QAuthZPAM *qauthz_pam_new(const char *id, const char *service, Error **errp)
{
    authz_register_types();
    return QAUTHZ_PAM(object_new_with_props(TYPE_QAUTHZ_PAM,
                                            object_get_objects_root(), id, errp,
                                            "service", service, NULL));
}

static void pam_class_init(ObjectClass *oc, void *data)
{
    QAUTHZ_CLASS(oc)->is_allowed = pam_is_allowed;
}

const TypeInfo authz_type_pamacct = {
    .name = TYPE_QAUTHZ_PAM,
    .parent = TYPE_QAUTHZ,
    .instance_size = sizeof(QAuthZPAM),
    .class_init = pam_class_init,
    .props = pam_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};
