/*
 * Encrypted disks: a header made and opened, every slot operation, requests
 * in every shape and by several threads, and headers that lie.
 *
 * What other programs make of the same headers is tested in
 * tests/functional/test-luks.py.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "crypto/block.h"
#include "crypto/cipher.h"
#include "crypto/init.h"
#include "crypto/secret.h"
#include "crypto/types.h"
#include "qom/object_interfaces.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/thread.h"

#include "block-luks-internal.h"

#define PASSPHRASE "open sesame"
#define AES_HEADER 2068480 /* bytes; aes-256-xts, eight slots */

/* A disk's header in memory; fails the n-th write. */
typedef struct Disk {
    uint8_t *data;
    size_t len;
    unsigned writes;
    unsigned fail_at; /* 0: never */
} Disk;

static int disk_init(QCryptoBlock *block, size_t len, void *opaque,
                     Error **errp)
{
    Disk *d = opaque;

    g_free(d->data);
    d->data = g_malloc0(len);
    d->len = len;
    return 0;
}

static int disk_read(QCryptoBlock *block, size_t offset, uint8_t *buf,
                     size_t len, void *opaque, Error **errp)
{
    Disk *d = opaque;

    if (offset > d->len || len > d->len - offset) {
        error_setg(errp, "read of %zu bytes at %zu is behind the end", len,
                   offset);
        return -1;
    }
    memcpy(buf, d->data + offset, len);
    return 0;
}

static int disk_write(QCryptoBlock *block, size_t offset, const uint8_t *buf,
                      size_t len, void *opaque, Error **errp)
{
    Disk *d = opaque;

    if (++d->writes == d->fail_at) {
        error_setg(errp, "the disk is broken");
        return -1;
    }
    g_assert_true(offset <= d->len && len <= d->len - offset);
    memcpy(d->data + offset, buf, len);
    return 0;
}

static void add_secret(const char *id, const char *text)
{
    json_t *props = json_pack("{s:s}", "data", text);

    object_unref(user_creatable_add_type(TYPE_QCRYPTO_SECRET, id, props, true,
                                         &error_abort));
    json_decref(props);
}

static QCryptoBlock *disk_create(Disk *d, unsigned flags)
{
    QCryptoBlockCreateOptions o = {
        .format = QCRYPTO_BLOCK_FORMAT_LUKS,
        .u.luks = { .key_secret = (char *)"pass0",
                    .has_iter_time = true,
                    .iter_time = 1 },
    };

    return qcrypto_block_create(&o, NULL, disk_init, disk_write, d, flags,
                                &error_abort);
}

static QCryptoBlock *disk_open(Disk *d, const char *secret, unsigned flags,
                               Error **errp)
{
    QCryptoBlockOpenOptions o = {
        .format = QCRYPTO_BLOCK_FORMAT_LUKS,
        .u.luks = { .key_secret = (char *)secret },
    };

    return qcrypto_block_open(&o, NULL, disk_read, d, flags, 1, errp);
}

static bool opens(Disk *d, const char *secret)
{
    g_autoptr(QCryptoBlock) block = disk_open(d, secret, 0, NULL);

    return block;
}

static void expect(Error **err, const char *text)
{
    g_assert_nonnull(*err);
    g_assert_nonnull(strstr(error_get_pretty(*err), text));
    error_free(*err);
    *err = NULL;
}

/* -- create, open, info ------------------------------------------------------ */

static void check_info(QCryptoBlock *block, bool detached)
{
    QCryptoBlockInfo *info = qcrypto_block_get_info(block, &error_abort);
    QCryptoBlockInfoLUKS *l = &info->u.luks;
    unsigned slots = 0;

    g_assert_cmpint(info->format, ==, QCRYPTO_BLOCK_FORMAT_LUKS);
    g_assert_cmpint(l->cipher_alg, ==, QCRYPTO_CIPHER_ALG_AES_256);
    g_assert_cmpint(l->cipher_mode, ==, QCRYPTO_CIPHER_MODE_XTS);
    g_assert_cmpint(l->ivgen_alg, ==, QCRYPTO_IVGEN_ALG_PLAIN64);
    g_assert_false(l->has_ivgen_hash_alg);
    g_assert_cmpint(l->hash_alg, ==, QCRYPTO_HASH_ALG_SHA256);
    g_assert_cmpint(l->payload_offset, ==, detached ? 0 : AES_HEADER);
    g_assert_cmpint(l->detached_header, ==, detached);
    g_assert_cmpint(l->master_key_iters, >=, 1000);
    g_assert_cmpuint(strlen(l->uuid), ==, 36);
    for (QCryptoBlockInfoLUKSSlotList *e = l->slots; e; e = e->next, slots++) {
        g_assert_cmpint(e->value->active, ==, slots == 0);
        g_assert_cmpint(e->value->has_iters, ==, slots == 0);
        g_assert_cmpint(e->value->key_offset, ==, 4096 + slots * 258048);
    }
    g_assert_cmpuint(slots, ==, 8);
    qapi_free_QCryptoBlockInfo(info);
}

