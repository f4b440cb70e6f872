/*
 * IDE channel: the task file of two drives, reset, interrupt line; and what
 * every drive does the same way.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/ide/bmdma.h"
#include "hw/ide/ide.h"
#include "hw/machine-lock.h"
#include "trace/trace-hw.h"
#include "util/error.h"

enum {
    REG_DATA,
    REG_ERROR, /* write: feature */
    REG_COUNT,
    REG_LBA0,
    REG_LBA1,
    REG_LBA2,
    REG_DEVICE,
    REG_STATUS, /* write: command */
};

#define CMD_DEVICE_RESET 0x08
#define CMD_DIAGNOSTIC   0x90
#define DIAG_PASSED      0x01

static IDEDevice *selected(IDEBus *bus)
{
    return bus->units[bus->selected];
}

/* -- interrupt ----------------------------------------------------------------------- */

static void update_irq(IDEBus *bus)
{
    qemu_set_irq(bus->irq, bus->irq_wanted && !(bus->control & IDE_CTL_NIEN));
}

void ide_bus_loaded(IDEBus *bus)
{
    update_irq(bus);
}

void ide_set_irq(IDEBus *bus, bool level)
{
    if (level && !bus->irq_wanted && bus->bm) {
        bmdma_irq(bus->bm);
    }
    bus->irq_wanted = level;
    update_irq(bus);
}

/* -- how commands end ------------------------------------------------------------------ */

static void stop_pio(IDEDevice *dev)
{
    dev->pio_at = dev->pio_end = 0;
    dev->pio_kind = IDE_PIO_NONE;
}

void ide_busy(IDEDevice *dev)
{
    stop_pio(dev);
    dev->regs.status = IDE_BSY | (dev->regs.status & (IDE_DRDY | IDE_DSC));
}

void ide_ok(IDEDevice *dev)
{
    stop_pio(dev);
    dev->regs.error = 0;
    dev->regs.status = IDE_DRDY | IDE_DSC;
    ide_set_irq(dev->bus, true);
}

void ide_error(IDEDevice *dev, uint8_t error)
{
    stop_pio(dev);
    dev->regs.error = error;
    dev->regs.status = IDE_DRDY | IDE_DSC | IDE_ERR;
    ide_set_irq(dev->bus, true);
}

void ide_abort(IDEDevice *dev)
{
    ide_error(dev, IDE_ABRT);
}

void ide_pio(IDEDevice *dev, size_t bytes, IDEPIOKind kind, bool irq)
{
    assert(bytes <= IDE_BUFFER_BYTES);
    dev->pio_at = 0;
    dev->pio_end = (uint32_t)bytes;
    dev->pio_kind = (uint8_t)kind;
    dev->regs.status = IDE_DRDY | IDE_DSC | IDE_DRQ;
    if (irq) {
        ide_set_irq(dev->bus, true);
    }
}

bool ide_dma_wait(IDEDevice *dev)
{
    if (!dev->bus->bm) {
        return false;
    }
    dev->regs.status = IDE_DRDY | IDE_DSC | IDE_DRQ;
    bmdma_wait(dev->bus->bm);
    return true;
}

void ide_bus_dma_ready(IDEBus *bus)
{
    IDEDevice *dev = selected(bus);

    if (dev && (dev->regs.status & IDE_DRQ) && dev->pio_kind == IDE_PIO_NONE) {
        ide_busy(dev);
        IDE_DEVICE_GET_CLASS(dev)->dma_ready(dev);
    }
}

/* -- reset ------------------------------------------------------------------------------- */

void ide_set_signature(IDEDevice *dev)
{
    const IDEDeviceClass *dc = IDE_DEVICE_GET_CLASS(dev);

    dev->regs.count = 1;
    dev->regs.lba[0] = 1;
    dev->regs.lba[1] = dc->signature[0];
    dev->regs.lba[2] = dc->signature[1];
    memset(&dev->regs.hob, 0, sizeof(dev->regs.hob));
}

