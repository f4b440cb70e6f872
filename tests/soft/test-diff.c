/*
 * The software CPU against the host's own: see diff.h.
 *
 *     test-diff [--engine interp|jit] [--sequences N] [--seconds S] [--seed X]
 *               [--insns N] [--coverage] [--limit MISMATCHES]
 *               [--without OPERATION,...]
 *
 * A mismatch is reduced to the fewest instructions that still show it and
 * printed with its seed. Exit status: 0 = all agree, 77 = this host cannot.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <stdio.h>
#include <time.h>

#include "accel/soft/soft-cpu.h"
#include "qom/object.h"

#include "diff.h"

#define STATES_PER_SEQUENCE 3

/* First address that no program of the host has. */
#define KERNEL_START 0x7ffffffff000u

typedef struct Test {
    DiffHost *host;
    DiffSoft *soft;
    DiffEngine engine;
    DiffRng rng;
    uint64_t features;
    unsigned insns;
    uint64_t code_at;
    uint64_t sequences;
    uint64_t runs;
    uint64_t faults;
    uint64_t mismatches;
    uint64_t op_count[SOFT_OP_COUNT];
    bool without[SOFT_OP_COUNT];
    SoftInsn stray;                  /* decoded where a sequence jumped to */
    uint8_t memory[DIFF_DATA_BYTES]; /* before the run */
} Test;

static uint32_t eflags_of(uint32_t flags)
{
    /* clang-format off */
    return (flags & SOFT_FLAG_CF ? SOFT_EFL_CF : 0) |
           (flags & SOFT_FLAG_PF ? SOFT_EFL_PF : 0) |
           (flags & SOFT_FLAG_AF ? SOFT_EFL_AF : 0) |
           (flags & SOFT_FLAG_ZF ? SOFT_EFL_ZF : 0) |
           (flags & SOFT_FLAG_SF ? SOFT_EFL_SF : 0) |
           (flags & SOFT_FLAG_OF ? SOFT_EFL_OF : 0);
    /* clang-format on */
}

/* Flags that nobody defined, where the sequence ended. */
static uint32_t undefined_at(const DiffSeq *seq, uint64_t rip)
{
    if (rip - seq->address >= seq->code_bytes) {
        return SOFT_EFL_ARITH; /* somewhere else, in an older sequence */
    }
    for (unsigned i = 0; i < seq->count; i++) {
        if (rip == seq->address + seq->insn[i].offset) {
            return eflags_of(seq->insn[i].undefined);
        }
    }
    return eflags_of(rip == seq->address + seq->code_bytes - 2
                         ? seq->undefined
                         : seq->ever_undefined);
}

/* -- comparison ----------------------------------------------------------- */

static void say(GString *why, const char *name, uint64_t host, uint64_t soft)
{
    if (why && host != soft) {
        g_string_append_printf(why,
                               "    %-8s host %016" PRIx64 " soft %016" PRIx64
                               "\n",
                               name, host, soft);
    }
}

static bool same_bytes(GString *why, const char *name, unsigned n,
                       const uint8_t *host, const uint8_t *soft, size_t size)
{
    if (memcmp(host, soft, size) == 0) {
        return true;
    }
    if (why) {
        g_string_append_printf(why, "    %s%u host ", name, n);
        for (size_t i = size; i--;) {
            g_string_append_printf(why, "%02x", host[i]);
        }
        g_string_append_printf(why, "\n    %*s soft ",
                               (int)strlen(name) + (n > 9 ? 2 : 1), "");
        for (size_t i = size; i--;) {
            g_string_append_printf(why, "%02x", soft[i]);
        }
        g_string_append(why, "\n");
    }
    return false;
}

/*
 * The instruction at @rip: of @seq, or, where a jump led into the bytes of an
 * older sequence, whatever they make; NULL if that is none.
 */
