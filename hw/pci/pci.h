/*
 * PCI: functions, their configuration space and base address registers, and
 * the bus they sit on.
 *
 * A function is a device of a subclass of TYPE_PCI_DEVICE. Its class says who
 * it is (ids, class code); its realize() registers BARs and capabilities. The
 * core keeps configuration space, writable masks and the mapping of BARs: when
 * the guest enables decoding or moves a BAR, the region appears in the
 * machine's I/O or memory space. BARs that a hostile guest lets overlap are
 * ordered by priority and never disturb the board's own regions or RAM.
 *
 * Devices given by the user plug into the bus "pci.0" by `bus=` and
 * `addr=SLOT[.FUNCTION]`.
 *
 * Source: PCI Local Bus Specification 3.0; MSI and MSI-X: 6.8. Names are those
 * of the public device interface.
 *
 * Thread: under the machine lock, unless a function says otherwise.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include "hw/boards.h"
#include "hw/core/guest-memory.h"
#include "hw/core/io-space.h"
#include "hw/irq.h"
#include "hw/pci/pci-ids.h"
#include "hw/pci/pci-regs.h"
#include "hw/qdev-core.h"

#define TYPE_PCI_BUS    "PCI"
#define TYPE_PCI_DEVICE "pci-device"

OBJECT_DECLARE_SIMPLE_TYPE(PCIBus, PCI_BUS)
OBJECT_DECLARE_TYPE(PCIDevice, PCIDeviceClass, PCI_DEVICE)

#define PCI_SLOT_MAX     32
#define PCI_FUNC_MAX     8
#define PCI_DEVFN_MAX    256
#define PCI_CONFIG_BYTES 256u
#define PCI_NUM_PINS     4 /* A to D */
#define PCI_NUM_REGIONS  7 /* six BARs and the expansion ROM */
#define PCI_ROM_SLOT     6

#define PCI_DEVFN(slot, func) ((((slot)&0x1f) << 3) | ((func)&0x07))
#define PCI_SLOT(devfn)       (((devfn) >> 3) & 0x1f)
#define PCI_FUNC(devfn)       ((devfn)&0x07)

/* Address of a BAR that does not decode. */
#define PCI_BAR_UNMAPPED UINT64_MAX

typedef struct MSIMessage {
    uint64_t address;
    uint32_t data;
} MSIMessage;

/* One BAR. Private to hw/pci/; devices use the functions below. */
typedef struct PCIRegion {
    uint64_t addr;         /* where it decodes, or PCI_BAR_UNMAPPED */
    uint64_t size;         /* power of two; 0: not implemented */
    uint8_t type;          /* PCI_BASE_ADDRESS_* */
    IORegion *io;          /* registers, or NULL */
    GuestMemoryRegion ram; /* memory, when @io is NULL */
} PCIRegion;

typedef struct MSIXState MSIXState; /* hw/pci/msix.c */

/**
 * PCIDeviceClass:
 * @vendor_id, @device_id, @revision, @class_id: identity; class_id is
 *              PCI_CLASS_* (base class and subclass), @prog_if its low byte
 * @subsystem_vendor_id, @subsystem_id: 0 = 1af4:1100
 * @romfile: (nullable) option ROM when the user names none
 * @realize: (optional) registers BARs, capabilities; undoes all on failure but
 *           what the core undoes itself (BARs, capabilities, MSI, MSI-X)
 * @exit: (optional) opposite of realize; BARs do not decode any more
 * @reset: (optional) after the core has reset configuration space
 * @config_read: (optional) default pci_default_read_config(); @len 1, 2, 4,
 *               never crosses a dword
 * @config_write: (optional) default pci_default_write_config(), which a
 *                device's own calls
 * @bar_changed: (optional) BAR @n decodes at @addr now, or no more
 *               (PCI_BAR_UNMAPPED); where to add and remove ioeventfds
 *
 * A subclass uses these, not DeviceClass.realize, unrealize and reset.
 */
struct PCIDeviceClass {
    DeviceClass parent_class;

    uint16_t vendor_id;
    uint16_t device_id;
    uint8_t revision;
    uint16_t class_id;
    uint8_t prog_if;
    uint16_t subsystem_vendor_id;
    uint16_t subsystem_id;
    const char *romfile;

    bool (*realize)(PCIDevice *dev, Error **errp);
    void (*exit)(PCIDevice *dev);
    void (*reset)(PCIDevice *dev);
    uint32_t (*config_read)(PCIDevice *dev, uint32_t addr, unsigned len);
    void (*config_write)(PCIDevice *dev, uint32_t addr, uint32_t value,
                         unsigned len);
    void (*bar_changed)(PCIDevice *dev, unsigned n, uint64_t addr);
};

