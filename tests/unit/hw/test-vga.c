/*
 * VGA: registers, memory, and the pictures of all kinds of modes. A picture
 * is checked by single pixels that follow from the mode's definition, and by
 * the hash of all of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include "hw/display/edid.h"
#include "hw/display/vga.h"
#include "hw/types.h"
#include "util/main-loop.h"

#include "vga-modes.h"

#define VRAM_BYTES (16u << 20)

typedef struct Fixture {
    VGAState vga;
    uint8_t *vram;
    GuestMemory *memory;
    ConsoleListener listener;
    SurfaceRect dirty;
    unsigned updates;
    unsigned resizes;
} Fixture;

static void refresh(void *opaque)
{
    vga_refresh(opaque);
}

static const ConsoleOps console_ops = { .refresh = refresh };

static void on_update(ConsoleListener *l, SurfaceRect rect)
{
    Fixture *f = container_of(l, Fixture, listener);

    f->dirty = surface_rect_union(f->dirty, rect);
    f->updates++;
}

static void on_resize(ConsoleListener *l, Surface *surface)
{
    container_of(l, Fixture, listener)->resizes++;
}

static const ConsoleListenerOps listener_ops = { .update = on_update,
                                                 .resize = on_resize };

static void set_up(Fixture *f, gconstpointer data)
{
    f->vram = g_aligned_alloc0(1, VRAM_BYTES, 4096);
    f->memory = guest_memory_new();
    vga_init(&f->vga, f->vram, VRAM_BYTES, f->memory);
    f->vga.console = console_new(NULL, NULL, 0, &console_ops, &f->vga);
    f->listener.ops = &listener_ops;
    console_add_listener(f->vga.console, &f->listener);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    vga_deinit(&f->vga);
    guest_memory_free(f->memory);
    g_aligned_free(f->vram);
}

static void out(Fixture *f, uint16_t port, uint8_t value)
{
    vga_port_write(&f->vga, port, value);
}

static uint8_t in(Fixture *f, uint16_t port)
{
    return vga_port_read(&f->vga, port);
}

static void out_index(Fixture *f, uint16_t port, uint8_t index, uint8_t value)
{
    out(f, port, index);
    out(f, port + 1, value);
}

static void show(Fixture *f)
{
    f->dirty = (SurfaceRect){ 0 };
    f->updates = 0;
    console_refresh(f->vga.console);
}

static uint32_t pixel(Fixture *f, int x, int y)
{
    return surface_row(console_surface(f->vga.console), y)[x] & 0xffffff;
}

static void expect_size(Fixture *f, int width, int height)
{
    show(f);
    g_assert_cmpint(console_surface(f->vga.console)->width, ==, width);
    g_assert_cmpint(console_surface(f->vga.console)->height, ==, height);
}

static void expect_hash(Fixture *f, const char *hash)
{
    const Surface *s = console_surface(f->vga.console);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

    for (int y = 0; y < s->height; y++) {
        g_checksum_update(sum, (const guchar *)surface_row(s, y),
                          (gssize)s->width * 4);
    }
    if (g_getenv("VGA_DUMP")) {
        g_autofree char *path = g_strdup_printf(
            "%s/%.8s.ppm", g_getenv("VGA_DUMP"), g_checksum_get_string(sum));
        FILE *file = fopen(path, "wb");

        g_assert_nonnull(file);
        fprintf(file, "P6 %d %d 255\n", s->width, s->height);
        for (int i = 0; i < s->width * s->height; i++) {
            uint32_t p = pixel(f, i % s->width, i / s->width);

            fputc((int)(p >> 16), file);
            fputc((int)(p >> 8 & 0xff), file);
            fputc((int)(p & 0xff), file);
        }
        fclose(file);
    }
    g_assert_cmpstr(g_checksum_get_string(sum), ==, hash);
}

/* The colour of index @i by vga_set_palette(). */
static uint32_t color(unsigned i)
{
    unsigned c[3] = { i & 0x3f, (i * 7) & 0x3f, (i >> 2) & 0x3f };
    uint32_t rgb = 0;

    for (int k = 0; k < 3; k++) {
        rgb = rgb << 8 | c[k] << 2 | c[k] >> 4;
    }
    return rgb;
}

/* -- registers -------------------------------------------------------------------- */

