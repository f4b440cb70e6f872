/*
 * CPU models, features and topology, without an accelerator: what it could
 * give is a table made here.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/types.h"
#include "hw/x86/x86-cpu.h"
#include "util/error.h"

#define BIT_AVX    28
#define BIT_XSAVE  26
#define BIT_PNI    0
#define BIT_INVTSC 8

static X86CPUIDTable *host_table(void)
{
    X86CPUIDTable *t = g_new0(X86CPUIDTable, 1);
    const X86CPUIDEntry e[] = {
        { 0, .eax = 0x16, .ebx = 0x756e6547, .ecx = 0x6c65746e,
          .edx = 0x49656e69 },
        { 1, .eax = 0x000a0671, .ecx = 0x94202201, .edx = 0x0f8bfbff },
        { 7, 0, true, .ebx = 0x20 },
        { 0xd, 0, true, .eax = 7, .ebx = 832, .ecx = 832 },
        { 0xd, 1, true, .eax = 1 },
        { 0xd, 2, true, .eax = 256, .ebx = 576 },
        { 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b, .ecx = 0x564b4d56,
          .edx = 0x4d },
        { 0x40000001, .eax = 0x01000009 },
        { 0x80000000, .eax = 0x80000008 },
        { 0x80000001, .ecx = 0x101, .edx = 0x20100800 },
        { 0x80000007, .edx = 0x100 },
        { 0x80000008, .eax = 0x302e },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(e); i++) {
        x86_cpuid_add(t, &e[i]);
    }
    return t;
}

static X86CPU *make(const char *spec, const X86CPUIDTable *host)
{
    X86CPU *cpu = x86_cpu_new(spec, 0, &error_abort);

    g_assert_true(x86_cpu_setup_features(cpu, host, &error_abort));
    if (!cpu->vendor) {
        cpu->vendor = g_strdup("GenuineIntel");
    }
    if (!cpu->model_id) {
        cpu->model_id = g_strdup("a model");
    }
    return cpu;
}

static bool has(const X86CPU *cpu, X86FeatureWord w, unsigned bit)
{
    return x86_feature_test(cpu->features, w, bit);
}

static void test_names(void)
{
    static const struct {
        const char *name;
        X86FeatureWord word;
        unsigned bit;
    } known[] = {
        { "sse3", FEAT_1_ECX, 0 },
        { "pni", FEAT_1_ECX, 0 },
        { "sse4_2", FEAT_1_ECX, 20 },
        { "sse4.2", FEAT_1_ECX, 20 },
        { "avx2", FEAT_7_0_EBX, 5 },
        { "tsc_adjust", FEAT_7_0_EBX, 1 },
        { "lm", FEAT_8000_0001_EDX, 29 },
        { "nx", FEAT_8000_0001_EDX, 20 },
        { "pdpe1gb", FEAT_8000_0001_EDX, 26 },
        { "svm", FEAT_8000_0001_ECX, 2 },
        { "invtsc", FEAT_8000_0007_EDX, 8 },
        { "kvmclock", FEAT_KVM_EAX, 0 },
        { "arat", FEAT_6_EAX, 2 },
        { "ssbd", FEAT_7_0_EDX, 31 },
        { "la57", FEAT_7_0_ECX, 16 },
        { "xsavec", FEAT_XSAVE_1_EAX, 1 },
        { "topoext", FEAT_8000_0001_ECX, 22 },
        { "hypervisor", FEAT_1_ECX, 31 },
        { "ibpb", FEAT_8000_0008_EBX, 12 },
    };
    X86FeatureWord w;
    unsigned bit;

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        g_assert_true(x86_feature_find(known[i].name, &w, &bit));
        g_assert_cmpint(w, ==, known[i].word);
        g_assert_cmpuint(bit, ==, known[i].bit);
    }
    g_assert_false(x86_feature_find("", &w, &bit));
    g_assert_false(x86_feature_find("sse", &w, &bit) && bit != 25);
    g_assert_false(x86_feature_find("avx51", &w, &bit));
}

static void test_models(void)
{
    g_autoptr(X86CPUIDTable) host = host_table();
    g_autoptr(X86CPU) qemu64 = make("qemu64", host);
    g_autoptr(X86CPU) hostcpu = make("host", host);
    g_autoptr(X86CPU) base = make("base", host);
    g_auto(GStrv) missing = x86_cpu_unavailable(qemu64);

    g_assert_true(has(qemu64, FEAT_1_ECX, BIT_PNI));
    g_assert_false(has(qemu64, FEAT_1_ECX, BIT_AVX));
    g_assert_true(has(hostcpu, FEAT_1_ECX, BIT_AVX));
    g_assert_false(has(base, FEAT_1_EDX, 0));
    g_assert_cmpuint(g_strv_length(missing), ==, 0);
    /* The rate of the clock cannot be promised to a guest that may move. */
    g_assert_false(has(hostcpu, FEAT_8000_0007_EDX, BIT_INVTSC));
}

