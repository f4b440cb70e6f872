/*
 * -m, -smp, -rtc, -global, and option values as text or typed.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/core/options.h"
#include "hw/types.h"
#include "util/error.h"

static json_t *opts(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);

    g_assert_nonnull(j);
    return j;
}

static void smp_ok(const char *text, CpuTopology want)
{
    json_auto_t *o = opts(text);
    CpuTopology t;

    g_assert_true(machine_parse_smp(o, 1, 255, &t, &error_abort));
    g_assert_cmpmem(&t, sizeof(t), &want, sizeof(want));
}

static void smp_bad(const char *text, const char *why)
{
    json_auto_t *o = opts(text);
    CpuTopology t = { 99 };
    Error *err = NULL;

    g_assert_false(machine_parse_smp(o, 1, 255, &t, &err));
    if (!strstr(error_get_pretty(err), why)) {
        g_error("unexpected message: %s", error_get_pretty(err));
    }
    g_assert_cmpuint(t.cpus, ==, 99);
    error_free(err);
}

static void test_smp(void)
{
    smp_ok("{}", (CpuTopology){ 1, 1, 1, 1, 1, 1 });
    smp_ok("{\"cpus\":\"4\"}", (CpuTopology){ 4, 4, 1, 1, 4, 1 });
    smp_ok("{\"cpus\":4,\"sockets\":2}", (CpuTopology){ 4, 4, 2, 1, 2, 1 });
    smp_ok("{\"cpus\":\"8\",\"cores\":\"2\",\"threads\":\"2\"}",
           (CpuTopology){ 8, 8, 2, 1, 2, 2 });
    smp_ok("{\"sockets\":2,\"cores\":3,\"threads\":2}",
           (CpuTopology){ 12, 12, 2, 1, 3, 2 });
    smp_ok("{\"cpus\":2,\"maxcpus\":8}", (CpuTopology){ 2, 8, 1, 1, 8, 1 });
    smp_ok("{\"cpus\":8,\"dies\":2}", (CpuTopology){ 8, 8, 1, 2, 4, 1 });
    smp_bad("{\"cpus\":3,\"cores\":2,\"threads\":2}", "invalid CPU topology");
    smp_bad("{\"cpus\":0}", "must be 1 to");
    smp_bad("{\"cpus\":\"x\"}", "must be a number");
    smp_bad("{\"cpus\":-1}", "must be a number");
    smp_bad("{\"cpus\":256}", "more than the 255");
    smp_bad("{\"cpus\":4,\"maxcpus\":2}", "");
    smp_bad("{\"sockets\":65535,\"cores\":65535,\"threads\":65535}", "");
    smp_bad("{\"clusters\":2}", "clusters");
    smp_bad("{\"foo\":2}", "'foo' is unexpected");
}

static void test_rtc(void)
{
    static const char *const bad[] = {
        "{\"base\":\"tomorrow\"}",
        "{\"base\":\"2020-01-01x\"}",
        "{\"clock\":\"sun\"}",
        "{\"driftfix\":\"x\"}",
        "{\"base\":5}",
        "{\"x\":\"y\"}",
    };
    json_auto_t *date = opts("{\"base\":\"2006-06-17T16:01:21\","
                             "\"clock\":\"vm\",\"driftfix\":\"slew\"}");
    RtcOptions rtc;

    g_assert_true(machine_parse_rtc(NULL, &rtc, &error_abort));
    g_assert_cmpint(rtc.base, ==, RTC_BASE_UTC);
    g_assert_true(rtc.host_clock && !rtc.slew);
    g_assert_true(machine_parse_rtc(date, &rtc, &error_abort));
    g_assert_cmpint(rtc.base, ==, RTC_BASE_DATE);
    g_assert_cmpint(rtc.date_s, ==, 1150560081);
    g_assert_true(!rtc.host_clock && rtc.slew);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        json_auto_t *o = opts(bad[i]);
        Error *err = NULL;
        g_assert_false(machine_parse_rtc(o, &rtc, &err));
        error_free_or_abort(&err);
    }
}

static void test_memory(void)
{
    static const struct {
        const char *text;
        uint64_t bytes; /* 0: refused */
    } cases[] = {
        { "{}", 128ull << 20 },
        { "{\"size\":\"256\"}", 256ull << 20 },
        { "{\"size\":\"1.5G\"}", 1536ull << 20 },
        { "{\"size\":\"4097K\"}", 4100ull << 10 },
        { "{\"size\":134217728}", 128ull << 20 },
        { "{\"size\":\"64M\",\"maxmem\":\"64M\"}", 64ull << 20 },
        { "{\"size\":\"0\"}", 0 },
        { "{\"size\":\"2048G\"}", 0 },
        { "{\"size\":\"12x\"}", 0 },
        { "{\"size\":true}", 0 },
        { "{\"size\":\"64M\",\"maxmem\":\"1G\",\"slots\":\"2\"}", 0 },
        { "{\"sizes\":\"64M\"}", 0 },
    };
    MachineClass *mc = machine_class_find("pc", &error_abort);
    g_autoptr(MachineState) m =
        MACHINE(object_new_with_class(&mc->parent_class));

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        json_auto_t *o = opts(cases[i].text);
        Error *err = NULL;

        if (cases[i].bytes) {
            g_assert_true(machine_parse_memory(m, mc, o, &error_abort));
            g_assert_cmpuint(m->ram_bytes, ==, cases[i].bytes);
        } else {
            g_assert_false(machine_parse_memory(m, mc, o, &err));
            error_free_or_abort(&err);
        }
    }
}