static void test_registers(Fixture *f, gconstpointer data)
{
    vga_set_mode(&f->vga, &mode_12);
    for (unsigned i = 0; i < VGA_CRTC_COUNT; i++) {
        out(f, 0x3d4, (uint8_t)i);
        g_assert_cmphex(in(f, 0x3d5), ==, mode_12.crtc[i]);
    }
    g_assert_cmphex(in(f, 0x3b5), ==, 0xff); /* colour card */
    g_assert_cmphex(in(f, 0x3cc), ==, 0xe3);
    for (unsigned i = 0; i < VGA_ATTR_COUNT; i++) {
        in(f, 0x3da);
        out(f, 0x3c0, (uint8_t)i | 0x20);
        g_assert_cmphex(in(f, 0x3c1), ==, mode_12.attr[i]);
    }
    /* Registers 0 to 7 are protected, but for one bit. */
    out_index(f, 0x3d4, 0x01, 0x12);
    out_index(f, 0x3d4, 0x07, 0xff);
    out(f, 0x3d4, 0x01);
    g_assert_cmphex(in(f, 0x3d5), ==, 0x4f);
    out(f, 0x3d4, 0x07);
    g_assert_cmphex(in(f, 0x3d5), ==, 0x3e | 0x10);
    /* Indexes that are not there. */
    out_index(f, 0x3d4, 0xff, 0x55);
    g_assert_cmphex(in(f, 0x3d5), ==, 0);
    out_index(f, 0x3c4, 0x07, 0x55);
    g_assert_cmphex(in(f, 0x3c5), ==, 0);
    out_index(f, 0x3ce, 0x0e, 0x55);
    g_assert_cmphex(in(f, 0x3cf), ==, 0);
    /* A monochrome card answers at 3Bxh. */
    out(f, 0x3c2, 0x66);
    out(f, 0x3b4, 0x12);
    g_assert_cmphex(in(f, 0x3b5), ==, 0xdf);
    g_assert_cmphex(in(f, 0x3d5), ==, 0xff);
}

static void test_dac(Fixture *f, gconstpointer data)
{
    static const uint8_t rgb[] = { 1, 2, 3, 4, 5, 6 };

    out(f, 0x3c8, 0xff);
    for (unsigned i = 0; i < sizeof(rgb); i++) {
        out(f, 0x3c9, rgb[i]);
    }
    g_assert_cmphex(in(f, 0x3c7), ==, 0);
    out(f, 0x3c7, 0xff); /* wraps, as the writes did */
    g_assert_cmphex(in(f, 0x3c7), ==, 3);
    for (unsigned i = 0; i < sizeof(rgb); i++) {
        g_assert_cmphex(in(f, 0x3c9), ==, rgb[i]);
    }
    out(f, 0x3c6, 0x0f);
    g_assert_cmphex(in(f, 0x3c6), ==, 0x0f);
}

/* -- memory --------------------------------------------------------------------------- */

static void expect_planes(Fixture *f, uint32_t at, uint8_t p0, uint8_t p1,
                          uint8_t p2, uint8_t p3)
{
    const uint8_t want[] = { p0, p1, p2, p3 };

    g_assert_cmpmem(f->vram + 4 * at, 4, want, 4);
}

