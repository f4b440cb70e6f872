/*
 * Writing down what a migration reported and what was decided.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/policy/record.h"

#include "trace/trace-migration.h"
#include "util/cutils.h"
#include "util/error.h"

struct PolicyRecorder {
    int fd;
    bool broken; /* a write failed: what follows would be misread */
};

static int append_text(const char *text, size_t len, void *opaque)
{
    g_string_append_len(opaque, text, (gssize)len);
    return 0;
}

/* Returns: 0 or errno. */
static int put_line(PolicyRecorder *rec, json_t *json)
{
    g_autoptr(GString) line = g_string_new(NULL);
    ssize_t ret;

    json_dump_callback(json, append_text, line, JSON_COMPACT);
    json_decref(json);
    g_string_append_c(line, '\n');
    do {
        ret = write(rec->fd, line->str, line->len);
    } while (ret < 0 && errno == EINTR);
    if (ret == (ssize_t)line->len) {
        return 0;
    }
    rec->broken = true;
    return ret < 0 ? errno : ENOSPC;
}

static void put(PolicyRecorder *rec, json_t *json)
{
    int ret;

    if (rec->broken) {
        json_decref(json);
        return;
    }
    ret = put_line(rec, json);
    if (ret) {
        trace_migration_record_lost(ret);
    }
}

PolicyRecorder *policy_recorder_new(const char *path, const char *policy,
                                    Error **errp)
{
    PolicyRecorder *rec;
    int ret;
    int fd =
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);

    if (fd < 0) {
        error_setg_errno(errp, errno, "could not open the record '%s'", path);
        return NULL;
    }
    rec = g_new0(PolicyRecorder, 1);
    rec->fd = fd;
    ret = put_line(rec, json_pack("{s:i, s:s}", "ferry-run",
                                  POLICY_RECORD_VERSION, "policy", policy));
    if (ret) {
        error_setg_errno(errp, ret, "could not write to the record '%s'", path);
        policy_recorder_free(rec);
        return NULL;
    }
    return rec;
}

void policy_recorder_free(PolicyRecorder *rec)
{
    if (rec) {
        fd_close(rec->fd);
        g_free(rec);
    }
}

void policy_recorder_pass(PolicyRecorder *rec, const PassReport *report,
                          const Decision *decision)
{
    put(rec, json_pack("{s:o, s:o}", "report", policy_report_to_json(report),
                       "decision", policy_decision_to_json(decision)));
}

void policy_recorder_end(PolicyRecorder *rec, const char *status,
                         int64_t total_ns, int64_t downtime_ns)
{
    put(rec, json_pack("{s:s, s:I, s:I}", "end", status, "total-ns",
                       (json_int_t)total_ns, "downtime-ns",
                       (json_int_t)downtime_ns));
}
