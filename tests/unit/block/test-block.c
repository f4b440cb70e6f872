/*
 * Nodes, back ends and drives: options, locks, requests of any alignment.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <glib/gstdio.h>

#include "block/block-backend.h"
#include "block/block-node.h"
#include "block/drive.h"
#include "qapi/json.h"
#include "util/aio-wait.h"
#include "util/fd.h"
#include "util/main-loop.h"

#define DISK_BYTES (256 * 1024)

static char *make_file(size_t bytes)
{
    char *path = NULL;
    int fd = g_file_open_tmp("block-XXXXXX", &path, NULL);

    g_assert_cmpint(ftruncate(fd, (off_t)bytes), ==, 0);
    fd_close(fd);
    return path;
}

static BlockBackend *open_text(const char *text)
{
    BlockBackend *blk = blk_new(qemu_get_aio_context());
    g_autoptr(json_t) opts = qobject_from_json(text, &error_abort);
    BlockNode *node =
        block_node_new(opts, false, qemu_get_aio_context(), &error_abort);

    blk_insert(blk, node, &error_abort);
    block_node_unref(node);
    return blk;
}

static BlockBackend *open_file(const char *path, const char *more)
{
    g_autofree char *text = g_strdup_printf(
        "{\"driver\":\"file\",\"filename\":\"%s\"%s}", path, more);

    return open_text(text);
}

/* -- requests ------------------------------------------------------------------ */

/* Requests of all sizes and places, against a copy in memory. */
static void test_random(gconstpointer more)
{
    g_autofree char *path = make_file(DISK_BYTES);
    BlockBackend *blk = open_file(path, more);
    g_autofree uint8_t *want = g_malloc0(DISK_BYTES);
    g_autofree uint8_t *buf = g_malloc(DISK_BYTES + 64);
    g_autofree char *data = NULL;
    GRand *rnd = g_rand_new_with_seed(42);
    gsize size;

    for (int i = 0; i < 400; i++) {
        int64_t at = g_rand_int_range(rnd, 0, DISK_BYTES);
        int64_t len = g_rand_int_range(rnd, 1, DISK_BYTES / 8);
        uint8_t *p = buf + g_rand_int_range(rnd, 0, 64);

        len = MIN(len, DISK_BYTES - at);
        if (i % 3 == 0) {
            at &= ~511;
            len = MAX(512, len & ~511);
            len = MIN(len, DISK_BYTES - at);
        }
        if (i % 2) {
            memset(p, i, (size_t)len);
            memset(want + at, i, (size_t)len);
            g_assert_cmpint(blk_pwrite(blk, at, len, p, 0), ==, 0);
        } else {
            g_assert_cmpint(blk_pread(blk, at, len, p), ==, 0);
            g_assert_cmpint(memcmp(p, want + at, (size_t)len), ==, 0);
        }
    }
    g_assert_cmpint(blk_flush(blk), ==, 0);
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    g_assert_cmpint(memcmp(data, want, DISK_BYTES), ==, 0);
    g_rand_free(rnd);
    blk_unref(blk);
    g_unlink(path);
}

typedef struct Pending {
    int left;
    int ret;
} Pending;

static void one_done(void *opaque, int ret)
{
    Pending *p = opaque;

    p->left--;
    p->ret = p->ret ? p->ret : ret;
}

/* Neighbours inside one block of the host, all at once: each is a read, a
 * change and a write of the same block. */
static void test_neighbours(void)
{
    g_autofree char *path = make_file(DISK_BYTES);
    BlockBackend *blk = open_file(path, ",\"cache\":{\"direct\":true}");
    g_autofree uint8_t *buf = g_malloc(4096);
    g_autofree char *data = NULL;
    QEMUIOVector qiov[64];
    Pending p = { .left = 64 };
    gsize size;

    for (int i = 0; i < 64; i++) {
        memset(buf + i * 64, i + 1, 64);
        qemu_iovec_init_buf(&qiov[i], buf + i * 64, 64);
        blk_aio_pwritev(blk, 8192 + i * 64, &qiov[i], 0, one_done, &p);
    }
    AIO_WAIT_WHILE_UNLOCKED(NULL, p.left > 0);
    g_assert_cmpint(p.ret, ==, 0);
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    g_assert_cmpint(memcmp(data + 8192, buf, 4096), ==, 0);
    blk_unref(blk);
    g_unlink(path);
}

