/*
 * Mode cpr-transfer at the destination; see cpr/cpr.h.
 *
 * A client of the channel is a local process that may open its socket; it is
 * not trusted beyond that. Descriptors are checked before they are kept: each
 * must be memory of the size of a RAM block here, and one that nobody can make
 * smaller later where ours is such a one. What was passed last counts, until a
 * stream with the same token is let in; then it is mapped.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <sys/stat.h>

#include "migration/cpr/cpr.h"
#include "migration/incoming/internal.h"
#include "migration/transport/channels.h"
#include "trace/trace-migration.h"
#include "util/bswap.h"
#include "util/error-report.h"
#include "util/fd.h"
#include "util/lockable.h"

struct CprIncoming {
    MigrationListener *listener; /* main thread */

    /* Under MigrationState.lock until a source is let in; then the load
     * thread's. */
    bool passed;
    CprMessage m;
    int fd[CPR_BLOCKS_MAX];
    bool adopted;
};

/* -- checking -------------------------------------------------------------------- */

typedef struct CprClient {
    MigrationIncoming *mis;
    QIOChannel *ioc; /* owned reference; tracked */
} CprClient;

static void close_fds(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fd_close(fds[i]);
    }
}

static const RAMBlockList *blocks_of(MigrationIncoming *mis)
{
    return mis->ms->host->ram_blocks(mis->ms->host_opaque);
}

static bool check_fd(const CprBlock *b, const RAMBlock *rb, int fd,
                     Error **errp)
{
    int ours = fcntl(rb->fd, F_GET_SEALS);
    int theirs = fcntl(fd, F_GET_SEALS);
    struct stat st, own;

    if (fstat(fd, &st) < 0 || fstat(rb->fd, &own) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size < 0 || (uint64_t)st.st_size < b->offset + b->bytes ||
        st.st_blksize != own.st_blksize) {
        error_setg(errp,
                   "RAM block '%s': the descriptor is not memory of %" PRIu64
                   " bytes like ours",
                   b->idstr, b->bytes);
        return false;
    }
    if (ours > 0 && (ours & F_SEAL_SHRINK) &&
        (theirs < 0 || !(theirs & F_SEAL_SHRINK))) {
        error_setg(errp,
                   "RAM block '%s': the passed memory is not sealed, ours is "
                   "(seal=on)",
                   b->idstr);
        return false;
    }
    return true;
}

static bool check_block(MigrationIncoming *mis, const CprBlock *b, int fd,
                        Error **errp)
{
    const RAMBlock *rb = ram_block_find(blocks_of(mis), b->idstr);

    if (!rb) {
        error_setg(errp, "no RAM block '%s' here", b->idstr);
        return false;
    }
    if (!cpr_block_is_passed(rb)) {
        error_setg(errp,
                   "RAM block '%s' is shared memory with a descriptor at the "
                   "source and not here",
                   b->idstr);
        return false;
    }
    if (b->bytes != rb->used_length ||
        b->page_size != MAX(rb->page_size, RAM_PAGE_SIZE)) {
        error_setg(errp,
                   "RAM block '%s' has %" PRIu64 " bytes in pages of %" PRIu64
                   " at the source, %" PRIu64 " in pages of %zu here",
                   b->idstr, b->bytes, b->page_size, rb->used_length,
                   rb->page_size);
        return false;
    }
    return check_fd(b, rb, fd, errp);
}

