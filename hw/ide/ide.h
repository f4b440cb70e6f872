/*
 * IDE: a channel (IDEBus) with up to two drives (IDEDevice).
 *
 * The channel decodes the task file and has the interrupt line; a drive has
 * the registers, runs commands and moves data. A disk (ata.c) and a CD-ROM
 * (atapi.c) are subclasses that differ in the commands they know.
 *
 * Data moves by PIO through a buffer of the drive or by the channel's bus
 * master (bmdma.h). Requests to the block layer are asynchronous; while one
 * runs the drive is busy and takes no command. A reset lets what runs end
 * first: nothing writes to the guest's memory after it.
 *
 * Sources: ATA/ATAPI-6 (T13/1410D), SFF-8038i (bus master), MMC-3.
 *
 * Thread: under the machine lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_IDE_IDE_H
#define HW_IDE_IDE_H

#include "hw/block/block-conf.h"
#include "hw/irq.h"
#include "hw/qdev-core.h"
#include "util/iov.h"

#define TYPE_IDE_BUS    "IDE"
#define TYPE_IDE_DEVICE "ide-device"
OBJECT_DECLARE_SIMPLE_TYPE(IDEBus, IDE_BUS)
OBJECT_DECLARE_TYPE(IDEDevice, IDEDeviceClass, IDE_DEVICE)

typedef struct BMDMA BMDMA;
typedef struct IDERequest IDERequest;

#define IDE_UNITS           2
#define IDE_SECTOR_BYTES    512u
#define IDE_MULTIPLE_MAX    16u
#define IDE_BUFFER_BYTES    (64u * 1024)
#define IDE_DMA_CHUNK_BYTES (1024u * 1024)

/* Status register. */
#define IDE_ERR  0x01
#define IDE_DRQ  0x08
#define IDE_DSC  0x10 /* seek complete; of a CD-ROM: service */
#define IDE_DF   0x20
#define IDE_DRDY 0x40
#define IDE_BSY  0x80

/* Error register. */
#define IDE_ABRT 0x04
#define IDE_IDNF 0x10
#define IDE_UNC  0x40

/* Device register. */
#define IDE_DEV_SLAVE 0x10
#define IDE_DEV_LBA   0x40
#define IDE_DEV_HEAD  0x0f
#define IDE_DEV_ONES  0xa0

/* Device control register. */
#define IDE_CTL_NIEN 0x02
#define IDE_CTL_SRST 0x04
#define IDE_CTL_HOB  0x80

/* Interrupt reason of packet commands (sector count register). */
#define IDE_REASON_CD 0x01
#define IDE_REASON_IO 0x02

/* The task file. A register that a command with 48-bit addresses reads twice
 * has what was written before in @hob. */
typedef struct IDERegs {
    uint8_t feature;
    uint8_t error;
    uint8_t count;
    uint8_t lba[3]; /* sector number, cylinder low, cylinder high */
    uint8_t device;
    uint8_t status;
    struct {
        uint8_t feature;
        uint8_t count;
        uint8_t lba[3];
    } hob;
} IDERegs;

/* What a PIO data block is for, once the guest has moved all of it. The
 * numbers are those of migration streams. */
typedef enum IDEPIOKind {
    IDE_PIO_NONE,
    IDE_PIO_REPLY,  /* a table for the guest: nothing follows */
    IDE_PIO_IN,     /* data for the guest: more may follow */
    IDE_PIO_OUT,    /* data of the guest */
    IDE_PIO_PACKET, /* a command packet of the guest */
} IDEPIOKind;

/* What a drive does again, when the machine runs on, after a request that
 * failed with rerror= or werror=stop. Numbers of migration streams. */
typedef enum IDERetry {
    IDE_RETRY_NONE,
    IDE_RETRY_IN,  /* read the block that is to be offered to the guest */
    IDE_RETRY_OUT, /* write the block that is in the buffer */
    IDE_RETRY_DMA, /* move the next piece by bus master */
    IDE_RETRY_FLUSH,
} IDERetry;

/**
 * IDEDeviceClass:
 * @signature: what lba[1] and lba[2] show after a reset
 * @reset_status: status after a reset
 * @realize_unit: (optional) class's own part of realize
 * @command: run a command; the registers are as the guest wrote them. It
 *           ends with ide_ok(), ide_abort(), ide_error(), a PIO block or a
 *           request
 * @pio_done: the guest has moved the block of ide_pio(); not for
 *            IDE_PIO_REPLY
 * @dma_ready: the guest has started the bus master for the command that
 *             called ide_dma_wait()
 * @retry: submit again what ide_request_new() was told
 * @reset_unit: (optional) state beyond the task file
 */
struct IDEDeviceClass {
    DeviceClass parent_class;

    uint8_t signature[2];
    uint8_t reset_status;
    bool removable;
    bool (*realize_unit)(IDEDevice *dev, Error **errp);
    void (*command)(IDEDevice *dev, uint8_t command);
    void (*pio_done)(IDEDevice *dev, IDEPIOKind kind);
    void (*dma_ready)(IDEDevice *dev);
    void (*retry)(IDEDevice *dev, IDERetry what);
    void (*reset_unit)(IDEDevice *dev);
};

struct IDEDevice {
    DeviceState parent_obj;

    BlockConf conf;
    int32_t unit; /* -1: the first free one */
    char *serial;
    char *version;
    char *model;
    uint64_t wwn;
    IDEBus *bus; /* while realized */

