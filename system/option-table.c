/*
 * The table of options, and the handlers of those with a mind of their own.
 *
 * Each row says where the value goes; almost every option is one of a few
 * kinds (a flag, a string, a list of strings, key=value,...), so a new one is
 * one row. The table also gives -help, the man page's option list and
 * query-command-line-options.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "accel/accel.h"
#include "chardev/char.h"
#include "hw/boards.h"
#include "hw/cpu.h"
#include "hw/graphics.h"
#include "hw/qdev-core.h"
#include "net/net.h"
#include "qapi/json.h"
#include "qom/object_interfaces.h"
#include "trace/control.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/log.h"

#include "config.h"
#include "drives.h"
#include "gdb.h"
#include "network.h"
#include "options.h"
#include "version.h"

#define AT(field) offsetof(SystemConfig, field)

/* -- options with a mind of their own ------------------------------------ */

static ParseResult opt_help(SystemConfig *c, const OptionDef *def,
                            const char *value, Error **errp)
{
    options_print_help();
    return PARSE_DONE;
}

static ParseResult opt_version(SystemConfig *c, const OptionDef *def,
                               const char *value, Error **errp)
{
    version_print();
    return PARSE_DONE;
}

static void add_monitor(SystemConfig *c, const char *device, json_t *opts,
                        bool qmp, bool pretty)
{
    MonitorConfig *m = g_new0(MonitorConfig, 1);

    m->device = g_strdup(device);
    m->opts = opts;
    m->qmp = qmp;
    m->pretty = pretty;
    c->no_monitor_default = true;
    g_ptr_array_add(c->monitors, m);
}

static ParseResult opt_monitor(SystemConfig *c, const OptionDef *def,
                               const char *value, Error **errp)
{
    bool qmp = g_str_has_prefix(def->name, "qmp");

    if (g_str_equal(value, "none")) {
        c->no_monitor_default = true;
    } else {
        add_monitor(c, value, NULL, qmp, g_str_equal(def->name, "qmp-pretty"));
    }
    return PARSE_OK;
}

static const OptionKey mon_keys[] = {
    { "chardev", "string", "id of the character device" },
    { "mode", "string", "readline (default) or control" },
    { "pretty", "boolean", "indent QMP output" },
    { NULL },
};

static ParseResult opt_mon(SystemConfig *c, const OptionDef *def,
                           const char *value, Error **errp)
{
    bool help = false;
    json_t *opts = keyval_parse(value, "chardev", &help, errp);

    if (!opts) {
        return PARSE_FAILED;
    }
    if (help) {
        json_decref(opts);
        options_print_keys("mon");
        return PARSE_DONE;
    }
    add_monitor(c, NULL, opts, false, false);
    return PARSE_OK;
}

/* "kvm:soft" is two candidates; a property would not say whose it is. */
static bool add_accels(json_t *accels, json_t *opts, Error **errp)
{
    const char *names = json_string_value(json_object_get(opts, "accel"));
    g_auto(GStrv) list = names ? g_strsplit(names, ":", -1) : NULL;

    if (!list || !list[0] || !list[1]) {
        json_array_append(accels, opts);
        return true;
    }
    if (json_object_size(opts) > 1) {
        error_setg(errp,
                   "properties go with one accelerator, not with '%s'; "
                   "give an -accel for each",
                   names);
        return false;
    }
    for (char **name = list; *name; name++) {
        json_array_append_new(accels, json_pack("{s:s}", "accel", *name));
    }
    return true;
}

static ParseResult opt_accel(SystemConfig *c, const OptionDef *def,
                             const char *value, Error **errp)
{
    bool help = false, ok;
    json_t *opts = keyval_parse(value, "accel", &help, errp);

    if (!opts) {
        return PARSE_FAILED;
    }
    if (help) {
        g_autofree char *text = accel_help();

        json_decref(opts);
        fputs(text, stdout);
        return PARSE_DONE;
    }
    ok = add_accels(c->accels, opts, errp);
    json_decref(opts);
    return ok ? PARSE_OK : PARSE_FAILED;
}

