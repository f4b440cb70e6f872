/*
 * The old spellings of -serial, -parallel, -monitor, -qmp and -debugcon:
 * "tcp:host:port,server", "unix:/path", "stdio", "/dev/ttyS0" ...
 *
 * One table of prefixes; an entry turns the rest of the text into the
 * key=value form, which is then parsed like -chardev's.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "util/error-report.h"
#include "util/error.h"

#include "char-internal.h"

/* Appends ",key=value" with commas doubled. */
static void add_option(GString *out, const char *key, const char *value)
{
    g_string_append_printf(out, ",%s=", key);
    for (; *value; value++) {
        if (*value == ',') {
            g_string_append_c(out, ',');
        }
        g_string_append_c(out, *value);
    }
}

/* The part up to the next comma; *@rest is what follows, with the comma. */
static char *cut_first(const char *text, const char **rest)
{
    *rest = strchr(text, ',');
    if (!*rest) {
        *rest = text + strlen(text);
    }
    return g_strndup(text, *rest - text);
}

/* "host:port", "[v6]:port", ":port", "port" only where @port_only. */
static bool split_host_port(const char *text, char **host, char **port)
{
    const char *colon;

    if (*text == '[') {
        const char *end = strchr(text, ']');

        if (!end || end[1] != ':') {
            return false;
        }
        *host = g_strndup(text + 1, end - text - 1);
        *port = g_strdup(end + 2);
    } else {
        colon = strrchr(text, ':');
        if (!colon) {
            return false;
        }
        *host = g_strndup(text, colon - text);
        *port = g_strdup(colon + 1);
    }
    return **port != '\0';
}

typedef struct LegacyForm LegacyForm;
typedef bool LegacyFunc(const LegacyForm *form, const char *text, GString *out,
                        Error **errp);

struct LegacyForm {
    const char *prefix; /* ends in ':' or is the whole word */
    const char *kind;
    const char *extra; /* options that the prefix means */
    LegacyFunc *func;
};

static bool legacy_inet(const LegacyForm *form, const char *text, GString *out,
                        Error **errp)
{
    const char *rest;
    g_autofree char *addr = cut_first(text, &rest);
    g_autofree char *host = NULL, *port = NULL;

    if (!split_host_port(addr, &host, &port)) {
        error_setg(errp, "'%s' is not of the form HOST:PORT", addr);
        return false;
    }
    add_option(out, "host", host);
    add_option(out, "port", port);
    g_string_append(out, rest);
    return true;
}

static bool legacy_unix(const LegacyForm *form, const char *text, GString *out,
                        Error **errp)
{
    const char *rest;
    g_autofree char *path = cut_first(text, &rest);

    add_option(out, "path", path);
    g_string_append(out, rest);
    return true;
}

/* udp:[HOST]:PORT[@[HOST]:PORT] */
static bool legacy_udp(const LegacyForm *form, const char *text, GString *out,
                       Error **errp)
{
    g_auto(GStrv) ends = g_strsplit(text, "@", 2);
    static const char *const keys[2][2] = { { "host", "port" },
                                            { "localaddr", "localport" } };

    for (int i = 0; i < 2 && ends[i]; i++) {
        g_autofree char *host = NULL, *port = NULL;

        if (!split_host_port(ends[i], &host, &port)) {
            error_setg(errp, "'%s' is not of the form HOST:PORT", ends[i]);
            return false;
        }
        if (*host) {
            add_option(out, keys[i][0], host);
        }
        add_option(out, keys[i][1], port);
    }
    return true;
}

static bool legacy_path(const LegacyForm *form, const char *text, GString *out,
                        Error **errp)
{
    if (!*text) {
        error_setg(errp, "'%s' needs a path", form->prefix);
        return false;
    }
    add_option(out, "path", text);
    return true;
}

/* "/dev/..." names a device as a whole. */
static bool legacy_device(const LegacyForm *form, const char *text,
                          GString *out, Error **errp)
{
    g_autofree char *path = g_strconcat(form->prefix, text, NULL);

    add_option(out, "path", path);
    return true;
}

/* vc, vc:WIDTHxHEIGHT in pixels, vc:COLSCxROWSC in characters. */
static bool legacy_vc(const LegacyForm *form, const char *text, GString *out,
                      Error **errp)
{
    unsigned w, h;
    int used = 0;

    if (!*text) {
        return true;
    }
    if (sscanf(text, "%7uCx%7uC%n", &w, &h, &used) == 2 && !text[used] &&
        used) {
        g_string_append_printf(out, ",cols=%u,rows=%u", w, h);
    } else if (sscanf(text, "%7ux%7u%n", &w, &h, &used) == 2 && !text[used]) {
        g_string_append_printf(out, ",width=%u,height=%u", w, h);
    } else {
        error_setg(errp, "'%s' is not a size such as 640x480 or 80Cx24C", text);
        return false;
    }
    return true;
}

