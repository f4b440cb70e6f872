/*
 * How long single pages take: what a guest feels of a post-copy.
 *
 * A touch that takes longer than the threshold is one that went out to the host.
 * After each pass the times of that pass are sorted and quantiles printed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define SLOW_MAX 131072 /* times kept of one pass; more are only counted */

static uint32_t slow_ns[SLOW_MAX];
static uint64_t slow_n;
static uint64_t slow_threshold;

void slow_init(uint64_t threshold_ns)
{
    slow_threshold = threshold_ns;
}

void slow_touch(uint64_t *page)
{
    uint64_t start, took;

    if (!slow_threshold) {
        return;
    }
    start = clock_ns(0);
    (void)*(volatile uint64_t *)page;
    took = clock_ns(0) - start;
    if (took >= slow_threshold) {
        if (slow_n < SLOW_MAX) {
            slow_ns[slow_n] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
        }
        slow_n++;
    }
}

/* Shell sort: no memory, no recursion, and quick enough. */
static void sort(uint32_t *v, uint64_t n)
{
    uint64_t gap = 1;

    while (gap < n / 3) {
        gap = gap * 3 + 1;
    }
    for (; gap > 0; gap /= 3) {
        for (uint64_t i = gap; i < n; i++) {
            uint32_t x = v[i];
            uint64_t j = i;

            for (; j >= gap && v[j - gap] > x; j -= gap) {
                v[j] = v[j - gap];
            }
            v[j] = x;
        }
    }
}

void slow_print(uint64_t pass)
{
    uint64_t n = slow_n < SLOW_MAX ? slow_n : SLOW_MAX;

    if (!slow_threshold || n == 0) {
        return;
    }
    sort(slow_ns, n);
    console_print("slow pass %u pages %u median_ns %u p99_ns %u max_ns %u\n",
                  pass, slow_n, (uint64_t)slow_ns[n / 2],
                  (uint64_t)slow_ns[n * 99 / 100], (uint64_t)slow_ns[n - 1]);
    slow_n = 0;
}
