/*
 * SMBIOS tables as dmidecode reads them, and -smbios.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "hw/smbios/smbios.h"
#include "util/bswap.h"
#include "util/error.h"

#define GIB      (1ull << 30)
#define TABLE_AT 32u
#define UUID     "12345678-9abc-def0-1122-334455667788"

static const SmbiosMemory memory[] = { { 0, 3 * GIB }, { 4 * GIB, 37 * GIB } };

static const SmbiosConfig config = {
    .bios_vendor = "Ferry",
    .manufacturer = "Maker",
    .product = "Product X",
    .version = "machine-1",
    .uuid = UUID,
    .processor_version = "machine-1",
    .processor_id = 0x078bfbff00060fb1,
    .sockets = 3,
    .cores = 2,
    .threads = 4,
    .ram_bytes = 40 * GIB,
    .memory = memory,
    .n_memory = 2,
};

static SmbiosTables *build(char *const *options)
{
    g_autoptr(SmbiosOptions) o = smbios_options_parse(options, &error_abort);

    return smbios_build(&config, o, &error_abort);
}

/* What dmidecode says of the tables. */
static char *dmidecode(SmbiosTables *t)
{
    g_autofree char *path = NULL;
    g_autoptr(GByteArray) dump = g_byte_array_new();
    g_autoptr(GError) why = NULL;
    g_autofree char *err = NULL;
    char *out = NULL;
    int fd = g_file_open_tmp("ferry-dmi-XXXXXX", &path, NULL);
    const char *argv[] = { "dmidecode", "--from-dump", path, NULL };
    int status;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    smbios_set_address(t, TABLE_AT);
    g_byte_array_append(dump, t->anchor->data, t->anchor->len);
    g_byte_array_set_size(dump, TABLE_AT);
    g_byte_array_append(dump, t->tables->data, t->tables->len);
    g_file_set_contents(path, (char *)dump->data, dump->len, NULL);
    g_spawn_sync(NULL, (char **)argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_DEFAULT, NULL, NULL, &out, &err,
                 &status, &why);
    g_assert_no_error(why); /* package dmidecode */
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpstr(err, ==, "");
    g_unlink(path);
    return out;
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        g_test_message("%s", text);
        g_error("'%s' is not there", part);
    }
}

static void test_tables(void)
{
    g_autoptr(SmbiosTables) t = build(NULL);
    g_autofree char *text = dmidecode(t);

    expect(text, "SMBIOS 2.8 present");
    expect(text, "Vendor: Ferry");
    expect(text, "Manufacturer: Maker");
    expect(text, "Product Name: Product X");
    expect(text, "UUID: " UUID);
    expect(text, "Socket Designation: CPU 2");
    expect(text, "Core Count: 2");
    expect(text, "Thread Count: 4");
    expect(text, "Maximum Capacity: 40 GB");
    expect(text, "Number Of Devices: 3");
    expect(text, "Size: 16 GB");
    expect(text, "Size: 8 GB");
    expect(text, "Range Size: 3 GB");
    expect(text, "Range Size: 37 GB");
    expect(text, "End Of Table");
    g_assert_null(strstr(text, "BROKEN"));
    g_assert_null(strstr(text, "OUT OF SPEC"));
    g_assert_null(strstr(text, "Base Board")); /* only when asked for */
    g_assert_null(strstr(text, "BAD INDEX"));
}

static void test_options(void)
{
    char *options[] = {
        (char *)"type=0,vendor=V,version=1.2,date=01/02/2023,release=3.4,"
                "uefi=on",
        (char *)"type=1,manufacturer=M,product=P,serial=S,sku=K,family=F",
        (char *)"type=1,uuid=00112233-4455-6677-8899-aabbccddeeff",
        (char *)"type=2,product=Board,location=here",
        (char *)"type=3,asset=tag",
        (char *)"type=4,sock_pfx=SOCK,max-speed=3000,current-speed=2500",
        (char *)"type=11,value=one=1",
        (char *)"type=11,value=two",
        (char *)"type=17,loc_pfx=SLOT,speed=3200,part=ram",
        NULL,
    };
    g_autoptr(SmbiosTables) t = build(options);
    g_autofree char *text = dmidecode(t);

    expect(text, "Vendor: V");
    expect(text, "BIOS Revision: 3.4");
    expect(text, "UEFI is supported");
    expect(text, "Manufacturer: M\n");
    expect(text, "SKU Number: K");
    expect(text, "UUID: 00112233-4455-6677-8899-aabbccddeeff");
    expect(text, "Product Name: Board");
    expect(text, "Location In Chassis: here");
    expect(text, "Asset Tag: tag");
    expect(text, "Max Speed: 3000 MHz");
    expect(text, "String 1: one=1");
    expect(text, "String 2: two");
    expect(text, "Locator: SLOT 2");
    expect(text, "Speed: 3200 MT/s");
}

static void test_bad_options(void)
{
    static const char *const bad[] = {
        "type=5",
        "manufacturer=x",
        "type=1,vendor=x",
        "type=11",
        "type=11,value=",
        "type=17,speed=65536",
        "file=/nonexistent",
        "type=x",
        "type=4,max-speed=fast",
    };
    char *builds[] = { (char *)"type=0,release=1", NULL };
    g_autoptr(SmbiosOptions) o = NULL;
    Error *err = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        char *options[] = { (char *)bad[i], NULL };

        g_test_message("%s", bad[i]);
        g_assert_null(smbios_options_parse(options, &err));
        error_free_or_abort(&err);
    }
    o = smbios_options_parse(builds, &error_abort);
    g_assert_null(smbios_build(&config, o, &err));
    error_free_or_abort(&err);
}

static void test_files(void)
{
    static const char structure[] = "\x03\x05\x00\x03\x00mine\0";
    g_autofree char *path = NULL;
    g_autofree char *option = NULL;
    g_autofree char *text = NULL;
    g_autoptr(SmbiosTables) t = NULL;
    int fd = g_file_open_tmp("ferry-dmi-XXXXXX", &path, NULL);
    char *options[2] = { NULL };
    Error *err = NULL;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    option = options[0] = g_strdup_printf("file=%s", path);
    g_file_set_contents(path, structure, sizeof(structure), NULL);
    t = build(options);
    g_assert_cmpmem(t->tables->data, sizeof(structure), structure,
                    sizeof(structure)); /* and ours of type 3 is left out */
    text = dmidecode(t);
    g_assert_null(strstr(text, "Boot-up State"));
    for (size_t len = 0; len < sizeof(structure); len++) {
        g_file_set_contents(path, structure, (gssize)len, NULL);
        g_assert_null(smbios_options_parse(options, &err));
        error_free_or_abort(&err);
    }
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/smbios/tables", test_tables);
    g_test_add_func("/smbios/options", test_options);
    g_test_add_func("/smbios/bad-options", test_bad_options);
    g_test_add_func("/smbios/files", test_files);
    return g_test_run();
}
