/*
 * Shared libraries that are loaded when they are first needed.
 *
 * One lock for all of them: loading is rare. A library is marked as loaded
 * only after its last symbol was found, and a reader of that mark sees the
 * symbols.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/library.h"

#include <dlfcn.h>
#include <pthread.h>

#include "util/atomic.h"
#include "util/error.h"

/* Not GLib's, which the thread sanitizer does not see. */
static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

static bool load_symbols(Library *lib, void *handle, Error **errp)
{
    for (const LibrarySymbol *s = lib->symbols; s->name; s++) {
        void *symbol = dlsym(handle, s->name);

        if (!symbol) {
            error_setg(errp, "library '%s' has no '%s'", lib->soname, s->name);
            return false;
        }
        *(void **)s->where = symbol;
    }
    return true;
}

bool library_load(Library *lib, Error **errp)
{
    void *handle;

    if (qatomic_load_acquire(&lib->loaded)) {
        return true;
    }
    pthread_mutex_lock(&load_lock);
    handle = qatomic_read(&lib->loaded)
                 ? NULL
                 : dlopen(lib->soname, RTLD_NOW | RTLD_LOCAL);
    if (qatomic_read(&lib->loaded)) {
        /* Somebody else was faster. */
    } else if (!handle) {
        error_setg(errp, "cannot load library '%s': %s", lib->soname,
                   dlerror());
    } else if (load_symbols(lib, handle, errp)) {
        qatomic_store_release(&lib->loaded, true);
    }
    pthread_mutex_unlock(&load_lock);
    return qatomic_read(&lib->loaded);
}
