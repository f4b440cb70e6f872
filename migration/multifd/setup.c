/*
 * From the settings of a migration to channels and threads.
 *
 * mapped-ram replaces the channels by places in a file, also where multifd is
 * on: that only says how many threads write.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/multifd/setup.h"

#include "migration/mapped/file-ram.h"
#include "migration/multifd/multifd.h"
#include "migration/ram/incoming.h"
#include "migration/transport/transport.h"

QEMU_BUILD_BUG_ON(MULTIFD_INIT_LEN != MULTIFD_HELLO_SIZE);
QEMU_BUILD_BUG_ON((int)MULTIFD_METHOD_ZLIB != (int)MULTIFD_COMPRESSION_ZLIB);
QEMU_BUILD_BUG_ON((int)MULTIFD_METHOD_ZSTD != (int)MULTIFD_COMPRESSION_ZSTD);

static int method_level(MigrationState *ms, MultiFDMethod method)
{
    switch (method) {
    case MULTIFD_METHOD_ZLIB:
        return migrate_param(ms, multifd_zlib_level);
    case MULTIFD_METHOD_ZSTD:
        return migrate_param(ms, multifd_zstd_level);
    default:
        return 0;
    }
}

/* Threads that move pages; without multifd one of mapped-ram's. */
static unsigned threads(MigrationState *ms)
{
    return migrate_cap(ms, MIGRATION_CAPABILITY_MULTIFD)
               ? migrate_param(ms, multifd_channels)
               : 1;
}

static void guest_uuid(MigrationState *ms, uint8_t *uuid)
{
    if (!ms->host->uuid(ms->host_opaque, uuid)) {
        memset(uuid, 0, 16);
    }
}

/* -- source -------------------------------------------------------------------- */

static QIOChannel *send_open(void *opaque, unsigned id, Error **errp)
{
    return migration_channel_open(opaque, MIGRATION_CHANNEL_MULTIFD, errp);
}

static void send_close(void *opaque, QIOChannel *ioc)
{
    migration_channel_close(opaque, ioc);
}

static void send_error(void *opaque, Error *err)
{
    migration_fail(opaque, err);
}

static bool find_zero(MigrationState *ms)
{
    return migrate_cap(ms, MIGRATION_CAPABILITY_MULTIFD) &&
           migrate_param(ms, zero_page_detection) ==
               ZERO_PAGE_DETECTION_MULTIFD;
}

static bool send_start_file(MigrationState *ms, Error **errp)
{
    FileRAMConfig config = {
        .threads = threads(ms),
        .find_zero = find_zero(ms),
        .pacer = ms->pacer,
        .stats = &ms->stats.multifd,
        .method_stats = &ms->stats.method[PAGE_METHOD_MULTIFD],
        .on_error = send_error,
        .opaque = ms,
    };

    config.ioc = migration_channel_open(ms, MIGRATION_CHANNEL_MULTIFD, errp);
    if (!config.ioc) {
        return false;
    }
    ms->file_ram = file_ram_writer_new(&config, errp);
    if (!ms->file_ram) {
        migration_channel_close(ms, config.ioc);
        return false;
    }
    return true;
}

bool multifd_send_start(MigrationState *ms, Error **errp)
{
    MultiFDMethod method = migrate_param(ms, multifd_compression);
    MultiFDSendConfig config = {
        .channels = threads(ms),
        .method = method,
        .level = method_level(ms, method),
        .find_zero = find_zero(ms),
        .zero_copy = migrate_cap(ms, MIGRATION_CAPABILITY_ZERO_COPY_SEND),
        .pacer = ms->pacer,
        .stats = &ms->stats.multifd,
        .method_stats = &ms->stats.method[PAGE_METHOD_MULTIFD],
        .open = send_open,
        .close = send_close,
        .on_error = send_error,
        .opaque = ms,
    };

    if (migrate_cap(ms, MIGRATION_CAPABILITY_MAPPED_RAM)) {
        return send_start_file(ms, errp);
    }
    if (!migrate_cap(ms, MIGRATION_CAPABILITY_MULTIFD)) {
        return true;
    }
    guest_uuid(ms, config.uuid);
    ms->multifd = multifd_send_new(&config, errp);
    return ms->multifd != NULL;
}

bool multifd_send_method(MigrationState *ms, Error **errp)
{
    MultiFDMethod method = migrate_param(ms, multifd_compression);

    return !ms->multifd ||
           multifd_send_set_method(ms->multifd, method,
                                   method_level(ms, method), errp);
}

