/*
 * Tests of accel/soft/decode*.c: a table of encodings with what must come out,
 * and rules that hold for all. Lengths of real code are compared with objdump
 * in tests/soft/.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/soft/insn.h"
#include "accel/x86-state.h"

#define ALU SOFT_FLAGS_ALU
#define CF  SOFT_FLAG_CF
#define ZF  SOFT_FLAG_ZF
#define OF  SOFT_FLAG_OF
#define AF  SOFT_FLAG_AF
#define DF  SOFT_FLAG_DF

#define R(n) (1u << (n))

enum {
    RAX,
    RCX,
    RDX,
    RBX,
    RSP,
    RBP,
    RSI,
    RDI,
    R8
};

/* One encoding. @bytes in hexadecimal; it is its whole length. */
typedef struct Case {
    unsigned bits;
    const char *bytes;
    SoftOp op;
    unsigned op_bytes;
    SoftMem mem;
    unsigned mem_bytes;
    unsigned read, write; /* GPRs */
    unsigned flags_read, flags_written;
} Case;

static const Case cases[] = {
    { 64, "01d8", SOFT_OP_ADD, 4, 0, 0, R(RAX) | R(RBX), R(RAX), 0, ALU },
    { 64, "4801d8", SOFT_OP_ADD, 8, 0, 0, R(RAX) | R(RBX), R(RAX), 0, ALU },
    { 64, "00e0", SOFT_OP_ADD, 1, 0, 0, R(RAX), R(RAX), 0, ALU },
    { 64, "4000e0", SOFT_OP_ADD, 1, 0, 0, R(RAX) | R(RSP), R(RAX), 0, ALU },
    { 64, "6605ff7f", SOFT_OP_ADD, 2, 0, 0, R(RAX), R(RAX), 0, ALU },
    { 64, "4883c0ff", SOFT_OP_ADD, 8, 0, 0, R(RAX), R(RAX), 0, ALU },
    { 64, "13440b08", SOFT_OP_ADC, 4, SOFT_MEM_READ, 4,
      R(RAX) | R(RBX) | R(RCX), R(RAX), CF, ALU },
    { 64, "f0480fb10f", SOFT_OP_CMPXCHG, 8, SOFT_MEM_RW, 8,
      R(RAX) | R(RCX) | R(RDI), R(RAX), 0, ALU },
    { 64, "480fc70f", SOFT_OP_CMPXCHG16B, 8, SOFT_MEM_RW, 16,
      R(RAX) | R(RDX) | R(RCX) | R(RBX) | R(RDI), R(RAX) | R(RDX), 0, ZF },
    { 64, "0fc70f", SOFT_OP_CMPXCHG8B, 4, SOFT_MEM_RW, 8,
      R(RAX) | R(RDX) | R(RCX) | R(RBX) | R(RDI), R(RAX) | R(RDX), 0, ZF },
    { 64, "88600c", SOFT_OP_MOV, 1, SOFT_MEM_WRITE, 1, R(RAX), 0, 0, 0 },
    { 64, "b4ff", SOFT_OP_MOV, 1, 0, 0, R(RAX), R(RAX), 0, 0 },
    { 64, "48b80102030405060708", SOFT_OP_MOV, 8, 0, 0, 0, R(RAX), 0, 0 },
    { 64, "48a10102030405060708", SOFT_OP_MOV, 8, SOFT_MEM_READ, 8, 0, R(RAX),
      0, 0 },
    { 64, "0fb6c4", SOFT_OP_MOVZX, 4, 0, 0, R(RAX), R(RAX), 0, 0 },
    { 64, "4863c1", SOFT_OP_MOVSX, 8, 0, 0, R(RCX), R(RAX), 0, 0 },
    { 64, "488d0501000000", SOFT_OP_LEA, 8, SOFT_MEM_ADDR, 0, 0, R(RAX), 0, 0 },
    { 64, "4991", SOFT_OP_XCHG, 8, 0, 0, R(RAX) | R(9), R(RAX) | R(9), 0, 0 },
    { 64, "90", SOFT_OP_NOP, 4, 0, 0, 0, 0, 0, 0 },
    { 64, "f390", SOFT_OP_PAUSE, 4, 0, 0, 0, 0, 0, 0 },
    { 64, "4190", SOFT_OP_XCHG, 4, 0, 0, R(RAX) | R(R8), R(RAX) | R(R8), 0, 0 },
    { 64, "f30f1efa", SOFT_OP_NOP, 4, 0, 0, 0, 0, 0, 0 },
    { 64, "660f1f440000", SOFT_OP_NOP, 2, SOFT_MEM_ADDR, 0, R(RAX), 0, 0, 0 },
    { 64, "d3e0", SOFT_OP_SHL, 4, 0, 0, R(RAX) | R(RCX), R(RAX), ALU, ALU },
    { 64, "c1e004", SOFT_OP_SHL, 4, 0, 0, R(RAX), R(RAX), 0, ALU },
    { 64, "c1e000", SOFT_OP_SHL, 4, 0, 0, R(RAX), R(RAX), ALU, ALU },
    { 64, "d1d0", SOFT_OP_RCL, 4, 0, 0, R(RAX), R(RAX), CF, CF | OF },
    { 64, "48f7e1", SOFT_OP_MUL, 8, 0, 0, R(RAX) | R(RCX), R(RAX) | R(RDX), 0,
      ALU },
    { 64, "f6f1", SOFT_OP_DIV, 1, 0, 0, R(RAX) | R(RCX), R(RAX), 0, ALU },
    { 64, "0f44c1", SOFT_OP_CMOV, 4, 0, 0, R(RAX) | R(RCX), R(RAX), ZF, 0 },
    { 64, "0f94c0", SOFT_OP_SETCC, 1, 0, 0, R(RAX), R(RAX), ZF, 0 },
    { 64, "f30fbcc1", SOFT_OP_TZCNT, 4, 0, 0, R(RCX), R(RAX), 0, ALU },
    { 64, "0fbcc1", SOFT_OP_BSF, 4, 0, 0, R(RAX) | R(RCX), R(RAX), 0, ALU },
    { 64, "66f20f38f1c1", SOFT_OP_CRC32, 2, 0, 0, R(RAX) | R(RCX), R(RAX), 0,
      0 },
    { 64, "c4e2f8f2c3", SOFT_OP_ANDN, 8, 0, 0, R(RAX) | R(RBX), R(RAX), 0,
      ALU },
    { 64, "c4e2fbf6c3", SOFT_OP_MULX, 8, 0, 0, R(RDX) | R(RBX), R(RAX), 0, 0 },
    { 64, "f348a5", SOFT_OP_MOVS, 8, 0, 0, R(RSI) | R(RDI) | R(RCX),
      R(RSI) | R(RDI) | R(RCX), DF, 0 },
    { 64, "f2ae", SOFT_OP_SCAS, 1, 0, 0, R(RAX) | R(RDI) | R(RCX),
      R(RDI) | R(RCX), DF | ALU, ALU },
    { 64, "50", SOFT_OP_PUSH, 8, 0, 0, R(RAX) | R(RSP), R(RSP), 0, 0 },
    { 64, "6650", SOFT_OP_PUSH, 2, 0, 0, R(RAX) | R(RSP), R(RSP), 0, 0 },
    { 64, "ff30", SOFT_OP_PUSH, 8, SOFT_MEM_READ, 8, R(RAX) | R(RSP), R(RSP), 0,
      0 },
    { 64, "7510", SOFT_OP_JCC, 8, 0, 0, 0, 0, ZF, 0 },
    { 64, "e800000000", SOFT_OP_CALL, 8, 0, 0, R(RSP), R(RSP), 0, 0 },
    { 64, "c3", SOFT_OP_RET, 8, 0, 0, R(RSP), R(RSP), 0, 0 },
    { 64, "48cf", SOFT_OP_IRET, 8, 0, 0, R(RSP), R(RSP), 0, ALU | DF },
    { 64, "f30fb8c1", SOFT_OP_POPCNT, 4, 0, 0, R(RCX), R(RAX), 0, ALU },
    { 64, "660fefc1", SOFT_OP_SSE, 16, 0, 0, 0, 0, 0, 0 },
    { 64, "0f5801", SOFT_OP_SSE, 16, SOFT_MEM_READ, 16, R(RCX), 0, 0, 0 },
    { 64, "f30f5801", SOFT_OP_SSE, 16, SOFT_MEM_READ, 4, R(RCX), 0, 0, 0 },
    { 64, "c5f05801", SOFT_OP_AVX, 16, SOFT_MEM_READ, 16, R(RCX), 0, 0, 0 },
    { 64, "c5f45801", SOFT_OP_AVX, 32, SOFT_MEM_READ, 32, R(RCX), 0, 0, 0 },
    { 64, "f2480f2ac1", SOFT_OP_SSE, 8, 0, 0, R(RCX), 0, 0, 0 },
    { 64, "660fd7c1", SOFT_OP_SSE, 4, 0, 0, 0, R(RAX), 0, 0 },
    { 64, "d9442408", SOFT_OP_X87, 4, SOFT_MEM_READ, 4, R(RSP), 0, 0, 0 },
    { 64, "db7c2408", SOFT_OP_X87, 4, SOFT_MEM_WRITE, 10, R(RSP), 0, 0, 0 },
    { 64, "dfe0", SOFT_OP_X87, 4, 0, 0, R(RAX), R(RAX), 0, 0 },
    { 64, "0f20c0", SOFT_OP_MOVCR_READ, 8, 0, 0, 0, R(RAX), 0, 0 },
    { 64, "440f22c0", SOFT_OP_MOVCR_WRITE, 8, 0, 0, R(RAX), 0, 0, 0 },
    { 64, "0f01f8", SOFT_OP_SWAPGS, 4, 0, 0, 0, 0, 0, 0 },
    { 64, "0f0118", SOFT_OP_LIDT, 8, SOFT_MEM_READ, 10, R(RAX), 0, 0, 0 },
    { 64, "480fae20", SOFT_OP_XSAVE, 8, SOFT_MEM_ADDR, 0, R(RAX) | R(RDX), 0, 0,
      0 },

    { 32, "40", SOFT_OP_INC, 4, 0, 0, R(RAX), R(RAX), 0, ALU & ~CF },
    { 32, "664f", SOFT_OP_DEC, 2, 0, 0, R(RDI), R(RDI), 0, ALU & ~CF },
    { 32, "0018", SOFT_OP_ADD, 1, SOFT_MEM_RW, 1, R(RAX) | R(RBX), 0, 0, ALU },
    { 32, "a178563412", SOFT_OP_MOV, 4, SOFT_MEM_READ, 4, 0, R(RAX), 0, 0 },
    { 32, "c418", SOFT_OP_LSEG, 4, SOFT_MEM_READ, 6, R(RAX), R(RBX), 0, 0 },
    { 32, "c5f858c1", SOFT_OP_AVX, 16, 0, 0, 0, 0, 0, 0 },
    { 32, "9a785634121000", SOFT_OP_CALLF, 4, 0, 0, R(RSP), R(RSP), 0, 0 },
    { 32, "37", SOFT_OP_AAA, 1, 0, 0, R(RAX), R(RAX), AF, ALU },
    { 32, "60", SOFT_OP_PUSHA, 4, 0, 0, 0xff, R(RSP), 0, 0 },
    { 32, "6702442a", SOFT_OP_ADD, 1, SOFT_MEM_READ, 1, R(RAX) | R(RSI), R(RAX),
      0, ALU },
    { 32, "82c001", SOFT_OP_ADD, 1, 0, 0, R(RAX), R(RAX), 0, ALU },

    { 16, "0102", SOFT_OP_ADD, 2, SOFT_MEM_RW, 2, R(RAX) | R(RBP) | R(RSI), 0,
      0, ALU },
    { 16, "6601d8", SOFT_OP_ADD, 4, 0, 0, R(RAX) | R(RBX), R(RAX), 0, ALU },
    { 16, "678b0488", SOFT_OP_MOV, 2, SOFT_MEM_READ, 2, R(RAX) | R(RCX), R(RAX),
      0, 0 },
    { 16, "ea00f000f0", SOFT_OP_JMPF, 2, 0, 0, 0, 0, 0, 0 },
    { 16, "e2fe", SOFT_OP_LOOP, 2, 0, 0, R(RCX), R(RCX), 0, 0 },
};

