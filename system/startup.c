/*
 * From a command line to a running machine.
 *
 * Four phases, each of which may fail with a message: the process (messages,
 * background, descriptors), the back ends (objects, character devices,
 * monitors), the machine with its devices, and running. Order inside a phase
 * follows what needs what: secrets and credentials come before the sockets
 * that use them, objects that use a character device come after it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "startup.h"

#include <sys/mman.h>
#include <sys/prctl.h>

#include "chardev/char.h"
#include "crypto/init.h"
#include "hw/boards.h"
#include "hw/graphics.h"
#include "hw/qdev-core.h"
#include "hw/types.h"
#include "io/socket-address.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "qapi/qapi-types-run-state.h"
#include "qapi/util.h"
#include "qom/object_interfaces.h"
#include "trace/control.h"
#include "util/atomic.h"
#include "util/cutils.h"
#include "util/error-report.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/main-loop.h"
#include "util/module.h"
#include "util/timer.h"

#include "daemonize.h"
#include "drives.h"
#include "dump-vmstate.h"
#include "gdb.h"
#include "identity.h"
#include "migration.h"
#include "network.h"
#include "runstate.h"
#include "sandbox.h"
#include "snapshot.h"

static System the_system;

System *system_get(void)
{
    return &the_system;
}

/* -- small helpers ------------------------------------------------------- */

static const char *get_str(json_t *opts, const char *key)
{
    return json_string_value(json_object_get(opts, key));
}

static bool get_bool(json_t *opts, const char *option, const char *key,
                     bool *ret, Error **errp)
{
    const char *text = get_str(opts, key);
    Error *err = NULL;

    if (text && !qapi_bool_parse(key, text, ret, &err)) {
        error_propagate_prepend(errp, err, "-%s: ", option);
        return false;
    }
    return true;
}

static bool check_keys(json_t *opts, const char *option,
                       const char *const *known, Error **errp)
{
    const char *key;
    json_t *value;

    json_object_foreach(opts, key, value)
    {
        if (!g_strv_contains(known, key)) {
            error_setg(errp, "-%s: unknown parameter '%s'", option, key);
            return false;
        }
    }
    return true;
}

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* Parse "key": enum value of @opts; returns -1 when it is not given. */
static bool get_enum(json_t *opts, const char *option, const char *key,
                     const QEnumLookup *lookup, int *ret, Error **errp)
{
    const char *text = get_str(opts, key);
    Error *err = NULL;

    *ret = -1;
    if (text) {
        *ret = qapi_enum_parse(lookup, text, -1, &err);
    }
    if (err) {
        error_propagate_prepend(errp, err, "-%s %s: ", option, key);
        return false;
    }
    return true;
}

/* -- process ------------------------------------------------------------- */

static bool setup_messages(System *s, Error **errp)
{
    SystemConfig *c = s->config;
    bool timestamp = false;
    bool guest_name = false;

    if (!check_keys(c->msg, "msg", KEYS("timestamp", "guest-name"), errp) ||
        !get_bool(c->msg, "msg", "timestamp", &timestamp, errp) ||
        !get_bool(c->msg, "msg", "guest-name", &guest_name, errp)) {
        return false;
    }
    error_report_set_timestamp(timestamp);
    if (guest_name) {
        error_report_set_guest_name(get_str(c->name, "guest"));
    }
    return true;
}

static bool setup_log(System *s, Error **errp)
{
    SystemConfig *c = s->config;
    int mask = 0;

    if (c->log_items) {
        mask = qemu_str_to_log_mask(c->log_items);
        if (!mask) {
            error_setg(errp, "-d: unknown item in '%s'", c->log_items);
            error_append_hint(errp, "'-d help' lists the items.\n");
            return false;
        }
    }
    if (c->log_file && !qemu_set_log_filename(c->log_file, errp)) {
        return false;
    }
    if (mask && !qemu_set_log(mask, errp)) {
        return false;
    }
    for (guint i = 0; i < c->traces->len; i++) {
        bool help = false;

        if (!trace_opt_parse(g_ptr_array_index(c->traces, i), &help, errp)) {
            return false;
        }
    }
    return true;
}