static void test_limits(void)
{
    g_autofree char *path = make_file(1000);
    BlockBackend *blk = open_file(path, "");
    BlockBackend *empty = blk_new(qemu_get_aio_context());
    char buf[1024];

    g_assert_cmpint(blk_getlength(blk), ==, 1024);
    memset(buf, 0xff, sizeof(buf));
    g_assert_cmpint(blk_pread(blk, 512, 512, buf), ==, 0);
    g_assert_cmpint(buf[511], ==, 0);
    g_assert_cmpint(blk_pread(blk, 513, 512, buf), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, -1, 1, buf), ==, -EIO);
    g_assert_cmpint(blk_pread(blk, INT64_MAX, 1, buf), ==, -EIO);
    g_assert_cmpint(blk_pwrite(blk, 1024, 1, buf, 0), ==, -EIO);
    g_assert_cmpint(blk_pread(empty, 0, 1, buf), ==, -ENOMEDIUM);
    g_assert_cmpint(blk_flush(empty), ==, -ENOMEDIUM);
    blk_unref(empty);
    blk_unref(blk);
    blk = open_file(path, ",\"read-only\":true");
    g_assert_cmpint(blk_pwrite(blk, 0, 1, buf, 0), ==, -EROFS);
    blk_unref(blk);
    g_unlink(path);
}

/* A request from a thread without a loop, as a vCPU's is. */
static gpointer submit_elsewhere(gpointer data)
{
    void **args = data;

    blk_aio_preadv(args[0], 0, args[1], 0, one_done, args[2]);
    return NULL;
}

static void test_other_thread(void)
{
    BlockBackend *blk =
        open_text("{\"driver\":\"null-co\",\"read-zeroes\":true}");
    char buf[64];
    QEMUIOVector qiov;
    Pending p = { .left = 1 };
    void *args[] = { blk, &qiov, &p };

    memset(buf, 1, sizeof(buf));
    qemu_iovec_init_buf(&qiov, buf, sizeof(buf));
    g_thread_join(g_thread_new("vcpu", submit_elsewhere, args));
    AIO_WAIT_WHILE_UNLOCKED(NULL, p.left > 0);
    g_assert_cmpint(p.ret, ==, 0);
    g_assert_cmpint(buf[63], ==, 0);
    blk_unref(blk);
}

static void test_detect_zeroes(void)
{
    g_autofree char *path = make_file(0);
    BlockBackend *blk;
    g_autofree char *zeroes = g_malloc0(DISK_BYTES);
    GStatBuf st;

    g_assert_cmpint(truncate(path, DISK_BYTES), ==, 0);
    blk = open_file(path, ",\"detect-zeroes\":\"unmap\",\"discard\":\"unmap\"");
    g_assert_cmpint(blk_pwrite(blk, 0, DISK_BYTES, zeroes, 0), ==, 0);
    g_assert_cmpint(g_stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_blocks, ==, 0);
    blk_unref(blk);
    g_unlink(path);
}

/* -- nodes --------------------------------------------------------------------------- */

static void refuse(const char *text, const char *expect)
{
    Error *err = NULL;

    g_assert_false(blockdev_add_str(text, qemu_get_aio_context(), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), expect));
    error_free(err);
}

static void test_nodes(void)
{
    g_autofree char *path = make_file(DISK_BYTES);
    g_autofree char *nested = g_strdup_printf(
        "driver=raw,node-name=top,offset=4096,size=8192,file.driver=file,"
        "file.filename=%s,file.node-name=bottom,cache.direct=on",
        path);
    g_autofree char *by_name = g_strdup_printf(
        "{\"driver\":\"file\",\"node-name\":\"f\",\"filename\":\"%s\"}", path);
    AioContext *ctx = qemu_get_aio_context();
    BlockBackend *blk = blk_new(ctx);
    Error *err = NULL;
    char byte = 'x';
    g_autofree char *data = NULL;
    gsize size;

    g_assert_true(blockdev_add_str(nested, ctx, &error_abort));
    g_assert_nonnull(block_node_find("bottom"));
    g_assert_true(blk_insert(blk, block_node_find("top"), &error_abort));
    g_assert_cmpint(blk_getlength(blk), ==, 8192);
    g_assert_cmpint(blk_pwrite(blk, 1, 1, &byte, BLK_REQ_FUA), ==, 0);
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    g_assert_cmpint(data[4097], ==, 'x');
    g_assert_false(blockdev_del("top", &err));
    error_free(g_steal_pointer(&err));
    blk_unref(blk);
    g_assert_true(blockdev_del("top", &error_abort));
    g_assert_null(block_node_find("bottom"));
    /* A node and its user, by name. */
    g_assert_true(blockdev_add_str(by_name, ctx, &error_abort));
    g_assert_true(
        blockdev_add_str("driver=raw,node-name=r,file=f", ctx, &error_abort));
    g_assert_false(blockdev_del("f", &err));
    error_free(g_steal_pointer(&err));
    refuse("driver=raw,node-name=r,file=f", "Duplicate");
    refuse("driver=raw,node-name=self,file=self", "Cannot find node");
    refuse("driver=raw,node-name=1x,file=f", "Invalid node-name");
    refuse("driver=nope,node-name=x", "Unknown driver");
    refuse("driver=raw,file=f", "node-name");
    refuse("driver=file,node-name=x", "filename");
    refuse("driver=file,node-name=x,filename=/nonexistent", "No such file");
    refuse("driver=file,node-name=x,filename=/dev/null", "neither");
    refuse("driver=raw,node-name=x,file=f,offset=1M", "do not lie");
    refuse("driver=raw,node-name=x,file=f,cache.fast=on", "cache.fast");
    g_assert_true(blockdev_del("r", &error_abort));
    g_assert_true(blockdev_del("f", &error_abort));
    blockdevs_cleanup();
    g_unlink(path);
}