static void test_write_modes(Fixture *f, gconstpointer data)
{
    VGAState *s = &f->vga;

    vga_set_mode(s, &mode_12);
    /* 0: rotate, set/reset, functions, bit mask */
    vga_mem_write(s, 0, 0x81);
    expect_planes(f, 0, 0x81, 0x81, 0x81, 0x81);
    out_index(f, 0x3ce, 3, 0x01); /* rotate by one */
    vga_mem_write(s, 0, 0x81);
    expect_planes(f, 0, 0xc0, 0xc0, 0xc0, 0xc0);
    out_index(f, 0x3ce, 3, 0x00);
    out_index(f, 0x3ce, 0, 0x05); /* set */
    out_index(f, 0x3ce, 1, 0x03); /* in planes 0 and 1 */
    vga_mem_write(s, 1, 0x3c);
    expect_planes(f, 1, 0xff, 0x00, 0x3c, 0x3c);
    out_index(f, 0x3ce, 1, 0x00);
    out_index(f, 0x3ce, 8, 0xf0); /* only the upper bits */
    g_assert_cmphex(vga_mem_read(s, 1), ==, 0xff);
    vga_mem_write(s, 1, 0x55);
    expect_planes(f, 1, 0x5f, 0x50, 0x5c, 0x5c);
    out_index(f, 0x3ce, 8, 0xff);
    out_index(f, 0x3ce, 3, 0x18); /* xor */
    vga_mem_read(s, 1);
    vga_mem_write(s, 1, 0xff);
    expect_planes(f, 1, 0xa0, 0xaf, 0xa3, 0xa3);
    out_index(f, 0x3ce, 3, 0x08); /* and */
    vga_mem_read(s, 1);
    vga_mem_write(s, 1, 0x0f);
    expect_planes(f, 1, 0x00, 0x0f, 0x03, 0x03);
    out_index(f, 0x3ce, 3, 0x10); /* or */
    vga_mem_write(s, 2, 0x50);    /* the latch is still that of address 1 */
    expect_planes(f, 2, 0xf0, 0xff, 0xf3, 0xf3);
    out_index(f, 0x3ce, 3, 0x00);
    /* 1: the latch goes back */
    out_index(f, 0x3ce, 5, 0x01);
    vga_mem_read(s, 2);
    vga_mem_write(s, 9, 0x12);
    expect_planes(f, 9, 0xf0, 0xff, 0xf3, 0xf3);
    /* 2: a colour */
    out_index(f, 0x3ce, 5, 0x02);
    vga_mem_write(s, 3, 0x0a);
    expect_planes(f, 3, 0x00, 0xff, 0x00, 0xff);
    /* 3: set/reset where the CPU's bits are */
    out_index(f, 0x3ce, 5, 0x03);
    vga_mem_read(s, 3);
    vga_mem_write(s, 3, 0x0f);
    expect_planes(f, 3, 0x0f, 0xf0, 0x0f, 0xf0);
    /* The map mask. */
    out_index(f, 0x3ce, 5, 0x00);
    out_index(f, 0x3c4, 2, 0x04);
    vga_mem_write(s, 3, 0x77);
    expect_planes(f, 3, 0x0f, 0xf0, 0x77, 0xf0);
}

static void test_read_modes(Fixture *f, gconstpointer data)
{
    VGAState *s = &f->vga;

    vga_set_mode(s, &mode_12);
    memcpy(f->vram, "\x0f\x33\x55\xff", 4);
    for (unsigned plane = 0; plane < 4; plane++) {
        out_index(f, 0x3ce, 4, (uint8_t)plane);
        g_assert_cmphex(vga_mem_read(s, 0), ==, f->vram[plane]);
    }
    out_index(f, 0x3ce, 5, 0x08); /* where is colour 15? */
    out_index(f, 0x3ce, 2, 0x0f);
    g_assert_cmphex(vga_mem_read(s, 0), ==, 0x01);
    out_index(f, 0x3ce, 7, 0x03); /* planes 0 and 1 count */
    g_assert_cmphex(vga_mem_read(s, 0), ==, 0x03);
    out_index(f, 0x3ce, 7, 0x00);
    g_assert_cmphex(vga_mem_read(s, 0), ==, 0xff);
    /* Outside of the map. */
    out_index(f, 0x3ce, 6, 0x0d);
    g_assert_cmphex(vga_mem_read(s, 0), ==, 0xff);
    vga_mem_write(s, 0, 0);
    g_assert_cmphex(f->vram[0], ==, 0x0f);
}

/* -- pictures --------------------------------------------------------------------------- */

static void fill_font(Fixture *f)
{
    for (unsigned ch = 0; ch < 256; ch++) {
        for (unsigned row = 0; row < 16; row++) {
            f->vram[4 * (ch * 32 + row) + 2] = (uint8_t)(ch ^ (row * 17));
        }
    }
}

static void put_cell(Fixture *f, unsigned i, uint8_t ch, uint8_t attr)
{
    vga_mem_write(&f->vga, 0x18000 + 2 * i, ch);
    vga_mem_write(&f->vga, 0x18001 + 2 * i, attr);
}

