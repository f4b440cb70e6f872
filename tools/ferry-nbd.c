/*
 * ferry-nbd: an image, for clients of the NBD protocol.
 *
 *   ferry-nbd [OPTION]... FILE        serve it
 *   ferry-nbd -L [OPTION]...          what does a server have?
 *   ferry-nbd -d /dev/nbdN            detach a device of the kernel
 *
 * The options are those that scripts know from qemu-nbd. This file reads them
 * and forks; nbd-serve.c, nbd-list.c and nbd-device.c do the work.
 *
 * --fork must happen before there are threads, hence before tool_init(): the
 * parent waits for one byte, sent when clients can connect, and for the end of
 * the pipe if that never comes.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "nbd/server.h"
#include "qom/object.h"
#include "util/cutils.h"
#include "util/error-report.h"

#include "nbd.h"

/* The first descriptor that socket activation passes. */
#define ACTIVATION_FD 3

#define ROW(letter, name, kind, field, arg, help)                              \
    {                                                                          \
        letter, name, kind, offsetof(NbdArgs, field), arg, help, 0, 0          \
    }
static const ToolOption options[] = {
    ROW('p', "port", TOOL_STRING, port, "PORT", "listen on (default: 10809)"),
    ROW('b', "bind", TOOL_STRING, bind, "IFACE",
        "address to listen on (default: 0.0.0.0); with -L, host to ask"),
    ROW('k', "socket", TOOL_STRING, socket, "PATH",
        "a UNIX socket instead of a port"),
    ROW('e', "shared", TOOL_NUMBER, shared, "NUM",
        "clients at a time; 0 is any number (default: 1)"),
    ROW('t', "persistent", TOOL_FLAG, persistent, NULL,
        "do not end with the last client"),
    ROW('v', "verbose", TOOL_FLAG, verbose, NULL,
        "say what happens, and why a client was refused"),
    ROW('x', "export-name", TOOL_STRING, export_name, "NAME",
        "name of the export (default: empty)"),
    ROW('D', "description", TOOL_STRING, description, "TEXT",
        "of the export, for people"),
    ROW('o', "offset", TOOL_SIZE, offset, "BYTES", "leave out the beginning"),
    ROW('A', "allocation-depth", TOOL_FLAG, allocation_depth, NULL,
        "offer the metadata context qemu:allocation-depth"),
    ROW('B', "bitmap", TOOL_LIST, bitmaps, "NAME",
        "offer a dirty bitmap as a metadata context; may be repeated"),
    ROW('L', "list", TOOL_FLAG, list, NULL, "show what another server exports"),
    ROW(0, "object", TOOL_LIST, objects, "OBJECT",
        "make an object first: tls-creds-x509,id=..."),
    ROW(0, "tls-creds", TOOL_STRING, tls_creds, "ID",
        "credentials: clients must use TLS"),
    ROW(0, "tls-authz", TOOL_STRING, tls_authz, "ID",
        "authorization object that decides about clients"),
    ROW(0, "tls-hostname", TOOL_STRING, tls_hostname, "NAME",
        "with -L: name in the server's certificate"),
    ROW('T', "trace", TOOL_LIST, trace, "PATTERN",
        "trace what the program does"),
    ROW(0, "fork", TOOL_FLAG, fork, NULL,
        "go to the background when clients can connect"),
    ROW(0, "pid-file", TOOL_STRING, pid_file, "PATH",
        "write the process id here when clients can connect"),
    ROW(0, "selinux-label", TOOL_STRING, selinux_label, "LABEL",
        "that SELinux gives the socket"),
    ROW(0, "handshake-limit", TOOL_NUMBER, handshake_limit, "SECONDS",
        "for a client to choose an export; 0 is no limit (default: 10)"),
    ROW(0, "threads", TOOL_NUMBER, threads, "NUM",
        "that serve clients; 0 is by the number of CPUs (default: 0)"),
    ROW('c', "connect", TOOL_STRING, connect, "DEV",
        "attach to the kernel's device /dev/nbdN, in the background but for -v"),
    ROW('d', "disconnect", TOOL_FLAG, disconnect, NULL,
        "detach the device that is named"),
    ROW('f', "format", TOOL_STRING, format, "FORMAT",
        "of the image (default: look at it)"),
    ROW('r', "read-only", TOOL_FLAG, read_only, NULL, "clients cannot write"),
    ROW('s', "snapshot", TOOL_FLAG, snapshot, NULL,
        "what is written goes to a file that ends with the program"),
    ROW('l', "load-snapshot", TOOL_STRING, load_snapshot, "SNAPSHOT",
        "serve an internal snapshot: its name, id, or snapshot.name=..."),
    ROW('n', "nocache", TOOL_FLAG, nocache, NULL, "the same as --cache=none"),
    ROW(0, "cache", TOOL_STRING, cache, "MODE",
        "none, writeback, writethrough, directsync, unsafe"),
    ROW(0, "aio", TOOL_STRING, aio, "MODE", "threads, native, io_uring"),
    ROW(0, "discard", TOOL_STRING, discard, "MODE",
        "ignore, unmap (default: unmap)"),
    ROW(0, "detect-zeroes", TOOL_STRING, detect_zeroes, "MODE",
        "off, on, unmap"),
    ROW(0, "image-opts", TOOL_FLAG, image_opts, NULL,
        "FILE is options: driver=qcow2,file.filename=..."),
    ROW('V', "version", TOOL_FLAG, version, NULL, "show the version and end"),
    {},
};

