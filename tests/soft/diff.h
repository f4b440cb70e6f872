/*
 * Differential test of the software CPU: random sequences of user-mode
 * instructions are executed by the host's CPU and by the software one, from the
 * same state and memory; everything that the architecture defines must agree
 * afterwards, faults included.
 *
 * Both see the same addresses: DIFF_DATA (readable and writable, then one page
 * read-only, nothing around it) and DIFF_CODE. A sequence ends with UD2, or at
 * its first fault.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_SOFT_DIFF_H
#define TESTS_SOFT_DIFF_H

#include "accel/soft/insn.h"

#define DIFF_DATA       0x10000000u
#define DIFF_DATA_BYTES 0x4000u /* read-write */
#define DIFF_RO_BYTES   0x1000u /* after it */
#define DIFF_CODE       0x20000000u
#define DIFF_CODE_BYTES 0x10000u

/* Base of GS, so that GS: prefixes lead somewhere. */
#define DIFF_GS_BASE 0x40u

#define DIFF_INSNS_MAX 16
#define DIFF_SEQ_BYTES (DIFF_INSNS_MAX * 15 + 2)

/* Values of DiffState.vector beside the architecture's. */
enum {
    DIFF_END = 6, /* #UD: of the UD2 at the end, or an earlier one */
    DIFF_TIMEOUT = 255,
};

#define DIFF_FX_BYTES 160 /* of a FXSAVE image: x87, MMX */

typedef struct DiffState {
    uint64_t gpr[16];
    uint64_t rip;
    uint64_t cr2;
    uint32_t eflags;
    uint32_t mxcsr;
    uint32_t error;
    uint32_t vector;
    uint8_t vec[16][32] __attribute__((aligned(32)));
    uint8_t fx[DIFF_FX_BYTES] __attribute__((aligned(16)));
} DiffState;

typedef struct DiffInsn {
    SoftInsn insn;
    uint8_t bytes[SOFT_INSN_BYTES_MAX];
    uint16_t offset;    /* in the sequence */
    uint32_t undefined; /* SOFT_FLAG_*: before it */
} DiffInsn;

typedef struct DiffSeq {
    DiffInsn insn[DIFF_INSNS_MAX];
    unsigned count;
    uint8_t code[DIFF_SEQ_BYTES];
    unsigned code_bytes;
    uint64_t address;
    uint32_t undefined;      /* SOFT_FLAG_*: may differ at the end */
    uint32_t ever_undefined; /* ... somewhere */
} DiffSeq;

/* A small fast generator (xorshift64*); never 0. */
typedef struct DiffRng {
    uint64_t s;
} DiffRng;

static inline uint64_t diff_rand(DiffRng *r)
{
    r->s ^= r->s >> 12;
    r->s ^= r->s << 25;
    r->s ^= r->s >> 27;
    return r->s * 0x2545f4914f6cdd1dull;
}

/* 0 .. n - 1 */
static inline unsigned diff_below(DiffRng *r, unsigned n)
{
    return (unsigned)((diff_rand(r) >> 33) % n);
}

/* True once in @n. */
static inline bool diff_one_in(DiffRng *r, unsigned n)
{
    return diff_below(r, n) == 0;
}

/* diff-gen.c */

/** diff_gen_seq: @count instructions for @address; @features: of both CPUs. */
void diff_gen_seq(DiffRng *rng, uint64_t features, unsigned count,
                  uint64_t address, DiffSeq *seq);
/** diff_seq_layout: everything else, after a change of @insn and @count. */
void diff_seq_layout(DiffSeq *seq);
/** diff_gen_state: registers to begin with. */
void diff_gen_state(DiffRng *rng, bool avx, DiffState *state);
void diff_gen_memory(DiffRng *rng, uint8_t *data, size_t size);

/* diff-host.c */

typedef struct DiffHost DiffHost;

/** diff_host_new: NULL if this host cannot (addresses in use). */
DiffHost *diff_host_new(void);
void diff_host_free(DiffHost *h);
/** diff_host_data: DIFF_DATA_BYTES + DIFF_RO_BYTES, writable. */
uint8_t *diff_host_data(DiffHost *h);
/** diff_host_code: DIFF_CODE_BYTES, writable. */
uint8_t *diff_host_code(DiffHost *h);
bool diff_host_has_avx(const DiffHost *h);
void diff_host_run(DiffHost *h, const DiffState *in, DiffState *out);

/* diff-soft.c */

typedef enum DiffEngine {
    DIFF_INTERP,
    DIFF_JIT,
} DiffEngine;

typedef struct DiffSoft DiffSoft;

DiffSoft *diff_soft_new(DiffEngine engine);
void diff_soft_free(DiffSoft *s);
uint64_t diff_soft_features(const DiffSoft *s);
uint8_t *diff_soft_data(DiffSoft *s);
/** diff_soft_set_code: @size bytes at linear @address. */
void diff_soft_set_code(DiffSoft *s, uint64_t address, const uint8_t *code,
                        size_t size);
void diff_soft_run(DiffSoft *s, const DiffState *in, DiffState *out);

#endif
