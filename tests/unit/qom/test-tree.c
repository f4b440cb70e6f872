/*
 * The tree: parents, paths, search, links by hand, use from many threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/object.h"
#include "qom/types.h"
#include "util/error.h"

#define TYPE_LEAF "test-leaf"

typedef struct Leaf {
    Object parent_obj;
    Object *weak;
    Object *strong;
} Leaf;

OBJECT_DECLARE_SIMPLE_TYPE(Leaf, LEAF)

static int unparented;

static void leaf_unparent(Object *obj)
{
    /* Still in its place while this runs. */
    g_assert_nonnull(object_get_canonical_path_component(obj));
    __atomic_fetch_add(&unparented, 1, __ATOMIC_RELAXED);
}

static void leaf_class_init(ObjectClass *klass, void *data)
{
    klass->unparent = leaf_unparent;
    object_class_property_add_link(klass, "strong", TYPE_LEAF,
                                   offsetof(Leaf, strong),
                                   object_property_allow_set_link,
                                   OBJ_PROP_LINK_STRONG);
}

static const TypeInfo leaf_info = {
    .name = TYPE_LEAF,
    .parent = TYPE_OBJECT,
    .instance_size = sizeof(Leaf),
    .class_init = leaf_class_init,
};

/* A new leaf at @path/@name; borrowed from the tree. */
static Leaf *plant(const char *path, const char *name)
{
    g_autoptr(Leaf) leaf = LEAF(object_new(TYPE_LEAF));

    object_property_add_child(container_get(object_get_root(), path), name,
                              OBJECT(leaf));
    return leaf;
}

static void test_paths(void)
{
    Leaf *leaf = plant("/a/b", "c");
    g_autofree char *path = object_get_canonical_path(OBJECT(leaf));
    g_autofree char *root = object_get_canonical_path(object_get_root());
    g_autoptr(Object) loose = object_new(TYPE_LEAF);

    g_assert_cmpstr(path, ==, "/a/b/c");
    g_assert_cmpstr(root, ==, "/");
    g_assert_cmpstr(object_get_canonical_path_component(OBJECT(leaf)), ==, "c");
    g_assert_null(object_get_canonical_path(loose));
    g_assert_null(object_get_canonical_path_component(loose));

    g_assert_true(object_resolve_path("/a/b/c", NULL) == OBJECT(leaf));
    g_assert_true(object_resolve_path("/a//b/c/", NULL) == OBJECT(leaf));
    g_assert_true(object_resolve_path("/", NULL) == object_get_root());
    g_assert_null(object_resolve_path("/a/b/d", NULL));
    g_assert_null(object_resolve_path("/a/b/c/d", NULL));
    g_assert_true(object_resolve_path_at(container_get(object_get_root(), "/a"),
                                         "b/c") == OBJECT(leaf));
    g_assert_true(object_resolve_path_at(OBJECT(leaf), "/a/b") ==
                  container_get(object_get_root(), "/a/b"));
    /* container_get() finds what is there. */
    g_assert_true(container_get(object_get_root(), "/a/b") ==
                  object_resolve_path("/a/b", NULL));
    object_unparent(object_resolve_path("/a", NULL));
    g_assert_null(object_resolve_path("/a/b/c", NULL));
}

static void test_partial(void)
{
    Leaf *one = plant("/p/x", "leaf");
    bool ambiguous = true;

    g_assert_true(object_resolve_path("leaf", &ambiguous) == OBJECT(one));
    g_assert_false(ambiguous);
    g_assert_true(object_resolve_path("x/leaf", NULL) == OBJECT(one));
    Leaf *two = plant("/p/y", "leaf");
    g_assert_null(object_resolve_path("leaf", &ambiguous));
    g_assert_true(ambiguous);
    g_assert_true(object_resolve_path("y/leaf", &ambiguous) == OBJECT(two));
    g_assert_false(ambiguous);
    g_assert_null(object_resolve_path("z/leaf", &ambiguous));
    g_assert_false(ambiguous);
    g_assert_null(object_resolve_path("", &ambiguous));

    /* By type: the container of the same name does not count. */
    container_get(object_get_root(), "/p/z/leaf");
    object_unparent(OBJECT(two));
    g_assert_null(object_resolve_path("leaf", &ambiguous));
    g_assert_true(ambiguous);
    g_assert_true(object_resolve_path_type("leaf", TYPE_LEAF, &ambiguous) ==
                  OBJECT(one));
    g_assert_false(ambiguous);
    g_autoptr(Object) ref =
        object_resolve_path_type_ref("leaf", TYPE_LEAF, NULL);
    g_assert_cmpuint(ref->ref, ==, 2);
    object_unparent(object_resolve_path("/p", NULL));
}

static void test_unparent(void)
{
    Leaf *leaf = plant("/u", "l");

    unparented = 0;
    object_ref(leaf);
    object_unparent(OBJECT(leaf));
    g_assert_cmpint(unparented, ==, 1);
    object_unparent(OBJECT(leaf)); /* once more does nothing */
    g_assert_cmpint(unparented, ==, 1);
    g_assert_cmpuint(OBJECT(leaf)->ref, ==, 1);
    object_unref(leaf);

    plant("/u", "l");
    Error *err = NULL;
    g_autoptr(Object) second = object_new(TYPE_LEAF);
    g_assert_null(object_property_try_add_child(
        container_get(object_get_root(), "/u"), "l", second, &err));
    error_free_or_abort(&err);
    g_assert_cmpuint(second->ref, ==, 1);
    object_unparent(object_resolve_path("/u", NULL));
    g_assert_cmpint(unparented, ==, 2);
}