static void finish_reset(IDEDevice *dev)
{
    const IDEDeviceClass *dc = IDE_DEVICE_GET_CLASS(dev);

    dev->reset_pending = false;
    ide_set_signature(dev);
    dev->regs.error = DIAG_PASSED;
    dev->regs.device &= IDE_DEV_SLAVE;
    dev->regs.status = dc->reset_status;
}

/* What runs is void; the drive is busy until it has ended. */
static void begin_reset(IDEDevice *dev)
{
    IDEDeviceClass *dc = IDE_DEVICE_GET_CLASS(dev);

    dev->generation++;
    stop_pio(dev);
    dev->retry = IDE_RETRY_NONE;
    if (dc->reset_unit) {
        dc->reset_unit(dev);
    }
    dev->regs.status = IDE_BSY;
    dev->reset_pending = true;
    if (!dev->in_flight) {
        finish_reset(dev);
    }
}

static void reset_units(IDEBus *bus)
{
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (bus->units[i]) {
            begin_reset(bus->units[i]);
        }
    }
    bus->selected = 0;
    if (bus->bm) {
        bmdma_end(bus->bm, false);
    }
    ide_set_irq(bus, false);
}

void ide_bus_reset(IDEBus *bus)
{
    bus->control = 0;
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (bus->units[i]) {
            bus->units[i]->regs = (IDERegs){ 0 };
            bus->units[i]->dma_mode = 0;
        }
    }
    reset_units(bus);
    if (bus->bm) {
        bmdma_reset(bus->bm);
    }
}

/* -- requests ------------------------------------------------------------------------------ */

IDERequest *ide_request_new(IDEDevice *dev, IDERequestKind kind, int64_t offset,
                            IDERetry retry,
                            void (*done)(IDEDevice *dev, IDERequest *req,
                                         int ret))
{
    IDERequest *req = g_new0(IDERequest, 1);

    req->dev = dev;
    req->generation = dev->generation;
    req->kind = kind;
    req->offset = offset;
    req->retry = retry;
    req->done = done;
    req->mappings = g_array_new(FALSE, FALSE, sizeof(IDEMapping));
    qemu_iovec_init(&req->qiov, 1);
    return req;
}

void ide_request_bounce(IDERequest *req, size_t bytes)
{
    req->bounce = g_malloc(bytes);
    req->bytes = bytes;
    qemu_iovec_add(&req->qiov, req->bounce, bytes);
}

void ide_request_free(IDERequest *req)
{
    if (req->mappings->len) {
        bmdma_unmap(req->dev->bus->bm, req, false);
    }
    g_array_free(req->mappings, TRUE);
    qemu_iovec_destroy(&req->qiov);
    g_free(req->bounce);
    g_free(req);
}

static void end_request(IDERequest *req, int ret)
{
    IDEDevice *dev = req->dev;

    if (req->mappings->len) {
        bmdma_unmap(dev->bus->bm, req, req->kind == IDE_READ);
    }
    if (req->generation == dev->generation) {
        req->done(dev, req, ret);
    }
    ide_request_free(req);
}

/* What is left of a request that waits is what to do again: so it can wait in
 * another process too. */
static void stop_request(IDERequest *req)
{
    IDEDevice *dev = req->dev;

    dev->retry = (uint8_t)req->retry;
    if (req->mappings->len) {
        dev->bus->bm->at = req->from;
    }
    ide_request_free(req);
}

/* Returns: whether the request is gone and waits for the machine to be started
 * again. */
static bool handle_failure(IDERequest *req, int *ret)
{
    BlockBackend *blk = req->dev->conf.blk;
    bool read = req->kind == IDE_READ;
    int error = -*ret;
    BlockErrorAction action = blk_get_error_action(blk, read, error);

    trace_ide_request_failed(req->dev->bus->index, (uint64_t)req->offset,
                             error);
    if (action == BLOCK_ERROR_ACTION_STOP) {
        stop_request(req);
    } else if (action == BLOCK_ERROR_ACTION_IGNORE) {
        *ret = 0;
    }
    blk_error_action(blk, action, read, error);
    return action == BLOCK_ERROR_ACTION_STOP;
}

