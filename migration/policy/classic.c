/*
 * The classic policy: the knobs that users of QEMU know.
 *
 * Switch over as soon as the whole pause, not only its RAM, is expected to keep
 * within downtime-limit. But while another pass would make the pause clearly
 * shorter, and is itself short, make it: an idle guest then pauses for
 * milliseconds, whatever the limit. Where the part of the pause that is not
 * RAM is over the limit already, further passes cannot help: then it is enough
 * that RAM adds little.
 *
 * Where the guest dirties memory faster than throttle-trigger-threshold percent
 * of what is sent: with auto-converge make the vCPUs sleep, at first
 * cpu-throttle-initial percent, then cpu-throttle-increment more for each
 * second that this goes on (with cpu-throttle-tailslow only as much as is
 * needed); with dirty-limit set vcpu-dirty-limit. Both stay until the end.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/policy/internal.h"
#include "migration/ram-block.h"

#define MS       INT64_C(1000000)
#define NS_PER_S (1000 * MS)
/* RAM's part of the pause below which no pass is worth its while. */
#define PAUSE_FLOOR_NS (1 * MS)
/* A further pass pays if it leaves at most so many percent. */
#define PASS_PAYS_PERCENT 70
/* Longest pass that is made only to shorten the pause, in parts of the limit
 * (the time is not the guest's), and how many. */
#define EXTRA_PASS_LIMITS 10
#define EXTRA_PASSES_MAX  8
/* Shortest time over which dirtying is compared with sending. */
#define PERIOD_NS NS_PER_S
/* Most increments at once, after a long pass. */
#define STEPS_MAX 3
/* Longest downtime-limit that is reckoned with, two years. */
#define LIMIT_MS_MAX (UINT64_C(1) << 36)
/* A migration that takes longer is as good as none. */
#define FORECAST_MAX_NS (100000 * NS_PER_S)

/* Over some time. */
typedef struct Rates {
    int64_t period_ns;
    uint64_t sent_bytes;
    uint64_t dirtied_bytes;
} Rates;

typedef struct Classic {
    unsigned extra_passes; /* since the pause came within the limit */
    uint64_t last_remaining;

    Rates whole;          /* of passes, since the last look */
    Rates part;           /* in the middle of one, the same */
    unsigned raised;      /* so often in the middle of this pass */
    uint64_t dirty_limit; /* in effect; 0: none */
} Classic;

/* -- when ---------------------------------------------------------------------- */

static int64_t limit_ns(const PassReport *r)
{
    return (int64_t)MIN(r->knobs.downtime_limit_ms, LIMIT_MS_MAX) * MS;
}

/* Pages dirty after a further pass, and how long that takes. */
static uint64_t after_next_pass(const PassReport *r, int64_t *ret_ns)
{
    double seconds = (double)r->duration_ns / NS_PER_S;
    double sent = seconds > 0 ? (double)r->sent_pages / seconds : 0;
    double dirtied = seconds > 0 ? (double)r->dirtied_pages / seconds : 0;
    double t;

    if (sent <= 0) {
        /* Nothing is known of the speed: what was, is. */
        *ret_ns = r->duration_ns;
        return r->dirtied_pages;
    }
    t = (double)r->remaining_pages / sent;
    *ret_ns = (int64_t)MIN(t * NS_PER_S, (double)INT64_MAX / 4);
    return (uint64_t)MIN(dirtied * t, (double)r->ram_pages);
}

static bool another_pass_pays(const Classic *c, const PassReport *r)
{
    int64_t limit = limit_ns(r);
    int64_t ram = policy_ram_ns(r->remaining_pages, r->bandwidth);
    int64_t pass_ns;
    uint64_t left = after_next_pass(r, &pass_ns);

    if (ram <= MAX(PAUSE_FLOOR_NS, r->switchover_fixed_ns / 4) ||
        c->extra_passes >= EXTRA_PASSES_MAX) {
        return false;
    }
    if (c->extra_passes &&
        r->remaining_pages > c->last_remaining * PASS_PAYS_PERCENT / 100) {
        return false; /* the last one did not keep its promise */
    }
    return pass_ns <= EXTRA_PASS_LIMITS * MAX(limit, PAUSE_FLOOR_NS) &&
           left <= r->remaining_pages * PASS_PAYS_PERCENT / 100;
}

static void decide_when(Classic *c, const PassReport *r, Decision *d)
{
    int64_t limit = limit_ns(r);
    int64_t fixed = MAX(r->switchover_fixed_ns, 0);
    int64_t ram = policy_ram_ns(r->remaining_pages, r->bandwidth);
    bool fits = d->expected_pause_ns <= limit;
    bool hopeless = fixed > limit && ram <= fixed / 10;

    if (r->remaining_pages && !fits && !hopeless) {
        d->why = "the pause would be over downtime-limit";
        c->extra_passes = 0;
    } else if (!r->can_switch) {
        d->why = "the destination is not ready";
    } else if (r->remaining_pages && another_pass_pays(c, r)) {
        d->why = "another pass makes the pause shorter";
        c->extra_passes++;
    } else {
        d->action = POLICY_SWITCH;
        d->why = hopeless && !fits
                     ? "what is over downtime-limit is not RAM's part"
                     : "the pause is within downtime-limit";
    }
    c->last_remaining = r->remaining_pages;
}

/* -- slowing the guest down ------------------------------------------------------ */