static void print_help(void)
{
    g_autofree char *text = tool_options_help(options);

    printf("Usage: ferry-nbd [OPTION]... FILE\n"
           "       ferry-nbd -L [OPTION]...\n"
           "       ferry-nbd -d DEV\n\n"
           "Serve a disk image to clients of the NBD protocol.\n\n"
           "Options:\n%s  %-26s%s\n\n"
           "A socket may come from the service manager (LISTEN_FDS=1) instead "
           "of -p, -b or -k.\n",
           text, "-h, --help", "show this and end");
}

/* -- what goes with what ------------------------------------------------------------- */

/* The rules that need no more than the command line. */
static const char *conflict(const NbdArgs *a)
{
    if (a->socket && (a->port || a->bind)) {
        return "-k cannot be used with -p or -b";
    }
    if (a->connect && (a->socket || a->port || a->bind)) {
        return "-c attaches to the kernel: -k, -p and -b have no meaning";
    }
    if (a->tls_creds && a->connect) {
        return "TLS is not supported with a host device (-c)";
    }
    if ((a->tls_authz || a->tls_hostname) && !a->tls_creds) {
        return "--tls-authz and --tls-hostname need --tls-creds";
    }
    if (a->tls_authz && a->list) {
        return "TLS authorization is incompatible with export list";
    }
    if (a->tls_hostname && !a->list) {
        return "TLS hostname is only supported with export list";
    }
    if (a->nocache && a->cache) {
        return "-n and --cache can only be specified once";
    }
    if (a->snapshot && a->load_snapshot) {
        return "-s and -l cannot be used together";
    }
    if (a->list && (a->connect || a->disconnect)) {
        return "-L cannot be used with -c or -d";
    }
    return NULL;
}

static const char *positional_conflict(const NbdArgs *a, guint n)
{
    if (a->list && n > 0) {
        return "List mode is incompatible with a file name";
    }
    if (!a->list && n == 0) {
        return a->disconnect ? "-d needs the name of a device"
                             : "Expecting an image file name";
    }
    return n > 1 ? "Unexpected argument" : NULL;
}

static bool parse(int argc, char **argv, NbdArgs *a, GPtrArray *positional,
                  bool *ret_help)
{
    const char *why;
    Error *err = NULL;

    if (!tool_options_parse(options, argc, argv, a, positional, ret_help,
                            &err)) {
        error_report_err(err);
        error_printf("Try 'ferry-nbd --help' for more information\n");
        return false;
    }
    if (*ret_help || a->version) {
        return true;
    }
    why = conflict(a);
    if (!why) {
        why = positional_conflict(a, positional->len);
    }
    if (why) {
        error_report("%s", why);
        error_printf("Try 'ferry-nbd --help' for more information\n");
        return false;
    }
    a->filename = positional->len ? g_ptr_array_index(positional, 0) : NULL;
    return true;
}

/* -- socket activation ------------------------------------------------------------------ */

/* Returns: false if what is there cannot be used; a message was printed. */
static bool take_activation(NbdArgs *a)
{
    const char *pid = g_getenv("LISTEN_PID"), *fds = g_getenv("LISTEN_FDS");
    int n = 0, p = 0;
    bool ours = pid && fds && qemu_strtoi(pid, NULL, 10, &p) == 0 &&
                qemu_strtoi(fds, NULL, 10, &n) == 0 && p == getpid() && n > 0;

    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    if (!ours) {
        return true;
    }
    if (n != 1) {
        error_report("socket activation passed %d sockets, but one is needed",
                     n);
        return false;
    }
    if (a->port || a->bind || a->socket || a->connect || a->list ||
        a->disconnect) {
        error_report("socket activation cannot be used with -p, -b, -k, -c, -d "
                     "or -L");
        return false;
    }
    a->activated_fd = ACTIVATION_FD;
    fcntl(ACTIVATION_FD, F_SETFD, FD_CLOEXEC);
    return true;
}

