/*
 * Can a guest that has started on one CPU go on on this one?
 *
 * A guest asks CPUID once and uses for good what it has found. So it can go on
 * where everything is there that it was shown; more does not hurt. What is the
 * same size of a wish everywhere is compared: vendor (by which software
 * chooses its ways), bits of physical addresses, and where the XSAVE area has
 * a component, for the guest's memory is full of such areas.
 *
 * Not compared are names, family and model, caches and the rate of the time
 * stamp counter: a guest may notice, and lives with it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/x86/x86-cpu-compat.h"

#include "util/error.h"

#define NAMES_MAX 12

void x86_cpu_describe(X86CPU *cpu)
{
    X86CPUSaved *s = &cpu->saved;

    memset(s->vendor, 0, sizeof(s->vendor));
    memcpy(s->vendor, cpu->vendor, MIN(strlen(cpu->vendor), sizeof(s->vendor)));
    s->phys_bits = cpu->seen_phys_bits;
    memcpy(s->place, cpu->xsave_place, sizeof(s->place));
    s->n_words = FEAT_WORDS;
    for (unsigned i = 0; i < FEAT_WORDS; i++) {
        const X86FeatureWordInfo *w = &x86_feature_words[i];

        s->word[i] = (X86SavedWord){ .function = w->function,
                                     .index = w->index,
                                     .reg = (uint8_t)w->reg,
                                     .value = cpu->features[i] };
    }
}

static int find_word(const X86SavedWord *word)
{
    for (int i = 0; i < FEAT_WORDS; i++) {
        const X86FeatureWordInfo *w = &x86_feature_words[i];

        if (w->function == word->function && w->index == word->index &&
            (uint8_t)w->reg == word->reg) {
            return i;
        }
    }
    return -1;
}

/* Names of the bits in @missing, at most NAMES_MAX in all. */
static void add_names(GString *names, unsigned *n, const X86SavedWord *word,
                      int w, uint32_t missing)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        const char *name = w < 0 ? NULL : x86_feature_words[w].names[bit];

        if (!(missing >> bit & 1) || ++*n > NAMES_MAX) {
            continue;
        }
        g_string_append(names, names->len ? ", " : "");
        if (name) {
            g_string_append(names, name);
        } else {
            g_string_append_printf(names, "CPUID 0x%x/%u E%cX bit %u",
                                   word->function, word->index,
                                   g_ascii_isalpha(word->reg)
                                       ? g_ascii_toupper((char)word->reg)
                                       : '?',
                                   bit);
        }
    }
}

static bool check_features(const X86CPU *cpu, Error **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    unsigned n = 0;

    for (unsigned i = 0; i < cpu->saved.n_words; i++) {
        const X86SavedWord *word = &cpu->saved.word[i];
        int w = find_word(word);
        uint32_t here = w < 0 ? 0 : cpu->features[w];

        add_names(names, &n, word, w, word->value & ~here);
    }
    if (n == 0) {
        return true;
    }
    error_setg(errp,
               "the guest was shown %u CPU features that are not here: "
               "%s%s",
               n, names->str, n > NAMES_MAX ? ", ..." : "");
    return false;
}

static bool check_xsave(const X86CPU *cpu, Error **errp)
{
    for (unsigned i = 0; i < X86_XSAVE_PLACES; i++) {
        const X86XsavePlace *theirs = &cpu->saved.place[i];
        const X86XsavePlace *ours = &cpu->xsave_place[i];

        if (theirs->bytes &&
            (theirs->bytes != ours->bytes || theirs->offset != ours->offset)) {
            error_setg(errp,
                       "XSAVE component %u is at %u, %u bytes, for the guest "
                       "and at %u, %u bytes, here",
                       i, theirs->offset, theirs->bytes, ours->offset,
                       ours->bytes);
            return false;
        }
    }
    return true;
}

void x86_cpu_constants(void *opaque, VMStateConstants *c)
{
    const X86CPU *cpu = opaque;

    vmstate_constant_text(c, "vendor", cpu->vendor);
    vmstate_constant_least(c, "bits of physical addresses",
                           cpu->seen_phys_bits);
    for (unsigned i = 0; i < FEAT_WORDS; i++) {
        const X86FeatureWordInfo *w = &x86_feature_words[i];
        g_autofree char *name =
            g_strdup_printf("CPUID 0x%x/%u E%cX", w->function, w->index,
                            g_ascii_toupper(w->reg));

        vmstate_constant_bits(c, name, cpu->features[i], cpu->features[i],
                              w->names);
    }
    for (unsigned i = 0; i < X86_XSAVE_PLACES; i++) {
        const X86XsavePlace *p = &cpu->xsave_place[i];
        g_autofree char *offset =
            g_strdup_printf("offset of XSAVE component %u", i);
        g_autofree char *bytes =
            g_strdup_printf("bytes of XSAVE component %u", i);

        vmstate_constant_if_set(c, offset, p->bytes ? p->offset : 0);
        vmstate_constant_if_set(c, bytes, p->bytes);
    }
}

bool x86_cpu_check_compatible(const X86CPU *cpu, Error **errp)
{
    const X86CPUSaved *s = &cpu->saved;
    char vendor[sizeof(s->vendor)] = { 0 };

    memcpy(vendor, cpu->vendor, MIN(strlen(cpu->vendor), sizeof(vendor)));
    if (memcmp(vendor, s->vendor, sizeof(vendor)) != 0) {
        g_autofree char *theirs =
            g_strndup((const char *)s->vendor, sizeof(s->vendor));

        g_strcanon(theirs,
                   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz "
                   "0123456789",
                   '?');
        error_setg(errp, "the guest's CPU is of vendor '%s', this one of '%s'",
                   theirs, cpu->vendor);
        return false;
    }
    if (s->phys_bits > cpu->seen_phys_bits) {
        error_setg(errp,
                   "the guest has %u bits of physical addresses, here are %u",
                   s->phys_bits, cpu->seen_phys_bits);
        return false;
    }
    return check_features(cpu, errp) && check_xsave(cpu, errp);
}
