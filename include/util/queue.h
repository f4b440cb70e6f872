/*
 * Intrusive lists: the links live in the elements, so linking never
 * allocates and never fails.
 *
 *   QLIST      doubly linked, head is one pointer; remove from anywhere
 *   QSLIST     singly linked stack; can be pushed to from any thread
 *   QSIMPLEQ   singly linked FIFO
 *   QTAILQ     doubly linked FIFO, walk in both directions
 *
 * An element in no list has all-zero links for QLIST and QTAILQ (what
 * Q..._IS_INSERTED / QTAILQ_IN_USE look at); removing clears them again.
 * The _SAFE walks allow removal (and free) of the current element.
 *
 * Thread: none of them locks; only QSLIST_INSERT_HEAD_ATOMIC and
 * QSLIST_MOVE_ATOMIC may race with themselves and each other.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_QUEUE_H
#define UTIL_QUEUE_H

#include "util/atomic.h"

/* -- QLIST ----------------------------------------------------------------- */

#define QLIST_HEAD(name, type)                                                 \
    struct name {                                                              \
        struct type *lh_first;                                                 \
    }
#define QLIST_HEAD_INITIALIZER(head)                                           \
    {                                                                          \
        NULL                                                                   \
    }
#define QLIST_ENTRY(type)                                                      \
    struct {                                                                   \
        struct type *le_next;                                                  \
        struct type **le_prev; /* the pointer that points at us */             \
    }

#define QLIST_INIT(head)                                                       \
    do {                                                                       \
        (head)->lh_first = NULL;                                               \
    } while (0)

#define QLIST_EMPTY(head)       ((head)->lh_first == NULL)
#define QLIST_FIRST(head)       ((head)->lh_first)
#define QLIST_NEXT(elm, field)  ((elm)->field.le_next)
#define QLIST_EMPTY_RCU(head)   (qatomic_read(&(head)->lh_first) == NULL)
#define QLIST_FIRST_RCU(head)   qatomic_rcu_read(&(head)->lh_first)
#define QLIST_NEXT_RCU(elm, fl) qatomic_rcu_read(&(elm)->fl.le_next)

/* Puts @elm where the pointer *@where stands now. */
#define QLIST_LINK_AT_(where, elm, field)                                      \
    do {                                                                       \
        __typeof__(&(elm)->field.le_next) where_ = (where);                    \
        (elm)->field.le_prev = where_;                                         \
        (elm)->field.le_next = *where_;                                        \
        if (*where_) {                                                         \
            (*where_)->field.le_prev = &(elm)->field.le_next;                  \
        }                                                                      \
        *where_ = (elm);                                                       \
    } while (0)

#define QLIST_INSERT_HEAD(head, elm, field)                                    \
    QLIST_LINK_AT_(&(head)->lh_first, elm, field)
#define QLIST_INSERT_AFTER(listelm, elm, field)                                \
    QLIST_LINK_AT_(&(listelm)->field.le_next, elm, field)
#define QLIST_INSERT_BEFORE(listelm, elm, field)                               \
    QLIST_LINK_AT_((listelm)->field.le_prev, elm, field)

#define QLIST_REMOVE(elm, field)                                               \
    do {                                                                       \
        if ((elm)->field.le_next) {                                            \
            (elm)->field.le_next->field.le_prev = (elm)->field.le_prev;        \
        }                                                                      \
        *(elm)->field.le_prev = (elm)->field.le_next;                          \
        (elm)->field.le_next = NULL;                                           \
        (elm)->field.le_prev = NULL;                                           \
    } while (0)

/* Does nothing for an element that is in no list. */
#define QLIST_SAFE_REMOVE(elm, field)                                          \
    do {                                                                       \
        if ((elm)->field.le_prev) {                                            \
            QLIST_REMOVE(elm, field);                                          \
        }                                                                      \
    } while (0)

#define QLIST_IS_INSERTED(elm, field) ((elm)->field.le_prev != NULL)

