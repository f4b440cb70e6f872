/*
 * Rate limit for events, without clock or timer.
 *
 * One row for each limited event; in it one entry for each key whose period
 * is running. All periods of a row are equally long, so its entries end in
 * the order in which they began: a queue, whose head is all that has to be
 * looked at.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "qapi/event-limiter.h"

#define SECOND_NS INT64_C(1000000000)

/* Shared by all keys beyond EVENT_LIMITER_MAX_KEYS; no JSON text is empty. */
#define OVERFLOW_KEY ""

const EventLimit event_limits_default[] = {
    { "BALLOON_CHANGE", NULL, SECOND_NS },
    { "MEMORY_DEVICE_SIZE_CHANGE", "qom-path", SECOND_NS },
    { "QUORUM_FAILURE", NULL, SECOND_NS },
    { "QUORUM_REPORT_BAD", "node-name", SECOND_NS },
    { "RTC_CHANGE", NULL, SECOND_NS },
    { "VSERPORT_CHANGE", "id", SECOND_NS },
    { "WATCHDOG", NULL, SECOND_NS },
    { .event = NULL },
};

typedef struct LimitEntry {
    char *key;
    int64_t until_ns; /* end of the period */
    json_t *pending;  /* the last message that had to wait, or NULL */
} LimitEntry;

typedef struct LimitRow {
    const EventLimit *limit;
    GHashTable *by_key; /* key -> LimitEntry *, which it owns */
    GQueue running;     /* of LimitEntry *, the one that ends first at the
                         * head */
} LimitRow;

struct EventLimiter {
    GArray *rows; /* of LimitRow */
};

static void entry_free(void *data)
{
    LimitEntry *e = data;

    g_free(e->key);
    json_decref(e->pending);
    g_free(e);
}

EventLimiter *event_limiter_new(const EventLimit *limits)
{
    EventLimiter *l = g_new0(EventLimiter, 1);

    l->rows = g_array_new(false, false, sizeof(LimitRow));
    for (; limits->event; limits++) {
        LimitRow row = {
            .limit = limits,
            .by_key = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                            entry_free),
            .running = G_QUEUE_INIT,
        };

        assert(limits->period_ns > 0);
        g_array_append_val(l->rows, row);
    }
    return l;
}

void event_limiter_free(EventLimiter *l)
{
    if (!l) {
        return;
    }
    for (guint i = 0; i < l->rows->len; i++) {
        LimitRow *row = &g_array_index(l->rows, LimitRow, i);

        g_queue_clear(&row->running);
        g_hash_table_unref(row->by_key);
    }
    g_array_free(l->rows, true);
    g_free(l);
}

static LimitRow *find_row(EventLimiter *l, const char *event)
{
    for (guint i = 0; i < l->rows->len; i++) {
        LimitRow *row = &g_array_index(l->rows, LimitRow, i);

        if (strcmp(row->limit->event, event) == 0) {
            return row;
        }
    }
    return NULL;
}

/* What keeps instances of the event apart, as text. */
static char *make_key(const LimitRow *row, json_t *qmp)
{
    json_t *value = NULL;

    if (row->limit->member) {
        value =
            json_object_get(json_object_get(qmp, "data"), row->limit->member);
    }
    return value ? g_string_free(qobject_to_json(value), false)
                 : g_strdup("null");
}

/* Start the period of @e, which is in no queue. */
static void start_period(LimitRow *row, LimitEntry *e, int64_t now_ns)
{
    e->until_ns = now_ns + row->limit->period_ns;
    g_queue_push_tail(&row->running, e);
}

static void forget(LimitRow *row, LimitEntry *e)
{
    g_hash_table_remove(row->by_key, e->key);
}

/* Drop entries at the head whose period is over and that hold nothing. */
static void forget_idle(LimitRow *row, int64_t now_ns)
{
    LimitEntry *e;

    while ((e = g_queue_peek_head(&row->running)) && e->until_ns <= now_ns &&
           !e->pending) {
        g_queue_pop_head(&row->running);
        forget(row, e);
    }
}

static LimitEntry *find_entry(LimitRow *row, const char *key)
{
    LimitEntry *e = g_hash_table_lookup(row->by_key, key);

    if (!e && g_hash_table_size(row->by_key) >= EVENT_LIMITER_MAX_KEYS) {
        e = g_hash_table_lookup(row->by_key, OVERFLOW_KEY);
    }
    return e;
}

static void add_entry(LimitRow *row, const char *key, int64_t now_ns)
{
    LimitEntry *e = g_new0(LimitEntry, 1);
    bool full = g_hash_table_size(row->by_key) >= EVENT_LIMITER_MAX_KEYS;

    e->key = g_strdup(full ? OVERFLOW_KEY : key);
    g_hash_table_insert(row->by_key, e->key, e);
    start_period(row, e, now_ns);
}

EventVerdict event_limiter_submit(EventLimiter *l, int64_t now_ns,
                                  const char *event, json_t *qmp)
{
    LimitRow *row = find_row(l, event);
    g_autofree char *key = NULL;
    LimitEntry *e;
    bool replaced;

    if (!row) {
        return EVENT_EMIT;
    }
    forget_idle(row, now_ns);
    key = make_key(row, qmp);
    e = find_entry(row, key);
    if (!e) {
        add_entry(row, key, now_ns);
        return EVENT_EMIT;
    }
    if (e->until_ns <= now_ns) {
        /* What waits is older than this one and late: drop it. */
        g_clear_pointer(&e->pending, json_decref);
        g_queue_remove(&row->running, e);
        start_period(row, e, now_ns);
        return EVENT_EMIT;
    }
    replaced = e->pending != NULL;
    json_decref(e->pending);
    e->pending = json_incref(qmp);
    return replaced ? EVENT_REPLACED : EVENT_QUEUED;
}

int64_t event_limiter_next_ns(const EventLimiter *l)
{
    int64_t next_ns = -1;

    for (guint i = 0; i < l->rows->len; i++) {
        LimitRow *row = &g_array_index(l->rows, LimitRow, i);
        LimitEntry *e = g_queue_peek_head(&row->running);

        if (e && (next_ns < 0 || e->until_ns < next_ns)) {
            next_ns = e->until_ns;
        }
    }
    return next_ns;
}

static json_t *pop_row(LimitRow *row, int64_t now_ns)
{
    LimitEntry *e;
    json_t *qmp;

    forget_idle(row, now_ns);
    e = g_queue_peek_head(&row->running);
    if (!e || e->until_ns > now_ns) {
        return NULL;
    }
    g_queue_pop_head(&row->running);
    qmp = g_steal_pointer(&e->pending);
    start_period(row, e, now_ns);
    return qmp;
}

json_t *event_limiter_pop(EventLimiter *l, int64_t now_ns, const char **event)
{
    for (guint i = 0; i < l->rows->len; i++) {
        LimitRow *row = &g_array_index(l->rows, LimitRow, i);
        json_t *qmp = pop_row(row, now_ns);

        if (qmp) {
            if (event) {
                *event = row->limit->event;
            }
            return qmp;
        }
    }
    return NULL;
}