static void test_create_open(void)
{
    Disk d = { 0 };
    g_autoptr(QCryptoBlock) made = disk_create(&d, 0);
    g_autoptr(QCryptoBlock) opened = NULL;
    g_autoptr(QCryptoBlock) looked = NULL;
    uint8_t a[1024], b[1024];
    Error *err = NULL;
    QCryptoBlockCreateOptions o = { .format = QCRYPTO_BLOCK_FORMAT_LUKS };
    size_t len;

    g_assert_cmpuint(d.len, ==, AES_HEADER);
    g_assert_true(
        qcrypto_block_calculate_payload_offset(&o, NULL, &len, &error_abort));
    g_assert_cmpuint(len, ==, AES_HEADER);
    g_assert_true(
        qcrypto_block_has_format(QCRYPTO_BLOCK_FORMAT_LUKS, d.data, d.len));
    g_assert_false(
        qcrypto_block_has_format(QCRYPTO_BLOCK_FORMAT_LUKS, d.data, 7));
    g_assert_false(
        qcrypto_block_has_format(QCRYPTO_BLOCK_FORMAT_QCOW, d.data, d.len));
    check_info(made, false);

    opened = disk_open(&d, "pass0", 0, &error_abort);
    check_info(opened, false);
    g_assert_cmpuint(qcrypto_block_get_payload_offset(opened), ==, AES_HEADER);
    g_assert_cmpuint(qcrypto_block_get_sector_size(opened), ==, 512);
    g_assert_cmpint(qcrypto_block_get_kdf_hash(opened), ==,
                    QCRYPTO_HASH_ALG_SHA256);
    g_assert_nonnull(qcrypto_block_get_ivgen(opened));

    /* Both have the same key. */
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    qcrypto_block_encrypt(made, 8192, a, sizeof(a), &error_abort);
    g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);
    qcrypto_block_decrypt(opened, 8192, a, sizeof(a), &error_abort);
    g_assert_cmpmem(a, sizeof(a), b, sizeof(b));

    g_assert_null(disk_open(&d, "pass1", 0, &err));
    expect(&err, "cannot unlock any keyslot");
    g_assert_null(disk_open(&d, NULL, 0, &err));
    expect(&err, "'key-secret'");
    g_assert_null(disk_open(&d, "nobody", 0, &err));
    expect(&err, "nobody");

    looked = disk_open(&d, NULL, QCRYPTO_BLOCK_OPEN_NO_IO, &error_abort);
    check_info(looked, false);
    g_assert_cmpint(qcrypto_block_encrypt(looked, 0, a, 512, &err), <, 0);
    expect(&err, "without its passphrase");
    g_free(d.data);
}

