/*
 * Types, classes, casts, order of birth and death, references from many
 * threads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qom/object.h"
#include "qom/types.h"
#include "util/error.h"

#define TYPE_ANIMAL "test-animal"
#define TYPE_DOG    "test-dog"
#define TYPE_PUPPY  "test-puppy"
#define TYPE_BARKER "test-barker"
#define TYPE_WIDE   "test-wide"

typedef struct Animal {
    Object parent_obj;
    int legs;
} Animal;

typedef struct AnimalClass {
    ObjectClass parent_class;
    const char *sound;
} AnimalClass;

typedef struct Barker Barker;
typedef struct BarkerClass {
    InterfaceClass parent_class;
    const char *(*bark)(Barker *b);
} BarkerClass;

typedef struct Wide {
    Object parent_obj;
    QEMU_ALIGNED(128) uint8_t cache_line[128];
} Wide;

DECLARE_OBJ_CHECKERS(Animal, AnimalClass, ANIMAL, TYPE_ANIMAL)
DECLARE_CLASS_CHECKERS(BarkerClass, BARKER, TYPE_BARKER)
#define BARKER(obj) INTERFACE_CHECK(Barker, (obj), TYPE_BARKER)

static GString *story; /* what ran, in order */

static void animal_init(Object *obj)
{
    ANIMAL(obj)->legs = 4;
    g_string_append(story, "animal+ ");
}

static void animal_post_init(Object *obj)
{
    g_string_append(story, "animal* ");
}

static void animal_finalize(Object *obj)
{
    g_string_append(story, "animal- ");
}

static void animal_class_init(ObjectClass *klass, void *data)
{
    ANIMAL_CLASS(klass)->sound = data;
    /* A class may ask for itself while it is made. */
    g_assert_true(object_class_by_name(TYPE_ANIMAL) == klass);
}

static void animal_class_base_init(ObjectClass *klass, void *data)
{
    ANIMAL_CLASS(klass)->sound = "(inherited)";
}

static const char *dog_bark(Barker *b)
{
    return "woof";
}

static void dog_init(Object *obj)
{
    g_string_append(story, "dog+ ");
}

static void dog_post_init(Object *obj)
{
    g_string_append(story, "dog* ");
}

static void dog_finalize(Object *obj)
{
    g_string_append(story, "dog- ");
}

static void dog_class_init(ObjectClass *klass, void *data)
{
    BARKER_CLASS(klass)->bark = dog_bark;
}

static const char *puppy_bark(Barker *b)
{
    return "yap";
}

static void puppy_class_init(ObjectClass *klass, void *data)
{
    BARKER_CLASS(klass)->bark = puppy_bark;
}

static const TypeInfo test_types[] = {
    {
        .name = TYPE_PUPPY, /* before its parent, on purpose */
        .parent = TYPE_DOG,
        .class_init = puppy_class_init,
    },
    {
        .name = TYPE_BARKER,
        .parent = TYPE_INTERFACE,
        .class_size = sizeof(BarkerClass),
    },
    {
        .name = TYPE_ANIMAL,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Animal),
        .instance_init = animal_init,
        .instance_post_init = animal_post_init,
        .instance_finalize = animal_finalize,
        .class_size = sizeof(AnimalClass),
        .class_init = animal_class_init,
        .class_base_init = animal_class_base_init,
        .class_data = (void *)"(none)",
        .abstract = true,
    },
    {
        .name = TYPE_DOG,
        .parent = TYPE_ANIMAL,
        .instance_init = dog_init,
        .instance_post_init = dog_post_init,
        .instance_finalize = dog_finalize,
        .class_init = dog_class_init,
        .interfaces = (InterfaceInfo[]){ { TYPE_BARKER }, {} },
        .alias = "test-hound",
    },
    {
        .name = TYPE_WIDE,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(Wide),
        .instance_align = __alignof__(Wide),
    },
};

static void test_birth_and_death(void)
{
    g_string_truncate(story, 0);
    Object *obj = object_new(TYPE_PUPPY);

    g_assert_cmpstr(story->str, ==, "animal+ dog+ dog* animal* ");
    g_assert_cmpint(ANIMAL(obj)->legs, ==, 4);
    g_assert_cmpstr(object_get_typename(obj), ==, TYPE_PUPPY);
    g_string_truncate(story, 0);
    g_assert_true(object_ref(obj) == obj);
    object_unref(obj);
    g_assert_cmpstr(story->str, ==, "");
    object_unref(obj);
    g_assert_cmpstr(story->str, ==, "dog- animal- ");
    object_unref(NULL);
    g_assert_null(object_ref(NULL));
}

