/*
 * The human monitor's look into a guest: registers, memory, page tables.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/cpu-debug.h"
#include "hw/hw-hmp.h"
#include "hw/machine-lock.h"
#include "hw/x86/x86-translate.h"
#include "qapi/qapi-commands-machine.h"
#include "util/bswap.h"
#include "util/error.h"

/* Most items that "x" prints and lines that "info mem" and "info tlb" do: a
 * guest's page tables may describe 2^36 pages. */
#define ITEMS_MAX 65536
#define LINES_MAX 100000u

#define REGS_MASK                                                              \
    (X86_STATE_REGS | X86_STATE_SREGS | X86_STATE_FPU | X86_STATE_MP |         \
     X86_STATE_DEBUG)

static MachineState *machine_with_cpu(HMPContext *ctx, int64_t index)
{
    MachineState *m = machine_current();

    if (!m || index < 0 || index >= machine_cpu_count(m)) {
        hmp_printf(ctx, "Error: there is no CPU %" PRId64 "\n", index);
        return NULL;
    }
    return m;
}

static X86CPUState *fetch(HMPContext *ctx, MachineState *m, unsigned index,
                          unsigned mask)
{
    g_autoptr(X86CPUState) st = x86_state_new();
    Error *err = NULL;

    if (!machine_cpu_get_state(m, index, mask, st, &err)) {
        hmp_handle_error(ctx, err);
        return NULL;
    }
    return g_steal_pointer(&st);
}

/* -- info registers ---------------------------------------------------------------- */

static void print_general(HMPContext *ctx, const X86CPUState *st)
{
    static const char names[][4] = { "RAX", "RCX", "RDX", "RBX", "RSP", "RBP",
                                     "RSI", "RDI", "R8 ", "R9 ", "R10", "R11",
                                     "R12", "R13", "R14", "R15" };

    for (unsigned i = 0; i < X86_GPR_COUNT; i++) {
        hmp_printf(ctx, "%s=%016" PRIx64 "%c", names[i], st->gpr[i],
                   i % 4 == 3 ? '\n' : ' ');
    }
    hmp_printf(ctx, "RIP=%016" PRIx64 " RFL=%08" PRIx64 " [", st->rip,
               st->rflags);
    for (const char *bit = "ODITSZ.A.P.C", *b = bit; *b; b++) {
        bool set = st->rflags >> (11 - (b - bit)) & 1;

        if (*b != '.') {
            hmp_printf(ctx, "%c", set ? *b : '-');
        }
    }
    hmp_printf(ctx, "] CPL=%u HLT=%d\n", st->seg[X86_SS].dpl,
               st->mp_state == X86_MP_HALTED);
}

static void print_segments(HMPContext *ctx, const X86CPUState *st)
{
    static const char names[][4] = { "ES ", "CS ", "SS ", "DS ",
                                     "FS ", "GS ", "LDT", "TR " };

    for (unsigned i = 0; i < X86_SEG_COUNT; i++) {
        const X86Segment *s = &st->seg[i];

        hmp_printf(ctx, "%s=%04x %016" PRIx64 " %08x %s%s type=%x dpl=%u%s\n",
                   names[i], s->selector, s->base, s->limit,
                   s->unusable || !s->present ? "absent " : "",
                   s->s ? (s->l    ? "64"
                           : s->db ? "32"
                                   : "16")
                        : "system",
                   s->type, s->dpl, s->g ? " 4K" : "");
    }
    hmp_printf(ctx, "GDT=     %016" PRIx64 " %08x\n", st->gdt.base,
               st->gdt.limit);
    hmp_printf(ctx, "IDT=     %016" PRIx64 " %08x\n", st->idt.base,
               st->idt.limit);
}

static void print_control(HMPContext *ctx, const X86CPUState *st)
{
    hmp_printf(ctx,
               "CR0=%08" PRIx64 " CR2=%016" PRIx64 " CR3=%016" PRIx64
               " CR4=%08" PRIx64 " CR8=%" PRIx64 "\n",
               st->cr0, st->cr2, st->cr3, st->cr4, st->cr8);
    for (unsigned i = 0; i < 4; i++) {
        hmp_printf(ctx, "DR%u=%016" PRIx64 " ", i, st->dr[i]);
    }
    hmp_printf(ctx,
               "\nDR6=%016" PRIx64 " DR7=%016" PRIx64 "\nEFER=%016" PRIx64
               " APICBASE=%016" PRIx64 "\n",
               st->dr6, st->dr7, st->efer, st->apic_base);
}