static void test_as_text(void)
{
    json_auto_t *o = opts("{\"a\":5,\"b\":true,\"c\":[false,\"x\"],"
                          "\"d\":{\"e\":-1}}");
    json_auto_t *text = options_as_text(o);
    json_auto_t *want = opts("{\"a\":\"5\",\"b\":\"on\",\"c\":[\"off\",\"x\"],"
                             "\"d\":{\"e\":\"-1\"}}");

    g_assert_true(json_equal(text, want));
}

static void test_machine_classes(void)
{
    Error *err = NULL;
    g_autofree char *help = machine_help();

    g_assert_cmpstr(machine_class_find(NULL, &error_abort)->alias, ==, "pc");
    g_assert_true(machine_class_find("pc", &error_abort) ==
                  machine_class_find("pc-i440fx-7.2", &error_abort));
    g_assert_nonnull(machine_class_find("none", &error_abort));
    g_assert_null(machine_class_find("generic-pc", &err));
    error_free_or_abort(&err);
    g_assert_nonnull(strstr(help, "(alias of pc-i440fx-7.2)"));
    g_assert_nonnull(strstr(help, "(default)"));
}

static void test_globals(void)
{
    g_autoptr(DeviceState) dev = qdev_new("isa-debug-exit");
    Error *err = NULL;

    qdev_global_add("isa-device", "iobase", "0x600");
    qdev_global_add("isa-serial", "iobase", "0x700");
    g_assert_true(qdev_globals_apply(OBJECT(dev), &error_abort));
    g_assert_cmphex(object_property_get_uint(OBJECT(dev), "iobase",
                                             &error_abort),
                    ==, 0x600);
    qdev_global_add("isa-debug-exit", "nosuch", "1");
    g_assert_false(qdev_globals_apply(OBJECT(dev), &err));
    g_assert_true(g_str_has_prefix(error_get_pretty(err),
                                   "-global isa-debug-exit.nosuch=1: "));
    error_free_or_abort(&err);
    qdev_globals_clear();
    g_assert_true(qdev_globals_apply(OBJECT(dev), &error_abort));
}

static void test_device_help(void)
{
    g_autofree char *list = qdev_device_help(NULL, &error_abort);
    g_autofree char *one = qdev_device_help("isa-serial", &error_abort);
    Error *err = NULL;

    g_assert_nonnull(strstr(list, "name \"isa-serial\", bus ISA"));
    g_assert_null(strstr(list, "i8042"));
    g_assert_nonnull(strstr(one, "chardev=<str>"));
    g_assert_nonnull(strstr(one, "baudbase=<uint32>"));
    g_assert_null(qdev_device_help("nosuch", &err));
    error_free_or_abort(&err);
    g_assert_null(qdev_device_help("isa-device", &err)); /* abstract */
    error_free_or_abort(&err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    g_test_add_func("/machine-options/smp", test_smp);
    g_test_add_func("/machine-options/rtc", test_rtc);
    g_test_add_func("/machine-options/memory", test_memory);
    g_test_add_func("/machine-options/as-text", test_as_text);
    g_test_add_func("/machine-options/classes", test_machine_classes);
    g_test_add_func("/machine-options/globals", test_globals);
    g_test_add_func("/machine-options/device-help", test_device_help);
    return g_test_run();
}
