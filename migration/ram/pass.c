/*
 * Passes over the dirty memory of the source.
 *
 * A pass begins with a sync of the dirty log and ends when no bit is left that
 * the sync brought. It is sent in slices, each a PART section of its own, so
 * that the owner can look at its clock, its policy and its monitor in between.
 * Slices are made of runs: pages in a row that are claimed, read and written
 * together.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/mapped/file-ram.h"
#include "migration/multifd/multifd.h"
#include "migration/ram/internal.h"
#include "migration/ram/zero-ahead.h"
#include "util/lockable.h"

static int64_t thread_cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* -- the begin of a pass ------------------------------------------------------------ */

/* The methods' accounts since the pass began; the new pass begins with these. */
static void report_methods(RAMSource *rs, RAMPassReport *report)
{
    for (int m = 0; m < PAGE_METHOD__MAX; m++) {
        const MigrationMethodStats *now = &rs->config.stats->method[m];
        MigrationMethodStats *then = &rs->pass_method[m];
        MigrationMethodStats sum = { .pages = stats_get(&now->pages),
                                     .bytes_in = stats_get(&now->bytes_in),
                                     .bytes_out = stats_get(&now->bytes_out),
                                     .cpu_ns = stats_get(&now->cpu_ns) };

        report->method[m] = (MigrationMethodStats){
            .pages = sum.pages - then->pages,
            .bytes_in = sum.bytes_in - then->bytes_in,
            .bytes_out = sum.bytes_out - then->bytes_out,
            .cpu_ns = sum.cpu_ns - then->cpu_ns,
        };
        report->sent_pages += report->method[m].pages;
        *then = sum;
    }
}

static uint64_t per_second(uint64_t n, int64_t ns)
{
    return ns > 0 ? (uint64_t)((unsigned __int128)n * 1000000000 / ns) : 0;
}

/* What happened from the last sync to @now. */
static void report_pass(RAMSource *rs, int64_t now, uint64_t new_pages,
                        RAMPassReport *report)
{
    MigrationStats *s = rs->config.stats;
    uint64_t sent = stats_transferred(s);
    uint64_t waited = pacer_waited_ns(rs->config.pacer);

    memset(report, 0, sizeof(*report));
    report->pass = rs->pass;
    report->total_bytes = stats_get(&s->total_bytes);
    report->new_bytes = new_pages << RAM_PAGE_BITS;
    report->dirty_bytes = ram_dirty_bytes(rs);
    report_methods(rs, report);
    if (rs->pass > 1) {
        report->duration_ns = now - rs->pass_start_ns;
        report->sent_bytes = sent - rs->pass_sent_bytes;
        report->wait_ns = (int64_t)(waited - rs->pass_wait_ns);
        report->dirty_rate = per_second(report->new_bytes, report->duration_ns);
        report->goodput = per_second(report->sent_pages << RAM_PAGE_BITS,
                                     report->duration_ns);
        stats_set(&s->dirty_pages_rate,
                  per_second(new_pages, report->duration_ns));
    }
    rs->pass_start_ns = now;
    rs->pass_sent_bytes = sent;
    rs->pass_wait_ns = waited;
}

bool ram_pass_begin(RAMSource *rs, RAMPassReport *report, Error **errp)
{
    int64_t start = ram_now_ns();
    uint64_t new_pages = 0;

    if (!rs->config.background && !ram_dirty_sync(rs, &new_pages, errp)) {
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&rs->lock)
    {
        rs->methods = rs->wanted;
    }
    if (!ram_methods_apply(rs, errp)) {
        return false;
    }
    rs->pass++;
    stats_add(&rs->config.stats->dirty_sync_count, 1);
    report_pass(rs, start, new_pages, report);
    report->sync_ns = ram_now_ns() - start;
    return true;
}

/* -- sending --------------------------------------------------------------------------- */

/* All of the pass that channels of their own carry is out. */
static bool sync_channels(RAMSource *rs, QEMUFile *f, Error **errp)
{
    if (rs->config.file) {
        return file_ram_writer_sync(rs->config.file, errp);
    }
    if (rs->config.multifd && rs->multifd_dirty) {
        if (!multifd_send_sync(rs->config.multifd, errp)) {
            return false;
        }
        rs->multifd_dirty = false;
        qemu_put_be64(f, RAM_WIRE_MULTIFD_FLUSH);
    }
    return true;
}

static bool file_ok(QEMUFile *f, Error **errp)
{
    return qemu_file_get_error_obj(f, errp) == 0;
}

