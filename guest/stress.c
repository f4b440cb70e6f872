/*
 * The stress guest: dirties memory at a given rate and says so on COM1.
 *
 * Every CPU owns an equal share of the pages, walks it again and again and
 * prints a line after each pass. README.md lists the options.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "guest.h"

#define DEFAULT_MEM     (16u << 20)
#define DEFAULT_RATE    4096u
#define POOL_BYTES      65536u
#define POOL_QWORDS     (POOL_BYTES / 8)
#define PAGE_QWORDS     (PAGE_BYTES / 8)
#define NS_PER_S        1000000000u
#define RESET_PORT      0xcf9
#define KBD_COMMAND     0x64
#define KBD_PULSE_RESET 0xfe
#define ECHO_POLL_NS    2000000u
#define MMIO_HOLE       0xf0000000u
#define LOW_FIRST       0x10000u /* vectors, BIOS data, code to start CPUs */
#define LOW_LAST        0x80000u /* tables of firmware may follow */
#define WHOLE_EVERY     16u

typedef enum Pattern {
    PATTERN_BYTE,
    PATTERN_ZERO,
    PATTERN_RANDOM,
    PATTERN_TEXT,
    PATTERN_XOR,
    PATTERN_VERIFY,
} Pattern;

typedef struct Stress {
    Pattern pattern;
    RamRange ram[RAM_RANGES_MAX]; /* what is dirtied */
    unsigned n_ram;
    uint64_t pages;
    uint64_t kept;    /* the last so many of them are written once only */
    uint64_t whole;   /* the last so many of those have no word left out */
    uint64_t tick_ns; /* CPU 0 prints a point so often; 0 = never */
    uint64_t rate;    /* pages per second of all CPUs; 0 = no limit */
    uint64_t passes;
    unsigned cpus;
    bool echo;
    bool state;      /* of devices and CPUs is watched, too */
    uint64_t stride; /* between one page and the next: 1, or far away */
    const char *end; /* what happens after the last pass */
    uint8_t exit_code;
} Stress;

static Stress stress;
static BootInfo boot;
static uint64_t pool[POOL_QWORDS + PAGE_QWORDS];
static uint64_t heap_next, heap_end;
static volatile uint32_t go;
static volatile uint32_t finished;
extern char _end[];