/* A device may read and, in realize(), write the byte arrays. */
struct PCIDevice {
    DeviceState parent_obj;

    int32_t devfn;      /* "addr"; -1 = first free slot */
    bool multifunction; /* other functions share the slot */
    char *romfile;
    uint32_t rombar; /* 1: the ROM has a BAR */

    uint8_t config[PCI_CONFIG_BYTES];
    uint8_t wmask[PCI_CONFIG_BYTES];   /* bits that the guest can write */
    uint8_t w1cmask[PCI_CONFIG_BYTES]; /* bits that a written 1 clears */
    uint8_t used[PCI_CONFIG_BYTES];    /* bytes that a capability has */

    PCIRegion region[PCI_NUM_REGIONS];
    uint8_t *rom; /* page-aligned memory of the ROM BAR */

    bool irq_level;  /* INTx as the device drives it */
    bool irq_driven; /* INTx as the bus sees it (after INTx disable) */

    uint8_t msi_cap;  /* offset, 0 = none */
    uint8_t msix_cap; /* offset, 0 = none */
    MSIXState *msix;
};

static inline PCIBus *pci_get_bus(const void *dev)
{
    return PCI_BUS(DEVICE(dev)->parent_bus);
}

/* -- migration ---------------------------------------------------------------- */

/* Of PCIDevice: the first field of every function's description. */
extern const VMStateDescription vmstate_pci_device;
#define VMSTATE_PCI_DEVICE(f, type)                                            \
    VMSTATE_STRUCT(f, type, 0, vmstate_pci_device, PCIDevice)

/* -- configuration space ------------------------------------------------------ */

static inline uint8_t pci_get_byte(const uint8_t *p)
{
    return *p;
}

