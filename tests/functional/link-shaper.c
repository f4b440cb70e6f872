/*
 * A bad link between two network namespaces: delay, loss, a limited rate, and
 * a cable that is pulled.
 *
 *   link-shaper NS-A ADDRESS-A NS-B ADDRESS-B
 *
 * Makes the point-to-point device `link0` in each namespace and carries packets
 * from one to the other until its standard input ends. Lines there change it
 * while it runs: "delay=20 loss=1.5 rate=100 down=1 firewall=1" (milliseconds,
 * percent, megabits per second with 0 = no limit, the pulled cable, and one that
 * drops the first packet of each TCP connection). A kernel without
 * netem can do none of that; TUN devices are nearly everywhere.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "util/osdep.h"

#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>

#define SECOND_NS  INT64_C(1000000000)
#define PACKET_MAX 65536
#define QUEUE_MAX  8192 /* packets; one more is lost, as in a router */
#define BURST      64   /* packets read of one side before the other's turn */

typedef struct Packet {
    struct Packet *next;
    int64_t due_ns;
    size_t len;
    uint8_t data[];
} Packet;

typedef struct Direction {
    int from, to;
    Packet *head, *tail;
    unsigned queued;
    int64_t free_ns; /* when the line has sent what was given to it */
} Direction;

static struct {
    double delay_ms, loss_percent, rate_mbit;
    bool down;
    bool firewall; /* TCP connections that begin are dropped */
} shape;

static int64_t now_ns(void)
{
    return g_get_monotonic_time() * 1000;
}

static void G_GNUC_NORETURN fail(const char *what)
{
    fprintf(stderr, "link-shaper: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The device of one side; this thread is in its namespace afterwards. */
static int open_side(const char *ns, const char *address, const char *peer)
{
    struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    g_autofree char *path = g_strdup_printf("/run/netns/%s", ns);
    g_autofree char *command =
        g_strdup_printf("ip address add %s peer %s dev link0 && "
                        "ip link set link0 mtu 1500 txqueuelen 4096 up",
                        address, peer);
    int ns_fd = open(path, O_RDONLY | O_CLOEXEC);
    int fd;

    if (ns_fd < 0 || setns(ns_fd, CLONE_NEWNET) < 0) {
        fail(ns);
    }
    close(ns_fd);
    fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    g_strlcpy(ifr.ifr_name, "link0", sizeof(ifr.ifr_name));
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0) {
        fail("/dev/net/tun");
    }
    if (system(command) != 0) {
        fail(command);
    }
    return fd;
}

static void set_shape(const char *line)
{
    g_auto(GStrv) words = g_strsplit_set(line, " \n", -1);

    for (char **w = words; *w; w++) {
        char *value = strchr(*w, '=');
        double x = value ? g_ascii_strtod(value + 1, NULL) : 0;

        if (g_str_has_prefix(*w, "delay=")) {
            shape.delay_ms = x;
        } else if (g_str_has_prefix(*w, "loss=")) {
            shape.loss_percent = x;
        } else if (g_str_has_prefix(*w, "rate=")) {
            shape.rate_mbit = x;
        } else if (g_str_has_prefix(*w, "down=")) {
            shape.down = x != 0;
        } else if (g_str_has_prefix(*w, "firewall=")) {
            shape.firewall = x != 0;
        }
    }
}

/* IPv4 with the SYN of TCP, and no ACK. */
static bool is_first(const uint8_t *data, size_t len)
{
    size_t header = (data[0] & 0xf) * 4u;

    return len >= header + 20 && data[0] >> 4 == 4 && data[9] == IPPROTO_TCP &&
           (data[header + 13] & 0x12) == 0x02;
}

static void queue_packet(Direction *d, const uint8_t *data, size_t len)
{
    int64_t leaves = now_ns();
    Packet *p;

    if (shape.down || d->queued == QUEUE_MAX ||
        (shape.firewall && is_first(data, len)) ||
        g_random_double() * 100 < shape.loss_percent) {
        return;
    }
    if (shape.rate_mbit > 0) {
        leaves = MAX(leaves, d->free_ns) +
                 (int64_t)((double)len * 8000 / shape.rate_mbit);
        d->free_ns = leaves;
    }
    p = g_malloc(sizeof(*p) + len);
    *p = (Packet){ .len = len,
                   .due_ns = leaves + (int64_t)(shape.delay_ms * 1e6) };
    memcpy(p->data, data, len);
    if (d->head) {
        d->tail->next = p;
    } else {
        d->head = p;
    }
    d->tail = p;
    d->queued++;
}

static void take_packets(Direction *d)
{
    static uint8_t buf[PACKET_MAX];

    for (int i = 0; i < BURST; i++) {
        ssize_t n = read(d->from, buf, sizeof(buf));

        if (n <= 0) {
            return;
        }
        queue_packet(d, buf, (size_t)n);
    }
}

/* Returns: when to look again. */
static int64_t give_packets(Direction *d)
{
    int64_t now = now_ns();

    while (d->head && d->head->due_ns <= now) {
        Packet *p = d->head;

        d->head = p->next;
        d->queued--;
        /* What the device does not take is lost. */
        G_GNUC_UNUSED ssize_t n = write(d->to, p->data, p->len);

        g_free(p);
    }
    return d->head ? d->head->due_ns : INT64_MAX;
}

/* Returns: false at the end of the input. */
static bool read_command(void)
{
    char line[256];
    ssize_t n = read(STDIN_FILENO, line, sizeof(line) - 1);

    if (n <= 0) {
        return false;
    }
    line[n] = '\0';
    set_shape(line);
    puts("ok");
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    Direction there = { 0 };
    Direction back = { 0 };

    if (argc != 5) {
        fprintf(stderr, "usage: link-shaper NS-A ADDRESS-A NS-B ADDRESS-B\n");
        return 2;
    }
    there.from = back.to = open_side(argv[1], argv[2], argv[4]);
    there.to = back.from = open_side(argv[3], argv[4], argv[2]);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t due = MIN(give_packets(&there), give_packets(&back));
        int64_t now = now_ns();
        int64_t left = due == INT64_MAX ? SECOND_NS : MAX(0, due - now);
        struct timespec wait = { left / SECOND_NS, left % SECOND_NS };
        struct pollfd p[] = { { there.from, POLLIN, 0 },
                              { back.from, POLLIN, 0 },
                              { STDIN_FILENO, POLLIN, 0 } };

        if (ppoll(p, G_N_ELEMENTS(p), &wait, NULL) < 0) {
            fail("poll");
        }
        take_packets(&there);
        take_packets(&back);
        if (p[2].revents && !read_command()) {
            return 0;
        }
    }
}
