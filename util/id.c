/*
 * Ids of users' things.
 *
 * A generated id begins with '#', which a well-formed one cannot; then a
 * word, a counter, and two random digits, so that nobody comes to rely on
 * the exact text.
 *
 * File-scope state: the counters.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/id.h"

static const char *const id_words[ID_MAX] = {
    [ID_QDEV] = "qdev", [ID_BLOCK] = "block",   [ID_CHR] = "chr",
    [ID_NET] = "net",   [ID_OBJECT] = "object",
};

char *id_generate(IdSubSystems id)
{
    static uint64_t counters[ID_MAX];
    uint64_t n;

    g_assert(id < ID_MAX && id_words[id]);
    n = __atomic_fetch_add(&counters[id], 1, __ATOMIC_RELAXED);
    return g_strdup_printf("#%s%" PRIu64 "%02d", id_words[id], n,
                           (int)g_random_int_range(0, 100));
}

bool id_wellformed(const char *id)
{
    if (!g_ascii_isalpha(id[0])) {
        return false;
    }
    for (const char *p = id + 1; *p; p++) {
        if (!g_ascii_isalnum(*p) && !strchr("-._", *p)) {
            return false;
        }
    }
    return true;
}
