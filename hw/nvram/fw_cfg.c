/*
 * fw_cfg: items, ports and DMA.
 *
 * The directory is made when a file is added. Lengths and addresses of a DMA
 * request come from the guest: memory that is not RAM makes an error, and a
 * read behind the end of an item gives zeros, which costs no more than the
 * guest's own memory is large.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/nvram/fw_cfg.h"

#include "hw/core/machine-internal.h"
#include "migration/vmstate.h"
#include "trace/trace-hw.h"
#include "util/bswap.h"
#include "util/error.h"

#define PORT_SELECT     0x510
#define PORT_DMA        0x514
#define SELECT_PORTS    2u /* selector (word), data (byte) */
#define DMA_PORTS       8u
#define DATA_OFFSET     1u
#define ID_TRADITIONAL  (1u << 0)
#define ID_DMA          (1u << 1)
#define DMA_SIGNATURE   0x51454d5520434647ull /* "QEMU CFG" */
#define DMA_ERROR       (1u << 0)
#define DMA_READ        (1u << 1)
#define DMA_SKIP        (1u << 2)
#define DMA_SELECT      (1u << 3)
#define DMA_WRITE       (1u << 4)
#define KEY_NONE        0xffffu
#define DIR_ENTRY_BYTES 64u

/* What the guest has in memory for one DMA request; big-endian. */
typedef struct FWCfgDMA {
    uint32_t control;
    uint32_t length;
    uint64_t address;
} FWCfgDMA;
_Static_assert(sizeof(FWCfgDMA) == 16, "fw_cfg specification");

typedef struct FWCfgItem {
    GBytes *bytes; /* NULL: @data */
    uint8_t *data;
    uint32_t len;
    FWCfgWritten *written;
    void (*selected)(void *opaque);
    void *opaque; /* of both */
    char *name;   /* of a file */
} FWCfgItem;

struct FWCfgState {
    DeviceState parent_obj;

    IOSpace *ports;
    GuestMemory *memory;
    GHashTable *items; /* key -> FWCfgItem */
    GPtrArray *files;  /* FWCfgItem by key - FILE_FIRST; borrowed */
    uint16_t key;
    uint32_t offset;
    uint64_t dma_addr;
    IORegion select_io;
    IORegion dma_io;
};

/* -- items --------------------------------------------------------------------- */

static void item_free(void *data)
{
    FWCfgItem *item = data;

    g_clear_pointer(&item->bytes, g_bytes_unref);
    g_free(item->name);
    g_free(item);
}

static FWCfgItem *item_at(FWCfgState *s, uint16_t key)
{
    return g_hash_table_lookup(s->items, GUINT_TO_POINTER(key));
}

static const uint8_t *item_data(const FWCfgItem *item)
{
    return item->bytes ? g_bytes_get_data(item->bytes, NULL) : item->data;
}

static uint32_t item_len(const FWCfgItem *item)
{
    return item->bytes ? (uint32_t)g_bytes_get_size(item->bytes) : item->len;
}

void fw_cfg_add_bytes(FWCfgState *s, uint16_t key, GBytes *bytes)
{
    FWCfgItem *item = g_new0(FWCfgItem, 1);

    item->bytes = bytes;
    g_hash_table_replace(s->items, GUINT_TO_POINTER(key), item);
}

void fw_cfg_add_string(FWCfgState *s, uint16_t key, const char *value)
{
    fw_cfg_add_bytes(s, key, g_bytes_new(value, strlen(value) + 1));
}

void fw_cfg_add_i16(FWCfgState *s, uint16_t key, uint16_t value)
{
    value = cpu_to_le16(value);
    fw_cfg_add_bytes(s, key, g_bytes_new(&value, sizeof(value)));
}

void fw_cfg_add_i32(FWCfgState *s, uint16_t key, uint32_t value)
{
    value = cpu_to_le32(value);
    fw_cfg_add_bytes(s, key, g_bytes_new(&value, sizeof(value)));
}

