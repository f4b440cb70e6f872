/*
 * AML against bytes from the specification, and the PC's tables as ACPICA
 * reads them.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "hw/acpi/acpi-pm.h"
#include "hw/acpi/aml.h"
#include "hw/acpi/tables.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/main-loop.h"

#define TABLES_AT 0x7ff0000u
#define RSDP_AT   0xf0000u

static void check_code(Aml *a, const void *expect, size_t len)
{
    g_autoptr(GBytes) code = aml_bytes(a);
    gsize n;
    const void *p = g_bytes_get_data(code, &n);

    g_assert_cmpmem(p, n, expect, len);
}

#define CHECK(a, text) check_code(a, text, sizeof(text) - 1)

static void test_values(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_int(a, 0);
    aml_int(a, 1);
    aml_int(a, 0xff);
    aml_int(a, 0x100);
    aml_int(a, 0x12345678);
    aml_int(a, 0x123456789a);
    aml_string(a, "x");
    aml_eisaid(a, "PNP0A03");
    CHECK(a, "\x00\x01\x0a\xff\x0b\x00\x01\x0c\x78\x56\x34\x12"
             "\x0e\x9a\x78\x56\x34\x12\x00\x00\x00\x0dx\x00"
             "\x0c\x41\xd0\x0a\x03");
}

static void test_names(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_path(a, "A");
    aml_path(a, "\\_SB.PCI0");
    aml_path(a, "^^A.B.C");
    aml_path(a, "\\");
    CHECK(a, "A___"
             "\\\x2e_SB_PCI0"
             "^^\x2f\x03"
             "A___B___C___"
             "\\\x00");
}

static void test_terms(void)
{
    g_autoptr(Aml) a = aml_new();

    aml_device(a, "DEV0");
    aml_method(a, "M", 2, true);
    aml_if(a);
    aml_and(a);
    aml_arg(a, 1);
    aml_int(a, 0x80);
    aml_no_target(a);
    aml_return(a);
    aml_local(a, 2);
    aml_end(a);
    aml_end(a);
    aml_end(a);
    CHECK(a, "\x5b\x82\x15"
             "DEV0"
             "\x14\x0f"
             "M___\x0a"
             "\xa0\x08\x7b\x69\x0a\x80\x00"
             "\xa4\x62");
}

/* The length of a term takes one to three bytes, and counts them. */
static void test_lengths(void)
{
    static const struct {
        unsigned data;
        const char *head;
        size_t len;
    } cases[] = {
        { 60, "\x11\x3f\x0a\x3c", 4 },
        { 61, "\x11\x41\x04\x0a\x3d", 5 },
        { 4090, "\x11\x4f\xff\x0b\xfa\x0f", 6 },
        { 4091, "\x11\x81\x00\x01\x0b\xfb\x0f", 7 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Aml) a = aml_new();
        g_autofree uint8_t *data = g_malloc0(cases[i].data);
        g_autoptr(GBytes) code = NULL;
        const uint8_t *p;

        aml_buffer(a, data, cases[i].data);
        code = aml_bytes(a);
        p = g_bytes_get_data(code, NULL);
        g_assert_cmpmem(p, cases[i].len, cases[i].head, cases[i].len);
    }
}

static void test_resources(void)
{
    static const uint32_t gsi[] = { 5, 10 };
    g_autoptr(Aml) a = aml_new();
    AmlResources *r = aml_resources_new();

    aml_res_io(r, 0x3f8, 8);
    aml_res_irq(r, 1u << 4);
    aml_res_interrupt(r, gsi, 2);
    aml_res_bus_window(r, 0, 0xff);
    aml_resources(a, r);
    CHECK(a, "\x11\x2e\x0a\x2b"
             "\x47\x01\xf8\x03\xf8\x03\x01\x08"
             "\x23\x10\x00\x01"
             "\x89\x0a\x00\x09\x02\x05\x00\x00\x00\x0a\x00\x00\x00"
             "\x88\x0d\x00\x02\x0c\x00\x00\x00\x00\x00\xff\x00\x00\x00\x00\x01"
             "\x79\xbc");
}

/* -- tables -------------------------------------------------------------------------- */

static uint8_t sum_of(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;

    while (len--) {
        sum += *p++;
    }
    return sum;
}

static uint64_t place(void *opaque, const char *file, uint32_t len,
                      uint32_t align, BiosLinkerZone zone)
{
    g_assert_cmpuint(align & (align - 1), ==, 0);
    return zone == BIOS_LINKER_FSEG ? RSDP_AT : TABLES_AT;
}