static void request_done(void *opaque, int ret);

void ide_request_submit(IDERequest *req)
{
    IDEDevice *dev = req->dev;
    BlockBackend *blk = dev->conf.blk;

    ide_busy(dev);
    dev->in_flight++;
    switch (req->kind) {
    case IDE_READ:
        blk_aio_preadv(blk, req->offset, &req->qiov, 0, request_done, req);
        break;
    case IDE_WRITE:
        blk_aio_pwritev(blk, req->offset, &req->qiov,
                        req->fua ? BLK_REQ_FUA : 0, request_done, req);
        break;
    case IDE_FLUSH:
        blk_aio_flush(blk, request_done, req);
        break;
    }
}

void ide_retry_stopped(IDEBus *bus)
{
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        IDEDevice *dev = bus->units[i];

        if (dev && dev->retry != IDE_RETRY_NONE) {
            IDERetry what = (IDERetry)dev->retry;

            dev->retry = IDE_RETRY_NONE;
            blk_iostatus_reset(dev->conf.blk);
            IDE_DEVICE_GET_CLASS(dev)->retry(dev, what);
        }
    }
}

void ide_drain(IDEBus *bus)
{
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (bus->units[i] && bus->units[i]->conf.blk) {
            blk_drain(bus->units[i]->conf.blk);
        }
    }
}

static void request_done(void *opaque, int ret)
{
    IDERequest *req = opaque;
    IDEDevice *dev = req->dev;

    MACHINE_LOCK_GUARD();
    dev->in_flight--;
    if (ret < 0 && req->generation == dev->generation &&
        handle_failure(req, &ret)) {
        return;
    }
    end_request(req, ret);
    if (dev->reset_pending && !dev->in_flight) {
        finish_reset(dev);
    }
}

/* -- task file --------------------------------------------------------------------------- */

static void pio_moved(IDEDevice *dev)
{
    IDEPIOKind kind = (IDEPIOKind)dev->pio_kind;

    if (kind == IDE_PIO_REPLY) {
        dev->pio_kind = IDE_PIO_NONE;
        dev->regs.status = IDE_DRDY | IDE_DSC;
    } else if (kind != IDE_PIO_NONE) {
        IDE_DEVICE_GET_CLASS(dev)->pio_done(dev, kind);
    }
}

static uint32_t pio_read(IDEDevice *dev, unsigned size)
{
    uint32_t n = MIN(size, dev->pio_end - dev->pio_at);
    uint32_t value = 0;

    if (!(dev->regs.status & IDE_DRQ) || !n) {
        return 0;
    }
    memcpy(&value, dev->buffer + dev->pio_at, n);
    dev->pio_at += n;
    if (dev->pio_at == dev->pio_end) {
        pio_moved(dev);
    }
    return value;
}

static void pio_write(IDEDevice *dev, uint32_t value, unsigned size)
{
    uint32_t n = MIN(size, dev->pio_end - dev->pio_at);

    if (!(dev->regs.status & IDE_DRQ) || !n) {
        return;
    }
    memcpy(dev->buffer + dev->pio_at, &value, n);
    dev->pio_at += n;
    if (dev->pio_at == dev->pio_end) {
        pio_moved(dev);
    }
}

static uint8_t read_status(IDEBus *bus)
{
    const IDEDevice *dev = selected(bus);

    return dev ? dev->regs.status : 0;
}

uint8_t ide_read_alt(IDEBus *bus)
{
    return read_status(bus);
}

uint32_t ide_read(IDEBus *bus, unsigned n, unsigned size)
{
    IDEDevice *dev = selected(bus);
    bool hob = bus->control & IDE_CTL_HOB;

    if (n == REG_STATUS) {
        ide_set_irq(bus, false);
        return read_status(bus);
    }
    if (!dev) {
        return 0;
    }
    switch (n) {
    case REG_DATA:
        return pio_read(dev, size);
    case REG_ERROR:
        return hob ? dev->regs.hob.feature : dev->regs.error;
    case REG_COUNT:
        return hob ? dev->regs.hob.count : dev->regs.count;
    case REG_DEVICE:
        return dev->regs.device | IDE_DEV_ONES;
    default:
        return hob ? dev->regs.hob.lba[n - REG_LBA0]
                   : dev->regs.lba[n - REG_LBA0];
    }
}

