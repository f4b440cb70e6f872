/*
 * The registers of an x86-64 CPU as GDB numbers them: one table that gives
 * both the description and where a value stands.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "gdb-x86.h"

#include "util/bswap.h"

/* Offsets in the XSAVE area, whose first part is that of FXSAVE (SDM 1 10.5). */
#define FX_FCW       0
#define FX_FSW       2
#define FX_FTW       4 /* abridged: one bit a register */
#define FX_FOP       6
#define FX_FIP       8
#define FX_FDP       16
#define FX_MXCSR     24
#define FX_ST0       32
#define FX_ST_STRIDE 16
#define FX_XMM0      160
#define FX_BYTES     512
/* XSTATE_BV: which parts of the area are not in their initial state. */
#define XSTATE_BV   512
#define XSTATE_X87  1u
#define XSTATE_SSE  2u
#define FCW_INITIAL 0x37fu

#define X87_REGISTERS 8

typedef enum Kind {
    IN_STATE, /* @at = offset in X86CPUState, 8 or 4 bytes */
    SELECTOR, /* @at = X86Seg */
    SEG_BASE, /* @at = X86Seg */
    FX,       /* @at = offset in the FXSAVE area, @width bytes there */
    FX_TAGS,  /* the tag word, made of the abridged one */
    FX_HALF,  /* upper half of the 64-bit pointer at @at */
} Kind;

typedef struct Reg {
    const char *name;
    const char *type;
    Kind kind;
    uint16_t at;
    uint8_t bytes; /* as GDB has it */
    uint8_t width; /* as it stands; 0: @bytes */
} Reg;

#define STATE(name, field, type, bytes)                                        \
    {                                                                          \
        name, type, IN_STATE, offsetof(X86CPUState, field), bytes, 0           \
    }
#define GPR(name, n) STATE(name, gpr[n], "int64", 8)
#define SEL(name, n)                                                           \
    {                                                                          \
        name, "int32", SELECTOR, n, 4, 0                                       \
    }
#define CTL(name, at, w)                                                       \
    {                                                                          \
        name, "int", FX, at, 4, w                                              \
    }
#define ST(n)                                                                  \
    {                                                                          \
        "st" #n, "i387_ext", FX, FX_ST0 + FX_ST_STRIDE *n, 10, 0               \
    }
#define XMM(n)                                                                 \
    {                                                                          \
        "xmm" #n, "vec128", FX, FX_XMM0 + 16 * n, 16, 0                        \
    }

static const Reg core_regs[] = {
    GPR("rax", X86_RAX),
    GPR("rbx", X86_RBX),
    GPR("rcx", X86_RCX),
    GPR("rdx", X86_RDX),
    GPR("rsi", X86_RSI),
    GPR("rdi", X86_RDI),
    STATE("rbp", gpr[X86_RBP], "data_ptr", 8),
    STATE("rsp", gpr[X86_RSP], "data_ptr", 8),
    GPR("r8", 8),
    GPR("r9", 9),
    GPR("r10", 10),
    GPR("r11", 11),
    GPR("r12", 12),
    GPR("r13", 13),
    GPR("r14", 14),
    GPR("r15", 15),
    STATE("rip", rip, "code_ptr", 8),
    STATE("eflags", rflags, "i386_eflags", 4),
    SEL("cs", X86_CS),
    SEL("ss", X86_SS),
    SEL("ds", X86_DS),
    SEL("es", X86_ES),
    SEL("fs", X86_FS),
    SEL("gs", X86_GS),
    ST(0),
    ST(1),
    ST(2),
    ST(3),
    ST(4),
    ST(5),
    ST(6),
    ST(7),
    CTL("fctrl", FX_FCW, 2),
    CTL("fstat", FX_FSW, 2),
    { "ftag", "int", FX_TAGS, FX_FTW, 4, 0 },
    { "fiseg", "int", FX_HALF, FX_FIP, 4, 0 },
    CTL("fioff", FX_FIP, 4),
    { "foseg", "int", FX_HALF, FX_FDP, 4, 0 },
    CTL("fooff", FX_FDP, 4),
    CTL("fop", FX_FOP, 2),
};

static const Reg sse_regs[] = {
    XMM(0),
    XMM(1),
    XMM(2),
    XMM(3),
    XMM(4),
    XMM(5),
    XMM(6),
    XMM(7),
    XMM(8),
    XMM(9),
    XMM(10),
    XMM(11),
    XMM(12),
    XMM(13),
    XMM(14),
    XMM(15),
    { "mxcsr", "i386_mxcsr", FX, FX_MXCSR, 4, 0 },
};