/* Percent more, so that dirtying comes to the threshold. */
static unsigned needed_percent(const Rates *c, const PassReport *r)
{
    double allowed =
        (double)c->sent_bytes * r->knobs.throttle_trigger_threshold / 100;
    double share = 100.0 - MIN(r->throttle, 100u);
    double ideal =
        c->dirtied_bytes ? share * allowed / (double)c->dirtied_bytes : share;

    return ideal < share ? (unsigned)(share - ideal + 1) : 1;
}

static unsigned more_throttle(const Rates *c, const PassReport *r,
                              unsigned steps)
{
    const PolicyKnobs *k = &r->knobs;
    unsigned more = r->throttle ? k->cpu_throttle_increment * steps
                                : k->cpu_throttle_initial;

    if (k->cpu_throttle_tailslow) {
        more = MIN(more, needed_percent(c, r));
    }
    return MIN(r->throttle + more, k->max_cpu_throttle);
}

static bool dirties_too_fast(const Rates *c, const PolicyKnobs *k)
{
    return (double)c->dirtied_bytes >
           (double)c->sent_bytes * k->throttle_trigger_threshold / 100;
}

static void rates_add(Rates *c, const PassReport *r)
{
    c->period_ns += MAX(r->duration_ns, 0);
    c->sent_bytes += r->sent_bytes;
    c->dirtied_bytes += r->dirtied_pages * RAM_PAGE_SIZE;
}

/* Returns: percent; may switch the dirty limit on. */
static unsigned hold_back(Classic *c, const Rates *rates, const PassReport *r,
                          unsigned steps)
{
    const PolicyKnobs *k = &r->knobs;

    if (!steps || !dirties_too_fast(rates, k)) {
        return r->throttle;
    }
    if (k->dirty_limit) {
        c->dirty_limit = k->vcpu_dirty_limit;
        return r->throttle;
    }
    return k->auto_converge ? more_throttle(rates, r, steps) : r->throttle;
}

/*
 * In the middle of a long pass: one increment a second. Not in the first, which
 * sends all memory however little the guest writes.
 */
static unsigned look_at_part(Classic *c, const PassReport *r)
{
    unsigned throttle = r->throttle;

    if (r->pass <= 1) {
        return throttle;
    }
    rates_add(&c->part, r);
    if (c->part.period_ns >= PERIOD_NS) {
        throttle = hold_back(c, &c->part, r, 1);
        c->raised += throttle > r->throttle;
        c->part = (Rates){ 0 };
    }
    return throttle;
}

/* At the end of one: the increments that it was not given on the way. */
static unsigned look_at_whole(Classic *c, const PassReport *r)
{
    unsigned throttle = r->throttle;
    unsigned steps;

    rates_add(&c->whole, r);
    if (c->whole.period_ns >= PERIOD_NS) {
        steps =
            (unsigned)MIN(MAX(c->whole.period_ns / PERIOD_NS, 1), STEPS_MAX);
        throttle = hold_back(c, &c->whole, r, steps - MIN(steps, c->raised));
        c->whole = (Rates){ 0 };
    }
    c->part = (Rates){ 0 };
    c->raised = 0;
    return throttle;
}

static void decide_throttle(Classic *c, const PassReport *r, Decision *d)
{
    const PolicyKnobs *k = &r->knobs;

    d->throttle = r->partial ? look_at_part(c, r) : look_at_whole(c, r);
    /* Switched off while it runs, or another number given. */
    if (!k->auto_converge || k->dirty_limit) {
        d->throttle = 0;
    }
    d->throttle = MIN(d->throttle, k->max_cpu_throttle);
    if (!k->dirty_limit) {
        c->dirty_limit = 0;
    } else if (c->dirty_limit) {
        c->dirty_limit = k->vcpu_dirty_limit;
    }
    d->dirty_limit = c->dirty_limit;
}

/* -- how long ---------------------------------------------------------------------- */

/* Passes shrink by the ratio of dirtying to sending. */
static int64_t expected_end(const PassReport *r, const Decision *d)
{
    int64_t limit = limit_ns(r);
    int64_t total = 0;
    PassReport next = *r;

    for (unsigned i = 0; i < 1000; i++) {
        int64_t ram = policy_ram_ns(next.remaining_pages, r->bandwidth);
        bool under_way = r->partial && i == 0; /* is made in any case */
        int64_t ns;
        uint64_t left;

        if (ram == INT64_MAX) {
            break;
        }
        if (!under_way && (ram + r->switchover_fixed_ns <= limit ||
                           (d->action == POLICY_SWITCH && i == 0))) {
            return total + ram + r->switchover_fixed_ns;
        }
        left = after_next_pass(&next, &ns);
        if ((left >= next.remaining_pages && !under_way) ||
            total > FORECAST_MAX_NS) {
            break;
        }
        total += ns;
        next.remaining_pages = left;
    }
    return INT64_MAX;
}

static void classic_decide(void *state, const PassReport *r, Decision *d)
{
    Classic *c = state;

    decide_throttle(c, r, d);
    if (!r->partial) {
        decide_when(c, r, d);
    }
    d->expected_end_ns = expected_end(r, d);
}

const PolicyClass policy_classic = {
    .name = "classic",
    .help = "downtime-limit, auto-converge, dirty-limit",
    .size = sizeof(Classic),
    .decide = classic_decide,
};
