/*
 * How long single pages take: what a guest feels of a post-copy.
 *
 * A touch that takes longer than the threshold is one that went out to the host.
 * Times are counted in classes, SLOW_STEPS of them for each power of two, so that
 * a quantile is right within 1/SLOW_STEPS and costs the same however many touches
 * there were: a guest that sorted its times for seconds would look as if it stood
 * still, and would leave KVM no moment to change its memory slots where KVM
 * emulates every instruction.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define SLOW_BITS   5 /* of a time that tell it from others of its power of two */
#define SLOW_STEPS  (1u << SLOW_BITS)
#define SLOW_POWERS (32 - SLOW_BITS)

static uint32_t slow_class[(SLOW_POWERS + 1) * SLOW_STEPS];
static uint64_t slow_n, slow_max;
static uint64_t slow_threshold;

void slow_init(uint64_t threshold_ns)
{
    slow_threshold = threshold_ns;
}

bool slow_is_on(void)
{
    return slow_threshold != 0;
}

static unsigned class_of(uint32_t ns)
{
    unsigned power = 0;

    while (ns >> power >= 2 * SLOW_STEPS) {
        power++;
    }
    return power * SLOW_STEPS + (ns >> power);
}

/* The smallest time of a class. */
static uint64_t class_ns(unsigned class)
{
    unsigned power = class < 2 * SLOW_STEPS ? 0 : class / SLOW_STEPS - 1;

    return (uint64_t)(class - power * SLOW_STEPS) << power;
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
        slow_class[class_of(took > UINT32_MAX ? UINT32_MAX : (uint32_t)took)]++;
        slow_n++;
        if (took > slow_max) {
            slow_max = took;
        }
    }
}

/* The time that @rank of the touches did not exceed. */
static uint64_t quantile(uint64_t rank)
{
    uint64_t seen = 0;
    unsigned class = 0;

    while ((seen += slow_class[class]) <= rank) {
        class ++;
    }
    return class_ns(class);
}

void slow_print(uint64_t pass)
{
    if (!slow_threshold || slow_n == 0) {
        return;
    }
    console_print("slow pass %u pages %u median_ns %u p99_ns %u max_ns %u\n",
                  pass, slow_n, quantile(slow_n / 2),
                  quantile(slow_n * 99 / 100), slow_max);
    console_print("slow classes");
    for (unsigned i = 0; i < sizeof(slow_class) / sizeof(slow_class[0]); i++) {
        if (slow_class[i]) {
            console_print(" %u:%u", class_ns(i), (uint64_t)slow_class[i]);
        }
        slow_class[i] = 0;
    }
    console_print("\n");
    slow_n = slow_max = 0;
}
