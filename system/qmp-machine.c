/*
 * QMP: the machine, its CPUs, its memory, its devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/boards.h"
#include "hw/cpu.h"
#include "hw/qdev-core.h"
#include "migration/migration.h"
#include "qapi/qapi-commands-machine.h"
#include "util/error.h"

#include "identity.h"
#include "startup.h"

TargetInfo *qmp_query_target(Error **errp)
{
    TargetInfo *info = g_new0(TargetInfo, 1);

    info->arch = SYS_EMU_TARGET_X86_64;
    return info;
}

KvmInfo *qmp_query_kvm(Error **errp)
{
    MachineState *machine = system_get()->machine;
    KvmInfo *info = g_new0(KvmInfo, 1);

    info->present = kvm_host_present();
    info->enabled =
        machine && g_strcmp0(machine_accel_name(machine), "kvm") == 0;
    return info;
}

NameInfo *qmp_query_name(Error **errp)
{
    NameInfo *info = g_new0(NameInfo, 1);

    info->name = g_strdup(identity_name());
    return info;
}

UuidInfo *qmp_query_uuid(Error **errp)
{
    UuidInfo *info = g_new0(UuidInfo, 1);

    info->UUID = g_strdup(identity_uuid());
    return info;
}

MachineInfoList *qmp_query_machines(Error **errp)
{
    g_autoptr(GPtrArray) classes = machine_class_list();
    MachineInfoList *list = NULL;

    for (guint i = classes->len; i-- > 0;) {
        const MachineClass *mc = g_ptr_array_index(classes, i);
        MachineInfo *info = g_new0(MachineInfo, 1);

        info->name = g_strdup(mc->name);
        info->alias = g_strdup(mc->alias);
        info->has_is_default = mc->is_default;
        info->is_default = mc->is_default;
        info->cpu_max = MAX(mc->max_cpus, 1);
        info->default_cpu_type = g_strdup(mc->default_cpu_type);
        info->default_ram_id = g_strdup(mc->default_ram_id);
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

CurrentMachineParams *qmp_query_current_machine(Error **errp)
{
    /* No suspend to RAM yet, so nothing to wake from. */
    return g_new0(CurrentMachineParams, 1);
}

static CpuInstanceProperties *cpu_props(const CPUInfo *cpu)
{
    CpuInstanceProperties *props = g_new0(CpuInstanceProperties, 1);

    props->has_socket_id = true;
    props->socket_id = cpu->socket_id;
    props->has_die_id = true;
    props->die_id = cpu->die_id;
    props->has_core_id = true;
    props->core_id = cpu->core_id;
    props->has_thread_id = true;
    props->thread_id = cpu->thread_in_core;
    return props;
}

CpuInfoFastList *qmp_query_cpus_fast(Error **errp)
{
    g_autoptr(GPtrArray) cpus = machine_cpu_info(system_get()->machine);
    CpuInfoFastList *list = NULL;

    for (guint i = cpus->len; i-- > 0;) {
        const CPUInfo *cpu = g_ptr_array_index(cpus, i);
        CpuInfoFast *info = g_new0(CpuInfoFast, 1);

        info->cpu_index = cpu->cpu_index;
        info->qom_path = g_strdup(cpu->qom_path);
        info->thread_id = cpu->thread_id;
        info->props = cpu_props(cpu);
        info->target = SYS_EMU_TARGET_X86_64;
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

CpuDefinitionInfoList *qmp_query_cpu_definitions(Error **errp)
{
    g_autoptr(GPtrArray) models = cpu_model_list(system_get()->machine);
    CpuDefinitionInfoList *list = NULL;

    for (guint i = models->len; i-- > 0;) {
        const CPUModelInfo *model = g_ptr_array_index(models, i);
        CpuDefinitionInfo *info = g_new0(CpuDefinitionInfo, 1);

        info->name = g_strdup(model->name);
        info->typename = g_strdup(model->type_name);
        info->has_migration_safe = true;
        info->migration_safe = model->migration_safe;
        info->q_static = model->is_static;
        for (char **f = model->unavailable_features; f && *f; f++) {
            info->has_unavailable_features = true;
            QAPI_LIST_PREPEND(info->unavailable_features, g_strdup(*f));
        }
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

MemoryInfo *qmp_query_memory_size_summary(Error **errp)
{
    MemoryInfo *info = g_new0(MemoryInfo, 1);

    info->base_memory = machine_ram_bytes(system_get()->machine);
    return info;
}

/* -- devices ------------------------------------------------------------- */

void qmp_device_add(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    if (!system_get()->machine_ready) {
        error_setg(errp, "devices can be added when the machine is there");
        return;
    }
    if (migration_allows_change("device_add", errp) &&
        qdev_device_add_json(args, errp)) {
        *ret = json_object();
    }
}

void qmp_device_del(const char *id, Error **errp)
{
    DeviceState *dev = qdev_find(id);

    if (!dev) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "device '%s' not found",
                  id);
        return;
    }
    if (!DEVICE_GET_CLASS(dev)->hotpluggable) {
        error_setg(errp, "device '%s' (%s) cannot be unplugged", id,
                   object_get_typename(OBJECT(dev)));
        return;
    }
    if (migration_allows_change("device_del", errp)) {
        qdev_unplug_now(dev);
    }
}