static const Reg segment_regs[] = {
    { "fs_base", "int", SEG_BASE, X86_FS, 8, 0 },
    { "gs_base", "int", SEG_BASE, X86_GS, 8, 0 },
};

static const Reg system_regs[] = {
    STATE("cr0", cr0, "int64", 8), STATE("cr2", cr2, "int64", 8),
    STATE("cr3", cr3, "int64", 8), STATE("cr4", cr4, "int64", 8),
    STATE("cr8", cr8, "int64", 8), STATE("efer", efer, "int64", 8),
};

static const struct {
    const char *name;
    const char *types; /* XML before the registers */
    const Reg *regs;
    unsigned n;
} features[] = {
    { "org.gnu.gdb.i386.core",
      "<flags id=\"i386_eflags\" size=\"4\">"
      "<field name=\"CF\" start=\"0\" end=\"0\"/>"
      "<field name=\"PF\" start=\"2\" end=\"2\"/>"
      "<field name=\"AF\" start=\"4\" end=\"4\"/>"
      "<field name=\"ZF\" start=\"6\" end=\"6\"/>"
      "<field name=\"SF\" start=\"7\" end=\"7\"/>"
      "<field name=\"TF\" start=\"8\" end=\"8\"/>"
      "<field name=\"IF\" start=\"9\" end=\"9\"/>"
      "<field name=\"DF\" start=\"10\" end=\"10\"/>"
      "<field name=\"OF\" start=\"11\" end=\"11\"/>"
      "</flags>",
      core_regs, G_N_ELEMENTS(core_regs) },
    { "org.gnu.gdb.i386.sse",
      "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
      "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
      "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
      "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
      "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
      "<union id=\"vec128\">"
      "<field name=\"v4_float\" type=\"v4f\"/>"
      "<field name=\"v2_double\" type=\"v2d\"/>"
      "<field name=\"v16_int8\" type=\"v16i8\"/>"
      "<field name=\"v4_int32\" type=\"v4i32\"/>"
      "<field name=\"v2_int64\" type=\"v2i64\"/>"
      "<field name=\"uint128\" type=\"uint128\"/>"
      "</union>"
      "<flags id=\"i386_mxcsr\" size=\"4\">"
      "<field name=\"IE\" start=\"0\" end=\"0\"/>"
      "<field name=\"DE\" start=\"1\" end=\"1\"/>"
      "<field name=\"ZE\" start=\"2\" end=\"2\"/>"
      "<field name=\"OE\" start=\"3\" end=\"3\"/>"
      "<field name=\"UE\" start=\"4\" end=\"4\"/>"
      "<field name=\"PE\" start=\"5\" end=\"5\"/>"
      "</flags>",
      sse_regs, G_N_ELEMENTS(sse_regs) },
    { "org.gnu.gdb.i386.segments", "", segment_regs,
      G_N_ELEMENTS(segment_regs) },
    { "ferry.x86.system", "", system_regs, G_N_ELEMENTS(system_regs) },
};

static const Reg *find(unsigned n)
{
    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        if (n < features[i].n) {
            return &features[i].regs[n];
        }
        n -= features[i].n;
    }
    return NULL;
}

unsigned gdb_x86_count(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        n += features[i].n;
    }
    return n;
}

unsigned gdb_x86_bytes(unsigned n)
{
    const Reg *r = find(n);

    return r ? r->bytes : 0;
}

char *gdb_x86_target_xml(void)
{
    GString *x = g_string_new("<?xml version=\"1.0\"?>"
                              "<!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
                              "<target><architecture>i386:x86-64"
                              "</architecture>");

    for (size_t i = 0; i < G_N_ELEMENTS(features); i++) {
        g_string_append_printf(x, "<feature name=\"%s\">%s", features[i].name,
                               features[i].types);
        for (unsigned n = 0; n < features[i].n; n++) {
            const Reg *r = &features[i].regs[n];

            g_string_append_printf(
                x, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"/>", r->name,
                r->bytes * 8u, r->type);
        }
        g_string_append(x, "</feature>");
    }
    g_string_append(x, "</target>");
    return g_string_free(x, FALSE);
}

/* Which component of XSTATE_BV a piece of the FXSAVE area belongs to. */
static unsigned fx_component(const Reg *r)
{
    return r->at == FX_MXCSR || r->at >= FX_XMM0 ? XSTATE_SSE : XSTATE_X87;
}

