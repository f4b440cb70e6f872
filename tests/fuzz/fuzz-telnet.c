/*
 * Telnet codec: any bytes, in any role and in pieces of any size. What was
 * decoded is encoded again and must decode to itself.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/telnet-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const uint8_t *data, size_t len)
{
    TelnetCodec from, to;
    uint8_t wire[64], back[sizeof(wire) + 1];
    size_t done = 0, checked = 0;

    telnet_init(&from, TELNET_SERVER);
    telnet_init(&to, TELNET_CLIENT);
    to.him[TELNET_OPT_BINARY] = TELNET_OPT_YES;
    while (done < len) {
        size_t wire_len, back_len;
        TelnetEvent event;

        done += telnet_encode(&from, data + done, len - done, wire,
                              sizeof(wire), &wire_len);
        if (telnet_decode(&to, wire, wire_len, back, &back_len, &event) !=
                wire_len ||
            event != TELNET_EVENT_NONE || back_len > len - checked ||
            memcmp(back, data + checked, back_len) != 0) {
            abort();
        }
        checked += back_len;
    }
    if (checked != len) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t reply[TELNET_REPLY_MAX];
    TelnetCodec t;
    size_t step;

    if (size < 2) {
        return 0;
    }
    telnet_init(&t, data[0] % 3);
    step = data[1] + 1;
    data += 2;
    size -= 2;
    check_round_trip(data, size);
    while (size > 0) {
        /* Exactly as much room as promised, so that ASan sees one too many. */
        size_t n = MIN(step, size), out_len, used;
        uint8_t *out = malloc(n + 1);
        TelnetEvent event;

        used = telnet_decode(&t, data, n, out, &out_len, &event);
        free(out);
        if (used > n || out_len > n + 1 || (used == 0 && t.reply_len == 0) ||
            (used < n && event == TELNET_EVENT_NONE && t.reply_len == 0)) {
            abort();
        }
        telnet_take_reply(&t, reply);
        data += used;
        size -= used;
    }
    return 0;
}
