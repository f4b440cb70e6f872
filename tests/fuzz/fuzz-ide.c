/*
 * IDE: a disk and a CD-ROM on one channel with a bus master; any accesses to
 * task file, control, bus master and the memory that its table is in. Each
 * step is four bytes: what, place, value (two).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../unit/hw/fake-ide.h"

#define STEP_BYTES 4
#define BURST      256 /* words of data in one step */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void burst(FakeIDE *f, const uint8_t *p)
{
    for (int i = 0; i < BURST; i++) {
        if (p[1] & 1) {
            ide_read(f->bus, 0, p[1] & 2 ? 4 : 2);
        } else {
            ide_write(f->bus, 0, pci_get_word(p + 2), p[1] & 2 ? 4 : 2);
        }
    }
}

static void step(FakeIDE *f, const uint8_t *p)
{
    static const uint8_t sizes[] = { 1, 2, 4, 1 };
    unsigned size = sizes[p[0] >> 6];

    switch (p[0] & 7) {
    case 0:
        ide_write(f->bus, p[1] & 7, p[2], 1);
        break;
    case 1:
        ide_read(f->bus, p[1] & 7, 1);
        break;
    case 2:
        ide_write_control(f->bus, p[2]);
        break;
    case 3:
        fake_bm_write(f, p[1] & 7 & ~(size - 1), pci_get_word(p + 2), size);
        break;
    case 4:
        io_space_read(f->pci.ports, FAKE_IDE_BM + (p[1] & 7 & ~(size - 1)),
                      size);
        break;
    case 5:
        pci_set_word(f->ram + p[1] * 2, pci_get_word(p + 2));
        break;
    case 6:
        burst(f, p);
        break;
    default:
        while (aio_poll(qemu_get_aio_context(), false)) {
        }
        break;
    }
}

static void start(void)
{
    static bool done;

    if (!done) {
        done = true;
        qemu_init_main_loop(&error_abort);
        hw_register_types();
        block_register_types();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AioContext *ctx;
    DeviceState *hd, *cd;
    FakeIDE f;

    start();
    ctx = qemu_get_aio_context();
    blockdev_add_str("driver=null-co,node-name=hd,size=1M", ctx, &error_abort);
    blockdev_add_str("driver=null-co,node-name=cd,size=1M,read-only=on", ctx,
                     &error_abort);
    fake_ide_init(&f);
    hd = fake_ide_plug(&f, "ide-hd", "hd", &error_abort);
    cd = fake_ide_plug(&f, "ide-cd", "cd", &error_abort);
    for (; size >= STEP_BYTES; size -= STEP_BYTES, data += STEP_BYTES) {
        step(&f, data);
    }
    fake_ide_unplug(cd);
    fake_ide_unplug(hd);
    fake_ide_deinit(&f);
    blockdevs_cleanup();
    return 0;
}
