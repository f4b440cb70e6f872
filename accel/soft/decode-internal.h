/*
 * What the files of the decoder share: the form of its tables and the state of
 * one decode.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef ACCEL_SOFT_DECODE_INTERNAL_H
#define ACCEL_SOFT_DECODE_INTERNAL_H

#include "accel/x86-state.h"

#include "insn.h"

enum {
    KIND_NONE,
    KIND_E, /* as the letters in decode-table.txt */
    KIND_G,
    KIND_M,
    KIND_R,
    KIND_Z,
    KIND_B,
    KIND_V,
    KIND_W,
    KIND_U,
    KIND_H,
    KIND_L,
    KIND_P,
    KIND_Q,
    KIND_N,
    KIND_IMM,
    KIND_IMMS,
    KIND_IMM2,
    KIND_J,
    KIND_A,
    KIND_O,
    KIND_T,
};

enum {
    SIZE_NONE,
    SIZE_B,
    SIZE_W,
    SIZE_D,
    SIZE_Q,
    SIZE_DQ,
    SIZE_QQ,
    SIZE_V,
    SIZE_Z,
    SIZE_Y,
    SIZE_X,
    SIZE_H,
    SIZE_F,
    SIZE_E,
    SIZE_K,
    SIZE_P,
    SIZE_S,
    SIZE_R,
    SIZE_N,
    SIZE_T,
    SIZE_A,
    SIZE_ENV,
    SIZE_FST,
    SIZE_FX,
    SIZE_D64,
    SIZE_F64,
};

enum {
    ACCESS_NONE,
    ACCESS_READ,
    ACCESS_WRITE,
    ACCESS_RW,
};

#define OPERAND(access, kind, size) ((access) | (kind) << 2 | (size) << 8)
#define OPERANDS_MAX                4

#define ENC_I64    (1u << 0)
#define ENC_O64    (1u << 1)
#define ENC_PROT   (1u << 2)
#define ENC_LOCK   (1u << 3)
#define ENC_L0     (1u << 4)
#define ENC_L1     (1u << 5)
#define ENC_W0     (1u << 6)
#define ENC_W1     (1u << 7)
#define ENC_UNAL   (1u << 8)
#define ENC_VALIGN (1u << 9)
#define ENC_XMM0   (1u << 10)
#define ENC_WXMM0  (1u << 11)
#define ENC_ALLVEC (1u << 12)
#define ENC_NB     (1u << 13)
#define ENC_ANYMOD (1u << 14)
#define ENC_VEX    (1u << 15)
#define ENC_NORM   (1u << 16)
#define ENC_ONE    (1u << 17)
#define ENC_MOD_M  (1u << 18)
#define ENC_MOD_R  (1u << 19)

/* One line of decode-table.txt. */
typedef struct SoftEncoding {
    uint16_t op;
    uint16_t gpr_read;
    uint16_t gpr_write;
    uint16_t operands[OPERANDS_MAX];
    uint32_t attrs;
    uint32_t keys; /* ENC_* */
    uint8_t cls;
    uint8_t pp;    /* mask of 1 << SOFT_PP_*; 15: prefixes mean nothing */
    uint8_t digit; /* of modrm.reg, 255 = any */
    uint8_t modrm; /* exact, 0 = any */
    uint8_t size;  /* rule for op_bytes */
    uint8_t feature;
    uint8_t feature_l1;
    uint8_t flags_read;
    uint8_t flags_written;
    uint8_t flags_undef;
    uint8_t norm; /* ENC_NORM: the opcode that says the same */
    uint8_t norm_digit;
} SoftEncoding;

#define PP_ANY 15

/* Encodings that share map and opcode. */
typedef struct SoftOpcodeGroup {
    uint16_t first;
    uint8_t count;
    uint8_t has_modrm;
} SoftOpcodeGroup;

/* What a decode in progress needs besides the result. */
typedef struct Decoder {
    const uint8_t *bytes;
    size_t len;
    size_t pos;
    SoftDecodeStatus status; /* of the first byte that was not there */
    const SoftDecodeMode *mode;
    SoftInsn *insn;
    bool long64;
    uint8_t pp;      /* effective mandatory prefix, SOFT_PP_* */
    uint8_t seg;     /* override or SOFT_NO_REG */
    uint8_t opcode;  /* as it was */
    uint8_t vec_dst; /* legacy vector register that is written and merged */
} Decoder;

/* -- bytes ----------------------------------------------------------------- */

static inline bool have(Decoder *d, unsigned n)
{
    if (d->pos + n > SOFT_INSN_BYTES_MAX) {
        /* The limit counts only when the bytes up to it are there. */
        d->status =
            d->len >= SOFT_INSN_BYTES_MAX ? SOFT_DECODE_LONG : SOFT_DECODE_MORE;
        return false;
    }
    if (d->pos + n > d->len) {
        d->status = SOFT_DECODE_MORE;
        return false;
    }
    return true;
}

static inline bool get_u8(Decoder *d, uint8_t *ret)
{
    if (!have(d, 1)) {
        return false;
    }
    *ret = d->bytes[d->pos++];
    return true;
}

/* A little-endian number of @n bytes, sign-extended. */
static inline bool get_signed(Decoder *d, unsigned n, int64_t *ret)
{
    uint64_t v = 0;

    if (!have(d, n)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        v |= (uint64_t)d->bytes[d->pos + i] << (8 * i);
    }
    d->pos += n;
    *ret = n == 0 ? 0 : (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
    return true;
}

/** decode_sizes: operand and address size. */
void decode_sizes(Decoder *d, const SoftEncoding *e);
/** decode_mem: SIB and displacement; false: see d->status. */
bool decode_mem(Decoder *d, const SoftEncoding *e);
/** decode_operands: who uses what; immediates. */
bool decode_operands(Decoder *d, const SoftEncoding *e);
/** decode_finish: normal forms, and what depends on values; false: #UD. */
bool decode_finish(Decoder *d, const SoftEncoding *e);
/** decode_effective_seg: segment of an operand at @base. */
uint8_t decode_effective_seg(const Decoder *d, uint8_t base);

#endif
