/*
 * x86 CPU models as QOM classes, and the -cpu option.
 *
 * Each model is a class "NAME-x86_64-cpu"; each feature is a boolean property
 * of it, so `-cpu NAME,feature=on`, `-global` and qom-get all work.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/x86-cpu.h"

#include "hw/types.h"
#include "qapi/visitor.h"
#include "qom/property.h"
#include "util/error.h"

#define VENDOR_INTEL "GenuineIntel"
#define VENDOR_AMD   "AuthenticAMD"

/* fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush
 * mmx fxsr sse sse2 */
#define BASE_1_EDX        0x078bfbfdu
#define BIT_VME           (1u << 1)
#define BIT_PNI           (1u << 0)
#define BIT_CX16          (1u << 13)
#define BIT_X2APIC        (1u << 21)
#define BIT_HYPERVISOR    (1u << 31)
#define BIT_LAHF          (1u << 0)
#define BIT_SYSCALL_NX_LM ((1u << 11) | (1u << 20) | (1u << 29))

static const X86CPUModel model_base = {
    .name = "base",
    .description = "no features; a start for feature lists",
    .vendor = VENDOR_INTEL,
    .xlevel = 0x80000008,
    .model_id = "",
    .features = { [FEAT_1_ECX] = BIT_HYPERVISOR },
};

static const X86CPUModel model_qemu64 = {
    .name = "qemu64",
    .description = "what every x86-64 host has",
    .vendor = VENDOR_AMD,
    .family = 15,
    .model = 107,
    .stepping = 1,
    .level = 0xd,
    .xlevel = 0x8000000a,
    .model_id = "QEMU Virtual CPU version 2.5+",
    .features = { [FEAT_1_EDX] = BASE_1_EDX,
                  [FEAT_1_ECX] =
                      BIT_PNI | BIT_CX16 | BIT_X2APIC | BIT_HYPERVISOR,
                  [FEAT_8000_0001_EDX] = BIT_SYSCALL_NX_LM,
                  [FEAT_8000_0001_ECX] = BIT_LAHF },
};

static const X86CPUModel model_kvm64 = {
    .name = "kvm64",
    .description = "what every x86-64 host with KVM has",
    .vendor = VENDOR_INTEL,
    .family = 15,
    .model = 6,
    .stepping = 1,
    .level = 0xd,
    .xlevel = 0x80000008,
    .model_id = "Common KVM processor",
    .features = { [FEAT_1_EDX] = BASE_1_EDX | BIT_VME,
                  [FEAT_1_ECX] =
                      BIT_PNI | BIT_CX16 | BIT_X2APIC | BIT_HYPERVISOR,
                  [FEAT_8000_0001_EDX] = BIT_SYSCALL_NX_LM },
};

static const X86CPUModel model_max = {
    .name = "max",
    .description = "everything that this accelerator can give on this host",
    .vendor = VENDOR_AMD,
    .family = 6,
    .model = 6,
    .stepping = 3,
    .level = 0xd,
    .xlevel = 0x80000008,
    .model_id = "QEMU TCG CPU version 2.5+",
    .from_host = true,
    .host_names = true,
};

static const X86CPUModel model_host = {
    .name = "host",
    .description = "the host's CPU, as far as the accelerator can give it",
    .vendor = VENDOR_INTEL,
    .family = 6,
    .level = 0xd,
    .xlevel = 0x80000008,
    .model_id = "",
    .from_host = true,
    .host_names = true,
};

/* -- feature properties ------------------------------------------------------ */

typedef struct FeatureRef {
    X86FeatureWord word;
    unsigned bit;
} FeatureRef;

static void feature_get(Object *obj, Visitor *v, const char *name, void *opaque,
                        Error **errp)
{
    const FeatureRef *ref = opaque;
    bool on = x86_feature_test(X86_CPU(obj)->features, ref->word, ref->bit);

    visit_type_bool(v, name, &on, errp);
}

