/*
 * Start-up hooks and loadable modules.
 *
 * Ferry's own classes are registered by <folder>_register_types(); the
 * type_init() here is for code outside of the tree.
 *
 * A module is a shared object "<prefix>-<name>.so" that holds an optional
 * heavy driver. It exports one FERRY_MODULE(), whose stamp must be that of
 * the program: a module of another build is refused, never half used.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_MODULE_H
#define UTIL_MODULE_H

#include <stdbool.h>

#include "util/compiler.h"
#include "util/module-abi.h" /* made by the build: FERRY_MODULE_ABI */
#include "util/typedefs.h"

typedef enum {
    MODULE_INIT_BLOCK,
    MODULE_INIT_OPTS,
    MODULE_INIT_QOM,
    MODULE_INIT_TRACE,
    MODULE_INIT_MAX
} module_init_type;

#define module_init(function, type)                                            \
    static void __attribute__((constructor)) do_module_init_##function(void)   \
    {                                                                          \
        register_module_init(function, type);                                  \
    }

#define block_init(function) module_init(function, MODULE_INIT_BLOCK)
#define opts_init(function)  module_init(function, MODULE_INIT_OPTS)
#define type_init(function)  module_init(function, MODULE_INIT_QOM)
#define trace_init(function) module_init(function, MODULE_INIT_TRACE)

/** register_module_init: remember @fn for module_call_init(@type). */
void register_module_init(void (*fn)(void), module_init_type type);
/**
 * module_call_init: call what is registered for @type and has not been
 * called yet, in order of registration. Thread: any, one at a time.
 */
void module_call_init(module_init_type type);

#define FERRY_MODULE_SYMBOL "ferry_module"

typedef struct FerryModule {
    const char *abi;  /* FERRY_MODULE_ABI of the module's build */
    const char *name; /* "<prefix>-<name>" */
    /* Mandatory: register the drivers. May fail. */
    bool (*init)(Error **errp);
} FerryModule;

/*
 * FERRY_MODULE("block-iscsi", block_iscsi_init): once, in one file of the
 * module.
 */
#define FERRY_MODULE(module_name, init_function)                               \
    extern const FerryModule ferry_module;                                     \
    QEMU_EXPORT const FerryModule ferry_module = { .abi = FERRY_MODULE_ABI,    \
                                                   .name = (module_name),      \
                                                   .init = (init_function) }

/**
 * module_load:
 * @prefix: folder, such as "block"
 * @name: driver, such as "iscsi"; letters, digits, '-' and '_' only
 *
 * Load "<prefix>-<name>.so" from the first of: $FERRY_MODULE_DIR (not in a
 * set-uid program), FERRY_LIBDIR, the build directory when the program runs
 * from there; and call its init. Loading again is success at once.
 *
 * Thread: any.
 * Returns: true when the module is there and initialised.
 * Errors: no such file; not a module; other build; its init failed.
 */
bool module_load(const char *prefix, const char *name, Error **errp);

/** module_is_loaded: whether module_load() succeeded before. */
bool module_is_loaded(const char *prefix, const char *name);

/** module_is_available: whether a file for it is there; loads nothing. */
bool module_is_available(const char *prefix, const char *name);

#endif
