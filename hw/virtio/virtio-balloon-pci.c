/*
 * virtio-balloon-pci: the balloon on the PCI bus, its properties and QMP
 * commands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/machine-lock.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-pci.h"
#include "migration/vmstate.h"
#include "qapi/qapi-builtin-visit.h"
#include "qapi/qapi-commands-virtio.h"
#include "qapi/qapi-types-virtio.h"
#include "qapi/visitor.h"
#include "qom/property.h"
#include "util/error.h"
#include "util/main-loop.h"

#define TYPE_VIRTIO_BALLOON_PCI "virtio-balloon-pci-base"
OBJECT_DECLARE_SIMPLE_TYPE(VirtIOBalloonPCI, VIRTIO_BALLOON_PCI)

#define PCI_DEVICE_ID_VIRTIO_BALLOON 0x1002

struct VirtIOBalloonPCI {
    VirtIOPCIProxy parent_obj;

    VirtIOBalloon balloon;
};

static int find_cb(Object *obj, void *opaque)
{
    VirtIOBalloonPCI **ret = opaque;
    Object *found = object_dynamic_cast(obj, TYPE_VIRTIO_BALLOON_PCI);

    if (found && DEVICE(found)->realized) {
        *ret = VIRTIO_BALLOON_PCI(found);
        return 1;
    }
    return 0;
}

static VirtIOBalloonPCI *find_balloon(void)
{
    MachineState *machine = machine_current();
    VirtIOBalloonPCI *found = NULL;

    if (machine) {
        object_child_foreach_recursive(OBJECT(machine), find_cb, &found);
    }
    return found;
}

static VirtIOBalloon *active_balloon(Error **errp)
{
    VirtIOBalloonPCI *d = find_balloon();

    if (!d) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                  "No balloon device has been activated");
        return NULL;
    }
    return &d->balloon;
}

/* -- QMP ------------------------------------------------------------------------------- */

void qmp_balloon(int64_t value, Error **errp)
{
    VirtIOBalloon *s = active_balloon(errp);

    if (!s) {
        return;
    }
    if (value <= 0) {
        error_setg(errp, "Parameter 'target' expects a size");
        return;
    }
    MACHINE_LOCK_GUARD();
    virtio_balloon_set_target(s, (uint64_t)value);
}

BalloonInfo *qmp_query_balloon(Error **errp)
{
    VirtIOBalloon *s = active_balloon(errp);
    BalloonInfo *info;

    if (!s) {
        return NULL;
    }
    info = g_new0(BalloonInfo, 1);
    MACHINE_LOCK_GUARD();
    info->actual = (int64_t)virtio_balloon_actual(s);
    return info;
}

/* -- properties --------------------------------------------------------------------------- */

static void guest_stats_get(Object *obj, Visitor *v, const char *name,
                            void *opaque, Error **errp)
{
    VirtIOBalloon *s = &VIRTIO_BALLOON_PCI(obj)->balloon;
    uint64_t stat[BALLOON_STATS_MAX];
    int64_t last;

    machine_lock();
    memcpy(stat, s->stat, sizeof(stat));
    last = s->stats_last_update_s;
    machine_unlock();
    if (!visit_start_struct(v, name, NULL, 0, errp)) {
        return;
    }
    if (visit_type_int(v, "last-update", &last, errp) &&
        visit_start_struct(v, "stats", NULL, 0, errp)) {
        bool ok = true;

        for (unsigned i = 0; ok && i < BALLOON_STATS_MAX; i++) {
            ok = visit_type_uint64(v, virtio_balloon_stats_name(i), &stat[i],
                                   errp);
        }
        if (ok) {
            visit_check_struct(v, errp);
        }
        visit_end_struct(v, NULL);
    }
    visit_end_struct(v, NULL);
}

static void interval_get(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    int64_t seconds = VIRTIO_BALLOON_PCI(obj)->balloon.stats_interval_s;

    visit_type_int(v, name, &seconds, errp);
}

static void interval_set(Object *obj, Visitor *v, const char *name,
                         void *opaque, Error **errp)
{
    int64_t seconds;

    if (!visit_type_int(v, name, &seconds, errp)) {
        return;
    }
    if (seconds < 0 || seconds > UINT32_MAX) {
        error_setg(errp, "timer value must be from 0 to %u", UINT32_MAX);
        return;
    }
    MACHINE_LOCK_GUARD();
    virtio_balloon_poll_stats(&VIRTIO_BALLOON_PCI(obj)->balloon, seconds);
}