static const SoftInsn *insn_at(Test *t, const DiffSeq *seq, uint64_t rip)
{
    const SoftDecodeMode mode = { .features = t->features,
                                  .code_bits = 64,
                                  .prot = true };

    for (unsigned i = 0; i < seq->count; i++) {
        if (rip == seq->address + seq->insn[i].offset) {
            return &seq->insn[i].insn;
        }
    }
    if (rip < DIFF_CODE || rip >= DIFF_CODE + DIFF_CODE_BYTES ||
        soft_decode(diff_host_code(t->host) + (rip - DIFF_CODE),
                    DIFF_CODE + DIFF_CODE_BYTES - rip, &mode,
                    &t->stray) != SOFT_DECODE_OK) {
        return NULL;
    }
    return &t->stray;
}

/* Of several bad bytes a CPU may report any; and of the two words that a far
 * return pops it may read the second first. */
static bool leaves_cr2_open(const SoftInsn *insn)
{
    return insn && (insn->op == SOFT_OP_VMASKMOV || insn->op == SOFT_OP_RETF ||
                    insn->op == SOFT_OP_IRET ||
                    (insn->op == SOFT_OP_X87 && insn->mem_bytes >= 14));
}

/* Whether bytes that are masked out may fault is the CPU's choice. */
static bool leaves_all_open(const SoftInsn *insn)
{
    return insn &&
           (insn->op == SOFT_OP_MASKMOVDQU || insn->op == SOFT_OP_MASKMOVQ);
}

/* How much of vector @i counts: a gather that faults may or may not have
 * cleared what is above its elements. */
static unsigned vec_bytes(const SoftInsn *last, unsigned i)
{
    unsigned wide;

    if (!last || last->op != SOFT_OP_VGATHER || last->reg != i) {
        return 32;
    }
    wide = MAX(last->rex & SOFT_REX_W ? 8u : 4u, last->opcode & 1 ? 8u : 4u);
    return (last->vex_l ? 32u : 16u) / wide * (last->rex & SOFT_REX_W ? 8 : 4);
}

/* On some CPUs the x87 stack has become MMX registers already when an MMX store
 * faults. */
static bool leaves_x87_open(const SoftInsn *insn)
{
    return insn && insn->op == SOFT_OP_MMX && insn->mem == SOFT_MEM_WRITE;
}

static bool same_fault(const SoftInsn *last, const DiffState *h,
                       const DiffState *s, GString *why)
{
    /* The kernel is not exact about addresses that are its own. */
    bool own = s->vector == SOFT_EXC_PF && s->cr2 >= KERNEL_START &&
               h->vector == SOFT_EXC_GP;
    bool user = h->vector == SOFT_EXC_PF && h->cr2 < KERNEL_START &&
                !leaves_cr2_open(last);

    say(why, "vector", h->vector, s->vector);
    if (h->vector != s->vector || user) {
        say(why, "cr2", h->cr2, s->cr2);
        say(why, "error", h->error, s->error);
    }
    return (h->vector == s->vector || own) &&
           (!user || (h->cr2 == s->cr2 && h->error == s->error));
}

static bool same_x87(const DiffState *h, const DiffState *s, GString *why)
{
    static const struct {
        const char *name;
        unsigned offset, size;
    } field[] = {
        { "fcw", 0, 2 }, { "fsw", 2, 2 }, { "ftw", 4, 1 }, { "fip", 8, 8 }
    };
    bool same = true;

    for (size_t i = 0; i < G_N_ELEMENTS(field); i++) {
        uint64_t a = 0, b = 0;

        memcpy(&a, h->fx + field[i].offset, field[i].size);
        memcpy(&b, s->fx + field[i].offset, field[i].size);
        say(why, field[i].name, a, b);
        same &= a == b;
    }
    for (unsigned i = 0; i < 8; i++) {
        same &= same_bytes(why, "st", i, h->fx + 32 + 16 * (size_t)i,
                           s->fx + 32 + 16 * (size_t)i, 10);
    }
    return same;
}

