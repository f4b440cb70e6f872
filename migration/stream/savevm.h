/*
 * Sections: how what is registered goes over a stream and comes back.
 *
 * Sender, in this order:
 *   savevm_send_header()
 *   [command OPEN_RETURN_PATH, PING; POSTCOPY_ADVISE]
 *   savevm_setup()                  START of every live part
 *   savevm_iterate() ...            rounds of PART
 *   (guest stopped)
 *   savevm_complete()               END of the live parts
 *   savevm_capture_devices()        under the machine lock, to memory
 *   savevm_send_devices()           FULL sections of it
 *   savevm_send_eof(), savevm_send_vmdesc()
 *   savevm_cleanup()                in every case
 * A caller that drives one part itself (RAM by passes) frames what it sends
 * with savevm_part_begin() and savevm_part_end().
 *
 * Device states are captured in memory, so that no write to a peer happens
 * under the machine lock, and so that their size is known before the pause
 * ends.
 *
 * Receiver: savevm_load_state(), and savevm_load_main() for a thread that
 * takes the rest of a stream over (post-copy). It trusts nothing: unknown
 * sections, commands, versions, a section that comes twice, nesting, wrong
 * order end the load with a message.
 *
 * Source: the documented QEMU migration stream.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_SAVEVM_H
#define MIGRATION_SAVEVM_H

#include "migration/qemu-file.h"
#include "migration/register.h"
#include "migration/stream/config-section.h"
#include "migration/stream/stream-wire.h"
#include "util/error.h"
#include "util/uuid.h"

/**
 * SaveVMOptions: properties of the program that both sides must have alike.
 * @configuration: "send-configuration"
 * @section_footer: "send-section-footer"
 */
typedef struct SaveVMOptions {
    bool configuration;
    bool section_footer;
} SaveVMOptions;

/** savevm_set_options: both on in a new registry. Not while one is active. */
void savevm_set_options(SaveVMRegistry *reg, const SaveVMOptions *options);
const SaveVMOptions *savevm_get_options(const SaveVMRegistry *reg);

/* -- sender ------------------------------------------------------------------
 * Those returning bool: false with @errp set, where a failure of @f counts.
 * Those returning nothing: failures are in @f.
 */

/** savevm_send_header: magic, version and, with that option, @config. */
void savevm_send_header(SaveVMRegistry *reg, QEMUFile *f,
                        const ConfigSection *config);
/** savevm_setup: START of every active live part. */
bool savevm_setup(SaveVMRegistry *reg, QEMUFile *f, Error **errp);
/**
 * savevm_iterate: a PART of every active live part, until one has more.
 * @postcopy: the destination runs: only parts with has_postcopy()
 *
 * Returns: 1 = nothing is left for now; 0 = more; -1 = error.
 */
int savevm_iterate(SaveVMRegistry *reg, QEMUFile *f, bool postcopy,
                   Error **errp);
/** savevm_pending: sums of save_live_pending. Thread: migration's. */
void savevm_pending(SaveVMRegistry *reg, uint64_t *ret_must_precopy,
                    uint64_t *ret_can_postcopy);
/**
 * savevm_complete: END of the live parts; guest stopped.
 * @postcopy_follows: leave out parts that go on in post-copy
 */
bool savevm_complete(SaveVMRegistry *reg, QEMUFile *f, bool postcopy_follows,
                     Error **errp);
/** savevm_complete_postcopy: END of the parts left out before. */
bool savevm_complete_postcopy(SaveVMRegistry *reg, QEMUFile *f, Error **errp);
/** savevm_cleanup: save_cleanup of every part whose setup was called. */
void savevm_cleanup(SaveVMRegistry *reg);
/** savevm_resume_prepare: of every part. */
bool savevm_resume_prepare(SaveVMRegistry *reg, Error **errp);
/** savevm_switchover_acks: parts that want the destination's ack. */
unsigned savevm_switchover_acks(SaveVMRegistry *reg);

/** savevm_find: the entry of that name and instance; NULL. Thread: machine
 *  lock, or while a migration is under way. */