static void test_text(Fixture *f, gconstpointer data)
{
    vga_set_palette(&f->vga);
    vga_set_mode(&f->vga, &mode_3);
    fill_font(f);
    out_index(f, 0x3d4, 0x0a, 0x20); /* no cursor */
    for (unsigned i = 0; i < 80 * 25; i++) {
        put_cell(f, i, (uint8_t)i, (uint8_t)(i / 80 * 7) & 0x7f);
    }
    put_cell(f, 0, 0xaa, 0x1e);
    put_cell(f, 81, 0xdb, 0x1e);
    expect_size(f, 720, 400);
    /* Yellow (0x3e) on blue (0x01): bits of the font, a ninth dot. */
    for (int x = 0; x < 9; x++) {
        bool set = x < 8 && (0xaa >> (7 - x) & 1);

        g_assert_cmphex(pixel(f, x, 0), ==, color(set ? 0x3e : 0x01));
    }
    /* Line characters: the ninth dot is the eighth. */
    g_assert_cmphex(pixel(f, 9 + 8, 16), ==, color(0x3e));
    g_assert_cmphex(pixel(f, 9 + 8, 17), ==, color(0x01));
    expect_hash(
        f, "405c481e95d154362c6db00d6a72eef3a4904f7cd34c3a4b56acc5c7b3930a97");
    /* What changes is told, and nothing else. */
    show(f);
    g_assert_cmpuint(f->updates, ==, 0);
    put_cell(f, 3 * 80 + 5, 0x55, 0x1e);
    show(f);
    g_assert_cmpuint(f->updates, >, 0);
    g_assert_cmpint(f->dirty.x, >=, 45);
    g_assert_cmpint(f->dirty.x + f->dirty.w, <=, 54);
    g_assert_cmpint(f->dirty.y, >=, 48);
    g_assert_cmpint(f->dirty.y + f->dirty.h, <=, 64);
    /* Scrolled by a row and a half, and split at line 99. */
    out_index(f, 0x3d4, 0x0d, 80);
    out_index(f, 0x3d4, 0x08, 8);
    show(f);
    g_assert_cmphex(pixel(f, 9 + 8, 0), ==, pixel(f, 9 + 7, 0));
    out_index(f, 0x3d4, 0x18, 99);
    out_index(f, 0x3d4, 0x07, 0x0f);
    out_index(f, 0x3d4, 0x09, 0x0f);
    show(f);
    g_assert_cmphex(pixel(f, 0, 100), ==, color(0x3e));
    g_assert_cmphex(pixel(f, 1, 100), ==, color(0x01));
}

static void test_cursor_and_blank(Fixture *f, gconstpointer data)
{
    bool seen = false;

    vga_set_palette(&f->vga);
    vga_set_mode(&f->vga, &mode_3);
    for (unsigned i = 0; i < 80 * 25; i++) {
        put_cell(f, i, ' ', 0x07);
    }
    out_index(f, 0x3d4, 0x0f, 82);
    for (int i = 0; i < 60 && !seen; i++) {
        show(f);
        seen = pixel(f, 20, 16 + 13) == color(0x07);
        g_usleep(10000);
    }
    g_assert_true(seen);
    g_assert_cmphex(pixel(f, 20, 16 + 12), ==, color(0));
    g_assert_cmphex(pixel(f, 27, 16 + 14), ==, color(0));
    /* Screen off; palette address source off. */
    out_index(f, 0x3c4, 1, 0x20);
    show(f);
    g_assert_cmphex(pixel(f, 20, 16 + 13), ==, 0);
    out_index(f, 0x3c4, 1, 0x00);
    in(f, 0x3da);
    out(f, 0x3c0, 0x00);
    show(f);
    g_assert_cmphex(pixel(f, 0, 0), ==, 0);
}

static void test_cga(Fixture *f, gconstpointer data)
{
    vga_set_palette(&f->vga);
    vga_set_mode(&f->vga, &mode_4);
    for (unsigned i = 0; i < 0x4000; i++) {
        vga_mem_write(&f->vga, 0x18000 + i, (uint8_t)(i * 5 + i / 80));
    }
    vga_mem_write(&f->vga, 0x18000, 0x1b);          /* 0 1 2 3 */
    vga_mem_write(&f->vga, 0x18000 + 0x2000, 0xe4); /* row 1: 3 2 1 0 */
    expect_size(f, 640, 400);
    g_assert_cmphex(pixel(f, 0, 0), ==, color(0x00));
    g_assert_cmphex(pixel(f, 2, 0), ==, color(0x13));
    g_assert_cmphex(pixel(f, 5, 1), ==, color(0x15));
    g_assert_cmphex(pixel(f, 6, 1), ==, color(0x17));
    g_assert_cmphex(pixel(f, 0, 2), ==, color(0x17));
    g_assert_cmphex(pixel(f, 7, 3), ==, color(0x00));
    expect_hash(
        f, "cde007f2f86cd3f50dd8df7a31732bc28479804ef67b7376cfb1a2e89d523ea4");
    vga_set_mode(&f->vga, &mode_6);
    vga_mem_write(&f->vga, 0x18000, 0xa0);
    expect_size(f, 640, 400);
    g_assert_cmphex(pixel(f, 0, 0), ==, color(0x17));
    g_assert_cmphex(pixel(f, 1, 0), ==, color(0x00));
    expect_hash(
        f, "b2219d56d8c2d6b09a97ede6bf9c70c706e58fca9fb81fbe10af30ce4062bc66");
}