static unsigned from_hex(const char *hex, uint8_t *bytes)
{
    unsigned n = 0;

    for (; hex[2 * n]; n++) {
        bytes[n] = (uint8_t)(g_ascii_xdigit_value(hex[2 * n]) << 4 |
                             g_ascii_xdigit_value(hex[2 * n + 1]));
    }
    return n;
}

static SoftDecodeStatus decode(unsigned bits, const char *hex, SoftInsn *insn)
{
    SoftDecodeMode mode = { SOFT_FEATURES_ALL, (uint8_t)bits, true };
    uint8_t bytes[32];

    return soft_decode(bytes, from_hex(hex, bytes), &mode, insn);
}

static void test_table(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *c = &cases[i];
        SoftInsn insn;

        g_test_message("%u %s", c->bits, c->bytes);
        g_assert_cmpint(decode(c->bits, c->bytes, &insn), ==, SOFT_DECODE_OK);
        g_assert_cmpuint(insn.length, ==, strlen(c->bytes) / 2);
        g_assert_cmpstr(soft_op_name(insn.op), ==, soft_op_name(c->op));
        g_assert_cmpuint(insn.op_bytes, ==, c->op_bytes);
        g_assert_cmpuint(insn.mem, ==, c->mem);
        g_assert_cmpuint(insn.mem_bytes, ==, c->mem_bytes);
        g_assert_cmphex(insn.gpr_read, ==, c->read);
        g_assert_cmphex(insn.gpr_write, ==, c->write);
        g_assert_cmphex(insn.flags_read, ==, c->flags_read);
        g_assert_cmphex(insn.flags_written, ==, c->flags_written);
    }
}