/* One writer, or any number of readers; in this process or another. */
static void test_locks(void)
{
    g_autofree char *path = make_file(DISK_BYTES);
    BlockBackend *a = open_file(path, "");
    BlockBackend *b = open_file(path, "");
    BlockBackend *c = open_file(path, ",\"locking\":\"off\"");
    Error *err = NULL;

    g_assert_true(blk_set_perm(a, false, false, &error_abort));
    g_assert_true(blk_set_perm(b, false, false, &error_abort));
    g_assert_false(blk_set_perm(b, true, false, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "lock"));
    error_free(g_steal_pointer(&err));
    /* The refused one still reads, and gets it when the other goes. */
    blk_unref(a);
    g_assert_true(blk_set_perm(b, true, false, &error_abort));
    a = open_file(path, "");
    g_assert_false(blk_set_perm(a, false, false, &err));
    error_free(g_steal_pointer(&err));
    g_assert_true(blk_set_perm(b, true, true, &error_abort));
    g_assert_true(blk_set_perm(a, true, true, &error_abort));
    g_assert_true(blk_set_perm(c, true, false, &error_abort));
    blk_unref(a);
    blk_unref(b);
    blk_unref(c);
    g_unlink(path);
}

static void test_truncate(void)
{
    g_autofree char *path = make_file(DISK_BYTES);
    g_autofree char *text = g_strdup_printf(
        "{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}}",
        path);
    BlockBackend *blk = open_text(text);
    Error *err = NULL;

    g_assert_true(blk_truncate(blk, 2 * DISK_BYTES, &error_abort));
    g_assert_cmpint(blk_getlength(blk), ==, 2 * DISK_BYTES);
    g_assert_false(blk_truncate(blk, 100, &err));
    error_free(g_steal_pointer(&err));
    g_assert_false(blk_truncate(blk, -512, &err));
    error_free(g_steal_pointer(&err));
    blk_unref(blk);
    g_unlink(path);
}

/* -- drives ----------------------------------------------------------------------------- */

static DriveInfo *drive(const char *path, const char *more)
{
    g_autofree char *text = g_strdup_printf("file=%s%s", path, more);

    return drive_new_str(text, IF_IDE, qemu_get_aio_context(), &error_abort);
}

static void refuse_drive(const char *text, const char *expect)
{
    Error *err = NULL;

    g_assert_null(drive_new_str(text, IF_IDE, qemu_get_aio_context(), &err));
    g_assert_nonnull(strstr(error_get_pretty(err), expect));
    error_free(err);
}

