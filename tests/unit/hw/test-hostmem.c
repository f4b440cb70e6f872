/*
 * Memory backends.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>
#include <sys/mman.h>

#include "hw/hostmem.h"
#include "hw/mem/hostmem-internal.h"
#include "hw/types.h"
#include "qom/object_interfaces.h"
#include "util/error.h"

#define MIB (1u << 20)

static HostMemoryBackend *make(const char *text, Error **errp)
{
    if (!user_creatable_add_from_str(text, errp)) {
        return NULL;
    }
    return MEMORY_BACKEND(
        object_resolve_path_component(object_get_objects_root(), "m"));
}

static void del(void)
{
    g_assert_true(user_creatable_del("m", &error_abort));
}

static unsigned resident_pages(HostMemoryBackend *b)
{
    size_t pages = host_memory_backend_get_size(b) / 4096;
    g_autofree unsigned char *vec = g_malloc(pages);
    unsigned n = 0;

    g_assert_cmpint(mincore(host_memory_backend_get_ptr(b),
                            host_memory_backend_get_size(b), vec),
                    ==, 0);
    for (size_t i = 0; i < pages; i++) {
        n += vec[i] & 1;
    }
    return n;
}

static void test_ram(void)
{
    HostMemoryBackend *b =
        make("memory-backend-ram,id=m,size=4M", &error_abort);
    uint8_t *p = host_memory_backend_get_ptr(b);
    g_autofree char *name = host_memory_backend_get_name(b);

    g_assert_cmpuint(host_memory_backend_get_size(b), ==, 4 * MIB);
    g_assert_cmpint(host_memory_backend_get_fd(b), ==, -1);
    g_assert_cmpuint((uintptr_t)p % (2 * MIB), ==, 0);
    g_assert_cmpuint(resident_pages(b), ==, 0);
    p[0] = 1;
    p[4 * MIB - 1] = 2;
    g_assert_cmpstr(name, ==, "m");
    del();
}

static void test_prealloc(void)
{
    HostMemoryBackend *b =
        make("memory-backend-ram,id=m,size=8M,prealloc=on,prealloc-threads=3",
             &error_abort);

    g_assert_cmpuint(resident_pages(b), ==, 8 * MIB / 4096);
    del();
}

/* Memory behind the end of a file: an error, not a signal. */
static void test_prealloc_fails(void)
{
    AUTO_FD fd = memfd_create("short", MFD_CLOEXEC);
    uint8_t *p;
    Error *err = NULL;

    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    p = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(p != MAP_FAILED);
    g_assert_false(hostmem_prealloc(p, 2 * MIB, 4096, true, 2, &err));
    error_free_or_abort(&err);
    g_assert_false(hostmem_prealloc(p, 2 * MIB, 4096, false, 1, &err));
    error_free_or_abort(&err);
    g_assert_true(hostmem_prealloc(p, 4096, 4096, true, 4, &error_abort));
    munmap(p, 2 * MIB);
}

static void test_memfd(void)
{
    HostMemoryBackend *b =
        make("memory-backend-memfd,id=m,size=2M", &error_abort);
    uint8_t *p = host_memory_backend_get_ptr(b);
    int fd = host_memory_backend_get_fd(b);
    uint8_t byte = 0;

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(object_property_get_bool(OBJECT(b), "share", &error_abort));
    p[5] = 77;
    g_assert_cmpint(pread(fd, &byte, 1, 5), ==, 1);
    g_assert_cmpint(byte, ==, 77);
    g_assert_cmpint(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK, !=, 0);
    g_assert_cmpint(ftruncate(fd, 0), <, 0);
    del();
}

static void test_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("ferry-mem-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "ram", NULL);
    g_autofree char *opt = g_strdup_printf(
        "memory-backend-file,id=m,size=2M,share=on,mem-path=%s", path);
    g_autofree char *more = g_strdup_printf("%s,readonly=on,prealloc=on", opt);
    g_autofree char *big =
        g_strdup_printf("memory-backend-file,id=m,size=4M,mem-path=%s", path);
    g_autofree char *nameless =
        g_strdup_printf("memory-backend-file,id=m,size=2M,mem-path=%s", dir);
    g_autofree char *data = NULL;
    HostMemoryBackend *b;
    Error *err = NULL;
    gsize len;

    b = make(opt, &error_abort);
    memcpy(host_memory_backend_get_ptr(b), "kept", 5);
    del();
    g_assert_true(g_file_get_contents(path, &data, &len, NULL));
    g_assert_cmpuint(len, ==, 2 * MIB);
    g_assert_cmpstr(data, ==, "kept");
    b = make(more, &error_abort);
    g_assert_cmpstr(host_memory_backend_get_ptr(b), ==, "kept");
    del();
    g_assert_null(make(big, &err)); /* the file is shorter */
    g_assert_nonnull(strstr(error_get_pretty(err), "less than size"));
    error_free_or_abort(&err);
    make(nameless, &error_abort);
    del();
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0); /* nothing was left in it */
}