static ParseResult opt_enable_kvm(SystemConfig *c, const OptionDef *def,
                                  const char *value, Error **errp)
{
    json_array_append_new(c->accels, json_pack("{s:s}", "accel", "kvm"));
    return PARSE_OK;
}

/* `help` and `TYPE,help` of an option whose values are kept as typed. */
static bool wants_help(const char *value, char **ret_type)
{
    g_auto(GStrv) words = NULL;

    if (value[0] == '{') {
        return false;
    }
    words = g_strsplit(value, ",", -1);
    for (char **w = words; *w; w++) {
        if (g_str_equal(*w, "help") || g_str_equal(*w, "?")) {
            *ret_type = w == words ? NULL : g_strdup(words[0]);
            return true;
        }
    }
    return false;
}

static ParseResult opt_object(SystemConfig *c, const OptionDef *def,
                              const char *value, Error **errp)
{
    Error *err = NULL;
    g_autofree char *text = user_creatable_help(value, &err);

    if (err) {
        error_propagate(errp, err);
        return PARSE_FAILED;
    }
    if (text) {
        fputs(text, stdout);
        return PARSE_DONE;
    }
    g_ptr_array_add(c->objects, g_strdup(value));
    return PARSE_OK;
}

static ParseResult opt_chardev(SystemConfig *c, const OptionDef *def,
                               const char *value, Error **errp)
{
    g_autofree char *type = NULL;

    if (wants_help(value, &type)) {
        g_autofree char *text = qemu_chr_help(type, errp);

        if (!text) {
            return PARSE_FAILED;
        }
        fputs(text, stdout);
        return PARSE_DONE;
    }
    g_ptr_array_add(c->chardevs, g_strdup(value));
    return PARSE_OK;
}

static ParseResult opt_device(SystemConfig *c, const OptionDef *def,
                              const char *value, Error **errp)
{
    g_autofree char *type = NULL;

    if (wants_help(value, &type)) {
        g_autofree char *text = NULL;

        if (type && g_str_has_prefix(type, "driver=")) {
            memmove(type, type + strlen("driver="),
                    strlen(type) - strlen("driver=") + 1);
        }
        text = qdev_device_help(type, errp);
        if (!text) {
            return PARSE_FAILED;
        }
        fputs(text, stdout);
        return PARSE_DONE;
    }
    g_ptr_array_add(c->devices, g_strdup(value));
    return PARSE_OK;
}

static ParseResult opt_disk(SystemConfig *c, const OptionDef *def,
                            const char *value, Error **errp)
{
    return drives_option(c, def->name, value, errp);
}

static ParseResult opt_cpu(SystemConfig *c, const OptionDef *def,
                           const char *value, Error **errp)
{
    if (g_str_equal(value, "help") || g_str_equal(value, "?")) {
        g_autofree char *text = cpu_help();

        fputs(text, stdout);
        return PARSE_DONE;
    }
    g_free(c->cpu);
    c->cpu = g_strdup(value);
    return PARSE_OK;
}

static ParseResult opt_log_items(SystemConfig *c, const OptionDef *def,
                                 const char *value, Error **errp)
{
    if (g_str_equal(value, "help") || g_str_equal(value, "?")) {
        qemu_print_log_usage(stdout);
        return PARSE_DONE;
    }
    if (g_str_equal(value, "trace:help")) {
        trace_list_events(stdout);
        return PARSE_DONE;
    }
    g_free(c->log_items);
    c->log_items = g_strdup(value);
    return PARSE_OK;
}

static ParseResult opt_trace(SystemConfig *c, const OptionDef *def,
                             const char *value, Error **errp)
{
    if (g_str_equal(value, "help") || g_str_equal(value, "?")) {
        trace_list_events(stdout);
        return PARSE_DONE;
    }
    g_ptr_array_add(c->traces, g_strdup(value));
    return PARSE_OK;
}

