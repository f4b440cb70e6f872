/*
 * Sending commands. Their bytes are made by the codec (stream/stream-wire.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "migration/stream/savevm.h"

/* Type, command and length come before the payload. */
#define COMMAND_FRAME (1 + 2 + 2)

static void send_body(QEMUFile *f, const StreamCommandBody *body)
{
    g_auto(WireBuffer) b = { 0 };

    wire_writer_init(&b, COMMAND_FRAME + STREAM_COMMAND_MAX, false);
    stream_command_put(&b, body);
    g_assert(wire_ok(&b));
    qemu_put_buffer(f, b.data, b.len);
    qemu_fflush(f);
}

static void send_plain(QEMUFile *f, StreamCommand command)
{
    StreamCommandBody body = { .command = command };

    send_body(f, &body);
}

void savevm_send_open_return_path(QEMUFile *f)
{
    send_plain(f, STREAM_CMD_OPEN_RETURN_PATH);
}

void savevm_send_ping(QEMUFile *f, uint32_t value)
{
    StreamCommandBody body = { .command = STREAM_CMD_PING, .value = value };

    send_body(f, &body);
}

void savevm_send_postcopy_advise(QEMUFile *f, uint64_t page_sizes,
                                 uint64_t target_page_size)
{
    StreamCommandBody body = {
        .command = STREAM_CMD_POSTCOPY_ADVISE,
        .page_sizes = page_sizes,
        .target_page_size = target_page_size,
    };

    send_body(f, &body);
}

void savevm_send_postcopy_listen(QEMUFile *f)
{
    send_plain(f, STREAM_CMD_POSTCOPY_LISTEN);
}

void savevm_send_postcopy_run(QEMUFile *f)
{
    send_plain(f, STREAM_CMD_POSTCOPY_RUN);
}

void savevm_send_postcopy_discard(QEMUFile *f, const char *block,
                                  const StreamRange *ranges, size_t n)
{
    StreamCommandBody body = { .command = STREAM_CMD_POSTCOPY_RAM_DISCARD };

    g_strlcpy(body.name, block, sizeof(body.name));
    while (n > 0) {
        body.ranges = MIN(n, STREAM_DISCARD_MAX);
        memcpy(body.range, ranges, body.ranges * sizeof(body.range[0]));
        send_body(f, &body);
        ranges += body.ranges;
        n -= body.ranges;
    }
}

void savevm_send_postcopy_resume(QEMUFile *f)
{
    send_plain(f, STREAM_CMD_POSTCOPY_RESUME);
}

void savevm_send_recv_bitmap(QEMUFile *f, const char *block)
{
    StreamCommandBody body = { .command = STREAM_CMD_RECV_BITMAP };

    g_strlcpy(body.name, block, sizeof(body.name));
    send_body(f, &body);
}

void savevm_send_switchover_start(QEMUFile *f)
{
    send_plain(f, STREAM_CMD_SWITCHOVER_START);
}

bool savevm_send_packaged(QEMUFile *f, const uint8_t *data, size_t len,
                          Error **errp)
{
    g_auto(WireBuffer) b = { 0 };
    StreamCommandBody body = { .command = STREAM_CMD_PACKAGED };

    if (len == 0 || len > STREAM_PACKAGE_MAX) {
        error_setg(errp,
                   "a package of %zu bytes of device state; %u are the "
                   "most",
                   len, STREAM_PACKAGE_MAX);
        return false;
    }
    body.package_len = (uint32_t)len;
    wire_writer_init(&b, COMMAND_FRAME + STREAM_COMMAND_MAX, false);
    stream_command_put(&b, &body);
    qemu_put_buffer(f, b.data, b.len);
    qemu_put_buffer_async(f, data, len, false);
    return true;
}
