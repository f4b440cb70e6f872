/*
 * LUKS: key slots, from passphrase to key and back.
 *
 *   passphrase --PBKDF2--> slot key --decrypts--> material --merged--> key
 *
 * and PBKDF2 over the key must give the digest in the header, which tells
 * whether the passphrase was right. PBKDF2 is slow on purpose, so a search
 * over several slots gives each of the CPUs one at a time; whoever finds the
 * key first tells the others to stop in the middle. All reading is done
 * before, in the caller's thread, so that a search can be begun in one thread
 * and run in another.
 *
 * Writing makes new salts and new stripes each time. What was secret is
 * wiped: on success, on failure, and in threads that lost.
 *
 * Source: LUKS On-Disk Format Specification 1.2.3, part 4.
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/afsplit.h"
#include "crypto/hash.h"
#include "crypto/pbkdf.h"
#include "crypto/random.h"
#include "util/atomic.h"
#include "util/error.h"
#include "util/lockable.h"
#include "util/secret-mem.h"
#include "util/thread.h"

#include "block-luks-internal.h"

/* A search for slots that open. */
struct LUKSSearch {
    const LUKSState *luks;
    uint8_t *passphrase; /* owned, wiped */
    size_t passphrase_len;
    bool all;       /* go on after the first */
    bool stoppable; /* @stop may be set in the middle of a slot */
    uint8_t *material[LUKS_SLOTS]; /* owned, wiped; NULL: not to be tried */
    size_t bytes[LUKS_SLOTS];      /* of material, whole sectors */
    unsigned count;                /* of slots to be tried */
    unsigned next;                 /* slot for the next thread; atomic */
    bool stop;                     /* atomic */
    bool cancelled;                /* atomic; set before @stop */

    QemuMutex lock; /* guards what follows */
    unsigned found; /* bits of slots */
    int first;      /* slot that gave @key; -1 */
    uint8_t *key;   /* (out) borrowed */
    Error *err;     /* owned; the first */
};

static size_t slot_bytes(const LUKSState *luks, const LUKSSlot *slot)
{
    return ROUND_UP(luks_material_bytes(luks->header.key_bytes,
                                        luks_slot_stripes(slot)),
                    LUKS_SECTOR);
}

bool luks_key_digest(const LUKSState *luks, const uint8_t *key,
                     uint8_t digest[LUKS_DIGEST_BYTES], const bool *stop,
                     Error **errp)
{
    const LUKSHeader *h = &luks->header;

    return qcrypto_pbkdf2_until(luks->hash, key, h->key_bytes, h->digest_salt,
                                sizeof(h->digest_salt), h->digest_iterations,
                                digest, LUKS_DIGEST_BYTES, stop, errp) == 0;
}

/* Returns: 1 if @key is right, 0 if not (or stopped), -1 on error. */
static int search_try(LUKSSearch *s, unsigned n, uint8_t *key, Error **errp)
{
    const LUKSHeader *h = &s->luks->header;
    const LUKSSlot *slot = &h->slots[n];
    const bool *stop = s->stoppable ? &s->stop : NULL;
    uint8_t digest[LUKS_DIGEST_BYTES];

    if (qcrypto_pbkdf2_until(s->luks->hash, s->passphrase, s->passphrase_len,
                             slot->salt, sizeof(slot->salt), slot->iterations,
                             key, h->key_bytes, stop, errp) < 0) {
        return -1;
    }
    if (qatomic_read(&s->stop)) {
        return 0;
    }
    if (!block_sectors_crypt(&s->luks->spec, key, h->key_bytes, LUKS_SECTOR,
                             false, s->material[n], s->bytes[n], errp) ||
        qcrypto_afsplit_decode(s->luks->hash, h->key_bytes, slot->stripes,
                               s->material[n], key, errp) < 0 ||
        !luks_key_digest(s->luks, key, digest, stop, errp)) {
        return -1;
    }
    return secret_equal(digest, h->digest, sizeof(digest));
}

static void search_result(LUKSSearch *s, unsigned n, int result,
                          const uint8_t *key, Error *err)
{
    QEMU_LOCK_GUARD(&s->lock);

    if (result < 0) {
        if (s->err) {
            error_free(err);
        } else {
            s->err = err;
        }
        return;
    }
    if (result == 0) {
        return;
    }
    s->found |= 1U << n;
    if (s->first < 0) {
        s->first = (int)n;
        memcpy(s->key, key, s->luks->header.key_bytes);
    }
    if (!s->all) {
        qatomic_set(&s->stop, true);
    }
}