void fw_cfg_add_i64(FWCfgState *s, uint16_t key, uint64_t value)
{
    value = cpu_to_le64(value);
    fw_cfg_add_bytes(s, key, g_bytes_new(&value, sizeof(value)));
}

/* -- files ----------------------------------------------------------------------- */

static void make_directory(FWCfgState *s)
{
    gsize len = 4 + s->files->len * DIR_ENTRY_BYTES;
    uint8_t *dir = g_malloc0(len);

    stl_be_p(dir, s->files->len);
    for (guint i = 0; i < s->files->len; i++) {
        const FWCfgItem *item = g_ptr_array_index(s->files, i);
        uint8_t *e = dir + 4 + i * DIR_ENTRY_BYTES;

        stl_be_p(e, item_len(item));
        stw_be_p(e + 4, (uint16_t)(FW_CFG_FILE_FIRST + i));
        g_strlcpy((char *)e + 8, item->name, FW_CFG_FILE_NAME_BYTES);
    }
    fw_cfg_add_bytes(s, FW_CFG_FILE_DIR, g_bytes_new_take(dir, len));
}

static FWCfgItem *find_file(FWCfgState *s, const char *name)
{
    for (guint i = 0; i < s->files->len; i++) {
        FWCfgItem *item = g_ptr_array_index(s->files, i);

        if (g_str_equal(item->name, name)) {
            return item;
        }
    }
    return NULL;
}

/* The file @name without contents: there already, or new. */
static FWCfgItem *take_file(FWCfgState *s, const char *name, Error **errp)
{
    FWCfgItem *item = find_file(s, name);

    if (item) {
        g_clear_pointer(&item->bytes, g_bytes_unref);
        return item;
    }
    if (!*name || strlen(name) >= FW_CFG_FILE_NAME_BYTES) {
        error_setg(errp, "fw_cfg name '%s' is not of 1 to %u characters", name,
                   FW_CFG_FILE_NAME_BYTES - 1);
        return NULL;
    }
    if (s->files->len == FW_CFG_FILE_SLOTS) {
        error_setg(errp, "no room for fw_cfg file '%s': there are %u", name,
                   FW_CFG_FILE_SLOTS);
        return NULL;
    }
    item = g_new0(FWCfgItem, 1);
    item->name = g_strdup(name);
    g_hash_table_replace(
        s->items, GUINT_TO_POINTER(FW_CFG_FILE_FIRST + s->files->len), item);
    g_ptr_array_add(s->files, item);
    return item;
}

bool fw_cfg_add_file(FWCfgState *s, const char *name, GBytes *bytes,
                     Error **errp)
{
    FWCfgItem *item = take_file(s, name, errp);

    if (!item) {
        g_bytes_unref(bytes);
        return false;
    }
    item->bytes = bytes;
    make_directory(s);
    return true;
}

bool fw_cfg_add_file_writable(FWCfgState *s, const char *name, void *data,
                              uint32_t len, FWCfgWritten *written, void *opaque,
                              Error **errp)
{
    FWCfgItem *item = take_file(s, name, errp);

    if (!item) {
        return false;
    }
    item->data = data;
    item->len = len;
    item->written = written;
    item->opaque = opaque;
    make_directory(s);
    return true;
}

void fw_cfg_on_select(FWCfgState *s, const char *name,
                      void (*selected)(void *opaque), void *opaque)
{
    FWCfgItem *item = find_file(s, name);

    item->selected = selected;
    item->opaque = opaque;
}

GBytes *fw_cfg_file(FWCfgState *s, const char *name)
{
    const FWCfgItem *item = find_file(s, name);

    return item ? item->bytes : NULL;
}

GPtrArray *fw_cfg_file_names(FWCfgState *s)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < s->files->len; i++) {
        g_ptr_array_add(names,
                        g_strdup(((FWCfgItem *)s->files->pdata[i])->name));
    }
    return names;
}

