/*
 * A whole machine under KVM: what the guest asks of the host arrives, stop
 * and reset do what they say, and all of it comes down again.
 *
 * The guest is a few instructions of 32-bit code made here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "accel/accel.h"
#include "hw/boards.h"
#include "hw/cpu.h"
#include "hw/hostmem.h"
#include "hw/machine-lock.h"
#include "hw/qdev-core.h"
#include "hw/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/thread.h"

#define WAIT_MS 5000

typedef struct Host {
    QemuSemaphore event;
    int exit_status; /* -1: not asked for */
    int resets;
    char *error;
} Host;

static void on_shutdown(void *opaque)
{
    qemu_sem_post(&((Host *)opaque)->event);
}

static void on_reset(void *opaque)
{
    Host *h = opaque;

    qatomic_inc(&h->resets);
    qemu_sem_post(&h->event);
}

static void on_exit_request(void *opaque, int status)
{
    Host *h = opaque;

    qatomic_set(&h->exit_status, status);
    qemu_sem_post(&h->event);
}

static void on_error(void *opaque, const char *message)
{
    Host *h = opaque;

    h->error = g_strdup(message);
    qemu_sem_post(&h->event);
}

static void on_rtc(void *opaque, int64_t offset_s, const char *path)
{
}

static const MachineHost host_ops = {
    .shutdown_request = on_shutdown,
    .reset_request = on_reset,
    .exit_request = on_exit_request,
    .guest_panicked = on_shutdown,
    .internal_error = on_error,
    .rtc_change = on_rtc,
};

typedef struct Fixture {
    Host host;
    char *kernel;
    MachineState *machine;
} Fixture;