/* Moves the whole list of @srchead to @dstheadp, which is overwritten. */
#define QLIST_SWAP(dstlist, srclist, field)                                    \
    do {                                                                       \
        void *tmp_ = (srclist)->lh_first;                                      \
        (srclist)->lh_first = (dstlist)->lh_first;                             \
        if ((srclist)->lh_first) {                                             \
            (srclist)->lh_first->field.le_prev = &(srclist)->lh_first;         \
        }                                                                      \
        (dstlist)->lh_first = tmp_;                                            \
        if ((dstlist)->lh_first) {                                             \
            (dstlist)->lh_first->field.le_prev = &(dstlist)->lh_first;         \
        }                                                                      \
    } while (0)

#define QLIST_FOREACH(var, head, field)                                        \
    for ((var) = (head)->lh_first; (var); (var) = (var)->field.le_next)
#define QLIST_FOREACH_SAFE(var, head, field, next_var)                         \
    for ((var) = (head)->lh_first;                                             \
         (var) && ((next_var) = (var)->field.le_next, 1); (var) = (next_var))
#define QLIST_FOREACH_RCU(var, head, field)                                    \
    for ((var) = QLIST_FIRST_RCU(head); (var);                                 \
         (var) = QLIST_NEXT_RCU(var, field))

/* -- QSLIST ---------------------------------------------------------------- */

#define QSLIST_HEAD(name, type)                                                \
    struct name {                                                              \
        struct type *slh_first;                                                \
    }
#define QSLIST_HEAD_INITIALIZER(head)                                          \
    {                                                                          \
        NULL                                                                   \
    }
#define QSLIST_ENTRY(type)                                                     \
    struct {                                                                   \
        struct type *sle_next;                                                 \
    }

#define QSLIST_INIT(head)                                                      \
    do {                                                                       \
        (head)->slh_first = NULL;                                              \
    } while (0)
#define QSLIST_EMPTY(head)      ((head)->slh_first == NULL)
#define QSLIST_FIRST(head)      ((head)->slh_first)
#define QSLIST_NEXT(elm, field) ((elm)->field.sle_next)

#define QSLIST_INSERT_HEAD(head, elm, field)                                   \
    do {                                                                       \
        (elm)->field.sle_next = (head)->slh_first;                             \
        (head)->slh_first = (elm);                                             \
    } while (0)
#define QSLIST_INSERT_AFTER(slistelm, elm, field)                              \
    do {                                                                       \
        (elm)->field.sle_next = (slistelm)->field.sle_next;                    \
        (slistelm)->field.sle_next = (elm);                                    \
    } while (0)
#define QSLIST_INSERT_HEAD_ATOMIC(head, elm, field)                            \
    do {                                                                       \
        __typeof__(elm) seen_ = qatomic_read(&(head)->slh_first);              \
        __typeof__(elm) want_;                                                 \
        do {                                                                   \
            want_ = seen_;                                                     \
            (elm)->field.sle_next = want_;                                     \
            seen_ = qatomic_cmpxchg(&(head)->slh_first, want_, (elm));         \
        } while (seen_ != want_);                                              \
    } while (0)
/* Takes all elements of @src at once; @dest is overwritten. */
#define QSLIST_MOVE_ATOMIC(dest, src)                                          \
    do {                                                                       \
        (dest)->slh_first = qatomic_xchg(&(src)->slh_first, NULL);             \
    } while (0)
#define QSLIST_REMOVE_HEAD(head, field)                                        \
    do {                                                                       \
        __typeof__((head)->slh_first) elm_ = (head)->slh_first;                \
        (head)->slh_first = elm_->field.sle_next;                              \
        elm_->field.sle_next = NULL;                                           \
    } while (0)
#define QSLIST_REMOVE_AFTER(slistelm, field)                                   \
    do {                                                                       \
        __typeof__(slistelm) next_ = (slistelm)->field.sle_next;               \
        (slistelm)->field.sle_next = next_->field.sle_next;                    \
        next_->field.sle_next = NULL;                                          \
    } while (0)
