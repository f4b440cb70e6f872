/*
 * Character devices: where the bytes of a serial port, a monitor or any other
 * byte stream of the guest go to and come from.
 *
 * A Chardev is the back end (a socket, a terminal, a file ...). A CharBackend
 * (chardev/char-fe.h) is the front end's handle on it. A back end is a QOM
 * class "chardev-<kind>" whose property table is its option table: -chardev
 * key=value, JSON, QMP chardev-add, help, schema and documentation all come
 * from it.
 *
 * Threads: a chardev does its input, its events and its own housekeeping on
 * one GMainContext, switched by the front end (qemu_chr_fe_set_handlers()).
 * Writing is allowed from any thread and never blocks. A front end's
 * callbacks run without any lock of the chardev held.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef CHARDEV_CHAR_H
#define CHARDEV_CHAR_H

#include <glib.h>
#include <jansson.h>

#include "qom/object.h"
#include "util/bitmap.h"
#include "util/thread.h"

typedef struct CharBackend CharBackend;
typedef struct QapiOpenUnion QapiOpenUnion;

/* What a back end tells its front end. */
typedef enum QEMUChrEvent {
    CHR_EVENT_BREAK,   /* serial break received */
    CHR_EVENT_OPENED,  /* a peer is there: a new connection */
    CHR_EVENT_MUX_IN,  /* this front end of a mux got the focus */
    CHR_EVENT_MUX_OUT, /* ... lost it */
    CHR_EVENT_CLOSED,  /* the peer is gone */
} QEMUChrEvent;

/* Asked now and then while start-up waits for a client. Returns: whether to
 * give up. */
typedef bool ChardevInterrupted(void *opaque);

/* Most bytes a back end reads at once. */
#define CHR_READ_BUF_LEN 4096

/*
 * Limit: bytes that qemu_chr_fe_write_all() keeps for a peer that does not
 * read. What does not fit is not taken (see there).
 */
#define CHR_WRITE_QUEUE_MAX (1024 * 1024)

/* Limit: length of an id, so that it fits in messages and file names. */
#define CHR_ID_MAX 255

typedef enum ChardevFeature {
    QEMU_CHAR_FEATURE_RECONNECTABLE, /* connects again by itself */
    QEMU_CHAR_FEATURE_FD_PASS,       /* descriptors travel with the bytes */
    QEMU_CHAR_FEATURE_REPLAY,        /* never set: no record/replay */
    QEMU_CHAR_FEATURE_GCONTEXT,      /* can be moved to another GMainContext */
    QEMU_CHAR_FEATURE_LAST,
} ChardevFeature;

#define TYPE_CHARDEV "chardev"
OBJECT_DECLARE_TYPE(Chardev, ChardevClass, CHARDEV)

typedef struct ChardevQueue ChardevQueue; /* chardev/char-queue-internal.h */

/*
 * The base of every back end. Fields are for back ends; front ends use the
 * functions. Lock order: fe_lock before chr_write_lock; neither is held while
 * a front end's callback runs.
 */
struct Chardev {
    Object parent_obj;

    /* Guards @be's callback table (chardev/char-fe.h) against change. */
    QemuMutex fe_lock;
    CharBackend *be; /* front end in use, or NULL */

    /* Guards output: chr_write(), @queue, @logfd, @filename. */
    QemuMutex chr_write_lock;
    ChardevQueue *queue;
    int logfd;
    char *filename; /* for query-chardev; owned */

    char *label;            /* the id; constant after creation */
    int be_open;            /* atomic: between OPENED and CLOSED */
    GMainContext *gcontext; /* owned reference or NULL for the main context */
    GSource *gsource;       /* input watch of simple back ends */
    unsigned long features[BITS_TO_LONGS(QEMU_CHAR_FEATURE_LAST)];
    bool opened;                 /* open() succeeded */
    bool handover_yank_instance; /* chardev-change: the new one has the name */
    bool wants_monitor;          /* from "mon:", no monitor attached yet */

    /* For qemu_chr_wait_connected_all(). */
    bool wait_at_start;
    ChardevInterrupted *wait_interrupted;
    void *wait_opaque;