/*
 * docs/gaps.md: PE beside an unmasked overflow or underflow is not exact.
 * DPPS and DPPD are several operations: which of them saw the exception is not known.
 */
static uint32_t mxcsr_open(const SoftInsn *insn, const DiffState *h)
{
    uint32_t raised = h->mxcsr & ~(h->mxcsr >> 7) & 0x3f;

    if (h->vector == SOFT_EXC_XM) {
        if (insn && insn->map == 3 && (insn->opcode & 0xfe) == 0x40) {
            return 0x3f;
        }
        return raised & 0x18 ? 0x20 : 0;
    }
    if (insn && insn->map == 3 && insn->opcode == 0x1d) {
        return 0x3f; /* VCVTPS2PH has its flags when its store faults */
    }
    return 0;
}

/*
 * Stores of ten bytes and more by x87
 * are done in parts on some CPUs. And
 * the translator does not compute flags that nobody will read before they are
 * overwritten, though a fault may come first.
 */
static bool leaves_memory_open(const SoftInsn *insn)
{
    return insn && (insn->op == SOFT_OP_CALLI || leaves_all_open(insn) ||
                    (insn->op == SOFT_OP_X87 && insn->mem == SOFT_MEM_WRITE));
}

static uint32_t flags_open(const Test *t, const DiffSeq *seq,
                           const SoftInsn *last, const DiffState *h)
{
    if (t->engine == DIFF_JIT && last) {
        return SOFT_EFL_ARITH;
    }
    return undefined_at(seq, h->rip);
}

static bool same_state(const Test *t, const DiffSeq *seq, const SoftInsn *last,
                       const DiffState *h, const DiffState *s, GString *why)
{
    static const char *const name[] = { "rax", "rcx", "rdx", "rbx",
                                        "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11",
                                        "r12", "r13", "r14", "r15" };
    uint32_t mask =
        (SOFT_EFL_ARITH | SOFT_EFL_DF) & ~flags_open(t, seq, last, h);
    bool same = same_fault(last, h, s, why) && h->rip == s->rip;

    say(why, "rip", h->rip, s->rip);
    if (why && h->rip == s->rip) {
        g_string_append_printf(why, "    rip      %016" PRIx64 "\n", h->rip);
    }
    for (unsigned i = 0; i < 16; i++) {
        say(why, name[i], h->gpr[i], s->gpr[i]);
        same &= h->gpr[i] == s->gpr[i];
    }
    say(why, "eflags", h->eflags & mask, s->eflags & mask);
    say(why, "mxcsr", h->mxcsr, s->mxcsr);
    same &= !((h->eflags ^ s->eflags) & mask) &&
            !((h->mxcsr ^ s->mxcsr) & ~mxcsr_open(last, h));
    for (unsigned i = 0; i < 16; i++) {
        same &=
            same_bytes(why, "ymm", i, h->vec[i], s->vec[i], vec_bytes(last, i));
    }
    return (leaves_x87_open(last) || same_x87(h, s, why)) && same;
}

static bool same_memory(Test *t, GString *why)
{
    const uint8_t *h = diff_host_data(t->host);
    uint8_t *s = diff_soft_data(t->soft);
    size_t bytes = DIFF_DATA_BYTES + DIFF_RO_BYTES;

    if (memcmp(h, s, bytes) == 0) {
        return true;
    }
    for (size_t i = 0; why && i < bytes; i++) {
        if (h[i] != s[i]) {
            g_string_append_printf(why,
                                   "    memory at %zx: host %02x soft %02x\n",
                                   DIFF_DATA + i, h[i], s[i]);
            break;
        }
    }
    memcpy(s + DIFF_DATA_BYTES, h + DIFF_DATA_BYTES, DIFF_RO_BYTES);
    return false;
}

/* -- runs ----------------------------------------------------------------- */

static void set_memory(Test *t, const uint8_t *memory)
{
    memcpy(diff_host_data(t->host), memory, DIFF_DATA_BYTES);
    memcpy(diff_soft_data(t->soft), memory, DIFF_DATA_BYTES);
}