    IDERegs regs;
    uint8_t dma_mode; /* as SET FEATURES set it: 20h + n multiword, 40h + n
                         ultra; 0 = none */
    uint8_t *buffer;  /* IDE_BUFFER_BYTES */
    uint32_t pio_at;  /* data the guest moves now: buffer[pio_at .. pio_end) */
    uint32_t pio_end;
    uint8_t pio_kind; /* IDEPIOKind */

    unsigned in_flight;  /* requests */
    unsigned generation; /* requests of an older one are void */
    bool reset_pending;  /* it ends with the last request */
    uint8_t retry;       /* IDERetry: the drive is busy with it */

    /* only while a state is saved or loaded */
    uint32_t saved_bytes; /* of the buffer */
    bool saved_write_cache;
};

struct IDEBus {
    BusState parent_obj;

    unsigned index; /* 0 primary, 1 secondary */
    IDEDevice *units[IDE_UNITS];
    uint8_t selected;
    uint8_t control;
    bool irq_wanted; /* INTRQ of the selected drive */
    qemu_irq irq;
    BMDMA *bm; /* NULL: no bus master */
};

/* -- bus: ide-bus.c ------------------------------------------------------------ */

/** ide_bus_new: (transfer none) below @parent. */
IDEBus *ide_bus_new(DeviceState *parent, const char *name, unsigned index,
                    qemu_irq irq, BMDMA *bm);
/** ide_bus_reset: both drives and the channel to power-on. */
void ide_bus_reset(IDEBus *bus);
/** ide_read, ide_write: register @n (0 to 7) of the command block; data (0)
 *  of @size bytes, the others one. */
uint32_t ide_read(IDEBus *bus, unsigned n, unsigned size);
void ide_write(IDEBus *bus, unsigned n, uint32_t value, unsigned size);
/** ide_read_alt: alternate status. ide_write_control: device control. */
uint8_t ide_read_alt(IDEBus *bus);
void ide_write_control(IDEBus *bus, uint8_t value);
/** ide_bus_dma_ready: the guest started the bus master. */
void ide_bus_dma_ready(IDEBus *bus);
void ide_set_irq(IDEBus *bus, bool level);
/** ide_bus_loaded: its state came with a migration. */
void ide_bus_loaded(IDEBus *bus);

/* -- for drives ------------------------------------------------------------------- */

/** ide_ok: the command ended well; with an interrupt. */
void ide_ok(IDEDevice *dev);
/** ide_abort: the drive does not do that. */
void ide_abort(IDEDevice *dev);
/** ide_error: ended with @error in the error register. */
void ide_error(IDEDevice *dev, uint8_t error);
void ide_busy(IDEDevice *dev);
/** ide_pio: let the guest move @bytes of the buffer. */
void ide_pio(IDEDevice *dev, size_t bytes, IDEPIOKind kind, bool irq);
/** ide_set_signature: as after a reset. */
void ide_set_signature(IDEDevice *dev);
/** ide_dma_wait: the command is ready to move data by bus master. Returns:
 *  false if there is none. */
bool ide_dma_wait(IDEDevice *dev);

/* One request to the block layer. */
typedef enum IDERequestKind {
    IDE_READ,
    IDE_WRITE,
    IDE_FLUSH,
} IDERequestKind;

/* Where a bus master is in its table. */
typedef struct BMDMAPlace {
    uint32_t next; /* address of the next PRD */
    uint32_t addr;
    uint32_t left; /* bytes of this PRD that are not moved yet */
    bool last;     /* it is the last one */
    uint32_t prds; /* read since the start */
} BMDMAPlace;

struct IDERequest {
    IDEDevice *dev;
    unsigned generation;
    IDERetry retry;
    IDERequestKind kind;
    bool fua;
    int64_t offset;
    size_t bytes;
    QEMUIOVector qiov;
    uint8_t *bounce;  /* PIO: its own memory */
    GArray *mappings; /* DMA: of IDEMapping */
    BMDMAPlace from;  /* DMA: before the first of them */
    void (*done)(IDEDevice *dev, IDERequest *req, int ret);
};

/* A piece of guest memory that a request uses. */
typedef struct IDEMapping {
    uint64_t gpa;
    uint64_t len;
} IDEMapping;

/** ide_request_new: @done is called with 0 or -errno, then the request is
 *  freed; @retry makes it anew if that is to be tried again later. */
IDERequest *ide_request_new(IDEDevice *dev, IDERequestKind kind, int64_t offset,
                            IDERetry retry,
                            void (*done)(IDEDevice *dev, IDERequest *req,
                                         int ret));
/** ide_request_bounce: @bytes through memory of its own. */
void ide_request_bounce(IDERequest *req, size_t bytes);
/** ide_request_submit: takes it. The drive is busy until then. */
void ide_request_submit(IDERequest *req);
void ide_request_free(IDERequest *req);
/** ide_retry_stopped: the machine runs on. */
void ide_retry_stopped(IDEBus *bus);
/** ide_drain: wait for what runs. Main loop. */
void ide_drain(IDEBus *bus);

/* -- migration: ide-vmstate.c -------------------------------------------------------- */

extern const VMStateDescription vmstate_ide_bus; /* of IDEBus */
extern const VMStateDescription vmstate_bmdma;   /* of BMDMA */
extern const VMStateDescription vmstate_ide_hd;
extern const VMStateDescription vmstate_ide_cd;

#endif
