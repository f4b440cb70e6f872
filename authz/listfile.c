/*
 * authz-list-file: an authorization list in a file, read again when it
 * changes.
 *
 * The directory is watched before the file is read the first time, so no
 * change falls between. Editors and scripts write in several steps; a change
 * therefore starts a short wait (SETTLE_MS) before the file is read, counted
 * from the first event so that steady writing cannot put it off for ever.
 *
 * A file that is broken then, or gone, changes nothing: the rules that were
 * in force stay in force and the fault is reported. Rules are replaced as a
 * whole under the lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "authz/listfile.h"

#include "authz/types.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/filemonitor.h"
#include "util/lockable.h"
#include "util/read-file.h"

#include "authz-internal.h"

#define SETTLE_MS 20

struct QAuthZListFile {
    QAuthZ parent_obj;

    char *filename;
    bool refresh;

    QFileMonitor *monitor;
    char *dir;
    int64_t watch;   /* -1 = none */
    GSource *settle; /* main loop's thread only */

    QemuMutex lock; /* guards rules */
    AuthzRules *rules;
};

static bool listfile_is_allowed(QAuthZ *authz, const char *identity,
                                Error **errp)
{
    QAuthZListFile *f = QAUTHZ_LIST_FILE(authz);

    QEMU_LOCK_GUARD(&f->lock);
    if (!f->rules) {
        error_setg(errp, "authorization list '%s' is not loaded", f->filename);
        return false;
    }
    return authz_rules_decide(f->rules, identity);
}

static bool listfile_load(QAuthZListFile *f, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *text = NULL;
    AuthzRules *rules;
    AuthzRules *old;
    size_t len;

    text =
        read_file_bounded(f->filename, QAUTHZ_LIST_FILE_MAX_BYTES, &len, errp);
    if (!text) {
        return false;
    }
    rules = authz_rules_parse(text, len, errp);
    if (!rules) {
        error_prepend(errp, "authorization list '%s': ", f->filename);
        return false;
    }
    WITH_QEMU_LOCK_GUARD(&f->lock)
    {
        old = f->rules;
        f->rules = rules;
    }
    authz_rules_free(old);
    return true;
}

static gboolean listfile_settled(void *opaque)
{
    QAuthZListFile *f = opaque;
    Error *err = NULL;

    g_clear_pointer(&f->settle, g_source_unref);
    if (!listfile_load(f, &err)) {
        error_prepend(&err, "keeping the rules in force: ");
        error_report_err(err);
    }
    return G_SOURCE_REMOVE;
}

static void listfile_event(int64_t id, QFileMonitorEvent event,
                           const char *filename, void *opaque)
{
    QAuthZListFile *f = opaque;

    if (event != QFILE_MONITOR_EVENT_CREATED &&
        event != QFILE_MONITOR_EVENT_MODIFIED) {
        return; /* deleted: its successor is going to be created */
    }
    if (!f->settle) {
        f->settle = g_timeout_source_new(SETTLE_MS);
        g_source_set_callback(f->settle, listfile_settled, f, NULL);
        g_source_attach(f->settle, NULL);
    }
}

static bool listfile_watch(QAuthZListFile *f, Error **errp)
{
    g_autofree char *name = g_path_get_basename(f->filename);

    f->monitor = qemu_file_monitor_new(errp);
    if (!f->monitor) {
        return false;
    }
    f->dir = g_path_get_dirname(f->filename);
    f->watch = qemu_file_monitor_add_watch(f->monitor, f->dir, name,
                                           listfile_event, f, errp);
    return f->watch >= 0;
}

static void listfile_complete(UserCreatable *uc, Error **errp)
{
    QAuthZListFile *f = QAUTHZ_LIST_FILE(uc);

    if (f->refresh && !listfile_watch(f, errp)) {
        return;
    }
    listfile_load(f, errp);
}

static const Property listfile_props[] = {
    { "filename", PROP_STR, offsetof(QAuthZListFile, filename),
      .flags = PROP_F_REQUIRED,
      .help = "JSON file with the properties of an authz-list",
      .since = "4.0" },
    { "refresh", PROP_BOOL, offsetof(QAuthZListFile, refresh), .def = "on",
      .help = "read the file again when it changes", .since = "4.0" },
    {}
};

QAuthZListFile *qauthz_list_file_new(const char *id, const char *filename,
                                     bool refresh, Error **errp)
{
    authz_register_types();
    return QAUTHZ_LIST_FILE(object_new_with_props(
        TYPE_QAUTHZ_LIST_FILE, object_get_objects_root(), id, errp, "filename",
        filename, "refresh", refresh ? "on" : "off", NULL));
}

static void listfile_init(Object *obj)
{
    QAuthZListFile *f = QAUTHZ_LIST_FILE(obj);

    qemu_mutex_init(&f->lock);
    f->watch = -1;
}

static void listfile_finalize(Object *obj)
{
    QAuthZListFile *f = QAUTHZ_LIST_FILE(obj);

    if (f->watch >= 0) {
        qemu_file_monitor_remove_watch(f->monitor, f->dir, f->watch);
    }
    qemu_file_monitor_free(f->monitor);
    if (f->settle) {
        g_source_destroy(f->settle);
        g_source_unref(f->settle);
    }
    g_free(f->dir);
    authz_rules_free(f->rules);
    qemu_mutex_destroy(&f->lock);
}

static void listfile_class_init(ObjectClass *oc, void *data)
{
    QAUTHZ_CLASS(oc)->is_allowed = listfile_is_allowed;
    USER_CREATABLE_CLASS(oc)->complete = listfile_complete;
}

const TypeInfo authz_type_listfile = {
    .name = TYPE_QAUTHZ_LIST_FILE,
    .alias = TYPE_QAUTHZ_LIST_FILE_ALIAS,
    .parent = TYPE_QAUTHZ,
    .instance_size = sizeof(QAuthZListFile),
    .instance_init = listfile_init,
    .instance_finalize = listfile_finalize,
    .class_init = listfile_class_init,
    .props = listfile_props,
    .interfaces = (InterfaceInfo[]){ { TYPE_USER_CREATABLE }, {} },
};