/* -- ports -------------------------------------------------------------------------- */

static void fw_cfg_select(FWCfgState *s, uint16_t key)
{
    const FWCfgItem *item = item_at(s, key);

    trace_fw_cfg_select(key);
    s->key = key;
    s->offset = 0;
    if (item && item->selected) {
        item->selected(item->opaque);
    }
}

static uint64_t select_read(void *opaque, uint64_t offset, unsigned size)
{
    FWCfgState *s = opaque;
    const FWCfgItem *item = item_at(s, s->key);

    if (offset != DATA_OFFSET || !item || s->offset >= item_len(item)) {
        return 0;
    }
    return item_data(item)[s->offset++];
}

static void select_write(void *opaque, uint64_t offset, uint64_t value,
                         unsigned size)
{
    if (offset == 0 && size == 2) {
        fw_cfg_select(opaque, (uint16_t)value);
    }
}

static const IORegionOps select_ops = { select_read, select_write, 2 };

/* Copy @len bytes at the present offset to the guest; zeros behind the end. */
static bool dma_read(FWCfgState *s, const FWCfgItem *item, uint64_t addr,
                     uint32_t len)
{
    uint32_t total = item ? item_len(item) : 0;
    uint32_t have = s->offset < total ? MIN(len, total - s->offset) : 0;

    if (have && !guest_memory_write(s->memory, addr,
                                    item_data(item) + s->offset, have)) {
        return false;
    }
    s->offset += have;
    return guest_memory_zero(s->memory, addr + have, len - have);
}

static bool dma_write(FWCfgState *s, FWCfgItem *item, uint64_t addr,
                      uint32_t len)
{
    uint32_t at = s->offset;

    if (!item || !item->data || at > item->len || len > item->len - at ||
        !guest_memory_read(s->memory, addr, item->data + at, len)) {
        return false;
    }
    s->offset += len;
    if (item->written) {
        item->written(item->opaque, at, len);
    }
    return true;
}

static bool dma_transfer(FWCfgState *s, const FWCfgDMA *dma)
{
    FWCfgItem *item;

    if (dma->control & DMA_SELECT) {
        fw_cfg_select(s, (uint16_t)(dma->control >> 16));
    }
    item = item_at(s, s->key);
    if (dma->control & DMA_READ) {
        return dma_read(s, item, dma->address, dma->length);
    }
    if (dma->control & DMA_WRITE) {
        return dma_write(s, item, dma->address, dma->length);
    }
    if (dma->control & DMA_SKIP) {
        s->offset = dma->length > UINT32_MAX - s->offset
                        ? UINT32_MAX
                        : s->offset + dma->length;
    }
    return true;
}

static void dma_run(FWCfgState *s)
{
    uint64_t at = s->dma_addr;
    FWCfgDMA dma;
    uint32_t result;

    s->dma_addr = 0;
    if (!s->memory || !guest_memory_read(s->memory, at, &dma, sizeof(dma))) {
        return;
    }
    dma.control = be32_to_cpu(dma.control);
    dma.length = be32_to_cpu(dma.length);
    dma.address = be64_to_cpu(dma.address);
    result = dma_transfer(s, &dma) ? 0 : cpu_to_be32(DMA_ERROR);
    trace_fw_cfg_dma(dma.control, dma.length, dma.address, result != 0);
    guest_memory_write(s->memory, at, &result, sizeof(result));
}

static uint64_t dma_port_read(void *opaque, uint64_t offset, unsigned size)
{
    /* Big-endian register: the port with the lowest number has the high end. */
    uint64_t value = cpu_to_be64(DMA_SIGNATURE);

    return value >> (offset * 8);
}

static void dma_port_write(void *opaque, uint64_t offset, uint64_t value,
                           unsigned size)
{
    FWCfgState *s = opaque;

    if (size == 4 && offset == 0) {
        s->dma_addr = (uint64_t)bswap32((uint32_t)value) << 32;
    } else if (size == 4 && offset == 4) {
        s->dma_addr |= bswap32((uint32_t)value);
        dma_run(s);
    }
}