static void test_flags(void)
{
    g_autoptr(X86CPUIDTable) host = host_table();
    g_autoptr(X86CPU) cpu =
        make("qemu64,+avx,xsave=on,-pni,cx16=off,vendor=AuthenticAMD", host);
    g_autoptr(X86CPU) invtsc = make("host,migratable=off", host);

    g_assert_true(has(cpu, FEAT_1_ECX, BIT_AVX));
    g_assert_true(has(cpu, FEAT_1_ECX, BIT_XSAVE));
    g_assert_false(has(cpu, FEAT_1_ECX, BIT_PNI));
    g_assert_false(has(cpu, FEAT_1_ECX, 13));
    g_assert_true(has(invtsc, FEAT_8000_0007_EDX, BIT_INVTSC));
}

static void refused(const char *spec, const char *why)
{
    Error *err = NULL;

    g_assert_null(x86_cpu_new(spec, 0, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), why));
    error_free(err);
}

static void test_errors(void)
{
    g_autoptr(X86CPUIDTable) host = host_table();
    g_autoptr(X86CPU) cpu = NULL;
    g_autoptr(X86CPU) strict = NULL;
    Error *err = NULL;

    refused("nosuch", "nosuch");
    refused("", "unable to find CPU model ''");
    refused("x86_64-cpu", "x86_64-cpu");
    refused("qemu64,+nosuch", "unknown CPU feature 'nosuch'");
    refused("qemu64,nosuch=on", "nosuch");
    refused("qemu64,avx=maybe", "avx");
    refused("qemu64,vendor=short", "12 characters");
    refused("qemu64,phys-bits=60", "phys-bits");
    /* Asked for by name and not there: refused, and named. */
    cpu = x86_cpu_new("qemu64,+avx512f", 0, &error_abort);
    g_assert_false(x86_cpu_setup_features(cpu, host, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "avx512f [bit 16]"));
    error_free_or_abort(&err);
    /* A model's own feature only with enforce. */
    host->entry[1].ecx &= ~1u;
    strict = x86_cpu_new("qemu64,enforce", 0, &error_abort);
    g_assert_false(x86_cpu_setup_features(strict, host, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "pni"));
    error_free_or_abort(&err);
}

static void test_leaves(void)
{
    g_autoptr(X86CPUIDTable) host = host_table();
    g_autoptr(X86CPU) cpu = make("qemu64,+avx,+xsave", host);
    const CpuTopology one = { 1, 1, 1, 1, 1, 1 };
    g_autoptr(X86CPUIDTable) t = NULL;
    const X86CPUIDEntry *e;

    g_free(cpu->vendor);
    cpu->vendor = g_strdup("AuthenticAMD");
    g_free(cpu->model_id);
    cpu->model_id = g_strdup("QEMU Virtual CPU version 2.5+");
    t = x86_cpuid_build(cpu, host, &one, 0);
    e = x86_cpuid_find(t, 0, 0);
    g_assert_cmpuint(e->eax, ==, 0xd);
    g_assert_cmpmem(&e->ebx, 4, "Auth", 4);
    g_assert_cmpmem(&e->edx, 4, "enti", 4);
    g_assert_cmpmem(&e->ecx, 4, "cAMD", 4);
    e = x86_cpuid_find(t, 1, 0);
    g_assert_cmphex(e->eax, ==, 0x60fb1); /* family 15, model 107, stepping 1 */
    g_assert_cmphex(e->edx & (1u << 28), ==, 0);
    g_assert_cmphex(e->ecx >> 31, ==, 1);
    e = x86_cpuid_find(t, 0xd, 0);
    g_assert_cmphex(e->eax, ==, 7);
    g_assert_cmpuint(e->ecx, ==, 832);
    e = x86_cpuid_find(t, 0x80000002, 0);
    g_assert_cmpmem(&e->eax, 4, "QEMU", 4);
    e = x86_cpuid_find(t, 0x80000008, 0);
    g_assert_cmphex(e->eax, ==, 0x3028);
    g_assert_nonnull(x86_cpuid_find(t, 0x40000000, 0));
    g_assert_null(x86_cpuid_find(t, 0xd, 9));
}

