/*
 * What the host's CPU can execute, in terms of the guest's features.
 *
 * Source: Intel SDM volume 2, CPUID; chapter 13.2 of volume 1 (XCR0).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <cpuid.h>

#include "insn.h"
#include "native.h"

enum {
    LEAF_1_ECX,
    LEAF_1_EDX,
    LEAF_7_EBX,
    LEAF_7_ECX,
    LEAF_EXT_ECX,
    LEAF_COUNT,
};

typedef struct HostFeature {
    uint8_t feature;
    uint8_t word;
    uint8_t bit;
    bool avx; /* also needs that the kernel keeps YMM */
} HostFeature;

static const HostFeature host_feature_table[] = {
    { SOFT_F_FPU, LEAF_1_EDX, 0 },
    { SOFT_F_CX8, LEAF_1_EDX, 8 },
    { SOFT_F_CMOV, LEAF_1_EDX, 15 },
    { SOFT_F_MMX, LEAF_1_EDX, 23 },
    { SOFT_F_FXSR, LEAF_1_EDX, 24 },
    { SOFT_F_SSE, LEAF_1_EDX, 25 },
    { SOFT_F_SSE2, LEAF_1_EDX, 26 },
    { SOFT_F_SSE3, LEAF_1_ECX, 0 },
    { SOFT_F_PCLMUL, LEAF_1_ECX, 1 },
    { SOFT_F_SSSE3, LEAF_1_ECX, 9 },
    { SOFT_F_FMA, LEAF_1_ECX, 12, true },
    { SOFT_F_SSE41, LEAF_1_ECX, 19 },
    { SOFT_F_SSE42, LEAF_1_ECX, 20 },
    { SOFT_F_MOVBE, LEAF_1_ECX, 22 },
    { SOFT_F_POPCNT, LEAF_1_ECX, 23 },
    { SOFT_F_AES, LEAF_1_ECX, 25 },
    { SOFT_F_AVX, LEAF_1_ECX, 28, true },
    { SOFT_F_F16C, LEAF_1_ECX, 29, true },
    { SOFT_F_BMI1, LEAF_7_EBX, 3 },
    { SOFT_F_AVX2, LEAF_7_EBX, 5, true },
    { SOFT_F_BMI2, LEAF_7_EBX, 8 },
    { SOFT_F_ADX, LEAF_7_EBX, 19 },
    { SOFT_F_SHA, LEAF_7_EBX, 29 },
    { SOFT_F_GFNI, LEAF_7_ECX, 8 },
    { SOFT_F_VAES, LEAF_7_ECX, 9, true },
    { SOFT_F_VPCLMUL, LEAF_7_ECX, 10, true },
    { SOFT_F_ABM, LEAF_EXT_ECX, 5 },
    { SOFT_F_SSE4A, LEAF_EXT_ECX, 6 },
};

/* CPUID.1:ECX bit 27: the kernel has switched XSAVE on. */
#define OSXSAVE  (1u << 27)
#define XCR0_YMM 6u

static uint64_t xgetbv0(void)
{
    uint32_t eax, edx;

    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (uint64_t)edx << 32 | eax;
}

uint64_t soft_native_features(void)
{
    uint32_t w[LEAF_COUNT] = { 0 };
    uint32_t unused;
    uint64_t features = SOFT_FEATURE_BIT(SOFT_F_BASE);
    bool ymm;

    __get_cpuid(1, &unused, &unused, &w[LEAF_1_ECX], &w[LEAF_1_EDX]);
    __get_cpuid_count(7, 0, &unused, &w[LEAF_7_EBX], &w[LEAF_7_ECX], &unused);
    __get_cpuid(0x80000001, &unused, &unused, &w[LEAF_EXT_ECX], &unused);
    ymm = (w[LEAF_1_ECX] & OSXSAVE) && (xgetbv0() & XCR0_YMM) == XCR0_YMM;

    for (size_t i = 0; i < G_N_ELEMENTS(host_feature_table); i++) {
        const HostFeature *f = &host_feature_table[i];

        if ((w[f->word] >> f->bit & 1) && (!f->avx || ymm)) {
            features |= SOFT_FEATURE_BIT(f->feature);
        }
    }
    return features;
}