    /* Options every back end has. */
    char *logfile;
    bool logappend;
};

/*
 * Where the command line differs from QMP: a name there and the QMP member
 * it stands for. Names that are equal on both sides need no entry.
 */
typedef struct ChardevCliOption {
    const char *name;   /* as in -chardev, NULL ends the table */
    const char *member; /* QMP path such as "addr.data.host" */
    const char *select; /* "addr.type=inet": set together with it, or NULL */
    bool is_bool;       /* may be given as a bare word */
    bool negate;        /* a bool that means the opposite of @member */
    const char *help;
} ChardevCliOption;

struct ChardevClass {
    ObjectClass parent_class;

    /* Constants of the class. */
    bool internal; /* not creatable by a user, not listed */
    bool supports_yank;
    const char *help; /* one line */
    const ChardevCliOption *cli_options;

    /**
     * cli_complete: after the command line's options were renamed to QMP
     * members in @data, fill in the defaults that only the command line has.
     * Default: nothing.
     */
    bool (*cli_complete)(json_t *data, Error **errp);

    /**
     * open: mandatory. The properties are set; check them together and start.
     * @be_opened: (inout) true on entry; set to false when the peer is not
     * there yet and the back end itself will send CHR_EVENT_OPENED.
     * Must not block (a server's wait=on is chr_wait_connected's).
     */
    bool (*open)(Chardev *chr, bool *be_opened, Error **errp);

    /**
     * chr_write: mandatory. Takes some of @len bytes at once, never blocks.
     * Called with chr_write_lock held, from any thread.
     * Returns: bytes taken (> 0; @len when there is no peer to take them),
     * or -1 with errno = EAGAIN (peer is slow) or another error.
     */
    int (*chr_write)(Chardev *chr, const uint8_t *buf, int len);

    /** chr_sync_read: for qemu_chr_fe_read_all(). Default: ENOTSUP. */
    int (*chr_sync_read)(Chardev *chr, uint8_t *buf, int len);

    /**
     * chr_add_watch: a source, not attached, that fires when chr_write()
     * would take bytes again (G_IO_OUT) or the peer is gone (G_IO_HUP).
     * Default: none, such a back end never returns EAGAIN.
     */
    GSource *(*chr_add_watch)(Chardev *chr, GIOCondition cond);

    /** chr_update_read_handler: gcontext or the front end changed: move the
     * sources to chr->gcontext. Runs in the thread that asked. */
    void (*chr_update_read_handler)(Chardev *chr);

    int (*chr_ioctl)(Chardev *chr, int cmd, void *arg);    /* default ENOTSUP */
    int (*get_msgfds)(Chardev *chr, int *fds, int num);    /* default -1 */
    int (*set_msgfds)(Chardev *chr, int *fds, int num);    /* default -1 */
    int (*chr_add_client)(Chardev *chr, int fd);           /* default -1 */
    int (*chr_wait_connected)(Chardev *chr, Error **errp); /* default 0 */
    void (*chr_disconnect)(Chardev *chr);
    void (*chr_accept_input)(Chardev *chr);
    void (*chr_set_echo)(Chardev *chr, bool echo);
    void (*chr_set_fe_open)(Chardev *chr, int fe_open);
    /** chr_be_event: the event before the front end sees it. Default: hand
     * it to the front end. */
    void (*chr_be_event)(Chardev *chr, QEMUChrEvent event);
};

/* -- creation -------------------------------------------------------------- */

/**
 * qemu_chardev_new:
 * @id: name, or NULL for a private one; well formed, not in use
 * @type_name: QOM class, e.g. "chardev-socket"
 * @data: (in) JSON object of QMP members with QMP's types, or NULL; borrowed
 * @context: (in) where it runs at first; NULL = main context; referenced
 * @errp: (out)
 *
 * Create, set the properties, open. With an @id it is a child of /chardevs,
 * which owns the reference; else the caller owns it.
 *
 * Returns: the chardev, or NULL with @errp set.
 */
Chardev *qemu_chardev_new(const char *id, const char *type_name, json_t *data,
                          GMainContext *context, Error **errp);