static void feature_set(Object *obj, Visitor *v, const char *name, void *opaque,
                        Error **errp)
{
    const FeatureRef *ref = opaque;
    X86CPU *cpu = X86_CPU(obj);
    uint32_t bit = 1u << ref->bit;
    bool on;

    if (DEVICE(obj)->realized) {
        error_setg(errp, "property '%s' cannot be changed any more", name);
        return;
    }
    if (!visit_type_bool(v, name, &on, errp)) {
        return;
    }
    if (on) {
        cpu->user_on[ref->word] |= bit;
        cpu->user_off[ref->word] &= ~bit;
    } else {
        cpu->user_off[ref->word] |= bit;
        cpu->user_on[ref->word] &= ~bit;
    }
}

static void add_feature_properties(ObjectClass *oc)
{
    for (int w = 0; w < FEAT_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            const char *name = x86_feature_words[w].names[b];
            FeatureRef *ref;

            if (name) {
                ref = g_new(FeatureRef, 1); /* as long as the class: always */
                *ref = (FeatureRef){ (X86FeatureWord)w, b };
                object_class_property_add(oc, name, "bool", feature_get,
                                          feature_set, NULL, ref);
            }
        }
    }
}

static void unavailable_get(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    g_auto(GStrv) names = x86_cpu_unavailable(X86_CPU(obj));
    json_t *list = json_array();

    for (char **n = names; *n; n++) {
        json_array_append_new(list, json_string(*n));
    }
    visit_type_any(v, name, &list, errp);
    json_decref(list);
}

/* -- the -cpu option ----------------------------------------------------------- */

static bool apply_word(X86CPU *cpu, const char *word, Error **errp)
{
    g_auto(GStrv) pair = NULL;
    X86FeatureWord w;
    unsigned bit;
    const char *name = word;
    const char *value = "on";

    if (*word == '+' || *word == '-') {
        name = word + 1;
        value = *word == '+' ? "on" : "off";
    } else if (strchr(word, '=')) {
        pair = g_strsplit(word, "=", 2);
        name = pair[0];
        value = pair[1];
    }
    if (x86_feature_find(name, &w, &bit)) {
        name = x86_feature_words[w].names[bit];
    } else if (*word == '+' || *word == '-') {
        error_setg(errp, "unknown CPU feature '%s'", name);
        return false;
    }
    if (!object_property_find(OBJECT(cpu), name)) {
        error_setg(errp, "unknown CPU feature or property '%s'", name);
        return false;
    }
    return object_property_parse(OBJECT(cpu), name, value, errp);
}