static bool setup_name(System *s, Error **errp)
{
    SystemConfig *c = s->config;
    bool debug_threads = false;
    const char *process = get_str(c->name, "process");

    if (!check_keys(c->name, "name", KEYS("guest", "process", "debug-threads"),
                    errp) ||
        !get_bool(c->name, "name", "debug-threads", &debug_threads, errp)) {
        return false;
    }
    if (process) {
        prctl(PR_SET_NAME, process);
    }
    return identity_set(get_str(c->name, "guest"), c->uuid, errp);
}

/* -add-fd fd=FD,set=SET[,opaque=TEXT] */
static bool add_fd(const char *text, Error **errp)
{
    g_autoptr(json_t) opts = keyval_parse(text, NULL, NULL, errp);
    const char *set;
    uint64_t set_id;
    AUTO_FD copy = -1;
    int fd;

    if (!opts ||
        !check_keys(opts, "add-fd", KEYS("fd", "set", "opaque"), errp)) {
        return false;
    }
    set = get_str(opts, "set");
    fd = get_str(opts, "fd") ? qemu_parse_fd(get_str(opts, "fd")) : -1;
    if (fd < 0 || !set || qemu_strtou64(set, NULL, 10, &set_id) < 0 ||
        set_id > INT64_MAX) {
        error_setg(errp, "-add-fd %s: needs fd=NUMBER and set=NUMBER", text);
        return false;
    }
    if (fd <= STDERR_FILENO) {
        error_setg(errp, "-add-fd %s: descriptor %d is a standard stream", text,
                   fd);
        return false;
    }
    /* A copy: the number that we inherited stays the caller's business. */
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        error_setg_errno(errp, errno, "-add-fd %s", text);
        return false;
    }
    if (!fdset_add(copy, true, set_id, get_str(opts, "opaque"), NULL, errp)) {
        return false;
    }
    fd_steal(&copy);
    return true;
}

static bool close_inherited(const char *text, Error **errp)
{
    g_autoptr(json_t) opts = keyval_parse(text, NULL, NULL, errp);

    if (!opts) {
        return false;
    }
    fd_close(qemu_parse_fd(get_str(opts, "fd")));
    return true;
}

static bool lock_memory(System *s, Error **errp)
{
    bool lock = false;
    bool cpu_pm = false;

    if (!check_keys(s->config->overcommit, "overcommit",
                    KEYS("mem-lock", "cpu-pm"), errp) ||
        !get_bool(s->config->overcommit, "overcommit", "mem-lock", &lock,
                  errp) ||
        !get_bool(s->config->overcommit, "overcommit", "cpu-pm", &cpu_pm,
                  errp)) {
        return false;
    }
    if (cpu_pm) {
        error_setg(errp, "-overcommit: cpu-pm=on is not available");
        return false;
    }
    if (lock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        error_setg_errno(errp, errno, "-overcommit mem-lock=on");
        return false;
    }
    return true;
}

static bool setup_actions(System *s, Error **errp)
{
    json_t *a = s->config->action;
    int reboot, shutdown, panic, watchdog;

    if (!check_keys(a, "action",
                    KEYS("reboot", "shutdown", "panic", "watchdog"), errp) ||
        !get_enum(a, "action", "reboot", &RebootAction_lookup, &reboot, errp) ||
        !get_enum(a, "action", "shutdown", &ShutdownAction_lookup, &shutdown,
                  errp) ||
        !get_enum(a, "action", "panic", &PanicAction_lookup, &panic, errp) ||
        !get_enum(a, "action", "watchdog", &WatchdogAction_lookup, &watchdog,
                  errp)) {
        return false;
    }
    run_actions_set(reboot >= 0, reboot, shutdown >= 0, shutdown, panic >= 0,
                    panic);
    return true;
}