/* CPU time of all threads, which a busy machine does not make longer. */
static int64_t cpu_ns(void)
{
    struct timespec ts;

    g_assert_cmpint(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), ==, 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

typedef struct Cancel {
    QCryptoBlock *block;
    int64_t at_ns;
} Cancel;

static void *cancel_soon(void *opaque)
{
    Cancel *c = opaque;

    g_usleep(20000);
    c->at_ns = cpu_ns();
    qcrypto_block_open_cancel(c->block);
    return NULL;
}

/* What may be done behind a cancel, with all that gives back what was held. */
#define CANCEL_NS 100000000

/* Opening in two halves; the second can be cancelled before and while it
 * runs. */
static void test_begin_finish(void)
{
    Disk d = { 0 };
    g_autoptr(QCryptoBlock) made = disk_create(&d, 0);
    QCryptoBlockOpenOptions o = {
        .format = QCRYPTO_BLOCK_FORMAT_LUKS,
        .u.luks = { .key_secret = (char *)"pass0" },
    };
    QCryptoBlock *block;
    QemuThread thread;
    Error *err = NULL;
    uint8_t a[512] = { 1 }, b[512] = { 1 };

    block = qcrypto_block_open_begin(&o, NULL, disk_read, &d, 0, &error_abort);
    g_assert_cmpint(qcrypto_block_encrypt(block, 0, a, 512, &err), <, 0);
    expect(&err, "without its passphrase");
    g_assert_cmpint(qcrypto_block_open_finish(block, &error_abort), ==, 0);
    qcrypto_block_ref(block);
    qcrypto_block_free(block);
    qcrypto_block_encrypt(made, 0, a, sizeof(a), &error_abort);
    qcrypto_block_decrypt(block, 0, a, sizeof(a), &error_abort);
    g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
    qcrypto_block_free(block);

    /* Of a slot of minutes, and of a digest of minutes. */
    for (int i = 0; i < 2; i++) {
        stl_be_p(d.data + (i ? 164 : 208 + 4), 1U << 28);
        for (int early = 0; early < 2; early++) {
            Cancel c = { 0 };

            c.block = qcrypto_block_open_begin(&o, NULL, disk_read, &d,
                                               QCRYPTO_BLOCK_OPEN_CANCELLABLE,
                                               &error_abort);
            if (early) {
                c.at_ns = cpu_ns();
                qcrypto_block_open_cancel(c.block);
            } else {
                qemu_thread_create(&thread, "cancel", cancel_soon, &c,
                                   QEMU_THREAD_JOINABLE);
            }
            g_assert_cmpint(qcrypto_block_open_finish(c.block, &err), <, 0);
            expect(&err, "cancelled");
            if (!early) {
                qemu_thread_join(&thread);
            }
            qcrypto_block_free(c.block);
            g_assert_cmpint(cpu_ns() - c.at_ns, <, CANCEL_NS);
        }
        stl_be_p(d.data + 208 + 4, 1000);
    }
    g_free(d.data);
}

static void test_detached(void)
{
    Disk d = { 0 };
    g_autoptr(QCryptoBlock) made =
        disk_create(&d, QCRYPTO_BLOCK_CREATE_DETACHED);
    g_autoptr(QCryptoBlock) opened =
        disk_open(&d, "pass0", QCRYPTO_BLOCK_OPEN_DETACHED, &error_abort);
    Error *err = NULL;

    g_assert_cmpuint(d.len, ==, AES_HEADER);
    check_info(made, true);
    check_info(opened, true);
    g_assert_null(disk_open(&d, "pass0", 0, &err));
    expect(&err, "not in the same file");
    g_free(d.data);
}

static void test_create_errors(void)
{
    QCryptoBlockCreateOptions o = { .format = QCRYPTO_BLOCK_FORMAT_LUKS };
    QCryptoBlockCreateOptionsLUKS *l = &o.u.luks;
    Disk d = { 0 };
    Error *err = NULL;

#define FAILS(text)                                                            \
    do {                                                                       \
        g_assert_null(qcrypto_block_create(&o, "encrypt.", disk_init,          \
                                           disk_write, &d, 0, &err));          \
        expect(&err, text);                                                    \
        g_assert_null(d.data);                                                 \
    } while (0)

    FAILS("'encrypt.key-secret'");
    l->key_secret = (char *)"pass0";
    l->has_cipher_alg = l->has_cipher_mode = true;
    l->cipher_alg = QCRYPTO_CIPHER_ALG_DES;
    l->cipher_mode = QCRYPTO_CIPHER_MODE_CBC;
    FAILS("no cipher 'des'");
    l->cipher_alg = QCRYPTO_CIPHER_ALG_CAST5_128;
    l->cipher_mode = QCRYPTO_CIPHER_MODE_XTS;
    FAILS("mode 'xts' is not supported");
    l->cipher_alg = QCRYPTO_CIPHER_ALG_AES_256;
    l->has_ivgen_alg = l->has_ivgen_hash_alg = true;
    l->ivgen_alg = QCRYPTO_IVGEN_ALG_ESSIV;
    l->ivgen_hash_alg = QCRYPTO_HASH_ALG_SHA1;
    FAILS("160 bits");
    l->has_ivgen_alg = false;
    l->has_iter_time = true;
    l->iter_time = 0;
    FAILS("iter-time 0");
    l->iter_time = UINT32_MAX;
    FAILS("iterations, more than");

    /* A disk that fails at the header has none. */
    l->iter_time = 1;
    d.fail_at = 2;
    g_assert_null(
        qcrypto_block_create(&o, NULL, disk_init, disk_write, &d, 0, &err));
    expect(&err, "cannot write the LUKS header");
    g_assert_false(
        qcrypto_block_has_format(QCRYPTO_BLOCK_FORMAT_LUKS, d.data, d.len));
    g_free(d.data);
#undef FAILS
}

/* -- slots ------------------------------------------------------------------- */

static bool amend(Disk *d, const QCryptoBlockAmendOptionsLUKS *l, bool force,
                  Error **errp)
{
    g_autoptr(QCryptoBlock) block = disk_open(d, "pass0", 0, NULL);
    QCryptoBlockAmendOptions o = { .format = QCRYPTO_BLOCK_FORMAT_LUKS,
                                   .u.luks = *l };

    if (!block) {
        block = disk_open(d, "pass1", 0, &error_abort);
    }
    return qcrypto_block_amend_options(block, disk_read, disk_write, d, &o,
                                       force, errp) == 0;
}

static bool amend_add(Disk *d, const char *secret, int slot, bool force,
                      Error **errp)
{
    QCryptoBlockAmendOptionsLUKS l = {
        .state = QCRYPTO_BLOCK_LUKS_KEYSLOT_STATE_ACTIVE,
        .new_secret = (char *)secret,
        .has_keyslot = slot >= 0,
        .keyslot = slot,
        .has_iter_time = true,
        .iter_time = 1,
    };

    return amend(d, &l, force, errp);
}

static bool amend_del(Disk *d, const char *secret, int slot, bool force,
                      Error **errp)
{
    QCryptoBlockAmendOptionsLUKS l = {
        .state = QCRYPTO_BLOCK_LUKS_KEYSLOT_STATE_INACTIVE,
        .old_secret = (char *)secret,
        .has_keyslot = slot != -1,
        .keyslot = slot,
    };

    return amend(d, &l, force, errp);
}

static void test_amend_add(void)
{
    Disk d = { 0 };
    g_autoptr(QCryptoBlock) made = disk_create(&d, 0);
    g_autofree uint8_t *before = NULL;
    Error *err = NULL;

    g_assert_true(amend_add(&d, "pass1", 7, false, &error_abort));
    g_assert_true(opens(&d, "pass0") && opens(&d, "pass1"));
    g_assert_true(amend_add(&d, "pass2", -1, false, &error_abort));
    g_assert_true(opens(&d, "pass2"));

    before = g_memdup2(d.data, d.len);
    g_assert_false(amend_add(&d, "pass3", 1, false, &err));
    expect(&err, "active keyslot 1");
    g_assert_false(amend_add(&d, "pass3", 8, false, &err));
    expect(&err, "invalid keyslot 8");
    g_assert_false(amend_add(&d, NULL, 3, false, &err));
    expect(&err, "'new-secret'");
    /* Broken while the material, or the header, is written. */
    for (unsigned i = 1; i <= 2; i++) {
        d.writes = 0;
        d.fail_at = i;
        g_assert_false(amend_add(&d, "pass3", 4, false, &err));
        expect(&err, "broken");
        g_assert_cmpmem(d.data, LUKS_HEADER_BYTES, before, LUKS_HEADER_BYTES);
    }
    d.fail_at = 0;

    g_assert_true(amend_add(&d, "pass3", 1, true, &error_abort));
    g_assert_true(opens(&d, "pass3") && !opens(&d, "pass2"));
    g_free(d.data);
}

static void test_amend_erase(void)
{
    Disk d = { 0 };
    g_autoptr(QCryptoBlock) made = disk_create(&d, 0);
    g_autofree uint8_t *old = NULL;
    Error *err = NULL;

    g_assert_true(amend_add(&d, "pass1", 3, false, &error_abort));
    g_assert_true(amend_add(&d, "pass1", 5, false, &error_abort));
    g_assert_false(amend_del(&d, "pass1", 2, false, &err));
    expect(&err, "keyslot 2 is already erased");
    g_assert_false(amend_del(&d, "pass2", -1, false, &err));
    expect(&err, "no keyslots match");
    g_assert_false(amend_del(&d, "pass1", 0, false, &err));
    expect(&err, "no keyslots match");
    g_assert_false(amend_del(&d, NULL, -1, false, &err));
    expect(&err, "either 'keyslot' or 'old-secret'");
    g_assert_false(amend_del(&d, NULL, -2, false, &err));
    expect(&err, "invalid keyslot -2");

    /* Slot 3 alone, and nothing is left of its material. */
    old = g_memdup2(d.data, d.len);
    g_assert_true(amend_del(&d, NULL, 3, false, &error_abort));
    g_assert_true(opens(&d, "pass1"));
    for (size_t at = 4096 + 3 * 258048; at < 4096 + 3 * 258048 + 256000;
         at += 512) {
        g_assert_cmpint(memcmp(old + at, d.data + at, 512), !=, 0);
    }
    g_assert_true(amend_del(&d, "pass1", -1, false, &error_abort));
    g_assert_false(opens(&d, "pass1"));

    g_assert_false(amend_del(&d, NULL, 0, false, &err));
    expect(&err, "last active keyslot");
    g_assert_false(amend_del(&d, "pass0", -1, false, &err));
    expect(&err, "last active keyslot");
    g_assert_true(opens(&d, "pass0"));
    g_assert_true(amend_del(&d, NULL, 0, true, &error_abort));
    g_assert_false(opens(&d, "pass0"));
    g_free(d.data);
}

static void test_amend_options(void)
{
    Disk d = { 0 };
    g_autoptr(QCryptoBlock) made = disk_create(&d, 0);
    QCryptoBlockAmendOptionsLUKS l = {
        .state = QCRYPTO_BLOCK_LUKS_KEYSLOT_STATE_ACTIVE,
        .new_secret = (char *)"pass1",
        .old_secret = (char *)"pass0",
    };
    Error *err = NULL;

    g_assert_false(amend(&d, &l, false, &err));
    expect(&err, "'old-secret' must not");
    l.state = QCRYPTO_BLOCK_LUKS_KEYSLOT_STATE_INACTIVE;
    g_assert_false(amend(&d, &l, false, &err));
    expect(&err, "'new-secret' must not");
    l.new_secret = NULL;
    l.has_iter_time = true;
    g_assert_false(amend(&d, &l, false, &err));
    expect(&err, "'iter-time' must not");

    /* A wrong passphrase for finding the key. */
    l = (QCryptoBlockAmendOptionsLUKS){
        .state = QCRYPTO_BLOCK_LUKS_KEYSLOT_STATE_ACTIVE,
        .new_secret = (char *)"pass1",
        .secret = (char *)"pass2",
    };
    g_assert_false(amend(&d, &l, false, &err));
    expect(&err, "cannot unlock");

    /* All slots full. */
    for (unsigned i = 1; i < LUKS_SLOTS; i++) {
        stl_be_p(d.data + 208 + 48 * i, 0x00AC71F3);
        stl_be_p(d.data + 208 + 48 * i + 4, 1000);
    }
    g_assert_false(amend_add(&d, "pass1", -1, false, &err));
    expect(&err, "all are in use");
    g_free(d.data);
}

/* -- requests ---------------------------------------------------------------- */

typedef struct CipherCase {
    const char *name; /* cipher, mode, length of key */
    const char *mode;
    uint32_t key_bytes;
    unsigned niv; /* bytes */
} CipherCase;

static const CipherCase cases[] = {
    { "aes", "xts-plain64", 64, 16 },
    { "aes", "xts-plain", 32, 16 },
    { "aes", "xts-essiv:sha256", 64, 16 },
    { "aes", "cbc-plain64", 24, 16 },
    { "aes", "cbc-essiv:sha256", 16, 16 },
    { "aes", "ecb", 32, 0 },
    { "serpent", "xts-plain64", 64, 16 },
    { "serpent", "cbc-essiv:sha256", 16, 16 },
    { "twofish", "xts-plain64", 32, 16 },
    { "twofish", "cbc-plain64", 32, 16 },
    { "cast5", "cbc-plain64", 16, 8 },
};

static QCryptoBlock *case_block(const CipherCase *c, const uint8_t *key,
                                BlockCipherSpec *spec)
{
    QCryptoBlock *block = g_new0(QCryptoBlock, 1);
    LUKSHeader h = { .hash_spec = "sha256", .key_bytes = c->key_bytes };
    QCryptoHashAlgorithm hash;

    block->refs = 1;
    g_strlcpy(h.cipher_name, c->name, sizeof(h.cipher_name));
    g_strlcpy(h.cipher_mode, c->mode, sizeof(h.cipher_mode));
    luks_names_decode(&h, spec, &hash, &error_abort);
    block->driver = &qcrypto_block_qcow; /* only to free it */
    block->sector_size = LUKS_SECTOR;
    block_cipher_setup(block, spec, key, c->key_bytes, &error_abort);
    return block;
}

/* Sector by sector with the public calls. */
static void case_reference(const BlockCipherSpec *spec, const CipherCase *c,
                           const uint8_t *key, uint64_t number, uint8_t *buf,
                           size_t len)
{
    g_autoptr(QCryptoCipher) cipher = qcrypto_cipher_new(
        spec->alg, spec->mode, key, c->key_bytes, &error_abort);
    g_autoptr(QCryptoIVGen) ivgen =
        qcrypto_ivgen_new(spec->ivgen, spec->essiv_alg, spec->essiv_hash, key,
                          c->key_bytes, &error_abort);
    uint8_t iv[16];

    for (size_t at = 0; at < len; at += LUKS_SECTOR) {
        if (c->niv) {
            qcrypto_ivgen_calculate(ivgen, number++, iv, c->niv, &error_abort);
            qcrypto_cipher_setiv(cipher, iv, c->niv, &error_abort);
        }
        qcrypto_cipher_encrypt(cipher, buf + at, buf + at, LUKS_SECTOR,
                               &error_abort);
    }
}

#define REQUEST_BYTES (12 * LUKS_SECTOR)
/* Beyond 32 bits of sectors, where plain and plain64 differ. */
#define REQUEST_NUMBER (UINT64_C(0x1fffffffd))

static void check_iov(QCryptoBlock *block, const uint8_t *plain,
                      const uint8_t *secret)
{
    /* Pieces that end inside of sectors, one empty, some of one byte. */
    static const size_t pieces[] = { 7,   1,    0,    504, 1024, 100,
                                     412, 1536, 1000, 1,   23,   4096 };
    uint64_t offset = REQUEST_NUMBER * LUKS_SECTOR;
    struct iovec iov[ARRAY_SIZE(pieces)];
    uint8_t in[REQUEST_BYTES * 2], out[REQUEST_BYTES];
    size_t at = 0;

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        iov[i] = (struct iovec){ in + at, pieces[i] };
        at += pieces[i];
    }
    g_assert_cmpuint(at, >=, REQUEST_BYTES + 300);
    for (size_t skip = 0; skip < 300; skip += 13) {
        memset(in, 0xee, sizeof(in));
        memcpy(in + skip, plain, REQUEST_BYTES);
        qcrypto_block_encrypt_iov(block, offset, iov, ARRAY_SIZE(iov), skip,
                                  out, sizeof(out), &error_abort);
        g_assert_cmpmem(out, sizeof(out), secret, REQUEST_BYTES);

        memset(in, 0xee, sizeof(in));
        qcrypto_block_decrypt_iov(block, offset, iov, ARRAY_SIZE(iov), skip,
                                  out, sizeof(out), &error_abort);
        g_assert_cmpmem(in + skip, REQUEST_BYTES, plain, REQUEST_BYTES);
        g_assert_true(skip == 0 || in[skip - 1] == 0xee);
        g_assert_cmpint(in[skip + REQUEST_BYTES], ==, 0xee);
        g_assert_cmpmem(out, sizeof(out), secret, REQUEST_BYTES);
    }
}

