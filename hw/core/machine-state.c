/*
 * What a migration carries of a machine as a whole, and of each device by its
 * class's table.
 *
 * The guest's clock comes first, for the timers of all others are absolute
 * times of it; then, in order of their realization, CPUs, interrupt
 * controllers and devices. At the end of a load everything is as it was on the
 * other side at the moment when the guest had stopped, and no time has gone.
 *
 * "globalstate" tells in which run state the guest was before it was stopped
 * for the migration; without a note of it there is no such section.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/core/qdev-internal.h"
#include "hw/machine-lock.h"
#include "migration/register.h"
#include "util/error.h"
#include "util/timer.h"

/* No guest is as old: sums of times stay far from an overflow. */
#define CLOCK_NS_MAX (INT64_MAX / 4)

/* -- the guest's clock ---------------------------------------------------------- */

static int clock_pre_save(void *opaque)
{
    MachineState *m = opaque;

    m->saved.clock_ns = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    return 0;
}

static bool clock_post_load(void *opaque, int version_id, Error **errp)
{
    MachineState *m = opaque;

    if (m->saved.clock_ns < 0 || m->saved.clock_ns > CLOCK_NS_MAX) {
        error_setg(errp, "the guest's clock cannot be %" PRId64 " ns",
                   m->saved.clock_ns);
        return false;
    }
    cpu_set_clock(m->saved.clock_ns);
    return true;
}

static const VMStateDescription vmstate_clock = {
    .name = "timer",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_save = clock_pre_save,
    .post_load_errp = clock_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_INT64(saved.clock_ns, MachineState),
                                VMSTATE_END_OF_LIST() },
};

/* -- run state of the source ------------------------------------------------------ */

static bool run_state_needed(void *opaque)
{
    return ((MachineState *)opaque)->saved.run_state[0];
}

static bool run_state_post_load(void *opaque, int version_id, Error **errp)
{
    char *name = ((MachineState *)opaque)->saved.run_state;

    if (!memchr(name, '\0', MACHINE_RUN_STATE_BYTES)) {
        name[0] = '\0';
        error_setg(errp, "the source's run state has no end");
        return false;
    }
    return true;
}

static const VMStateDescription vmstate_run_state = {
    .name = "globalstate",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = run_state_needed,
    .post_load_errp = run_state_post_load,
    .fields =
        (const VMStateField[]){ VMSTATE_BUFFER(saved.run_state, MachineState),
                                VMSTATE_END_OF_LIST() },
};

bool machine_note_run_state(MachineState *machine, const char *name,
                            Error **errp)
{
    size_t len = strlen(name);

    if (len >= MACHINE_RUN_STATE_BYTES) {
        error_setg(errp, "run state '%s' is too long a name", name);
        return false;
    }
    MACHINE_LOCK_GUARD();
    memset(machine->saved.run_state, 0, MACHINE_RUN_STATE_BYTES);
    memcpy(machine->saved.run_state, name, len);
    return true;
}

const char *machine_loaded_run_state(MachineState *machine)
{
    return machine->saved.run_state[0] ? machine->saved.run_state : NULL;
}

/* -- the machine's registry ----------------------------------------------------------- */

SaveVMRegistry *machine_savevm(MachineState *machine)
{
    return machine->savevm;
}

void machine_set_incoming(MachineState *machine, bool on)
{
    machine->incoming = on;
}

void machine_state_init(MachineState *machine)
{
    MACHINE_LOCK_GUARD();

    machine->savevm = savevm_registry_new();
    vmstate_register_with(machine->savevm, vmstate_clock.name, 0,
                          &vmstate_clock, machine, MIG_PRI_MAX, &error_abort);
    vmstate_register_with(machine->savevm, vmstate_run_state.name, 0,
                          &vmstate_run_state, machine, MIG_PRI_DEFAULT,
                          &error_abort);
}

void machine_state_deinit(MachineState *machine)
{
    MACHINE_LOCK_GUARD();

    savevm_registry_free(machine->savevm);
    machine->savevm = NULL;
}

/* -- devices --------------------------------------------------------------------------- */

bool qdev_state_register(DeviceState *dev, Error **errp)
{
    const VMStateDescription *vmsd = DEVICE_GET_CLASS(dev)->vmsd;
    MachineState *machine = machine_current();
    g_autofree char *path = NULL;
    g_autofree char *idstr = NULL;

    if (!vmsd || !machine) {
        return true;
    }
    path = qdev_get_dev_path(dev);
    idstr = path ? g_strdup_printf("%s/%s", path, vmsd->name)
                 : g_strdup(vmsd->name);
    MACHINE_LOCK_GUARD();
    if (vmstate_register_with(machine->savevm, idstr, VMSTATE_INSTANCE_ID_ANY,
                              vmsd, dev, MIG_PRI_DEFAULT, errp) < 0) {
        return false;
    }
    dev->savevm = machine->savevm;
    return true;
}

void qdev_state_unregister(DeviceState *dev)
{
    MACHINE_LOCK_GUARD();

    if (dev->savevm) {
        vmstate_unregister_with(dev->savevm, DEVICE_GET_CLASS(dev)->vmsd, dev);
        dev->savevm = NULL;
    }
}