static const Property balloon_pci_props[] = {
    VIRTIO_FEATURE_PROPS(VirtIOBalloonPCI, balloon.vdev),
    { "deflate-on-oom", PROP_BOOL,
      offsetof(VirtIOBalloonPCI, balloon.deflate_on_oom), .def = "off",
      .help = "the guest takes pages back before it runs out of memory",
      .since = "0.1" },
    { "free-page-reporting", PROP_BOOL,
      offsetof(VirtIOBalloonPCI, balloon.free_page_reporting), .def = "off",
      .help = "the guest tells of free memory, which the host gets back",
      .since = "0.1" },
    { "vectors", PROP_UINT32, offsetof(VirtIOBalloonPCI, parent_obj.n_vectors),
      .def = "0", .help = "MSI-X vectors; 0 = none", .since = "0.1" },
    { "guest-stats", PROP_CUSTOM, .qapi_type = "any", .get = guest_stats_get,
      .flags = PROP_F_READ_ONLY,
      .help = "statistics of the guest's memory, and their time",
      .since = "0.1" },
    { "guest-stats-polling-interval", PROP_CUSTOM, .qapi_type = "int",
      .get = interval_get, .set = interval_set, .flags = PROP_F_RUNTIME,
      .def = "0", .unit = "s", .help = "how often to ask for them; 0 = never",
      .since = "0.1" },
    {},
};

/* -- life ---------------------------------------------------------------------------------- */

static bool balloon_pci_realize(VirtIOPCIProxy *proxy, Error **errp)
{
    VirtIOBalloonPCI *d = VIRTIO_BALLOON_PCI(proxy);

    if (find_balloon()) {
        error_setg(errp, "Only one balloon device is supported");
        return false;
    }
    d->balloon.machine = pci_get_machine(PCI_DEVICE(proxy));
    return virtio_balloon_realize(&d->balloon, DEVICE(proxy),
                                  virtio_pci_memory(proxy),
                                  qemu_get_aio_context());
}

static void balloon_pci_unrealize(VirtIOPCIProxy *proxy)
{
    virtio_balloon_unrealize(&VIRTIO_BALLOON_PCI(proxy)->balloon);
}

static void balloon_pci_instance_finalize(Object *obj)
{
    /* Polling may have been asked for before realize. */
    g_clear_pointer(&VIRTIO_BALLOON_PCI(obj)->balloon.stats_timer, timer_free);
}

/* Statistics come anew; how often they are asked for is this side's matter. */
static const VMStateDescription vmstate_balloon_pci = {
    .name = "virtio-balloon",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_VIRTIO_PCI(parent_obj, VirtIOBalloonPCI),
            VMSTATE_UINT32(balloon.num_pages, VirtIOBalloonPCI),
            VMSTATE_UINT32(balloon.actual, VirtIOBalloonPCI),
            VMSTATE_END_OF_LIST() },
};

static void balloon_pci_class_init(ObjectClass *oc, void *data)
{
    VirtioPCIClass *vpc = VIRTIO_PCI_CLASS(oc);

    vpc->vdev_offset = offsetof(VirtIOBalloonPCI, balloon.vdev);
    vpc->class_code = PCI_CLASS_OTHERS;
    vpc->legacy_device_id = PCI_DEVICE_ID_VIRTIO_BALLOON;
    vpc->realize = balloon_pci_realize;
    vpc->unrealize = balloon_pci_unrealize;
    DEVICE_CLASS(oc)->desc = "virtio memory balloon";
    DEVICE_CLASS(oc)->vmsd = &vmstate_balloon_pci;
}

extern const TypeInfo hw_type_virtio_balloon_pci_base;
const TypeInfo hw_type_virtio_balloon_pci_base = {
    .name = TYPE_VIRTIO_BALLOON_PCI,
    .parent = TYPE_VIRTIO_PCI,
    .abstract = true,
    .instance_size = sizeof(VirtIOBalloonPCI),
    .instance_finalize = balloon_pci_instance_finalize,
    .class_init = balloon_pci_class_init,
    .props = balloon_pci_props,
};

VIRTIO_PCI_TYPES(virtio_balloon_pci, TYPE_VIRTIO_BALLOON_PCI,
                 "virtio-balloon-pci");