static void test_planar(Fixture *f, gconstpointer data)
{
    vga_set_palette(&f->vga);
    vga_set_mode(&f->vga, &mode_12);
    for (unsigned i = 0; i < 80 * 480; i++) {
        for (unsigned plane = 0; plane < 4; plane++) {
            f->vram[4 * i + plane] = (uint8_t)(i * (plane + 3) + i / 80);
        }
    }
    memcpy(f->vram + 4 * 81, "\x80\x81\x83\x87", 4);
    expect_size(f, 640, 480);
    g_assert_cmphex(pixel(f, 8, 1), ==, color(0x3f));
    g_assert_cmphex(pixel(f, 15, 1), ==, color(0x3e));
    g_assert_cmphex(pixel(f, 14, 1), ==, color(0x3c));
    g_assert_cmphex(pixel(f, 13, 1), ==, color(0x38));
    g_assert_cmphex(pixel(f, 12, 1), ==, color(0x00));
    expect_hash(
        f, "576329771b771ad5f6e5fbda75bdc2f1e2c948b4d6db33cb17b3796c67efb1cd");
    /* Panned by three dots: what was at 13 is at 10. */
    in(f, 0x3da);
    out(f, 0x3c0, 0x33);
    out(f, 0x3c0, 0x03);
    show(f);
    g_assert_cmphex(pixel(f, 10, 1), ==, color(0x38));
    /* 320x200: every dot is four. */
    vga_set_mode(&f->vga, &mode_d);
    memcpy(f->vram + 4 * 41, "\x80\x81\x83\x87", 4);
    expect_size(f, 640, 400);
    g_assert_cmphex(pixel(f, 16, 2), ==, color(0x3f));
    g_assert_cmphex(pixel(f, 17, 3), ==, color(0x3f));
    g_assert_cmphex(pixel(f, 30, 2), ==, color(0x3e));
    expect_hash(
        f, "106a9d1220452e39eb2d92d3e73bf646e1f650d3fabb3344a33a5fe29794ddb2");
}

static void test_256(Fixture *f, gconstpointer data)
{
    vga_set_palette(&f->vga);
    vga_set_mode(&f->vga, &mode_13);
    for (unsigned i = 0; i < 320 * 200; i++) {
        vga_mem_write(&f->vga, i, (uint8_t)(i / 320 + i % 320));
    }
    expect_size(f, 640, 400);
    g_assert_cmphex(pixel(f, 0, 0), ==, color(0));
    g_assert_cmphex(pixel(f, 639, 0), ==, color(319 & 0xff));
    g_assert_cmphex(pixel(f, 20, 20), ==, color(20));
    g_assert_cmphex(pixel(f, 639, 399), ==, color((199 + 319) & 0xff));
    expect_hash(
        f, "07c2de400111db172f86e1589a678f14c63d3c4f2d21ff82958e1c873f4f46fa");
    vga_set_mode(&f->vga, &mode_x);
    for (unsigned plane = 0; plane < 4; plane++) {
        out_index(f, 0x3c4, 2, (uint8_t)(1 << plane));
        for (unsigned i = 0; i < 80 * 240; i++) {
            vga_mem_write(&f->vga, i, (uint8_t)(i / 80 + 4 * (i % 80) + plane));
        }
    }
    expect_size(f, 640, 480);
    g_assert_cmphex(pixel(f, 20, 20), ==, color(20));
    g_assert_cmphex(pixel(f, 639, 479), ==, color((239 + 319) & 0xff));
    expect_hash(
        f, "e31013af3a9d8ab852bfcc4d73bcb7dc8403a7a507519af44142572215a10ca7");
}

/* -- linear modes -------------------------------------------------------------------- */

static void set_vbe(Fixture *f, uint16_t x, uint16_t y, uint16_t bpp)
{
    vga_vbe_write(&f->vga, VBE_ENABLE, 0);
    vga_vbe_write(&f->vga, VBE_XRES, x);
    vga_vbe_write(&f->vga, VBE_YRES, y);
    vga_vbe_write(&f->vga, VBE_BPP, bpp);
    vga_vbe_write(&f->vga, VBE_ENABLE, VBE_ENABLED | VBE_LFB);
    in(f, 0x3da);
    out(f, 0x3c0, 0x20);
}

