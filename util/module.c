/*
 * Start-up hooks and loadable modules.
 *
 * A module is opened with RTLD_NOW, so that a missing symbol shows here and
 * not in the middle of a request, and with RTLD_LOCAL. It stays loaded until
 * the process ends: its types can not be unregistered.
 *
 * Mutable file-scope state: the two registries, each with its lock.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/module.h"

#include <gmodule.h>

#include "trace/trace-util.h"
#include "util/error.h"
#include "util/queue.h"

/* -- start-up hooks -------------------------------------------------------- */

typedef struct InitEntry {
    void (*fn)(void);
    QSIMPLEQ_ENTRY(InitEntry) next;
} InitEntry;

typedef QSIMPLEQ_HEAD(InitList, InitEntry) InitList;

static GMutex init_lock; /* guards init_lists */
static InitList init_lists[MODULE_INIT_MAX];

static InitList *init_list(module_init_type type)
{
    InitList *list = &init_lists[type];

    assert(type < MODULE_INIT_MAX);
    if (!list->sqh_last) {
        QSIMPLEQ_INIT(list);
    }
    return list;
}

void register_module_init(void (*fn)(void), module_init_type type)
{
    InitEntry *e = g_new0(InitEntry, 1);

    e->fn = fn;
    g_mutex_lock(&init_lock);
    QSIMPLEQ_INSERT_TAIL(init_list(type), e, next);
    g_mutex_unlock(&init_lock);
}

static InitEntry *init_list_pop(module_init_type type)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED =
        g_mutex_locker_new(&init_lock);
    InitList *list = init_list(type);
    InitEntry *e = QSIMPLEQ_FIRST(list);

    if (e) {
        QSIMPLEQ_REMOVE_HEAD(list, next);
    }
    return e;
}

void module_call_init(module_init_type type)
{
    InitEntry *e;

    while ((e = init_list_pop(type))) {
        e->fn();
        g_free(e);
    }
}

/* -- loadable modules ------------------------------------------------------ */

/* Recursive: the init of a module may load one that it builds upon. */
static GRecMutex module_lock;      /* guards loaded_modules */
static GHashTable *loaded_modules; /* set of "<prefix>-<name>" */

static bool module_name_ok(const char *s)
{
    return *s && strspn(s, "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                           "0123456789-_") == strlen(s);
}

/* Whether this program is one of the build directory, not an installed one. */
static bool runs_from_build_dir(void)
{
    g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);

    return exe && g_str_has_prefix(exe, FERRY_BUILDDIR "/");
}

/* Returns: path of the file, which exists; or NULL. */
static char *module_find(const char *prefix, const char *full_name)
{
    g_autoptr(GPtrArray) dirs = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *file = g_strdup_printf("%s." G_MODULE_SUFFIX, full_name);
    const char *env = secure_getenv("FERRY_MODULE_DIR");
    guint i;

    if (env && *env) {
        g_ptr_array_add(dirs, g_strdup(env));
    }
    g_ptr_array_add(dirs, g_strdup(FERRY_LIBDIR));
    if (runs_from_build_dir()) {
        g_ptr_array_add(dirs, g_build_filename(FERRY_BUILDDIR, prefix, NULL));
    }
    for (i = 0; i < dirs->len; i++) {
        char *path = g_build_filename(g_ptr_array_index(dirs, i), file, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_REGULAR)) {
            return path;
        }
        g_free(path);
    }
    return NULL;
}

/* Opens @path, checks that it is ours, and calls its init. */
static bool module_open_file(const char *path, const char *full_name,
                             Error **errp)
{
    GModule *handle = g_module_open(path, G_MODULE_BIND_LOCAL);
    gpointer sym = NULL;
    const FerryModule *mod;

    if (!handle) {
        error_setg(errp, "could not load module '%s': %s", path,
                   g_module_error());
        return false;
    }
    if (!g_module_symbol(handle, FERRY_MODULE_SYMBOL, &sym) || !sym) {
        error_setg(errp, "'%s' is not a module of this program", path);
        g_module_close(handle);
        return false;
    }
    mod = sym;
    if (g_strcmp0(mod->abi, FERRY_MODULE_ABI) != 0) {
        error_setg(errp, "module '%s' is of another build ('%s', not '%s')",
                   path, mod->abi ?: "", FERRY_MODULE_ABI);
        g_module_close(handle);
        return false;
    }
    if (g_strcmp0(mod->name, full_name) != 0) {
        error_setg(errp, "module '%s' says that it is '%s'", path,
                   mod->name ?: "");
        g_module_close(handle);
        return false;
    }
    /* From here on the module may have left pointers behind. */
    g_module_make_resident(handle);
    if (!mod->init(errp)) {
        error_prepend(errp, "module '%s': ", full_name);
        return false;
    }
    return true;
}

bool module_is_loaded(const char *prefix, const char *name)
{
    g_autofree char *full_name = g_strdup_printf("%s-%s", prefix, name);
    g_autoptr(GRecMutexLocker) locker G_GNUC_UNUSED =
        g_rec_mutex_locker_new(&module_lock);

    return loaded_modules && g_hash_table_contains(loaded_modules, full_name);
}

bool module_is_available(const char *prefix, const char *name)
{
    g_autofree char *full_name = g_strdup_printf("%s-%s", prefix, name);
    g_autofree char *path = NULL;

    if (!module_name_ok(prefix) || !module_name_ok(name)) {
        return false;
    }
    if (module_is_loaded(prefix, name)) {
        return true;
    }
    path = module_find(prefix, full_name);
    return path != NULL;
}

bool module_load(const char *prefix, const char *name, Error **errp)
{
    ERRP_GUARD();
    g_autofree char *full_name = g_strdup_printf("%s-%s", prefix, name);
    g_autoptr(GRecMutexLocker) locker G_GNUC_UNUSED =
        g_rec_mutex_locker_new(&module_lock);
    g_autofree char *path = NULL;

    if (!module_name_ok(prefix) || !module_name_ok(name)) {
        error_setg(errp, "'%s' is not a module name", full_name);
        return false;
    }
    if (module_is_loaded(prefix, name)) {
        return true;
    }
    path = module_find(prefix, full_name);
    if (!path) {
        error_setg(errp, "module '%s' is not installed", full_name);
        return false;
    }
    trace_module_load(full_name, path);
    if (!module_open_file(path, full_name, errp)) {
        return false;
    }
    if (!loaded_modules) {
        loaded_modules =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    g_hash_table_add(loaded_modules, g_steal_pointer(&full_name));
    return true;
}