bool startup_process(System *s, Error **errp)
{
    SystemConfig *c = s->config;

    run_state_init();
    if (!setup_messages(s, errp)) {
        return false;
    }
    if (c->daemonize && c->nographic && !c->nodefaults) {
        error_setg(errp, "-nographic needs the terminal that -daemonize "
                         "gives up");
        return false;
    }
    if (c->daemonize && !daemonize_begin(errp)) {
        return false;
    }
    if (!setup_log(s, errp) || !setup_name(s, errp) ||
        !setup_actions(s, errp) ||
        (c->pidfile && !pidfile_create(c->pidfile, errp)) ||
        qemu_init_main_loop(errp) < 0) {
        return false;
    }
    module_call_init(MODULE_INIT_QOM);
    hw_register_types();
    if (qcrypto_init(errp) < 0 || !lock_memory(s, errp)) {
        return false;
    }
    for (guint i = 0; i < c->fds->len; i++) {
        if (!add_fd(g_ptr_array_index(c->fds, i), errp)) {
            return false;
        }
    }
    if (c->fds->len) {
        /* They were given to this program, not to a session: they stay. */
        fdset_monitor_ref();
    }
    for (guint i = 0; i < c->fds->len; i++) {
        if (!close_inherited(g_ptr_array_index(c->fds, i), errp)) {
            return false;
        }
    }
    process_handle_signals();
    return true;
}

/* -- back ends ----------------------------------------------------------- */

/*
 * An object that names a character device is made after those; all others
 * before, because a character device may name them.
 */
static bool create_objects(System *s, bool using_chardev, Error **errp)
{
    GPtrArray *objects = s->config->objects;

    for (guint i = 0; i < objects->len; i++) {
        const char *text = g_ptr_array_index(objects, i);
        g_autoptr(json_t) opts = NULL;
        bool keyval = false;
        Error *err = NULL;

        opts = user_creatable_parse_str(text, &keyval, &err);
        if (opts &&
            using_chardev != (json_object_get(opts, "chardev") != NULL)) {
            continue;
        }
        if (!opts || !user_creatable_add_options(opts, keyval, &err)) {
            error_propagate_prepend(errp, err, "-object: ");
            return false;
        }
    }
    return true;
}

static bool create_chardevs(System *s, Error **errp)
{
    GPtrArray *chardevs = s->config->chardevs;

    for (guint i = 0; i < chardevs->len; i++) {
        const char *text = g_ptr_array_index(chardevs, i);
        Error *err = NULL;

        if (!qemu_chr_new_from_cli(text, NULL, &err)) {
            error_propagate_prepend(errp, err, "-chardev %s: ", text);
            return false;
        }
    }
    return true;
}

static bool create_mon(System *s, json_t *opts, Error **errp)
{
    const char *id = get_str(opts, "chardev");
    const char *mode = get_str(opts, "mode") ?: "readline";
    bool pretty = false;
    Chardev *chr;

    if (!check_keys(opts, "mon", KEYS("chardev", "mode", "pretty", "id"),
                    errp) ||
        !get_bool(opts, "mon", "pretty", &pretty, errp)) {
        return false;
    }
    if (!id) {
        error_setg(errp, "-mon: parameter 'chardev' is missing");
        return false;
    }
    chr = qemu_chr_find(id);
    if (!chr) {
        error_setg(errp, "-mon: there is no character device '%s'", id);
        return false;
    }
    if (g_str_equal(mode, "control")) {
        return monitor_new_qmp(s->monitors, chr, pretty, errp) != NULL;
    }
    if (!g_str_equal(mode, "readline")) {
        error_setg(errp, "-mon: mode is 'readline' or 'control', not '%s'",
                   mode);
        return false;
    }
    if (get_str(opts, "pretty")) {
        error_setg(errp, "-mon: 'pretty' is for mode 'control'");
        return false;
    }
    return monitor_new_hmp(s->monitors, chr, errp) != NULL;
}