#define QSLIST_REMOVE(head, elm, type, field)                                  \
    do {                                                                       \
        struct type **where_ = &(head)->slh_first;                             \
        while (*where_ != (elm)) {                                             \
            where_ = &(*where_)->field.sle_next;                               \
        }                                                                      \
        *where_ = (elm)->field.sle_next;                                       \
        (elm)->field.sle_next = NULL;                                          \
    } while (0)
#define QSLIST_FOREACH(var, head, field)                                       \
    for ((var) = (head)->slh_first; (var); (var) = (var)->field.sle_next)
#define QSLIST_FOREACH_SAFE(var, head, field, tvar)                            \
    for ((var) = (head)->slh_first;                                            \
         (var) && ((tvar) = (var)->field.sle_next, 1); (var) = (tvar))

/* -- QSIMPLEQ -------------------------------------------------------------- */

#define QSIMPLEQ_HEAD(name, type)                                              \
    struct name {                                                              \
        struct type *sqh_first;                                                \
        struct type **sqh_last; /* the NULL pointer at the end */              \
    }
#define QSIMPLEQ_HEAD_INITIALIZER(head)                                        \
    {                                                                          \
        NULL, &(head).sqh_first                                                \
    }
#define QSIMPLEQ_ENTRY(type)                                                   \
    struct {                                                                   \
        struct type *sqe_next;                                                 \
    }

#define QSIMPLEQ_INIT(head)                                                    \
    do {                                                                       \
        (head)->sqh_first = NULL;                                              \
        (head)->sqh_last = &(head)->sqh_first;                                 \
    } while (0)
#define QSIMPLEQ_EMPTY(head)        ((head)->sqh_first == NULL)
#define QSIMPLEQ_EMPTY_ATOMIC(head) (qatomic_read(&(head)->sqh_first) == NULL)
#define QSIMPLEQ_FIRST(head)        ((head)->sqh_first)
#define QSIMPLEQ_NEXT(elm, field)   ((elm)->field.sqe_next)
#define QSIMPLEQ_LAST(head, type, field)                                       \
    (QSIMPLEQ_EMPTY(head) ? NULL                                               \
                          : container_of((void *)(head)->sqh_last,             \
                                         struct type, field.sqe_next))

#define QSIMPLEQ_INSERT_HEAD(head, elm, field)                                 \
    do {                                                                       \
        (elm)->field.sqe_next = (head)->sqh_first;                             \
        if (!(elm)->field.sqe_next) {                                          \
            (head)->sqh_last = &(elm)->field.sqe_next;                         \
        }                                                                      \
        (head)->sqh_first = (elm);                                             \
    } while (0)
#define QSIMPLEQ_INSERT_TAIL(head, elm, field)                                 \
    do {                                                                       \
        (elm)->field.sqe_next = NULL;                                          \
        *(head)->sqh_last = (elm);                                             \
        (head)->sqh_last = &(elm)->field.sqe_next;                             \
    } while (0)
#define QSIMPLEQ_INSERT_AFTER(head, listelm, elm, field)                       \
    do {                                                                       \
        (elm)->field.sqe_next = (listelm)->field.sqe_next;                     \
        if (!(elm)->field.sqe_next) {                                          \
            (head)->sqh_last = &(elm)->field.sqe_next;                         \
        }                                                                      \
        (listelm)->field.sqe_next = (elm);                                     \
    } while (0)
#define QSIMPLEQ_REMOVE_HEAD(head, field)                                      \
    do {                                                                       \
        __typeof__((head)->sqh_first) elm_ = (head)->sqh_first;                \
        (head)->sqh_first = elm_->field.sqe_next;                              \
        if (!(head)->sqh_first) {                                              \
            (head)->sqh_last = &(head)->sqh_first;                             \
        }                                                                      \
        elm_->field.sqe_next = NULL;                                           \
    } while (0)