static void test_linear(Fixture *f, gconstpointer data)
{
    static const struct {
        uint16_t bpp;
        uint32_t white;
        uint32_t red;
    } depths[] = { { 15, 0x7fff, 0x7c00 },
                   { 16, 0xffff, 0xf800 },
                   { 24, 0xffffff, 0xff0000 },
                   { 32, 0xffffff, 0xff0000 } };

    g_assert_cmphex(vbe_read(&f->vga.vbe, VBE_ID), ==, VBE_ID_NEWEST);
    g_assert_cmpuint(vbe_read(&f->vga.vbe, VBE_MEMORY_64K), ==, 256);
    for (size_t i = 0; i < G_N_ELEMENTS(depths); i++) {
        unsigned bytes = (depths[i].bpp + 7u) / 8;

        memset(f->vram, 0xee, 1000);
        set_vbe(f, 800, 600, depths[i].bpp);
        memcpy(f->vram + 800 * bytes, &depths[i].white, bytes);
        memcpy(f->vram + 801 * bytes, &depths[i].red, bytes);
        expect_size(f, 800, 600);
        g_assert_cmphex(pixel(f, 0, 0), ==, 0); /* cleared */
        g_assert_cmphex(pixel(f, 0, 1), ==, 0xffffff);
        g_assert_cmphex(pixel(f, 1, 1), ==, 0xff0000);
        vga_vbe_write(&f->vga, VBE_Y_OFFSET, 1);
        show(f);
        g_assert_cmphex(pixel(f, 1, 0), ==, 0xff0000);
    }
    f->vga.big_endian = true;
    memcpy(f->vram + 3200, "\x00\x12\x34\x56", 4);
    show(f);
    g_assert_cmphex(pixel(f, 0, 0), ==, 0x123456);
    f->vga.big_endian = false;
    /* 256 colours, with a DAC of 8 bits. */
    set_vbe(f, 640, 480, 8);
    vga_vbe_write(&f->vga, VBE_ENABLE,
                  VBE_ENABLED | VBE_LFB | VBE_DAC_8BIT | VBE_KEEP_MEMORY);
    out(f, 0x3c8, 9);
    out(f, 0x3c9, 0x81);
    out(f, 0x3c9, 0x42);
    out(f, 0x3c9, 0xf3);
    f->vram[640 * 479 + 639] = 9;
    expect_size(f, 640, 480);
    g_assert_cmphex(pixel(f, 639, 479), ==, 0x8142f3);
    /* 16 colours in planes. */
    vga_set_palette(&f->vga);
    vga_set_mode(&f->vga, &mode_12);
    set_vbe(f, 1024, 768, 4);
    memcpy(f->vram + 4 * (128 * 700 + 1), "\x80\x00\x80\x00", 4);
    expect_size(f, 1024, 768);
    g_assert_cmphex(pixel(f, 8, 700), ==, color(f->vga.attr[5]));
    g_assert_cmphex(pixel(f, 9, 700), ==, color(0));
    vga_mem_write(&f->vga, 0, 0xff);
    g_assert_cmphex(f->vram[0], ==, 0xff);
}

static void test_vbe_registers(Fixture *f, gconstpointer data)
{
    VBERegs *v = &f->vga.vbe;

    set_vbe(f, 1024, 768, 32);
    g_assert_cmpuint(vbe_read(v, VBE_VIRT_WIDTH), ==, 1024);
    g_assert_cmpuint(vbe_read(v, VBE_VIRT_HEIGHT), ==, 4096);
    vga_vbe_write(&f->vga, VBE_VIRT_WIDTH, 2048);
    g_assert_cmpuint(vbe_read(v, VBE_VIRT_HEIGHT), ==, 2048);
    g_assert_cmpuint(vbe_mode(v).line_bytes, ==, 8192);
    vga_vbe_write(&f->vga, VBE_ENABLE, VBE_GET_MAXIMUM);
    g_assert_cmpuint(vbe_read(v, VBE_XRES), ==, VBE_XRES_MAX);
    g_assert_cmpuint(vbe_read(v, VBE_BPP), ==, 32);
    vga_vbe_write(&f->vga, VBE_ENABLE, 0);
    vga_vbe_write(&f->vga, VBE_XRES, 65535);
    vga_vbe_write(&f->vga, VBE_BPP, 13);
    vga_vbe_write(&f->vga, VBE_MEMORY_64K, 1);
    vga_vbe_write(&f->vga, VBE_ID, 0x1234);
    vga_vbe_write(&f->vga, 99, 1);
    g_assert_cmpuint(vbe_read(v, VBE_XRES), ==, 1024);
    g_assert_cmpuint(vbe_read(v, VBE_BPP), ==, 32);
    g_assert_cmpuint(vbe_read(v, VBE_MEMORY_64K), ==, 256);
    g_assert_cmpuint(vbe_read(v, 99), ==, 0);
    /* A screen larger than memory is cut; offsets out of it do not count. */
    set_vbe(f, 4096, 4096, 32);
    expect_size(f, 4096, 1024);
    vga_vbe_write(&f->vga, VBE_X_OFFSET, 0xffff);
    vga_vbe_write(&f->vga, VBE_Y_OFFSET, 0xffff);
    g_assert_cmpuint(vbe_mode(v).start, ==, 0);
}

