/*
 * Choosing an accelerator, and the abstract class of all of them.
 *
 * The user names candidates in order of preference; the first one that works
 * on this host is taken. "tcg" is accepted as another name of "soft", so that
 * command lines made for other emulators keep working.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/accel.h"

#include "accel/types.h"
#include "util/error.h"

AccelClass *accel_find(const char *name)
{
    g_autofree char *type = NULL;
    ObjectClass *oc;

    accel_register_types();
    if (g_str_equal(name, "tcg")) {
        name = "soft";
    }
    type = g_strconcat(name, ACCEL_CLASS_SUFFIX, NULL);
    oc = object_class_by_name(type);
    if (!oc || object_class_is_abstract(oc) ||
        !object_class_dynamic_cast(oc, TYPE_ACCEL)) {
        return NULL;
    }
    return ACCEL_CLASS(oc);
}

char *accel_help(void)
{
    GString *text = g_string_new("Accelerators:\n");
    GSList *list;

    accel_register_types();
    list = object_class_get_list_sorted(TYPE_ACCEL, false);
    for (GSList *l = list; l; l = l->next) {
        g_string_append_printf(text, "%s\n", ACCEL_CLASS(l->data)->name);
    }
    g_slist_free(list);
    return g_string_free(text, FALSE);
}

/* Does the host's CPU have VMX or SVM? */
static bool host_has_virtualization(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL)) {
        return false;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l; l++) {
        if (g_str_has_prefix(*l, "flags")) {
            g_auto(GStrv) words = g_strsplit(*l, " ", -1);
            return g_strv_contains((const char *const *)words, "vmx") ||
                   g_strv_contains((const char *const *)words, "svm");
        }
    }
    return false;
}

static const char *default_spec(void)
{
    if (!accel_find("soft")) {
        return "kvm";
    }
    if (!accel_find("kvm")) {
        return "soft";
    }
    return host_has_virtualization() ? "kvm:soft" : "soft:kvm";
}

json_t *accel_candidates_parse(const char *spec)
{
    g_auto(GStrv) names = g_strsplit(spec ? spec : default_spec(), ":", -1);
    json_t *list = json_array();

    for (char **n = names; *n; n++) {
        json_array_append_new(list, json_pack("{s:s}", "accel", *n));
    }
    return list;
}

static void note_reason(GString *why, const char *name, Error *err)
{
    if (why->len) {
        g_string_append(why, "; ");
    }
    g_string_append_printf(why, "%s: %s", name, error_get_pretty(err));
    error_free(err);
}

/* The class of one candidate if it works here; else NULL and the reason. */
static AccelClass *candidate_class(const char *name, Error **errp)
{
    AccelClass *ac = accel_find(name);

    if (!ac) {
        error_setg(errp, "no such accelerator in this binary");
        return NULL;
    }
    if (ac->available && !ac->available(errp)) {
        return NULL;
    }
    return ac;
}

static AccelState *candidate_create(AccelClass *ac, const json_t *options,
                                    Error **errp)
{
    g_autoptr(AccelState) accel =
        ACCEL(object_new_with_class(OBJECT_CLASS(ac)));
    json_t *props = json_copy((json_t *)options);
    bool ok;

    json_object_del(props, "accel");
    ok = object_set_properties_from_keyval(OBJECT(accel), props, errp);
    json_decref(props);
    return ok ? g_steal_pointer(&accel) : NULL;
}

AccelState *accel_create(const json_t *candidates, char **ret_why, Error **errp)
{
    g_autoptr(GString) why = g_string_new(NULL);
    size_t i;
    json_t *c;

    json_array_foreach(candidates, i, c)
    {
        const char *name = json_string_value(json_object_get(c, "accel"));
        Error *err = NULL;
        AccelClass *ac;

        if (!name || !*name) {
            error_setg(errp, "parameter 'accel' is missing");
            return NULL;
        }
        ac = candidate_class(name, &err);
        if (ac) {
            AccelState *accel = candidate_create(ac, c, errp);
            if (accel && ret_why) {
                *ret_why = why->len ? g_strdup(why->str) : NULL;
            }
            return accel;
        }
        note_reason(why, name, err);
    }
    error_setg(errp, "no usable accelerator: %s",
               why->len ? why->str : "none was named");
    return NULL;
}

void accel_attach(AccelState *accel, const AccelHost *host, void *opaque)
{
    assert(!accel->host);
    accel->host = host;
    accel->host_opaque = opaque;
}

void accel_attach_irq(AccelState *accel, const AccelIrqHost *host, void *opaque)
{
    assert(!accel->irq_host);
    accel->irq_host = host;
    accel->irq_opaque = opaque;
}

AccelIrqchip accel_irqchip(AccelState *accel)
{
    AccelClass *ac = ACCEL_GET_CLASS(accel);

    return ac->irqchip ? ac->irqchip(accel) : ACCEL_IRQCHIP_USER;
}

bool kvm_host_present(void)
{
    AccelClass *ac = accel_find("kvm");

    return ac && ac->available(NULL);
}

const TypeInfo accel_type_accel = {
    .name = TYPE_ACCEL,
    .parent = TYPE_OBJECT,
    .abstract = true,
    .instance_size = sizeof(AccelState),
    .class_size = sizeof(AccelClass),
};