static AcpiTables *build(unsigned cpus)
{
    g_autofree uint32_t *ids = g_new(uint32_t, cpus);
    AcpiConfig c = {
        .dsdt = { .cpus = cpus,
                  .pm_base = 0x600,
                  .mem32_first = 0xc0000000,
                  .mem32_last = 0xfebfffff,
                  .mem64_first = 0x100000000,
                  .mem64_last = 0x80ffffffff,
                  .hpet = true,
                  .i8042 = true,
                  .fw_cfg = true,
                  .n_ports = 3,
                  .port = { { false, 1, 0x3f8, 4 },
                            { false, 2, 0x2f8, 3 },
                            { true, 1, 0x378, 7 } } },
        .apic_ids = ids,
    };

    for (unsigned i = 0; i < cpus; i++) {
        ids[i] = cpus > 200 ? 2 * i : i;
    }
    return acpi_tables_build(&c);
}

static const uint8_t *table_at(const AcpiTables *t, uint64_t addr)
{
    g_assert_cmphex(addr, >=, TABLES_AT);
    g_assert_cmphex(addr, <, TABLES_AT + t->tables->len);
    return t->tables->data + (addr - TABLES_AT);
}

/* ACPICA takes it apart without complaint; what it makes of it compiles. */
static void check_iasl(const char *dir, const char *name, const uint8_t *p,
                       uint32_t len)
{
    g_autofree char *aml = g_strdup_printf("%s/%s.aml", dir, name);
    g_autofree char *dsl = g_strdup_printf("%s/%s.dsl", dir, name);
    const char *take_apart[] = { "iasl", "-d", aml, NULL };
    const char *compile[] = { "iasl", "-vs", "-we", dsl, NULL };
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_autofree char *out2 = NULL;
    g_autofree char *err2 = NULL;
    g_autoptr(GError) why = NULL;
    int status;

    g_assert_true(g_file_set_contents(aml, (const char *)p, len, NULL));
    g_spawn_sync(dir, (char **)take_apart, NULL, G_SPAWN_SEARCH_PATH, NULL,
                 NULL, &out, &err, &status, &why);
    g_assert_no_error(why); /* package acpica-tools */
    g_test_message("%s%s", out, err);
    g_assert_cmpint(status, ==, 0);
    g_assert_null(strstr(err, "rror"));
    g_assert_null(strstr(err, "arning"));
    if (g_str_equal(name, "DSDT")) {
        g_spawn_sync(dir, (char **)compile, NULL, G_SPAWN_SEARCH_PATH, NULL,
                     NULL, &out2, &err2, &status, &why);
        g_assert_no_error(why);
        g_test_message("%s%s", out2, err2);
        g_assert_nonnull(strstr(out2, " 0 Errors, 0 Warnings"));
    }
    g_unlink(aml);
    g_unlink(dsl);
}

static void check_table(const AcpiTables *t, const char *dir, uint64_t addr)
{
    const uint8_t *p = table_at(t, addr);
    uint32_t len = (uint32_t)ldl_le_p(p + 4);
    g_autofree char *name = g_strndup((const char *)p, 4);

    g_assert_cmpuint(sum_of(p, len), ==, 0);
    check_iasl(dir, name, p, len);
    if (g_str_equal(name, "FACP")) {
        g_assert_cmphex(ldl_le_p(p + 40), ==, ldq_le_p(p + 140));
        g_assert_cmphex((uint32_t)ldl_le_p(p + 36) % 64, ==, 0);
        g_assert_cmpmem(table_at(t, (uint32_t)ldl_le_p(p + 36)), 4, "FACS", 4);
        check_table(t, dir, (uint32_t)ldl_le_p(p + 40));
    }
}

static void remove_dir(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(path);
}

static void test_tables(gconstpointer data)
{
    g_autoptr(AcpiTables) t = build(GPOINTER_TO_UINT(data));
    g_autofree char *dir = g_dir_make_tmp("ferry-acpi-XXXXXX", NULL);
    const uint8_t *rsdp, *rsdt, *xsdt;
    unsigned n;

    bios_linker_run(t->linker, place, NULL);
    rsdp = t->rsdp->data;
    g_assert_cmpmem(rsdp, 8, "RSD PTR ", 8);
    g_assert_cmpuint(sum_of(rsdp, 20), ==, 0);
    g_assert_cmpuint(sum_of(rsdp, 36), ==, 0);
    rsdt = table_at(t, (uint32_t)ldl_le_p(rsdp + 16));
    xsdt = table_at(t, ldq_le_p(rsdp + 24));
    g_assert_cmpmem(rsdt, 4, "RSDT", 4);
    g_assert_cmpmem(xsdt, 4, "XSDT", 4);
    g_assert_cmpuint(sum_of(rsdt, (uint32_t)ldl_le_p(rsdt + 4)), ==, 0);
    g_assert_cmpuint(sum_of(xsdt, (uint32_t)ldl_le_p(xsdt + 4)), ==, 0);
    n = ((uint32_t)ldl_le_p(rsdt + 4) - 36) / 4;
    g_assert_cmpuint(n, ==, 4); /* FACP, APIC, HPET, WAET */
    for (unsigned i = 0; i < n; i++) {
        uint32_t addr = (uint32_t)ldl_le_p(rsdt + 36 + 4 * i);

        g_assert_cmphex(ldq_le_p(xsdt + 36 + 8 * i), ==, addr);
        check_table(t, dir, addr);
    }
    remove_dir(dir);
}

