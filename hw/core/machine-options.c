/*
 * The options -m, -smp and -rtc.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/core/machine-internal.h"
#include "hw/core/options.h"
#include "util/cutils.h"
#include "util/error.h"

#define MIB           (1ull << 20)
#define RAM_GRANULE   4096ull
#define RAM_BYTES_MAX (1ull << 40)

bool machine_parse_memory(MachineState *machine, MachineClass *mc,
                          const json_t *opts, Error **errp)
{
    static const char *const known[] = { "size", "slots", "maxmem", "max-size",
                                         NULL };
    uint64_t size = mc->default_ram_bytes;
    uint64_t maxmem = 0;
    unsigned slots = 0;

    if (!options_check_known(opts, known, "-m", errp) ||
        !options_get_size(opts, "size", MIB, &size, errp) ||
        !options_get_size(opts, "maxmem", MIB, &maxmem, errp) ||
        !options_get_size(opts, "max-size", MIB, &maxmem, errp) ||
        !options_get_uint(opts, "slots", &slots, errp)) {
        return false;
    }
    if (slots || (maxmem && maxmem != size)) {
        error_setg(errp,
                   "machine '%s' has no memory slots: 'slots' and "
                   "'maxmem' are not supported",
                   mc->name);
        return false;
    }
    if (size > RAM_BYTES_MAX) {
        error_setg(errp, "RAM of %" PRIu64 " bytes is over the limit of %llu",
                   size, RAM_BYTES_MAX);
        return false;
    }
    if (mc->default_ram_id && size == 0) {
        error_setg(errp, "machine '%s' needs RAM", mc->name);
        return false;
    }
    machine->ram_bytes = ROUND_UP(size, RAM_GRANULE);
    return true;
}

static bool check_topology(const CpuTopology *t, unsigned limit, Error **errp)
{
    uint64_t product = (uint64_t)t->sockets * t->dies;

    product = product > UINT32_MAX ? UINT64_MAX : product * t->cores;
    product = product > UINT32_MAX ? UINT64_MAX : product * t->threads;
    if (product != t->max_cpus) {
        error_setg(errp,
                   "invalid CPU topology: sockets (%u) * dies (%u) * cores "
                   "(%u) * threads (%u) is not maxcpus (%u)",
                   t->sockets, t->dies, t->cores, t->threads, t->max_cpus);
        return false;
    }
    if (t->max_cpus < t->cpus) {
        error_setg(errp, "maxcpus (%u) must not be less than cpus (%u)",
                   t->max_cpus, t->cpus);
        return false;
    }
    if (t->max_cpus > limit) {
        error_setg(errp, "%u CPUs are more than the %u that the machine takes",
                   t->max_cpus, limit);
        return false;
    }
    return true;
}

/* What was not given: cores before sockets before threads (the rule of
 * machine types since 6.2). All are at least 1 here or 0 for "not given". */
static void complete_topology(CpuTopology *t, unsigned default_cpus)
{
    unsigned known;

    t->dies = t->dies ? t->dies : 1;
    if (!t->cpus && !t->max_cpus) {
        if (!t->sockets && !t->cores && !t->threads) {
            t->cpus = default_cpus;
        } else {
            t->sockets = t->sockets ? t->sockets : 1;
            t->cores = t->cores ? t->cores : 1;
            t->threads = t->threads ? t->threads : 1;
            t->cpus = t->sockets * t->dies * t->cores * t->threads;
        }
    }
    t->max_cpus = t->max_cpus ? t->max_cpus : t->cpus;
    t->cpus = t->cpus ? t->cpus : t->max_cpus;
    if (!t->cores) {
        t->sockets = t->sockets ? t->sockets : 1;
        t->threads = t->threads ? t->threads : 1;
        known = t->sockets * t->dies * t->threads;
        t->cores = MAX(1, t->max_cpus / known);
    } else if (!t->sockets) {
        t->threads = t->threads ? t->threads : 1;
        known = t->dies * t->cores * t->threads;
        t->sockets = MAX(1, t->max_cpus / known);
    } else if (!t->threads) {
        known = t->sockets * t->dies * t->cores;
        t->threads = MAX(1, t->max_cpus / known);
    }
}

