/*
 * A front end that writes down what happens to it, and helpers to run the
 * main context until something has happened.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef TESTS_CHARDEV_FAKE_FE_H
#define TESTS_CHARDEV_FAKE_FE_H

#include "chardev/char-fe.h"
#include "util/error.h"

typedef struct FakeFe {
    CharBackend be;
    GString *input;
    GString *events; /* O opened, C closed, B break, I/U mux in/out */
    int room;        /* what can_read says */
} FakeFe;

static inline int fake_can_read(void *opaque)
{
    return ((FakeFe *)opaque)->room;
}

static inline void fake_read(void *opaque, const uint8_t *buf, int size)
{
    FakeFe *fe = opaque;

    g_assert_cmpint(size, <=, fe->room);
    g_string_append_len(fe->input, (const char *)buf, size);
}

static inline void fake_event(void *opaque, QEMUChrEvent event)
{
    FakeFe *fe = opaque;

    g_string_append_c(fe->events, "BOIUC"[event]);
}

static inline int fake_change(void *opaque)
{
    FakeFe *fe = opaque;

    qemu_chr_fe_set_handlers(&fe->be, fake_can_read, fake_read, fake_event,
                             fake_change, fe, NULL, true);
    return 0;
}

static inline void fake_fe_init(FakeFe *fe, Chardev *chr)
{
    memset(fe, 0, sizeof(*fe));
    fe->input = g_string_new(NULL);
    fe->events = g_string_new(NULL);
    fe->room = 4096;
    g_assert_true(qemu_chr_fe_init(&fe->be, chr, &error_abort));
    qemu_chr_fe_set_handlers(&fe->be, fake_can_read, fake_read, fake_event,
                             fake_change, fe, NULL, true);
}

static inline void fake_fe_clear(FakeFe *fe)
{
    qemu_chr_fe_deinit(&fe->be, false);
    g_string_free(fe->input, TRUE);
    g_string_free(fe->events, TRUE);
}

static inline int fake_write(FakeFe *fe, const char *text)
{
    return qemu_chr_fe_write_all(&fe->be, (const uint8_t *)text, strlen(text));
}

static inline gboolean fake_wakeup(gpointer opaque)
{
    return G_SOURCE_CONTINUE;
}

/* Runs the main context until @cond or for 5 s; fails the test then. */
#define RUN_UNTIL(cond) RUN_UNTIL_MS(cond, 5000)
#define RUN_UNTIL_MS(cond, ms)                                                 \
    do {                                                                       \
        int64_t end_ = g_get_monotonic_time() + (ms)*1000LL;                   \
        guint tick_ = g_timeout_add(5, fake_wakeup, NULL);                     \
        while (!(cond) && g_get_monotonic_time() < end_) {                     \
            g_main_context_iteration(NULL, TRUE);                              \
        }                                                                      \
        g_source_remove(tick_);                                                \
        g_assert_true(cond);                                                   \
    } while (0)

/* Runs the main context for a while. */
static inline void run_for_ms(int ms)
{
    int64_t end = g_get_monotonic_time() + ms * 1000LL;
    guint tick = g_timeout_add(5, fake_wakeup, NULL);

    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(NULL, TRUE);
    }
    g_source_remove(tick);
}

static inline int count_fds(void)
{
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    int n = 0;

    while (g_dir_read_name(dir)) {
        n++;
    }
    return n;
}

#endif