/* The ports, with a data port at an odd address. */
static void test_vbe_ports(Fixture *f, gconstpointer data)
{
    g_autoptr(IOSpace) ports = io_space_new("ports", 0xffff);
    g_autoptr(IOSpace) mmio = io_space_new("mmio", UINT32_MAX);

    vga_claim(&f->vga, ports, mmio, &error_abort);
    io_space_write(ports, 0x1ce, VBE_XRES, 2);
    io_space_write(ports, 0x1cf, 1024, 2);
    g_assert_cmpuint(vbe_read(&f->vga.vbe, VBE_XRES), ==, 1024);
    g_assert_cmpuint(io_space_read(ports, 0x1ce, 2), ==, VBE_XRES);
    g_assert_cmpuint(io_space_read(ports, 0x1cf, 2), ==, 1024);
    io_space_write(ports, 0x1d0, 800, 2);
    g_assert_cmpuint(io_space_read(ports, 0x1d0, 2), ==, 800);
    /* Words to index and data ports are two registers at once. */
    io_space_write(ports, 0x3d4, 0x5513, 2);
    g_assert_cmphex(f->vga.crtc[0x13], ==, 0);
    vga_port_write(&f->vga, 0x3c2, 1);
    io_space_write(ports, 0x3d4, 0x5513, 2);
    g_assert_cmphex(f->vga.crtc[0x13], ==, 0x55);
    io_space_write(mmio, 0xa0000, 0x11223344, 4);
    g_assert_cmphex(io_space_read(mmio, 0xbffff, 1), ==, 0);
    vga_release(&f->vga);
}

/* Any registers at all: no access outside of memory (sanitizers watch). */
static void test_hostile(Fixture *f, gconstpointer data)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4711);

    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < 400; i++) {
            uint16_t port = (uint16_t)g_rand_int_range(rand, 0x3b0, 0x3e0);

            out(f, port, (uint8_t)g_rand_int(rand));
            in(f, port);
            vga_mem_write(&f->vga, g_rand_int(rand) & 0x1ffff,
                          (uint8_t)g_rand_int(rand));
            vga_mem_read(&f->vga, g_rand_int(rand) & 0x1ffff);
            vga_window_accessed(&f->vga);
        }
        vga_vbe_write(&f->vga, g_rand_int(rand) % 12,
                      (uint16_t)(g_rand_int(rand) & 0xfff));
        in(f, 0x3da);
        out(f, 0x3c0, 0x20);
        show(f);
    }
}

/* -- window -------------------------------------------------------------------------- */

static void use_window(Fixture *f)
{
    for (int i = 0; i < 1000; i++) {
        vga_window_accessed(&f->vga);
    }
}

static void test_window_text(Fixture *f, gconstpointer data)
{
    g_autofree char *before = NULL;
    uint8_t *p;

    vga_set_palette(&f->vga);
    vga_set_mode(&f->vga, &mode_3);
    fill_font(f);
    put_cell(f, 7, 'x', 0x2f);
    show(f);
    g_assert_null(guest_memory_ptr(f->memory, 0xb8000, 1));
    use_window(f);
    p = guest_memory_ptr(f->memory, 0xb8000, VGA_TEXT_BYTES);
    g_assert_nonnull(p);
    g_assert_cmphex(p[14], ==, 'x');
    g_assert_cmphex(p[15], ==, 0x2f);
    show(f); /* nothing moved but the blinking cursor */
    g_assert_cmpint(f->dirty.w, <=, 9);
    memcpy(p + 160, "A\x1e", 2);
    show(f);
    g_assert_cmphex(pixel(f, 1, 16), ==, color(0x3e));
    /* Palette and cursor do not end it; access to the font does. */
    out_index(f, 0x3d4, 0x0f, 5);
    vga_set_palette(&f->vga);
    g_assert_true(guest_memory_ptr(f->memory, 0xb8000, 1) == p);
    out_index(f, 0x3c4, 2, 0x04);
    g_assert_null(guest_memory_ptr(f->memory, 0xb8000, 1));
    expect_planes(f, 160, 'A', 0x1e, f->vram[4 * 160 + 2], 0);
    show(f);
    g_assert_cmphex(pixel(f, 1, 16), ==, color(0x3e));
    /* With the font in the window nothing is mapped. */
    use_window(f);
    g_assert_null(guest_memory_ptr(f->memory, 0xb8000, 1));
    vga_set_mode(&f->vga, &mode_3);
    use_window(f);
    g_assert_nonnull(guest_memory_ptr(f->memory, 0xb8000, 1));
    vga_reset(&f->vga);
    g_assert_null(guest_memory_ptr(f->memory, 0xb8000, 1));
}

