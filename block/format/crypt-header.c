/*
 * Opening, making and changing an encrypted image's header; but for opening, from
 * a coroutine.
 *
 * Opening reads what it needs first, here, and searches for the key in a worker.
 * The others read and write in between:
 *
 *   coroutine            worker                    coroutine of a callback
 *   submit, yield -----> qcrypto_block_...()
 *                          read() --- enter -----> node I/O
 *                          waits <--- event ------ done
 *   goes on <----------- returns
 *
 * Without a context of its own (a thread without a loop) nothing can wait, and
 * the whole runs in the caller.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "block/format/crypt-header.h"

#include "block/block-internal.h"
#include "block/format/crypt-keys.h"
#include "util/aio.h"
#include "util/error.h"
#include "util/thread-pool.h"
#include "util/thread.h"

typedef struct HeaderWork {
    const CryptHeader *header;
    AioContext *ctx;
    bool in_worker;

    GChecksum *seen; /* (owned) of all that opening reads */

    /* arguments and results */
    QCryptoBlockOpenOptions *open;
    QCryptoBlockCreateOptions *create;
    const char *optprefix;
    unsigned flags;
    QCryptoBlock *block;
    QCryptoBlockAmendOptions *amend;
    bool force;
    Error **errp;
} HeaderWork;

typedef enum HeaderCallKind {
    HEADER_INIT,
    HEADER_READ,
    HEADER_WRITE,
} HeaderCallKind;

typedef struct HeaderCall {
    const CryptHeader *header;
    HeaderCallKind kind;
    size_t offset;
    size_t bytes;
    uint8_t *in;
    const uint8_t *out;
    int ret;
    Error *err; /* owned */
    QemuEvent done;
} HeaderCall;

static void coroutine_fn header_call_run(HeaderCall *call)
{
    const CryptHeader *h = call->header;

    switch (call->kind) {
    case HEADER_INIT:
        call->ret = h->co_init(h->opaque, call->bytes, &call->err);
        break;
    case HEADER_READ:
        call->ret = h->co_read(h->opaque, call->offset, call->in, call->bytes,
                               &call->err);
        break;
    case HEADER_WRITE:
        call->ret =
            h->co_write(h->opaque, call->offset, call->out, call->bytes);
        break;
    }
}

static void coroutine_fn header_call_entry(void *opaque)
{
    HeaderCall *call = opaque;

    header_call_run(call);
    qemu_event_set(&call->done);
}

static int header_call(HeaderWork *w, HeaderCall *call, Error **errp)
{
    call->header = w->header;
    if (w->in_worker) {
        qemu_event_init(&call->done, false);
        aio_co_enter(w->ctx, qemu_coroutine_create(header_call_entry, call));
        qemu_event_wait(&call->done);
        qemu_event_destroy(&call->done);
    } else {
        header_call_run(call);
    }
    if (call->err) {
        error_propagate(errp, call->err);
    } else if (call->ret < 0) {
        error_setg_errno(errp, -call->ret, "%s of %zu bytes at %zu failed",
                         call->kind == HEADER_READ ? "read" : "write",
                         call->bytes, call->offset);
    }
    return call->ret < 0 ? -1 : 0;
}

static int header_init(QCryptoBlock *block, size_t len, void *opaque,
                       Error **errp)
{
    HeaderCall call = { .kind = HEADER_INIT, .bytes = len };

    return header_call(opaque, &call, errp);
}

static int header_read(QCryptoBlock *block, size_t offset, uint8_t *buf,
                       size_t len, void *opaque, Error **errp)
{
    HeaderWork *w = opaque;
    HeaderCall call = {
        .kind = HEADER_READ, .offset = offset, .bytes = len, .in = buf
    };
    int ret = header_call(w, &call, errp);

    if (ret == 0 && w->seen) {
        g_checksum_update(w->seen, buf, (gssize)len);
    }
    return ret;
}

static int header_write(QCryptoBlock *block, size_t offset, const uint8_t *buf,
                        size_t len, void *opaque, Error **errp)
{
    HeaderCall call = {
        .kind = HEADER_WRITE, .offset = offset, .bytes = len, .out = buf
    };

    return header_call(opaque, &call, errp);
}

