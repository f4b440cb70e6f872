/*
 * The human monitor's commands about character devices.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "chardev/chardev-hmp.h"
#include "qapi/qapi-commands-char.h"
#include "qapi/qapi-types-char.h"
#include "util/error.h"

#include "char-internal.h"

static void hmp_chardev_add(HMPContext *ctx, json_t *args)
{
    const char *optarg = hmp_arg_str(args, "args");
    g_autofree char *help = qemu_chr_help_for(optarg);
    Error *err = NULL;

    if (help) {
        hmp_printf(ctx, "%s", help);
        return;
    }
    qemu_chr_new_from_cli(optarg, NULL, &err);
    hmp_handle_error(ctx, err);
}

static void hmp_chardev_change(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qemu_chr_change_cli(hmp_arg_str(args, "id"), hmp_arg_str(args, "args"),
                        &err);
    hmp_handle_error(ctx, err);
}

static void hmp_chardev_remove(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qemu_chr_remove(hmp_arg_str(args, "id"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_chardev_send_break(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_chardev_send_break(hmp_arg_str(args, "id"), &err);
    hmp_handle_error(ctx, err);
}

static void hmp_ringbuf_write(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;

    qmp_ringbuf_write(hmp_arg_str(args, "device"), hmp_arg_str(args, "data"),
                      false, DATA_FORMAT_UTF8, &err);
    hmp_handle_error(ctx, err);
}

/* As text for a terminal: no control codes but line ends and tabs. */
static void hmp_ringbuf_read(HMPContext *ctx, json_t *args)
{
    Error *err = NULL;
    g_autofree char *data = qmp_ringbuf_read(hmp_arg_str(args, "device"),
                                             hmp_arg_int(args, "size", 0),
                                             false, DATA_FORMAT_UTF8, &err);

    if (hmp_handle_error(ctx, err)) {
        return;
    }
    for (const char *p = data; *p; p++) {
        unsigned char c = *p;

        if (c == '\\') {
            hmp_printf(ctx, "\\\\");
        } else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
            hmp_printf(ctx, "\\u%04X", c);
        } else {
            hmp_printf(ctx, "%c", c);
        }
    }
    hmp_printf(ctx, "\n");
}

static void hmp_info_chardev(HMPContext *ctx, json_t *args)
{
    ChardevInfoList *list = qmp_query_chardev(NULL);

    for (ChardevInfoList *l = list; l; l = l->next) {
        hmp_printf(ctx, "%s: filename=%s\n", l->value->label,
                   l->value->filename);
    }
    qapi_free_ChardevInfoList(list);
}

static int complete_one(Chardev *chr, void *opaque)
{
    hmp_add_completion(opaque, chr->label);
    return 0;
}

static void complete_chardev(HMPContext *ctx, int arg_index, const char *text)
{
    if (arg_index == 0) {
        qemu_chr_foreach(complete_one, ctx);
    }
}

static void complete_one_kind(const char *kind, ChardevClass *cc, void *opaque)
{
    hmp_add_completion(opaque, kind);
}

static void complete_kind(HMPContext *ctx, int arg_index, const char *text)
{
    if (arg_index == 0) {
        qemu_chr_foreach_kind(complete_one_kind, ctx);
    }
}

const HMPCommand chardev_hmp_commands[] = {
    { "chardev-add", NULL, "args:S", "args", "add a character device",
      hmp_chardev_add, complete_kind },
    { "chardev-change", NULL, "id:s,args:S", "id args",
      "replace the back end of a character device", hmp_chardev_change,
      complete_chardev },
    { "chardev-remove", NULL, "id:s", "id", "remove a character device",
      hmp_chardev_remove, complete_chardev },
    { "chardev-send-break", NULL, "id:s", "id",
      "send a break on a character device", hmp_chardev_send_break,
      complete_chardev },
    { "ringbuf_write", NULL, "device:s,data:s", "device data",
      "write to a ring buffer character device", hmp_ringbuf_write,
      complete_chardev },
    { "ringbuf_read", NULL, "device:s,size:i", "device size",
      "read from a ring buffer character device", hmp_ringbuf_read,
      complete_chardev },
    {},
};

const HMPCommand chardev_hmp_info[] = {
    { "chardev", NULL, "", "", "show the character devices", hmp_info_chardev },
    {},
};