static void *search_thread(void *opaque)
{
    LUKSSearch *s = opaque;
    uint8_t key[LUKS_KEY_BYTES_MAX];

    while (!qatomic_read(&s->stop)) {
        unsigned n = qatomic_fetch_inc(&s->next);
        Error *err = NULL;

        if (n >= LUKS_SLOTS) {
            break;
        }
        if (s->material[n]) {
            int result = search_try(s, n, key, &err);

            search_result(s, n, result, key, err);
        }
    }
    secret_wipe(key, sizeof(key));
    return NULL;
}

static bool search_read(LUKSSearch *s, const LUKSFile *file, unsigned slots,
                        Error **errp)
{
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        const LUKSSlot *slot = &s->luks->header.slots[i];

        if (!slot->active || !(slots & (1U << i))) {
            continue;
        }
        s->bytes[i] = slot_bytes(s->luks, slot);
        s->material[i] = g_try_malloc(s->bytes[i]);
        if (!s->material[i]) {
            error_setg(errp, "no memory for key slot %u", i);
            return false;
        }
        if (file->read(file->block, (size_t)slot->key_sector * LUKS_SECTOR,
                       s->material[i], s->bytes[i], file->opaque, errp) < 0) {
            error_prepend(errp, "cannot read key slot %u: ", i);
            return false;
        }
        s->count++;
    }
    return true;
}

static void search_threads(LUKSSearch *s)
{
    QemuThread threads[LUKS_SLOTS];
    unsigned want = MIN(s->count, g_get_num_processors());
    unsigned started = 0;

    s->stoppable |= want > 1;
    while (started + 1 < want &&
           qemu_thread_try_create(&threads[started], "luks-slot", search_thread,
                                  s, QEMU_THREAD_JOINABLE) == 0) {
        started++;
    }
    search_thread(s);
    while (started--) {
        qemu_thread_join(&threads[started]);
    }
}

static void search_wipe(LUKSSearch *s)
{
    for (unsigned i = 0; i < LUKS_SLOTS; i++) {
        secret_free(g_steal_pointer(&s->material[i]), s->bytes[i]);
    }
    secret_free(g_steal_pointer(&s->passphrase), s->passphrase_len);
}

LUKSSearch *luks_search_new(const LUKSState *luks, const LUKSFile *file,
                            unsigned slots, const LUKSPassphrase *passphrase,
                            bool cancellable, Error **errp)
{
    g_autoptr(LUKSSearch) s = g_new0(LUKSSearch, 1);

    s->luks = luks;
    s->passphrase = g_malloc(MAX(passphrase->len, 1));
    memcpy(s->passphrase, passphrase->data, passphrase->len);
    s->passphrase_len = passphrase->len;
    s->stoppable = cancellable;
    s->first = -1;
    qemu_mutex_init(&s->lock);
    return search_read(s, file, slots, errp) ? g_steal_pointer(&s) : NULL;
}

int luks_search_run(LUKSSearch *s, bool all, int *first, uint8_t *key,
                    Error **errp)
{
    s->all = all;
    s->key = key;
    search_threads(s);
    search_wipe(s);
    if (s->err && (all || !s->found)) {
        error_propagate(errp, g_steal_pointer(&s->err));
        return -1;
    }
    if (!s->found && qatomic_read(&s->cancelled)) {
        error_setg(errp, "the search for the key was cancelled");
        return -1;
    }
    if (first) {
        *first = s->first;
    }
    return (int)s->found;
}

void luks_search_cancel(LUKSSearch *s)
{
    qatomic_set(&s->cancelled, true);
    qatomic_set(&s->stop, true);
}

void luks_search_free(LUKSSearch *s)
{
    if (s) {
        search_wipe(s);
        error_free(s->err);
        qemu_mutex_destroy(&s->lock);
        g_free(s);
    }
}

bool luks_search_key(LUKSSearch *s, int *slot, uint8_t *key, Error **errp)
{
    int found = luks_search_run(s, false, slot, key, errp);

    if (found == 0) {
        error_setg(errp, "invalid password, cannot unlock any keyslot");
    }
    return found > 0;
}

int luks_key_find(LUKSState *luks, const LUKSFile *file, unsigned slots,
                  const LUKSPassphrase *passphrase, uint8_t *key, Error **errp)
{
    g_autoptr(LUKSSearch) s =
        luks_search_new(luks, file, slots, passphrase, false, errp);
    int slot;

    return s && luks_search_key(s, &slot, key, errp) ? slot : -1;
}