static void test_window_linear(Fixture *f, gconstpointer data)
{
    vga_set_mode(&f->vga, &mode_13);
    use_window(f);
    g_assert_true(guest_memory_ptr(f->memory, 0xa0000, 0x10000) == f->vram);
    g_assert_null(guest_memory_ptr(f->memory, 0xb0000, 1));
    /* Banks: another piece, after a while again. */
    set_vbe(f, 640, 480, 8);
    g_assert_null(guest_memory_ptr(f->memory, 0xa0000, 1));
    use_window(f);
    g_assert_true(guest_memory_ptr(f->memory, 0xa0000, 1) == f->vram);
    vga_vbe_write(&f->vga, VBE_BANK, 3);
    g_assert_null(guest_memory_ptr(f->memory, 0xa0000, 1));
    vga_mem_write(&f->vga, 5, 0x77);
    g_assert_cmphex(f->vram[0x30005], ==, 0x77);
    use_window(f);
    g_assert_true(guest_memory_ptr(f->memory, 0xa0000, 1) == f->vram + 0x30000);
    /* Planes are not memory. */
    vga_vbe_write(&f->vga, VBE_ENABLE, 0);
    vga_set_mode(&f->vga, &mode_12);
    use_window(f);
    g_assert_null(guest_memory_ptr(f->memory, 0xa0000, 1));
}

/* -- monitor -------------------------------------------------------------------------- */

static void test_edid(void)
{
    EDIDInfo info = { .xres = 1280, .yres = 800, .name = "Ferry Monitor" };
    uint8_t e[EDID_BYTES];
    const uint8_t *d = e + 54;
    unsigned sum = 0;
    double hz;

    edid_build(&info, e);
    for (unsigned i = 0; i < EDID_BYTES; i++) {
        sum += e[i];
    }
    g_assert_cmphex(sum & 0xff, ==, 0);
    g_assert_cmpmem(e, 8, "\x00\xff\xff\xff\xff\xff\xff\x00", 8);
    g_assert_cmpuint(d[2] | d[4] >> 4 << 8, ==, 1280);
    g_assert_cmpuint(d[5] | d[7] >> 4 << 8, ==, 800);
    hz = (d[0] | d[1] << 8) * 10000.0 / (1280 + (d[3] | (d[4] & 15) << 8)) /
         (800 + (d[6] | (d[7] & 15) << 8));
    g_assert_cmpfloat_with_epsilon(hz, 75.0, 0.1);
    g_assert_cmpmem(e + 54 + 36 + 5, 13, "Ferry Monitor", 13);
    /* Sizes that no block can say. */
    info = (EDIDInfo){ .xres = 16000, .yres = 0, .refresh_mhz = 1, .name = "" };
    edid_build(&info, e);
    g_assert_cmpuint(d[2] | d[4] >> 4 << 8, ==, 4095);
}

#define ADD(name, func)                                                        \
    g_test_add("/vga/" name, Fixture, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qemu_init_main_loop(&error_abort);
    ADD("registers", test_registers);
    ADD("dac", test_dac);
    ADD("write-modes", test_write_modes);
    ADD("read-modes", test_read_modes);
    ADD("text", test_text);
    ADD("cursor-and-blank", test_cursor_and_blank);
    ADD("cga", test_cga);
    ADD("planar", test_planar);
    ADD("256", test_256);
    ADD("linear", test_linear);
    ADD("vbe-registers", test_vbe_registers);
    ADD("vbe-ports", test_vbe_ports);
    ADD("hostile", test_hostile);
    ADD("window/text", test_window_text);
    ADD("window/linear", test_window_linear);
    g_test_add_func("/vga/edid", test_edid);
    return g_test_run();
}