/* Are the blocks that both sides leave out of the stream the same? */
static bool check_message(MigrationIncoming *mis, const CprMessage *m,
                          const int *fds, size_t nfds, Error **errp)
{
    const RAMBlockList *list = blocks_of(mis);
    unsigned shared = 0;

    if (nfds != m->n) {
        error_setg(errp, "%u RAM blocks were passed with %zu descriptors", m->n,
                   nfds);
        return false;
    }
    for (unsigned i = 0; i < m->n; i++) {
        if (!check_block(mis, &m->block[i], fds[i], errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < list->n; i++) {
        shared += cpr_block_is_passed(list->block[i]);
    }
    if (shared != m->n) {
        error_setg(errp, "%u RAM blocks are shared memory here, %u were passed",
                   shared, m->n);
        return false;
    }
    return true;
}

/* -- a client ----------------------------------------------------------------------- */

static bool read_message(QIOChannel *ioc, CprMessage *m, int **fds,
                         size_t *nfds, Error **errp)
{
    uint8_t hdr[CPR_HEADER_LEN];
    g_autofree uint8_t *body = NULL;
    struct iovec iov = { hdr, sizeof(hdr) };
    size_t len;

    if (qio_channel_readv_full_all(ioc, &iov, 1, fds, nfds, errp) < 0 ||
        !cpr_header_decode(hdr, m, &len, errp)) {
        return false;
    }
    body = g_malloc(len + 1);
    return qio_channel_read_all(ioc, (char *)body, len, errp) == 0 &&
           cpr_body_decode(body, len, m, errp);
}

/* Keep what was passed, if it may still be wanted. Takes @fds on success. */
static bool keep(MigrationIncoming *mis, const CprMessage *m, const int *fds,
                 Error **errp)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    CprIncoming *cpr = mis->cpr;

    if (!cpr || migration_status(&mis->course) != MIGRATION_STATUS_SETUP) {
        error_setg(errp, "another source is here already");
        return false;
    }
    if (cpr->passed) {
        close_fds(cpr->fd, cpr->m.n);
    }
    cpr->m = *m;
    memcpy(cpr->fd, fds, m->n * sizeof(*fds));
    cpr->passed = true;
    return true;
}

static void answer(MigrationIncoming *mis, QIOChannel *ioc, const Error *err)
{
    const char *text = err ? error_get_pretty(err) : "";
    uint32_t len = (uint32_t)MIN(strlen(text), CPR_TEXT_MAX);
    uint8_t buf[4 + CPR_TEXT_MAX];

    stl_be_p(buf, len);
    memcpy(buf + 4, text, len);
    qio_channel_write_all(ioc, (char *)buf, 4 + len, NULL);
    if (err) {
        QEMU_LOCK_GUARD(&mis->ms->lock);
        g_free(mis->refused);
        mis->refused = g_strdup(text);
    }
}

static void *client_thread(void *opaque)
{
    g_autofree CprClient *c = opaque;
    MigrationIncoming *mis = c->mis;
    g_autofree CprMessage *m = g_new0(CprMessage, 1);
    g_autoptr(Error) err = NULL;
    g_autofree int *fds = NULL;
    size_t nfds = 0;

    if (!read_message(c->ioc, m, &fds, &nfds, &err) ||
        !check_message(mis, m, fds, nfds, &err) || !keep(mis, m, fds, &err)) {
        close_fds(fds, nfds);
    }
    trace_migration_cpr_passed(!err);
    answer(mis, c->ioc, err);
    migration_channel_close(mis->ms, c->ioc);
    qatomic_dec(&mis->run->threads);
    return NULL;
}

static bool found_cpr(void *opaque, QIOChannel *ioc, Error **errp)
{
    MigrationIncoming *mis = opaque;
    CprClient *c = g_new0(CprClient, 1);
    QemuThread thread;

    c->mis = mis;
    c->ioc = QIO_CHANNEL(object_ref(OBJECT(ioc)));
    migration_channel_track(mis->ms, ioc);
    qatomic_inc(&mis->run->threads);
    qemu_thread_create(&thread, "mig-cpr", client_thread, c,
                       QEMU_THREAD_DETACHED);
    return true;
}

static bool still_wants(void *opaque)
{
    MigrationIncoming *mis = opaque;

    return migration_status(&mis->course) == MIGRATION_STATUS_SETUP;
}

/* Everything but descriptors goes to the main channel's address. */
static const ListenerOps cpr_listener_ops = {
    .cpr = found_cpr,
    .wants = still_wants,
};

void cpr_incoming_expect(MigrationIncoming *mis)
{
    CprIncoming *cpr = g_new0(CprIncoming, 1);

    QEMU_LOCK_GUARD(&mis->ms->lock);
    mis->cpr = cpr;
}

bool cpr_incoming_listen(MigrationIncoming *mis, SocketAddress *addr,
                         Error **errp)
{
    mis->cpr->listener =
        migration_listener_new(addr, false, &cpr_listener_ops, mis, errp);
    if (!mis->cpr->listener) {
        error_prepend(errp, "channel 'cpr': ");
    }
    return mis->cpr->listener != NULL;
}

/* -- taking it -------------------------------------------------------------------------- */

bool cpr_incoming_fits(MigrationIncoming *mis, const ConfigSection *theirs,
                       Error **errp)
{
    QEMU_LOCK_GUARD(&mis->ms->lock);
    const CprIncoming *cpr = mis->cpr;

    if (!cpr && theirs->has_cpr) {
        error_setg(errp, "the source passes its memory (mode 'cpr-transfer'), "
                         "and this side has no channel of type 'cpr'");
        return false;
    }
    if (cpr && !theirs->has_cpr) {
        error_setg(errp, "this side waits for passed memory (channel of type "
                         "'cpr'), and the source is not in mode "
                         "'cpr-transfer'");
        return false;
    }
    if (cpr && (!cpr->passed ||
                memcmp(cpr->m.token, theirs->cpr_token, CPR_TOKEN_LEN) != 0)) {
        error_setg(errp, "the memory that was passed is another source's");
        return false;
    }
    return true;
}

static bool remap(MigrationIncoming *mis, unsigned i, RAMRemap how,
                  Error **errp)
{
    MigrationState *ms = mis->ms;
    const CprIncoming *cpr = mis->cpr;
    RAMBlock *rb = ram_block_find(blocks_of(mis), cpr->m.block[i].idstr);

    return ms->host->ram_remap(ms->host_opaque, rb, how, cpr->fd[i],
                               cpr->m.block[i].offset, errp);
}

bool cpr_incoming_adopt(MigrationIncoming *mis, const ConfigSection *theirs,
                        Error **errp)
{
    CprIncoming *cpr = mis->cpr;

    /* Once more: since it was let in nothing else can be passed. */
    if (!cpr_incoming_fits(mis, theirs, errp)) {
        return false;
    }
    if (!cpr) {
        return true;
    }
    cpr->adopted = true;
    for (unsigned i = 0; i < cpr->m.n; i++) {
        if (!remap(mis, i, RAM_REMAP_ADOPT, errp)) {
            error_prepend(errp, "RAM block '%s': ", cpr->m.block[i].idstr);
            return false;
        }
    }
    return true;
}

void cpr_incoming_end(MigrationIncoming *mis, bool keep_memory)
{
    CprIncoming *cpr = mis->cpr;

    if (!cpr) {
        return;
    }
    migration_listener_free(cpr->listener);
    for (unsigned i = 0; cpr->adopted && i < cpr->m.n; i++) {
        Error *err = NULL;

        if (!remap(mis, i, keep_memory ? RAM_REMAP_SETTLE : RAM_REMAP_RESTORE,
                   &err)) {
            error_reportf_err(err, "RAM block '%s': ", cpr->m.block[i].idstr);
        }
    }
    WITH_QEMU_LOCK_GUARD(&mis->ms->lock)
    {
        mis->cpr = NULL;
    }
    if (cpr->passed) {
        close_fds(cpr->fd, cpr->m.n);
    }
    g_free(cpr);
}
