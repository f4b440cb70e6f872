/*
 * Receiving sections and commands from a hostile peer.
 *
 * The loop knows at every point what may come: no live section in a package
 * and no device outside of one once post-copy listens, each device once, a
 * PART only after its START, RUN only after LISTEN in one package.
 * So a peer cannot have two threads load one thing, or the guest run twice.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "io/channel-buffer.h"
#include "migration/stream/savevm-internal.h"
#include "util/lockable.h"

/* A package's memory grows by what has come, by this much at a time. */
#define PACKAGE_CHUNK (1024 * 1024)

/* One loop: over the main stream, or over a package in it. */
typedef struct Loader {
    SaveVMRegistry *reg;
    QEMUFile *f;
    const SaveVMLoadOps *ops;
    void *opaque;
    bool in_package; /* @f is memory: ends without EOF; no live sections */
    bool live_only;  /* the devices are another thread's */
    bool listening;  /* POSTCOPY_LISTEN came in this package */
} Loader;

/* The failure of @l's file, if any, goes to @errp. */
static bool loader_ok(Loader *l, Error **errp)
{
    return qemu_file_get_error(l->f) == 0 ||
           qemu_file_get_error_obj(l->f, errp) == 0;
}

/* -- sections ------------------------------------------------------------------ */

/* Under the machine lock, but not while the peer keeps us waiting. */
static void loader_lock(Loader *l)
{
    if (l->ops->lock) {
        l->ops->lock(l->opaque);
        qemu_file_set_wait_hooks(l->f, l->ops->unlock, l->ops->lock, l->opaque);
    }
}

static void loader_unlock(Loader *l)
{
    if (l->ops->lock) {
        qemu_file_set_wait_hooks(l->f, NULL, NULL, NULL);
        l->ops->unlock(l->opaque);
    }
}

static int load_payload(Loader *l, SaveStateEntry *se)
{
    bool device = !savevm_entry_is_live(se);
    int ret;

    if (l->ops->section) {
        l->ops->section(l->opaque, se);
    }
    if (device) {
        loader_lock(l);
    }
    if (se->vmsd) {
        ret = vmstate_load_state(l->f, se->vmsd, se->opaque,
                                 (int)se->load_version_id);
    } else {
        ret = se->ops->load_state(l->f, se->opaque, (int)se->load_version_id);
    }
    if (device) {
        loader_unlock(l);
    }
    return ret < 0 ? ret : qemu_file_get_error(l->f);
}

static bool load_footer(Loader *l, uint32_t section_id, Error **errp)
{
    uint32_t id;
    int mark;

    if (!l->reg->options.section_footer) {
        return true;
    }
    mark = qemu_get_byte(l->f);
    id = qemu_get_be32(l->f);
    if (!loader_ok(l, errp)) {
        return false;
    }
    if (mark != STREAM_SECTION_FOOTER) {
        error_setg(errp, "byte 0x%02x instead of the section's footer",
                   (unsigned)mark);
        return false;
    }
    if (id != section_id) {
        error_setg(errp, "footer of section %" PRIu32 " instead of %" PRIu32,
                   id, section_id);
        return false;
    }
    return true;
}

static bool load_section(Loader *l, SaveStateEntry *se, uint32_t section_id,
                         Error **errp)
{
    Error *err = NULL;
    int ret = load_payload(l, se);

    if (ret < 0) {
        if (qemu_file_get_error_obj(l->f, &err) == 0) {
            error_setg_errno(&err, -ret, "cannot be loaded");
        }
    } else {
        load_footer(l, section_id, &err);
    }
    if (err) {
        error_propagate_prepend(errp, err,
                                "section '%s' instance %" PRIu32 ": ",
                                se->idstr, se->instance_id);
        return false;
    }
    return true;
}

/* May @se begin now, as a section of @type in version @version? */
static bool may_begin(Loader *l, const SaveStateEntry *se, StreamSection type,
                      uint32_t version, Error **errp)
{
    bool live = savevm_entry_is_live(se);

    if (version > (uint32_t)se->version_id) {
        error_setg(errp,
                   "section '%s' of version %" PRIu32
                   ", this side knows up to %d",
                   se->idstr, version, se->version_id);
        return false;
    }
    if (live != (type == STREAM_SECTION_START) ||
        (live ? l->in_package : l->live_only)) {
        error_setg(errp, "section '%s' is not expected here", se->idstr);
        return false;
    }
    if (!se->vmsd && !se->ops->load_state) {
        error_setg(errp, "section '%s' cannot be loaded", se->idstr);
        return false;
    }
    if (se->load_seen) {
        error_setg(errp, "section '%s' instance %" PRIu32 " comes twice",
                   se->idstr, se->instance_id);
        return false;
    }
    return true;
}