static void test_errors(void)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "memory-backend-ram,id=m", "size" },
        { "memory-backend-ram,id=m,size=0", "size" },
        { "memory-backend-ram,id=m,size=5000", "multiple of the page size" },
        { "memory-backend-ram,id=m,size=16E", "" },
        { "memory-backend-ram,id=m,size=4M,prealloc=on,reserve=off",
          "incompatible" },
        { "memory-backend-ram,id=m,size=4M,policy=bind", "host-nodes" },
        { "memory-backend-ram,id=m,size=4M,host-nodes=0", "host-nodes" },
        { "memory-backend-ram,id=m,size=4M,policy=bind,host-nodes=5000",
          "not a range of nodes" },
        { "memory-backend-ram,id=m,size=4M,policy=bind,host-nodes=x",
          "host-nodes" },
        { "memory-backend-ram,id=m,size=4M,policy=none", "policy" },
        { "memory-backend-memfd,id=m,size=4M,hugetlbsize=2M", "hugetlb" },
        { "memory-backend-memfd,id=m,size=4M,hugetlb=on,hugetlbsize=3M",
          "power of two" },
        { "memory-backend-file,id=m,size=4M", "mem-path" },
        { "memory-backend-file,id=m,size=4M,mem-path=/nonexistent/x",
          "could not open" },
        { "memory-backend-file,id=m,size=4M,mem-path=/tmp,pmem=on", "pmem" },
        { "memory-backend-file,id=m,size=4M,mem-path=/tmp,align=3000",
          "power of two" },
        { "memory-backend-ram,id=m,size=4M,prealloc-threads=0", "" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Error *err = NULL;

        if (make(cases[i].text, &err)) {
            g_error("'%s' was accepted", cases[i].text);
        }
        if (!strstr(error_get_pretty(err), cases[i].why)) {
            g_error("'%s': unexpected message: %s", cases[i].text,
                    error_get_pretty(err));
        }
        error_free(err);
    }
}

static void test_policy(void)
{
    HostMemoryBackend *b = make("memory-backend-ram,id=m,size=4M,"
                                "policy=preferred,host-nodes.0=0",
                                &error_abort);
    g_autoptr(GPtrArray) list = memdev_list();
    const MemdevInfo *info = g_ptr_array_index(list, 0);

    g_assert_nonnull(b);
    g_assert_cmpuint(list->len, ==, 1);
    g_assert_cmpstr(info->id, ==, "m");
    g_assert_cmpint(info->policy, ==, HOSTMEM_PREFERRED);
    g_assert_cmpuint(info->host_nodes->len, ==, 1);
    del();
}

static void test_nodes(void)
{
    g_autoptr(Object) obj = object_new(TYPE_MEMORY_BACKEND_RAM);
    json_auto_t *j = json_pack("[i,i,i]", 7, 0, 2);
    json_auto_t *text = json_pack("{s:s}", "host-nodes", "2-4");
    json_auto_t *bad = json_pack("[i]", 2000);
    json_auto_t *got = NULL;
    json_auto_t *want = json_pack("[i,i,i]", 0, 2, 7);
    json_auto_t *want_range = json_pack("[i,i,i]", 2, 3, 4);
    Error *err = NULL;

    g_assert_true(
        object_property_set_qobject(obj, "host-nodes", j, &error_abort));
    g_assert_false(object_property_set_qobject(obj, "host-nodes", bad, &err));
    error_free_or_abort(&err);
    got = object_property_get_qobject(obj, "host-nodes", &error_abort);
    g_assert_true(json_equal(got, want));
    g_assert_true(object_set_properties_from_keyval(obj, text, &error_abort));
    json_decref(got);
    got = object_property_get_qobject(obj, "host-nodes", &error_abort);
    g_assert_true(json_equal(got, want_range));
}

static void test_mapped(void)
{
    HostMemoryBackend *b =
        make("memory-backend-ram,id=m,size=4M", &error_abort);
    Error *err = NULL;

    host_memory_backend_set_mapped(b, true);
    g_assert_false(user_creatable_del("m", &err));
    error_free_or_abort(&err);
    host_memory_backend_set_mapped(b, false);
    del();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hw_register_types();
    g_test_add_func("/hostmem/ram", test_ram);
    g_test_add_func("/hostmem/prealloc", test_prealloc);
    g_test_add_func("/hostmem/prealloc-fails", test_prealloc_fails);
    g_test_add_func("/hostmem/memfd", test_memfd);
    g_test_add_func("/hostmem/file", test_file);
    g_test_add_func("/hostmem/errors", test_errors);
    g_test_add_func("/hostmem/policy", test_policy);
    g_test_add_func("/hostmem/nodes", test_nodes);
    g_test_add_func("/hostmem/mapped", test_mapped);
    return g_test_run();
}
