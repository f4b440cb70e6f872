/*
 * How fast a CPU is, in a few loops that stand for what guests do: the same
 * static program runs on the host and in a guest of any emulator.
 *
 *   cpubench [SECONDS [NAME...]]     each loop for about SECONDS (default 1)
 *
 * A line "NAME RATE UNIT CHECK" for each; CHECK must be the same everywhere.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ARRAY_BYTES (32u << 20)
#define N           96

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static uint32_t rotr(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* -- SHA-256 (FIPS 180-4) of one block, again and again ------------------------ */

static uint32_t sha_k[64];

static void sha_init(void)
{
    /* The first 32 bits of the fractional parts of cube roots of primes would
     * do for SHA-256; any constants do for a measurement. */
    uint32_t x = 0x428a2f98;

    for (int i = 0; i < 64; i++) {
        sha_k[i] = x;
        x = x * 1664525u + 1013904223u;
    }
}

static void sha_block(uint32_t h[8], const uint32_t m[16])
{
    uint32_t w[64], v[8];

    memcpy(w, m, 64);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];

        w[i] = w[i - 16] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + w[i - 7] +
               (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
    }
    memcpy(v, h, 32);
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) +
                      ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
        uint32_t t2 = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) +
                      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        memmove(v + 1, v, 28);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        h[i] += v[i];
    }
}

static uint64_t bench_sha(void)
{
    uint32_t h[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, m[16] = { 0 };

    for (uint32_t i = 0; i < 16384; i++) { /* 1 MiB */
        m[0] = i;
        sha_block(h, m);
    }
    return (uint64_t)h[0] << 32 | h[7];
}

/* -- branches, tables and calls: a byte-code machine ----------------------------- */

static uint64_t bench_interp(void)
{
    static const uint8_t code[] = { 0, 1, 2, 3, 4, 1, 0, 5, 2, 6, 1, 3, 7 };
    uint64_t a = 1, b = 2, n = 0;
    size_t pc = 0;

    while (n++ < 1000000) {
        switch (code[pc]) {
        case 0:
            a += b;
            break;
        case 1:
            b ^= a << 3;
            break;
        case 2:
            a = a * 3 + 1;
            break;
        case 3:
            b -= a >> 5;
            break;
        case 4:
            a = a & 1 ? a + 7 : a >> 1;
            break;
        case 5:
            b += n;
            break;
        case 6:
            a ^= b;
            break;
        default:
            pc = (size_t)-1;
        }
        pc++;
    }
    return a ^ b;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static uint64_t bench_sort(void)
{
    static uint32_t v[20000];
    uint32_t x = 12345;

    for (size_t i = 0; i < 20000; i++) {
        v[i] = x = x * 1103515245u + 12345u;
    }
    qsort(v, 20000, sizeof(v[0]), compare);
    return v[0] ^ v[19999] ^ (uint64_t)v[10000] << 32;
}

/* -- floating point ---------------------------------------------------------------- */

static double ma[N][N], mb[N][N], mc[N][N];

static void matrix_init(void)
{
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            ma[i][j] = (i * 7 + j) % 13 / 4.0;
            mb[i][j] = (i + j * 5) % 11 / 8.0;
        }
    }
}

__attribute__((optimize("no-tree-vectorize"))) static uint64_t bench_scalar(
    void)
{
    uint64_t bits;

    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            double s = 0;

            for (int k = 0; k < N; k++) {
                s += ma[i][k] * mb[k][j];
            }
            mc[i][j] = s;
        }
    }
    memcpy(&bits, &mc[N / 2][N / 3], 8);
    return bits;
}

__attribute__((optimize("tree-vectorize"))) static uint64_t bench_vector(void)
{
    uint64_t bits;

    memset(mc, 0, sizeof(mc));
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < N; k++) {
            double a = ma[i][k];

            for (int j = 0; j < N; j++) {
                mc[i][j] += a * mb[k][j];
            }
        }
    }
    memcpy(&bits, &mc[N / 2][N / 3], 8);
    return bits;
}

static uint64_t bench_x87(void)
{
    long double x = 1, s = 0;
    double d;
    uint64_t bits;

    for (int i = 1; i < 200000; i++) {
        s += x / i;
        x = -x;
    }
    d = (double)s;
    memcpy(&bits, &d, 8);
    return bits;
}

/* -- memory -------------------------------------------------------------------------- */

static uint64_t *array;

static uint64_t bench_xor(void)
{
    uint64_t x = 0;

    for (size_t i = 0; i < ARRAY_BYTES / 8; i++) {
        x ^= array[i];
    }
    return x;
}

static uint64_t bench_copy(void)
{
    memcpy(array, array + ARRAY_BYTES / 16, ARRAY_BYTES / 2);
    return array[5];
}

static uint64_t bench_chase(void)
{
    uint64_t at = 0;

    for (int i = 0; i < 500000; i++) {
        at = (at * 2862933555777941757ull + array[at] + 3037000493ull) >> 7 &
             (ARRAY_BYTES / 8 - 1);
    }
    return at;
}

static const struct {
    const char *name, *unit;
    uint64_t (*run)(void);
    double units; /* in one run */
} benches[] = {
    { "sha256", "MiB/s", bench_sha, 1 },
    { "interp", "M steps/s", bench_interp, 1 },
    { "sort", "k items/s", bench_sort, 20 },
    { "scalar", "MFLOP/s", bench_scalar, 2e-6 * N *N *N },
    { "vector", "MFLOP/s", bench_vector, 2e-6 * N *N *N },
    { "x87", "M divisions/s", bench_x87, 0.2 },
    { "xor", "MiB/s", bench_xor, ARRAY_BYTES >> 20 },
    { "copy", "MiB/s", bench_copy, ARRAY_BYTES >> 21 },
    { "chase", "M loads/s", bench_chase, 0.5 },
};

static int wanted(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        if (!strcmp(name, argv[i])) {
            return 1;
        }
    }
    return argc <= 2;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;

    array = malloc(ARRAY_BYTES);
    if (!array) {
        perror("cpubench");
        return 1;
    }
    for (size_t i = 0; i < ARRAY_BYTES / 8; i++) {
        array[i] = i * 0x9e3779b97f4a7c15ull;
    }
    sha_init();
    matrix_init();
    for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
        double start = now(), t;
        uint64_t check;
        long runs = 0;

        if (!wanted(benches[i].name, argc, argv)) {
            continue;
        }
        check = benches[i].run();
        start = now();
        do {
            benches[i].run();
            runs++;
            t = now() - start;
        } while (t < seconds);
        printf("%-8s %10.1f %-14s %016llx\n", benches[i].name,
               runs * benches[i].units / t, benches[i].unit,
               (unsigned long long)check);
        fflush(stdout);
    }
    return 0;
}