/* The live entry that the stream has given @section_id; NULL. */
static SaveStateEntry *find_live(SaveVMRegistry *reg, uint32_t section_id)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (savevm_entry_is_live(se) && se->load_seen && !se->load_ended &&
            se->load_section_id == section_id) {
            return se;
        }
    }
    return NULL;
}

/* START or FULL. */
static bool load_first(Loader *l, StreamSection type, Error **errp)
{
    StreamSectionHeader h = { 0 };
    SaveStateEntry *se;

    h.section_id = qemu_get_be32(l->f);
    qemu_get_counted_string(l->f, h.idstr);
    h.instance_id = qemu_get_be32(l->f);
    h.version_id = qemu_get_be32(l->f);
    if (!loader_ok(l, errp)) {
        return false;
    }
    se = savevm_find(l->reg, h.idstr, h.instance_id);
    if (!se) {
        error_setg(errp,
                   "unknown section '%s' instance %" PRIu32
                   ": this side has no such device",
                   h.idstr, h.instance_id);
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&l->reg->lock)
    {
        if (!may_begin(l, se, type, h.version_id, errp)) {
            return false;
        }
        if (savevm_entry_is_live(se) && find_live(l->reg, h.section_id)) {
            error_setg(errp, "section number %" PRIu32 " is used twice",
                       h.section_id);
            return false;
        }
        se->load_seen = true;
        se->load_section_id = h.section_id;
        se->load_version_id = h.version_id;
    }
    return load_section(l, se, h.section_id, errp);
}

/* PART or END. */
static bool load_again(Loader *l, StreamSection type, Error **errp)
{
    uint32_t section_id = qemu_get_be32(l->f);
    SaveStateEntry *se = NULL;

    if (!loader_ok(l, errp)) {
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&l->reg->lock)
    {
        se = l->in_package ? NULL : find_live(l->reg, section_id);
        if (se && type == STREAM_SECTION_END) {
            se->load_ended = true;
        }
    }
    if (!se) {
        error_setg(errp,
                   "section number %" PRIu32 " continues but has not begun",
                   section_id);
        return false;
    }
    return load_section(l, se, section_id, errp);
}

/* The connection may have broken behind the END of a live section: its sender,
 * who cannot know that it came, repeats it. */
static void reopen_sections(SaveVMRegistry *reg)
{
    SaveStateEntry *se;

    QEMU_LOCK_GUARD(&reg->lock);
    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (savevm_entry_is_live(se)) {
            se->load_ended = false;
        }
    }
}

/* -- commands ------------------------------------------------------------------- */

static SaveVMLoadResult load_package(Loader *outer, uint32_t len, Error **errp);

static bool command_expected(bool expected, StreamCommand command, Error **errp)
{
    if (!expected) {
        error_setg(errp, "command %s is not expected here",
                   stream_command_name(command));
    }
    return expected;
}

/* Those whose place is in the package, or which hold one. */
static SaveVMLoadResult load_switch_command(Loader *l,
                                            const StreamCommandBody *c,
                                            Error **errp)
{
    const SaveVMLoadOps *ops = l->ops;

    switch (c->command) {
    case STREAM_CMD_POSTCOPY_LISTEN:
        if (!command_expected(ops->postcopy_listen && l->in_package &&
                                  !l->listening,
                              c->command, errp) ||
            !ops->postcopy_listen(l->opaque, errp)) {
            return SAVEVM_LOAD_ERROR;
        }
        l->listening = true;
        return SAVEVM_LOAD_OK;
    case STREAM_CMD_POSTCOPY_RUN:
        if (!command_expected(ops->postcopy_run && l->listening, c->command,
                              errp) ||
            !ops->postcopy_run(l->opaque, errp)) {
            return SAVEVM_LOAD_ERROR;
        }
        return SAVEVM_LOAD_QUIT;
    default: /* STREAM_CMD_PACKAGED */
        if (!command_expected(!l->in_package && !l->live_only, c->command,
                              errp)) {
            return SAVEVM_LOAD_ERROR;
        }
        return load_package(l, c->package_len, errp);
    }
}