static void test_without_xsave(void)
{
    g_autoptr(X86CPUIDTable) host = host_table();
    g_autoptr(X86CPU) cpu = make("qemu64,kvm=off", host);
    const CpuTopology one = { 1, 1, 1, 1, 1, 1 };
    g_autoptr(X86CPUIDTable) t = x86_cpuid_build(cpu, host, &one, 0);

    g_assert_null(x86_cpuid_find(t, 0xd, 0));
    g_assert_null(x86_cpuid_find(t, 0x40000000, 0));
}

static void test_topology(void)
{
    const CpuTopology t = { 24, 24, 2, 2, 3, 2 };
    g_autoptr(X86CPUIDTable) host = host_table();
    g_autoptr(X86CPU) cpu = make("host", host);
    g_autoptr(X86CPUIDTable) table = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    X86CPUPlace p = x86_cpu_place(&t, 0);
    const X86CPUIDEntry *e;

    g_assert_cmpuint(p.smt_bits, ==, 1);
    g_assert_cmpuint(p.core_bits, ==, 3);
    g_assert_cmpuint(p.pkg_bits, ==, 4);
    g_assert_cmpuint(x86_cpu_place(&t, 1).apic_id, ==, 1);
    g_assert_cmpuint(x86_cpu_place(&t, 2).apic_id, ==, 2);
    g_assert_cmpuint(x86_cpu_place(&t, 6).apic_id, ==, 8);
    g_assert_cmpuint(x86_cpu_place(&t, 12).apic_id, ==, 16);
    for (unsigned i = 0; i < t.cpus; i++) {
        g_assert_true(g_hash_table_add(
            seen, GUINT_TO_POINTER(x86_cpu_place(&t, i).apic_id + 1)));
    }
    table = x86_cpuid_build(cpu, host, &t, 13);
    e = x86_cpuid_find(table, 1, 0);
    g_assert_cmpuint(e->ebx >> 24, ==, 17);
    g_assert_cmpuint(e->ebx >> 16 & 255, ==, 12);
    g_assert_cmphex(e->edx & (1u << 28), !=, 0);
    e = x86_cpuid_find(table, 0xb, 0);
    g_assert_cmphex(e->eax, ==, 1);
    g_assert_cmphex(e->ebx, ==, 2);
    g_assert_cmphex(e->ecx, ==, 0x100);
    g_assert_cmphex(e->edx, ==, 17);
    e = x86_cpuid_find(table, 0xb, 1);
    g_assert_cmphex(e->eax, ==, 4);
    g_assert_cmphex(e->ebx, ==, 12);
    g_assert_cmphex(e->ecx, ==, 0x201);
    e = x86_cpuid_find(table, 4, 0);
    g_assert_cmphex(e->eax >> 26, ==, 7);         /* 8 core places */
    g_assert_cmphex(e->eax >> 14 & 0xfff, ==, 1); /* 2 threads share L1 */
}

static void test_state_helpers(void)
{
    g_autoptr(X86CPUState) st = x86_state_new();
    g_autoptr(X86CPUIDTable) t = g_new0(X86CPUIDTable, 1);
    X86CPUIDEntry e = { 0 };

    x86_state_set_flat32(st, 0x1234);
    g_assert_cmphex(st->rip, ==, 0x1234);
    g_assert_cmphex(st->seg[X86_CS].limit, ==, UINT32_MAX);
    g_assert_true(st->seg[X86_CS].db && st->seg[X86_SS].present);
    g_assert_cmphex(st->cr0 & X86_CR0_PG, ==, 0);
    for (unsigned i = 0; i < X86_CPUID_ENTRIES_MAX; i++) {
        e.function = i;
        g_assert_true(x86_cpuid_add(t, &e));
    }
    e.function = 0; /* replaces */
    e.eax = 7;
    g_assert_true(x86_cpuid_add(t, &e));
    g_assert_cmpuint(x86_cpuid_find(t, 0, 99)->eax, ==, 7);
    e.function = X86_CPUID_ENTRIES_MAX;
    g_assert_false(x86_cpuid_add(t, &e));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    g_test_add_func("/cpuid/names", test_names);
    g_test_add_func("/cpuid/models", test_models);
    g_test_add_func("/cpuid/flags", test_flags);
    g_test_add_func("/cpuid/errors", test_errors);
    g_test_add_func("/cpuid/leaves", test_leaves);
    g_test_add_func("/cpuid/without-xsave", test_without_xsave);
    g_test_add_func("/cpuid/topology", test_topology);
    g_test_add_func("/cpuid/state-helpers", test_state_helpers);
    return g_test_run();
}