void multifd_send_interrupt(MigrationState *ms)
{
    if (ms->multifd) {
        multifd_send_cancel(ms->multifd, NULL);
    }
    if (ms->file_ram) {
        file_ram_writer_cancel(ms->file_ram, NULL);
    }
}

void multifd_send_stop(MigrationState *ms)
{
    if (ms->file_ram) {
        QIOChannel *ioc = file_ram_writer_get_ioc(ms->file_ram);

        object_ref(OBJECT(ioc));
        g_clear_pointer(&ms->file_ram, file_ram_writer_free);
        migration_channel_close(ms, ioc);
        object_unref(OBJECT(ioc));
    }
    g_clear_pointer(&ms->multifd, multifd_send_free);
}

/* -- destination --------------------------------------------------------------- */

static RAMBlock *recv_block(void *opaque, const char *name, Error **errp)
{
    MigrationIncoming *mis = opaque;

    return ram_incoming_block(mis->ram, name, strlen(name), errp);
}

static void recv_populate(void *opaque, RAMBlock *rb, uint64_t offset,
                          uint64_t len)
{
    MigrationIncoming *mis = opaque;

    ram_incoming_populate(mis->ram, rb, offset, len);
}

static void recv_placed(void *opaque, RAMBlock *rb, const uint64_t *offset,
                        unsigned n)
{
    MigrationIncoming *mis = opaque;

    ram_incoming_placed(mis->ram, rb, offset, n);
}

static void recv_place_zero(void *opaque, RAMBlock *rb, const uint64_t *offset,
                            unsigned n)
{
    MigrationIncoming *mis = opaque;

    ram_incoming_place_zero(mis->ram, rb, offset, n);
}

static bool recv_main_ended(void *opaque)
{
    MigrationIncoming *mis = opaque;

    return migration_socket_has_ended(mis->from_src);
}

static void recv_error(void *opaque, Error *err)
{
    migration_incoming_fail(opaque, err);
}

bool multifd_recv_start(MigrationIncoming *mis, Error **errp)
{
    MultiFDRecvConfig config = {
        .channels = threads(mis->ms),
        .block = recv_block,
        .populate = recv_populate,
        .placed = recv_placed,
        .place_zero = recv_place_zero,
        .main_ended = recv_main_ended,
        .on_error = recv_error,
        .opaque = mis,
    };

    if (!migrate_cap(mis->ms, MIGRATION_CAPABILITY_MULTIFD) ||
        migrate_cap(mis->ms, MIGRATION_CAPABILITY_MAPPED_RAM)) {
        return true;
    }
    guest_uuid(mis->ms, config.uuid);
    mis->multifd = multifd_recv_new(&config, errp);
    return mis->multifd != NULL;
}

bool multifd_recv_start_file(MigrationIncoming *mis, Error **errp)
{
    FileRAMReaderConfig config = {
        .threads = threads(mis->ms),
        .populate = recv_populate,
        .placed = recv_placed,
        .place_zero = recv_place_zero,
        .opaque = mis,
    };

    if (!migrate_cap(mis->ms, MIGRATION_CAPABILITY_MAPPED_RAM)) {
        return true;
    }
    config.ioc = migration_incoming_channel_open(mis, errp);
    if (!config.ioc) {
        return false;
    }
    mis->file_ram = file_ram_reader_new(&config, errp);
    if (!mis->file_ram) {
        migration_channel_close(mis->ms, config.ioc);
        return false;
    }
    return true;
}

void multifd_recv_stop(MigrationIncoming *mis)
{
    if (mis->file_ram) {
        QIOChannel *ioc = file_ram_reader_get_ioc(mis->file_ram);

        object_ref(OBJECT(ioc));
        g_clear_pointer(&mis->file_ram, file_ram_reader_free);
        migration_channel_close(mis->ms, ioc);
        object_unref(OBJECT(ioc));
    }
    g_clear_pointer(&mis->multifd, multifd_recv_free);
}

bool multifd_recv_channel(MigrationIncoming *mis, QIOChannel *ioc,
                          const uint8_t init[MULTIFD_INIT_LEN], Error **errp)
{
    if (!mis->multifd) {
        error_setg(errp, "multifd channel, but multifd is off");
        return false;
    }
    if (!multifd_recv_add_channel(mis->multifd, ioc, init, errp)) {
        return false;
    }
    /* For cancel and yank; forgotten with all others at the end. */
    migration_channel_track(mis->ms, ioc);
    return true;
}

bool multifd_recv_complete(const MigrationIncoming *mis)
{
    return !mis->multifd || multifd_recv_has_all(mis->multifd);
}
