/*
 * Intrusive lists and notifier lists.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/notify.h"
#include "util/queue.h"
#include "util/thread.h"

typedef struct Item {
    char c;
    QLIST_ENTRY(Item) l;
    QSLIST_ENTRY(Item) s;
    QSIMPLEQ_ENTRY(Item) q;
    QTAILQ_ENTRY(Item) t;
} Item;

typedef QLIST_HEAD(, Item) ItemList;
typedef QSLIST_HEAD(, Item) ItemStack;
typedef QSIMPLEQ_HEAD(ItemQueue, Item) ItemQueue;
typedef QTAILQ_HEAD(ItemTailq, Item) ItemTailq;

static Item items[5];

static void items_init(void)
{
    memset(items, 0, sizeof(items));
    for (int i = 0; i < 5; i++) {
        items[i].c = (char)('a' + i);
    }
}

/* Contents in order, as a string. */
#define SHOW(FOREACH, head, field)                                             \
    ({                                                                         \
        static char text_[8];                                                  \
        Item *it_;                                                             \
        int n_ = 0;                                                            \
        FOREACH(it_, head, field)                                              \
        {                                                                      \
            text_[n_++] = it_->c;                                              \
        }                                                                      \
        text_[n_] = 0;                                                         \
        text_;                                                                 \
    })

static void test_qlist(void)
{
    ItemList list = QLIST_HEAD_INITIALIZER(list), other;
    Item *it, *next;

    items_init();
    QLIST_INIT(&other);
    g_assert_true(QLIST_EMPTY(&list));
    QLIST_INSERT_HEAD(&list, &items[1], l);
    QLIST_INSERT_HEAD(&list, &items[0], l);
    QLIST_INSERT_AFTER(&items[1], &items[3], l);
    QLIST_INSERT_BEFORE(&items[3], &items[2], l);
    QLIST_INSERT_AFTER(&items[3], &items[4], l);
    g_assert_cmpstr(SHOW(QLIST_FOREACH, &list, l), ==, "abcde");
    QLIST_REMOVE(&items[0], l);
    QLIST_REMOVE(&items[4], l);
    QLIST_REMOVE(&items[2], l);
    g_assert_cmpstr(SHOW(QLIST_FOREACH, &list, l), ==, "bd");
    g_assert_false(QLIST_IS_INSERTED(&items[2], l));
    g_assert_true(QLIST_IS_INSERTED(&items[1], l));
    QLIST_SAFE_REMOVE(&items[2], l);
    QLIST_SWAP(&other, &list, l);
    g_assert_true(QLIST_EMPTY(&list));
    QLIST_INSERT_BEFORE(&items[1], &items[0], l);
    g_assert_cmpstr(SHOW(QLIST_FOREACH, &other, l), ==, "abd");
    QLIST_FOREACH_SAFE(it, &other, l, next) {
        QLIST_REMOVE(it, l);
    }
    g_assert_true(QLIST_EMPTY(&other));
}

static void test_qslist(void)
{
    ItemStack stack = QSLIST_HEAD_INITIALIZER(stack), moved;

    items_init();
    QSLIST_INSERT_HEAD(&stack, &items[2], s);
    QSLIST_INSERT_HEAD_ATOMIC(&stack, &items[0], s);
    QSLIST_INSERT_AFTER(&items[0], &items[1], s);
    g_assert_cmpstr(SHOW(QSLIST_FOREACH, &stack, s), ==, "abc");
    QSLIST_REMOVE(&stack, &items[1], Item, s);
    QSLIST_REMOVE_AFTER(&items[0], s);
    g_assert_cmpstr(SHOW(QSLIST_FOREACH, &stack, s), ==, "a");
    QSLIST_MOVE_ATOMIC(&moved, &stack);
    g_assert_true(QSLIST_EMPTY(&stack));
    g_assert_true(QSLIST_FIRST(&moved) == &items[0]);
    QSLIST_REMOVE_HEAD(&moved, s);
    g_assert_true(QSLIST_EMPTY(&moved));
}

