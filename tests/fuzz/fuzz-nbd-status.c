/*
 * Block status that a server told, and what the client keeps of it. The bytes
 * are steps: an answer of a server, a question, a write. Of what is found each
 * piece lies in the last answer, has its flags, is told once and never after a
 * write.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/protocol/nbd-status.h"
#include "nbd/nbd-wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ANSWER_MAX 512
#define DISK_MAX   (UINT64_C(1) << 62)

/* What the server said last, as it stands to be told. */
typedef struct Model {
    uint64_t begin;
    uint64_t told; /* what is before it is not told again */
    NBDExtent ext[NBD_STATUS_EXTENTS];
    int n; /* 0: nothing is known */
} Model;

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* The client has asked for @bytes at @offset and got these bytes. */
static void step_answer(NBDStatus *s, Model *m, WireBuffer *b, bool extended)
{
    uint64_t offset = wire_get_be64(b) % DISK_MAX;
    uint64_t bytes = 1 + wire_get_be64(b) % DISK_MAX;
    size_t len = wire_get_be16(b) % (ANSWER_MAX + 1);
    const uint8_t *payload = wire_get_ref(b, len);
    NBDExtent ext[NBD_STATUS_EXTENTS];
    uint64_t sum = 0;
    uint32_t context;
    int n;

    if (!wire_ok(b)) {
        return;
    }
    n = nbd_status_decode(extended, payload, len, &context, ext,
                          G_N_ELEMENTS(ext));
    if (n < 0) {
        return;
    }
    n = nbd_status_trim(ext, n, bytes);
    must(n > 0);
    for (int i = 0; i < n; i++) {
        must(ext[i].length > 0 && ext[i].length <= bytes - sum);
        sum += ext[i].length;
    }
    nbd_status_keep(s, nbd_status_now(s), offset, ext, n);
    *m = (Model){ .begin = offset, .told = offset + ext[0].length, .n = n };
    memcpy(m->ext, ext, n * sizeof(*ext));
}

/* What the model knows about the byte @offset; NULL: nothing. */
static const NBDExtent *known(const Model *m, uint64_t offset,
                              uint64_t *ret_end)
{
    uint64_t end = m->begin;

    for (int i = 0; i < m->n; i++) {
        end += m->ext[i].length;
        if (offset < end) {
            *ret_end = end;
            return offset >= m->told ? &m->ext[i] : NULL;
        }
    }
    return NULL;
}

static void step_question(NBDStatus *s, Model *m, WireBuffer *b)
{
    uint64_t offset = wire_get_be64(b) % DISK_MAX;
    uint64_t bytes = 1 + wire_get_be64(b) % DISK_MAX, end = 0;
    const NBDExtent *ext = known(m, offset, &end);
    NBDExtent got;

    if (!nbd_status_find(s, offset, bytes, &got)) {
        return; /* may be: what it has passed over, or too long ago */
    }
    must(ext && got.flags == ext->flags);
    must(got.length > 0 && got.length == MIN(bytes, end - offset));
    m->told = offset + got.length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WireBuffer b = WIRE_READER(data, size);
    NBDStatus s = { 0 };
    g_autofree Model *m = g_new0(Model, 1);

    nbd_status_init(&s);
    while (wire_left(&b) > 0) {
        uint8_t step = wire_get_u8(&b);

        switch (step % 4) {
        case 0:
        case 1:
            step_answer(&s, m, &b, step & 1);
            break;
        case 2:
            step_question(&s, m, &b);
            break;
        default:
            nbd_status_changed(&s);
            nbd_status_pays(&s);
            m->n = 0;
            break;
        }
    }
    nbd_status_deinit(&s);
    return 0;
}
