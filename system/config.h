/*
 * What the command line asked for, before anything is made of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef SYSTEM_CONFIG_H
#define SYSTEM_CONFIG_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "util/typedefs.h"

/* One -monitor, -qmp, -qmp-pretty or -mon, in the order given. */
typedef struct MonitorConfig {
    char *device; /* legacy spelling of a character device, or NULL */
    json_t *opts; /* keys of -mon, or NULL */
    bool qmp;
    bool pretty;
} MonitorConfig;

typedef struct SystemConfig {
    /* keyval options: objects, merged when an option is given repeatedly */
    json_t *machine;
    json_t *memory;
    json_t *smp;
    json_t *rtc;
    json_t *boot;
    json_t *overcommit;
    json_t *sandbox;
    json_t *name;
    json_t *msg;
    json_t *action;
    json_t *compat;
    json_t *accels; /* array of objects, one an -accel, by preference */
    json_t *drives; /* array of objects, one a -drive, -hda, -cdrom ... */

    /* options that may be given many times: arrays of char *, as typed */
    GPtrArray *objects;
    GPtrArray *chardevs;
    GPtrArray *devices;
    GPtrArray *globals;
    GPtrArray *incoming; /* -incoming; empty: a guest of our own */
    GPtrArray *blockdevs;
    GPtrArray *netdevs;
    GPtrArray *nics;
    GPtrArray *serials;
    GPtrArray *parallels;
    GPtrArray *debugcons;
    GPtrArray *fds; /* -add-fd, before everything that opens files */
    GPtrArray *traces;
    GPtrArray *data_dirs;
    GPtrArray *fw_cfg;
    GPtrArray *smbios;
    GPtrArray *monitors; /* of MonitorConfig * */

    char *cpu;
    char *vga; /* -vga; NULL: none */
    char *kernel;
    char *mem_path;
    char *append;
    char *bios;
    char *initrd;
    char *uuid;
    char *pidfile;
    char *log_file;
    char *log_items;
    char *runas;
    char *chroot_dir;
    char *gdb;          /* -gdb, -s */
    char *dump_vmstate; /* -dump-vmstate: file; the program ends after it */
    char *loadvm;       /* -loadvm: snapshot to begin with */

    bool start_stopped; /* -S */
    bool only_migratable;
    bool mem_prealloc;
    bool snapshot; /* -snapshot: no disk is written */
    bool preconfig;
    bool nodefaults;
    bool nographic;
    bool no_display;
    bool daemonize;
    bool no_monitor_default; /* a -monitor, -qmp or -mon was given */
} SystemConfig;

SystemConfig *system_config_new(void);
/** system_config_free: accepts NULL. */
void system_config_free(SystemConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SystemConfig, system_config_free)

typedef enum ParseResult {
    PARSE_FAILED = -1, /* errp is set */
    PARSE_OK,
    PARSE_DONE, /* help or version was printed: end with status 0 */
} ParseResult;

/**
 * system_config_parse:
 * @argc, @argv: as main() got them
 *
 * Read the command line into @config. Nothing is created and nothing is
 * printed but what -help, -version and `OPTION help` ask for.
 *
 * Errors: unknown option; option without its value; syntax of a value.
 */
ParseResult system_config_parse(SystemConfig *config, int argc, char **argv,
                                Error **errp);

/**
 * system_config_set:
 * @option: (in) name without dash, such as "kernel"
 * @value: (in) its value; NULL when the option takes none
 *
 * Handle one option as if it stood on the command line (-readconfig).
 */
ParseResult system_config_set(SystemConfig *config, const char *option,
                              const char *value, Error **errp);

/**
 * system_options_json:
 * @only: (in) one option's name, or NULL for all
 *
 * Returns: (owned) the array that query-command-line-options returns; empty
 *          when @only names no option.
 */
json_t *system_options_json(const char *only);

#endif
