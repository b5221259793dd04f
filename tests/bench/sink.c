/* sink - the floor: fetches every article of a post and throws it away.
 *
 * What it costs to have the bytes in user space and no more: no decoding, no
 * checksum, no disk, no log-in. One blocking thread per connection, BODY pipelined.
 *
 *   gcc -O2 -pthread -o sink sink.c -lssl -lcrypto
 *   ./sink --port N [--conns N] [--depth N] [--buf BYTES] [--tls] POST.idx
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct art { char id[64]; unsigned head, len; };
static struct art *arts; static size_t narts;
static atomic_size_t next; static atomic_ullong bytes;
static int port = 1119, conns = 8, depth = 2, use_tls; static size_t buf_size = 262144;
static SSL_CTX *ctx;

static void die(const char *what) { perror(what); exit(1); }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

static void *run(void *arg) {
    (void)arg;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(fd, (void *)&a, sizeof a)) die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    SSL *ssl = NULL;
    if (use_tls) { ssl = SSL_new(ctx); SSL_set_fd(ssl, fd); if (SSL_connect(ssl) != 1) die("tls"); }
    char *buf = malloc(buf_size);
    long n = ssl ? SSL_read(ssl, buf, buf_size) : recv(fd, buf, buf_size, 0);
    if (n < 3 || memcmp(buf, "200", 3)) { fprintf(stderr, "greeting: %.*s\n", (int)n, buf); exit(1); }
    size_t left[256]; unsigned head = 0, tail = 0; unsigned long long mine = 0;
    for (;;) {
        while (head - tail < (unsigned)depth) {
            size_t i = next++; char cmd[128];
            if (i >= narts) break;
            int c = snprintf(cmd, sizeof cmd, "BODY <%s>\r\n", arts[i].id);
            left[head++ % 256] = strlen("222 0 <>\r\n") + strlen(arts[i].id) + arts[i].len - arts[i].head - 2;
            if ((ssl ? SSL_write(ssl, cmd, c) : send(fd, cmd, c, MSG_NOSIGNAL)) != c) die("send");
        }
        if (head == tail) break;
        n = ssl ? SSL_read(ssl, buf, buf_size) : recv(fd, buf, buf_size, 0);
        if (n <= 0) { fprintf(stderr, "closed early\n"); exit(1); }
        mine += n;
        while (n) {
            size_t *l = &left[tail % 256];
            if (head == tail) { fprintf(stderr, "more bytes than asked for\n"); exit(1); }
            if ((size_t)n < *l) { *l -= n; break; }
            n -= *l; tail++;
        }
    }
    bytes += mine;
    if (ssl) SSL_free(ssl);
    close(fd); free(buf);
    return NULL;
}

int main(int argc, char **argv) {
    enum { PORT = 256, CONNS, DEPTH, TLS };
    static struct option opts[] = {{"port", 1, 0, PORT}, {"conns", 1, 0, CONNS}, {"depth", 1, 0, DEPTH}, {"tls", 0, 0, TLS}, {0}};
    int o;
    while ((o = getopt_long(argc, argv, "", opts, 0)) != -1) switch (o) {
        case PORT: port = atoi(optarg); break;
        case CONNS: conns = atoi(optarg); break;
        case DEPTH: depth = atoi(optarg); break;
        case TLS: use_tls = 1; break;
        default: return 2;
    }
    if (argc - optind != 1 || depth < 1 || depth > 255 || conns < 1) { fprintf(stderr, "usage: sink --port N [--conns N] [--depth N] [--tls] POST.idx\n"); return 2; }
    FILE *f = fopen(argv[optind], "r"); struct art a; unsigned long off; size_t cap = 0;
    if (!f) die(argv[optind]);
    while (fscanf(f, "%63s %lu %u %u", a.id, &off, &a.head, &a.len) == 4) {
        if (narts == cap) arts = realloc(arts, (cap = cap * 2 + 64) * sizeof a);
        arts[narts++] = a;
    }
    if (use_tls) ctx = SSL_CTX_new(TLS_client_method());
    pthread_t *t = calloc(conns, sizeof *t);
    double t0 = now();
    for (int i = 0; i < conns; i++) pthread_create(&t[i], 0, run, 0);
    for (int i = 0; i < conns; i++) pthread_join(t[i], 0);
    double wall = now() - t0; struct rusage r; getrusage(RUSAGE_SELF, &r);
    double cpu = r.ru_utime.tv_sec + r.ru_utime.tv_usec / 1e6 + r.ru_stime.tv_sec + r.ru_stime.tv_usec / 1e6;
    printf("{\"wall_s\":%.4f,\"cpu_s\":%.3f,\"bytes\":%llu}\n", wall, cpu, (unsigned long long)bytes);
    return 0;
}