static bool create_monitors(System *s, Error **errp)
{
    GPtrArray *monitors = s->config->monitors;
    unsigned number = 0;

    for (guint i = 0; i < monitors->len; i++) {
        const MonitorConfig *m = g_ptr_array_index(monitors, i);
        g_autofree char *label = NULL;
        Chardev *chr;

        if (m->opts) {
            if (!create_mon(s, m->opts, errp)) {
                return false;
            }
            continue;
        }
        label = g_strdup_printf("compat_monitor%u", number++);
        chr = qemu_chr_new_legacy(label, m->device, !m->qmp, NULL, errp);
        if (!chr) {
            error_prepend(errp, "-%s %s: ", m->qmp ? "qmp" : "monitor",
                          m->device);
            return false;
        }
        if (!(m->qmp ? monitor_new_qmp(s->monitors, chr, m->pretty, errp)
                     : monitor_new_hmp(s->monitors, chr, errp))) {
            return false;
        }
    }
    return true;
}

static int lookup_monitor_fd(const char *name, void *opaque, Error **errp)
{
    Monitor *mon = monitor_cur();

    if (!mon) {
        error_setg(errp, "file descriptor named '%s' has not been found", name);
        return -1;
    }
    return monitor_get_fd(mon, name, errp);
}

/* Ctrl-a x on a multiplexed terminal. */
static void chardev_quit(void *opaque)
{
    run_request_quit(SHUTDOWN_CAUSE_HOST_UI);
}

static void chardev_exit(int status, void *opaque)
{
    run_request_exit(status);
}

static const ChardevHostOps chardev_ops = {
    .quit = chardev_quit,
    .exit = chardev_exit,
};

bool startup_backends(System *s, Error **errp)
{
    ERRP_GUARD();

    default_devices_choose(s->config);
    /* Who shares a terminal is greeted when all are there. */
    suspend_mux_open();
    socket_set_fd_lookup(lookup_monitor_fd, NULL);
    chardev_set_host_ops(&chardev_ops, NULL);
    if (!system_migration_new(s, errp)) {
        return false;
    }
    s->monitors = system_monitors_new(s, errp);
    return s->monitors && create_objects(s, false, errp) &&
           create_chardevs(s, errp) && create_monitors(s, errp) &&
           drives_open(s, errp);
}

/* -- machine ------------------------------------------------------------- */

static bool add_globals(System *s, Error **errp)
{
    GPtrArray *globals = s->config->globals;

    for (guint i = 0; i < globals->len; i++) {
        const char *text = g_ptr_array_index(globals, i);
        const char *dot = strchr(text, '.');
        const char *equals = dot ? strchr(dot, '=') : NULL;
        g_autofree char *driver = NULL;
        g_autofree char *prop = NULL;

        if (!equals || dot == text || equals == dot + 1) {
            error_setg(errp, "-global %s: expected DRIVER.PROPERTY=VALUE",
                       text);
            return false;
        }
        if (g_str_has_prefix(text, "migration.")) {
            continue; /* system_migration_new() has them */
        }
        driver = g_strndup(text, dot - text);
        prop = g_strndup(dot + 1, equals - dot - 1);
        qdev_global_add(driver, prop, equals + 1);
    }
    return true;
}

/* A vector of the strings of @array, which keeps them. */
static char **null_terminated(const GPtrArray *array)
{
    char **v = g_new0(char *, array->len + 1);

    for (guint i = 0; i < array->len; i++) {
        v[i] = g_ptr_array_index(array, i);
    }
    return v;
}