X86CPU *x86_cpu_new(const char *spec, unsigned index, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(spec, ",", -1);
    g_autofree char *type =
        g_strconcat(words[0] ? words[0] : "", X86_CPU_TYPE_SUFFIX, NULL);
    ObjectClass *oc;
    g_autoptr(X86CPU) cpu = NULL;

    hw_register_types();
    oc = object_class_by_name(type);
    if (!oc || object_class_is_abstract(oc)) {
        error_setg(errp, "unable to find CPU model '%s'",
                   words[0] ? words[0] : "");
        return NULL;
    }
    cpu = X86_CPU(object_new_with_class(oc));
    CPU(cpu)->cpu_index = (int)index;
    if (!qdev_globals_apply(OBJECT(cpu), errp)) {
        return NULL;
    }
    for (char **w = words + 1; words[0] && *w; w++) {
        if (**w && !apply_word(cpu, *w, errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&cpu);
}

/* -- realize ------------------------------------------------------------------- */

static void set_string(char **field, char *value)
{
    g_free(*field);
    *field = value;
}

/* Family, model and names as the host's CPUID instruction gives them. */
static void use_host_names(X86CPU *cpu, const X86CPUIDTable *supported)
{
    const X86CPUIDEntry *e0 = x86_cpuid_find(supported, 0, 0);
    const X86CPUIDEntry *e1 = x86_cpuid_find(supported, 1, 0);
    const X86CPUIDEntry *max_ext = x86_cpuid_find(supported, 0x80000000, 0);
    char text[49] = "";

    if (e0 && !cpu->vendor) {
        memcpy(text, &e0->ebx, 4);
        memcpy(text + 4, &e0->edx, 4);
        memcpy(text + 8, &e0->ecx, 4);
        text[12] = '\0';
        cpu->vendor = g_strdup(text);
    }
    if (e1 && !cpu->family) {
        cpu->family = e1->eax >> 8 & 15;
        if (cpu->family == 15) {
            cpu->family += e1->eax >> 20 & 255;
        }
        cpu->model = (e1->eax >> 4 & 15) | (e1->eax >> 16 & 15) << 4;
        cpu->stepping = e1->eax & 15;
    }
    if (e0) {
        cpu->level = MAX(cpu->level, e0->eax);
    }
    if (max_ext) {
        cpu->xlevel = MAX(cpu->xlevel, max_ext->eax);
    }
    for (uint32_t i = 0; i < 3; i++) {
        const X86CPUIDEntry *e = x86_cpuid_find(supported, 0x80000002 + i, 0);
        const uint32_t regs[4] = { e ? e->eax : 0, e ? e->ebx : 0,
                                   e ? e->ecx : 0, e ? e->edx : 0 };
        memcpy(text + 16 * i, regs, 16);
    }
    text[48] = '\0';
    if (!cpu->model_id && *text) {
        cpu->model_id = g_strdup(text);
    }
}

void x86_cpu_complete_names(X86CPU *cpu, const X86CPUIDTable *supported)
{
    const X86CPUModel *model = X86_CPU_GET_CLASS(cpu)->model;

    if (model->host_names) {
        use_host_names(cpu, supported);
    }
    if (!cpu->vendor) {
        set_string(&cpu->vendor, g_strdup(model->vendor));
    }
    if (!cpu->model_id) {
        set_string(&cpu->model_id, g_strdup(model->model_id));
    }
}

static void warn_missing(X86CPU *cpu)
{
    MachineState *machine = CPU(cpu)->machine;

    if (!cpu->check || CPU(cpu)->cpu_index != 0) {
        return;
    }
    for (int w = 0; w < FEAT_WORDS; w++) {
        for (unsigned b = 0; b < 32; b++) {
            if (x86_feature_test(cpu->missing, (X86FeatureWord)w, b)) {
                g_autofree char *what =
                    x86_feature_describe((X86FeatureWord)w, b);
                machine_warn(machine,
                             "CPU model '%s': this host does not have %s",
                             X86_CPU_GET_CLASS(cpu)->model->name, what);
            }
        }
    }
}

static bool x86_cpu_realize(DeviceState *dev, Error **errp)
{
    CPUState *cs = CPU(dev);
    X86CPU *cpu = X86_CPU(dev);
    AccelState *accel = cs->machine->accel;
    AccelClass *ac = ACCEL_GET_CLASS(accel);
    g_autoptr(X86CPUIDTable) supported = ac->cpuid_supported(accel, errp);
    g_autoptr(X86CPUIDTable) table = NULL;

    if (!supported || !x86_cpu_setup_features(cpu, supported, errp)) {
        return false;
    }
    x86_cpu_complete_names(cpu, supported);
    warn_missing(cpu);
    table = x86_cpuid_build(cpu, supported, &cs->machine->smp,
                            (unsigned)cs->cpu_index);
    return ac->vcpu_set_cpuid(cs->vcpu, table, errp) &&
           x86_cpu_state_init(cpu, table, errp);
}

static void x86_cpu_unrealize(DeviceState *dev)
{
    x86_cpu_state_deinit(X86_CPU(dev));
}

static bool vendor_check(Object *obj, const Property *prop, const void *value,
                         Error **errp)
{
    const char *text = *(char *const *)value;

    if (strlen(text) != 12) {
        error_setg(errp, "CPU vendor '%s' must have 12 characters", text);
        return false;
    }
    return true;
}

static const Property x86_cpu_props[] = {
    { "vendor", PROP_STR, offsetof(X86CPU, vendor), .check = vendor_check,
      .help = "vendor string", .since = "0.1" },
    { "model-id", PROP_STR, offsetof(X86CPU, model_id),
      .help = "model name, up to 48 characters", .since = "0.1" },
    { "family", PROP_UINT32, offsetof(X86CPU, family), .min = 0, .max = 270,
      .help = "family number", .since = "0.1" },
    { "model", PROP_UINT32, offsetof(X86CPU, model), .min = 0, .max = 255,
      .help = "model number", .since = "0.1" },
    { "stepping", PROP_UINT32, offsetof(X86CPU, stepping), .min = 0, .max = 15,
      .help = "stepping", .since = "0.1" },
    { "level", PROP_UINT32, offsetof(X86CPU, level),
      .help = "highest basic CPUID leaf", .since = "0.1" },
    { "xlevel", PROP_UINT32, offsetof(X86CPU, xlevel),
      .help = "highest extended CPUID leaf", .since = "0.1" },
    { "phys-bits", PROP_UINT32, offsetof(X86CPU, phys_bits), .min = 0,
      .max = 52, .help = "physical address bits; 0 = automatic",
      .since = "0.1" },
    { "host-phys-bits", PROP_BOOL, offsetof(X86CPU, host_phys_bits),
      .help = "physical address bits of the host", .since = "0.1" },
    { "migratable", PROP_BOOL, offsetof(X86CPU, migratable), .def = "on",
      .help = "leave out features that tie the guest to this host",
      .since = "0.1" },
    { "kvm", PROP_BOOL, offsetof(X86CPU, expose_kvm), .def = "on",
      .help = "show the KVM signature", .since = "0.1" },
    { "check", PROP_BOOL, offsetof(X86CPU, check), .def = "on",
      .help = "warn about features of the model that the host lacks",
      .since = "0.1" },
    { "enforce", PROP_BOOL, offsetof(X86CPU, enforce), .def = "off",
      .help = "refuse to start without all features of the model",
      .since = "0.1" },
    {},
};

static void x86_cpu_instance_init(Object *obj)
{
    X86CPU *cpu = X86_CPU(obj);
    const X86CPUModel *model = X86_CPU_GET_CLASS(cpu)->model;

    if (!model->host_names) {
        cpu->family = model->family;
        cpu->model = model->model;
        cpu->stepping = model->stepping;
    }
    cpu->level = model->level;
    cpu->xlevel = model->xlevel;
    cpu->host_phys_bits = model->from_host;
}

static void x86_cpu_instance_finalize(Object *obj)
{
    x86_cpu_state_free(X86_CPU(obj));
}

static void x86_cpu_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = x86_cpu_realize;
    dc->unrealize = x86_cpu_unrealize;
    dc->vmsd = &vmstate_x86_cpu;
    add_feature_properties(oc);
    object_class_property_add(oc, "unavailable-features", "strList",
                              unavailable_get, NULL, NULL, NULL);
}

static void model_class_init(ObjectClass *oc, void *data)
{
    X86_CPU_CLASS(oc)->model = data;
    DEVICE_CLASS(oc)->desc = ((const X86CPUModel *)data)->description;
}

extern const TypeInfo hw_type_x86_cpu;
const TypeInfo hw_type_x86_cpu = {
    .name = TYPE_X86_CPU,
    .parent = TYPE_CPU,
    .abstract = true,
    .instance_size = sizeof(X86CPU),
    .instance_init = x86_cpu_instance_init,
    .instance_finalize = x86_cpu_instance_finalize,
    .class_size = sizeof(X86CPUClass),
    .class_init = x86_cpu_class_init,
    .props = x86_cpu_props,
};

#define MODEL_TYPE(id_, name_)                                                 \
    extern const TypeInfo hw_type_x86_cpu_##id_;                               \
    const TypeInfo hw_type_x86_cpu_##id_ = {                                   \
        .name = name_ X86_CPU_TYPE_SUFFIX,                                     \
        .parent = TYPE_X86_CPU,                                                \
        .class_init = model_class_init,                                        \
        .class_data = (void *)&model_##id_,                                    \
    }

MODEL_TYPE(base, "base");
MODEL_TYPE(host, "host");
MODEL_TYPE(kvm64, "kvm64");
MODEL_TYPE(max, "max");
MODEL_TYPE(qemu64, "qemu64");
