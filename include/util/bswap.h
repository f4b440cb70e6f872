/*
 * Byte order: swaps, conversions of values, and loads and stores of
 * unaligned memory.
 *
 *   cpu_to_be32(x), be32_to_cpu(x)      values
 *   cpu_to_be32s(&x), be32_to_cpus(&x)  in place
 *   ldl_be_p(p), stl_be_p(p, v)         memory: b=8, w=16, l=32, q=64 bits;
 *                                       u and s: zero- or sign-extended;
 *                                       he = host, le, be
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef UTIL_BSWAP_H
#define UTIL_BSWAP_H

#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "util/compiler.h"

#define HOST_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

#define bswap16(x) __builtin_bswap16(x)
#define bswap32(x) __builtin_bswap32(x)
#define bswap64(x) __builtin_bswap64(x)

static inline void bswap16s(uint16_t *s)
{
    *s = bswap16(*s);
}

static inline void bswap32s(uint32_t *s)
{
    *s = bswap32(*s);
}

static inline void bswap64s(uint64_t *s)
{
    *s = bswap64(*s);
}

#if HOST_BIG_ENDIAN
#define be_bswap(v, size) (v)
#define le_bswap(v, size) glue(bswap, size)(v)
#else
#define be_bswap(v, size) glue(bswap, size)(v)
#define le_bswap(v, size) (v)
#endif

static inline uint16_t le16_to_cpu(uint16_t v)
{
    return le_bswap(v, 16);
}

static inline uint16_t cpu_to_le16(uint16_t v)
{
    return le_bswap(v, 16);
}

static inline void le16_to_cpus(uint16_t *p)
{
    *p = le_bswap(*p, 16);
}

static inline void cpu_to_le16s(uint16_t *p)
{
    *p = le_bswap(*p, 16);
}

static inline uint32_t le32_to_cpu(uint32_t v)
{
    return le_bswap(v, 32);
}

static inline uint32_t cpu_to_le32(uint32_t v)
{
    return le_bswap(v, 32);
}

static inline void le32_to_cpus(uint32_t *p)
{
    *p = le_bswap(*p, 32);
}

static inline void cpu_to_le32s(uint32_t *p)
{
    *p = le_bswap(*p, 32);
}

static inline uint64_t le64_to_cpu(uint64_t v)
{
    return le_bswap(v, 64);
}

static inline uint64_t cpu_to_le64(uint64_t v)
{
    return le_bswap(v, 64);
}

static inline void le64_to_cpus(uint64_t *p)
{
    *p = le_bswap(*p, 64);
}

static inline void cpu_to_le64s(uint64_t *p)
{
    *p = le_bswap(*p, 64);
}

static inline uint16_t be16_to_cpu(uint16_t v)
{
    return be_bswap(v, 16);
}

static inline uint16_t cpu_to_be16(uint16_t v)
{
    return be_bswap(v, 16);
}

static inline void be16_to_cpus(uint16_t *p)
{
    *p = be_bswap(*p, 16);
}

static inline void cpu_to_be16s(uint16_t *p)
{
    *p = be_bswap(*p, 16);
}

static inline uint32_t be32_to_cpu(uint32_t v)
{
    return be_bswap(v, 32);
}

static inline uint32_t cpu_to_be32(uint32_t v)
{
    return be_bswap(v, 32);
}

static inline void be32_to_cpus(uint32_t *p)
{
    *p = be_bswap(*p, 32);
}

static inline void cpu_to_be32s(uint32_t *p)
{
    *p = be_bswap(*p, 32);
}

static inline uint64_t be64_to_cpu(uint64_t v)
{
    return be_bswap(v, 64);
}

static inline uint64_t cpu_to_be64(uint64_t v)
{
    return be_bswap(v, 64);
}

static inline void be64_to_cpus(uint64_t *p)
{
    *p = be_bswap(*p, 64);
}

static inline void cpu_to_be64s(uint64_t *p)
{
    *p = be_bswap(*p, 64);
}

/* For initialisers of static data. */
#if HOST_BIG_ENDIAN
#define const_le16(x) ((uint16_t)((((x)&0xff) << 8) | (((x)&0xff00) >> 8)))
#define const_le32(x)                                                          \
    ((((x)&0xffU) << 24) | (((x)&0xff00U) << 8) | (((x)&0xff0000U) >> 8) |     \
     (((x)&0xff000000U) >> 24))
#else
#define const_le16(x) (x)
#define const_le32(x) (x)
#endif

/* -- memory, any alignment --------------------------------------------- */

static inline int ldub_p(const void *ptr)
{
    return *(const uint8_t *)ptr;
}

static inline int ldsb_p(const void *ptr)
{
    return *(const int8_t *)ptr;
}

static inline void stb_p(void *ptr, uint8_t v)
{
    *(uint8_t *)ptr = v;
}

static inline int lduw_he_p(const void *ptr)
{
    uint16_t r;

    memcpy(&r, ptr, sizeof(r));
    return r;
}

static inline int ldsw_he_p(const void *ptr)
{
    int16_t r;

    memcpy(&r, ptr, sizeof(r));
    return r;
}

static inline int ldl_he_p(const void *ptr)
{
    int32_t r;

    memcpy(&r, ptr, sizeof(r));
    return r;
}