static void set_code(Test *t, const DiffSeq *seq)
{
    memcpy(diff_host_code(t->host) + (seq->address - DIFF_CODE), seq->code,
           seq->code_bytes);
    diff_soft_set_code(t->soft, seq->address, seq->code, seq->code_bytes);
}

/* A jump may have led into the bytes of an older sequence. */
static void say_code(Test *t, uint64_t rip, GString *why)
{
    if (rip < DIFF_CODE || rip > DIFF_CODE + DIFF_CODE_BYTES - 15) {
        return;
    }
    g_string_append(why, "    code there");
    for (unsigned i = 0; i < 15; i++) {
        g_string_append_printf(why, " %02x",
                               diff_host_code(t->host)[rip - DIFF_CODE + i]);
    }
    g_string_append(why, "\n");
}

/* Both from the same state; code and memory are in place. */
static bool run_both(Test *t, const DiffSeq *seq, DiffState *in, GString *why,
                     DiffState *ret)
{
    DiffState h, s;
    const SoftInsn *last;
    bool same;

    in->rip = seq->address;
    s = *in;
    diff_host_run(t->host, in, &h);
    diff_soft_run(t->soft, in, &s);
    if (ret) {
        *ret = h;
    }
    last = insn_at(t, seq, h.rip);
    if (leaves_memory_open(last)) {
        memcpy(diff_soft_data(t->soft), diff_host_data(t->host),
               DIFF_DATA_BYTES);
    }
    same = leaves_all_open(last) || same_state(t, seq, last, &h, &s, why);
    if (why) {
        say_code(t, h.rip, why);
    }
    return same_memory(t, why) && same;
}

/* Does the sequence still differ, from @memory? */
static bool differs(Test *t, DiffSeq *seq, const DiffState *in,
                    const uint8_t *memory, GString *why)
{
    DiffState copy = *in;

    diff_seq_layout(seq);
    set_memory(t, memory);
    set_code(t, seq);
    return !run_both(t, seq, &copy, why, NULL);
}

static void reduce(Test *t, DiffSeq *seq, const DiffState *in,
                   const uint8_t *memory)
{
    for (unsigned i = seq->count; i-- > 0 && seq->count > 1;) {
        DiffSeq shorter = *seq;

        memmove(&shorter.insn[i], &shorter.insn[i + 1],
                (shorter.count - i - 1) * sizeof(DiffInsn));
        shorter.count--;
        if (differs(t, &shorter, in, memory, NULL)) {
            *seq = shorter;
        }
    }
}

static void print_sequence(const DiffSeq *seq)
{
    for (unsigned i = 0; i < seq->count; i++) {
        const DiffInsn *d = &seq->insn[i];
        char text[160];

        soft_insn_format(&d->insn, text, sizeof(text));
        printf("  %08" PRIx64 "  ", seq->address + d->offset);
        for (unsigned j = 0; j < SOFT_INSN_BYTES_MAX; j++) {
            if (j < d->insn.length) {
                printf("%02x ", d->bytes[j]);
            } else {
                printf("   ");
            }
        }
        printf(" %s\n", text);
    }
}

static void print_start(const DiffState *in)
{
    uint16_t fcw, fsw;

    memcpy(&fcw, in->fx, 2);
    memcpy(&fsw, in->fx + 2, 2);
    for (unsigned i = 0; i < 16; i++) {
        printf("%s%2u %016" PRIx64, i % 4 ? "  " : "\n    ", i, in->gpr[i]);
    }
    printf("\n    eflags %08x mxcsr %04x fcw %04x fsw %04x ftw %02x\n",
           in->eflags, in->mxcsr, fcw, fsw, in->fx[4]);
}

