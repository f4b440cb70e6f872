/*
 * The channel of urgent pages, on the source.
 *
 * A page that the guest waits for must not stand behind those that nobody waits
 * for, and whoever reads it should have slept for nothing else. So it has a
 * connection of its own: with capability postcopy-preempt as a matter of course,
 * else where the destination is one of ours and was asked:
 *
 *   source                                destination
 *   PING "FURG", PING word       ------>  listens? may it be connected to?
 *                                <------  PONG "FUOK"
 *   before the guest stops: connects;
 *   "FURG", word                 ------>  the word of this source?
 *                                <------  PONG "FUHA": it is here
 *   at the switch, if it is still there:
 *   PING "FUSE"                  ------>  pages will come on it: its end counts
 *
 * Nothing is sent there before the destination has said that it has it, so a
 * connection that ends somewhere else does no harm: without "FUHA" requested
 * pages go by the main channel. Strangers do not know the word. Other programs
 * answer the PINGs as any. A recovery agrees upon another word, over its own main
 * channel: one that was seen lets nobody in later. But what could not be made in
 * time is not tried again.
 *
 * Whether it broke is seen by postcopy/watch.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/random.h"
#include "migration/postcopy/source.h"
#include "migration/return/path.h"
#include "migration/source/source.h"
#include "migration/transport/transport.h"
#include "util/bswap.h"
#include "util/timer.h"

/* The destination has answered, and taken the connection, by then: once for
 * all of it, as somebody may wait for post-copy. */
#define URGENT_LIMIT_MS 1000
/* No other PING or PONG begins with these bits (ram/near.h, source.h). */
#define URGENT_WORD_BITS 0xf0000000u

static bool urgent_is_capability(const PostcopySource *ps)
{
    return migrate_cap(ps->ms, MIGRATION_CAPABILITY_POSTCOPY_PREEMPT);
}

static bool urgent_may_be(const PostcopySource *ps)
{
    return ps->memory && !urgent_is_capability(ps) && !ps->urgent_given_up &&
           migrate_param(ps->ms, urgent_channel) &&
           transport_is_socket(ps->ms->target->kind);
}

void postcopy_urgent_offer(PostcopySource *ps)
{
    MigrationState *ms = ps->ms;
    uint32_t word;

    ps->urgent_word = 0;
    if (!urgent_may_be(ps) ||
        qcrypto_random_bytes(&word, sizeof(word), NULL) < 0) {
        return;
    }
    ps->urgent_word = word | URGENT_WORD_BITS;
    savevm_send_ping(ms->to_dst_file, MIGRATION_PING_URGENT);
    savevm_send_ping(ms->to_dst_file, ps->urgent_word);
}

bool postcopy_urgent_open(PostcopySource *ps, Error **errp)
{
    if (!urgent_is_capability(ps)) {
        return true;
    }
    ps->urgent_ioc =
        migration_channel_open(ps->ms, MIGRATION_CHANNEL_PREEMPT, errp);
    if (!ps->urgent_ioc) {
        error_prepend(errp, "channel for urgent pages: ");
        return false;
    }
    qio_channel_set_delay(ps->urgent_ioc, false);
    return true;
}

static uint64_t urgent_left_ms(int64_t end_ns)
{
    int64_t left = (end_ns - get_clock()) / SCALE_MS;

    return left > 0 ? (uint64_t)left : 0;
}

/* Connects and says what it is; the destination, that it has come. */
static bool urgent_make(PostcopySource *ps, int64_t end_ns)
{
    uint8_t first[URGENT_INIT_LEN];

    ps->urgent_ioc = migration_channel_open_within(
        ps->ms, (unsigned)urgent_left_ms(end_ns), NULL);
    if (!ps->urgent_ioc) {
        return false;
    }
    qio_channel_set_delay(ps->urgent_ioc, false);
    stl_be_p(first, MIGRATION_MAGIC_URGENT);
    stl_be_p(first + 4, ps->urgent_word);
    return qio_channel_write_all(ps->urgent_ioc, (char *)first, sizeof(first),
                                 NULL) == 0 &&
           return_path_wait_urgent_there(ps->ms, urgent_left_ms(end_ns));
}

void postcopy_urgent_try(PostcopySource *ps)
{
    int64_t end_ns = get_clock() + URGENT_LIMIT_MS * SCALE_MS;

    if (!ps->urgent_word) {
        return;
    }
    if (return_path_wait_urgent_ok(ps->ms, URGENT_LIMIT_MS) &&
        urgent_make(ps, end_ns)) {
        return;
    }
    migration_channel_close(ps->ms, g_steal_pointer(&ps->urgent_ioc));
    if (!return_path_wait_ended(ps->ms, 0)) {
        ps->urgent_given_up = true; /* each try would take as long */
    }
}

static bool urgent_is_dead(const PostcopySource *ps)
{
    return ps->urgent_ioc && migration_socket_has_ended(ps->urgent_ioc);
}

bool postcopy_urgent_check(const PostcopySource *ps, Error **errp)
{
    if (!urgent_is_capability(ps) || !urgent_is_dead(ps)) {
        return true;
    }
    error_setg(errp, "the channel of urgent pages (capability "
                     "postcopy-preempt) broke before post-copy began");
    return false;
}

bool postcopy_urgent_attach(PostcopySource *ps, Error **errp)
{
    bool optional = !urgent_is_capability(ps);

    if (!postcopy_urgent_check(ps, errp)) {
        return false;
    }
    if (optional && urgent_is_dead(ps)) {
        migration_channel_close(ps->ms, g_steal_pointer(&ps->urgent_ioc));
    }
    if (!ps->urgent_ioc) {
        return true;
    }
    if (optional) {
        savevm_send_ping(ps->ms->to_dst_file, MIGRATION_PING_URGENT_USED);
    }
    qemu_mutex_lock(&ps->urgent_lock);
    ps->urgent_file = qemu_file_new_output(ps->urgent_ioc);
    ps->urgent_writer = ram_writer_new(ps->ram, ps->urgent_file);
    qemu_mutex_unlock(&ps->urgent_lock);
    ram_set_urgent_channel(ps->ram, true);
    return true;
}

void postcopy_urgent_shutdown(PostcopySource *ps)
{
    if (ps->urgent_ioc) {
        qio_channel_shutdown(ps->urgent_ioc, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
}

void postcopy_urgent_close(PostcopySource *ps)
{
    qemu_mutex_lock(&ps->urgent_lock);
    ram_writer_free(g_steal_pointer(&ps->urgent_writer));
    qemu_file_free(g_steal_pointer(&ps->urgent_file));
    qemu_mutex_unlock(&ps->urgent_lock);
    migration_channel_close(ps->ms, g_steal_pointer(&ps->urgent_ioc));
}

bool postcopy_urgent_finish(PostcopySource *ps, Error **errp)
{
    bool ok = true;

    /* First: its reader goes as soon as it has that. */
    postcopy_watch_urgent_over(ps->watch);
    qemu_mutex_lock(&ps->urgent_lock);
    if (ps->urgent_file) {
        ram_put_eos(ps->urgent_file);
        qemu_fflush(ps->urgent_file);
        ok = qemu_file_get_error_obj(ps->urgent_file, errp) == 0;
    }
    qemu_mutex_unlock(&ps->urgent_lock);
    return ok;
}