/**
 * qemu_chr_new_from_json:
 * @id: name
 * @backend: (in) {"type": KIND, "data": {...}} as in chardev-add; borrowed
 * @context: (in) or NULL
 * @errp: (out)
 *
 * Returns: the chardev (owned by /chardevs), or NULL with @errp set.
 */
Chardev *qemu_chr_new_from_json(const char *id, json_t *backend,
                                GMainContext *context, Error **errp);

/**
 * qemu_chr_parse_cli:
 * @optarg: value of -chardev: "KIND,id=ID,key=value..." or JSON: chardev-add's
 *      arguments, or an object of the same flat keys
 * @ret_id: (out) id, to be freed; NULL when @help was set
 * @help: (out) whether help was asked for ("help", "KIND,help"); then the
 *      return is true without a result and qemu_chr_help() shows it
 * @errp: (out)
 *
 * Returns: {"type": KIND, "data": {...}, "keyval": bool, "mux": bool} to be
 *      unreferenced ("keyval": the leaves of data are text); NULL with @errp
 *      set, or with *@help true.
 */
json_t *qemu_chr_parse_cli(const char *optarg, char **ret_id, bool *help,
                           Error **errp);

/**
 * qemu_chr_new_from_cli:
 * @optarg: value of -chardev
 * @context: (in) or NULL
 * @errp: (out)
 *
 * Handles mux=on (the mux gets the id, its back end ID-base). Does not wait
 * for a client: call qemu_chr_wait_connected_all() before the machine starts.
 *
 * Returns: the chardev; NULL with @errp set, or NULL without when @optarg
 *      asks for help (see qemu_chr_help_for()).
 */
Chardev *qemu_chr_new_from_cli(const char *optarg, GMainContext *context,
                               Error **errp);

/**
 * qemu_chr_new_from_parsed:
 * @id: name
 * @backend: (in) from qemu_chr_parse_cli(); borrowed
 *
 * The second half of qemu_chr_new_from_cli().
 */
Chardev *qemu_chr_new_from_parsed(const char *id, json_t *backend,
                                  GMainContext *context, Error **errp);

/* Called once a kind; @cc is its class. */
typedef void ChardevKindFunc(const char *kind, ChardevClass *cc, void *opaque);

/** qemu_chr_foreach_kind: all kinds a user may create, by name. */
void qemu_chr_foreach_kind(ChardevKindFunc *func, void *opaque);

/** chardev_fill_open_union: the branches of ChardevBackend, for
 * qapi_introspect(); the tag of the union is "chardev". */
void chardev_fill_open_union(QapiOpenUnion *u);

/**
 * qemu_chr_help:
 * @kind: "socket", or NULL for the list of kinds
 * @errp: (out)
 *
 * Returns: text for a person, to be freed; NULL with @errp set for an unknown
 *      kind.
 */
char *qemu_chr_help(const char *kind, Error **errp);

/** qemu_chr_help_for: the text that @optarg ("help", "KIND,help") asks for,
 * to be freed; NULL if it asks for none. */
char *qemu_chr_help_for(const char *optarg);

/**
 * qemu_chr_new:
 * @label: id of the new chardev
 * @filename: legacy spelling as of -serial ("stdio", "tcp:host:port,server",
 *      "mon:stdio", "chardev:ID" ...)
 * @context: (in) or NULL
 *
 * Reports the error itself, as -serial and its like do.
 *
 * Returns: the chardev (an existing one for chardev:ID), or NULL.
 */
Chardev *qemu_chr_new(const char *label, const char *filename,
                      GMainContext *context);

/** qemu_chr_new_mux_mon: as qemu_chr_new(); "mon:" is allowed: the result is
 * a mux, and qemu_chr_wants_monitor() is true for it. */
Chardev *qemu_chr_new_mux_mon(const char *label, const char *filename,
                              GMainContext *context);

/** qemu_chr_new_noreplay: as qemu_chr_new(), with @permit_mux_mon chosen. */
Chardev *qemu_chr_new_noreplay(const char *label, const char *filename,
                               bool permit_mux_mon, GMainContext *context);