static void test_drives(void)
{
    g_autofree char *path = make_file(DISK_BYTES);
    g_autofree char *taken = g_strdup_printf("file=%s,index=0", path);
    g_autofree char *unknown =
        g_strdup_printf("file=%s,format=raw,if=none,speed=1", path);
    DriveInfo *d;

    d = drive(path, ",format=raw");
    g_assert_cmpstr(blk_name(d->blk), ==, "ide0-hd0");
    d = drive(path,
              ",format=raw,media=cdrom,index=2,cache=writethrough,serial=abc");
    g_assert_cmpstr(blk_name(d->blk), ==, "ide1-cd0");
    g_assert_true(d->media_cd);
    g_assert_false(blk_is_writable(d->blk));
    g_assert_false(blk_enable_write_cache(d->blk));
    g_assert_cmpstr(blk_get_serial(d->blk), ==, "abc");
    g_assert_true(drive_get(IF_IDE, 1, 0) == d);
    g_assert_true(drive_get_by_index(IF_IDE, 2) == d);
    d = drive(path,
              ",format=raw,if=virtio,readonly=on,rerror=stop,werror=ignore");
    g_assert_cmpstr(blk_name(d->blk), ==, "virtio0");
    g_assert_cmpint(blk_get_on_error(d->blk, true), ==, BLOCKDEV_ON_ERROR_STOP);
    g_assert_cmpint(blk_get_error_action(d->blk, false, EIO), ==,
                    BLOCK_ERROR_ACTION_IGNORE);
    d = drive(path,
              ",format=raw,if=none,id=x,locking=off,aio=threads,discard=unmap");
    g_assert_cmpint(blk_get_error_action(d->blk, false, ENOSPC), ==,
                    BLOCK_ERROR_ACTION_STOP);
    g_assert_cmpint(blk_get_error_action(d->blk, false, EIO), ==,
                    BLOCK_ERROR_ACTION_REPORT);
    d = drive_new_str("driver=null-co,size=1M,if=none,id=n1", IF_IDE,
                      qemu_get_aio_context(), &error_abort);
    g_assert_cmpint(blk_getlength(d->blk), ==, 1024 * 1024);
    d = drive_new_str("file.driver=null-co,file.size=2M,driver=raw,if=none,"
                      "id=n2,detect-zeroes=on",
                      IF_IDE, qemu_get_aio_context(), &error_abort);
    g_assert_cmpint(blk_getlength(d->blk), ==, 2 * 1024 * 1024);
    d = drive_new_str("file=json:{\"driver\":\"null-co\",,\"size\":512},"
                      "if=none,id=n3",
                      IF_IDE, qemu_get_aio_context(), &error_abort);
    g_assert_cmpint(blk_getlength(d->blk), ==, 512);
    refuse_drive(taken, "exists");
    refuse_drive("file=x,if=none,id=x", "already exists");
    refuse_drive("file=x,if=pcie", "unsupported bus type");
    refuse_drive("file=x,unit=2", "too big");
    refuse_drive("file=x,media=tape", "invalid media");
    refuse_drive("file=x,cache=some", "invalid cache");
    refuse_drive("file=x,werror=maybe", "error action");
    refuse_drive("file=x,rerror=enospc", "error action");
    refuse_drive(unknown, "speed");
    refuse_drive("if=none,speed=1", "no option 'speed'");
    refuse_drive("file=foo:localhost:10809", "Unknown protocol 'foo'");
    refuse_drive("file=json:[]", "not followed by an object");
    refuse_drive("driver=null-co,format=raw,file.driver=null-co", "both");
    refuse_drive("file=/nonexistent/x", "No such file");
    refuse_drive("if=none,id=1,file=x", "identifier");
    drives_cleanup();
    g_assert_null(drive_next(NULL));
    g_assert_null(blk_by_name("virtio0"));
    g_unlink(path);
}

/* Somebody else's format is not taken for raw by chance. */
static void test_foreign_format(void)
{
    g_autofree char *path = make_file(DISK_BYTES);
    g_autofree char *text = g_strdup_printf("file=%s", path);

    g_assert_true(g_file_set_contents(path, "KDMV", 4, NULL));
    refuse_drive(text, "not a raw image");
    drive(path, ",format=raw");
    drives_cleanup();
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    g_test_add_data_func("/block/random/cached", "", test_random);
    g_test_add_data_func("/block/random/direct", ",\"cache\":{\"direct\":true}",
                         test_random);
    g_test_add_data_func("/block/random/threads", ",\"aio\":\"threads\"",
                         test_random);
    g_test_add_data_func("/block/random/direct-threads",
                         ",\"aio\":\"threads\",\"cache\":{\"direct\":true}",
                         test_random);
    g_test_add_func("/block/neighbours", test_neighbours);
    g_test_add_func("/block/limits", test_limits);
    g_test_add_func("/block/other-thread", test_other_thread);
    g_test_add_func("/block/detect-zeroes", test_detect_zeroes);
    g_test_add_func("/block/nodes", test_nodes);
    g_test_add_func("/block/locks", test_locks);
    g_test_add_func("/block/truncate", test_truncate);
    g_test_add_func("/block/drives", test_drives);
    g_test_add_func("/block/foreign-format", test_foreign_format);
    return g_test_run();
}
