/*
 * kvm-pit: the interval timer 8254 that the accelerator runs, as a device, so
 * that its lost_tick_policy can be set with -global.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/qdev-core.h"
#include "qapi/util.h"
#include "qom/property.h"
#include "util/error.h"

#define TYPE_KVM_PIT "kvm-pit"
OBJECT_DECLARE_SIMPLE_TYPE(KVMPIT, KVM_PIT)

typedef enum LostTickPolicyMode {
    LOST_TICK_DISCARD,
    LOST_TICK_DELAY,
    LOST_TICK_SLEW,
} LostTickPolicyMode;

struct KVMPIT {
    DeviceState parent_obj;

    int policy;
};

static const char *const policy_names[] = { "discard", "delay", "slew" };
static const QEnumLookup policy_lookup = {
    .array = policy_names,
    .size = G_N_ELEMENTS(policy_names),
};

static bool policy_check(Object *obj, const Property *prop, const void *value,
                         Error **errp)
{
    if (*(const int *)value == LOST_TICK_SLEW) {
        error_setg(errp, "lost_tick_policy=slew is not supported by the "
                         "kernel's timer: use delay or discard");
        return false;
    }
    return true;
}

static bool kvm_pit_realize(DeviceState *dev, Error **errp)
{
    AccelState *accel = machine_current()->accel;

    return ACCEL_GET_CLASS(accel)->create_pit(
        accel, KVM_PIT(dev)->policy == LOST_TICK_DELAY, errp);
}

static const Property kvm_pit_props[] = {
    { "lost_tick_policy", PROP_ENUM, offsetof(KVMPIT, policy),
      .qapi_type = "LostTickPolicy", .lookup = &policy_lookup, .def = "delay",
      .check = policy_check,
      .help = "what happens to ticks the guest was not running for",
      .since = "0.1" },
    {},
};

static void kvm_pit_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->realize = kvm_pit_realize;
    dc->user_creatable = false;
    dc->hotpluggable = false;
}

extern const TypeInfo hw_type_kvm_pit;
const TypeInfo hw_type_kvm_pit = {
    .name = TYPE_KVM_PIT,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(KVMPIT),
    .class_init = kvm_pit_class_init,
    .props = kvm_pit_props,
};
