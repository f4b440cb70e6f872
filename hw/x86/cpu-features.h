/*
 * CPUID feature bits by name.
 *
 * Source: Intel SDM volume 2A (CPUID), AMD APM volume 3 appendix E, the
 * kernel's Documentation/virt/kvm/x86/cpuid.rst.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef HW_X86_CPU_FEATURES_H
#define HW_X86_CPU_FEATURES_H

#include "accel/x86-state.h"

/* One register of one leaf that holds features. */
typedef enum X86FeatureWord {
    FEAT_1_EDX,
    FEAT_1_ECX,
    FEAT_7_0_EBX,
    FEAT_7_0_ECX,
    FEAT_7_0_EDX,
    FEAT_7_1_EAX,
    FEAT_XSAVE_1_EAX, /* leaf 0xd, index 1 */
    FEAT_6_EAX,
    FEAT_KVM_EAX, /* leaf 0x40000001 */
    FEAT_8000_0001_EDX,
    FEAT_8000_0001_ECX,
    FEAT_8000_0007_EDX,
    FEAT_8000_0008_EBX,
    FEAT_WORDS,
} X86FeatureWord;

typedef struct X86FeatureWordInfo {
    uint32_t function;
    uint32_t index;
    bool has_index;
    char reg;              /* 'a' to 'd' */
    const char *names[32]; /* NULL: unknown or not for guests */
} X86FeatureWordInfo;

typedef uint32_t X86FeatureSet[FEAT_WORDS];

extern const X86FeatureWordInfo x86_feature_words[FEAT_WORDS];

/**
 * x86_feature_find:
 * @name: as the user writes it; '_' is the same as '-'
 * @ret_word, @ret_bit: (out) where it is
 *
 * Returns: false if there is no such feature.
 */
bool x86_feature_find(const char *name, X86FeatureWord *ret_word,
                      unsigned *ret_bit);

/** x86_feature_describe: (transfer full) "CPUID.01H:ECX.pni [bit 0]". */
char *x86_feature_describe(X86FeatureWord word, unsigned bit);

/** x86_features_from_cpuid: what @table says. */
void x86_features_from_cpuid(const X86CPUIDTable *table, X86FeatureSet set);

static inline bool x86_feature_test(const X86FeatureSet set, X86FeatureWord w,
                                    unsigned bit)
{
    return set[w] & (1u << bit);
}

#endif