/**
 * qemu_chr_new_legacy:
 *
 * As qemu_chr_new_noreplay(), with the error handed back instead of reported.
 */
Chardev *qemu_chr_new_legacy(const char *label, const char *filename,
                             bool permit_mux_mon, GMainContext *context,
                             Error **errp);

/**
 * qemu_chr_parse_legacy:
 * @filename: legacy spelling without "mon:" and "chardev:"
 * @errp: (out)
 *
 * Pure translation, nothing is opened.
 *
 * Returns: as qemu_chr_parse_cli(), or NULL with @errp set.
 */
json_t *qemu_chr_parse_legacy(const char *filename, Error **errp);

/**
 * qemu_chr_wants_monitor:
 *
 * Returns: whether @chr came from "mon:..." and has no monitor yet; asking
 *      clears it, the caller then attaches a human monitor to @chr.
 */
bool qemu_chr_wants_monitor(Chardev *chr);

/**
 * qemu_chr_change_json / qemu_chr_change_cli:
 * @id: chardev to change
 * @backend: (in) new back end, as in chardev-change; borrowed
 * @errp: (out)
 *
 * Replace the back end under a running front end; the front end must have
 * agreed by a change handler. On failure the old one stays.
 *
 * Returns: the new chardev, or NULL with @errp set.
 */
Chardev *qemu_chr_change_json(const char *id, json_t *backend, Error **errp);
Chardev *qemu_chr_change_cli(const char *id, const char *optarg, Error **errp);

/**
 * qemu_chr_remove:
 * @id: chardev to delete
 * @errp: (out)
 *
 * Returns: true, or false with @errp set (not there; in use).
 */
bool qemu_chr_remove(const char *id, Error **errp);

/** qemu_chr_cleanup: delete all of /chardevs; restores the terminal. */
void qemu_chr_cleanup(void);

/** qemu_chr_find: borrowed, or NULL. */
Chardev *qemu_chr_find(const char *name);

/** qemu_chr_foreach: @func for each in /chardevs, order of creation; stops
 * at a nonzero return and returns it. */
int qemu_chr_foreach(int (*func)(Chardev *chr, void *opaque), void *opaque);

/** get_chardevs_root: the container /chardevs; borrowed. */
Object *get_chardevs_root(void);

/** qemu_chr_is_busy: whether a front end (or, for a mux, any) uses it. */
bool qemu_chr_is_busy(Chardev *chr);

/** qemu_chr_get_filename: copy of what query-chardev shows; to be freed.
 * Thread: any. */
char *qemu_chr_get_filename(Chardev *chr);

/* -- waiting at start-up ---------------------------------------------------- */

/**
 * qemu_chr_wait_connected:
 * @chr: any chardev
 * @errp: (out)
 *
 * Block until a peer is there, or no peer is expected. The only call here
 * that blocks; for start-up (wait=on) and vhost-user.
 *
 * Returns: 0, or -1 with @errp set.
 */
int qemu_chr_wait_connected(Chardev *chr, Error **errp);

/**
 * qemu_chr_wait_connected_all:
 * @interrupted: asked several times a second whether to give up, or NULL
 * @opaque: passed to @interrupted
 * @errp: (out)
 *
 * Wait for a client of each server with wait=on, and for the connection of
 * each client socket without reconnect, in the order they were created. The
 * lead of start-up calls it once, after the chardevs were created and before
 * the machine runs. The default main context is served meanwhile.
 *
 * Returns: true, or false with @errp set.
 */
bool qemu_chr_wait_connected_all(ChardevInterrupted *interrupted, void *opaque,
                                 Error **errp);

/* -- features --------------------------------------------------------------- */

bool qemu_chr_has_feature(Chardev *chr, ChardevFeature feature);
void qemu_chr_set_feature(Chardev *chr, ChardevFeature feature);

/* -- back end to front end --------------------------------------------------- */

/** qemu_chr_be_can_write: bytes the front end takes now; 0 = none. */
int qemu_chr_be_can_write(Chardev *s);
/** qemu_chr_be_write: give the front end @len bytes, at most what
 * qemu_chr_be_can_write() said. */