static inline uint16_t pci_get_word(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t pci_get_long(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static inline void pci_set_byte(uint8_t *p, uint8_t v)
{
    *p = v;
}

static inline void pci_set_word(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void pci_set_long(uint8_t *p, uint32_t v)
{
    pci_set_word(p, (uint16_t)v);
    pci_set_word(p + 2, (uint16_t)(v >> 16));
}

/** pci_default_read_config, pci_default_write_config: what the core does;
 *  @addr + @len stays inside configuration space. */
uint32_t pci_default_read_config(PCIDevice *dev, uint32_t addr, unsigned len);
void pci_default_write_config(PCIDevice *dev, uint32_t addr, uint32_t value,
                              unsigned len);

/**
 * pci_add_capability:
 * @cap: PCI_CAP_ID_*
 * @offset: 0 = the core finds room
 * @size: bytes with the two of the header
 *
 * In realize(). The bytes after the header are zero and read-only.
 *
 * Returns: offset (0x40..); 0.
 * Errors: no room, overlap.
 */
uint8_t pci_add_capability(PCIDevice *dev, uint8_t cap, uint8_t offset,
                           uint8_t size, Error **errp);
/** pci_find_capability: offset of the first @cap, or 0. */
uint8_t pci_find_capability(PCIDevice *dev, uint8_t cap);

/* -- base address registers ------------------------------------------------------- */

/**
 * pci_register_bar:
 * @n: 0 to 5; a 64-bit BAR takes @n + 1 too
 * @type: PCI_BASE_ADDRESS_SPACE_IO, or PCI_BASE_ADDRESS_SPACE_MEMORY with
 *        PCI_BASE_ADDRESS_MEM_TYPE_64 and PCI_BASE_ADDRESS_MEM_PREFETCH
 * @region: initialized, in no space, size a power of two (at least 4 bytes
 *          of ports, 16 of memory); stays the device's
 *
 * In realize().
 */
void pci_register_bar(PCIDevice *dev, unsigned n, uint8_t type,
                      IORegion *region);

/**
 * pci_register_bar_ram:
 * @host: page-aligned memory, @size a power of two, at least a page; must
 *        stay until the machine is gone (such a device cannot be unplugged)
 *
 * Memory that the guest reads and writes without leaving the guest.
 */
void pci_register_bar_ram(PCIDevice *dev, unsigned n, void *host, uint64_t size,
                          bool prefetchable);

/**
 * pci_add_ram_block:
 * @name: below the device's path: "vga.vram"
 * @host, @bytes: as given to pci_register_bar_ram()
 * @flags: RAM_BLOCK_*
 *
 * Let a migration carry that memory. Until the device goes. In realize().
 */
bool pci_add_ram_block(PCIDevice *dev, const char *name, void *host,
                       uint64_t bytes, unsigned flags, Error **errp);

/** pci_get_bar_addr: where BAR @n decodes, or PCI_BAR_UNMAPPED. */
uint64_t pci_get_bar_addr(PCIDevice *dev, unsigned n);

/* -- interrupts -------------------------------------------------------------------- */

/** pci_config_set_interrupt_pin: 1 = INTA ... 4 = INTD, 0 = none. In
 *  realize(), before pci_set_irq(). */
static inline void pci_config_set_interrupt_pin(PCIDevice *dev, uint8_t pin)
{
    dev->config[PCI_INTERRUPT_PIN] = pin;
}

/** pci_set_irq: drive the function's INTx. */
void pci_set_irq(PCIDevice *dev, int level);
static inline void pci_irq_assert(PCIDevice *dev)
{
    pci_set_irq(dev, 1);
}
static inline void pci_irq_deassert(PCIDevice *dev)
{
    pci_set_irq(dev, 0);
}
/** pci_allocate_irq: (transfer full) a line that calls pci_set_irq(). */
qemu_irq pci_allocate_irq(PCIDevice *dev);

/** pci_send_msi: write @msg as the function would. Needs bus mastering.
 *  Thread: any. */
void pci_send_msi(PCIDevice *dev, MSIMessage msg);

/* -- DMA ----------------------------------------------------------------------------- */

/** pci_get_memory: the machine's memory, for direct use. */
GuestMemory *pci_get_memory(PCIDevice *dev);
/** pci_get_machine: (nullable) NULL in tests of a single device. */
MachineState *pci_get_machine(PCIDevice *dev);
/** pci_bus_master: may the function do DMA? (command register) Thread: any. */
bool pci_bus_master(PCIDevice *dev);

/** pci_dma_read, pci_dma_write: false if the function may not, or a byte is
 *  not RAM; then nothing is moved. Thread: any. */
bool pci_dma_read(PCIDevice *dev, uint64_t addr, void *buf, size_t len);
bool pci_dma_write(PCIDevice *dev, uint64_t addr, const void *buf, size_t len);
/** pci_dma_map, pci_dma_unmap: guest_memory_dma_map(), guest_memory_dma_unmap()
 *  with that check. Thread: any. */
void *pci_dma_map(PCIDevice *dev, uint64_t addr, uint64_t *len, bool is_write);
void pci_dma_unmap(PCIDevice *dev, uint64_t addr, uint64_t written);

/* -- bus ------------------------------------------------------------------------------- */

/**
 * PCIRootOps: what stands above a root bus.
 * @set_irq: wired-or level of bus line @pin (0 to 3)
 * @map_irq: bus line of pin @pin (0 to 3) of @slot
 * @send_msi: a message signalled interrupt; any thread
 */
typedef struct PCIRootOps {
    void (*set_irq)(void *opaque, unsigned pin, bool level);
    unsigned (*map_irq)(void *opaque, unsigned slot, unsigned pin);
    void (*send_msi)(void *opaque, MSIMessage msg);
} PCIRootOps;

/**
 * pci_root_bus_new:
 * @parent: the host bridge's device; owns the bus
 * @name: "pci.0"
 * @machine: (nullable) NULL in tests
 * @ports, @mmio, @memory: where BARs appear; outlive the bus
 *
 * Returns: (transfer none).
 */
PCIBus *pci_root_bus_new(DeviceState *parent, const char *name,
                         MachineState *machine, IOSpace *ports, IOSpace *mmio,
                         GuestMemory *memory, const PCIRootOps *ops,
                         void *opaque);

/** pci_bus_find: function at @devfn, or NULL. */
PCIDevice *pci_bus_find(PCIBus *bus, unsigned devfn);
/** pci_bus_irq_level: wired-or of bus line @pin. */
bool pci_bus_irq_level(PCIBus *bus, unsigned pin);

/** pci_new: (transfer full) device of @type for @devfn (-1: any). */
PCIDevice *pci_new(int devfn, const char *type);
/** pci_new_multifunction: with the header's multifunction bit. */
PCIDevice *pci_new_multifunction(int devfn, const char *type);
/** pci_realize_and_unref: on @bus, with -global applied. */
bool pci_realize_and_unref(PCIDevice *dev, PCIBus *bus, Error **errp);
/** pci_create_simple: the three in one; (transfer none), NULL. */
PCIDevice *pci_create_simple(PCIBus *bus, int devfn, const char *type,
                             Error **errp);

/** pci_bus_config_read, pci_bus_config_write: a configuration cycle; what
 *  nobody answers reads as ones. @addr + @len within a dword. */
uint32_t pci_bus_config_read(PCIBus *bus, unsigned devfn, uint32_t addr,
                             unsigned len);
void pci_bus_config_write(PCIBus *bus, unsigned devfn, uint32_t addr,
                          uint32_t value, unsigned len);

/** pci_fw_path: (transfer full) Open Firmware path of a function as firmware
 *  expects it in a boot order: "/pci@i0cf8/scsi@4". */
char *pci_fw_path(PCIDevice *dev);

#endif