#define QSIMPLEQ_REMOVE(head, elm, type, field)                                \
    do {                                                                       \
        struct type **where_ = &(head)->sqh_first;                             \
        while (*where_ != (elm)) {                                             \
            where_ = &(*where_)->field.sqe_next;                               \
        }                                                                      \
        *where_ = (elm)->field.sqe_next;                                       \
        if (!*where_) {                                                        \
            (head)->sqh_last = where_;                                         \
        }                                                                      \
        (elm)->field.sqe_next = NULL;                                          \
    } while (0)
/* Moves what stands after the first elements up to @elm (included) away:
 * @removed gets head..@elm, @head keeps the rest. */
#define QSIMPLEQ_SPLIT_AFTER(head, elm, field, removed)                        \
    do {                                                                       \
        QSIMPLEQ_INIT(removed);                                                \
        (removed)->sqh_first = (head)->sqh_first;                              \
        (removed)->sqh_last = &(elm)->field.sqe_next;                          \
        (head)->sqh_first = (elm)->field.sqe_next;                             \
        if (!(head)->sqh_first) {                                              \
            (head)->sqh_last = &(head)->sqh_first;                             \
        }                                                                      \
        (elm)->field.sqe_next = NULL;                                          \
    } while (0)
/* Appends all of @head2, which becomes empty. */
#define QSIMPLEQ_CONCAT(head1, head2)                                          \
    do {                                                                       \
        if (!QSIMPLEQ_EMPTY(head2)) {                                          \
            *(head1)->sqh_last = (head2)->sqh_first;                           \
            (head1)->sqh_last = (head2)->sqh_last;                             \
            QSIMPLEQ_INIT(head2);                                              \
        }                                                                      \
    } while (0)
#define QSIMPLEQ_PREPEND(head1, head2)                                         \
    do {                                                                       \
        if (!QSIMPLEQ_EMPTY(head2)) {                                          \
            *(head2)->sqh_last = (head1)->sqh_first;                           \
            if (!(head1)->sqh_first) {                                         \
                (head1)->sqh_last = (head2)->sqh_last;                         \
            }                                                                  \
            (head1)->sqh_first = (head2)->sqh_first;                           \
            QSIMPLEQ_INIT(head2);                                              \
        }                                                                      \
    } while (0)
#define QSIMPLEQ_FOREACH(var, head, field)                                     \
    for ((var) = (head)->sqh_first; (var); (var) = (var)->field.sqe_next)
#define QSIMPLEQ_FOREACH_SAFE(var, head, field, next)                          \
    for ((var) = (head)->sqh_first;                                            \
         (var) && ((next) = (var)->field.sqe_next, 1); (var) = (next))

/* -- QTAILQ ---------------------------------------------------------------- */

#define QTAILQ_HEAD(name, type)                                                \
    struct name {                                                              \
        struct type *tqh_first;                                                \
        struct type *tqh_tail;                                                 \
    }
#define QTAILQ_HEAD_INITIALIZER(head)                                          \
    {                                                                          \
        NULL, NULL                                                             \
    }
/* tqe_owner is the first pointer of the list that holds the element: not
 * NULL exactly while the element is in a list. */
#define QTAILQ_ENTRY(type)                                                     \
    struct {                                                                   \
        struct type *tqe_next;                                                 \
        struct type *tqe_before;                                               \
        void *tqe_owner;                                                       \
    }

#define QTAILQ_INIT(head)                                                      \
    do {                                                                       \
        (head)->tqh_first = NULL;                                              \
        (head)->tqh_tail = NULL;                                               \
    } while (0)
#define QTAILQ_EMPTY(head)              ((head)->tqh_first == NULL)
#define QTAILQ_FIRST(head)              ((head)->tqh_first)
#define QTAILQ_LAST(head)               ((head)->tqh_tail)
#define QTAILQ_NEXT(elm, field)         ((elm)->field.tqe_next)
#define QTAILQ_PREV(elm, field)         ((elm)->field.tqe_before)
#define QTAILQ_IN_USE(elm, field)       ((elm)->field.tqe_owner != NULL)
#define QTAILQ_LINK_IS_LAST(elm, field) ((elm)->field.tqe_next == NULL)