static void test_qsimpleq(void)
{
    ItemQueue q = QSIMPLEQ_HEAD_INITIALIZER(q), p;

    items_init();
    QSIMPLEQ_INIT(&p);
    g_assert_null(QSIMPLEQ_LAST(&q, Item, q));
    QSIMPLEQ_INSERT_TAIL(&q, &items[1], q);
    QSIMPLEQ_INSERT_TAIL(&q, &items[3], q);
    QSIMPLEQ_INSERT_HEAD(&q, &items[0], q);
    QSIMPLEQ_INSERT_AFTER(&q, &items[1], &items[2], q);
    QSIMPLEQ_INSERT_AFTER(&q, &items[3], &items[4], q);
    g_assert_cmpstr(SHOW(QSIMPLEQ_FOREACH, &q, q), ==, "abcde");
    g_assert_true(QSIMPLEQ_LAST(&q, Item, q) == &items[4]);
    QSIMPLEQ_SPLIT_AFTER(&q, &items[1], q, &p);
    g_assert_cmpstr(SHOW(QSIMPLEQ_FOREACH, &p, q), ==, "ab");
    g_assert_cmpstr(SHOW(QSIMPLEQ_FOREACH, &q, q), ==, "cde");
    QSIMPLEQ_CONCAT(&p, &q);
    g_assert_true(QSIMPLEQ_EMPTY(&q));
    g_assert_cmpstr(SHOW(QSIMPLEQ_FOREACH, &p, q), ==, "abcde");
    QSIMPLEQ_REMOVE(&p, &items[4], Item, q);
    QSIMPLEQ_REMOVE(&p, &items[2], Item, q);
    QSIMPLEQ_REMOVE_HEAD(&p, q);
    QSIMPLEQ_INSERT_TAIL(&p, &items[2], q);
    g_assert_cmpstr(SHOW(QSIMPLEQ_FOREACH, &p, q), ==, "bdc");
    QSIMPLEQ_INSERT_TAIL(&q, &items[0], q);
    QSIMPLEQ_PREPEND(&p, &q);
    g_assert_cmpstr(SHOW(QSIMPLEQ_FOREACH, &p, q), ==, "abdc");
    QSIMPLEQ_PREPEND(&q, &p); /* to an empty one: its tail moves too */
    QSIMPLEQ_INSERT_TAIL(&q, &items[4], q);
    g_assert_cmpstr(SHOW(QSIMPLEQ_FOREACH, &q, q), ==, "abdce");
}

static void test_qtailq(void)
{
    ItemTailq t = QTAILQ_HEAD_INITIALIZER(t);
    Item *it, *next;

    items_init();
    QTAILQ_INSERT_TAIL(&t, &items[1], t);
    QTAILQ_INSERT_BEFORE(&items[1], &items[0], t); /* becomes the first */
    QTAILQ_REMOVE(&t, &items[0], t);
    QTAILQ_INSERT_HEAD(&t, &items[0], t);
    QTAILQ_INSERT_TAIL(&t, &items[4], t);
    QTAILQ_INSERT_AFTER(&t, &items[1], &items[2], t);
    QTAILQ_INSERT_BEFORE(&items[4], &items[3], t);
    g_assert_cmpstr(SHOW(QTAILQ_FOREACH, &t, t), ==, "abcde");
    g_assert_cmpstr(SHOW(QTAILQ_FOREACH_REVERSE, &t, t), ==, "edcba");
    g_assert_true(QTAILQ_LAST(&t) == &items[4]);
    g_assert_true(QTAILQ_PREV(&items[1], t) == &items[0]);
    QTAILQ_REMOVE(&t, &items[4], t);
    QTAILQ_REMOVE(&t, &items[0], t);
    QTAILQ_REMOVE(&t, &items[2], t);
    g_assert_false(QTAILQ_IN_USE(&items[2], t));
    g_assert_true(QTAILQ_IN_USE(&items[1], t));
    g_assert_cmpstr(SHOW(QTAILQ_FOREACH, &t, t), ==, "bd");
    g_assert_cmpstr(SHOW(QTAILQ_FOREACH_REVERSE, &t, t), ==, "db");
    QTAILQ_FOREACH_REVERSE_SAFE(it, &t, t, next)
    {
        QTAILQ_REMOVE(&t, it, t);
    }
    g_assert_true(QTAILQ_EMPTY(&t));
    g_assert_null(QTAILQ_LAST(&t));
}

/* -- pushing from threads -------------------------------------------------- */

#define N_THREADS 4
#define N_PUSHES  5000

static ItemStack shared_stack;