/* The area, its absent components filled in; NULL without an FPU state. */
static const uint8_t *fx_of(const X86CPUState *st, uint8_t fx[FX_BYTES])
{
    uint64_t present = XSTATE_X87 | XSTATE_SSE;

    if (!st->xsave || st->xsave_bytes < FX_BYTES) {
        return NULL;
    }
    memcpy(fx, st->xsave, FX_BYTES);
    if (st->xsave_bytes >= XSTATE_BV + 8) {
        present = ldq_le_p(st->xsave + XSTATE_BV);
    }
    if (!(present & XSTATE_X87)) {
        memset(fx, 0, FX_MXCSR);
        memset(fx + FX_ST0, 0, FX_XMM0 - FX_ST0);
        stw_le_p(fx + FX_FCW, FCW_INITIAL);
    }
    if (!(present & XSTATE_SSE)) {
        memset(fx + FX_XMM0, 0, 16 * 16);
    }
    return fx;
}

/* One of the full tag word's two-bit tags (SDM 1 8.1.7). */
static unsigned tag_of(const uint8_t *fx, unsigned phys)
{
    unsigned top = (lduw_le_p(fx + FX_FSW) >> 11) & 7;
    const uint8_t *st = fx + FX_ST0 + FX_ST_STRIDE * ((phys - top) & 7);
    unsigned exponent = lduw_le_p(st + 8) & 0x7fff;
    uint64_t mantissa = ldq_le_p(st);

    if (!(fx[FX_FTW] & (1u << phys))) {
        return 3; /* empty */
    }
    if (exponent == 0 && mantissa == 0) {
        return 1; /* zero */
    }
    return exponent == 0 || exponent == 0x7fff || !(mantissa >> 63) ? 2 : 0;
}

static void read_fx(const X86CPUState *st, const Reg *r, uint8_t *value)
{
    uint8_t copy[FX_BYTES];
    const uint8_t *fx = fx_of(st, copy);
    unsigned tags = 0;

    memset(value, 0, r->bytes);
    if (!fx) {
        return;
    }
    switch (r->kind) {
    case FX_TAGS:
        for (unsigned i = 0; i < X87_REGISTERS; i++) {
            tags |= tag_of(fx, i) << (2 * i);
        }
        stl_le_p(value, tags);
        break;
    case FX_HALF:
        stl_le_p(value, ldl_le_p(fx + r->at + 4));
        break;
    default:
        memcpy(value, fx + r->at, r->width ? r->width : r->bytes);
        break;
    }
}

void gdb_x86_read(const X86CPUState *st, unsigned n, uint8_t *value)
{
    const Reg *r = find(n);

    switch (r->kind) {
    case IN_STATE:
        if (r->bytes == 8) {
            stq_le_p(value, *(const uint64_t *)((const char *)st + r->at));
        } else {
            stl_le_p(value,
                     (uint32_t) * (const uint64_t *)((const char *)st + r->at));
        }
        break;
    case SELECTOR:
        stl_le_p(value, st->seg[r->at].selector);
        break;
    case SEG_BASE:
        stq_le_p(value, st->seg[r->at].base);
        break;
    default:
        read_fx(st, r, value);
        break;
    }
}

static bool write_fx(X86CPUState *st, const Reg *r, const uint8_t *value)
{
    uint8_t copy[FX_BYTES];
    uint8_t abridged = 0;

    if (!fx_of(st, copy)) {
        return false;
    }
    switch (r->kind) {
    case FX_TAGS:
        for (unsigned i = 0; i < X87_REGISTERS; i++) {
            if (((lduw_le_p(value) >> (2 * i)) & 3) != 3) {
                abridged |= 1u << i;
            }
        }
        copy[FX_FTW] = abridged;
        break;
    case FX_HALF:
        memcpy(copy + r->at + 4, value, 4);
        break;
    default:
        memcpy(copy + r->at, value, r->width ? r->width : r->bytes);
        break;
    }
    memcpy(st->xsave, copy, FX_BYTES);
    if (st->xsave_bytes >= XSTATE_BV + 8) {
        stq_le_p(st->xsave + XSTATE_BV,
                 ldq_le_p(st->xsave + XSTATE_BV) | fx_component(r));
    }
    return true;
}

bool gdb_x86_write(X86CPUState *st, unsigned n, const uint8_t *value)
{
    const Reg *r = find(n);

    switch (r->kind) {
    case IN_STATE:
        *(uint64_t *)((char *)st + r->at) =
            r->bytes == 8 ? ldq_le_p(value) : ldl_le_p(value);
        return true;
    case SEG_BASE:
        st->seg[r->at].base = ldq_le_p(value);
        return true;
    case SELECTOR:
        /* GDB writes all registers back; a selector alone is not a segment. */
        return st->seg[r->at].selector == ldl_le_p(value);
    default:
        return write_fx(st, r, value);
    }
}