/* -- --fork ------------------------------------------------------------------------------ */

/* Returns: exit status of the parent; -1 in the child, and on failure after a
 * message with *@ok false. */
static int go_to_background(NbdArgs *a, bool *ok)
{
    int fds[2];
    char ready = 1;
    ssize_t n;
    pid_t pid;

    *ok = pipe2(fds, O_CLOEXEC) == 0;
    if (!*ok || (pid = fork()) < 0) {
        error_report("cannot go to the background: %s", g_strerror(errno));
        *ok = false;
        return -1;
    }
    if (pid == 0) {
        fd_close(fds[0]);
        setsid();
        a->ready_fd = fds[1];
        return -1;
    }
    fd_close(fds[1]);
    do {
        n = read(fds[0], &ready, 1);
    } while (n < 0 && errno == EINTR);
    fd_close(fds[0]);
    return n == 1 && ready == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* -- shared by the parts ------------------------------------------------------------------- */

QCryptoTLSCreds *nbd_find_creds(const NbdArgs *a,
                                QCryptoTLSCredsEndpoint endpoint, Error **errp)
{
    Object *obj =
        object_resolve_path_component(object_get_objects_root(), a->tls_creds);
    QCryptoTLSCreds *creds;

    if (!obj) {
        error_setg(errp, "No TLS credentials with id '%s'", a->tls_creds);
        return NULL;
    }
    creds = (QCryptoTLSCreds *)object_dynamic_cast(obj, TYPE_QCRYPTO_TLS_CREDS);
    if (!creds) {
        error_setg(errp, "Object with id '%s' is not TLS credentials",
                   a->tls_creds);
        return NULL;
    }
    return qcrypto_tls_creds_check_endpoint(creds, endpoint, errp) ? creds
                                                                   : NULL;
}

SocketAddress *nbd_address(const NbdArgs *a, const char *default_host)
{
    SocketAddress *addr = g_new0(SocketAddress, 1);

    if (a->socket) {
        addr->type = SOCKET_ADDRESS_TYPE_UNIX;
        addr->u.q_unix.path = g_strdup(a->socket);
    } else {
        addr->type = SOCKET_ADDRESS_TYPE_INET;
        addr->u.inet.host = g_strdup(a->bind ?: default_host);
        addr->u.inet.port = a->port ? g_strdup(a->port)
                                    : g_strdup_printf("%d", NBD_DEFAULT_PORT);
    }
    return addr;
}

/* -- main -------------------------------------------------------------------------------------- */

static int run(NbdArgs *a)
{
    Error *err = NULL;
    int status = EXIT_FAILURE;
    Tool tool;

    if (!tool_init(&tool, "ferry-nbd")) {
        return EXIT_FAILURE;
    }
    for (guint i = 0; a->trace && i < a->trace->len; i++) {
        tool_trace(g_ptr_array_index(a->trace, i));
    }
    if (!tool_add_objects(a->objects, &err)) {
        error_report_err(err);
    } else if (a->list) {
        status = nbd_list(&tool, a);
    } else if (!a->disconnect) {
        status = nbd_serve(&tool, a);
    } else if (nbd_device_disconnect(a->filename, &err)) {
        status = EXIT_SUCCESS;
    } else {
        error_report_err(err);
    }
    tool_cleanup(&tool);
    return status;
}

static int fork_and_run(NbdArgs *a)
{
    /* A device of the kernel stays until -d. */
    bool background = a->fork || (a->connect && !a->verbose);

    if (!take_activation(a)) {
        return EXIT_FAILURE;
    }
    if (background && !a->list && !a->disconnect) {
        bool ok;
        int status = go_to_background(a, &ok);

        if (status >= 0 || !ok) {
            return ok ? status : EXIT_FAILURE;
        }
    }
    return run(a);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) positional = g_ptr_array_new();
    NbdArgs a = { .shared.value = 1,
                  .handshake_limit.value = NBD_HANDSHAKE_MS_DEFAULT / 1000,
                  .activated_fd = -1,
                  .ready_fd = -1 };
    bool help = false;
    int status = EXIT_SUCCESS;

    g_set_prgname("ferry-nbd");
    if (!parse(argc - 1, argv + 1, &a, positional, &help)) {
        status = EXIT_FAILURE;
    } else if (help) {
        print_help();
    } else if (a.version) {
        printf("ferry-nbd version %s\n", FERRY_VERSION);
    } else {
        status = fork_and_run(&a);
    }
    tool_options_free(options, &a);
    return status;
}
