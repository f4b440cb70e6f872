/*
 * Migration between two processes of one host: what both sides use. See ram/near.h.
 *
 * A host is known by the kernel's boot id, which containers share. A relay may
 * stand between two ends that both look local; then the names differ, or the
 * reader follows for nothing.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/ram/near.h"

#include "io/channel-socket.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

#define PING_MASK 0xff000000u
#define PING_HOST 0xc8000000u
#define PING_CPU  0xc9000000u

/* Weights of the past and of the slice that ended. */
#define RATE_PAST 0.75
/* Apart must be so much faster. */
#define APART_GAIN 1.3

/* -- the values of PING ------------------------------------------------------------ */

uint32_t near_ping_host(void)
{
    g_autofree char *id = NULL;

    if (!g_file_get_contents(BOOT_ID, &id, NULL, NULL)) {
        return 0;
    }
    return PING_HOST | (g_str_hash(g_strchomp(id)) & ~PING_MASK);
}

uint32_t near_ping_cpu(unsigned channel, unsigned cpu)
{
    return PING_CPU | (channel & 0xff) << 16 | (cpu & 0xffff);
}

NearPing near_ping_decode(uint32_t value)
{
    switch (value & PING_MASK) {
    case PING_HOST:
        return (NearPing){ .kind = NEAR_PING_HOST,
                           .here = value == near_ping_host() };
    case PING_CPU:
        return (NearPing){ .kind = NEAR_PING_CPU,
                           .channel = value >> 16 & 0xff,
                           .cpu = value & 0xffff };
    default:
        return (NearPing){ .kind = NEAR_PING_NONE };
    }
}

/* -- channels ---------------------------------------------------------------------- */

static QIOChannelSocket *plain_socket(QIOChannel *ioc)
{
    return (QIOChannelSocket *)object_dynamic_cast(OBJECT(ioc),
                                                   TYPE_QIO_CHANNEL_SOCKET);
}

bool near_channel(QIOChannel *ioc)
{
    const QIOChannelSocket *s = plain_socket(ioc);

    return s && qio_channel_socket_is_local(s);
}

/* -- threads ------------------------------------------------------------------------- */

static bool is_only(const cpu_set_t *set, unsigned cpu)
{
    return CPU_COUNT(set) == 1 && CPU_ISSET(cpu, set);
}

bool near_pin(NearPin *pin, int tid, unsigned cpu)
{
    cpu_set_t one, now;

    /* 0 would be the caller. */
    if (tid <= 0 || cpu >= CPU_SETSIZE ||
        sched_getaffinity(tid, sizeof(now), &now) < 0) {
        return false;
    }
    if (!pin->pinned || !is_only(&now, pin->cpu)) {
        pin->pinned = false;
        pin->before = now;
    }
    if (!CPU_ISSET(cpu, &pin->before)) {
        return false;
    }
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(tid, sizeof(one), &one) < 0) {
        return false;
    }
    pin->pinned = true;
    pin->cpu = cpu;
    return true;
}

void near_unpin(NearPin *pin, int tid)
{
    cpu_set_t now;

    /* Where somebody else has sent it meanwhile, it stays. */
    if (pin->pinned && tid > 0 &&
        sched_getaffinity(tid, sizeof(now), &now) == 0 &&
        is_only(&now, pin->cpu)) {
        sched_setaffinity(tid, sizeof(pin->before), &pin->before);
    }
    pin->pinned = false;
}

unsigned near_cpu(unsigned nth)
{
    int here = sched_getcpu();
    unsigned cpu = here < 0 ? 0 : (unsigned)here % CPU_SETSIZE;
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof(set), &set) < 0 || !CPU_COUNT(&set)) {
        return cpu;
    }
    nth %= (unsigned)CPU_COUNT(&set);
    while (!CPU_ISSET(cpu, &set) || nth--) {
        do {
            cpu = (cpu + 1) % CPU_SETSIZE;
        } while (!CPU_ISSET(cpu, &set));
    }
    return cpu;
}

/* -- together or apart? --------------------------------------------------------------- */

bool near_policy_together(const NearPolicy *p)
{
    return p->apart == p->probing;
}

void near_policy_slice(NearPolicy *p, int64_t now_ns, int64_t took_ns,
                       uint64_t bytes, bool limited)
{
    double *rate = &p->rate[!near_policy_together(p)];
    double seen;

    if (!p->since_ns) {
        p->since_ns = now_ns;
    }
    if (took_ns <= 0 || limited) {
        if (p->probing) {
            p->probing = false;
            p->since_ns = now_ns;
        }
        return;
    }
    seen = (double)bytes / (double)took_ns;
    *rate = *rate > 0 && !p->probing
                ? *rate * RATE_PAST + seen * (1 - RATE_PAST)
                : seen;
    if (p->probing) {
        p->probing = false;
        p->apart = p->rate[1] > p->rate[0] * APART_GAIN;
        p->since_ns = now_ns;
    } else if (now_ns - p->since_ns >=
               (p->probed ? NEAR_PROBE_NS : NEAR_FIRST_NS)) {
        p->probing = p->probed = true;
    }
}