static int header_find_key(void *opaque)
{
    HeaderWork *w = opaque;

    return qcrypto_block_open_finish(w->block, w->errp);
}

static int header_create(void *opaque)
{
    HeaderWork *w = opaque;

    w->block = qcrypto_block_create(w->create, w->optprefix, header_init,
                                    header_write, w, w->flags, w->errp);
    return w->block ? 0 : -1;
}

static int header_amend(void *opaque)
{
    HeaderWork *w = opaque;

    return qcrypto_block_amend_options(w->block, header_read, header_write, w,
                                       w->amend, w->force, w->errp);
}

static int coroutine_fn header_co_run(HeaderWork *w, ThreadPoolFunc *func)
{
    w->ctx = qemu_get_current_aio_context();
    if (!w->ctx) {
        return func(w);
    }
    w->in_worker = true;
    return thread_pool_submit_co(aio_get_thread_pool(w->ctx), func, w);
}

/* In the coroutine: nothing of it takes long. */
static int coroutine_fn open_begin_entry(void *opaque)
{
    HeaderWork *w = opaque;

    w->block = qcrypto_block_open_begin(w->open, w->optprefix, header_read, w,
                                        w->flags, w->errp);
    return w->block ? 0 : -EINVAL;
}

static int coroutine_fn open_finish_entry(void *opaque)
{
    return header_co_run(opaque, header_find_key);
}

/* (transfer full) equal for images that the same passphrase opens with the same
 * key. */
static char *open_identity(HeaderWork *w)
{
    return g_strdup_printf("%s %u %s", g_checksum_get_string(w->seen), w->flags,
                           w->open->u.luks.key_secret);
}

/* Returns: false: to be found here. */
static bool open_by_keys(HeaderWork *w, CryptKeys *keys)
{
    QCryptoBlock *found;
    g_autofree char *identity = open_identity(w);

    if (!crypt_keys_open(keys, &w->block, identity, &found, w->errp)) {
        return false;
    }
    w->block = found;
    return true;
}

QCryptoBlock *crypt_open(BlockNode *node, const CryptHeader *header,
                         QCryptoBlockOpenOptions *options,
                         const char *optprefix, unsigned flags, Error **errp)
{
    bool has_keys = node->keys && !(flags & QCRYPTO_BLOCK_OPEN_NO_IO) &&
                    options->format == QCRYPTO_BLOCK_FORMAT_LUKS;
    g_autoptr(GChecksum) seen =
        has_keys ? g_checksum_new(G_CHECKSUM_SHA256) : NULL;
    HeaderWork w = {
        .header = header,
        .seen = seen,
        .open = options,
        .optprefix = optprefix,
        .flags = flags | (has_keys ? QCRYPTO_BLOCK_OPEN_CANCELLABLE : 0),
        .errp = errp,
    };

    if (node_run_co(node->ctx, open_begin_entry, &w) < 0 ||
        (has_keys && open_by_keys(&w, node->keys))) {
        return w.block;
    }
    if (node_run_co(node->ctx, open_finish_entry, &w) < 0) {
        g_clear_pointer(&w.block, qcrypto_block_free);
    }
    return w.block;
}

QCryptoBlock *coroutine_fn crypt_co_create(const CryptHeader *header,
                                           QCryptoBlockCreateOptions *options,
                                           const char *optprefix,
                                           unsigned flags, Error **errp)
{
    HeaderWork w = {
        .header = header,
        .create = options,
        .optprefix = optprefix,
        .flags = flags,
        .errp = errp,
    };

    header_co_run(&w, header_create);
    return w.block;
}

bool coroutine_fn crypt_co_amend(const CryptHeader *header, QCryptoBlock *block,
                                 QCryptoBlockAmendOptions *options, bool force,
                                 Error **errp)
{
    HeaderWork w = {
        .header = header,
        .block = block,
        .amend = options,
        .force = force,
        .errp = errp,
    };

    return header_co_run(&w, header_amend) == 0;
}