/* Bytes put since the last time pass the pacer; pieces must not grow long. */
static bool pace(RAMWriter *w, uint64_t *paced, bool all, Error **errp)
{
    Pacer *pacer = w->rs->config.pacer;
    uint64_t put = qemu_file_transferred(w->f) - *paced;

    if (!put || (!all && put < pacer_quantum(pacer))) {
        return true;
    }
    *paced += put;
    ram_writer_account(w);
    if (pacer_rate(pacer) && qemu_fflush(w->f) < 0) {
        return file_ok(w->f, errp);
    }
    if (!pacer_charge(pacer, put)) {
        error_setg(errp, "migration was cancelled");
        return false;
    }
    return file_ok(w->f, errp);
}

static uint64_t run_max(RAMSource *rs)
{
    return CLAMP(pacer_quantum(rs->config.pacer) >> RAM_PAGE_BITS, 1,
                 RAM_RUN_MAX);
}

/* Plain pages' and channels' CPU time is what the sampled methods leave. */
static void account_cpu(RAMWriter *w, int64_t cpu_start)
{
    RAMSource *rs = w->rs;
    bool queued =
        rs->config.file || (rs->config.multifd && rs->methods.multifd);
    uint64_t cpu = (uint64_t)(thread_cpu_ns() - cpu_start);

    ram_writer_account(w);
    stats_method_add(rs->config.stats, PAGE_METHOD_ZERO, 0, 0, 0,
                     zero_ahead_cpu_ns(rs->ahead));
    stats_method_add(rs->config.stats,
                     queued ? PAGE_METHOD_MULTIFD : PAGE_METHOD_PLAIN, 0, 0, 0,
                     cpu > w->cpu_ns ? cpu - w->cpu_ns : 0);
    w->cpu_ns = 0;
}

/* Runs until the pass or the slice ends. */
static RAMSendResult send_runs(RAMWriter *w, int64_t deadline_ns, bool paced,
                               Error **errp)
{
    RAMSource *rs = w->rs;
    uint64_t charged = qemu_file_transferred(w->f);
    RAMRun run;

    while (ram_dirty_claim(rs, paced ? run_max(rs) : RAM_RUN_MAX, &run)) {
        ram_dirty_enter(rs, &run);
        if (!ram_writer_send_run(w, &run,
                                 rs->window_known ? rs->window_touched : NULL,
                                 rs->window_first, errp)) {
            return RAM_SEND_ERROR;
        }
        if (paced ? !pace(w, &charged, false, errp) : !file_ok(w->f, errp)) {
            return RAM_SEND_ERROR;
        }
        if (deadline_ns && ram_now_ns() >= deadline_ns) {
            return paced && !pace(w, &charged, true, errp) ? RAM_SEND_ERROR
                                                           : RAM_SEND_MORE;
        }
    }
    return paced && !pace(w, &charged, true, errp) ? RAM_SEND_ERROR
                                                   : RAM_SEND_DONE;
}

static RAMSendResult send_slice(RAMSource *rs, QEMUFile *f, int64_t slice_ns,
                                bool paced, Error **errp)
{
    RAMWriter *w = ram_main_writer(rs, f);
    int64_t cpu = thread_cpu_ns();
    RAMSendResult result;

    ram_delta_resize(rs);
    result = rs->postcopy ? ram_postcopy_slice(w, slice_ns, errp)
                          : send_runs(w, slice_ns ? ram_now_ns() + slice_ns : 0,
                                      paced, errp);
    if (result == RAM_SEND_ERROR) {
        return result;
    }
    /* A page of the next pass must not overtake one of this. */
    if (!ram_delta_drain(w, errp) ||
        (result == RAM_SEND_DONE && !sync_channels(rs, f, errp))) {
        return RAM_SEND_ERROR;
    }
    ram_put_eos(f);
    account_cpu(w, cpu);
    return qemu_fflush(f) < 0 && !file_ok(f, errp) ? RAM_SEND_ERROR : result;
}

RAMSendResult ram_pass_send(RAMSource *rs, QEMUFile *f, int64_t slice_ns,
                            Error **errp)
{
    return send_slice(rs, f, slice_ns, true, errp);
}

bool ram_complete(RAMSource *rs, QEMUFile *f, Error **errp)
{
    RAMPassReport report;

    if (rs->config.background) {
        ram_put_eos(f); /* everything was sent as it stood at the moment */
        return qemu_fflush(f) == 0 || file_ok(f, errp);
    }
    rs->stopped = true;
    if (rs->config.multifd) {
        multifd_send_set_paced(rs->config.multifd, false);
    }
    if (rs->config.file) {
        file_ram_writer_set_paced(rs->config.file, false);
    }
    if (!rs->postcopy && !ram_pass_begin(rs, &report, errp)) {
        return false;
    }
    if (send_slice(rs, f, 0, false, errp) == RAM_SEND_ERROR) {
        return false;
    }
    return !rs->config.file ||
           file_ram_writer_finish(rs->config.file, qemu_file_get_ioc(f), errp);
}