static uint64_t alloc_page(void)
{
    uint64_t page = heap_next;

    if (page + PAGE_BYTES > heap_end) {
        return 0;
    }
    heap_next += PAGE_BYTES;
    return page;
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

static void fill_pool(void)
{
    static const char words[][8] = { "the ",  "and ",   "memory ", "page ",
                                     "of ",   "guest ", "writes ", "in ",
                                     "time ", "is ",    "host ",   "one " };
    uint64_t seed = rdtsc() | 1;

    if (stress.pattern == PATTERN_RANDOM) {
        for (unsigned i = 0; i < POOL_QWORDS + PAGE_QWORDS; i++) {
            pool[i] = random_next(&seed);
        }
    } else if (stress.pattern == PATTERN_TEXT) {
        char *dst = (char *)pool;
        char *end = dst + sizeof(pool);
        while (dst < end) {
            const char *w = words[random_next(&seed) % 12];
            while (*w && dst < end) {
                *dst++ = *w++;
            }
        }
    }
}

static void dirty_page(uint64_t *page, uint64_t n, uint64_t pass,
                       uint64_t *seed)
{
    switch (stress.pattern) {
    case PATTERN_BYTE:
        *(volatile uint8_t *)page = (uint8_t)(pass + 1);
        break;
    case PATTERN_ZERO:
        fill_qwords(page, 0, PAGE_QWORDS);
        break;
    case PATTERN_RANDOM:
    case PATTERN_TEXT:
        copy_qwords(page, pool + random_next(seed) % POOL_QWORDS, PAGE_QWORDS);
        break;
    case PATTERN_XOR: {
        uint64_t mask = random_next(seed);
        for (unsigned i = 0; i < PAGE_QWORDS; i++) {
            page[i] ^= mask;
        }
        break;
    }
    case PATTERN_VERIFY:
        verify_dirty(page, n, pass);
        break;
    }
}

/* The @n-th page of what is dirtied, and how many follow it without a gap. */
static uint64_t *page_address(uint64_t n, uint64_t *ret_left)
{
    for (unsigned i = 0; i < stress.n_ram; i++) {
        uint64_t pages = (stress.ram[i].end - stress.ram[i].start) / PAGE_BYTES;
        if (n < pages) {
            *ret_left = pages - n;
            return (uint64_t *)(uintptr_t)(stress.ram[i].start +
                                           n * PAGE_BYTES);
        }
        n -= pages;
    }
    return NULL;
}

static bool echo_poll(void)
{
    bool any = false;
    int c;

    while ((c = console_getc()) >= 0) {
        char out = (char)c;
        console_write(&out, 1);
        any = true;
    }
    return any;
}

/* Points, for who measures from outside how long the guest stood still. */
static void tick(uint64_t now)
{
    static uint64_t next;

    if (stress.tick_ns && now >= next) {
        console_write(".", 1);
        next = now + stress.tick_ns;
    }
}

static void keep_pages(void)
{
    uint64_t left;

    for (uint64_t n = stress.pages; n < stress.pages + stress.kept; n++) {
        bool whole = n >= stress.pages + stress.kept - stress.whole;

        verify_keep(page_address(n, &left), n, whole);
    }
}

/* All words of a page take long: one page for so many that are dirtied. */
static void check_whole(void)
{
    static uint64_t turn, n, round;
    uint64_t page, left;

    if (++turn % WHOLE_EVERY) {
        return;
    }
    if (n == stress.whole) {
        n = 0;
        console_print("whole round %u pages %u errors %u\n", ++round,
                      stress.whole, verify_errors());
    }
    page = stress.pages + stress.kept - stress.whole + n++;
    verify_whole(page_address(page, &left), page);
}

/* One kept page for each dirtied one. */
static void check_kept(void)
{
    static uint64_t n, round;
    uint64_t left;

    if (n == stress.kept) {
        n = 0;
        console_print("kept round %u pages %u errors %u\n", ++round,
                      stress.kept, verify_errors());
    }
    verify_kept(page_address(stress.pages + n, &left), stress.pages + n, round);
    n++;
}

/* Wait until @done pages are due by the rate; echo meanwhile. */
static void pace(unsigned cpu, uint64_t start_ns, uint64_t done)
{
    bool echo = stress.echo && cpu == 0;
    uint64_t rate = stress.rate / stress.cpus;
    uint64_t due = start_ns;

    if (rate) {
        due += done / rate * NS_PER_S + done % rate * NS_PER_S / rate;
    }
    for (;;) {
        bool busy = echo && echo_poll();
        uint64_t now = clock_ns(cpu);
        if (cpu == 0) {
            tick(now);
        }
        if (!rate || now >= due) {
            return;
        }
        uint64_t until =
            echo && due - now > ECHO_POLL_NS ? now + ECHO_POLL_NS : due;
        if (stress.tick_ns && cpu == 0 && until - now > stress.tick_ns) {
            until = now + stress.tick_ns;
        }
        if (!busy) {
            clock_sleep_until(cpu, until);
        }
    }
}

static void print_pass(unsigned cpu, uint64_t pass, uint64_t pages,
                       uint64_t start, uint64_t end)
{
    console_print("pass %u cpu %u time %u.%06u took %u.%06u pages %u\n", pass,
                  (uint64_t)cpu, end / NS_PER_S, end % NS_PER_S / 1000,
                  (end - start) / NS_PER_S, (end - start) % NS_PER_S / 1000,
                  pages);
}

/*
 * After how many pages to look at the clock. While pages are missing each takes
 * as long as a trip to another host: a guest that times them looks each time, or
 * its own work would count as time for which it stood.
 */
static uint64_t pages_between_looks(uint64_t rate)
{
    if (rate) {
        return rate / 200 + 1;
    }
    return slow_is_on() ? 1 : 256;
}

static void run_passes(unsigned cpu)
{
    uint64_t first = stress.pages * cpu / stress.cpus;
    uint64_t last = stress.pages * (cpu + 1) / stress.cpus;
    uint64_t rate = stress.rate / stress.cpus;
    uint64_t batch = pages_between_looks(rate);
    uint64_t seed = rdtsc() ^ (0x9e3779b97f4a7c15u * (cpu + 1));
    uint64_t start_ns = clock_ns(cpu);
    uint64_t done = 0;

    if (stress.state) {
        state_begin(cpu);
    }
    for (uint64_t pass = 0; !stress.passes || pass < stress.passes; pass++) {
        uint64_t pass_start = clock_ns(cpu);
        uint64_t *page = NULL;
        uint64_t left = 0;
        uint64_t in_batch = 0;

        for (uint64_t i = first; i < last; i++) {
            uint64_t n = i;

            if (stress.stride > 1) {
                n = first + (i - first) * stress.stride % (last - first);
                page = page_address(n, &left);
            } else if (left == 0) {
                page = page_address(n, &left);
            }
            if (cpu == 0) {
                slow_touch(page);
            }
            dirty_page(page, n, pass, &seed);
            if (stress.kept && cpu == 0) {
                check_kept();
            }
            if (stress.whole && cpu == 0) {
                check_whole();
            }
            page += PAGE_QWORDS;
            left--;
            if (++in_batch == batch) {
                in_batch = 0;
                pace(cpu, start_ns, done + (i - first) + 1);
            }
        }
        done += last - first;
        if (stress.state) {
            state_check(cpu);
        }
        pace(cpu, start_ns, done);
        print_pass(cpu, pass + 1, last - first, pass_start, clock_ns(cpu));
        if (cpu == 0) {
            slow_print(pass + 1);
        }
    }
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static void end_guest(void)
{
    if (option_is(stress.end, "reset")) {
        outb(KBD_COMMAND, KBD_PULSE_RESET);
    } else if (option_is(stress.end, "reset-cf9")) {
        outb(RESET_PORT, 0x06);
    } else if (option_is(stress.end, "reset-92")) {
        outb(0x92, 0x01);
    } else if (option_is(stress.end, "triple")) {
        struct {
            uint16_t limit;
            uint64_t base;
        } __attribute__((packed)) none = { 0, 0 };
        __asm__ volatile("lidt %0; ud2" : : "m"(none));
    } else if (option_is(stress.end, "emulation")) {
        /* An instruction fetch from a device: no hypervisor can do it. */
        ((void (*)(void))(uintptr_t)MMIO_HOLE)();
    } else if (!option_is(stress.end, "halt")) {
        outb(DEBUG_EXIT_PORT, stress.exit_code);
    }
    console_print("end\n");
    for (;;) {
        uint64_t now = clock_ns(0);
        uint64_t until = now + ECHO_POLL_NS;
        tick(now);
        if (stress.echo) {
            while (echo_poll()) {
            }
        }
        if (stress.tick_ns && until > now + stress.tick_ns) {
            until = now + stress.tick_ns;
        }
        clock_sleep_until(0, until);
    }
}

void guest_ap_main(unsigned cpu)
{
    idt_load();
    apic_init_cpu();
    clock_init_cpu(cpu);
    while (!go) {
        cpu_relax();
    }
    if (cpu >= stress.cpus) {
        return;
    }
    run_passes(cpu);
    __asm__ volatile("lock incl %0" : "+m"(finished) : : "memory");
}

void guest_exception(const uint64_t *frame)
{
    console_print("exception %u error %x rip %x\n", frame[0], frame[1],
                  frame[2]);
    outb(DEBUG_EXIT_PORT, 0x7f);
}

static Pattern parse_pattern(const char *value)
{
    static const char *const names[] = { "byte", "zero", "random",
                                         "text", "xor",  "verify" };

    for (unsigned i = 0; value && i < sizeof(names) / sizeof(*names); i++) {
        if (option_is(value, names[i])) {
            return (Pattern)i;
        }
    }
    return PATTERN_BYTE;
}

/* Choose stress.pages pages of RAM behind the program, its heap and modules. */
static void choose_memory(uint64_t want_bytes, bool all)
{
    uint64_t first = (uintptr_t)_end;
    uint64_t pages = 0;

    if (all) {
        stress.ram[stress.n_ram++] = (RamRange){ LOW_FIRST, LOW_LAST };
        pages = (LOW_LAST - LOW_FIRST) / PAGE_BYTES;
        fill_qwords((void *)(uintptr_t)LOW_FIRST, 0,
                    pages * PAGE_QWORDS); /* who loaded us was there */
    }
    for (unsigned i = 0; i < boot.n_modules; i++) {
        if (boot.module[i].end > first) {
            first = boot.module[i].end;
        }
    }
    first = (first + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    for (unsigned i = 0; i < boot.n_ram; i++) {
        RamRange r = boot.ram[i];
        if (r.start < first && first < r.end) {
            heap_next = first; /* page tables: 4 KiB a GiB */
            heap_end = first + 512 * (uint64_t)PAGE_BYTES;
            if (heap_end > r.end) {
                heap_end = r.end;
            }
            r.start = heap_end;
        }
        if (r.start < first) {
            continue;
        }
        uint64_t n = (r.end - r.start) / PAGE_BYTES;
        if (pages + n > want_bytes / PAGE_BYTES) {
            n = want_bytes / PAGE_BYTES - pages;
        }
        if (n) {
            stress.ram[stress.n_ram++] =
                (RamRange){ r.start, r.start + n * PAGE_BYTES };
            pages += n;
        }
    }
    stress.pages = pages;
}

static void print_modules(void)
{
    for (unsigned i = 0; i < boot.n_modules; i++) {
        RamRange m = boot.module[i];
        const uint8_t *p = (const uint8_t *)(uintptr_t)m.start;
        uint64_t sum = 0;
        for (uint64_t n = m.end - m.start; n; n--) {
            sum += *p++;
        }
        console_print("module %u bytes %u sum %u\n", (uint64_t)i,
                      m.end - m.start, sum);
    }
}

static uint64_t ram_bytes(void)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < boot.n_ram; i++) {
        total += boot.ram[i].end - boot.ram[i].start;
    }
    return total;
}

/* order=far: every page once, each far from the one before. */
static void choose_stride(const char *order)
{
    uint64_t share = stress.pages / stress.cpus;

    stress.stride = 1;
    if (!order || !option_is(order, "far")) {
        return;
    }
    /* No divisor in common with either share that a CPU may get. */
    stress.stride = share * 618 / 1000;
    while (stress.stride > 1 &&
           (common_divisor(stress.stride, share) > 1 ||
            common_divisor(stress.stride, share + 1) > 1)) {
        stress.stride--;
    }
}

static void read_options(void)
{
    static const uint16_t com[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    const char *mem = option_find(&boot, "mem");
    bool all = mem && option_is(mem, "all");

    console_init(&(ConsoleOptions){
        .port = com[(option_size(&boot, "com", 1) - 1) & 3],
        .debugcon = option_find(&boot, "debugcon"),
        .lpt = option_find(&boot, "lpt"),
    });
    choose_memory(all ? UINT64_MAX / 2 : option_size(&boot, "mem", DEFAULT_MEM),
                  all);
    stress.pattern = parse_pattern(option_find(&boot, "pattern"));
    stress.kept = option_size(&boot, "kept", 0) / PAGE_BYTES;
    if (stress.kept > stress.pages) {
        stress.kept = stress.pages;
    }
    stress.whole = option_size(&boot, "whole", 0) / PAGE_BYTES;
    if (stress.whole > stress.kept) {
        stress.whole = stress.kept;
    }
    stress.pages -= stress.kept;
    stress.state = option_find(&boot, "state");
    stress.tick_ns = option_size(&boot, "tick", 0) * 1000;
    stress.rate = option_size(&boot, "rate", DEFAULT_RATE);
    stress.passes = option_size(&boot, "passes", 0);
    stress.cpus = (unsigned)option_size(&boot, "cpus", 1);
    stress.echo = option_find(&boot, "echo");
    stress.end = option_find(&boot, "end");
    if (!stress.end) {
        stress.end = "exit";
    }
    stress.exit_code = (uint8_t)option_size(&boot, "exit", 0);
    if (stress.cpus < 1) {
        stress.cpus = 1;
    } else if (stress.cpus > GUEST_CPUS_MAX) {
        stress.cpus = GUEST_CPUS_MAX;
    }
    if (stress.rate && stress.rate < stress.cpus) {
        stress.rate = stress.cpus;
    }
    slow_init(option_size(&boot, "slow", 0) * 1000);
    choose_stride(option_find(&boot, "order"));
}

void guest_main(unsigned protocol, uint32_t info)
{
    boot_info_read(&boot, protocol, info);
    read_options();
    idt_init();
    paging_map(0xfec00000u, 0xfee01000u, alloc_page);
    for (unsigned i = 0; i < stress.n_ram; i++) {
        paging_map(stress.ram[i].start, stress.ram[i].end, alloc_page);
    }
    apic_init_cpu();
    clock_init();
    clock_calibrate_timer(0);
    if (stress.cpus > 1) {
        stress.cpus = smp_start(stress.cpus);
    }
    console_print("\nstress boot %s clock %s cpus %u ram %u dirty %u rate %u\n",
                  boot.protocol, clock_name(), (uint64_t)stress.cpus,
                  ram_bytes(), stress.pages * PAGE_BYTES, stress.rate);
    print_modules();
    if (option_find(&boot, "rtc")) {
        rtc_print();
    }
    fill_pool();
    keep_pages();
    if (option_find(&boot, "idle") || stress.pages == 0) {
        end_guest();
    }
    go = 1;
    run_passes(0);
    while (finished + 1 < stress.cpus) {
        cpu_relax();
    }
    end_guest();
}

/* The compiler may call these for copies and initializers. */
void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);

void *memcpy(void *dst, const void *src, size_t n)
{
    void *ret = dst;

    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
    return ret;
}

void *memset(void *dst, int c, size_t n)
{
    void *ret = dst;

    __asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(c) : "memory");
    return ret;
}
