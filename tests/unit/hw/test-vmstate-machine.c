/*
 * A whole machine on its way to another host: what a guest had when it
 * stopped is there when it goes on, with every accelerator and wherever the
 * interrupt controllers are.
 *
 * The guest notes its time stamp counter in memory, round after round. Its
 * state is saved, the machine is reset, the state is loaded and saved again:
 * the bytes must be equal. Then the guest goes on, and its counter has neither
 * stepped back nor run in between.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "accel/accel.h"
#include "hw/boards.h"
#include "hw/core/machine-internal.h"
#include "hw/cpu.h"
#include "hw/hostmem.h"
#include "hw/intc/irqchip.h"
#include "hw/machine-lock.h"
#include "hw/types.h"
#include "hw/x86/x86-cpu.h"
#include "io/channel-buffer.h"
#include "migration/stream/savevm.h"
#include "qom/object_interfaces.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/thread.h"
#include "util/timer.h"

#include "vmstate-roundtrip.h"

#define CPUS           2
#define NOTE           0x200000 /* counter, then rounds */
#define PATIENCE       1000
#define RUN_US         5000
#define PAUSE_US       30000
#define TSC_PER_NS_MAX 4u /* no processor counts as fast */
#define PVM_MODULE     "/sys/module/kvm_pvm"
#define LIES           400
#define MSR_LSTAR      0xc0000082u
#define MSR_TSC        0x10u

/* 1: rdtsc; mov %eax,NOTE; mov %edx,NOTE+4; incl NOTE+8; jmp 1b */
static const uint8_t code_note[] = { 0x0f, 0x31, 0xa3, 0x00, 0x00, 0x20, 0x00,
                                     0x89, 0x15, 0x04, 0x00, 0x20, 0x00, 0xff,
                                     0x05, 0x08, 0x00, 0x20, 0x00, 0xeb, 0xeb };

typedef struct Note {
    uint64_t tsc;
    uint32_t rounds;
} Note;

typedef struct Place {
    const char *name;
    const char *accel;
    const char *irqchip; /* NULL: default */
} Place;

typedef struct Fixture {
    char *kernel;
    MachineState *machine;
} Fixture;

static void on_event(void *opaque)
{
}

static void on_exit_request(void *opaque, int status)
{
}

static void on_error(void *opaque, const char *message)
{
    g_error("%s", message);
}

static void on_rtc(void *opaque, int64_t offset_s, const char *path)
{
}

static const MachineHost host_ops = {
    .shutdown_request = on_event,
    .reset_request = on_event,
    .exit_request = on_exit_request,
    .guest_panicked = on_event,
    .internal_error = on_error,
    .rtc_change = on_rtc,
};

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

/* Returns: false if this host cannot do it (the test is skipped). */
static bool set_up(Fixture *f, const Place *place, const char *cpu)
{
    json_auto_t *memory = json_pack("{s:s}", "size", "4M");
    json_auto_t *smp = json_pack("{s:i}", "cpus", CPUS);
    json_auto_t *machine = json_pack("{s:s}", "accel", place->accel);
    MachineConfig config = {
        .machine = machine, .memory = memory, .smp = smp, .cpu = cpu
    };

    if (g_str_equal(place->accel, "kvm") && !kvm_host_present()) {
        g_test_skip("no usable /dev/kvm");
        return false;
    }
    if (place->irqchip) {
        json_object_set_new(machine, "kernel-irqchip",
                            json_string(place->irqchip));
    }
    f->kernel = write_kernel(code_note, sizeof(code_note));
    config.kernel = f->kernel;
    f->machine = machine_new(&config, &host_ops, f, &error_abort);
    g_assert_true(machine_realize(f->machine, &error_abort));
    g_assert_true(machine_reset(f->machine, &error_abort));
    return true;
}

static void tear_down(Fixture *f)
{
    machine_destroy(f->machine);
    g_assert_true(user_creatable_del("pc.ram", &error_abort));
    g_unlink(f->kernel);
    g_free(f->kernel);
}

static Note read_note(const Fixture *f)
{
    uint32_t raw[3];

    g_assert_true(
        guest_memory_read(f->machine->memory, NOTE, raw, sizeof(raw)));
    return (Note){ GUINT32_FROM_LE(raw[0]) | (uint64_t)GUINT32_FROM_LE(raw[1])
                                                 << 32,
                   GUINT32_FROM_LE(raw[2]) };
}

/* -- a whole state ---------------------------------------------------------------- */