static void refuse(const Object *obj, const char *name, Object *val,
                   Error **errp)
{
    error_setg(errp, "no");
}

static void test_links(void)
{
    Leaf *a = plant("/l", "a");
    Leaf *b = plant("/l", "b");
    Error *err = NULL;

    object_property_add_link(OBJECT(a), "weak", TYPE_LEAF, &a->weak,
                             object_property_allow_set_link, 0);
    object_property_add_link(OBJECT(a), "fixed", TYPE_LEAF, &b->weak, NULL, 0);
    object_property_add_link(OBJECT(a), "refused", TYPE_LEAF, &b->weak, refuse,
                             0);
    object_property_add_const_link(OBJECT(a), "const", OBJECT(b));

    g_assert_true(
        object_property_set_str(OBJECT(a), "weak", "/l/b", &error_abort));
    g_assert_true(a->weak == OBJECT(b));
    g_assert_cmpuint(OBJECT(b)->ref, ==, 1);
    g_assert_true(
        object_property_set_link(OBJECT(a), "strong", OBJECT(b), &error_abort));
    g_assert_cmpuint(OBJECT(b)->ref, ==, 2);
    g_assert_true(
        object_property_set_str(OBJECT(a), "strong", "", &error_abort));
    g_assert_cmpuint(OBJECT(b)->ref, ==, 1);

    g_assert_false(object_property_set_str(OBJECT(a), "fixed", "/l/b", &err));
    error_free_or_abort(&err);
    g_assert_false(
        object_property_set_link(OBJECT(a), "refused", OBJECT(b), &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "no");
    error_free_or_abort(&err);
    g_assert_null(b->weak);
    g_assert_true(object_resolve_path("/l/a/const/weak", NULL) == NULL);
    g_assert_true(object_property_get_link(OBJECT(a), "const", &error_abort) ==
                  OBJECT(b));
    g_assert_null(object_property_get_link(OBJECT(a), "type", &err));
    error_free_or_abort(&err);

    /* The end of a releases what its strong links hold. */
    object_property_set_link(OBJECT(a), "strong", OBJECT(b), &error_abort);
    object_unparent(OBJECT(a));
    g_assert_cmpuint(OBJECT(b)->ref, ==, 1);
    object_unparent(object_resolve_path("/l", NULL));
}

static int count_children(Object *child, void *opaque)
{
    return ++*(int *)opaque == 3 ? 42 : 0;
}

static int remove_child(Object *child, void *opaque)
{
    object_unparent(child);
    return 0;
}

static void test_foreach(void)
{
    int n = 0;

    plant("/f", "one");
    plant("/f", "two");
    plant("/f/sub", "three");
    Object *f = container_get(object_get_root(), "/f");
    /* one, two, sub */
    g_assert_cmpint(object_child_foreach(f, count_children, &n), ==, 42);
    n = -10;
    g_assert_cmpint(object_child_foreach_recursive(f, count_children, &n), ==,
                    0);
    g_assert_cmpint(n, ==, -6);
    object_child_foreach(f, remove_child, NULL);
    n = 0;
    object_child_foreach(f, count_children, &n);
    g_assert_cmpint(n, ==, 0);
    object_unparent(f);
}

#define TREE_THREADS 4
#define TREE_ROUNDS  400

/* Plants and removes its own leaf; looks up everybody's meanwhile. */
static gpointer tree_thread(gpointer opaque)
{
    int me = GPOINTER_TO_INT(opaque);
    g_autofree char *name = g_strdup_printf("t%d", me);

    for (int i = 0; i < TREE_ROUNDS; i++) {
        g_autoptr(Object) leaf = object_new(TYPE_LEAF);

        object_property_add_child(container_get(object_get_root(), "/threads"),
                                  name, leaf);
        for (int t = 0; t < TREE_THREADS; t++) {
            g_autofree char *other = g_strdup_printf("t%d", t);
            g_autoptr(Object) found =
                object_resolve_path_type_ref(other, TYPE_LEAF, NULL);

            g_assert_true(t != me || found == leaf);
            if (found) {
                g_autofree char *path = object_get_canonical_path(found);

                g_assert_true(!path || g_str_has_suffix(path, other));
            }
        }
        object_unparent(leaf);
    }
    return NULL;
}

static void test_threads(void)
{
    GThread *threads[TREE_THREADS];

    for (int i = 0; i < TREE_THREADS; i++) {
        threads[i] = g_thread_new("tree", tree_thread, GINT_TO_POINTER(i));
    }
    for (int i = 0; i < TREE_THREADS; i++) {
        g_thread_join(threads[i]);
    }
    object_unparent(object_resolve_path("/threads", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qom_register_types();
    type_register_static(&leaf_info);
    g_test_add_func("/qom/tree/paths", test_paths);
    g_test_add_func("/qom/tree/partial", test_partial);
    g_test_add_func("/qom/tree/unparent", test_unparent);
    g_test_add_func("/qom/tree/links", test_links);
    g_test_add_func("/qom/tree/foreach", test_foreach);
    g_test_add_func("/qom/tree/threads", test_threads);
    return g_test_run();
}