static void test_requests(void)
{
    uint8_t key[LUKS_KEY_BYTES_MAX];
    uint8_t plain[REQUEST_BYTES], want[REQUEST_BYTES], got[REQUEST_BYTES];

    for (size_t i = 0; i < sizeof(key); i++) {
        key[i] = (uint8_t)(i * 37 + 1);
    }
    for (size_t i = 0; i < sizeof(plain); i++) {
        plain[i] = (uint8_t)(i * 11 + i / 512);
    }
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        BlockCipherSpec spec;
        g_autoptr(QCryptoBlock) block = case_block(&cases[i], key, &spec);

        memcpy(want, plain, sizeof(want));
        case_reference(&spec, &cases[i], key, REQUEST_NUMBER, want,
                       sizeof(want));
        memcpy(got, plain, sizeof(got));
        qcrypto_block_encrypt(block, REQUEST_NUMBER * LUKS_SECTOR, got,
                              sizeof(got), &error_abort);
        g_assert_cmpmem(got, sizeof(got), want, sizeof(want));
        qcrypto_block_decrypt(block, REQUEST_NUMBER * LUKS_SECTOR, got,
                              sizeof(got), &error_abort);
        g_assert_cmpmem(got, sizeof(got), plain, sizeof(plain));
        check_iov(block, plain, want);
    }
}

