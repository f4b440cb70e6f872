/*
 * Images by name: names and what they mean, formats by content, backing files
 * whose names are hostile, raw images that nobody said to be raw.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "util/error.h"

#include "graph-drivers.h"

typedef struct Fixture {
    char *dir;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
    f->dir = g_dir_make_tmp("open-XXXXXX", NULL);
}

static void teardown(Fixture *f, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(f->dir, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(f->dir, name, NULL);

        g_unlink(path);
    }
    g_rmdir(f->dir);
    g_free(f->dir);
}

/* An image of the test's format, or raw, that begins with @head. */
static char *make(Fixture *f, const char *name, const char *head)
{
    char *path = g_build_filename(f->dir, name, NULL);
    g_autofree char *data = g_malloc0(MEM_BYTES);

    memcpy(data, head, strlen(head));
    g_assert_true(g_file_set_contents(path, data, MEM_BYTES, NULL));
    return path;
}

static BlockNode *open_name(const char *name, const char *format,
                            bool read_only, Error **errp)
{
    g_autoptr(json_t) opts = json_pack("{s:b}", "read-only", read_only);

    return block_open_filename(name, format, opts, false, 0,
                               qemu_get_aio_context(), errp);
}

static void refuse(const char *name, const char *format, const char *why)
{
    Error *err = NULL;

    g_assert_null(open_name(name, format, true, &err));
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), why)) {
        g_error("'%s' is not '%s'", error_get_pretty(err), why);
    }
    error_free(err);
}

static void check_meaning(const char *name, const char *want)
{
    g_autoptr(json_t) is = block_filename_options(name, &error_abort);
    g_autoptr(json_t) should = qobject_from_json(want, &error_abort);

    g_assert_true(json_equal(is, should));
}

static void test_names(Fixture *f, gconstpointer data)
{
    static const char *const resolve[][3] = {
        { "/a/b", "c", "/a/c" },          { "b", "c", "c" },
        { "x/b", "../c", "x/../c" },      { "file:x/b", "c", "x/c" },
        { "/a/b", "/c", "/c" },           { "/a/b", "nbd:h:1", "nbd:h:1" },
        { "/a/b", "json:{}", "json:{}" },
    };
    Error *err = NULL;

    check_meaning("a/b:c", "{\"driver\":\"file\",\"filename\":\"a/b:c\"}");
    check_meaning("file:x", "{\"driver\":\"file\",\"filename\":\"x\"}");
    check_meaning("null-co://", "{\"driver\":\"null-co\"}");
    check_meaning("json:{\"a\":1}", "{\"a\":1}");
    refuse("", NULL, "must be specified");
    refuse("json:[]", NULL, "not followed by an object");
    refuse("json:{", NULL, "JSON");
    refuse("gopher://x", NULL, "Unknown protocol 'gopher'");
    refuse("\xff", NULL, "not UTF-8");
    for (size_t i = 0; i < G_N_ELEMENTS(resolve); i++) {
        g_autofree char *is =
            block_resolve_filename(resolve[i][0], resolve[i][1], &error_abort);

        g_assert_cmpstr(is, ==, resolve[i][2]);
    }
    g_assert_null(block_resolve_filename("nbd://h/x", "c", &err));
    error_free(err);
}

static void test_probe(Fixture *f, gconstpointer data)
{
    g_autofree char *cow = make(f, "cow", COW_MAGIC);
    g_autofree char *other = make(f, "other", "QED");
    BlockNode *node = open_name(cow, NULL, true, &error_abort);

    g_assert_cmpstr(BLOCK_NODE_GET_CLASS(node)->driver, ==, "cow");
    g_assert_true(node->read_only);
    g_assert_true(node_child_of_role(node, NODE_ROLE_PRIMARY)->read_only);
    block_node_unref(node);
    node = open_name(cow, "raw", true, &error_abort);
    g_assert_cmpstr(BLOCK_NODE_GET_CLASS(node)->driver, ==, "raw");
    block_node_unref(node);
    node = open_name(cow, "file", true, &error_abort);
    g_assert_cmpstr(BLOCK_NODE_GET_CLASS(node)->driver, ==, "file");
    block_node_unref(node);
    refuse(other, NULL, "not a raw image");
    refuse(cow, "qcow9", "Unknown driver 'qcow9'");
}

/* A guest does not make another format of an image that was found to be raw. */
static void test_raw_guard(Fixture *f, gconstpointer data)
{
    g_autofree char *path = make(f, "raw", "");
    g_autofree uint8_t *buf = g_malloc0(4096);
    BlockNode *node;
    BlockBackend *blk;

    node = open_name(path, NULL, false, &error_abort);
    blk = backend_on(node, true, false);
    memcpy(buf, COW_MAGIC, 7);
    g_assert_cmpint(blk_pwrite(blk, 0, 4096, buf, 0), ==, -EPERM);
    g_assert_cmpint(blk_pwrite(blk, 512, 512, buf, 0), ==, 0);
    /* Nor in two steps. */
    g_assert_cmpint(blk_pwrite(blk, 0, 4, buf, 0), ==, 0);
    g_assert_cmpint(blk_pwrite(blk, 4, 3, buf + 4, 0), ==, -EPERM);
    blk_unref(blk);
    block_node_unref(node);
    node = open_name(path, "raw", false, &error_abort);
    blk = backend_on(node, true, false);
    g_assert_cmpint(blk_pwrite(blk, 0, 4096, buf, 0), ==, 0);
    blk_unref(blk);
    block_node_unref(node);
}