static bool legacy_refused(const LegacyForm *form, const char *text,
                           GString *out, Error **errp)
{
    error_setg(errp, "%s", form->extra);
    return false;
}

/* Longer prefixes before shorter ones that begin them. */
static const LegacyForm forms[] = {
    { "null", "null" },
    { "stdio", "stdio" },
    { "pty:", "pty", NULL, legacy_path },
    { "pty", "pty" },
    { "testdev", "testdev" },
    { "vc:", "vc", NULL, legacy_vc },
    { "vc", "vc" },
    { "none", NULL, "'none' means that there is no chardev", legacy_refused },
    { "con:", NULL, "'con:' exists on Windows only", legacy_refused },
    { "braille", NULL, "'braille' is not supported", legacy_refused },
    { "pipe:", "pipe", NULL, legacy_path },
    { "file:", "file", NULL, legacy_path },
    { "tcp:", "socket", NULL, legacy_inet },
    { "telnet:", "socket", ",telnet=on", legacy_inet },
    { "tn3270:", "socket", ",tn3270=on", legacy_inet },
    { "websocket:", "socket", ",websocket=on", legacy_inet },
    { "unix:", "socket", NULL, legacy_unix },
    { "udp:", "udp", NULL, legacy_udp },
    { "/dev/parport", "parallel", NULL, legacy_device },
    { "/dev/ppi", "parallel", NULL, legacy_device },
    { "/dev/", "serial", NULL, legacy_device },
};

static const LegacyForm *find_form(const char *filename, const char **text)
{
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        const LegacyForm *f = &forms[i];
        bool whole = !f->func || !strpbrk(f->prefix, ":/");

        if (whole ? g_str_equal(filename, f->prefix)
                  : g_str_has_prefix(filename, f->prefix)) {
            *text = filename + strlen(f->prefix);
            return f;
        }
    }
    return NULL;
}

static json_t *parse_form(const char *filename, const char *more, Error **errp)
{
    g_autoptr(GString) out = NULL;
    g_autofree char *id = NULL;
    const char *text;
    const LegacyForm *f = find_form(filename, &text);
    bool help;

    if (!f) {
        error_setg(errp, "'%s' is not a character device", filename);
        return NULL;
    }
    out = g_string_new(f->kind);
    if (f->func && !f->func(f, text, out, errp)) {
        return NULL;
    }
    g_string_append_printf(out, "%s%s,id=legacy", f->extra ? f->extra : "",
                           more);
    return qemu_chr_parse_cli(out->str, &id, &help, errp);
}

json_t *qemu_chr_parse_legacy(const char *filename, Error **errp)
{
    return parse_form(filename, "", errp);
}

static Chardev *chr_new_mon(const char *label, const char *filename,
                            GMainContext *context, Error **errp)
{
    /* The guest gets Ctrl-C; the mux's escape ends the program. */
    const char *more =
        g_str_equal(filename, "stdio") ? ",mux=on,signal=off" : ",mux=on";
    g_autoptr(json_t) backend = parse_form(filename, more, errp);
    Chardev *chr;

    if (!backend) {
        return NULL;
    }
    chr = qemu_chr_new_from_parsed(label, backend, context, errp);
    if (chr) {
        chr->wants_monitor = true;
    }
    return chr;
}

Chardev *qemu_chr_new_legacy(const char *label, const char *filename,
                             bool permit_mux_mon, GMainContext *context,
                             Error **errp)
{
    g_autoptr(json_t) backend = NULL;
    const char *rest = strchr(filename, ':');
    Chardev *chr;

    if (g_str_has_prefix(filename, "chardev:")) {
        chr = qemu_chr_find(rest + 1);
        if (!chr) {
            error_setg(errp, "there is no chardev '%s'", rest + 1);
        }
        return chr;
    }
    if (g_str_has_prefix(filename, "mon:")) {
        if (!permit_mux_mon) {
            error_setg(errp, "'mon:' is not possible here");
            return NULL;
        }
        return chr_new_mon(label, rest + 1, context, errp);
    }
    backend = qemu_chr_parse_legacy(filename, errp);
    return backend ? qemu_chr_new_from_parsed(label, backend, context, errp)
                   : NULL;
}

Chardev *qemu_chr_new_noreplay(const char *label, const char *filename,
                               bool permit_mux_mon, GMainContext *context)
{
    Error *err = NULL;
    Chardev *chr =
        qemu_chr_new_legacy(label, filename, permit_mux_mon, context, &err);

    if (!chr) {
        error_report_err(err);
    }
    return chr;
}

Chardev *qemu_chr_new(const char *label, const char *filename,
                      GMainContext *context)
{
    return qemu_chr_new_noreplay(label, filename, false, context);
}

Chardev *qemu_chr_new_mux_mon(const char *label, const char *filename,
                              GMainContext *context)
{
    return qemu_chr_new_noreplay(label, filename, true, context);
}

bool qemu_chr_wants_monitor(Chardev *chr)
{
    bool wants = chr->wants_monitor;

    chr->wants_monitor = false;
    return wants;
}