static bool load_plain_command(Loader *l, const StreamCommandBody *c,
                               Error **errp)
{
    const SaveVMLoadOps *ops = l->ops;

    switch (c->command) {
    case STREAM_CMD_OPEN_RETURN_PATH:
        return command_expected(ops->open_return_path, c->command, errp) &&
               ops->open_return_path(l->opaque, errp);
    case STREAM_CMD_PING:
        return command_expected(ops->ping, c->command, errp) &&
               ops->ping(l->opaque, c->value, errp);
    case STREAM_CMD_POSTCOPY_ADVISE:
        return command_expected(ops->postcopy_advise, c->command, errp) &&
               ops->postcopy_advise(l->opaque, c->page_sizes,
                                    c->target_page_size, errp);
    case STREAM_CMD_POSTCOPY_RAM_DISCARD:
        return command_expected(ops->ram_discard && !l->in_package &&
                                    !l->live_only,
                                c->command, errp) &&
               ops->ram_discard(l->opaque, c->name, c->range, c->ranges, errp);
    case STREAM_CMD_POSTCOPY_RESUME:
        reopen_sections(l->reg);
        return command_expected(ops->postcopy_resume, c->command, errp) &&
               ops->postcopy_resume(l->opaque, errp);
    case STREAM_CMD_RECV_BITMAP:
        return command_expected(ops->recv_bitmap, c->command, errp) &&
               ops->recv_bitmap(l->opaque, c->name, errp);
    case STREAM_CMD_SWITCHOVER_START:
        return command_expected(ops->switchover_start, c->command, errp) &&
               ops->switchover_start(l->opaque, errp);
    default: /* ENABLE_COLO */
        return command_expected(false, c->command, errp);
    }
}

static SaveVMLoadResult load_command(Loader *l, Error **errp)
{
    uint8_t data[STREAM_COMMAND_MAX];
    StreamCommandBody body;
    unsigned command = qemu_get_be16(l->f);
    size_t len = qemu_get_be16(l->f);

    if (loader_ok(l, NULL) && len > sizeof(data)) {
        error_setg(errp, "command %u of %zu bytes", command, len);
        return SAVEVM_LOAD_ERROR;
    }
    qemu_get_buffer(l->f, data, MIN(len, sizeof(data)));
    if (!loader_ok(l, errp) ||
        !stream_command_decode(command, data, len, &body, errp)) {
        return SAVEVM_LOAD_ERROR;
    }
    switch (body.command) {
    case STREAM_CMD_POSTCOPY_LISTEN:
    case STREAM_CMD_POSTCOPY_RUN:
    case STREAM_CMD_PACKAGED:
        return load_switch_command(l, &body, errp);
    default:
        return load_plain_command(l, &body, errp) ? SAVEVM_LOAD_OK
                                                  : SAVEVM_LOAD_ERROR;
    }
}

/* -- the loop -------------------------------------------------------------------- */

static SaveVMLoadResult load_loop(Loader *l, Error **errp)
{
    SaveVMLoadResult result = SAVEVM_LOAD_OK;

    while (result == SAVEVM_LOAD_OK) {
        bool ok = true;
        int type;

        if (l->in_package && qemu_peek_byte(l->f, 0) < 0) {
            return SAVEVM_LOAD_OK;
        }
        type = qemu_get_byte(l->f);
        if (!loader_ok(l, errp)) {
            return SAVEVM_LOAD_ERROR;
        }
        switch (type) {
        case STREAM_EOF:
            if (l->in_package) {
                error_setg(errp, "a package holds an end of the stream");
                return SAVEVM_LOAD_ERROR;
            }
            return SAVEVM_LOAD_OK;
        case STREAM_SECTION_START:
        case STREAM_SECTION_FULL:
            ok = load_first(l, (StreamSection)type, errp);
            break;
        case STREAM_SECTION_PART:
        case STREAM_SECTION_END:
            ok = load_again(l, (StreamSection)type, errp);
            break;
        case STREAM_COMMAND:
            result = load_command(l, errp);
            break;
        default:
            error_setg(errp,
                       "unknown section type 0x%02x after %" PRIu64
                       " bytes of the stream",
                       (unsigned)type, qemu_file_transferred(l->f) - 1);
            ok = false;
        }
        if (!ok) {
            return SAVEVM_LOAD_ERROR;
        }
    }
    return result;
}

/* @len bytes of @f as a file in memory; NULL: failed. */
static QEMUFile *read_package(QEMUFile *f, uint32_t len, Error **errp)
{
    QIOChannelBuffer *mem = qio_channel_buffer_new(0);
    g_autofree uint8_t *data = NULL;
    QEMUFile *package = NULL;
    size_t have = 0;

    while (have < len) {
        size_t n = MIN(len - have, PACKAGE_CHUNK);
        uint8_t *grown = g_try_realloc(data, have + n);

        if (!grown) {
            error_setg(errp, "no memory for a package of %" PRIu32 " bytes",
                       len);
            break;
        }
        data = grown;
        if (qemu_get_buffer(f, data + have, n) < n) {
            qemu_file_get_error_obj(f, errp);
            break;
        }
        have += n;
    }
    if (have == len) {
        mem->data = g_steal_pointer(&data);
        mem->capacity = mem->usage = len;
        package = qemu_file_new_input(QIO_CHANNEL(mem));
    }
    object_unref(OBJECT(mem));
    return package;
}