static void test_request_errors(void)
{
    uint8_t key[64] = { 1 };
    BlockCipherSpec spec;
    g_autoptr(QCryptoBlock) block = case_block(&cases[0], key, &spec);
    uint8_t buf[1024] = { 0 };
    Error *err = NULL;

    g_assert_cmpint(qcrypto_block_encrypt(block, 0, buf, 511, &err), <, 0);
    expect(&err, "length 511");
    g_assert_cmpint(qcrypto_block_decrypt(block, 256, buf, 512, &err), <, 0);
    expect(&err, "offset 256");
}

typedef struct Worker {
    QemuThread thread;
    QCryptoBlock *block;
    uint64_t offset;
} Worker;

static void *worker_run(void *opaque)
{
    Worker *w = opaque;
    uint8_t buf[8192], want[8192];

    memset(want, (int)w->offset, sizeof(want));
    for (unsigned i = 0; i < 200; i++) {
        memcpy(buf, want, sizeof(buf));
        qcrypto_block_encrypt(w->block, w->offset, buf, sizeof(buf),
                              &error_abort);
        qcrypto_block_decrypt(w->block, w->offset, buf, sizeof(buf),
                              &error_abort);
        g_assert_cmpmem(buf, sizeof(buf), want, sizeof(want));
    }
    return NULL;
}