/* Links @elm between @prev_elm and @next_elm, either of which may be NULL. */
#define QTAILQ_LINK_(head, elm, field, prev_elm, next_elm)                     \
    do {                                                                       \
        __typeof__(elm) prev_ = (prev_elm);                                    \
        __typeof__(elm) next_ = (next_elm);                                    \
        (elm)->field.tqe_before = prev_;                                       \
        (elm)->field.tqe_next = next_;                                         \
        (elm)->field.tqe_owner = (head);                                       \
        if (prev_) {                                                           \
            prev_->field.tqe_next = (elm);                                     \
        } else {                                                               \
            (head)->tqh_first = (elm);                                         \
        }                                                                      \
        if (next_) {                                                           \
            next_->field.tqe_before = (elm);                                   \
        } else {                                                               \
            (head)->tqh_tail = (elm);                                          \
        }                                                                      \
    } while (0)

#define QTAILQ_INSERT_HEAD(head, elm, field)                                   \
    QTAILQ_LINK_(head, elm, field, NULL, (head)->tqh_first)
#define QTAILQ_INSERT_TAIL(head, elm, field)                                   \
    QTAILQ_LINK_(head, elm, field, (head)->tqh_tail, NULL)
#define QTAILQ_INSERT_AFTER(head, listelm, elm, field)                         \
    QTAILQ_LINK_(head, elm, field, (listelm), (listelm)->field.tqe_next)
/* Needs no head: the owner is its first member, tqh_first. */
#define QTAILQ_INSERT_BEFORE(listelm, elm, field)                              \
    do {                                                                       \
        __typeof__(elm) next_ = (listelm);                                     \
        __typeof__(elm) prev_ = next_->field.tqe_before;                       \
        (elm)->field.tqe_before = prev_;                                       \
        (elm)->field.tqe_next = next_;                                         \
        (elm)->field.tqe_owner = next_->field.tqe_owner;                       \
        next_->field.tqe_before = (elm);                                       \
        if (prev_) {                                                           \
            prev_->field.tqe_next = (elm);                                     \
        } else {                                                               \
            *(__typeof__(&prev_))next_->field.tqe_owner = (elm);               \
        }                                                                      \
    } while (0)

#define QTAILQ_REMOVE(head, elm, field)                                        \
    do {                                                                       \
        if ((elm)->field.tqe_next) {                                           \
            (elm)->field.tqe_next->field.tqe_before = (elm)->field.tqe_before; \
        } else {                                                               \
            (head)->tqh_tail = (elm)->field.tqe_before;                        \
        }                                                                      \
        if ((elm)->field.tqe_before) {                                         \
            (elm)->field.tqe_before->field.tqe_next = (elm)->field.tqe_next;   \
        } else {                                                               \
            (head)->tqh_first = (elm)->field.tqe_next;                         \
        }                                                                      \
        (elm)->field.tqe_next = NULL;                                          \
        (elm)->field.tqe_before = NULL;                                        \
        (elm)->field.tqe_owner = NULL;                                         \
    } while (0)

#define QTAILQ_FOREACH(var, head, field)                                       \
    for ((var) = (head)->tqh_first; (var); (var) = (var)->field.tqe_next)
#define QTAILQ_FOREACH_SAFE(var, head, field, next_var)                        \
    for ((var) = (head)->tqh_first;                                            \
         (var) && ((next_var) = (var)->field.tqe_next, 1); (var) = (next_var))
#define QTAILQ_FOREACH_REVERSE(var, head, field)                               \
    for ((var) = (head)->tqh_tail; (var); (var) = (var)->field.tqe_before)
#define QTAILQ_FOREACH_REVERSE_SAFE(var, head, field, prev_var)                \
    for ((var) = (head)->tqh_tail;                                             \
         (var) && ((prev_var) = (var)->field.tqe_before, 1);                   \
         (var) = (prev_var))

#endif