void qemu_chr_be_write(Chardev *s, const uint8_t *buf, int len);
void qemu_chr_be_write_impl(Chardev *s, const uint8_t *buf, int len);
/** qemu_chr_be_update_read_handlers: move to @context (NULL = main). */
void qemu_chr_be_update_read_handlers(Chardev *s, GMainContext *context);
/** qemu_chr_be_event: tell the front end. Runs in the chardev's context. */
void qemu_chr_be_event(Chardev *s, QEMUChrEvent event);
/** qemu_chr_be_event_idle: the same from any thread: delivered soon, in the
 * chardev's context. */
void qemu_chr_be_event_idle(Chardev *s, QEMUChrEvent event);

/** qemu_chr_add_client: hand in a connected socket; 0, or -1. Takes @fd on
 * success. */
int qemu_chr_add_client(Chardev *s, int fd);

/** qemu_chr_timeout_add_ms: timer in the chardev's context; the caller owns
 * one reference of the source (g_source_destroy(), g_source_unref()). */
GSource *qemu_chr_timeout_add_ms(Chardev *chr, guint ms, GSourceFunc func,
                                 void *private_data);

/**
 * qemu_chr_write:
 * @s: chardev
 * @buf: (in) @len bytes
 * @len: bytes
 * @write_all: queue what the peer does not take at once
 *
 * Thread: any. Never blocks.
 * Returns: bytes taken, or -1 with errno; see qemu_chr_fe_write() and
 *      qemu_chr_fe_write_all().
 */
int qemu_chr_write(Chardev *s, const uint8_t *buf, int len, bool write_all);
#define qemu_chr_write_all(s, buf, len) qemu_chr_write(s, buf, len, true)

/* -- the program around ------------------------------------------------------- */

/*
 * What a chardev may ask of the program: mux's Ctrl-a x and Ctrl-a s, and
 * testdev's exit. Each may be NULL.
 */
typedef struct ChardevHostOps {
    void (*quit)(void *opaque);
    void (*exit)(int status, void *opaque);
    void (*commit)(void *opaque); /* write snapshots back */
} ChardevHostOps;

/**
 * chardev_set_host_ops:
 * @ops: (in) static; NULL = none: a quit is then SIGTERM to the process
 * @opaque: passed to each
 *
 * Called once at start-up, before other threads exist.
 */
void chardev_set_host_ops(const ChardevHostOps *ops, void *opaque);

/* -- class names -------------------------------------------------------------- */

#define TYPE_CHARDEV_NULL     "chardev-null"
#define TYPE_CHARDEV_MUX      "chardev-mux"
#define TYPE_CHARDEV_HUB      "chardev-hub"
#define TYPE_CHARDEV_RINGBUF  "chardev-ringbuf"
#define TYPE_CHARDEV_PTY      "chardev-pty"
#define TYPE_CHARDEV_STDIO    "chardev-stdio"
#define TYPE_CHARDEV_PIPE     "chardev-pipe"
#define TYPE_CHARDEV_FILE     "chardev-file"
#define TYPE_CHARDEV_FD       "chardev-fd"
#define TYPE_CHARDEV_SERIAL   "chardev-serial"
#define TYPE_CHARDEV_PARALLEL "chardev-parallel"
#define TYPE_CHARDEV_SOCKET   "chardev-socket"
#define TYPE_CHARDEV_UDP      "chardev-udp"
#define TYPE_CHARDEV_TESTDEV  "chardev-testdev"

#define CHARDEV_IS_MUX(chr) object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_MUX)
#define CHARDEV_IS_HUB(chr) object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_HUB)
#define CHARDEV_IS_RINGBUF(chr)                                                \
    object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_RINGBUF)
#define CHARDEV_IS_PTY(chr) object_dynamic_cast(OBJECT(chr), TYPE_CHARDEV_PTY)

/* A terminal that opens while all its front ends are still being set up would
 * send early events: hold them back (system start-up only). */
void suspend_mux_open(void);
void resume_mux_open(void);

#endif