/* What a return would take. */
static void print_stack(const DiffState *in, const uint8_t *memory)
{
    uint64_t at = in->gpr[4] - DIFF_DATA;

    if (at > DIFF_DATA_BYTES - 32) {
        return;
    }
    printf("    stack");
    for (unsigned i = 0; i < 4; i++) {
        uint64_t word;

        memcpy(&word, memory + at + 8 * i, sizeof(word));
        printf(" %016" PRIx64, word);
    }
    printf("\n");
}

static void report(Test *t, DiffSeq seq, const DiffState *in,
                   const uint8_t *memory)
{
    g_autoptr(GString) why = g_string_new(NULL);
    g_autofree uint8_t *start = g_memdup2(memory, DIFF_DATA_BYTES);

    t->mismatches++;
    reduce(t, &seq, in, start);
    if (!differs(t, &seq, in, start, why)) {
        printf("MISMATCH that does not come back (engine %s)\n",
               t->engine == DIFF_JIT ? "jit" : "interp");
    } else {
        printf("MISMATCH %" PRIu64 " (engine %s):\n", t->mismatches,
               t->engine == DIFF_JIT ? "jit" : "interp");
    }
    print_sequence(&seq);
    printf("%s  started with:", why->str);
    print_start(in);
    print_stack(in, start);
    fflush(stdout);
    set_memory(t, start);
}

static void count_ops(Test *t, const DiffSeq *seq, uint64_t rip)
{
    for (unsigned i = 0; i < seq->count; i++) {
        const DiffInsn *d = &seq->insn[i];

        if (seq->address + d->offset == rip) {
            break;
        }
        t->op_count[d->insn.op]++;
    }
}

static uint64_t next_address(Test *t)
{
    uint64_t at = t->code_at;

    /* Now and then across a page. */
    t->code_at += DIFF_SEQ_BYTES + diff_below(&t->rng, 32);
    if (t->code_at + DIFF_SEQ_BYTES > DIFF_CODE + DIFF_CODE_BYTES) {
        t->code_at = DIFF_CODE + diff_below(&t->rng, 16);
    }
    return at;
}

static bool is_unwanted(const Test *t, const DiffSeq *seq)
{
    for (unsigned i = 0; i < seq->count; i++) {
        if (t->without[seq->insn[i].insn.op]) {
            return true;
        }
    }
    return false;
}

static void one_sequence(Test *t)
{
    uint64_t address = next_address(t);
    DiffSeq seq;

    do {
        diff_gen_seq(&t->rng, t->features, 1 + diff_below(&t->rng, t->insns),
                     address, &seq);
    } while (is_unwanted(t, &seq));
    set_code(t, &seq);
    t->sequences++;
    for (unsigned i = 0; i < STATES_PER_SEQUENCE; i++) {
        DiffState in, out;

        diff_gen_state(&t->rng, diff_host_has_avx(t->host), &in);
        memcpy(t->memory, diff_host_data(t->host), DIFF_DATA_BYTES);
        t->runs++;
        if (!run_both(t, &seq, &in, NULL, &out)) {
            report(t, seq, &in, t->memory);
            return;
        }
        t->faults += out.rip != seq.address + seq.code_bytes - 2;
        count_ops(t, &seq, out.rip);
    }
}

/* -- main ----------------------------------------------------------------- */

static void print_coverage(const Test *t, bool all)
{
    unsigned covered = 0;

    for (unsigned op = 0; op < SOFT_OP_COUNT; op++) {
        covered += t->op_count[op] != 0;
        if (all && t->op_count[op]) {
            printf("  %-12s %" PRIu64 "\n", soft_op_name(op), t->op_count[op]);
        }
    }
    printf("%u operations executed; never:", covered);
    for (unsigned op = 0; op < SOFT_OP_COUNT; op++) {
        if (!t->op_count[op]) {
            printf(" %s", soft_op_name(op));
        }
    }
    printf("\n");
}

static int64_t now_ms(void)
{
    return g_get_monotonic_time() / 1000;
}