static GBytes *save_all(Fixture *f)
{
    SaveVMRegistry *reg = machine_savevm(f->machine);
    g_auto(SaveVMDevices) devices = { 0 };
    MACHINE_LOCK_GUARD();

    g_assert_true(savevm_capture_devices(reg, false, &devices, &error_abort));
    return g_bytes_new(devices.data, devices.len);
}

typedef struct Load {
    SaveVMRegistry *reg;
    GBytes *bytes;
    Error *err;
    SaveVMLoadResult result;
} Load;

static void lock(void *opaque)
{
    machine_lock();
}

static void unlock(void *opaque)
{
    machine_unlock();
}

static void *load_thread(void *opaque)
{
    static const SaveVMLoadOps ops = { .lock = lock, .unlock = unlock };
    Load *l = opaque;
    gsize len;
    const void *data = g_bytes_get_data(l->bytes, &len);
    QIOChannelBuffer *buffer = qio_channel_buffer_new(len + 4096);
    QEMUFile *out = qemu_file_new_output(QIO_CHANNEL(buffer));
    QEMUFile *in;
    const ConfigSection config = { 0 };

    savevm_set_options(l->reg, &(SaveVMOptions){ .section_footer = true });
    savevm_send_header(l->reg, out, &config);
    qemu_put_buffer(out, data, len);
    savevm_send_eof(out);
    qemu_fflush(out);
    qemu_file_free(out);
    buffer->offset = 0;
    in = qemu_file_new_input(QIO_CHANNEL(buffer));
    l->result = savevm_load_state(l->reg, in, &ops, NULL, &l->err);
    savevm_load_cleanup(l->reg);
    qemu_file_free(in);
    object_unref(OBJECT(buffer));
    return NULL;
}

static bool load_all(Fixture *f, GBytes *bytes, Error **errp)
{
    Load load = { .reg = machine_savevm(f->machine), .bytes = bytes };
    QemuThread thread;

    qemu_thread_create(&thread, "load", load_thread, &load,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
    error_propagate(errp, load.err);
    return load.result == SAVEVM_LOAD_OK;
}

/* Of CPU 0, which stands still. */
static uint64_t counter_now(Fixture *f)
{
    AccelVCPU *vcpu = CPU(f->machine->cpus.cpus->pdata[0])->vcpu;
    g_autoptr(X86CPUState) st = x86_state_new();

    g_assert_true(ACCEL_GET_CLASS(f->machine->accel)
                      ->vcpu_get_state(vcpu, X86_STATE_MSRS, st, &error_abort));
    return *x86_state_msr(st, MSR_TSC);
}

/* Until it has done something: the host may have more to do. */
static void run_a_while(Fixture *f)
{
    uint32_t rounds = read_note(f).rounds;

    machine_start(f->machine);
    for (int i = 0; i < PATIENCE && read_note(f).rounds == rounds; i++) {
        g_usleep(RUN_US);
    }
    machine_stop(f->machine);
}

static void reset_untouched(Fixture *f)
{
    machine_set_incoming(f->machine, true);
    g_assert_true(machine_reset(f->machine, &error_abort));
}

/* Under kvm_pvm a guest's RDTSC is the host's, whatever its offset. */
static bool counter_can_stand(const Place *place)
{
    return g_str_equal(place->accel, "soft") ||
           !g_file_test(PVM_MODULE, G_FILE_TEST_IS_DIR);
}

static void assert_same_bytes(GBytes *a, GBytes *b)
{
    gsize len_a, len_b;
    const uint8_t *pa = g_bytes_get_data(a, &len_a);
    const uint8_t *pb = g_bytes_get_data(b, &len_b);

    for (gsize i = 0; i < MIN(len_a, len_b); i++) {
        if (pa[i] != pb[i]) {
            g_error("byte %zu is 0x%02x, was 0x%02x", i, pb[i], pa[i]);
        }
    }
    g_assert_cmpuint(len_a, ==, len_b);
}

static void test_goes_on(gconstpointer data)
{
    const Place *place = data;
    g_autoptr(GBytes) first = NULL;
    Fixture f = { 0 };
    Note before, after;

    if (!set_up(&f, place, NULL)) {
        return;
    }
    run_a_while(&f);
    for (int i = 0; i < 3; i++) {
        g_autoptr(GBytes) saved = save_all(&f);
        g_autoptr(GBytes) again = NULL;
        int64_t stopped = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
        uint64_t counter = counter_now(&f);
        int64_t begin;
        uint64_t ran;

        before = read_note(&f);
        g_assert_cmpuint(before.rounds, >, 0);
        g_usleep(PAUSE_US);
        reset_untouched(&f);
        cpu_set_clock(123);
        g_assert_true(load_all(&f, saved, &error_abort));
        g_assert_cmpint(qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL), ==, stopped);
        again = save_all(&f);
        assert_same_bytes(saved, again);
        g_usleep(PAUSE_US);
        begin = get_clock();
        run_a_while(&f);
        after = read_note(&f);
        ran = (uint64_t)(get_clock() - begin);
        g_assert_cmpuint(after.rounds, !=, before.rounds);
        g_assert_cmpuint(after.tsc, >, before.tsc);
        g_assert_cmpuint(after.tsc, >, counter);
        /* The pauses alone would be more than all that it ran. */
        if (counter_can_stand(place)) {
            g_assert_cmpuint(after.tsc - counter, <, ran * TSC_PER_NS_MAX);
        }
        g_test_message("counter ran %" PRIu64 " in %" PRIu64 " ns",
                       after.tsc - before.tsc, ran);
    }
    tear_down(&f);
}

