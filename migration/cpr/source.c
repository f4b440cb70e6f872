/*
 * Mode cpr-transfer at the source; see cpr/cpr.h.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/cpr/cpr.h"
#include "migration/transport/channels.h"
#include "migration/transport/transport.h"
#include "trace/trace-migration.h"
#include "util/bswap.h"
#include "util/error-report.h"

static const RAMBlockList *blocks_of(MigrationState *ms)
{
    return ms->host->ram_blocks(ms->host_opaque);
}

/* -- before it begins ------------------------------------------------------------ */

static bool check_caps(MigrationState *ms, Error **errp)
{
    static const MigrationCapability not_with[] = {
        MIGRATION_CAPABILITY_POSTCOPY_RAM,
        MIGRATION_CAPABILITY_MULTIFD,
        MIGRATION_CAPABILITY_MAPPED_RAM,
        MIGRATION_CAPABILITY_BACKGROUND_SNAPSHOT,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(not_with); i++) {
        if (migrate_cap(ms, not_with[i])) {
            error_setg(errp,
                       "Capability '%s' is not compatible with mode "
                       "'cpr-transfer'",
                       MigrationCapability_str(not_with[i]));
            return false;
        }
    }
    return true;
}

bool cpr_source_check(MigrationState *ms, Error **errp)
{
    const RAMBlockList *list;
    unsigned passed = 0;

    if (!check_caps(ms, errp)) {
        return false;
    }
    if (!ms->host || !ms->host->ram_remap) {
        error_setg(errp, "There is no machine yet");
        return false;
    }
    list = blocks_of(ms);
    for (unsigned i = 0; i < list->n; i++) {
        const RAMBlock *rb = list->block[i];

        if ((rb->flags & RAM_BLOCK_MAIN) && !cpr_block_is_passed(rb)) {
            error_setg(errp,
                       "Mode 'cpr-transfer' needs shared memory with a "
                       "descriptor, and RAM block '%s' is not: use "
                       "memory-backend-memfd or memory-backend-file with "
                       "share=on",
                       rb->idstr);
            return false;
        }
        passed += cpr_block_is_passed(rb);
    }
    if (passed == 0 || passed > CPR_BLOCKS_MAX) {
        error_setg(errp,
                   "Mode 'cpr-transfer' passes 1 to %d RAM blocks, and %u are "
                   "shared memory",
                   CPR_BLOCKS_MAX, passed);
        return false;
    }
    return true;
}

/* -- passing ----------------------------------------------------------------------- */

static void fill_message(MigrationState *ms, CprMessage *m,
                         int fds[CPR_BLOCKS_MAX])
{
    const RAMBlockList *list = blocks_of(ms);

    memcpy(m->token, ms->cpr_token.data, CPR_TOKEN_LEN);
    for (unsigned i = 0; i < list->n && m->n < CPR_BLOCKS_MAX; i++) {
        const RAMBlock *rb = list->block[i];
        CprBlock *b = &m->block[m->n];

        if (cpr_block_is_passed(rb)) {
            g_strlcpy(b->idstr, rb->idstr, sizeof(b->idstr));
            b->bytes = rb->used_length;
            b->page_size = MAX(rb->page_size, RAM_PAGE_SIZE);
            b->offset = rb->fd_offset;
            fds[m->n++] = rb->fd;
        }
    }
}

static bool send_message(MigrationState *ms, QIOChannel *ioc, Error **errp)
{
    g_autofree CprMessage *m = g_new0(CprMessage, 1);
    g_autofree uint8_t *buf = g_malloc(CPR_HEADER_LEN + CPR_BODY_MAX);
    int fds[CPR_BLOCKS_MAX];
    uint8_t magic[4];
    struct iovec iov = { .iov_base = buf };

    fill_message(ms, m, fds);
    iov.iov_len = cpr_encode(m, buf);
    stl_be_p(magic, MIGRATION_MAGIC_CPR);
    /* Apart: a listener reads it without looking for descriptors. */
    return qio_channel_write_all(ioc, (char *)magic, sizeof(magic), errp) ==
               0 &&
           qio_channel_writev_full_all(ioc, &iov, 1, fds, m->n, 0, errp) == 0;
}

static bool read_answer(QIOChannel *ioc, Error **errp)
{
    char text[CPR_TEXT_MAX + 1];
    uint8_t be[4];
    uint32_t len;

    if (qio_channel_read_all(ioc, (char *)be, sizeof(be), errp) < 0) {
        return false;
    }
    len = ldl_be_p(be);
    if (len == 0) {
        return true;
    }
    if (len > CPR_TEXT_MAX) {
        error_setg(errp, "the destination answers with %" PRIu32 " bytes", len);
        return false;
    }
    if (qio_channel_read_all(ioc, text, len, errp) < 0) {
        return false;
    }
    text[len] = '\0';
    g_strcanon(text,
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
               " '-_.,:;/()=",
               '?');
    error_setg(errp, "destination: %s", text);
    return false;
}

bool cpr_source_pass(MigrationState *ms, Error **errp)
{
    MigrationTarget t = { .kind = TRANSPORT_UNIX,
                          .socket = ms->target->cpr,
                          .text = ms->target->text };
    QIOChannel *ioc = migration_connect(ms, &t, errp);
    bool ok;

    if (ioc) {
        migration_channel_track(ms, ioc);
        qemu_uuid_generate(&ms->cpr_token);
        ok = send_message(ms, ioc, errp) && read_answer(ioc, errp);
        migration_channel_close(ms, ioc);
    } else {
        ok = false;
    }
    if (!ok) {
        error_prepend(errp, "channel 'cpr': ");
    }
    trace_migration_cpr_passed(ok);
    return ok;
}

void cpr_source_abandon(MigrationState *ms)
{
    const RAMBlockList *list = blocks_of(ms);

    for (unsigned i = 0; i < list->n; i++) {
        RAMBlock *rb = list->block[i];
        Error *err = NULL;

        if (cpr_block_is_passed(rb) &&
            !ms->host->ram_remap(ms->host_opaque, rb, RAM_REMAP_ABANDON, -1, 0,
                                 &err)) {
            error_reportf_err(err, "RAM block '%s': ", rb->idstr);
        }
    }
    qatomic_set(&ms->memory_gone, true);
}