typedef struct Options {
    char *engine;
    char *without;
    int64_t sequences;
    int64_t seed;
    int seconds;
    int insns;
    int limit;
    gboolean coverage;
} Options;

static bool parse_options(int argc, char **argv, Options *o)
{
    const GOptionEntry entries[] = {
        { "engine", 0, 0, G_OPTION_ARG_STRING, &o->engine, NULL, "interp|jit" },
        { "sequences", 0, 0, G_OPTION_ARG_INT64, &o->sequences, NULL, "N" },
        { "seconds", 0, 0, G_OPTION_ARG_INT, &o->seconds, NULL, "S" },
        { "seed", 0, 0, G_OPTION_ARG_INT64, &o->seed, NULL, "X" },
        { "insns", 0, 0, G_OPTION_ARG_INT, &o->insns, NULL, "N" },
        { "limit", 0, 0, G_OPTION_ARG_INT, &o->limit, NULL, "N" },
        { "coverage", 0, 0, G_OPTION_ARG_NONE, &o->coverage, NULL, NULL },
        { "without", 0, 0, G_OPTION_ARG_STRING, &o->without, NULL, "OP,..." },
        { NULL },
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        fprintf(stderr, "%s\n", error->message);
        return false;
    }
    return o->insns >= 1 && o->insns <= DIFF_INSNS_MAX;
}

static void leave_out(Test *t, const char *names)
{
    g_auto(GStrv) list = g_strsplit(names, ",", -1);

    for (char **name = list; *name; name++) {
        for (unsigned op = 0; op < SOFT_OP_COUNT; op++) {
            t->without[op] |= g_ascii_strcasecmp(*name, soft_op_name(op)) == 0;
        }
    }
}

int main(int argc, char **argv)
{
    Options o = { .sequences = INT64_MAX,
                  .seconds = INT32_MAX,
                  .insns = 8,
                  .limit = 10,
                  .seed = 0 };
    g_autofree Test *t = g_new0(Test, 1);
    int64_t end, start = now_ms();

    if (!parse_options(argc, argv, &o)) {
        return 2;
    }
    if (o.seed == 0) {
        o.seed = (int64_t)time(NULL);
    }
    if (!__builtin_cpu_is("intel")) {
        /* AMD's: 0x66 before near jumps, SHA's operands, x87's pointer. */
        printf("SKIP: this processor leaves things open in other ways than "
               "Intel's, which the software CPU follows\n");
        return 77;
    }
    t->host = diff_host_new();
    if (!t->host) {
        printf("SKIP: addresses of the test are in use\n");
        return 77;
    }
    t->engine = g_strcmp0(o.engine, "jit") == 0 ? DIFF_JIT : DIFF_INTERP;
    t->soft = diff_soft_new(t->engine);
    t->features = diff_soft_features(t->soft);
    t->rng.s = (uint64_t)o.seed * 0x9e3779b97f4a7c15ull | 1;
    t->insns = (unsigned)o.insns;
    t->code_at = DIFF_CODE;
    if (o.without) {
        leave_out(t, o.without);
    }
    diff_gen_memory(&t->rng, t->memory, DIFF_DATA_BYTES);
    set_memory(t, t->memory);
    end = start + (int64_t)o.seconds * 1000;
    while (t->sequences < (uint64_t)o.sequences &&
           t->mismatches < (uint64_t)o.limit &&
           (t->sequences % 64 || now_ms() < end)) {
        one_sequence(t);
    }
    print_coverage(t, o.coverage);
    printf("seed %" PRId64 ": %" PRIu64 " sequences, %" PRIu64 " runs, %" PRIu64
           " ended by a fault, %" PRIu64 " mismatches, %.1f s\n",
           o.seed, t->sequences, t->runs, t->faults, t->mismatches,
           (double)(now_ms() - start) / 1000);
    diff_soft_free(t->soft);
    diff_host_free(t->host);
    g_free(o.engine);
    g_free(o.without);
    return t->mismatches ? 1 : 0;
}