static void test_threads(void)
{
    uint8_t key[64] = { 1, 2 };
    BlockCipherSpec spec;
    g_autoptr(QCryptoBlock) block = case_block(&cases[2], key, &spec);
    Worker workers[4];

    for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
        workers[i].block = block;
        workers[i].offset = i * 512 * 1001;
        qemu_thread_create(&workers[i].thread, "worker", worker_run,
                           &workers[i], QEMU_THREAD_JOINABLE);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
        qemu_thread_join(&workers[i].thread);
    }
}

/* -- headers that lie -------------------------------------------------------- */

typedef struct Lie {
    size_t at;
    const char *bytes; /* four, or up to the NUL */
    size_t len;
    const char *message;
} Lie;

#define BE(a, b, c, d) ((const char[]){ (char)a, (char)b, (char)c, (char)d })

static void test_lies(void)
{
    const Lie lies[] = {
        { 0, "X", 1, "no LUKS header" },
        { 6, BE(0, 2, 'a', 'e'), 2, "version 2" },
        { 8, "rot13", 6, "cipher 'rot13'" },
        { 8, "\x01\x02", 3, "not plain text" },
        { 40, "xts", 4, "mode 'xts'" },
        { 40, "xts-plain128", 13, "'plain128'" },
        { 40, "cbc-essiv", 10, "has no hash" },
        { 40, "cbc-plain:sha1", 15, "an unexpected hash" },
        { 40, "cbc-essiv:sha0", 15, "'sha0'" },
        { 40, "xts-essiv:sha1", 15, "160 bits" },
        { 72, "sha3", 5, "'sha3'" },
        { 104, BE(0, 0, 0, 9), 4, "overlaps the payload" },
        { 104, BE(0, 0, 0, 0), 4, "not in the same file" },
        { 108, BE(0, 0, 0, 0), 4, "key of 0 bytes" },
        { 108, BE(0xff, 0xff, 0xff, 0xff), 4, "key of 4294967295 bytes" },
        { 108, BE(0, 0, 0, 33), 4, "33 bytes is not for xts" },
        { 108, BE(0, 0, 0, 40), 4, "160 bits" },
        { 164, BE(0, 0, 0, 0), 4, "digest has 0" },
        { 164, BE(0xff, 0, 0, 0), 4, "digest has 4278190080" },
        { 208, BE(1, 2, 3, 4), 4, "key slot 0 is neither" },
        { 212, BE(0, 0, 0, 0), 4, "key slot 0 has 0 iterations" },
        { 212, BE(0x10, 0, 0, 1), 4, "268435457 iterations" },
        { 248, BE(0, 0, 0, 1), 4, "key slot 0 overlaps the header" },
        { 248, BE(0, 0, 2, 0), 4, "key slots 0 and 1 overlap" },
        { 248, BE(0xff, 0xff, 0xff, 0xff), 4, "slot 0 overlaps the payload" },
        { 252, BE(0, 0, 0, 0), 4, "0 stripes" },
        { 252, BE(0, 1, 0, 1), 4, "65537 stripes" },
        { 252, BE(0, 0, 0x1f, 0x40), 4, "key slots 0 and 1 overlap" },
    };
    Disk d = { 0 };
    g_autoptr(QCryptoBlock) made = disk_create(&d, 0);
    Error *err = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        g_autofree uint8_t *data = g_memdup2(d.data, d.len);
        Disk liar = { .data = data, .len = d.len };

        memcpy(data + lies[i].at, lies[i].bytes, lies[i].len);
        g_assert_null(disk_open(&liar, "pass0", 0, &err));
        expect(&err, lies[i].message);
    }
    /* Texts without an end. */
    for (size_t at = 8; at < 104; at += 32) {
        g_autofree uint8_t *data = g_memdup2(d.data, d.len);
        Disk liar = { .data = data, .len = d.len };

        memset(data + at, 'a', 32);
        g_assert_null(disk_open(&liar, "pass0", 0, &err));
        expect(&err, "has no end");
    }
    /* Cut short: in the header, in the material. */
    d.len = 500;
    g_assert_null(disk_open(&d, "pass0", 0, &err));
    expect(&err, "cannot read the LUKS header");
    d.len = 8192;
    g_assert_null(disk_open(&d, "pass0", 0, &err));
    expect(&err, "cannot read key slot 0");
    g_free(d.data);
}