static void test_undefined(void)
{
    static const struct {
        unsigned bits;
        const char *bytes;
    } bad[] = {
        { 64, "06" },
        { 64, "27" },
        { 64, "9a785634121000" },
        { 64, "d6" },
        { 64, "ea785634121000" },
        { 64, "82c001" },
        { 64, "0f0b" },
        { 64, "0fb9c0" },
        { 64, "0fffc0" },
        { 64, "f001d8" },
        { 64, "f08b00" },
        { 64, "f00fa300" },
        { 64, "f0ff30" },
        { 64, "8dc0" },
        { 64, "8ec8" },
        { 64, "8cf0" },
        { 64, "0fc7c8" },
        { 64, "66c5f858c1" },
        { 64, "48c5f858c1" },
        { 64, "f3c5f858c1" },
        { 64, "c5705bc1" },     /* vvvv must be 1111 */
        { 64, "62f17c4858c1" }, /* EVEX */
        { 64, "8fe97812c0" },   /* XOP */
        { 64, "d9d1" },
        { 64, "0f01c1" },
        { 64, "fed0" },
        { 64, "ffff" },
        { 64, "c6c800" },
        { 32, "0f01f8" },
        { 32, "62c0" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        SoftInsn insn;

        g_test_message("%u %s", bad[i].bits, bad[i].bytes);
        g_assert_cmpint(decode(bad[i].bits, bad[i].bytes, &insn), ==,
                        SOFT_DECODE_UD);
        g_assert_cmpuint(insn.op, ==, SOFT_OP_UD);
    }
}

/* Real mode has no VEX and no descriptors. */
static void test_real_mode(void)
{
    SoftDecodeMode mode = { SOFT_FEATURES_ALL, 16, false };
    static const char *const bad[] = { "c5f858c1", "0f00c0", "63c0", "0f02c1" };
    uint8_t bytes[16];
    SoftInsn insn;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        unsigned n = from_hex(bad[i], bytes);

        g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==,
                        SOFT_DECODE_UD);
        mode.prot = true;
        g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==,
                        SOFT_DECODE_OK);
        mode.prot = false;
    }
}

