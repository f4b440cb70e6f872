/*
 * When to wait for the next request without sleeping.
 *
 * A client that waits for each answer before it asks again leaves the server
 * idle for some microseconds, and going to sleep and being woken costs more
 * than that. So where such a client's waits have been short, its connection
 * looks at the socket again and again, for at most NBD_SPIN_NS. It goes on as
 * long as that ends most of the waits: a hit earns a point, a miss costs
 * NBD_SPIN_MISS of them. When they are used up it stops, and begins again only
 * after a number of short waits, which doubles each time and comes down with
 * success.
 *
 * Pure bookkeeping: the caller has the clock and the socket.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef NBD_SPIN_H
#define NBD_SPIN_H

/* So long without sleeping. */
#define NBD_SPIN_NS 50000
/* With sleeping, and being woken, a wait up to this was a short one. */
#define NBD_SPIN_SHORT_NS 150000
/* Short waits until it begins: at first, and at most. */
#define NBD_SPIN_AFTER     16
#define NBD_SPIN_AFTER_MAX 4096
/* Hits in a row, then the event loop has a turn. */
#define NBD_SPIN_TURNS 64
/* Points for a miss, and the most that are kept. */
#define NBD_SPIN_MISS   8
#define NBD_SPIN_POINTS 64

typedef struct NBDSpin {
    bool on;
    unsigned turns;  /* hits since the loop had its turn */
    unsigned points; /* while it is on */
    unsigned good;   /* while it is off: short waits in a row */
    unsigned after;  /* so many of those, and it begins */
} NBDSpin;

static inline void nbd_spin_init(NBDSpin *s)
{
    *s = (NBDSpin){ .after = NBD_SPIN_AFTER };
}

/** nbd_spin_wanted: whether to spin in this wait. */
static inline bool nbd_spin_wanted(const NBDSpin *s)
{
    return s->on && s->turns < NBD_SPIN_TURNS;
}

/** nbd_spin_hit: spinning has ended a wait. */
static inline void nbd_spin_hit(NBDSpin *s)
{
    if (++s->turns == NBD_SPIN_TURNS) {
        s->after = MAX(s->after / 2, NBD_SPIN_AFTER);
    }
    s->points = MIN(s->points + 1, NBD_SPIN_POINTS);
}

/** nbd_spin_slept: a wait of @ns in all went to sleep; @spun: at first it was
 *  tried without. */
static inline void nbd_spin_slept(NBDSpin *s, int64_t ns, bool spun)
{
    s->turns = 0;
    if (spun && s->points >= NBD_SPIN_MISS) {
        s->points -= NBD_SPIN_MISS;
    } else if (spun) {
        *s = (NBDSpin){ .after = MIN(s->after * 2, NBD_SPIN_AFTER_MAX) };
    } else if (ns > NBD_SPIN_SHORT_NS) {
        *s = (NBDSpin){ .after = s->after };
    } else if (!s->on && ++s->good >= s->after) {
        *s = (NBDSpin){ .on = true, .after = s->after };
    }
}

#endif
