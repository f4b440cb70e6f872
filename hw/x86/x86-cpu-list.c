/*
 * Which CPU models there are, and what one of them is on this host.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/options.h"
#include "hw/types.h"
#include "hw/x86/x86-cpu.h"
#include "util/error.h"

void cpu_model_info_free(CPUModelInfo *info)
{
    if (info) {
        g_free(info->name);
        g_free(info->type_name);
        g_free(info->description);
        g_strfreev(info->unavailable_features);
        g_free(info);
    }
}

static char **model_unavailable(ObjectClass *oc, const X86CPUIDTable *supported)
{
    g_autoptr(X86CPU) cpu = X86_CPU(object_new_with_class(oc));

    x86_cpu_setup_features(cpu, supported, NULL);
    return x86_cpu_unavailable(cpu);
}

GPtrArray *cpu_model_list(MachineState *machine)
{
    GPtrArray *list =
        g_ptr_array_new_with_free_func((GDestroyNotify)cpu_model_info_free);
    g_autoptr(X86CPUIDTable) supported = NULL;
    GSList *classes;

    hw_register_types();
    if (machine && machine->realized) {
        supported = ACCEL_GET_CLASS(machine->accel)
                        ->cpuid_supported(machine->accel, NULL);
    }
    classes = object_class_get_list_sorted(TYPE_X86_CPU, false);
    for (GSList *l = classes; l; l = l->next) {
        const X86CPUModel *model = X86_CPU_CLASS(l->data)->model;
        CPUModelInfo *info = g_new0(CPUModelInfo, 1);

        info->name = g_strdup(model->name);
        info->type_name = g_strdup(object_class_get_name(l->data));
        info->description = g_strdup(model->description);
        info->migration_safe = !model->from_host;
        info->is_static = g_str_equal(model->name, "base");
        if (supported) {
            info->unavailable_features = model_unavailable(l->data, supported);
        }
        g_ptr_array_add(list, info);
    }
    g_slist_free(classes);
    return list;
}

static void add_features(const X86CPU *cpu, json_t *out)
{
    for (int w = 0; w < FEAT_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            if (x86_feature_words[w].names[b]) {
                json_object_set_new(out, x86_feature_words[w].names[b],
                                    json_boolean(x86_feature_test(
                                        cpu->features, (X86FeatureWord)w, b)));
            }
        }
    }
}

json_t *cpu_model_expand(MachineState *machine, const char *name,
                         const json_t *props, Error **errp)
{
    AccelClass *ac = ACCEL_GET_CLASS(machine->accel);
    g_autoptr(X86CPUIDTable) supported =
        ac->cpuid_supported(machine->accel, errp);
    g_autoptr(X86CPU) cpu = NULL;
    json_auto_t *text = props ? options_as_text(props) : json_object();
    json_t *out;

    if (!supported) {
        return NULL;
    }
    if (strchr(name, ',')) {
        error_setg(errp, "unable to find CPU model '%s'", name);
        return NULL;
    }
    cpu = x86_cpu_new(name, 0, errp);
    if (!cpu || !object_set_properties_from_keyval(OBJECT(cpu), text, errp) ||
        !x86_cpu_setup_features(cpu, supported, errp)) {
        return NULL;
    }
    x86_cpu_complete_names(cpu, supported);
    out = json_pack("{s:s,s:s,s:i,s:i,s:i}", "vendor", cpu->vendor, "model-id",
                    cpu->model_id, "family", (int)cpu->family, "model",
                    (int)cpu->model, "stepping", (int)cpu->stepping);
    add_features(cpu, out);
    return out;
}

char *cpu_help(void)
{
    g_autoptr(GPtrArray) list = cpu_model_list(NULL);
    GString *text = g_string_new("Available CPUs:\n");

    for (guint i = 0; i < list->len; i++) {
        const CPUModelInfo *info = g_ptr_array_index(list, i);
        g_string_append_printf(text, "x86 %-12s %s\n", info->name,
                               info->description);
    }
    g_string_append(text, "\nCPU features by name:\n");
    for (int w = 0; w < FEAT_WORDS; w++) {
        g_string_append_c(text, ' ');
        for (unsigned b = 0; b < 32; b++) {
            if (x86_feature_words[w].names[b]) {
                g_string_append_printf(text, " %s",
                                       x86_feature_words[w].names[b]);
            }
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}
