/*
 * The host's side of the differential test.
 *
 * Entering and leaving are done by signals, for a signal frame holds every
 * register: a UD2 of ours brings us into the handler, which remembers our own
 * registers and puts the guest's into the frame; the fault that ends the
 * sequence brings us back. Guest code is mapped executable and not writable,
 * its memory at low addresses; a value that happens to be one of our own
 * addresses is as good as impossible.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>

#include "util/fd.h"

#include "diff.h"

/* clang-format off */
static const int greg_of[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};
/* clang-format on */

/* Of the XSAVE area in a signal frame. */
enum {
    XS_MXCSR = 24,
    XS_XMM = 160,
    XS_HEADER = 512,
    XS_YMM = 576,
    XS_BYTES = 832,
};
#define XS_X87_SSE_AVX 7u

/* A sequence is stopped when it lives through two ticks of the timer. */
#define TICK_MS       500
#define TIMEOUT_TICKS 1

struct DiffHost {
    uint8_t *data;
    uint8_t *code_rw;
    bool avx;
    bool running;
    unsigned ticks; /* of the timer, in this sequence */
    const DiffState *in;
    DiffState *out;
    gregset_t own_gregs;
    uint8_t own_fp[XS_BYTES];
    stack_t old_stack;
    void *stack;
};

/* A signal handler has no argument of ours. */
static DiffHost *current;

static const int signals[] = { SIGILL, SIGSEGV, SIGBUS,
                               SIGFPE, SIGTRAP, SIGVTALRM };

static void enter_guest(DiffHost *h, ucontext_t *uc, uint8_t *fp)
{
    const DiffState *in = h->in;
    greg_t *g = uc->uc_mcontext.gregs;
    uint64_t xstate_bv;

    memcpy(h->own_gregs, g, sizeof(h->own_gregs));
    memcpy(h->own_fp, fp, h->avx ? XS_BYTES : XS_HEADER);
    for (unsigned i = 0; i < 16; i++) {
        g[greg_of[i]] = (greg_t)in->gpr[i];
        memcpy(fp + XS_XMM + 16 * (size_t)i, in->vec[i], 16);
        if (h->avx) {
            memcpy(fp + XS_YMM + 16 * (size_t)i, in->vec[i] + 16, 16);
        }
    }
    g[REG_RIP] = (greg_t)in->rip;
    g[REG_EFL] = in->eflags;
    memcpy(fp, in->fx, 24);
    memcpy(fp + 32, in->fx + 32, 128);
    memcpy(fp + XS_MXCSR, &in->mxcsr, 4);
    if (h->avx) {
        memcpy(&xstate_bv, fp + XS_HEADER, sizeof(xstate_bv));
        xstate_bv |= XS_X87_SSE_AVX;
        memcpy(fp + XS_HEADER, &xstate_bv, sizeof(xstate_bv));
    }
    h->running = true;
}

static void leave_guest(DiffHost *h, ucontext_t *uc, uint8_t *fp, int sig)
{
    DiffState *out = h->out;
    greg_t *g = uc->uc_mcontext.gregs;

    for (unsigned i = 0; i < 16; i++) {
        out->gpr[i] = (uint64_t)g[greg_of[i]];
        memcpy(out->vec[i], fp + XS_XMM + 16 * (size_t)i, 16);
        if (h->avx) {
            memcpy(out->vec[i] + 16, fp + XS_YMM + 16 * (size_t)i, 16);
        }
    }
    out->rip = (uint64_t)g[REG_RIP];
    out->eflags = (uint32_t)g[REG_EFL];
    out->vector = sig == SIGVTALRM ? DIFF_TIMEOUT : (uint32_t)g[REG_TRAPNO];
    out->error = (uint32_t)g[REG_ERR];
    out->cr2 = (uint64_t)g[REG_CR2];
    memcpy(out->fx, fp, DIFF_FX_BYTES);
    memcpy(&out->mxcsr, fp + XS_MXCSR, 4);

    h->own_gregs[REG_RIP] += 2;
    memcpy(g, h->own_gregs, sizeof(h->own_gregs));
    memcpy(fp, h->own_fp, h->avx ? XS_BYTES : XS_HEADER);
    h->running = false;
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    uint8_t *fp = (uint8_t *)uc->uc_mcontext.fpregs;

    if (sig == SIGVTALRM &&
        (!current || !current->running || current->ticks++ < TIMEOUT_TICKS)) {
        return;
    }
    if (!current) {
        signal(sig, SIG_DFL);
        return;
    }
    if (current->running) {
        leave_guest(current, uc, fp, sig);
    } else if (sig == SIGILL && current->in) {
        enter_guest(current, uc, fp);
    } else {
        signal(sig, SIG_DFL); /* a fault of our own */
    }
}