static void test_backing(Fixture *f, gconstpointer data)
{
    g_autofree char *top = make(f, "top", COW_MAGIC "middle\n");
    g_autofree char *middle = make(f, "middle", COW_MAGIC "base\n");
    g_autofree char *base = make(f, "base", "some bytes");
    BlockNode *node = open_name(top, NULL, true, &error_abort);
    g_autofree char *path = node_backing_path(node);
    BlockNode *below = node_backing(node);

    g_assert_cmpstr(path, ==, middle);
    g_assert_cmpstr(BLOCK_NODE_GET_CLASS(below)->driver, ==, "cow");
    g_assert_cmpuint(below->chain_depth, ==, 1);
    below = node_backing(below);
    g_assert_cmpstr(BLOCK_NODE_GET_CLASS(below)->driver, ==, "raw");
    g_assert_null(node_backing(below));
    g_assert_true(below->read_only);
    block_node_unref(node);
    g_unlink(base);
    refuse(top, NULL, "Could not open backing file: ");
    refuse(top, NULL, "No such file");
}

static void test_loops(Fixture *f, gconstpointer data)
{
    g_autofree char *own = make(f, "own", COW_MAGIC "own\n");
    g_autofree char *a = make(f, "a", COW_MAGIC "b\n");
    g_autofree char *b = make(f, "b", COW_MAGIC "c\n");
    g_autofree char *c = g_build_filename(f->dir, "c", NULL);
    g_autofree char *json =
        make(f, "json",
             COW_MAGIC "json:{\"driver\":\"cow\",\"file\":{\"driver\":"
                       "\"file\"}}\n");
    g_autofree char *scheme = make(f, "scheme", COW_MAGIC "gopher:x\n");

    /* By another name. */
    g_assert_cmpint(symlink("a", c), ==, 0);
    refuse(own, NULL, "loop");
    refuse(a, NULL, "loop");
    refuse(json, NULL, "filename");
    refuse(scheme, NULL, "Unknown protocol");
    g_assert_null(block_node_find("#block000"));
}

static void test_long_chain(Fixture *f, gconstpointer data)
{
    BlockNode *node;

    for (int i = 0; i < NODE_CHAIN_MAX + 1; i++) {
        g_autofree char *name = g_strdup_printf("%d", i);
        g_autofree char *head = g_strdup_printf(COW_MAGIC "%d\n", i + 1);
        g_autofree char *path = make(f, name, i < NODE_CHAIN_MAX ? head : "x");

        g_assert_cmpint(truncate(path, 4096), ==, 0);
    }
    {
        g_autofree char *first = g_build_filename(f->dir, "0", NULL);
        g_autofree char *second = g_build_filename(f->dir, "1", NULL);

        refuse(first, NULL, "longer than 200 images");
        node = open_name(second, NULL, true, &error_abort);
    }
    block_node_unref(node);
    g_assert_null(block_node_find("#block000"));
}

/* @levels times @before, the description of a node, and @behind as often. */
static char *nested(unsigned levels, const char *before, const char *behind)
{
    GString *text = g_string_new("json:");

    for (unsigned i = 0; i < levels; i++) {
        g_string_append(text, before);
    }
    g_string_append(text, "{\"driver\":\"mem\",\"node-name\":\"n\"}");
    for (unsigned i = 0; i < levels; i++) {
        g_string_append(text, behind);
    }
    return g_string_free(text, FALSE);
}

/* The same, each level a name and two ways down. */
static char *meeting(unsigned levels)
{
    GString *text = g_string_new("json:");

    for (unsigned i = levels; i > 0; i--) {
        g_string_append_printf(text,
                               "{\"driver\":\"blkverify\","
                               "\"node-name\":\"n%u\",\"test\":",
                               i);
    }
    g_string_append(text, "{\"driver\":\"mem\",\"node-name\":\"n0\"}");
    for (unsigned i = 0; i < levels; i++) {
        g_string_append_printf(text, ",\"raw\":\"n%u\"}", i);
    }
    return g_string_free(text, FALSE);
}

/* What fits into the name of one backing file: ways that part and meet again
 * would take a walk, or a request, longer than anyone lives. */
static void test_ways(Fixture *f, gconstpointer data)
{
    g_autofree char *hostile = meeting(50);
    g_autofree char *good = meeting(8);

    g_assert_cmpuint(strlen(hostile), <=, NODE_FILENAME_MAX);
    refuse(hostile, NULL, "ways down from node");
    block_node_unref(open_name(good, NULL, true, &error_abort));
    g_assert_null(block_node_find("n0"));
}

static void test_depth(Fixture *f, gconstpointer data)
{
    static const char before[] = "{\"driver\":\"raw\",\"file\":";
    g_autofree char *hostile = nested(401, before, "}");
    g_autofree char *good = nested(100, before, "}");

    refuse(hostile, NULL, "more than 401 nodes above each other");
    block_node_unref(open_name(good, NULL, true, &error_abort));
    g_assert_null(block_node_find("n"));
}

#define ADD(path, func) g_test_add(path, Fixture, NULL, setup, func, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    drivers_register();
    ADD("/open/names", test_names);
    ADD("/open/probe", test_probe);
    ADD("/open/raw-guard", test_raw_guard);
    ADD("/open/backing", test_backing);
    ADD("/open/loops", test_loops);
    ADD("/open/long-chain", test_long_chain);
    ADD("/open/ways", test_ways);
    ADD("/open/depth", test_depth);
    return g_test_run();
}