static void *push_thread(void *opaque)
{
    Item *mine = opaque;

    for (int i = 0; i < N_PUSHES; i++) {
        QSLIST_INSERT_HEAD_ATOMIC(&shared_stack, &mine[i], s);
    }
    return NULL;
}

static void test_atomic_push(void)
{
    QemuThread t[N_THREADS];
    Item *mem[N_THREADS], *it;
    ItemStack taken;
    int n = 0;

    for (int i = 0; i < N_THREADS; i++) {
        mem[i] = g_new0(Item, N_PUSHES);
        qemu_thread_create(&t[i], "push", push_thread, mem[i],
                           QEMU_THREAD_JOINABLE);
    }
    while (n < N_THREADS * N_PUSHES) {
        QSLIST_MOVE_ATOMIC(&taken, &shared_stack);
        QSLIST_FOREACH(it, &taken, s)
        {
            n++;
        }
    }
    for (int i = 0; i < N_THREADS; i++) {
        qemu_thread_join(&t[i]);
        g_free(mem[i]);
    }
    g_assert_cmpint(n, ==, N_THREADS * N_PUSHES);
}

/* -- notifiers ------------------------------------------------------------- */

typedef struct Listener {
    Notifier notifier; /* first */
    GString *log;
    char c;
    bool leave;
} Listener;

static void listener_notify(Notifier *notifier, void *data)
{
    Listener *l = container_of(notifier, Listener, notifier);

    g_string_append_c(l->log, l->c);
    g_assert_true(data == l->log);
    if (l->leave) {
        notifier_remove(notifier);
        g_free(l);
    }
}

static Listener *listener_new(NotifierList *list, GString *log, char c)
{
    Listener *l = g_new0(Listener, 1);

    l->notifier.notify = listener_notify;
    l->log = log;
    l->c = c;
    notifier_list_add(list, &l->notifier);
    return l;
}

static void test_notifiers(void)
{
    g_autoptr(GString) log = g_string_new(NULL);
    NotifierList list = NOTIFIER_LIST_INITIALIZER(list);
    Listener *a, *c;

    g_assert_true(notifier_list_empty(&list));
    a = listener_new(&list, log, 'a');
    listener_new(&list, log, 'b')->leave = true;
    c = listener_new(&list, log, 'c');
    notifier_list_notify(&list, log);
    g_assert_cmpstr(log->str, ==, "cba");
    notifier_list_notify(&list, log);
    g_assert_cmpstr(log->str, ==, "cbaca");
    notifier_remove(&a->notifier);
    notifier_remove(&a->notifier);
    notifier_remove(&c->notifier);
    g_assert_true(notifier_list_empty(&list));
    g_free(a);
    g_free(c);
}

typedef struct Vetoer {
    NotifierWithReturn notifier; /* first */
    int ret;
    int calls;
} Vetoer;

static int veto(NotifierWithReturn *notifier, void *data)
{
    Vetoer *v = container_of(notifier, Vetoer, notifier);

    v->calls++;
    return v->ret;
}

static void test_veto(void)
{
    NotifierWithReturnList list;
    Vetoer v[3] = { 0 };

    notifier_with_return_list_init(&list);
    for (int i = 0; i < 3; i++) {
        v[i].notifier.notify = veto;
        notifier_with_return_list_add(&list, &v[i].notifier);
    }
    g_assert_cmpint(notifier_with_return_list_notify(&list, NULL), ==, 0);
    v[1].ret = -EBUSY;
    g_assert_cmpint(notifier_with_return_list_notify(&list, NULL), ==, -EBUSY);
    g_assert_cmpint(v[2].calls, ==, 2);
    g_assert_cmpint(v[0].calls, ==, 1);
    notifier_with_return_remove(&v[1].notifier);
    g_assert_cmpint(notifier_with_return_list_notify(&list, NULL), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/queue/qlist", test_qlist);
    g_test_add_func("/queue/qslist", test_qslist);
    g_test_add_func("/queue/qsimpleq", test_qsimpleq);
    g_test_add_func("/queue/qtailq", test_qtailq);
    g_test_add_func("/queue/atomic-push", test_atomic_push);
    g_test_add_func("/notify/list", test_notifiers);
    g_test_add_func("/notify/veto", test_veto);
    return g_test_run();
}