/* The FXSAVE part of the area (SDM 1 10.5.1). */
static void print_fpu(HMPContext *ctx, const X86CPUState *st)
{
    const uint8_t *fx = st->xsave;

    if (!fx || st->xsave_bytes < 512) {
        return;
    }
    hmp_printf(ctx, "FCW=%04x FSW=%04x FTW=%02x MXCSR=%08x\n", lduw_le_p(fx),
               lduw_le_p(fx + 2), fx[4], ldl_le_p(fx + 24));
    for (unsigned i = 0; i < 8; i++) {
        hmp_printf(ctx, "ST%u=%04x %016" PRIx64 "%c", i,
                   lduw_le_p(fx + 40 + 16 * i), ldq_le_p(fx + 32 + 16 * i),
                   i % 2 ? '\n' : ' ');
    }
    for (unsigned i = 0; i < 16; i++) {
        hmp_printf(ctx, "XMM%02u=%016" PRIx64 "%016" PRIx64 "%c", i,
                   ldq_le_p(fx + 168 + 16 * i), ldq_le_p(fx + 160 + 16 * i),
                   i % 2 ? '\n' : ' ');
    }
}

static void print_cpu(HMPContext *ctx, MachineState *m, unsigned index)
{
    g_autoptr(X86CPUState) st = fetch(ctx, m, index, REGS_MASK);

    if (!st) {
        return;
    }
    hmp_printf(ctx, "\nCPU#%u\n", index);
    print_general(ctx, st);
    print_segments(ctx, st);
    print_control(ctx, st);
    print_fpu(ctx, st);
}

static void hmp_info_registers(HMPContext *ctx, json_t *args)
{
    bool all = hmp_arg_bool(args, "all", false);
    int64_t index = hmp_arg_int(args, "vcpu", 0);
    MachineState *m = machine_with_cpu(ctx, index);

    for (unsigned i = 0; m && i < machine_cpu_count(m); i++) {
        if (all || i == (unsigned)index) {
            print_cpu(ctx, m, i);
        }
    }
}

/* -- x, xp ------------------------------------------------------------------------- */

typedef struct Format {
    unsigned count;
    unsigned bytes; /* of one item */
    char format;    /* x d u o c */
} Format;

static bool parse_format(HMPContext *ctx, json_t *args, Format *f)
{
    const char *size = hmp_arg_str(args, "size") ?: "w";
    const char *format = hmp_arg_str(args, "format") ?: "x";
    int64_t count = hmp_arg_int(args, "count", 1);

    *f = (Format){ .format = *format };
    f->bytes = *size == 'b' ? 1 : *size == 'h' ? 2 : *size == 'g' ? 8 : 4;
    if (f->format == 'c') {
        f->bytes = 1;
    }
    if (!strchr("xduoc", f->format)) {
        hmp_printf(ctx, "Error: format '%c' is none of x d u o c\n", f->format);
        return false;
    }
    if (count < 1 || count > ITEMS_MAX) {
        hmp_printf(ctx, "Error: the count must be 1 to %d\n", ITEMS_MAX);
        return false;
    }
    f->count = (unsigned)count;
    return true;
}

static void print_item(HMPContext *ctx, const Format *f, uint64_t v)
{
    int64_t sv = (int64_t)(v << (64 - 8 * f->bytes)) >> (64 - 8 * f->bytes);

    switch (f->format) {
    case 'd':
        hmp_printf(ctx, " %" PRId64, sv);
        break;
    case 'u':
        hmp_printf(ctx, " %" PRIu64, v);
        break;
    case 'o':
        hmp_printf(ctx, " 0%" PRIo64, v);
        break;
    case 'c':
        hmp_printf(ctx, g_ascii_isprint((char)v) ? " '%c'" : " '\\x%02x'",
                   (int)v);
        break;
    default:
        hmp_printf(ctx, " 0x%0*" PRIx64, 2 * f->bytes, v);
        break;
    }
}

static void print_memory(HMPContext *ctx, MachineState *m,
                         const X86CPUState *st, uint64_t addr, const Format *f)
{
    unsigned per_line = f->format == 'c' ? 8 : 16 / f->bytes;

    for (unsigned i = 0; i < f->count; i++, addr += f->bytes) {
        uint8_t raw[8] = { 0 };

        if (i % per_line == 0) {
            hmp_printf(ctx, "%s%016" PRIx64 ":", i ? "\n" : "", addr);
        }
        if (machine_memory_rw(m, st, addr, raw, f->bytes, false) != f->bytes) {
            hmp_printf(ctx, " no memory at 0x%" PRIx64 "\n", addr);
            return;
        }
        print_item(ctx, f, ldq_le_p(raw));
    }
    hmp_printf(ctx, "\n");
}

static void hmp_x(HMPContext *ctx, json_t *args)
{
    MachineState *m = machine_with_cpu(ctx, 0);
    g_autoptr(X86CPUState) st = NULL;
    Format f;

    if (!m || !parse_format(ctx, args, &f)) {
        return;
    }
    st = fetch(ctx, m, 0, X86_STATE_REGS | X86_STATE_SREGS);
    if (st) {
        print_memory(ctx, m, st, (uint64_t)hmp_arg_int(args, "addr", 0), &f);
    }
}