SaveStateEntry *savevm_find(SaveVMRegistry *reg, const char *idstr,
                            uint32_t instance_id);
/** savevm_part_begin / savevm_part_end: frame of a PART section; what is put
 *  in between is its payload. */
void savevm_part_begin(SaveVMRegistry *reg, QEMUFile *f,
                       const SaveStateEntry *se);
void savevm_part_end(SaveVMRegistry *reg, QEMUFile *f,
                     const SaveStateEntry *se);

/**
 * SaveVMDevices: device states in memory.
 * @data: @len bytes: FULL sections, without EOF
 * @notes: (nullable) of what the description will say
 * @vmdesc: @vmdesc_len bytes of JSON without NUL; NULL until
 *     savevm_devices_describe(), and without notes
 * @sections: their number
 */
typedef struct SaveVMDevices {
    uint8_t *data;
    size_t len;
    JSONWriter *notes;
    char *vmdesc;
    size_t vmdesc_len;
    unsigned sections;
} SaveVMDevices;

/**
 * savevm_capture_devices:
 * @vmdesc: with a description
 * @ret: (out) for savevm_devices_clear()
 *
 * Thread: machine lock held, guest stopped. No I/O.
 * Errors: a hook refuses (message names section).
 */
bool savevm_capture_devices(SaveVMRegistry *reg, bool vmdesc,
                            SaveVMDevices *ret, Error **errp);
/** savevm_devices_clear: free what is inside. Accepts one all zero. */
void savevm_devices_clear(SaveVMDevices *d);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SaveVMDevices, savevm_devices_clear)

/** savevm_send_devices: FULL sections; @d must stay until the next flush. */
void savevm_send_devices(QEMUFile *f, const SaveVMDevices *d);
/** savevm_send_eof: no more sections. */
void savevm_send_eof(QEMUFile *f);
/** savevm_devices_describe: write the description, if it is to have one and
 *  has not yet. Thread: any, no lock. */
void savevm_devices_describe(SaveVMDevices *d);
/**
 * savevm_send_vmdesc: after EOF, not in post-copy; nothing if there is none.
 * Flushes, so that the destination has all while the text is made. @d must
 * stay until the next flush.
 */
void savevm_send_vmdesc(QEMUFile *f, SaveVMDevices *d);

/* Commands. */
void savevm_send_open_return_path(QEMUFile *f);
void savevm_send_ping(QEMUFile *f, uint32_t value);
/** @page_sizes: OR of the page sizes of all RAM blocks; 0: only bitmaps. */
void savevm_send_postcopy_advise(QEMUFile *f, uint64_t page_sizes,
                                 uint64_t target_page_size);
void savevm_send_postcopy_listen(QEMUFile *f);
void savevm_send_postcopy_run(QEMUFile *f);
/** @n: any; is split into commands of STREAM_DISCARD_MAX ranges. */
void savevm_send_postcopy_discard(QEMUFile *f, const char *block,
                                  const StreamRange *ranges, size_t n);
void savevm_send_postcopy_resume(QEMUFile *f);
void savevm_send_recv_bitmap(QEMUFile *f, const char *block);
void savevm_send_switchover_start(QEMUFile *f);
/**
 * savevm_send_packaged:
 * @data: @len bytes of a stream without header and EOF; must stay until the
 *        next flush
 */
bool savevm_send_packaged(QEMUFile *f, const uint8_t *data, size_t len,
                          Error **errp);

/** qemu_file_new_memory_output: a file that collects in memory, for packages
 *  and snapshots of state. */
QEMUFile *qemu_file_new_memory_output(void);
/** qemu_file_memory_steal: flush; (transfer full) its bytes, for g_free().
 *  NULL and @errp if the file failed. */
uint8_t *qemu_file_memory_steal(QEMUFile *f, size_t *ret_len, Error **errp);

/* -- receiver ---------------------------------------------------------------- */

/* What a load, and the handler of a command, can come to. */
typedef enum SaveVMLoadResult {
    SAVEVM_LOAD_ERROR = -1, /* errp is set */
    SAVEVM_LOAD_OK = 0,     /* handler: go on. Load: the stream's EOF came */
    SAVEVM_LOAD_QUIT = 1,   /* leave the loop: what follows on the stream is
                               another thread's */
} SaveVMLoadResult;

