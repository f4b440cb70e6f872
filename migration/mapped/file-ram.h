/*
 * Mapped RAM: guest pages at fixed places of a file (capability mapped-ram).
 *
 * In the ram section's setup each block's entry in the list (name, length) is
 * followed by
 *
 *   be32 version = 1, be64 page size, be64 bitmap_offset, be64 pages_offset
 *
 * then, at bitmap_offset, one bit a page, and at pages_offset (a multiple of
 * 1 MiB) room for the whole block: page p lies at pages_offset + p. The stream
 * goes on behind that room. Offsets count from the start of the file, whatever
 * the migration's own offset in it. A page that is dirtied ten times takes its
 * place once, so the file is never larger than RAM; zero pages have no bit and
 * are holes.
 *
 * Pages are written and read by threads of their own with positioned I/O on a
 * second open channel of the same file, which may be O_DIRECT: memory, offsets
 * and lengths are multiples of 4 KiB.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef MIGRATION_FILE_RAM_H
#define MIGRATION_FILE_RAM_H

#include "io/channel.h"
#include "migration/multifd/multifd.h"

#define FILE_RAM_VERSION     1U
#define FILE_RAM_HEADER_SIZE 28
#define FILE_RAM_ALIGN       (UINT64_C(1) << 20)
/* No file of ours ends beyond. */
#define FILE_RAM_OFFSET_MAX (UINT64_C(1) << 60)

/* The header of a block, and what follows from it. */
typedef struct FileRAMBlock {
    uint64_t bitmap_offset;
    uint64_t pages_offset;
    uint64_t end_offset; /* where the stream goes on */
} FileRAMBlock;

/** file_ram_bitmap_bytes: of a block of @used_length: whole 64-bit words. */
uint64_t file_ram_bitmap_bytes(uint64_t used_length);

/**
 * file_ram_layout:
 * @header_offset: in the file, where the header begins
 * @used_length: of the block
 * @ret: (out) where its parts go
 */
void file_ram_layout(uint64_t header_offset, uint64_t used_length,
                     FileRAMBlock *ret);

/** file_ram_encode: write FILE_RAM_HEADER_SIZE bytes. */
void file_ram_encode(const FileRAMBlock *b, uint8_t *buf);

/**
 * file_ram_decode:
 * @buf: (in) FILE_RAM_HEADER_SIZE bytes
 * @header_offset: in the file, where they stood
 * @used_length: of the block as the list says
 * @ret: (out) set on success; regions lie behind the header, do not overlap
 *       and end at or below FILE_RAM_OFFSET_MAX
 *
 * Errors: version; page size; alignment; order; range.
 */
bool file_ram_decode(const uint8_t *buf, uint64_t header_offset,
                     uint64_t used_length, FileRAMBlock *ret, Error **errp);

typedef struct QEMUFile QEMUFile;
typedef struct FileRAMWriter FileRAMWriter;

/**
 * FileRAMConfig:
 * @ioc: (in) SEEKABLE channel of the file for pages; may be O_DIRECT; a
 *       reference is taken
 * @threads: 1..MULTIFD_CHANNELS_MAX (multifd-channels, or 1 without multifd)
 * @find_zero: look for zero pages in the threads
 * @pacer, @stats, @method_stats, @on_error: as MultiFDSendConfig
 */
typedef struct FileRAMConfig {
    QIOChannel *ioc;
    unsigned threads;
    bool find_zero;
    Pacer *pacer;
    MultiFDStats *stats;
    MigrationMethodStats *method_stats;
    void (*on_error)(void *opaque, Error *err);
    void *opaque;
} FileRAMConfig;

/** file_ram_writer_new: starts the threads. */
FileRAMWriter *file_ram_writer_new(const FileRAMConfig *config, Error **errp);

/**
 * file_ram_save_block:
 * @f: the main stream, right behind the block's entry in the list
 *
 * Write the header of @rb and go on behind its room. Before its first page.
 */
bool file_ram_save_block(FileRAMWriter *w, QEMUFile *f, RAMBlock *rb,
                         Error **errp);

/** file_ram_writer_get_ioc: the pages' channel; borrowed. */
QIOChannel *file_ram_writer_get_ioc(FileRAMWriter *w);

/** file_ram_writer_set_paced: as multifd_send_set_paced(). */
void file_ram_writer_set_paced(FileRAMWriter *w, bool paced);

/** file_ram_writer_run: write @n pages of @rb from @offset on. Rules and
 *  thread as multifd_send_run(). */
bool file_ram_writer_run(FileRAMWriter *w, RAMBlock *rb, uint64_t offset,
                         uint64_t n, Error **errp);

/** file_ram_writer_zero: @n pages that the caller knows to be zero. */
bool file_ram_writer_zero(FileRAMWriter *w, RAMBlock *rb, uint64_t offset,
                          uint64_t n, Error **errp);

/** file_ram_writer_sync: all pages named so far are written. */
bool file_ram_writer_sync(FileRAMWriter *w, Error **errp);

/**
 * file_ram_writer_finish:
 * @main_ioc: (in) the main stream's channel, without O_DIRECT: for the bitmaps
 *
 * Once, at the end of the last pass: sync, then write every block's bitmap.
 */
bool file_ram_writer_finish(FileRAMWriter *w, QIOChannel *main_ioc,
                            Error **errp);

/** file_ram_writer_cancel: as multifd_send_cancel(). */
void file_ram_writer_cancel(FileRAMWriter *w, Error *err);
void file_ram_writer_free(FileRAMWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileRAMWriter, file_ram_writer_free)

typedef struct FileRAMReader FileRAMReader;

/**
 * FileRAMReaderConfig:
 * @ioc, @threads: as FileRAMConfig
 * @populate, @placed, @place_zero: as MultiFDRecvConfig's, in the readers' threads
 */
typedef struct FileRAMReaderConfig {
    QIOChannel *ioc;
    unsigned threads;
    void (*populate)(void *opaque, RAMBlock *rb, uint64_t offset, uint64_t len);
    void (*placed)(void *opaque, RAMBlock *rb, const uint64_t *offset,
                   unsigned n);
    void (*place_zero)(void *opaque, RAMBlock *rb, const uint64_t *offset,
                       unsigned n);
    void *opaque;
} FileRAMReaderConfig;

FileRAMReader *file_ram_reader_new(const FileRAMReaderConfig *config,
                                   Error **errp);

/** file_ram_reader_get_ioc: the pages' channel; borrowed. */
QIOChannel *file_ram_reader_get_ioc(FileRAMReader *r);

/**
 * file_ram_load_block:
 * @f: the main stream, right behind the block's entry in the list
 * @rb: block with used_length as the list says
 *
 * Read the header, the bitmap and all pages of @rb, and go on behind its room.
 * Errors: those of file_ram_decode(); bitmap or pages beyond the end of the
 * file; a bit for a page that the block does not have.
 */
bool file_ram_load_block(FileRAMReader *r, QEMUFile *f, RAMBlock *rb,
                         Error **errp);

void file_ram_reader_cancel(FileRAMReader *r, Error *err);
void file_ram_reader_free(FileRAMReader *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileRAMReader, file_ram_reader_free)

#endif