static const IORegionOps dma_ops = { dma_port_read, dma_port_write, 4 };

/* -- device ----------------------------------------------------------------------------- */

static bool fw_cfg_realize(DeviceState *dev, Error **errp)
{
    FWCfgState *s = FW_CFG(dev);

    io_region_init(&s->select_io, "fwcfg", SELECT_PORTS, &select_ops, s);
    io_region_init(&s->dma_io, "fwcfg.dma", DMA_PORTS, &dma_ops, s);
    if (!io_space_add(s->ports, &s->select_io, PORT_SELECT, errp)) {
        return false;
    }
    if (s->memory && !io_space_add(s->ports, &s->dma_io, PORT_DMA, errp)) {
        io_space_remove(&s->select_io);
        return false;
    }
    fw_cfg_add_bytes(s, FW_CFG_SIGNATURE, g_bytes_new_static("QEMU", 4));
    fw_cfg_add_i32(s, FW_CFG_ID, ID_TRADITIONAL | (s->memory ? ID_DMA : 0));
    make_directory(s);
    return true;
}

static void fw_cfg_unrealize(DeviceState *dev)
{
    io_space_remove(&FW_CFG(dev)->select_io);
    io_space_remove(&FW_CFG(dev)->dma_io);
}

static void fw_cfg_reset(DeviceState *dev)
{
    FWCfgState *s = FW_CFG(dev);

    s->key = KEY_NONE;
    s->offset = 0;
    s->dma_addr = 0;
}

static void fw_cfg_instance_init(Object *obj)
{
    FWCfgState *s = FW_CFG(obj);

    s->items = g_hash_table_new_full(NULL, NULL, NULL, item_free);
    s->files = g_ptr_array_new();
}

static void fw_cfg_instance_finalize(Object *obj)
{
    FWCfgState *s = FW_CFG(obj);

    g_ptr_array_unref(s->files);
    g_hash_table_unref(s->items);
}

/* Every use of key and offset checks them. What the items hold follows from the
 * options, which are the same on both sides. */
static const VMStateDescription vmstate_fw_cfg = {
    .name = "fw_cfg",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT16(key, FWCfgState),
                                      VMSTATE_UINT32(offset, FWCfgState),
                                      VMSTATE_UINT64(dma_addr, FWCfgState),
                                      VMSTATE_END_OF_LIST() },
};

static void fw_cfg_class_init(ObjectClass *oc, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);

    dc->desc = "numbers and files for firmware";
    dc->realize = fw_cfg_realize;
    dc->unrealize = fw_cfg_unrealize;
    dc->reset = fw_cfg_reset;
    dc->vmsd = &vmstate_fw_cfg;
    dc->user_creatable = false;
    dc->hotpluggable = false;
}

extern const TypeInfo hw_type_fw_cfg;
const TypeInfo hw_type_fw_cfg = {
    .name = TYPE_FW_CFG,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(FWCfgState),
    .instance_init = fw_cfg_instance_init,
    .instance_finalize = fw_cfg_instance_finalize,
    .class_init = fw_cfg_class_init,
};

FWCfgState *fw_cfg_new(MachineState *machine, IOSpace *ports,
                       GuestMemory *memory, Error **errp)
{
    FWCfgState *s = FW_CFG(qdev_new(TYPE_FW_CFG));

    s->ports = ports;
    s->memory = memory;
    if (!qdev_realize(DEVICE(s), NULL, errp)) {
        object_unref(OBJECT(s));
        return NULL;
    }
    if (machine) {
        machine->fw_cfg = s;
        object_unref(OBJECT(s)); /* the tree has it */
    }
    return s;
}

FWCfgState *fw_cfg_of(MachineState *machine)
{
    return machine->fw_cfg;
}