static MachineState *make_machine(System *s, Error **errp)
{
    SystemConfig *c = s->config;
    bool debug_threads = false;
    g_autofree char **data_dirs = null_terminated(c->data_dirs);
    g_autofree char **fw_cfg = null_terminated(c->fw_cfg);
    g_autofree char **smbios = null_terminated(c->smbios);
    MachineConfig mc = {
        .machine = c->machine,
        .accels = c->accels,
        .memory = c->memory,
        .smp = c->smp,
        .rtc = c->rtc,
        .cpu = c->cpu,
        .kernel = c->kernel,
        .initrd = c->initrd,
        .append = c->append,
        .mem_path = c->mem_path,
        .mem_prealloc = c->mem_prealloc,
        .no_defaults = c->nodefaults,
        .bios = c->bios,
        .data_dirs = data_dirs,
        .uuid = c->uuid,
        .boot = c->boot,
        .fw_cfg = fw_cfg,
        .smbios = smbios,
    };

    if (!get_bool(c->name, "name", "debug-threads", &debug_threads, errp)) {
        return NULL;
    }
    mc.debug_threads = debug_threads;
    if (c->nographic && !json_object_get(c->machine, "graphics")) {
        json_object_set_new(c->machine, "graphics", json_string("off"));
    }
    return machine_new(&mc, &run_machine_host, s, errp);
}

/* One device of -serial, -parallel or -debugcon on a chardev of its own. */
static bool add_port(System *s, const char *option, const char *driver,
                     unsigned index, const char *spec, Error **errp)
{
    g_autofree char *label = NULL;
    g_autofree char *number = g_strdup_printf("%u", index);
    g_autoptr(json_t) opts = NULL;
    Chardev *chr;

    if (g_str_equal(spec, "none")) {
        return true;
    }
    label = g_str_equal(option, "debugcon")
                ? g_strdup("debugcon")
                : g_strdup_printf("%s%u", option, index);
    chr = qemu_chr_new_legacy(label, spec, true, NULL, errp);
    if (!chr) {
        error_prepend(errp, "-%s %s: ", option, spec);
        return false;
    }
    if (qemu_chr_wants_monitor(chr) &&
        !monitor_new_hmp(s->monitors, chr, errp)) {
        return false;
    }
    if (!machine_has_devices(s->machine)) {
        return true;
    }
    opts = json_pack("{s:s,s:s}", "driver", driver, "chardev", chr->label);
    if (!g_str_equal(option, "debugcon")) {
        json_object_set_new(opts, "index", json_string(number));
    }
    if (!qdev_device_add_json(opts, errp)) {
        error_prepend(errp, "-%s %s: ", option, spec);
        return false;
    }
    return true;
}

static bool add_ports(System *s, const char *option, const char *driver,
                      GPtrArray *specs, Error **errp)
{
    for (guint i = 0; i < specs->len; i++) {
        if (!add_port(s, option, driver, i, g_ptr_array_index(specs, i),
                      errp)) {
            return false;
        }
    }
    return true;
}

static bool add_devices(System *s, Error **errp)
{
    GPtrArray *devices = s->config->devices;

    for (guint i = 0; i < devices->len; i++) {
        const char *text = g_ptr_array_index(devices, i);
        g_autoptr(json_t) opts = NULL;
        Error *err = NULL;

        opts = text[0] == '{' ? qobject_from_json(text, &err)
                              : keyval_parse(text, "driver", NULL, &err);
        if (!opts || !qdev_device_add_json(opts, &err)) {
            error_propagate_prepend(errp, err, "-device %s: ", text);
            return false;
        }
    }
    return true;
}

static void report_about_machine(MachineState *machine, bool cpu_chosen)
{
    const GPtrArray *warnings = machine_warnings(machine);

    if (machine_accel_note(machine)) {
        info_report("%s", machine_accel_note(machine));
    }
    /* Nobody who named no CPU model cares what the default one lacks. */
    for (guint i = 0; cpu_chosen && warnings && i < warnings->len; i++) {
        warn_report("%s", (const char *)g_ptr_array_index(warnings, i));
    }
}