/* A Multiboot file whose code begins right behind the header. */
static char *write_kernel(const uint8_t *code, size_t len)
{
    uint8_t file[512] = { 0 };
    const uint32_t flags = 0x10000;
    const uint32_t header[] = { 0x1badb002, flags,    0u - (0x1badb002 + flags),
                                0x100000,   0x100000, 0x100200,
                                0x100200,   0x100020 };
    char *path = NULL;
    int fd = g_file_open_tmp("ferry-kernel-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    memcpy(file, header, sizeof(header));
    memcpy(file + 32, code, len);
    g_assert_cmpint(write(fd, file, sizeof(file)), ==, sizeof(file));
    fd_close(fd);
    return path;
}

static void start(Fixture *f, const uint8_t *code, size_t len, unsigned cpus)
{
    json_auto_t *memory = json_pack("{s:s}", "size", "4M");
    json_auto_t *smp = json_pack("{s:i}", "cpus", cpus);
    json_auto_t *machine = json_pack("{s:s}", "accel", "kvm");
    MachineConfig config = { .machine = machine, .memory = memory, .smp = smp };

    f->host.exit_status = -1;
    qemu_sem_init(&f->host.event, 0);
    f->kernel = write_kernel(code, len);
    config.kernel = f->kernel;
    f->machine = machine_new(&config, &host_ops, &f->host, &error_abort);
    g_assert_true(machine_realize(f->machine, &error_abort));
    json_auto_t *dev =
        json_pack("{s:s,s:s}", "driver", "isa-debug-exit", "id", "dbg");
    g_assert_nonnull(qdev_device_add_json(dev, &error_abort));
    g_assert_true(machine_reset(f->machine, &error_abort));
}

static void finish(Fixture *f)
{
    machine_destroy(f->machine);
    g_assert_null(machine_current());
    g_assert_true(user_creatable_del("pc.ram", &error_abort));
    g_unlink(f->kernel);
    g_free(f->kernel);
    g_free(f->host.error);
    qemu_sem_destroy(&f->host.event);
}

static bool no_kvm(void)
{
    if (!kvm_host_present()) {
        g_test_skip("no usable /dev/kvm");
        return true;
    }
    return false;
}

static void wait_event(Fixture *f)
{
    g_assert_cmpint(qemu_sem_timedwait(&f->host.event, WAIT_MS), ==, 0);
}

/* mov $0x501,%dx; mov $5,%al; out %al,%dx; hlt; jmp . */
static const uint8_t code_exit[] = { 0x66, 0xba, 0x01, 0x05, 0xb0,
                                     0x05, 0xee, 0xf4, 0xeb, 0xfe };

static void test_exit(void)
{
    Fixture f = { 0 };

    if (no_kvm()) {
        return;
    }
    start(&f, code_exit, sizeof(code_exit), 1);
    g_assert_false(machine_is_running(f.machine));
    g_assert_cmpint(qemu_sem_timedwait(&f.host.event, 50), ==, -1);
    machine_start(f.machine);
    wait_event(&f);
    g_assert_cmpint(f.host.exit_status, ==, 11);
    machine_stop(f.machine);
    /* Again from the start. */
    g_assert_true(machine_reset(f.machine, &error_abort));
    machine_start(f.machine);
    wait_event(&f);
    finish(&f);
}

/* lidt of nothing, then an invalid instruction: a triple fault. */
static const uint8_t code_triple[] = { 0x0f, 0x01, 0x1d, 0x40, 0x01,
                                       0x10, 0x00, 0x0f, 0x0b };

static void test_triple_fault(void)
{
    Fixture f = { 0 };

    if (no_kvm()) {
        return;
    }
    start(&f, code_triple, sizeof(code_triple), 2);
    machine_start(f.machine);
    for (int i = 1; i <= 20; i++) {
        wait_event(&f);
        g_assert_cmpint(qatomic_read(&f.host.resets), ==, i);
        g_assert_true(machine_reset(f.machine, &error_abort));
    }
    finish(&f);
}

/* jmp to an address without memory */
static const uint8_t code_nowhere[] = {
    0xb8, 0x00, 0x00, 0x00, 0xf0, 0xff, 0xe0
};

static void test_internal_error(void)
{
    Fixture f = { 0 };

    if (no_kvm()) {
        return;
    }
    start(&f, code_nowhere, sizeof(code_nowhere), 1);
    machine_start(f.machine);
    wait_event(&f);
    g_assert_nonnull(f.host.error);
    g_assert_nonnull(strstr(f.host.error, "00000000f0000000"));
    finish(&f);
}

static void test_stop_start(void)
{
    static const uint8_t spin[] = { 0xeb, 0xfe };
    Fixture f = { 0 };

    if (no_kvm()) {
        return;
    }
    start(&f, spin, sizeof(spin), 2);
    for (int i = 0; i < 100; i++) {
        machine_start(f.machine);
        g_assert_true(machine_is_running(f.machine));
        machine_stop(f.machine);
        g_assert_false(machine_is_running(f.machine));
    }
    machine_start(f.machine);
    machine_start(f.machine);
    g_assert_true(machine_reset(f.machine, &error_abort));
    g_assert_true(machine_is_running(f.machine));
    finish(&f);
}

/* A CPU that waits for the machine lock can be paused all the same. */
static void test_stop_while_locked(void)
{
    /* in (%dx),%al; jmp back */
    static const uint8_t io_loop[] = {
        0x66, 0xba, 0x71, 0x00, 0xec, 0xeb, 0xfd
    };
    Fixture f = { 0 };

    if (no_kvm()) {
        return;
    }
    start(&f, io_loop, sizeof(io_loop), 1);
    for (int i = 0; i < 50; i++) {
        machine_start(f.machine);
        machine_lock();
        g_usleep(100);
        machine_unlock();
        machine_stop(f.machine);
    }
    finish(&f);
}

static void test_tree(void)
{
    Fixture f = { 0 };
    g_autoptr(GPtrArray) cpus = NULL;
    Error *err = NULL;

    if (no_kvm()) {
        return;
    }
    start(&f, code_exit, sizeof(code_exit), 2);
    cpus = machine_cpu_info(f.machine);
    g_assert_cmpuint(cpus->len, ==, 2);
    g_assert_cmpstr(((CPUInfo *)cpus->pdata[1])->qom_path, ==,
                    "/machine/unattached/device[1]");
    g_assert_cmpint(((CPUInfo *)cpus->pdata[0])->thread_id, !=, getpid());
    g_assert_cmpuint(((CPUInfo *)cpus->pdata[1])->core_id, ==, 1);
    g_assert_nonnull(qdev_find("dbg"));
    g_assert_nonnull(object_resolve_path("/machine/peripheral/dbg", NULL));
    g_assert_nonnull(qdev_find_bus("isa.0"));
    g_assert_cmpstr(machine_accel_name(f.machine), ==, "kvm");
    g_assert_cmpuint(machine_ram_bytes(f.machine), ==, 4 << 20);
    /* The RAM is in use. */
    g_assert_false(user_creatable_del("pc.ram", &err));
    error_free_or_abort(&err);
    /* After the first reset the board is fixed. */
    json_auto_t *dev = json_pack("{s:s}", "driver", "isa-serial");
    g_assert_null(qdev_device_add_json(dev, &err));
    error_free_or_abort(&err);
    g_assert_false(qdev_unplug(qdev_find("dbg"), &err));
    error_free_or_abort(&err);
    g_assert_true(machine_inject_nmi(f.machine, &error_abort));
    finish(&f);
}

static void new_refused(const char *machine, const char *why)
{
    json_auto_t *m = json_loads(machine, 0, NULL);
    MachineConfig config = { .machine = m };
    Error *err = NULL;

    g_assert_nonnull(m);
    g_assert_null(machine_new(&config, &host_ops, NULL, &err));
    if (!strstr(error_get_pretty(err), why)) {
        g_error("unexpected message: %s", error_get_pretty(err));
    }
    error_free(err);
    g_assert_null(machine_current());
}

static void test_new_errors(void)
{
    new_refused("{\"type\":\"foo\"}", "unsupported machine type 'foo'");
    new_refused("{\"type\":\"pc\",\"foo\":\"on\"}", "foo");
    new_refused("{\"type\":\"pc\",\"usb\":\"on\"}", "usb=on");
    new_refused("{\"type\":\"pc\",\"vmport\":\"on\"}", "vmport=on");
    new_refused("{\"type\":\"pc\",\"accel\":\"foo:bar\"}",
                "foo: no such accelerator in this binary; bar: no such");
}

static void test_none(void)
{
    json_auto_t *m = json_pack("{s:s,s:s}", "type", "none", "accel", "foo:kvm");
    MachineConfig config = { .machine = m };
    MachineState *machine;

    if (no_kvm()) {
        return;
    }
    machine = machine_new(&config, &host_ops, NULL, &error_abort);
    g_assert_nonnull(strstr(machine_accel_note(machine), "foo"));
    g_assert_true(machine_realize(machine, &error_abort));
    g_assert_true(machine_reset(machine, &error_abort));
    machine_start(machine);
    machine_stop(machine);
    g_assert_false(machine_has_devices(machine));
    machine_destroy(machine);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    hw_register_types();
    g_test_add_func("/machine/exit", test_exit);
    g_test_add_func("/machine/triple-fault", test_triple_fault);
    g_test_add_func("/machine/internal-error", test_internal_error);
    g_test_add_func("/machine/stop-start", test_stop_start);
    g_test_add_func("/machine/stop-while-locked", test_stop_while_locked);
    g_test_add_func("/machine/tree", test_tree);
    g_test_add_func("/machine/new-errors", test_new_errors);
    g_test_add_func("/machine/none", test_none);
    return g_test_run();
}