static void write_reg(IDEDevice *dev, unsigned n, uint8_t value)
{
    IDERegs *r = &dev->regs;

    switch (n) {
    case REG_ERROR:
        r->hob.feature = r->feature;
        r->feature = value;
        break;
    case REG_COUNT:
        r->hob.count = r->count;
        r->count = value;
        break;
    case REG_DEVICE:
        r->device = value;
        break;
    default:
        r->hob.lba[n - REG_LBA0] = r->lba[n - REG_LBA0];
        r->lba[n - REG_LBA0] = value;
        break;
    }
}

/* Both drives run it; the first one answers for both. */
static void run_diagnostic(IDEBus *bus)
{
    reset_units(bus);
    if (bus->units[0] && !bus->units[0]->in_flight) {
        ide_set_irq(bus, true);
    }
}

static void write_command(IDEBus *bus, uint8_t command)
{
    IDEDevice *dev = selected(bus);

    trace_ide_command(bus->index, bus->selected, command);
    if (command == CMD_DIAGNOSTIC) {
        run_diagnostic(bus);
        return;
    }
    if (!dev) {
        return;
    }
    if (command == CMD_DEVICE_RESET && IDE_DEVICE_GET_CLASS(dev)->removable) {
        begin_reset(dev);
        return;
    }
    if (dev->regs.status & IDE_BSY) {
        return;
    }
    ide_set_irq(bus, false);
    stop_pio(dev);
    dev->regs.error = 0;
    IDE_DEVICE_GET_CLASS(dev)->command(dev, command);
}

void ide_write(IDEBus *bus, unsigned n, uint32_t value, unsigned size)
{
    bus->control &= (uint8_t)~IDE_CTL_HOB;
    if (n == REG_STATUS) {
        write_command(bus, (uint8_t)value);
        return;
    }
    if (n == REG_DATA) {
        if (selected(bus)) {
            pio_write(selected(bus), value, size);
        }
        return;
    }
    if (n == REG_DEVICE) {
        bus->selected = value & IDE_DEV_SLAVE ? 1 : 0;
    }
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (bus->units[i] && !(bus->units[i]->regs.status & IDE_BSY)) {
            write_reg(bus->units[i], n, (uint8_t)value);
        }
    }
}

void ide_write_control(IDEBus *bus, uint8_t value)
{
    bool reset = value & ~bus->control & IDE_CTL_SRST;

    bus->control = value;
    if (reset) {
        reset_units(bus);
    }
    update_irq(bus);
}

/* -- bus ------------------------------------------------------------------------------------ */

IDEBus *ide_bus_new(DeviceState *parent, const char *name, unsigned index,
                    qemu_irq irq, BMDMA *bm)
{
    IDEBus *bus = IDE_BUS(qbus_new(TYPE_IDE_BUS, parent, name));

    bus->index = index;
    bus->irq = irq;
    bus->bm = bm;
    if (bm) {
        bm->bus = bus;
    }
    return bus;
}

static char *ide_get_dev_path(DeviceState *d)
{
    const IDEDevice *dev = IDE_DEVICE(d);
    g_autofree char *controller = qdev_get_dev_path(d->parent_bus->parent);

    return g_strdup_printf("%s/%u.%d", controller ? controller : "ide",
                           IDE_BUS(d->parent_bus)->index, dev->unit);
}

static void ide_bus_class_init(ObjectClass *oc, void *data)
{
    BUS_CLASS(oc)->max_dev = IDE_UNITS;
    BUS_CLASS(oc)->get_dev_path = ide_get_dev_path;
}

extern const TypeInfo hw_type_ide_bus;
const TypeInfo hw_type_ide_bus = {
    .name = TYPE_IDE_BUS,
    .parent = TYPE_BUS,
    .instance_size = sizeof(IDEBus),
    .class_init = ide_bus_class_init,
};