bool machine_parse_smp(const json_t *opts, unsigned default_cpus,
                       unsigned max_cpus, CpuTopology *ret, Error **errp)
{
    static const char *const known[] = { "cpus",     "sockets", "dies",
                                         "cores",    "threads", "maxcpus",
                                         "clusters", NULL };
    CpuTopology t = { 0 };
    unsigned clusters = 1;
    struct {
        const char *key;
        unsigned *value;
    } fields[] = {
        { "cpus", &t.cpus },       { "maxcpus", &t.max_cpus },
        { "sockets", &t.sockets }, { "dies", &t.dies },
        { "cores", &t.cores },     { "threads", &t.threads },
        { "clusters", &clusters },
    };

    if (!options_check_known(opts, known, "-smp", errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!options_get_uint(opts, fields[i].key, fields[i].value, errp)) {
            return false;
        }
        if (json_object_get(opts, fields[i].key) &&
            (*fields[i].value == 0 || *fields[i].value > UINT16_MAX)) {
            error_setg(errp, "-smp: '%s' must be 1 to %u, not %u",
                       fields[i].key, UINT16_MAX, *fields[i].value);
            return false;
        }
    }
    if (clusters != 1) {
        error_setg(errp, "-smp: clusters are not supported by this machine");
        return false;
    }
    complete_topology(&t, default_cpus);
    if (!check_topology(&t, max_cpus, errp)) {
        return false;
    }
    *ret = t;
    return true;
}

/* "2006-06-17T16:01:21" or "2006-06-17". */
static bool parse_date(const char *text, int64_t *ret)
{
    struct tm tm = { 0 };
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!end) {
        memset(&tm, 0, sizeof(tm));
        end = strptime(text, "%Y-%m-%d", &tm);
    }
    if (!end || *end) {
        return false;
    }
    *ret = mktimegm(&tm);
    return true;
}

bool machine_parse_rtc(const json_t *opts, RtcOptions *ret, Error **errp)
{
    static const char *const known[] = { "base", "clock", "driftfix", NULL };
    RtcOptions rtc = { .base = RTC_BASE_UTC, .host_clock = true };
    const char *base = "utc";
    const char *clock = "host";
    const char *driftfix = "none";

    if (!options_check_known(opts, known, "-rtc", errp) ||
        !options_get_string(opts, "base", &base, errp) ||
        !options_get_string(opts, "clock", &clock, errp) ||
        !options_get_string(opts, "driftfix", &driftfix, errp)) {
        return false;
    }
    if (g_str_equal(base, "localtime")) {
        rtc.base = RTC_BASE_LOCALTIME;
    } else if (!g_str_equal(base, "utc")) {
        rtc.base = RTC_BASE_DATE;
        if (!parse_date(base, &rtc.date_s)) {
            error_setg(errp,
                       "-rtc: base must be 'utc', 'localtime' or a date such "
                       "as 2006-06-17T16:01:21, not '%s'",
                       base);
            return false;
        }
    }
    if (g_str_equal(clock, "vm") || g_str_equal(clock, "rt")) {
        rtc.host_clock = false;
    } else if (!g_str_equal(clock, "host")) {
        error_setg(errp, "-rtc: clock must be 'host', 'rt' or 'vm', not '%s'",
                   clock);
        return false;
    }
    rtc.slew = g_str_equal(driftfix, "slew");
    if (!rtc.slew && !g_str_equal(driftfix, "none")) {
        error_setg(errp, "-rtc: driftfix must be 'none' or 'slew', not '%s'",
                   driftfix);
        return false;
    }
    *ret = rtc;
    return true;
}