static void hmp_xp(HMPContext *ctx, json_t *args)
{
    MachineState *m = machine_current();
    Format f;

    if (m && parse_format(ctx, args, &f)) {
        print_memory(ctx, m, NULL, (uint64_t)hmp_arg_int(args, "addr", 0), &f);
    }
}

static void hmp_gva2gpa(HMPContext *ctx, json_t *args)
{
    uint64_t addr = (uint64_t)hmp_arg_int(args, "addr", 0);
    MachineState *m = machine_with_cpu(ctx, 0);
    g_autoptr(X86CPUState) st = m ? fetch(ctx, m, 0, X86_STATE_SREGS) : NULL;
    X86Mapping map;

    if (!st) {
        return;
    }
    if (x86_translate(st, m->memory, addr, &map)) {
        hmp_printf(ctx, "gpa: 0x%" PRIx64 "\n", map.pa + (addr - map.va));
    } else {
        hmp_printf(ctx, "Unmapped\n");
    }
}

/* -- info mem, info tlb ------------------------------------------------------------- */

typedef struct Listing {
    HMPContext *ctx;
    unsigned lines;
    X86Mapping run; /* of neighbours with the same rights; size 0: none */
} Listing;

static bool room(Listing *l)
{
    if (l->lines++ < LINES_MAX) {
        return true;
    }
    return false;
}

static bool print_page(const X86Mapping *map, void *opaque)
{
    Listing *l = opaque;

    if (!room(l)) {
        return false;
    }
    hmp_printf(l->ctx, "%016" PRIx64 ": %016" PRIx64 " %7s %c%c%c%c%c%c\n",
               map->va, map->pa,
               map->size >> 30   ? "1G"
               : map->size >> 22 ? "4M"
               : map->size >> 21 ? "2M"
                                 : "4K",
               map->entry >> 63 ? 'X' : '-', map->entry & 0x100 ? 'G' : '-',
               map->entry & 0x40 ? 'D' : '-', map->entry & 0x20 ? 'A' : '-',
               map->user ? 'U' : '-', map->writable ? 'W' : '-');
    return true;
}

static bool flush_run(Listing *l)
{
    X86Mapping *r = &l->run;

    if (!r->size) {
        return true;
    }
    if (!room(l)) {
        return false;
    }
    hmp_printf(l->ctx, "%016" PRIx64 "-%016" PRIx64 " %016" PRIx64 " %cr%c\n",
               r->va, r->va + r->size, r->size, r->user ? 'u' : '-',
               r->writable ? 'w' : '-');
    return true;
}

static bool collect_run(const X86Mapping *map, void *opaque)
{
    Listing *l = opaque;
    X86Mapping *r = &l->run;

    if (r->size && r->va + r->size == map->va && r->user == map->user &&
        r->writable == map->writable) {
        r->size += map->size;
        return true;
    }
    if (!flush_run(l)) {
        return false;
    }
    *r = *map;
    return true;
}

static void list_mappings(HMPContext *ctx, bool runs)
{
    MachineState *m = machine_with_cpu(ctx, 0);
    g_autoptr(X86CPUState) st = m ? fetch(ctx, m, 0, X86_STATE_SREGS) : NULL;
    Listing l = { .ctx = ctx };
    bool all;

    if (!st) {
        return;
    }
    if (!(st->cr0 & X86_CR0_PG)) {
        hmp_printf(ctx, "Paging is off\n");
        return;
    }
    all = x86_for_each_mapping(st, m->memory, runs ? collect_run : print_page,
                               &l);
    if (runs && l.lines <= LINES_MAX) {
        all &= flush_run(&l);
    }
    if (!all) {
        hmp_printf(ctx, "(more is left out)\n");
    }
}

static void hmp_info_mem(HMPContext *ctx, json_t *args)
{
    list_mappings(ctx, true);
}

static void hmp_info_tlb(HMPContext *ctx, json_t *args)
{
    list_mappings(ctx, false);
}

/* -- info mtree ---------------------------------------------------------------------- */

static void print_space(HMPContext *ctx, const char *name, IOSpace *space)
{
    g_autofree char *text = io_space_describe(space);

    hmp_printf(ctx, "%s:\n%s", name, text);
}

static void hmp_info_mtree(HMPContext *ctx, json_t *args)
{
    MachineState *m = machine_current();
    g_autofree GuestRAM *pieces = NULL;
    size_t n;

    if (!m) {
        return;
    }
    pieces = guest_memory_pieces(m->memory, &n);
    hmp_printf(ctx, "memory:\n");
    for (size_t i = 0; i < n; i++) {
        hmp_printf(ctx, "  %016" PRIx64 "-%016" PRIx64 " %s\n", pieces[i].gpa,
                   pieces[i].gpa + pieces[i].size - 1,
                   pieces[i].readonly ? "read-only" : "RAM");
    }
    MACHINE_LOCK_GUARD();
    print_space(ctx, "device memory", m->mmio);
    print_space(ctx, "I/O ports", m->pio);
}