/* The script does to the files what we do. */
static void test_script(void)
{
    g_autoptr(AcpiTables) t = build(1);
    g_autoptr(GBytes) script = bios_linker_script(t->linker);
    gsize len;
    const uint8_t *p = g_bytes_get_data(script, &len);
    bool sums = false;

    g_assert_cmpuint(len % 128, ==, 0);
    g_assert_cmpuint(ldl_le_p(p), ==, 1);
    g_assert_cmpstr((const char *)p + 4, ==, ACPI_RSDP_FILE);
    g_assert_cmpuint(ldl_le_p(p + 60), ==, 16);
    g_assert_cmpuint(p[64], ==, BIOS_LINKER_FSEG);
    g_assert_cmpstr((const char *)p + 128 + 4, ==, ACPI_TABLES_FILE);
    for (gsize at = 256; at < len; at += 128) {
        uint32_t command = (uint32_t)ldl_le_p(p + at);

        g_assert_true(command == 2 || command == 3);
        g_assert_false(sums && command == 2); /* checksums come last */
        sums |= command == 3;
    }
    g_assert_true(sums);
}

/* -- registers ---------------------------------------------------------------------------- */

static int sci;
static unsigned offs;

static void on_sci(void *opaque, int n, int level)
{
    sci = level;
}

static void on_soft_off(void *opaque)
{
    offs++;
}

static void test_pm(void)
{
    AcpiPM pm;
    qemu_irq irq = qemu_allocate_irq(on_sci, NULL, 0);

    acpi_pm_init(&pm, irq, on_soft_off, NULL);
    acpi_pm_reset(&pm);
    acpi_pm_write(&pm, 2, ACPI_PM1_PWRBTN | ACPI_PM1_GBL, 2);
    acpi_pm_power_button(&pm);
    g_assert_cmpint(sci, ==, 0); /* not in ACPI mode yet */
    acpi_pm_set_enabled(&pm, true);
    g_assert_cmpint(sci, ==, 1);
    g_assert_cmphex(acpi_pm_read(&pm, 4, 2), ==, ACPI_PM1_SCI_EN);
    g_assert_cmphex(acpi_pm_read(&pm, 0, 4), ==,
                    ACPI_PM1_PWRBTN | (ACPI_PM1_PWRBTN | ACPI_PM1_GBL) << 16);
    acpi_pm_write(&pm, 0, 0, 1);
    acpi_pm_write(&pm, 0, 0xff, 1); /* the other byte */
    g_assert_cmpint(sci, ==, 1);
    acpi_pm_write(&pm, 1, ACPI_PM1_PWRBTN >> 8, 1);
    g_assert_cmpint(sci, ==, 0);
    acpi_pm_write(&pm, 4, 1u << 10 | ACPI_PM1_SLP_EN, 2); /* another type */
    g_assert_cmpuint(offs, ==, 0);
    acpi_pm_write(&pm, 4, ACPI_PM1_SLP_EN, 2);
    g_assert_cmpuint(offs, ==, 1);
    g_assert_cmphex(acpi_pm_read(&pm, 4, 2) & ACPI_PM1_SLP_EN, ==, 0);
    acpi_pm_write(&pm, 5, ACPI_PM1_SLP_EN >> 8, 1); /* by its byte */
    g_assert_cmpuint(offs, ==, 2);
    for (unsigned i = 0; i < 8; i++) {
        acpi_pm_gpe_write(&pm, i, 0xff);
        acpi_pm_gpe_read(&pm, i);
    }
    g_assert_cmphex(acpi_pm_gpe_read(&pm, 2), ==, 0xff);
    acpi_pm_deinit(&pm);
    qemu_free_irq(irq);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    g_test_add_func("/aml/values", test_values);
    g_test_add_func("/aml/names", test_names);
    g_test_add_func("/aml/terms", test_terms);
    g_test_add_func("/aml/lengths", test_lengths);
    g_test_add_func("/aml/resources", test_resources);
    g_test_add_data_func("/acpi/tables/1", GUINT_TO_POINTER(1), test_tables);
    g_test_add_data_func("/acpi/tables/255", GUINT_TO_POINTER(255),
                         test_tables);
    g_test_add_func("/acpi/script", test_script);
    g_test_add_func("/acpi/pm", test_pm);
    return g_test_run();
}