static bool map_code(DiffHost *h)
{
    AUTO_FD fd = memfd_create("diff-code", MFD_CLOEXEC);
    void *rx;

    if (fd < 0 || ftruncate(fd, DIFF_CODE_BYTES) < 0) {
        return false;
    }
    h->code_rw = mmap(NULL, DIFF_CODE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_POPULATE, fd, 0);
    rx = mmap(GUINT_TO_POINTER(DIFF_CODE), DIFF_CODE_BYTES,
              PROT_READ | PROT_EXEC,
              MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, 0);
    return h->code_rw != MAP_FAILED && rx != MAP_FAILED;
}

static bool map_data(DiffHost *h)
{
    AUTO_FD fd = memfd_create("diff-data", MFD_CLOEXEC);
    size_t size = DIFF_DATA_BYTES + DIFF_RO_BYTES;
    void *data, *ro;

    if (fd < 0 || ftruncate(fd, (off_t)size) < 0) {
        return false;
    }
    h->data = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_POPULATE, fd, 0);
    data = mmap(GUINT_TO_POINTER(DIFF_DATA), DIFF_DATA_BYTES,
                PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd, 0);
    ro = mmap(GUINT_TO_POINTER(DIFF_DATA + DIFF_DATA_BYTES), DIFF_RO_BYTES,
              PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd,
              DIFF_DATA_BYTES);
    return h->data != MAP_FAILED && data != MAP_FAILED && ro != MAP_FAILED;
}

static bool host_has_avx(void)
{
    uint32_t eax, ebx, ecx = 0, edx;

    __get_cpuid(1, &eax, &ebx, &ecx, &edx);
    if (!(ecx & (1u << 27)) || !(ecx & (1u << 28))) {
        return false;
    }
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & 6) == 6;
}

DiffHost *diff_host_new(void)
{
    DiffHost *h = g_new0(DiffHost, 1);
    size_t stack_bytes = 256 * 1024;
    stack_t stack = { .ss_size = stack_bytes };
    struct sigaction sa = { .sa_sigaction = on_signal,
                            .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    struct itimerval tick = { .it_interval.tv_usec = TICK_MS * 1000,
                              .it_value.tv_usec = TICK_MS * 1000 };

    h->avx = host_has_avx();
    if (!map_code(h) || !map_data(h)) {
        diff_host_free(h);
        return NULL;
    }
    h->stack = g_malloc(stack_bytes);
    stack.ss_sp = h->stack;
    sigaltstack(&stack, &h->old_stack);
    sigfillset(&sa.sa_mask);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], &sa, NULL);
    }

    current = h;
    setitimer(ITIMER_VIRTUAL, &tick, NULL);
    return h;
}

void diff_host_free(DiffHost *h)
{
    if (!h) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        signal(signals[i], SIG_DFL);
    }
    current = NULL;
    setitimer(ITIMER_VIRTUAL, &(struct itimerval){ 0 }, NULL);
    if (h->stack) {
        sigaltstack(&h->old_stack, NULL);
        g_free(h->stack);
    }
    munmap(GUINT_TO_POINTER(DIFF_CODE), DIFF_CODE_BYTES);
    munmap(GUINT_TO_POINTER(DIFF_DATA), DIFF_DATA_BYTES + DIFF_RO_BYTES);
    g_free(h);
}

uint8_t *diff_host_data(DiffHost *h)
{
    return h->data;
}

uint8_t *diff_host_code(DiffHost *h)
{
    return h->code_rw;
}

bool diff_host_has_avx(const DiffHost *h)
{
    return h->avx;
}

/* Guest code uses GS:, and so does translated code in this thread. */
static uint64_t swap_gs(uint64_t base)
{
    uint64_t old = 0;

    syscall(SYS_arch_prctl, ARCH_GET_GS, &old);
    syscall(SYS_arch_prctl, ARCH_SET_GS, base);
    return old;
}

void diff_host_run(DiffHost *h, const DiffState *in, DiffState *out)
{
    uint64_t own_gs = swap_gs(DIFF_GS_BASE);

    h->ticks = 0;
    h->in = in;
    h->out = out;
    *out = *in;
    __asm__ volatile("ud2" : : : "memory");
    h->in = NULL;
    swap_gs(own_gs);
}