static void test_features(void)
{
    SoftDecodeMode mode = { SOFT_FEATURES_ALL, 64, true };
    uint8_t bytes[16];
    SoftInsn insn;
    unsigned n = from_hex("f30fbdc1", bytes);

    /* LZCNT is BSR on a CPU without. */
    g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpint(insn.op, ==, SOFT_OP_LZCNT);
    mode.features &= ~SOFT_FEATURE_BIT(SOFT_F_ABM);
    g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpint(insn.op, ==, SOFT_OP_BSR);

    n = from_hex("c5f5fec1", bytes); /* vpaddd ymm */
    g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpint(insn.feature, ==, SOFT_F_AVX2);
    mode.features &= ~SOFT_FEATURE_BIT(SOFT_F_AVX2);
    g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==, SOFT_DECODE_UD);
    n = from_hex("c5f1fec1", bytes); /* xmm: AVX is enough */
    g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==, SOFT_DECODE_OK);
}

static void test_length(void)
{
    SoftDecodeMode mode = { SOFT_FEATURES_ALL, 64, true };
    uint8_t bytes[32];
    SoftInsn insn;
    unsigned n;

    /* 15 bytes are allowed, 16 not. */
    memset(bytes, 0x66, sizeof(bytes));
    bytes[14] = 0x90;
    g_assert_cmpint(soft_decode(bytes, 32, &mode, &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.length, ==, 15);
    bytes[14] = 0x66;
    bytes[15] = 0x90;
    g_assert_cmpint(soft_decode(bytes, 32, &mode, &insn), ==, SOFT_DECODE_LONG);

    /* Each prefix of an instruction asks for more, and for no more. */
    n = from_hex("f0488184c87856341278563412", bytes);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpint(soft_decode(bytes, i, &mode, &insn), ==,
                        SOFT_DECODE_MORE);
    }
    g_assert_cmpint(soft_decode(bytes, n, &mode, &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.length, ==, n);
}

static void test_operands(void)
{
    SoftInsn insn;

    g_assert_cmpint(decode(64, "6548894c88f0", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.seg, ==, X86_GS);
    g_assert_cmpuint(insn.base, ==, RAX);
    g_assert_cmpuint(insn.index, ==, RCX);
    g_assert_cmpuint(insn.scale, ==, 2);
    g_assert_cmpint(insn.disp, ==, -16);
    g_assert_cmpuint(insn.reg, ==, RCX);

    /* r12 and r13 as base, r12 as index; rsp cannot be one */
    g_assert_cmpint(decode(64, "4b8b442500", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.base, ==, 13);
    g_assert_cmpuint(insn.index, ==, 12);
    g_assert_cmpint(decode(64, "498b0424", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.base, ==, 12);
    g_assert_cmpuint(insn.index, ==, SOFT_NO_REG);
    g_assert_cmpuint(insn.seg, ==, X86_DS);
    g_assert_cmpint(decode(64, "8b0425ffffffff", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.base, ==, SOFT_NO_REG);
    g_assert_cmpint(insn.disp, ==, -1);
    g_assert_false(insn.attrs & SOFT_A_RIP);
    g_assert_cmpint(decode(64, "8b05ffffffff", &insn), ==, SOFT_DECODE_OK);
    g_assert_true(insn.attrs & SOFT_A_RIP);

    g_assert_cmpint(decode(64, "8b45f8", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.seg, ==, X86_SS);
    g_assert_cmpint(decode(64, "2e8b45f8", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.seg, ==, X86_SS); /* no such prefix in 64-bit mode */
    g_assert_cmpint(decode(32, "2e8b45f8", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmpuint(insn.seg, ==, X86_CS);
    g_assert_cmpint(decode(64, "c5f058442408", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.vec_read, ==, R(1));
    g_assert_cmphex(insn.vec_write, ==, R(0));
    g_assert_cmpint(decode(64, "f3450f58c1", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.vec_read, ==, R(8) | R(9));
    g_assert_cmpint(decode(64, "c4e36d4acb40", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.vec_read, ==, R(2) | R(3) | R(4));
    g_assert_cmpint(decode(64, "660f3814c1", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.vec_read, ==, R(0) | R(1));
    g_assert_cmpint(decode(64, "c4e26d90040a", &insn), ==, SOFT_DECODE_OK);
    g_assert_true(insn.attrs & SOFT_A_VSIB);
}

static void test_normal_forms(void)
{
    SoftInsn insn;

    g_assert_cmpint(decode(32, "4b", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.opcode, ==, 0xff);
    g_assert_cmphex(insn.modrm, ==, 0xcb);
    g_assert_cmpint(decode(64, "2c05", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.opcode, ==, 0x80);
    g_assert_cmphex(insn.modrm, ==, 0xe8);
    g_assert_cmpint(decode(64, "4997", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.opcode, ==, 0x87);
    g_assert_cmpuint(insn.rm, ==, 15);
    g_assert_cmpuint(insn.reg, ==, 0);
    g_assert_cmpint(decode(16, "a20100", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.opcode, ==, 0x88);
    g_assert_cmpint(insn.disp, ==, 1);
    g_assert_cmpint(decode(64, "a9ffffffff", &insn), ==, SOFT_DECODE_OK);
    g_assert_cmphex(insn.opcode, ==, 0xf7);
}

static void test_format(void)
{
    SoftInsn insn;
    char text[80];

    g_assert_cmpint(decode(64, "f0480fb10f", &insn), ==, SOFT_DECODE_OK);
    soft_insn_format(&insn, text, sizeof(text));
    g_assert_nonnull(strstr(text, "lock CMPXCHG"));
    g_assert_nonnull(strstr(text, "ds:rdi"));
    for (unsigned i = 0; i < SOFT_F_COUNT; i++) {
        g_assert_nonnull(soft_feature_name(i));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/accel/decode/table", test_table);
    g_test_add_func("/accel/decode/undefined", test_undefined);
    g_test_add_func("/accel/decode/real-mode", test_real_mode);
    g_test_add_func("/accel/decode/features", test_features);
    g_test_add_func("/accel/decode/length", test_length);
    g_test_add_func("/accel/decode/operands", test_operands);
    g_test_add_func("/accel/decode/normal-forms", test_normal_forms);
    g_test_add_func("/accel/decode/format", test_format);
    return g_test_run();
}
