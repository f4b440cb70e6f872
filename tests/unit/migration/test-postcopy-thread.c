/*
 * Scheduling in post-copy: a thread that stands back comes forward when it is
 * awaited, is as before at the end, and so are those that it makes then; slices
 * are given back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "migration/postcopy/thread.h"

#define SLICE_NS 1500000

/* As in sched_setattr(2). */
typedef struct Attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
} Attr;

static Attr attr_get(void)
{
    Attr a = { .size = sizeof(a) };

    g_assert_cmpint(syscall(SYS_sched_getattr, 0, &a, sizeof(a), 0), ==, 0);
    return a;
}

/* Returns: false: this kernel has no slices for ordinary threads. */
static bool slice_set(uint64_t ns)
{
    Attr a = attr_get();

    a.size = sizeof(a);
    a.runtime = ns;
    g_assert_cmpint(syscall(SYS_sched_setattr, 0, &a, 0), ==, 0);
    return attr_get().runtime == ns;
}

static void *policy_thread(void *opaque)
{
    Attr *a = opaque;

    *a = attr_get();
    return NULL;
}

/* What a thread made now gets. */
static Attr child_attr(void)
{
    QemuThread thread;
    Attr a;

    qemu_thread_create(&thread, "child", policy_thread, &a,
                       QEMU_THREAD_JOINABLE);
    qemu_thread_join(&thread);
    return a;
}

static void assert_same(Attr a, Attr b)
{
    g_assert_cmpuint(a.policy, ==, b.policy);
    g_assert_cmpint(a.nice, ==, b.nice);
    g_assert_cmpuint(a.runtime, ==, b.runtime);
}

static void test_carrier(void)
{
    PostcopyCarrier c;
    Attr before = attr_get();

    if (before.policy != SCHED_OTHER) {
        g_test_skip("somebody has arranged for another policy");
        return;
    }
    postcopy_carrier_init(&c);
    postcopy_carrier_awaited(&c, true);
    postcopy_carrier_end(&c);
    assert_same(attr_get(), before);
    for (int i = 0; i < 2; i++) {
        postcopy_carrier_begin(&c);
        g_assert_cmpuint(attr_get().policy, ==, SCHED_BATCH);
        postcopy_carrier_awaited(&c, true);
        g_assert_cmpuint(attr_get().policy, ==, SCHED_OTHER);
        g_assert_cmpint(attr_get().nice, <=, before.nice);
        postcopy_carrier_begin(&c);
        g_assert_cmpuint(attr_get().policy, ==, SCHED_OTHER);
        postcopy_carrier_awaited(&c, false);
        g_assert_cmpuint(attr_get().policy, ==, SCHED_BATCH);
        /* Ended while awaited, and while not. */
        postcopy_carrier_awaited(&c, i == 0);
        postcopy_carrier_end(&c);
        assert_same(attr_get(), before);
        assert_same(child_attr(), before);
    }
    postcopy_carrier_awaited(&c, true);
    assert_same(attr_get(), before);
    postcopy_carrier_destroy(&c);
}

static void test_slice(void)
{
    int tid = qemu_get_thread_id();
    PostcopySlice s;

    if (attr_get().policy != SCHED_OTHER || !slice_set(SLICE_NS)) {
        g_test_skip("no slices, by this kernel or this policy");
        return;
    }
    postcopy_slice_shorten(&s, tid);
    g_assert_cmpuint(attr_get().runtime, <, SLICE_NS);
    postcopy_slice_restore(&s, tid);
    g_assert_cmpuint(attr_get().runtime, ==, SLICE_NS);
    postcopy_slice_restore(&s, tid);
    g_assert_cmpuint(attr_get().runtime, ==, SLICE_NS);
    /* Changed meanwhile. */
    postcopy_slice_shorten(&s, tid);
    slice_set(SLICE_NS * 2);
    postcopy_slice_restore(&s, tid);
    g_assert_cmpuint(attr_get().runtime, ==, SLICE_NS * 2);
    /* No such thread any more. */
    postcopy_slice_shorten(&s, tid);
    postcopy_slice_restore(&s, -1);
    g_assert_cmpuint(attr_get().runtime, <, SLICE_NS);
    slice_set(0);
}

/* Away and back, unless somebody else has sent it elsewhere. */
static void test_away(void)
{
    int self = qemu_get_thread_id();
    cpu_set_t before, now, one;
    PostcopyAway away = { 0 };
    unsigned cpu = 0;

    g_assert_cmpint(sched_getaffinity(0, sizeof(before), &before), ==, 0);
    while (!CPU_ISSET(cpu, &before)) {
        cpu++;
    }
    postcopy_thread_avoid(self, cpu, &away);
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    if (CPU_COUNT(&before) == 1) {
        g_assert_true(CPU_EQUAL(&now, &before));
        g_test_skip("one processor");
        return;
    }
    g_assert_false(CPU_ISSET(cpu, &now));
    postcopy_thread_back(&away);
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    g_assert_true(CPU_EQUAL(&now, &before));

    postcopy_thread_avoid(self, cpu, &away);
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    g_assert_cmpint(sched_setaffinity(0, sizeof(one), &one), ==, 0);
    postcopy_thread_back(&away);
    g_assert_cmpint(sched_getaffinity(0, sizeof(now), &now), ==, 0);
    g_assert_true(CPU_EQUAL(&now, &one));
    g_assert_cmpint(sched_setaffinity(0, sizeof(before), &before), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/postcopy-thread/carrier", test_carrier);
    g_test_add_func("/postcopy-thread/slice", test_slice);
    g_test_add_func("/postcopy-thread/away", test_away);
    return g_test_run();
}