/* -- memsave, pmemsave ---------------------------------------------------------------- */

static bool save(MachineState *m, const X86CPUState *st, uint64_t addr,
                 uint64_t size, const char *filename, Error **errp)
{
    g_autofree uint8_t *buf = g_malloc(1 << 16);
    FILE *f = fopen(filename, "wbe");
    bool ok = f != NULL;

    if (!f) {
        error_setg_file_open(errp, errno, filename);
        return false;
    }
    while (ok && size) {
        size_t n = MIN(size, 1 << 16);

        if (machine_memory_rw(m, st, addr, buf, n, false) != n) {
            error_setg(errp, "there is no memory at 0x%" PRIx64, addr);
            ok = false;
        } else if (fwrite(buf, 1, n, f) != n) {
            error_setg_errno(errp, errno, "could not write '%s'", filename);
            ok = false;
        }
        addr += n;
        size -= n;
    }
    if (fclose(f) != 0 && ok) {
        error_setg_errno(errp, errno, "could not write '%s'", filename);
        ok = false;
    }
    return ok;
}

void qmp_memsave(int64_t val, int64_t size, const char *filename,
                 bool has_cpu_index, int64_t cpu_index, Error **errp)
{
    MachineState *m = machine_current();
    g_autoptr(X86CPUState) st = x86_state_new();

    cpu_index = has_cpu_index ? cpu_index : 0;
    if (!m || cpu_index < 0 || cpu_index >= machine_cpu_count(m)) {
        error_setg(errp, "there is no CPU %" PRId64, cpu_index);
    } else if (size < 0) {
        error_setg(errp, "size %" PRId64 " is negative", size);
    } else if (machine_cpu_get_state(m, (unsigned)cpu_index, X86_STATE_SREGS,
                                     st, errp)) {
        save(m, st, (uint64_t)val, (uint64_t)size, filename, errp);
    }
}

void qmp_pmemsave(int64_t val, int64_t size, const char *filename, Error **errp)
{
    MachineState *m = machine_current();

    if (!m) {
        error_setg(errp, "there is no machine");
    } else if (size < 0) {
        error_setg(errp, "size %" PRId64 " is negative", size);
    } else {
        save(m, NULL, (uint64_t)val, (uint64_t)size, filename, errp);
    }
}

static void hmp_memsave(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_memsave(hmp_arg_int(args, "val", 0), hmp_arg_int(args, "size", 0),
                hmp_arg_str(args, "filename"), false, 0, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_pmemsave(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_pmemsave(hmp_arg_int(args, "val", 0), hmp_arg_int(args, "size", 0),
                 hmp_arg_str(args, "filename"), &err);
    hmp_handle_error(ctx, err);
}

const HMPCommand hw_debug_hmp_commands[] = {
    { .name = "x",
      .args = "fmt:/,addr:l",
      .params = "/FMT addr",
      .help = "show memory at a virtual address; FMT is COUNT, one of xduoc, "
              "one of bhwg",
      .handler = hmp_x },
    { .name = "xp",
      .args = "fmt:/,addr:l",
      .params = "/FMT addr",
      .help = "the same at a physical address",
      .handler = hmp_xp },
    { .name = "gva2gpa",
      .args = "addr:l",
      .params = "addr",
      .help = "where a virtual address is in physical memory",
      .handler = hmp_gva2gpa },
    { .name = "memsave",
      .args = "val:l,size:l,filename:F",
      .params = "addr size file",
      .help = "write virtual memory to a file",
      .handler = hmp_memsave },
    { .name = "pmemsave",
      .args = "val:l,size:l,filename:F",
      .params = "addr size file",
      .help = "write physical memory to a file",
      .handler = hmp_pmemsave },
    { NULL },
};

const HMPCommand hw_debug_hmp_info[] = {
    { .name = "registers",
      .args = "all:-a,vcpu:i?",
      .params = "[-a] [cpu]",
      .help = "show registers of CPU 0, of another one, or of all (-a)",
      .handler = hmp_info_registers },
    { .name = "mem",
      .args = "",
      .help = "show what is mapped in virtual memory, by ranges",
      .handler = hmp_info_mem },
    { .name = "tlb",
      .args = "",
      .help = "show every page that is mapped in virtual memory",
      .handler = hmp_info_tlb },
    { .name = "mtree",
      .args = "",
      .help = "show what stands where in physical memory and I/O ports",
      .handler = hmp_info_mtree },
    { NULL },
};