static void test_classes(void)
{
    ObjectClass *dog = object_class_by_name(TYPE_DOG);
    ObjectClass *animal = object_class_by_name(TYPE_ANIMAL);

    g_assert_true(object_class_get_parent(dog) == animal);
    g_assert_cmpstr(object_class_get_name(dog), ==, TYPE_DOG);
    g_assert_true(object_class_is_abstract(animal));
    g_assert_false(object_class_is_abstract(dog));
    g_assert_cmpstr(ANIMAL_CLASS(animal)->sound, ==, "(none)");
    g_assert_cmpstr(ANIMAL_CLASS(dog)->sound, ==, "(inherited)");
    g_assert_null(object_class_by_name("test-unknown"));
    g_assert_null(object_class_get_parent(object_class_by_name(TYPE_OBJECT)));
    g_assert_cmpuint(object_type_get_instance_size(TYPE_DOG), ==,
                     sizeof(Animal));
    /* The second name leads to the same class. */
    g_assert_true(object_class_by_name("test-hound") == dog);
    g_assert_cmpstr(object_class_get_alias(dog), ==, "test-hound");
    g_assert_null(object_class_get_alias(animal));
    g_assert_true(object_class_dynamic_cast(dog, "test-hound") == dog);
}

static void test_casts(void)
{
    g_autoptr(Object) obj = object_new(TYPE_DOG);

    for (int i = 0; i < 3; i++) { /* also out of the cache */
        g_assert_true(OBJECT(ANIMAL(obj)) == obj);
        g_assert_true(BARKER(obj) != NULL);
    }
    g_assert_true(object_dynamic_cast(obj, TYPE_OBJECT) == obj);
    g_assert_true(object_dynamic_cast(obj, TYPE_BARKER) == obj);
    g_assert_null(object_dynamic_cast(obj, TYPE_PUPPY));
    g_assert_null(object_dynamic_cast(obj, "test-unknown"));
    g_assert_null(object_dynamic_cast(NULL, TYPE_DOG));
    g_assert_null(ANIMAL(NULL));
}

static void test_wrong_cast(void)
{
    if (g_test_subprocess()) {
        g_autoptr(Object) obj = object_new(TYPE_WIDE);

        ANIMAL(obj)->legs = 1;
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*ANIMAL: *of type 'test-wide' is not a "
                              "'test-animal'*");
}

static void test_abstract(void)
{
    if (g_test_subprocess()) {
        object_new(TYPE_ANIMAL);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*'test-animal' is abstract*");
}

static void test_interfaces(void)
{
    g_autoptr(Object) dog = object_new(TYPE_DOG);
    g_autoptr(Object) puppy = object_new(TYPE_PUPPY);
    BarkerClass *bc = BARKER_GET_CLASS(dog);

    /* The subclass replaced the method for itself only. */
    g_assert_cmpstr(bc->bark(BARKER(dog)), ==, "woof");
    g_assert_cmpstr(BARKER_GET_CLASS(puppy)->bark(BARKER(puppy)), ==, "yap");
    g_assert_true(bc->parent_class.concrete_class == object_get_class(dog));
    g_assert_null(object_class_dynamic_cast(object_class_by_name(TYPE_WIDE),
                                            TYPE_BARKER));
}

static void count_class(ObjectClass *klass, void *opaque)
{
    g_assert_true(object_class_dynamic_cast(klass, TYPE_ANIMAL) != NULL);
    ++*(int *)opaque;
}

static void test_foreach(void)
{
    int n = 0;

    object_class_foreach(count_class, TYPE_ANIMAL, false, &n);
    g_assert_cmpint(n, ==, 2);
    n = 0;
    object_class_foreach(count_class, TYPE_ANIMAL, true, &n);
    g_assert_cmpint(n, ==, 3);

    g_autoptr(GSList) list = object_class_get_list_sorted(TYPE_BARKER, false);
    g_assert_cmpuint(g_slist_length(list), ==, 2);
    g_assert_cmpstr(object_class_get_name(list->data), ==, TYPE_DOG);
    g_assert_cmpstr(object_class_get_name(list->next->data), ==, TYPE_PUPPY);
}

static void test_alignment(void)
{
    g_autoptr(Object) obj = object_new(TYPE_WIDE);

    g_assert_cmpuint((uintptr_t)obj % 128, ==, 0);
}

static void test_embedded(void)
{
    struct {
        Animal dog;
        uint32_t after;
    } box = { .after = 0x5a5a5a5a };
    Object *owner = object_new(TYPE_CONTAINER);

    g_string_truncate(story, 0);
    object_initialize_child(owner, "rex", &box.dog, TYPE_DOG);
    g_assert_true(object_resolve_path_component(owner, "rex") ==
                  OBJECT(&box.dog));
    g_assert_cmpuint(box.dog.parent_obj.ref, ==, 1);
    g_string_truncate(story, 0);
    object_unref(owner);
    g_assert_cmpstr(story->str, ==, "dog- animal- ");
    g_assert_cmpuint(box.after, ==, 0x5a5a5a5a);
}

static void test_new_with_props_errors(void)
{
    Error *err = NULL;

    g_assert_null(
        object_new_with_props("test-unknown", NULL, NULL, &err, NULL));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "there is no object type 'test-unknown'");
    error_free_or_abort(&err);
    g_assert_null(object_new_with_props(TYPE_ANIMAL, NULL, NULL, &err, NULL));
    error_free_or_abort(&err);

    g_string_truncate(story, 0);
    g_assert_null(
        object_new_with_props(TYPE_DOG, NULL, NULL, &err, "name", "x", NULL));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "'test-dog' object has no property 'name'");
    error_free_or_abort(&err);
    /* Nothing was left behind. */
    g_assert_true(g_str_has_suffix(story->str, "dog- animal- "));
}