bool startup_machine(System *s, Error **errp)
{
    SystemConfig *c = s->config;
    ERRP_GUARD();

    if (!create_objects(s, true, errp) || !add_globals(s, errp)) {
        return false;
    }
    s->machine = make_machine(s, errp);
    if (!s->machine || !machine_realize(s->machine, errp)) {
        return false;
    }
    run_attach_machine(s->machine);
    system_migration_machine(s);
    if ((c->vga && !machine_add_graphics(s->machine, c->vga, errp)) ||
        !add_ports(s, "serial", "isa-serial", c->serials, errp) ||
        !add_ports(s, "parallel", "isa-parallel", c->parallels, errp) ||
        !add_ports(s, "debugcon", "isa-debugcon", c->debugcons, errp) ||
        !network_create_backends(c, errp) || !add_devices(s, errp) ||
        !drives_plug(s, errp) || !network_create_cards(c, s->machine, errp) ||
        !machine_reset(s->machine, errp)) {
        return false;
    }
    if (c->gdb && !system_gdb_start(c->gdb, errp)) {
        error_prepend(errp, "-gdb %s: ", c->gdb);
        return false;
    }
    s->clock_origin_ns = (uint64_t)qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    qdev_globals_check();
    report_about_machine(s->machine, c->cpu != NULL);
    s->machine_ready = true;
    qatomic_set(&s->preconfig, false);
    return true;
}

/* -- running ------------------------------------------------------------- */

/* A signal or `quit` ends the wait for peers. */
static bool interrupted(void *opaque)
{
    return run_end_requested();
}

bool system_loadvm(System *s, Error **errp)
{
    SnapshotRequest r = { .verb = SNAPSHOT_LOAD, .tag = s->config->loadvm };
    g_autoptr(SnapshotWork) w = NULL;

    if (!r.tag) {
        return true;
    }
    w = snapshot_work_new(&r, errp);
    if (!w || !snapshot_work_run(w, errp)) {
        error_prepend(errp, "-loadvm %s: ", r.tag);
        return false;
    }
    return true;
}

bool startup_run(System *s, Error **errp)
{
    SystemConfig *c = s->config;

    if (s->machine && c->dump_vmstate) {
        if (!system_dump_vmstate(s->machine, c->dump_vmstate, errp)) {
            return false;
        }
        run_request_exit(EXIT_SUCCESS);
        return true;
    }
    /*
     * Back ends that wait for a peer do so here, when all of them listen and
     * before a script is told that we are ready.
     */
    if (!qemu_chr_wait_connected_all(interrupted, NULL, errp) ||
        !process_drop(c->chroot_dir, c->runas, errp) ||
        (s->machine && !system_migration_incoming(s, errp)) ||
        (s->machine && !system_loadvm(s, errp)) ||
        !daemonize_end(c->log_file != NULL, errp) ||
        !sandbox_enable(c->sandbox, errp)) {
        return false;
    }
    resume_mux_open();
    if (s->machine && !c->start_stopped && !c->incoming->len) {
        vm_start();
    }
    return true;
}

void shutdown_all(System *s)
{
    /* In the middle of a post-copy the end of migration turns missing pages
     * into zeros: no CPU may go on with them. */
    if (s->machine) {
        machine_stop_soon(s->machine);
    }
    snapshot_end(s);
    system_migration_end(s);
    if (s->machine && run_state_is_running()) {
        machine_stop(s->machine);
    }
    system_gdb_end();
    monitor_set_free(s->monitors);
    s->monitors = NULL;
    system_commands_free(s);
    machine_destroy(s->machine);
    s->machine = NULL;
    drives_close();
    netdev_cleanup();
    qemu_chr_cleanup();
    user_creatable_cleanup();
    qdev_globals_clear();
    pidfile_remove();
}