static inline uint64_t ldq_he_p(const void *ptr)
{
    uint64_t r;

    memcpy(&r, ptr, sizeof(r));
    return r;
}

static inline void stw_he_p(void *ptr, uint16_t v)
{
    memcpy(ptr, &v, sizeof(v));
}

static inline void stl_he_p(void *ptr, uint32_t v)
{
    memcpy(ptr, &v, sizeof(v));
}

static inline void stq_he_p(void *ptr, uint64_t v)
{
    memcpy(ptr, &v, sizeof(v));
}

static inline int lduw_le_p(const void *ptr)
{
    return (uint16_t)le_bswap((uint16_t)lduw_he_p(ptr), 16);
}

static inline int ldsw_le_p(const void *ptr)
{
    return (int16_t)le_bswap((uint16_t)lduw_he_p(ptr), 16);
}

static inline int ldl_le_p(const void *ptr)
{
    return (int32_t)le_bswap((uint32_t)ldl_he_p(ptr), 32);
}

static inline uint64_t ldq_le_p(const void *ptr)
{
    return (uint64_t)le_bswap((uint64_t)ldq_he_p(ptr), 64);
}

static inline void stw_le_p(void *ptr, uint16_t v)
{
    stw_he_p(ptr, le_bswap(v, 16));
}

static inline void stl_le_p(void *ptr, uint32_t v)
{
    stl_he_p(ptr, le_bswap(v, 32));
}

static inline void stq_le_p(void *ptr, uint64_t v)
{
    stq_he_p(ptr, le_bswap(v, 64));
}

static inline int lduw_be_p(const void *ptr)
{
    return (uint16_t)be_bswap((uint16_t)lduw_he_p(ptr), 16);
}

static inline int ldsw_be_p(const void *ptr)
{
    return (int16_t)be_bswap((uint16_t)lduw_he_p(ptr), 16);
}

static inline int ldl_be_p(const void *ptr)
{
    return (int32_t)be_bswap((uint32_t)ldl_he_p(ptr), 32);
}

static inline uint64_t ldq_be_p(const void *ptr)
{
    return (uint64_t)be_bswap((uint64_t)ldq_he_p(ptr), 64);
}

static inline void stw_be_p(void *ptr, uint16_t v)
{
    stw_he_p(ptr, be_bswap(v, 16));
}

static inline void stl_be_p(void *ptr, uint32_t v)
{
    stl_he_p(ptr, be_bswap(v, 32));
}

static inline void stq_be_p(void *ptr, uint64_t v)
{
    stq_he_p(ptr, be_bswap(v, 64));
}

/** ldn_X_p / stn_X_p: @sz is 1, 2, 4 or 8 bytes; zero-extended. */
static inline uint64_t ldn_he_p(const void *ptr, int sz)
{
    switch (sz) {
    case 1:
        return (uint8_t)ldub_p(ptr);
    case 2:
        return (uint16_t)lduw_he_p(ptr);
    case 4:
        return (uint32_t)ldl_he_p(ptr);
    case 8:
        return ldq_he_p(ptr);
    default:
        g_assert_not_reached();
    }
}

static inline void stn_he_p(void *ptr, int sz, uint64_t v)
{
    switch (sz) {
    case 1:
        stb_p(ptr, v);
        break;
    case 2:
        stw_he_p(ptr, v);
        break;
    case 4:
        stl_he_p(ptr, v);
        break;
    case 8:
        stq_he_p(ptr, v);
        break;
    default:
        g_assert_not_reached();
    }
}

static inline uint64_t ldn_le_p(const void *ptr, int sz)
{
    switch (sz) {
    case 1:
        return (uint8_t)ldub_p(ptr);
    case 2:
        return (uint16_t)lduw_le_p(ptr);
    case 4:
        return (uint32_t)ldl_le_p(ptr);
    case 8:
        return ldq_le_p(ptr);
    default:
        g_assert_not_reached();
    }
}

static inline void stn_le_p(void *ptr, int sz, uint64_t v)
{
    switch (sz) {
    case 1:
        stb_p(ptr, v);
        break;
    case 2:
        stw_le_p(ptr, v);
        break;
    case 4:
        stl_le_p(ptr, v);
        break;
    case 8:
        stq_le_p(ptr, v);
        break;
    default:
        g_assert_not_reached();
    }
}

static inline uint64_t ldn_be_p(const void *ptr, int sz)
{
    switch (sz) {
    case 1:
        return (uint8_t)ldub_p(ptr);
    case 2:
        return (uint16_t)lduw_be_p(ptr);
    case 4:
        return (uint32_t)ldl_be_p(ptr);
    case 8:
        return ldq_be_p(ptr);
    default:
        g_assert_not_reached();
    }
}

static inline void stn_be_p(void *ptr, int sz, uint64_t v)
{
    switch (sz) {
    case 1:
        stb_p(ptr, v);
        break;
    case 2:
        stw_be_p(ptr, v);
        break;
    case 4:
        stl_be_p(ptr, v);
        break;
    case 8:
        stq_be_p(ptr, v);
        break;
    default:
        g_assert_not_reached();
    }
}

#endif