/* -- one CPU -------------------------------------------------------------------------- */

static void randomize(Fixture *f, X86CPUState *st, GRand *rand)
{
    AccelVCPU *vcpu = CPU(f->machine->cpus.cpus->pdata[0])->vcpu;
    AccelClass *ac = ACCEL_GET_CLASS(f->machine->accel);

    g_assert_true(ac->vcpu_get_state(vcpu, X86_STATE_ALL, st, &error_abort));
    for (unsigned i = 0; i < X86_GPR_COUNT; i++) {
        st->gpr[i] = (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
    }
    st->rip = g_rand_int(rand);
    st->rflags = 2 | (g_rand_int(rand) & 0xcd5);
    st->cr2 = g_rand_int(rand);
    st->seg[X86_FS].base = g_rand_int(rand);
    st->dr[1] = g_rand_int(rand);
    st->dr6 = 0xffff0ff0 | (g_rand_int(rand) & 0xf);
    if (st->xsave) {
        for (unsigned i = 160; i < 416; i++) { /* xmm */
            st->xsave[i] = (uint8_t)g_rand_int(rand);
        }
        st->xsave[512] |= 3;
    }
    for (size_t i = 0; i < st->n_msrs; i++) {
        if (st->msrs[i].index == MSR_LSTAR) {
            st->msrs[i].value = 0xffffffff80000000ull + g_rand_int(rand) / 2;
        } else if (st->msrs[i].index == MSR_TSC) {
            st->msrs[i].value += g_rand_int(rand);
        }
    }
    st->events.nmi_pending = g_rand_int(rand) & 1;
    st->mp_state = g_rand_int(rand) & 1 ? X86_MP_RUNNABLE : X86_MP_HALTED;
    g_assert_true(ac->vcpu_set_state(
        vcpu, (X86_STATE_ALL & ~X86_STATE_LAPIC) | X86_STATE_INCOMING, st,
        &error_abort));
}

static void test_cpu_moves(gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    Fixture f = { 0 };

    if (!set_up(&f, data, NULL)) {
        return;
    }
    for (int i = 0; i < 50; i++) {
        g_autoptr(X86CPUState) st = x86_state_new();
        MACHINE_LOCK_GUARD();

        randomize(&f, st, rand);
        vmstate_assert_moves(&vmstate_x86_cpu, f.machine->cpus.cpus->pdata[0],
                             f.machine->cpus.cpus->pdata[1]);
    }
    tear_down(&f);
}

static void test_cpu_lies(gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(8);
    Fixture f = { 0 };

    if (!set_up(&f, data, NULL)) {
        return;
    }
    machine_lock();
    vmstate_assert_robust(&vmstate_x86_cpu, f.machine->cpus.cpus->pdata[0],
                          f.machine->cpus.cpus->pdata[1], LIES, rand, NULL,
                          NULL);
    machine_unlock();
    tear_down(&f);
}

/* -- what cannot go -------------------------------------------------------------------- */

static const Place soft_place = { "soft", "soft", NULL };

/* Loads @bytes with one changed by @spoil; the error must say @word. */
static void assert_refused(Fixture *f, const VMStateDescription *vmsd,
                           GBytes *bytes, size_t at, uint8_t value,
                           const char *word)
{
    gsize len = g_bytes_get_size(bytes);
    g_autofree uint8_t *copy = g_memdup2(g_bytes_get_data(bytes, NULL), len);
    Error *err = NULL;

    g_assert_cmpuint(at, <, len);
    copy[at] = value;
    g_assert_false(vmstate_from_bytes(vmsd, f->machine->cpus.cpus->pdata[1],
                                      vmsd->version_id, copy, len, &err));
    if (!strstr(error_get_pretty(err), word)) {
        g_error("expected '%s' in '%s'", word, error_get_pretty(err));
    }
    error_free(err);
}

static void test_other_cpu(void)
{
    Fixture f = { 0 };
    g_autoptr(GBytes) bytes = NULL;
    const size_t phys_bits = 12 + 3;
    const size_t word = 12 + 4 + 1;     /* function, index, reg, value */
    const size_t ecx = word + 13 + 9;   /* of the second word: 01H:ECX */
    const size_t missing = ecx + 4 - 4; /* its highest byte */

    if (!set_up(&f, &soft_place, "qemu64")) {
        return;
    }
    machine_lock();
    bytes = vmstate_to_bytes(&vmstate_x86_cpu, f.machine->cpus.cpus->pdata[0]);
    assert_refused(&f, &vmstate_x86_cpu, bytes, 0, 'G', "vendor");
    assert_refused(&f, &vmstate_x86_cpu, bytes, phys_bits, 200,
                   "physical addresses");
    assert_refused(&f, &vmstate_x86_cpu, bytes, missing, 0xff, "avx");
    assert_refused(&f, &vmstate_x86_cpu, bytes, 12 + 4, 255, "word");
    machine_unlock();
    tear_down(&f);
}

static void test_other_irqchip(void)
{
    static const Place places[] = { { "off", "kvm", "off" },
                                    { "split", "kvm", "split" } };
    g_autoptr(GBytes) bytes = NULL;
    Error *err = NULL;

    for (int i = 0; i < 2; i++) {
        Fixture f = { 0 };

        if (!set_up(&f, &places[i], NULL)) {
            return;
        }
        if (i == 0) {
            bytes = save_all(&f);
        } else {
            g_assert_false(load_all(&f, bytes, &err));
            g_assert_nonnull(strstr(error_get_pretty(err), "kernel-irqchip"));
            error_free(err);
        }
        tear_down(&f);
    }
}

/* From the kernel's CPU to the software one, and back. */
static void test_other_accel(void)
{
    static const Place places[] = { { "kvm", "kvm", "off" },
                                    { "soft", "soft", NULL },
                                    { "kvm", "kvm", "off" } };
    g_autoptr(GBytes) bytes = NULL;
    uint32_t rounds = 0;

    for (int i = 0; i < 3; i++) {
        Fixture f = { 0 };

        if (!set_up(&f, &places[i], "qemu64,kvm=off,x2apic=off,pni=off")) {
            return;
        }
        if (bytes) {
            g_assert_true(load_all(&f, bytes, &error_abort));
            g_bytes_unref(g_steal_pointer(&bytes));
        }
        run_a_while(&f);
        g_assert_cmpuint(read_note(&f).rounds, !=, rounds);
        rounds = read_note(&f).rounds;
        bytes = save_all(&f);
        tear_down(&f);
    }
}

static void test_run_state(void)
{
    Fixture f = { 0 };
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *longer = g_strnfill(200, 'x');

    if (!set_up(&f, &soft_place, NULL)) {
        return;
    }
    g_assert_null(machine_loaded_run_state(f.machine));
    g_assert_false(machine_note_run_state(f.machine, longer, NULL));
    g_assert_true(machine_note_run_state(f.machine, "running", &error_abort));
    bytes = save_all(&f);
    g_assert_true(machine_note_run_state(f.machine, "", &error_abort));
    g_assert_true(load_all(&f, bytes, &error_abort));
    g_assert_cmpstr(machine_loaded_run_state(f.machine), ==, "running");
    tear_down(&f);
}

int main(int argc, char **argv)
{
    static const Place places[] = {
        { "soft", "soft", NULL },
        { "kvm-on", "kvm", "on" },
        { "kvm-split", "kvm", "split" },
        { "kvm-off", "kvm", "off" },
    };

    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    qemu_init_main_loop(&error_abort);
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        static const struct {
            const char *name;
            GTestDataFunc func;
        } tests[] = { { "goes-on", test_goes_on },
                      { "cpu-moves", test_cpu_moves },
                      { "cpu-lies", test_cpu_lies } };

        for (size_t n = 0; n < G_N_ELEMENTS(tests); n++) {
            g_autofree char *path = g_strdup_printf(
                "/hw/vmstate/%s/%s", places[i].name, tests[n].name);
            g_test_add_data_func(path, &places[i], tests[n].func);
        }
    }
    g_test_add_func("/hw/vmstate/other-cpu", test_other_cpu);
    g_test_add_func("/hw/vmstate/other-irqchip", test_other_irqchip);
    g_test_add_func("/hw/vmstate/other-accel", test_other_accel);
    g_test_add_func("/hw/vmstate/run-state", test_run_state);
    return g_test_run();
}