static void test_qcow(void)
{
    QCryptoBlockOpenOptions o = {
        .format = QCRYPTO_BLOCK_FORMAT_QCOW,
        .u.qcow = { .key_secret = (char *)"pass0" },
    };
    g_autoptr(QCryptoBlock) block =
        qcrypto_block_open(&o, NULL, NULL, NULL, 0, 1, &error_abort);
    QCryptoBlockInfo *info = qcrypto_block_get_info(block, &error_abort);
    g_autoptr(QCryptoCipher) cipher = NULL;
    uint8_t buf[512] = "text", iv[16] = { 5 };
    Error *err = NULL;

    g_assert_cmpint(info->format, ==, QCRYPTO_BLOCK_FORMAT_QCOW);
    qapi_free_QCryptoBlockInfo(info);
    g_assert_cmpuint(qcrypto_block_get_payload_offset(block), ==, 0);
    cipher =
        qcrypto_cipher_new(QCRYPTO_CIPHER_ALG_AES_128, QCRYPTO_CIPHER_MODE_CBC,
                           (const uint8_t *)PASSPHRASE "\0\0\0\0\0", 16,
                           &error_abort);
    qcrypto_cipher_setiv(cipher, iv, sizeof(iv), &error_abort);
    qcrypto_cipher_encrypt(cipher, buf, buf, sizeof(buf), &error_abort);
    qcrypto_block_decrypt(block, 5 * 512, buf, sizeof(buf), &error_abort);
    g_assert_cmpstr((char *)buf, ==, "text");

    QCryptoBlockAmendOptions amend_options = {
        .format = QCRYPTO_BLOCK_FORMAT_QCOW,
    };
    g_assert_cmpint(qcrypto_block_amend_options(block, NULL, NULL, NULL,
                                                &amend_options, false, &err),
                    <, 0);
    expect(&err, "nothing to change");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qcrypto_init(&error_abort);
    crypto_register_types();
    add_secret("pass0", PASSPHRASE);
    add_secret("pass1", "second");
    add_secret("pass2", "third");
    add_secret("pass3", "fourth");
    g_test_add_func("/block/luks/create-open", test_create_open);
    g_test_add_func("/block/luks/begin-finish", test_begin_finish);
    g_test_add_func("/block/luks/detached", test_detached);
    g_test_add_func("/block/luks/create-errors", test_create_errors);
    g_test_add_func("/block/luks/amend-add", test_amend_add);
    g_test_add_func("/block/luks/amend-erase", test_amend_erase);
    g_test_add_func("/block/luks/amend-options", test_amend_options);
    g_test_add_func("/block/luks/lies", test_lies);
    g_test_add_func("/block/requests", test_requests);
    g_test_add_func("/block/request-errors", test_request_errors);
    g_test_add_func("/block/threads", test_threads);
    g_test_add_func("/block/qcow", test_qcow);
    return g_test_run();
}