/**
 * SaveVMLoadOps: what the receiver does with all that is not a section. Every
 * one gets the opaque of the load. A command whose member is NULL is refused.
 *
 * @configured: (optional) header and configuration were read; @config is
 *     what came (all zero without a configuration section); false ends the
 *     load. First of all calls. Up to here any number of streams may be read
 *     at once with one registry; at most one may be let in
 * @lock, @unlock: (optional, both) the machine lock, around each device's
 *     section. Released while the file waits for the peer
 * @section: (optional) a section of @se is about to be read
 * Commands; the source does not send them in all orders, so each must check
 * the state that it needs:
 * @open_return_path .. @switchover_start: the command. @ram_discard: n is at
 *     least 1, ranges are not checked against the block
 * @postcopy_listen: after SAVEVM_LOAD_OK the stream outside of the package
 *     belongs to the listen thread that the handler started. Only called in a
 *     package
 * @postcopy_run: only called in a package after listen; the load then ends
 *     with SAVEVM_LOAD_QUIT
 */
typedef struct SaveVMLoadOps {
    bool (*configured)(void *opaque, const ConfigSection *config, Error **errp);
    void (*lock)(void *opaque);
    void (*unlock)(void *opaque);
    void (*section)(void *opaque, const SaveStateEntry *se);

    bool (*open_return_path)(void *opaque, Error **errp);
    bool (*ping)(void *opaque, uint32_t value, Error **errp);
    bool (*postcopy_advise)(void *opaque, uint64_t page_sizes,
                            uint64_t target_page_size, Error **errp);
    bool (*postcopy_listen)(void *opaque, Error **errp);
    bool (*postcopy_run)(void *opaque, Error **errp);
    bool (*ram_discard)(void *opaque, const char *block,
                        const StreamRange *ranges, size_t n, Error **errp);
    bool (*postcopy_resume)(void *opaque, Error **errp);
    bool (*recv_bitmap)(void *opaque, const char *block, Error **errp);
    bool (*switchover_start)(void *opaque, Error **errp);
} SaveVMLoadOps;

/**
 * savevm_load_state:
 * @f: at the file header
 *
 * Header, configuration, load_setup of all parts, then sections and commands
 * to the end. After the end of a load by it or in threads that it started,
 * call savevm_load_cleanup(). Never call it in the main thread.
 *
 * Returns: SAVEVM_LOAD_OK: EOF came, all is loaded; SAVEVM_LOAD_QUIT: a
 * package with RUN came; SAVEVM_LOAD_ERROR.
 */
SaveVMLoadResult savevm_load_state(SaveVMRegistry *reg, QEMUFile *f,
                                   const SaveVMLoadOps *ops, void *opaque,
                                   Error **errp);
/**
 * savevm_load_main: sections and commands to EOF of a stream whose start
 * savevm_load_state() has read (listen thread, after a recovery).
 *
 * Only sections of live parts are allowed. May run beside the package's load.
 */
SaveVMLoadResult savevm_load_main(SaveVMRegistry *reg, QEMUFile *f,
                                  const SaveVMLoadOps *ops, void *opaque,
                                  Error **errp);
/** savevm_load_cleanup: load_cleanup of all parts that were set up. */
void savevm_load_cleanup(SaveVMRegistry *reg);
/**
 * savevm_load_vmdesc: read the description that follows EOF and drop it, so
 * that the source's last write does not fail. Not part of the pause: call
 * it when the guest runs. A stream that ends instead is fine.
 */
bool savevm_load_vmdesc(QEMUFile *f, Error **errp);
/** savevm_load_missing: (transfer full) names of registered devices for which
 *  the stream that was loaded had no section, one a line; NULL = none. */
char *savevm_load_missing(SaveVMRegistry *reg);

/** savevm_entry_idstr / instance: of an entry; borrowed. */
const char *savevm_entry_idstr(const SaveStateEntry *se);
uint32_t savevm_entry_instance(const SaveStateEntry *se);

#endif