static ParseResult opt_display(SystemConfig *c, const OptionDef *def,
                               const char *value, Error **errp)
{
    if (g_str_equal(value, "help")) {
        puts("Available display backend types:\nnone");
        return PARSE_DONE;
    }
    if (!g_str_equal(value, "none")) {
        error_setg(errp, "display '%s' is not available", value);
        error_append_hint(errp, "The only display is 'none'.\n");
        return PARSE_FAILED;
    }
    c->no_display = true;
    return PARSE_OK;
}

/* Options that switch off what this machine does not have. */
static ParseResult opt_gdb_default(SystemConfig *c, const OptionDef *def,
                                   const char *value, Error **errp)
{
    g_free(c->gdb);
    c->gdb = g_strdup(GDB_DEFAULT_DEVICE);
    return PARSE_OK;
}

static ParseResult add_network(GPtrArray *list, const char *value, Error **errp)
{
    g_autofree char *type = NULL;

    if (wants_help(value, &type)) {
        g_autofree char *text = netdev_help(type, errp);

        if (!text) {
            return PARSE_FAILED;
        }
        fputs(text, stdout);
        return PARSE_DONE;
    }
    g_ptr_array_add(list, g_strdup(value));
    return PARSE_OK;
}

static ParseResult opt_netdev(SystemConfig *c, const OptionDef *def,
                              const char *value, Error **errp)
{
    return add_network(c->netdevs, value, errp);
}

static ParseResult opt_nic(SystemConfig *c, const OptionDef *def,
                           const char *value, Error **errp)
{
    if (network_wants_card_help(value)) {
        g_autofree char *text = network_card_help();

        fputs(text, stdout);
        return PARSE_DONE;
    }
    return add_network(c->nics, value, errp);
}

static ParseResult opt_net(SystemConfig *c, const OptionDef *def,
                           const char *value, Error **errp)
{
    if (!g_str_equal(value, "none")) {
        error_setg(errp, "-net '%s' is not available", value);
        error_append_hint(errp, "Use -nic, or -netdev and -device.\n");
        return PARSE_FAILED;
    }
    return add_network(c->nics, value, errp);
}

static ParseResult opt_vga(SystemConfig *c, const OptionDef *def,
                           const char *value, Error **errp)
{
    if (g_str_equal(value, "help")) {
        g_autofree char *text = graphics_help();

        fputs(text, stdout);
        return PARSE_DONE;
    }
    if (!graphics_known(value)) {
        error_setg(errp, "there is no graphics card '%s'", value);
        error_append_hint(errp, "'-vga help' lists them.\n");
        return PARSE_FAILED;
    }
    g_free(c->vga);
    c->vga = g_strdup(value);
    return PARSE_OK;
}

static ParseResult opt_no_op(SystemConfig *c, const OptionDef *def,
                             const char *value, Error **errp)
{
    return PARSE_OK;
}

static ParseResult opt_action(SystemConfig *c, const OptionDef *def,
                              const char *value, Error **errp)
{
    if (g_str_equal(def->name, "no-reboot")) {
        json_object_set_new(c->action, "reboot", json_string("shutdown"));
    } else {
        json_object_set_new(c->action, "shutdown", json_string("pause"));
    }
    return PARSE_OK;
}

static ParseResult opt_readconfig(SystemConfig *c, const OptionDef *def,
                                  const char *value, Error **errp)
{
    return options_read_config(c, value, errp);
}

/* -no-KEY is -machine KEY=off. */
static ParseResult opt_machine_key(SystemConfig *c, const OptionDef *def,
                                   const char *value, Error **errp)
{
    json_object_set_new(c->machine, def->name + strlen("no-"),
                        json_string("off"));
    return PARSE_OK;
}

static char *machine_list(void)
{
    return machine_help();
}

/* -- the table ----------------------------------------------------------- */

