/*
 * A debugger that sends any bytes: framing and every command, on a machine of
 * two CPUs and 64 KiB.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "../unit/gdbstub/fake-host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FakeMachine *m;
    GdbServer *s = fake_session(&m);

    for (size_t i = 0; i < size; i++) {
        /* The checksum is no obstacle worth the fuzzer's time. */
        if (data[i] == '\n') {
            g_autoptr(GString) copy = g_string_new_len(
                (char *)data + i + 1,
                (gssize)strnlen((char *)data + i + 1,
                                MIN(size - i - 1, GDB_PACKET_MAX)));
            char *end = strchr(copy->str, '\n');

            if (end) {
                g_string_truncate(copy, (gsize)(end - copy->str));
            }
            gdb_command(s, copy->str, copy->len);
            continue;
        }
        if (gdb_decode(&s->decoder, data[i]) == GDB_INPUT_PACKET) {
            gdb_command(s, (char *)s->decoder.packet->data,
                        s->decoder.packet->len);
        }
    }
    fake_session_free(s, m);
    return 0;
}
