/*
 * MSI-X: table, pending bits, masks, and what follows when they change.
 *
 * A vector is masked by its own bit, by the function's bit, or by MSI-X being
 * off. Whatever changes one of these compares before and after: a vector that
 * opens sends what was pending and is given to the notifiers.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/pci/msix.h"

#include "hw/core/vmstate-check.h"
#include "trace/trace-hw.h"
#include "util/bitops.h"
#include "util/host-utils.h"

#define MSIX_BAR_MIN 4096u

struct MSIXState {
    uint32_t n;
    uint32_t table_bytes;
    uint8_t *table;
    uint8_t *pending; /* bit for each vector, whole 8 bytes */
    uint32_t pba_bytes;
    uint32_t pba_offset;
    uint8_t *in_use; /* bytes: the notifiers have it */
    bool enabled;    /* as the last configuration write left it */
    bool function_masked;
    const MSIXNotifiers *notifiers;
    IORegion io;
};

static uint8_t *entry(const PCIDevice *dev, unsigned vector)
{
    return dev->msix->table + vector * PCI_MSIX_ENTRY_BYTES;
}

static uint16_t control(const PCIDevice *dev)
{
    return pci_get_word(dev->config + dev->msix_cap + PCI_MSIX_FLAGS);
}

unsigned msix_nr_vectors(const PCIDevice *dev)
{
    return dev->msix ? dev->msix->n : 0;
}

bool msix_enabled(const PCIDevice *dev)
{
    return dev->msix && dev->msix->enabled;
}

