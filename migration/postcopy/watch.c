/*
 * Post-copy's source: is the other end still there?
 *
 * The guest over there waits for pages. Who sends them does not hear soon that
 * none arrives: a write to a host that is silent waits for a quarter of an hour,
 * and nobody reads the channel of urgent pages, whose end would tell. So a
 * thread looks: for that end all the time, and once a second at what the kernel
 * knows of both connections. The kernel itself asks where nothing is under way
 * (keepalive).
 *
 * The kernel's own limit for what is (TCP_USER_TIMEOUT) would end connections
 * whose other end answers but does not read for a while, too: a process that was
 * stopped, a host that swaps. These only wait.
 *
 * Source: tcp(7), TCP_INFO; RFC 9293 3.8.6.1 (probes of a window that is shut).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/postcopy/watch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "io/channel-socket.h"
#include "migration/transport/transport.h"
#include "util/event_notifier.h"
#include "util/thread.h"
#include "util/timer.h"

#define LOOK_MS 1000
/* Sent once more so often without an answer. */
#define SILENT_TRIES 2

struct PostcopyWatch {
    QIOChannel *main;   /* reference */
    QIOChannel *urgent; /* the same, or NULL */
    EventNotifier stop;
    QemuThread thread;
    int64_t begin_ns;
    bool urgent_over; /* atomic */
    Error *why;       /* the thread's, until it has ended; owned */
};

bool postcopy_watch_is_silent(const struct tcp_info *info, uint64_t watched_ms)
{
    uint64_t silent_ms = MIN(info->tcpi_last_ack_recv, watched_ms);

    if (silent_ms < MIGRATION_SILENT_MS) {
        return false;
    }
    /* Each answer sets the probes back; what is sent again counts until some of
     * it was taken. */
    return info->tcpi_probes >= SILENT_TRIES ||
           (info->tcpi_retransmits >= SILENT_TRIES &&
            info->tcpi_last_ack_recv > info->tcpi_last_data_sent);
}

static bool watch_is_silent(const PostcopyWatch *w, QIOChannel *ioc)
{
    QIOChannelSocket *sioc = ioc ? migration_socket(ioc) : NULL;
    struct tcp_info info = { 0 };
    socklen_t len = sizeof(info);

    return sioc &&
           getsockopt(sioc->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           postcopy_watch_is_silent(
               &info, (uint64_t)(get_clock() - w->begin_ns) / SCALE_MS);
}

/* Returns: why it broke; 0: by an end as any. */
static int urgent_errno(int fd)
{
    int code = 0;
    socklen_t len = sizeof(code);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) == 0 ? code : 0;
}

/* Returns: false: the channel of urgent pages broke. */
static bool watch_urgent(PostcopyWatch *w, struct pollfd *p)
{
    bool over = qatomic_read(&w->urgent_over);

    if (!p->revents) {
        return true;
    }
    if (over && !(p->revents & POLLERR)) {
        /* Its reader has all, and what becomes of it now says nothing. */
        p->fd = -1;
        g_clear_pointer(&w->urgent, object_unref);
        return true;
    }
    /* Where both ended, who reads the other one knows more. */
    if (!migration_socket_has_ended(w->main)) {
        error_setg_errno(&w->why, urgent_errno(p->fd),
                         "the channel of urgent pages broke%s",
                         over ? " at its end" : "");
    }
    return false;
}

/* Returns: false: this connection is over. */
static bool watch_look(PostcopyWatch *w, struct pollfd *urgent)
{
    if (!watch_urgent(w, urgent)) {
        return false;
    }
    if (!watch_is_silent(w, w->main) && !watch_is_silent(w, w->urgent)) {
        return true;
    }
    error_setg(&w->why,
               "the destination's host has not answered for %d seconds",
               MIGRATION_SILENT_MS / 1000);
    return false;
}

static void *watch_thread(void *opaque)
{
    PostcopyWatch *w = opaque;
    QIOChannelSocket *urgent = w->urgent ? migration_socket(w->urgent) : NULL;
    struct pollfd p[] = {
        { .fd = event_notifier_get_fd(&w->stop), .events = POLLIN },
        { .fd = urgent ? urgent->fd : -1, .events = POLLRDHUP },
    };

    do {
        if (poll(p, G_N_ELEMENTS(p), LOOK_MS) <= 0) {
            p[0].revents = p[1].revents = 0;
        }
        if (p[0].revents) {
            return NULL;
        }
    } while (watch_look(w, &p[1]));
    qio_channel_shutdown(w->main, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    if (w->urgent) {
        qio_channel_shutdown(w->urgent, QIO_CHANNEL_SHUTDOWN_BOTH, NULL);
    }
    return NULL;
}

PostcopyWatch *postcopy_watch_new(QIOChannel *main, QIOChannel *urgent)
{
    PostcopyWatch *w = g_new0(PostcopyWatch, 1);

    if (event_notifier_init(&w->stop, 0) < 0) {
        g_free(w);
        return NULL; /* no descriptor is left: it goes on unwatched */
    }
    w->main = QIO_CHANNEL(object_ref(OBJECT(main)));
    migration_socket_ask(main);
    if (urgent) {
        w->urgent = QIO_CHANNEL(object_ref(OBJECT(urgent)));
        migration_socket_ask(urgent);
    }
    w->begin_ns = get_clock();
    qemu_thread_create(&w->thread, "postcopy/watch", watch_thread, w,
                       QEMU_THREAD_JOINABLE);
    return w;
}

void postcopy_watch_urgent_over(PostcopyWatch *w)
{
    if (w) {
        qatomic_set(&w->urgent_over, true);
    }
}

Error *postcopy_watch_free(PostcopyWatch *w)
{
    Error *why;

    if (!w) {
        return NULL;
    }
    event_notifier_set(&w->stop);
    qemu_thread_join(&w->thread);
    why = w->why;
    event_notifier_cleanup(&w->stop);
    object_unref(w->urgent);
    object_unref(w->main);
    g_free(w);
    return why;
}