static SaveVMLoadResult load_package(Loader *outer, uint32_t len, Error **errp)
{
    g_autoptr(QEMUFile) f = read_package(outer->f, len, errp);
    Loader l = *outer;
    SaveVMLoadResult result;

    if (!f) {
        return SAVEVM_LOAD_ERROR;
    }
    l.f = f;
    l.in_package = true;
    l.listening = false;
    result = load_loop(&l, errp);
    if (result == SAVEVM_LOAD_OK && l.listening) {
        /* the stream around us is the listen thread's by now */
        error_setg(errp, "a package with command POSTCOPY_LISTEN does not end "
                         "with POSTCOPY_RUN");
        return SAVEVM_LOAD_ERROR;
    }
    return result;
}

static bool load_header(Loader *l, Error **errp)
{
    uint8_t header[STREAM_HEADER_LEN] = { 0 };
    g_auto(ConfigSection) config = { 0 };

    qemu_get_buffer(l->f, header, sizeof(header));
    if (!loader_ok(l, errp) || !stream_header_check(header, errp)) {
        return false;
    }
    if (l->reg->options.configuration) {
        int type = qemu_get_byte(l->f);

        if (!loader_ok(l, errp)) {
            return false;
        }
        if (type != STREAM_CONFIGURATION) {
            error_setg(errp,
                       "the stream has no configuration section (type 0x%02x)",
                       (unsigned)type);
            return false;
        }
        if (!config_section_get(l->f, &config, errp)) {
            return false;
        }
    }
    return !l->ops->configured || l->ops->configured(l->opaque, &config, errp);
}

static bool load_setup(Loader *l, Error **errp)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &l->reg->entries, next) {
        Error *err = NULL;
        int ret;

        if (!se->ops || !se->ops->load_setup || !savevm_entry_is_active(se)) {
            continue;
        }
        se->load_set_up = true;
        ret = se->ops->load_setup(l->f, se->opaque, &err);
        if (ret < 0) {
            if (!err) {
                error_setg_errno(&err, -ret, "cannot be prepared");
            }
            error_propagate_prepend(errp, err, "section '%s': ", se->idstr);
            return false;
        }
    }
    return true;
}

/* What an earlier load has seen. Not before configured() has let this one in:
 * streams of others may be read up to there at the same time. */
static void forget_sections(SaveVMRegistry *reg)
{
    SaveStateEntry *se;

    QEMU_LOCK_GUARD(&reg->lock);
    QTAILQ_FOREACH(se, &reg->entries, next) {
        se->load_seen = false;
        se->load_ended = false;
    }
}

SaveVMLoadResult savevm_load_state(SaveVMRegistry *reg, QEMUFile *f,
                                   const SaveVMLoadOps *ops, void *opaque,
                                   Error **errp)
{
    Loader l = { .reg = reg, .f = f, .ops = ops, .opaque = opaque };

    if (!load_header(&l, errp)) {
        return SAVEVM_LOAD_ERROR;
    }
    forget_sections(reg);
    return load_setup(&l, errp) ? load_loop(&l, errp) : SAVEVM_LOAD_ERROR;
}

SaveVMLoadResult savevm_load_main(SaveVMRegistry *reg, QEMUFile *f,
                                  const SaveVMLoadOps *ops, void *opaque,
                                  Error **errp)
{
    Loader l = {
        .reg = reg, .f = f, .ops = ops, .opaque = opaque, .live_only = true
    };

    return load_loop(&l, errp);
}

void savevm_load_cleanup(SaveVMRegistry *reg)
{
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (se->load_set_up) {
            se->load_set_up = false;
            if (se->ops->load_cleanup) {
                se->ops->load_cleanup(se->opaque);
            }
        }
    }
}

bool savevm_load_vmdesc(QEMUFile *f, Error **errp)
{
    int type = qemu_peek_byte(f, 0);
    uint32_t len;

    if (type < 0) {
        return true;
    }
    if (type != STREAM_VMDESCRIPTION) {
        error_setg(errp, "byte 0x%02x behind the end of the stream",
                   (unsigned)type);
        return false;
    }
    qemu_get_byte(f);
    len = qemu_get_be32(f);
    if (len > STREAM_VMDESC_MAX) {
        error_setg(errp, "a description of %" PRIu32 " bytes", len);
        return false;
    }
    if (!qemu_file_discard(f, len)) {
        qemu_file_get_error_obj(f, errp);
        return false;
    }
    return true;
}

char *savevm_load_missing(SaveVMRegistry *reg)
{
    GString *names = NULL;
    SaveStateEntry *se;

    QTAILQ_FOREACH(se, &reg->entries, next) {
        if (savevm_entry_is_live(se) || se->load_seen ||
            (se->vmsd && se->vmsd->needed)) {
            continue;
        }
        if (!names) {
            names = g_string_new(NULL);
        } else {
            g_string_append_c(names, '\n');
        }
        g_string_append_printf(names, "%s instance %" PRIu32, se->idstr,
                               se->instance_id);
    }
    return names ? g_string_free(names, FALSE) : NULL;
}