static const OptionKey machine_keys[] = {
    { "type", "string", "machine type" },
    { "accel", "string", "accelerators to try, separated by ':'" },
    { "kernel-irqchip", "string", "on, off or split" },
    { "memory-backend", "string", "id of the memory backend for main memory" },
    { "usb", "boolean", "USB controller" },
    { "dump-guest-core", "boolean", "guest memory in core dumps" },
    { "mem-merge", "boolean", "let the host merge equal pages" },
    { NULL },
};
static const OptionKey memory_keys[] = {
    { "size", "size", "amount of memory, in MiB without a suffix" },
    { "slots", "number", "slots for more memory" },
    { "maxmem", "size", "most memory there can be" },
    { NULL },
};
static const OptionKey smp_keys[] = {
    { "cpus", "number", "CPUs at start" },
    { "sockets", "number", "sockets" },
    { "dies", "number", "dies in a socket" },
    { "cores", "number", "cores in a die" },
    { "threads", "number", "threads of a core" },
    { "maxcpus", "number", "most CPUs there can be" },
    { NULL },
};
static const OptionKey rtc_keys[] = {
    { "base", "string", "utc, localtime or YYYY-MM-DD[THH:MM:SS]" },
    { "clock", "string", "host, rt or vm" },
    { "driftfix", "string", "none or slew" },
    { NULL },
};
static const OptionKey name_keys[] = {
    { "guest", "string", "name of the guest" },
    { "process", "string", "name of the process" },
    { "debug-threads", "boolean", "name threads after what they do" },
    { NULL },
};
static const OptionKey msg_keys[] = {
    { "timestamp", "boolean", "time before each message" },
    { "guest-name", "boolean", "guest's name before each message" },
    { NULL },
};
static const OptionKey overcommit_keys[] = {
    { "mem-lock", "boolean", "lock memory" },
    { "cpu-pm", "boolean", "let the guest put host CPUs to sleep" },
    { NULL },
};
static const OptionKey sandbox_keys[] = {
    { "enable", "boolean", "system call filter" },
    { "obsolete", "string", "allow or deny obsolete calls" },
    { "elevateprivileges", "string", "allow, deny or children" },
    { "spawn", "string", "allow or deny fork and exec" },
    { "resourcecontrol", "string", "allow or deny affinity and priority" },
    { NULL },
};
static const OptionKey boot_keys[] = {
    { "order", "string", "drives to try" },
    { "once", "string", "drives to try the first time" },
    { "menu", "boolean", "boot menu" },
    { "strict", "boolean", "only devices with bootindex" },
    { "splash-time", "number", "ms that the boot menu waits" },
    { "reboot-timeout", "number",
      "ms until a boot that failed is tried again" },
    { NULL },
};
static const OptionKey drive_keys[] = {
    { "file", "string", "image" },
    { "if", "string", "ide (default), virtio or none" },
    { "index", "number", "place among the drives of that interface" },
    { "bus", "number", "place: bus" },
    { "unit", "number", "place: unit on the bus" },
    { "media", "string", "disk or cdrom" },
    { "id", "string", "name" },
    { "format", "string", "format of the image: raw" },
    { "readonly", "boolean", "the guest cannot write" },
    { "cache", "string",
      "none, writeback, writethrough, directsync or unsafe" },
    { "aio", "string", "threads, native or io_uring" },
    { "discard", "string", "ignore or unmap" },
    { "detect-zeroes", "string", "off, on or unmap" },
    { "serial", "string", "serial number" },
    { "rerror", "string", "ignore, report or stop" },
    { "werror", "string", "ignore, report, stop or enospc" },
    { "locking", "string", "on, off or auto" },
    { NULL },
};
static const OptionKey action_keys[] = {
    { "reboot", "string", "reset or shutdown" },
    { "shutdown", "string", "poweroff or pause" },
    { "panic", "string", "pause, shutdown, exit-failure or none" },
    { "watchdog", "string", "reset, shutdown, poweroff, pause, debug, none" },
    { NULL },
};
static const OptionKey compat_keys[] = {
    { "deprecated-input", "string", "accept, reject or crash" },
    { "deprecated-output", "string", "accept or hide" },
    { "unstable-input", "string", "accept, reject or crash" },
    { "unstable-output", "string", "accept or hide" },
    { NULL },
};