int luks_key_matching(LUKSState *luks, const LUKSFile *file, unsigned slots,
                      const LUKSPassphrase *passphrase, Error **errp)
{
    g_autoptr(LUKSSearch) s =
        luks_search_new(luks, file, slots, passphrase, false, errp);
    uint8_t key[LUKS_KEY_BYTES_MAX];
    int found = s ? luks_search_run(s, true, NULL, key, errp) : -1;

    secret_wipe(key, sizeof(key));
    return found;
}

/* -- writing ----------------------------------------------------------------- */

static bool slot_fill(LUKSState *luks, LUKSSlot *slot,
                      const LUKSPassphrase *passphrase, const uint8_t *key,
                      uint8_t *material, size_t bytes, Error **errp)
{
    uint32_t key_bytes = luks->header.key_bytes;
    uint8_t slot_key[LUKS_KEY_BYTES_MAX];
    bool ok;

    ok = qcrypto_random_bytes(slot->salt, sizeof(slot->salt), errp) == 0 &&
         qcrypto_pbkdf2(luks->hash, passphrase->data, passphrase->len,
                        slot->salt, sizeof(slot->salt), slot->iterations,
                        slot_key, key_bytes, errp) == 0 &&
         qcrypto_afsplit_encode(luks->hash, key_bytes, slot->stripes, key,
                                material, errp) == 0 &&
         block_sectors_crypt(&luks->spec, slot_key, key_bytes, LUKS_SECTOR,
                             true, material, bytes, errp);
    secret_wipe(slot_key, sizeof(slot_key));
    return ok;
}

bool luks_key_store(LUKSState *luks, const LUKSFile *file, unsigned n,
                    const LUKSPassphrase *passphrase, uint32_t iterations,
                    const uint8_t *key, Error **errp)
{
    LUKSSlot slot = luks->header.slots[n];
    uint8_t *material;
    size_t bytes;
    bool ok;

    slot.stripes = luks_slot_stripes(&slot);
    slot.iterations = iterations;
    slot.active = true;
    bytes = slot_bytes(luks, &slot);
    material = g_try_malloc0(bytes);
    if (!material) {
        error_setg(errp, "no memory for key slot %u", n);
        return false;
    }
    ok = slot_fill(luks, &slot, passphrase, key, material, bytes, errp);
    if (ok && file->write(file->block, (size_t)slot.key_sector * LUKS_SECTOR,
                          material, bytes, file->opaque, errp) < 0) {
        error_prepend(errp, "cannot write key slot %u: ", n);
        ok = false;
    }
    secret_free(material, bytes);
    if (ok) {
        luks->header.slots[n] = slot;
    }
    return ok;
}

bool luks_key_rounds(const LUKSState *luks, int64_t iter_time_ms,
                     uint32_t *rounds, Error **errp)
{
    static const uint8_t salt[LUKS_SALT_BYTES];
    static const uint8_t key[] = "sample";
    uint64_t rate;
    uint64_t want;

    if (iter_time_ms <= 0 || iter_time_ms > UINT32_MAX) {
        error_setg(errp, "iter-time %" PRId64 " is not in 1 to %" PRIu32,
                   iter_time_ms, UINT32_MAX);
        return false;
    }
    rate =
        qcrypto_pbkdf2_count_iters(luks->hash, key, sizeof(key), salt,
                                   sizeof(salt), luks->header.key_bytes, errp);
    if (rate == UINT64_MAX) {
        return false;
    }
    /* A rate is far below 2^32 in practice; so is the time by now. */
    want = MIN(rate, UINT32_MAX) * (uint64_t)iter_time_ms / 1000;
    if (want > LUKS_ITERATIONS_MAX) {
        error_setg(errp,
                   "iter-time %" PRId64 " means %" PRIu64
                   " iterations, more than %u",
                   iter_time_ms, want, LUKS_ITERATIONS_MAX);
        return false;
    }
    *rounds = MAX((uint32_t)want, LUKS_ITERATIONS_MIN);
    return true;
}

bool luks_header_write(const LUKSState *luks, const LUKSFile *file,
                       Error **errp)
{
    uint8_t buf[LUKS_HEADER_BYTES];

    luks_wire_encode(&luks->header, buf);
    if (file->write(file->block, 0, buf, sizeof(buf), file->opaque, errp) < 0) {
        error_prepend(errp, "cannot write the LUKS header: ");
        return false;
    }
    return true;
}
