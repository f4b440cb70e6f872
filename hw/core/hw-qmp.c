/*
 * QMP commands about memory backends and CPU models.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/hostmem.h"
#include "qapi/qapi-commands-machine.h"
#include "util/error.h"

MemdevList *qmp_query_memdev(Error **errp)
{
    g_autoptr(GPtrArray) memdevs = memdev_list();
    MemdevList *list = NULL;

    for (guint i = memdevs->len; i-- > 0;) {
        const MemdevInfo *m = g_ptr_array_index(memdevs, i);
        Memdev *info = g_new0(Memdev, 1);

        info->id = g_strdup(m->id);
        info->size = m->size_bytes;
        info->merge = m->merge;
        info->dump = m->dump;
        info->prealloc = m->prealloc;
        info->share = m->share;
        info->has_reserve = true;
        info->reserve = m->reserve;
        info->policy = (HostMemPolicy)m->policy;
        for (guint n = m->host_nodes->len; n-- > 0;) {
            QAPI_LIST_PREPEND(info->host_nodes,
                              (uint16_t)g_array_index(m->host_nodes, unsigned,
                                                      n));
        }
        QAPI_LIST_PREPEND(list, info);
    }
    return list;
}

HotpluggableCPUList *qmp_query_hotpluggable_cpus(Error **errp)
{
    MachineState *machine = machine_current();
    g_autoptr(GPtrArray) cpus = NULL;
    HotpluggableCPUList *list = NULL;

    if (!machine || MACHINE_GET_CLASS(machine)->max_cpus == 0) {
        error_setg(errp, "machine does not support hot-plugging CPUs");
        return NULL;
    }
    cpus = machine_cpu_info(machine);
    for (guint i = 0; i < cpus->len; i++) {
        const CPUInfo *cpu = g_ptr_array_index(cpus, i);
        Object *obj = object_resolve_path(cpu->qom_path, NULL);
        HotpluggableCPU *info = g_new0(HotpluggableCPU, 1);

        info->type = g_strdup(object_get_typename(obj));
        info->vcpus_count = 1;
        info->qom_path = g_strdup(cpu->qom_path);
        info->props = g_new0(CpuInstanceProperties, 1);
        info->props->has_socket_id = true;
        info->props->socket_id = cpu->socket_id;
        info->props->has_die_id = true;
        info->props->die_id = cpu->die_id;
        info->props->has_core_id = true;
        info->props->core_id = cpu->core_id;
        info->props->has_thread_id = true;
        info->props->thread_id = cpu->thread_in_core;
        QAPI_LIST_PREPEND(list, info); /* the last CPU first, as ever */
    }
    return list;
}

CpuModelExpansionInfo *qmp_query_cpu_model_expansion(CpuModelExpansionType type,
                                                     CpuModelInfo *model,
                                                     Error **errp)
{
    MachineState *machine = machine_current();
    CpuModelExpansionInfo *info;
    json_t *props;

    if (!machine || !machine->realized) {
        error_setg(errp, "there is no machine yet");
        return NULL;
    }
    if (model->props && !json_is_object(model->props)) {
        error_setg(errp, "'props' must be an object");
        return NULL;
    }
    props = cpu_model_expand(machine, model->name, model->props, errp);
    if (!props) {
        return NULL;
    }
    info = g_new0(CpuModelExpansionInfo, 1);
    info->model = g_new0(CpuModelInfo, 1);
    info->model->name = g_strdup(
        type == CPU_MODEL_EXPANSION_TYPE_STATIC ? "base" : model->name);
    info->model->props = props;
    return info;
}