const OptionDef option_table[] = {
    { "Standard options", OPT_SECTION },
    { "h", OPT_CUSTOM, .handle = opt_help, .help = "print this and exit" },
    { "help", OPT_CUSTOM, .handle = opt_help },
    { "version", OPT_CUSTOM, .handle = opt_version,
      .help = "print version and built-in features and exit" },
    { "machine", OPT_KEYVAL, AT(machine), "[type=]NAME[,PROP=VALUE...]",
      "machine to emulate; 'help' lists them", "type", machine_keys,
      .text = machine_list },
    { "M", OPT_KEYVAL, AT(machine), "NAME", "same as -machine", "type",
      machine_keys, .text = machine_list },
    { "accel", OPT_CUSTOM, .params = "[accel=]NAME[:NAME...][,PROP=VALUE...]",
      .help = "what runs the guest's instructions; the first that works",
      .handle = opt_accel },
    { "enable-kvm", OPT_CUSTOM, .help = "same as -accel kvm",
      .handle = opt_enable_kvm },
    { "cpu", OPT_CUSTOM, .params = "MODEL[,+FEATURE][,-FEATURE][,PROP=VALUE]",
      .help = "CPU model; 'help' lists them", .handle = opt_cpu },
    { "smp", OPT_KEYVAL, AT(smp),
      "[cpus=]N[,sockets=N][,dies=N][,cores=N][,threads=N][,maxcpus=N]",
      "CPUs and how they are arranged", "cpus", smp_keys },
    { "m", OPT_KEYVAL, AT(memory), "[size=]MEGS[,slots=N,maxmem=SIZE]",
      "memory, in MiB unless a suffix k, M, G, T says otherwise", "size",
      memory_keys },
    { "mem-path", OPT_STRING, AT(mem_path), "PATH",
      "file or folder (hugetlbfs) that backs main memory" },
    { "mem-prealloc", OPT_FLAG, AT(mem_prealloc),
      .help = "touch all of main memory at start" },
    { "overcommit", OPT_KEYVAL, AT(overcommit),
      "[mem-lock=on|off][,cpu-pm=on|off]", "host resources", NULL,
      overcommit_keys },
    { "name", OPT_KEYVAL, AT(name),
      "[guest=]NAME[,process=NAME][,debug-threads=on|off]", "name of the guest",
      "guest", name_keys },
    { "uuid", OPT_STRING, AT(uuid), "UUID", "identity of the guest" },
    { "rtc", OPT_KEYVAL, AT(rtc),
      "[base=utc|localtime|DATE][,clock=host|rt|vm]", "the guest's clock", NULL,
      rtc_keys },
    { "boot", OPT_KEYVAL, AT(boot), "[order=DRIVES][,strict=on|off]...",
      "boot order, for machines with a BIOS", "order", boot_keys },

    { "Direct boot", OPT_SECTION },
    { "kernel", OPT_STRING, AT(kernel), "FILE",
      "start this multiboot or PVH kernel" },
    { "append", OPT_STRING, AT(append), "TEXT", "its command line" },
    { "initrd", OPT_STRING, AT(initrd), "FILE[,FILE...]",
      "its initial RAM disk or modules" },

    { "Objects and devices", OPT_SECTION },
    { "object", OPT_CUSTOM, .params = "TYPE,id=ID[,PROP=VALUE...] | JSON",
      .help = "create an object: a secret, TLS credentials, memory, ...; "
              "'help' lists types, 'TYPE,help' properties",
      .handle = opt_object },
    { "chardev", OPT_CUSTOM, .params = "BACKEND,id=ID[,OPTION=VALUE...]",
      .help = "create a character device; 'help', 'BACKEND,help'",
      .handle = opt_chardev },
    { "device", OPT_CUSTOM, .params = "DRIVER[,id=ID][,PROP=VALUE...] | JSON",
      .help = "add a device; 'help', 'DRIVER,help'", .handle = opt_device },
    { "global", OPT_LIST, AT(globals), "DRIVER.PROP=VALUE",
      "default of a property for every device of a driver" },
    { "serial", OPT_LIST, AT(serials), "DEV",
      "serial port, may be repeated; DEV as for -monitor" },
    { "parallel", OPT_LIST, AT(parallels), "DEV", "parallel port" },
    { "debugcon", OPT_LIST, AT(debugcons), "DEV", "debug console, port 0xe9" },
    { "nodefaults", OPT_FLAG, AT(nodefaults),
      .help = "no devices but those that are asked for" },
    { "no-user-config", OPT_CUSTOM, .handle = opt_no_op,
      .help = "accepted; there are no configuration files to leave out" },
    { "readconfig", OPT_CUSTOM, .params = "FILE",
      .help = "read options from an ini file", .handle = opt_readconfig },
    { "add-fd", OPT_LIST, AT(fds), "fd=FD,set=SET[,opaque=TEXT]",
      "put an inherited descriptor into a set, opened as /dev/fdset/SET" },

    { "Disks", OPT_SECTION },
    { "drive", OPT_CUSTOM, .params = "[file=FILE][,if=TYPE][,KEY=VALUE...]",
      .help = "disk: an image, and how the guest gets it", .handle = opt_disk,
      .keys = drive_keys },
    { "blockdev", OPT_CUSTOM,
      .params = "[driver=]DRIVER,node-name=NAME[,KEY=VALUE...] | JSON",
      .help = "open an image for a device; 'help', 'DRIVER,help'",
      .handle = opt_disk },
    { "hda", OPT_CUSTOM, .params = "FILE", .handle = opt_disk,
      .help = "first IDE disk; also -hdb, -hdc, -hdd" },
    { "hdb", OPT_CUSTOM, .params = "FILE", .handle = opt_disk },
    { "hdc", OPT_CUSTOM, .params = "FILE", .handle = opt_disk },
    { "hdd", OPT_CUSTOM, .params = "FILE", .handle = opt_disk },
    { "cdrom", OPT_CUSTOM, .params = "FILE", .handle = opt_disk,
      .help = "CD-ROM image, in place of -hdc" },
    { "snapshot", OPT_FLAG, AT(snapshot),
      .help = "write to temporary files in place of the disks of -drive; HMP "
              "'commit' writes them back" },

    { "Monitors", OPT_SECTION },
    { "monitor", OPT_CUSTOM, .params = "DEV",
      .help = "human monitor on DEV: stdio, vc, pty, unix:PATH,server=on, "
              "tcp:HOST:PORT, chardev:ID, none, ...",
      .handle = opt_monitor },
    { "qmp", OPT_CUSTOM, .params = "DEV", .help = "QMP monitor on DEV",
      .handle = opt_monitor },
    { "qmp-pretty", OPT_CUSTOM, .params = "DEV",
      .help = "same, with indented output", .handle = opt_monitor },
    { "mon", OPT_CUSTOM,
      .params = "[chardev=]ID[,mode=readline|control][,pretty=on|off]",
      .help = "monitor on a character device", .keys = mon_keys,
      .handle = opt_mon },

    { "Screen", OPT_SECTION },
    { "display", OPT_CUSTOM, .params = "none", .help = "no screen",
      .handle = opt_display },
    { "nographic", OPT_FLAG, AT(nographic),
      .help = "no screen; serial port and monitor share the terminal" },
    { "vga", OPT_CUSTOM, .params = "TYPE",
      .help = "graphics card: std (default) or none", .handle = opt_vga },
    { "netdev", OPT_CUSTOM, .params = "user|tap,id=ID[,KEY=VALUE...]",
      .help = "network backend", .handle = opt_netdev },
    { "nic", OPT_CUSTOM,
      .params = "user|tap|none[,model=CARD][,mac=ADDRESS][,KEY=VALUE...]",
      .help = "network card with its backend; none: not even the default",
      .handle = opt_nic },
    { "net", OPT_CUSTOM, .params = "none", .help = "same as -nic none",
      .handle = opt_net },

    { "Running", OPT_SECTION },
    { "S", OPT_FLAG, AT(start_stopped),
      .help = "do not start the guest; 'cont' does" },
    { "incoming", OPT_LIST, AT(incoming), "URI|CHANNEL",
      "wait for a guest from tcp:HOST:PORT, unix:PATH, vsock:CID:PORT, fd:N, "
      "exec:COMMAND, file:PATH[,offset=N]; defer: until migrate-incoming; or a "
      "MigrationChannel as JSON, once for each" },
    { "loadvm", OPT_STRING, AT(loadvm), "TAG",
      "begin with a snapshot of the machine in its disk images" },
    { "only-migratable", OPT_FLAG, AT(only_migratable),
      .help = "refuse devices that cannot be migrated" },
    { "dump-vmstate", OPT_STRING, AT(dump_vmstate), "FILE",
      "write what devices send when they migrate as JSON, and end" },
    { "gdb", OPT_STRING, AT(gdb), "DEV",
      "wait for a debugger on DEV, such as tcp:127.0.0.1:1234" },
    { "s", OPT_CUSTOM, .help = "same as -gdb " GDB_DEFAULT_DEVICE,
      .handle = opt_gdb_default },
    { "preconfig", OPT_FLAG, AT(preconfig),
      .help = "stop before the machine is made; x-exit-preconfig goes on" },
    { "no-reboot", OPT_CUSTOM, .help = "end when the guest resets",
      .handle = opt_action },
    { "no-shutdown", OPT_CUSTOM, .help = "pause when the guest powers off",
      .handle = opt_action },
    { "action", OPT_KEYVAL, AT(action), "EVENT=ACTION[,EVENT=ACTION...]",
      "what to do at reboot, shutdown, panic, watchdog", NULL, action_keys },
    { "no-hpet", OPT_CUSTOM, .help = "same as -machine hpet=off",
      .handle = opt_machine_key },
    { "no-acpi", OPT_CUSTOM, .help = "same as -machine acpi=off",
      .handle = opt_machine_key },
    { "pidfile", OPT_STRING, AT(pidfile), "FILE",
      "write the process id, and hold a lock on it" },
    { "daemonize", OPT_FLAG, AT(daemonize),
      .help = "go to the background once everything listens" },
    { "sandbox", OPT_KEYVAL, AT(sandbox),
      "on[,obsolete=deny][,elevateprivileges=deny|children][,spawn=deny]"
      "[,resourcecontrol=deny]",
      "system call filter", "enable", sandbox_keys },
    { "runas", OPT_STRING, AT(runas), "USER", "change to USER before running" },
    { "chroot", OPT_STRING, AT(chroot_dir), "DIR",
      "change root before running" },
    { "compat", OPT_KEYVAL, AT(compat),
      "[deprecated-input=accept|reject|crash][,deprecated-output=accept|hide]",
      "what QMP does about deprecated parts", NULL, compat_keys },
    { "bios", OPT_STRING, AT(bios), "FILE",
      "firmware; default: SeaBIOS, or none with -kernel" },
    { "fw_cfg", OPT_LIST, AT(fw_cfg), "[name=]NAME,file=FILE|string=TEXT",
      "file for the guest's firmware" },
    { "smbios", OPT_LIST, AT(smbios), "file=FILE|type=N,KEY=VALUE...",
      "what the guest is told about its hardware" },
    { "L", OPT_LIST, AT(data_dirs), "DIR", "where firmware is looked for" },

    { "Messages", OPT_SECTION },
    { "msg", OPT_KEYVAL, AT(msg), "[timestamp=on|off][,guest-name=on|off]",
      "what messages begin with", NULL, msg_keys },
    { "D", OPT_STRING, AT(log_file), "FILE", "log file instead of stderr" },
    { "d", OPT_CUSTOM, .params = "ITEM[,ITEM...]",
      .help = "what to log; 'help' lists it", .handle = opt_log_items },
    { "trace", OPT_CUSTOM, .params = "[[enable=]PATTERN][,file=FILE]",
      .help = "trace points to log; 'help' lists them", .handle = opt_trace },
    { NULL },
};
