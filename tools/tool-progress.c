/*
 * The progress line: what -p prints while a tool works.
 *
 * It always begins "    (12.34/100%)" and ends with a carriage return, because
 * programs that run the tool look for that. A person at a terminal also sees
 * how much that is, how fast it goes and how long it will take.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/cutils.h"
#include "util/timer.h"

#include "tool-internal.h"

/* "1:02:03" */
static void append_duration(GString *out, uint64_t seconds)
{
    uint64_t h = seconds / 3600;
    unsigned m = (unsigned)(seconds / 60 % 60);
    unsigned s = (unsigned)(seconds % 60);

    if (h) {
        g_string_append_printf(out, "%" PRIu64 ":%02u:%02u", h, m, s);
    } else {
        g_string_append_printf(out, "%u:%02u", m, s);
    }
}

static void append_rate(GString *out, uint64_t current, uint64_t total,
                        const ProgressRate *pace, bool unit_is_bytes)
{
    double per_second;
    uint64_t left;

    if (!progress_rate_get(pace, &per_second)) {
        return;
    }
    if (unit_is_bytes) {
        g_autofree char *done = size_to_str(current);
        g_autofree char *all = size_to_str(total);
        g_autofree char *rate = size_to_str((uint64_t)per_second);

        g_string_append_printf(out, "  %s of %s, %s/s", done, all, rate);
    }
    if (progress_rate_eta(pace, current, total, &left)) {
        g_string_append(out, unit_is_bytes ? ", " : "  ");
        append_duration(out, MIN(left, 359999));
        g_string_append(out, " left");
    }
}

char *tool_progress_line(uint64_t current, uint64_t total,
                         const ProgressRate *rate, bool unit_is_bytes,
                         bool is_terminal)
{
    GString *out = g_string_new(NULL);
    double percent = 0;

    current = MIN(current, total);
    if (total) {
        percent = (double)current / (double)total * 100.0;
        /* 100 only when it is done. */
        percent = current < total ? MIN(percent, 99.99) : 100.0;
    }
    g_string_append_printf(out, "    (%3.2f/100%%)", percent);
    if (is_terminal) {
        if (rate) {
            append_rate(out, current, total, rate, unit_is_bytes);
        }
        while (out->len < 70) { /* over what stood there before */
            g_string_append_c(out, ' ');
        }
    }
    return g_string_free(out, FALSE);
}

/* -- on the screen --------------------------------------------------------------- */

#define PERIOD_MS 100

struct ToolProgressBar {
    Tool *tool;
    QEMUTimer *timer;
    ProgressRate rate;
    bool visible; /* else only SIGUSR1 shows a line */
    bool unit_is_bytes;
    bool is_terminal;
    char *last;
};

static void show(ToolProgressBar *bar, uint64_t current, uint64_t total,
                 bool once)
{
    g_autofree char *line = NULL;

    progress_rate_sample(&bar->rate, current,
                         qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    line = tool_progress_line(current, total, &bar->rate, bar->unit_is_bytes,
                              bar->is_terminal);
    if (!once && bar->last && g_str_equal(line, bar->last)) {
        return;
    }
    printf("%s%c", line, once ? '\n' : '\r');
    fflush(stdout);
    g_free(bar->last);
    bar->last = g_steal_pointer(&line);
}

static void tick(void *opaque)
{
    ToolProgressBar *bar = opaque;
    uint64_t current, total;

    block_progress_get(&bar->tool->progress, &current, &total);
    show(bar, current, total, false);
    timer_mod(bar->timer, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + PERIOD_MS);
}

void tool_progress_start(Tool *tool, bool visible, bool unit_is_bytes)
{
    ToolProgressBar *bar = g_new0(ToolProgressBar, 1);

    tool->progress = (BlockProgress){ .cancelled = tool->interrupted };
    bar->tool = tool;
    bar->visible = visible && !tool->quiet;
    bar->unit_is_bytes = unit_is_bytes;
    bar->is_terminal = isatty(STDOUT_FILENO);
    progress_rate_skip(&bar->rate, 0, qemu_clock_get_ns(QEMU_CLOCK_REALTIME));
    bar->timer =
        aio_timer_new(tool->ctx, QEMU_CLOCK_REALTIME, SCALE_MS, tick, bar);
    tool->bar = bar;
    if (bar->visible) {
        tick(bar);
    }
    if (tool->print_wanted) {
        tool_progress_print(tool);
    }
}

void tool_progress_print(Tool *tool)
{
    uint64_t current, total;

    tool->print_wanted = !tool->bar; /* as soon as there is something */
    if (tool->bar) {
        block_progress_get(&tool->progress, &current, &total);
        show(tool->bar, current, total, true);
    }
}

void tool_progress_end(Tool *tool, bool ok)
{
    ToolProgressBar *bar = g_steal_pointer(&tool->bar);

    if (!bar) {
        return;
    }
    timer_free(bar->timer);
    if (bar->visible) {
        if (ok) {
            show(bar, MAX(tool->progress.total, 1),
                 MAX(tool->progress.total, 1), false);
        }
        printf("\n");
        fflush(stdout);
    }
    g_free(bar->last);
    g_free(bar);
}