#define REF_THREADS 4
#define REF_ROUNDS  20000

static gpointer ref_thread(gpointer opaque)
{
    for (int i = 0; i < REF_ROUNDS; i++) {
        object_ref(opaque);
        g_assert_true(object_dynamic_cast(opaque, TYPE_OBJECT) == opaque);
        object_unref(opaque);
    }
    object_unref(opaque);
    return NULL;
}

static void test_ref_threads(void)
{
    GThread *threads[REF_THREADS];
    Object *obj = object_new(TYPE_WIDE);

    for (int i = 0; i < REF_THREADS; i++) {
        threads[i] = g_thread_new("ref", ref_thread, object_ref(obj));
    }
    object_unref(obj);
    for (int i = 0; i < REF_THREADS; i++) {
        g_thread_join(threads[i]);
    }
}

static const TypeInfo late_types[] = {
    { .name = "test-late-a", .parent = TYPE_WIDE },
    { .name = "test-late-b", .parent = "test-late-a" },
};

/* Several threads register and use the same types for the first time. */
static gpointer first_use_thread(gpointer opaque)
{
    static gsize once;
    static const TypeInfo *const table[] = { &late_types[0], &late_types[1] };

    qom_register_type_table(&once, table, G_N_ELEMENTS(table));
    g_autoptr(Object) obj = object_new("test-late-b");
    g_assert_true(object_dynamic_cast(obj, "test-late-a") == obj);
    return object_get_class(obj);
}

static void test_first_use_threads(void)
{
    GThread *threads[REF_THREADS];

    for (int i = 0; i < REF_THREADS; i++) {
        threads[i] = g_thread_new("first", first_use_thread, NULL);
    }
    for (int i = 0; i < REF_THREADS; i++) {
        g_assert_true(g_thread_join(threads[i]) ==
                      object_class_by_name("test-late-b"));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    story = g_string_new(NULL);
    qom_register_types();
    type_register_static_array(test_types, G_N_ELEMENTS(test_types));
    g_test_add_func("/qom/object/birth-and-death", test_birth_and_death);
    g_test_add_func("/qom/object/classes", test_classes);
    g_test_add_func("/qom/object/casts", test_casts);
    g_test_add_func("/qom/object/wrong-cast", test_wrong_cast);
    g_test_add_func("/qom/object/abstract", test_abstract);
    g_test_add_func("/qom/object/interfaces", test_interfaces);
    g_test_add_func("/qom/object/foreach", test_foreach);
    g_test_add_func("/qom/object/alignment", test_alignment);
    g_test_add_func("/qom/object/embedded", test_embedded);
    g_test_add_func("/qom/object/new-with-props", test_new_with_props_errors);
    g_test_add_func("/qom/object/ref-threads", test_ref_threads);
    g_test_add_func("/qom/object/first-use-threads", test_first_use_threads);
    int ret = g_test_run();
    g_string_free(story, TRUE);
    return ret;
}