bool msix_is_masked(const PCIDevice *dev, unsigned vector)
{
    const MSIXState *s = dev->msix;

    return !s || vector >= s->n || s->function_masked ||
           (entry(dev, vector)[PCI_MSIX_ENTRY_VECTOR_CTRL] &
            PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

MSIMessage msix_get_message(const PCIDevice *dev, unsigned vector)
{
    const uint8_t *e;

    if (vector >= msix_nr_vectors(dev)) {
        return (MSIMessage){ 0 };
    }
    e = entry(dev, vector);
    return (MSIMessage){
        .address = pci_get_long(e + PCI_MSIX_ENTRY_LOWER_ADDR) |
                   (uint64_t)pci_get_long(e + PCI_MSIX_ENTRY_UPPER_ADDR) << 32,
        .data = pci_get_long(e + PCI_MSIX_ENTRY_DATA),
    };
}

void msix_set_pending(PCIDevice *dev, unsigned vector)
{
    if (vector < msix_nr_vectors(dev)) {
        dev->msix->pending[vector / 8] |= (uint8_t)(1u << vector % 8);
    }
}

static bool take_pending(MSIXState *s, unsigned vector)
{
    uint8_t bit = (uint8_t)(1u << vector % 8);
    bool was = s->pending[vector / 8] & bit;

    s->pending[vector / 8] &= (uint8_t)~bit;
    return was;
}

void msix_notify(PCIDevice *dev, unsigned vector)
{
    if (!msix_enabled(dev) || vector >= dev->msix->n) {
        return;
    }
    if (msix_is_masked(dev, vector)) {
        msix_set_pending(dev, vector);
        return;
    }
    trace_msix_notify(object_get_typename(OBJECT(dev)), vector);
    pci_send_msi(dev, msix_get_message(dev, vector));
}

/* -- changes --------------------------------------------------------------------- */

static bool is_open(const PCIDevice *dev, unsigned vector)
{
    return dev->msix->enabled && !msix_is_masked(dev, vector);
}

/* After a change that may have opened or closed @vector, or its message: tell
 * the notifiers. */
static void tell_notifiers(PCIDevice *dev, unsigned vector, bool new_message)
{
    MSIXState *s = dev->msix;
    bool open = is_open(dev, vector);

    if (s->notifiers && open && (!s->in_use[vector] || new_message)) {
        s->in_use[vector] = 1;
        s->notifiers->use(dev, vector, msix_get_message(dev, vector));
    } else if (s->notifiers && !open && s->in_use[vector]) {
        s->in_use[vector] = 0;
        s->notifiers->release(dev, vector);
    }
}

static void vector_changed(PCIDevice *dev, unsigned vector, bool new_message)
{
    tell_notifiers(dev, vector, new_message);
    if (is_open(dev, vector) && take_pending(dev->msix, vector)) {
        msix_notify(dev, vector);
    }
}

static void all_changed(PCIDevice *dev)
{
    for (unsigned i = 0; i < dev->msix->n; i++) {
        vector_changed(dev, i, false);
    }
}

void msix_set_vector_notifiers(PCIDevice *dev, const MSIXNotifiers *notifiers)
{
    MSIXState *s = dev->msix;

    if (!s) {
        return;
    }
    for (unsigned i = 0; i < s->n; i++) {
        if (s->in_use[i]) {
            s->in_use[i] = 0;
            s->notifiers->release(dev, i);
        }
    }
    s->notifiers = notifiers;
    all_changed(dev);
}

void msix_config_written(PCIDevice *dev)
{
    MSIXState *s = dev->msix;
    bool enabled, masked;

    if (!s) {
        return;
    }
    enabled = control(dev) & PCI_MSIX_FLAGS_ENABLE;
    masked = control(dev) & PCI_MSIX_FLAGS_MASKALL;
    if (enabled != s->enabled || masked != s->function_masked) {
        trace_msix_control(object_get_typename(OBJECT(dev)), enabled, masked);
        s->enabled = enabled;
        s->function_masked = masked;
        all_changed(dev);
    }
}

void msix_reset(PCIDevice *dev)
{
    MSIXState *s = dev->msix;

    if (!s) {
        return;
    }
    pci_set_word(dev->config + dev->msix_cap + PCI_MSIX_FLAGS,
                 (uint16_t)(s->n - 1));
    memset(s->pending, 0, s->pba_bytes);
    msix_config_written(dev); /* releases what is in use */
    memset(s->table, 0, s->n * PCI_MSIX_ENTRY_BYTES);
    for (unsigned i = 0; i < s->n; i++) {
        entry(dev, i)[PCI_MSIX_ENTRY_VECTOR_CTRL] = PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
}

/* -- migration --------------------------------------------------------------------- */

void msix_loaded(PCIDevice *dev)
{
    MSIXState *s = dev->msix;

    s->enabled = control(dev) & PCI_MSIX_FLAGS_ENABLE;
    s->function_masked = control(dev) & PCI_MSIX_FLAGS_MASKALL;
    for (unsigned i = 0; i < s->n; i++) {
        pci_set_long(entry(dev, i) + PCI_MSIX_ENTRY_VECTOR_CTRL,
                     pci_get_long(entry(dev, i) + PCI_MSIX_ENTRY_VECTOR_CTRL) &
                         PCI_MSIX_ENTRY_CTRL_MASKBIT);
        /* Interrupts that wait were sent already if they could be: none is
         * sent while the machine is being put together. */
        tell_notifiers(dev, i, true);
    }
}

const VMStateDescription vmstate_msix = {
    .name = "msix",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields =
        (const VMStateField[]){
            VMSTATE_UINT32_EQUAL(n, MSIXState, "property vectors"),
            VMSTATE_VBUFFER_UINT32(table, MSIXState, 0, NULL, table_bytes),
            VMSTATE_VBUFFER_UINT32(pending, MSIXState, 0, NULL, pba_bytes),
            VMSTATE_END_OF_LIST() },
};

/* -- the BAR --------------------------------------------------------------------------- */

static uint64_t load(const uint8_t *p, unsigned size)
{
    return size == 4   ? pci_get_long(p)
           : size == 2 ? pci_get_word(p)
                       : pci_get_byte(p);
}

static uint64_t msix_read(void *opaque, uint64_t offset, unsigned size)
{
    PCIDevice *dev = opaque;
    const MSIXState *s = dev->msix;

    if (offset + size <= s->n * PCI_MSIX_ENTRY_BYTES) {
        return load(s->table + offset, size);
    }
    if (offset >= s->pba_offset &&
        offset - s->pba_offset + size <= s->pba_bytes) {
        return load(s->pending + (offset - s->pba_offset), size);
    }
    return 0;
}

/* Dwords only (6.8.2: other sizes are undefined). */
static void msix_write(void *opaque, uint64_t offset, uint64_t value,
                       unsigned size)
{
    PCIDevice *dev = opaque;
    MSIXState *s = dev->msix;
    unsigned vector = (unsigned)(offset / PCI_MSIX_ENTRY_BYTES);
    bool is_control =
        offset % PCI_MSIX_ENTRY_BYTES == PCI_MSIX_ENTRY_VECTOR_CTRL;

    if (size != 4 || vector >= s->n) {
        return;
    }
    if (is_control) {
        value &= PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
    pci_set_long(s->table + offset, (uint32_t)value);
    vector_changed(dev, vector, !is_control);
}

static const IORegionOps msix_ops = {
    .read = msix_read,
    .write = msix_write,
    .access_max = 4,
};

static void init_capability(PCIDevice *dev, unsigned nentries, unsigned bar)
{
    uint8_t *cap = dev->config + dev->msix_cap;

    pci_set_word(cap + PCI_MSIX_FLAGS, (uint16_t)(nentries - 1));
    pci_set_long(cap + PCI_MSIX_TABLE, bar);
    pci_set_long(cap + PCI_MSIX_PBA, dev->msix->pba_offset | bar);
    pci_set_word(dev->wmask + dev->msix_cap + PCI_MSIX_FLAGS,
                 PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

bool msix_init_exclusive_bar(PCIDevice *dev, unsigned nentries, unsigned bar,
                             Error **errp)
{
    uint32_t table = nentries * PCI_MSIX_ENTRY_BYTES;
    MSIXState *s;

    assert(nentries > 0 && nentries <= MSIX_VECTORS_MAX && !dev->msix);
    dev->msix_cap =
        pci_add_capability(dev, PCI_CAP_ID_MSIX, 0, PCI_MSIX_CAP_BYTES, errp);
    if (!dev->msix_cap) {
        return false;
    }
    s = dev->msix = g_new0(MSIXState, 1);
    s->n = nentries;
    s->pba_bytes = ROUND_UP(nentries, 64) / 8;
    s->pba_offset = MAX(MSIX_BAR_MIN / 2, table);
    s->table_bytes = table;
    s->table = g_malloc0(table);
    s->pending = g_malloc0(s->pba_bytes);
    s->in_use = g_malloc0(nentries);
    io_region_init(&s->io, "msix",
                   MAX(MSIX_BAR_MIN, pow2ceil(s->pba_offset + s->pba_bytes)),
                   &msix_ops, dev);
    init_capability(dev, nentries, bar);
    pci_register_bar(dev, bar, PCI_BASE_ADDRESS_SPACE_MEMORY, &s->io);
    msix_reset(dev);
    return true;
}

void msix_uninit(PCIDevice *dev)
{
    MSIXState *s = dev->msix;

    if (s) {
        msix_set_vector_notifiers(dev, NULL);
        io_space_remove(&s->io);
        g_free(s->table);
        g_free(s->pending);
        g_free(s->in_use);
        g_free(s);
        dev->msix = NULL;
        dev->msix_cap = 0;
    }
}
