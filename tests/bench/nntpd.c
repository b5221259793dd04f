/* nntpd - a loopback news server for benchmarks (RFC 3977, AUTHINFO of RFC 4643).
 *
 * Serves the articles of one post (posts.py: POST.dat + POST.idx) by message-id,
 * as fast as the kernel can: plain connections by sendfile from the page cache,
 * TLS ones from the mapped file in batches of 64 KiB. --delay-ms is the round trip:
 * each command is answered so much after it came; handshakes are not delayed.
 *
 *   gcc -O2 -pthread -o nntpd nntpd.c -lssl -lcrypto
 *   ./nntpd --port 0 POST.dat POST.idx        (prints the port it listens on)
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IN_SIZE 65536       /* unread commands kept per connection */
#define OUT_SIZE 4096       /* status lines kept per connection */
#define QUEUE 2048          /* commands in flight per connection (power of two) */
#define TLS_BATCH 65536     /* plain bytes encrypted before one send() */
#define TURN (2 << 20)      /* bytes sent before another connection's turn */

struct art { char *id; uint64_t off, flip; uint32_t head, len; char byte, missing; };
struct seg { const char *p; uint64_t off; size_t n; };  /* off: place in the data file, or NONE */
#define NONE UINT64_MAX

struct conn {
    int fd, listed, ready, closing, in_block;
    SSL *ssl; BIO *out; size_t tls_sent;    /* out: encrypted, not yet sent */
    size_t in_len, o_len, o_pos;
    int nseg, seg;
    struct seg segs[4];
    uint64_t due[QUEUE], wake;      /* ns at which each command may be answered */
    unsigned q_head, q_tail;
    long served;
    char in[IN_SIZE], o[OUT_SIZE];
};

struct worker { int ep; pthread_t thread; struct conn **list; int n, cap; };

static char *data; static int data_fd; static size_t data_len;
static struct art *arts, **table; static size_t narts, mask;
static SSL_CTX *tls;
static const char *auth;
static uint64_t delay; static long drop_after, max_conns = 1000;
static volatile sig_atomic_t stop;
static struct { atomic_long conns, open, peak, refused, commands, articles, bytes, missing; atomic_ullong first, last; } st;

static void die(const char *what) { fprintf(stderr, "nntpd: %s: %s\n", what, strerror(errno)); exit(1); }
static uint64_t clock_ns(int id) { struct timespec t; clock_gettime(id, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
static uint64_t now(void) { return clock_ns(CLOCK_MONOTONIC); }

/* ---- the index ---------------------------------------------------------- */

static char *load(const char *path, size_t *len) {
    int fd = open(path, O_RDONLY); struct stat s;
    if (fd < 0 || fstat(fd, &s)) die(path);
    char *b = malloc(s.st_size + 1); size_t n = 0; ssize_t r;
    while ((r = read(fd, b + n, s.st_size - n)) > 0) n += r;
    b[n] = 0; close(fd); if (len) *len = n;
    return b;
}
static size_t hash(const char *s, size_t n) {
    uint64_t h = 14695981039346656037ull;
    while (n--) h = (h ^ (unsigned char)*s++) * 1099511628211ull;
    return h ^ h >> 32;
}
static struct art *find(const char *id, size_t n) {
    for (size_t i = hash(id, n) & mask; table[i]; i = (i + 1) & mask)
        if (!strncmp(table[i]->id, id, n) && !table[i]->id[n]) return table[i];
    return NULL;
}
static void load_index(const char *path) {
    size_t len, cap = 16;
    char *b = load(path, &len), *save, *line;
    for (size_t i = 0; i < len; i++) narts += b[i] == '\n';
    arts = calloc(narts + 1, sizeof *arts); narts = 0;
    for (line = strtok_r(b, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct art *a = &arts[narts];                   /* id offset header-bytes bytes */
        char *sp = strchr(line, ' ');
        if (!sp || sscanf(sp, "%lu %u %u", &a->off, &a->head, &a->len) != 3) continue;
        if (a->off + a->len > data_len || a->head + 5 > a->len) { errno = ERANGE; die(line); }
        *sp = 0; a->id = line; narts++;
    }
    while (cap < narts * 2) cap *= 2;
    table = calloc(cap, sizeof *table); mask = cap - 1;
    for (size_t k = 0; k < narts; k++) {
        size_t i = hash(arts[k].id, strlen(arts[k].id)) & mask;
        while (table[i]) i = (i + 1) & mask;
        table[i] = &arts[k];
    }
}
static int special(char c) { return c == '\r' || c == '\n' || c == '=' || c == '.' || c == 0; }
static void mark(const char *path, int corrupt) {
    char *save;
    for (char *id = strtok_r(load(path, NULL), "\r\n<> ", &save); id; id = strtok_r(NULL, "\r\n<> ", &save)) {
        struct art *a = find(id, strlen(id));
        if (!a) { fprintf(stderr, "nntpd: no such article: %s\n", id); continue; }
        if (!corrupt) { a->missing = 1; continue; }
        for (uint64_t k = a->off + (a->head + a->len) / 2; k < a->off + a->len - 16; k++)
            if (!special(data[k]) && !special(data[k] ^ 1) && data[k - 1] != '=') { a->flip = k; a->byte = data[k] ^ 1; break; }
    }
}

/* ---- answers ------------------------------------------------------------ */

static void say(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct conn *c, const char *fmt, ...) {
    va_list ap; va_start(ap, fmt);
    int n = vsnprintf(c->o + c->o_len, OUT_SIZE - c->o_len, fmt, ap);
    va_end(ap);
    if (n > 0 && c->o_len + n < OUT_SIZE) c->o_len += n;
}
static void add(struct conn *c, uint64_t off, size_t n) { if (n) c->segs[c->nseg++] = (struct seg){data + off, off, n}; }

static void article(struct conn *c, const char *arg, int head, int body) {
    size_t n = strlen(arg);
    if (n < 3 || *arg != '<' || arg[n - 1] != '>') { say(c, *arg ? "423 no such article number\r\n" : "420 no current article\r\n"); return; }
    struct art *a = find(arg + 1, n - 2);
    if (!a || a->missing) { st.missing++; say(c, "430 no such article\r\n"); return; }
    say(c, "%d 0 %s\r\n", head && body ? 220 : head ? 221 : body ? 222 : 223, arg);
    if (!head && !body) return;
    uint64_t from = body && !head ? a->off + a->head + 2 : a->off, to = body ? a->off + a->len : a->off + a->head;
    if (a->flip > from && a->flip < to) {
        add(c, from, a->flip - from);
        c->segs[c->nseg++] = (struct seg){&a->byte, NONE, 1};
        from = a->flip + 1;
    }
    add(c, from, to - from);
    if (!body) { c->segs[c->nseg++] = (struct seg){".\r\n", NONE, 3}; return; }
    uint64_t zero = 0, t = clock_ns(CLOCK_REALTIME);
    atomic_compare_exchange_strong(&st.first, &zero, t); st.last = t;
    st.articles++;
    if (drop_after && ++c->served >= drop_after) c->closing = 1;
}

static void command(struct conn *c, char *line) {
    char *arg = line + strcspn(line, " \t"), *rest;
    if (*arg) { *arg++ = 0; arg += strspn(arg, " \t"); }
    for (rest = arg + strlen(arg); rest > arg && (rest[-1] == ' ' || rest[-1] == '\t');) *--rest = 0;
    st.commands++;
#define IS(s) !strcasecmp(line, s)
    if (IS("BODY")) article(c, arg, 0, 1);
    else if (IS("ARTICLE")) article(c, arg, 1, 1);
    else if (IS("STAT")) article(c, arg, 0, 0);
    else if (IS("HEAD")) article(c, arg, 1, 0);
    else if (IS("GROUP")) say(c, "211 %zu 1 %zu %s\r\n", narts, narts, arg);
    else if (IS("CAPABILITIES")) say(c, "101 capabilities\r\nVERSION 2\r\nREADER\r\nAUTHINFO USER\r\nIMPLEMENTATION bench\r\n.\r\n");
    else if (IS("MODE")) say(c, "200 reader, no posting\r\n");
    else if (IS("AUTHINFO")) {                      /* --auth USER:PASS, else anything goes */
        const char *colon = auth ? strchr(auth, ':') : NULL;
        size_t n = colon ? (size_t)(colon - auth) : 0;
        if (!strncasecmp(arg, "USER ", 5)) say(c, colon && (strncmp(arg + 5, auth, n) || arg[5 + n]) ? "481 unknown user\r\n" : "381 password, please\r\n");
        else if (!strncasecmp(arg, "PASS ", 5)) say(c, colon && strcmp(arg + 5, colon + 1) ? "481 wrong password\r\n" : "281 welcome\r\n");
        else say(c, "501 what?\r\n");
    } else if (IS("DATE")) {
        time_t t = time(NULL); struct tm tm; char b[32];
        strftime(b, sizeof b, "%Y%m%d%H%M%S", gmtime_r(&t, &tm)); say(c, "111 %s\r\n", b);
    } else if (IS("QUIT")) { say(c, "205 bye\r\n"); c->closing = 1; }
    else say(c, "500 unknown command\r\n");
}

/* ---- connections -------------------------------------------------------- */

/* All three return bytes moved, 0 for "try later", -1 for "gone". */
static ssize_t outcome(ssize_t n) { return n > 0 ? n : n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1; }

static ssize_t tls_flush(struct conn *c) {
    char *p; size_t n;
    while ((n = BIO_get_mem_data(c->out, &p)) > c->tls_sent) {
        ssize_t r = outcome(send(c->fd, p + c->tls_sent, n - c->tls_sent, MSG_NOSIGNAL));
        if (r <= 0) return r;
        if ((c->tls_sent += r) == n) { BIO_reset(c->out); c->tls_sent = 0; }
    }
    return 1;
}
static ssize_t put(struct conn *c, struct seg *s, int more) {
    if (c->ssl) {
        ssize_t r = tls_flush(c);
        if (r <= 0) return r;
        int n = SSL_write(c->ssl, s->p, s->n < TLS_BATCH ? s->n : TLS_BATCH);
        if (n <= 0) return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -1;
        return tls_flush(c) < 0 ? -1 : n;
    }
    if (s->off == NONE) return outcome(send(c->fd, s->p, s->n, MSG_NOSIGNAL | (more ? MSG_MORE : 0)));
    off_t off = s->off;
    return outcome(sendfile(c->fd, data_fd, &off, s->n));
}
static ssize_t get(struct conn *c, char *p, size_t n) {
    if (!c->ssl) return outcome(recv(c->fd, p, n, 0));
    ERR_clear_error();
    int r = SSL_read(c->ssl, p, n);
    if (tls_flush(c) < 0) return -1;
    return r > 0 ? r : SSL_get_error(c->ssl, r) == SSL_ERROR_WANT_READ ? 0 : -1;
}

static int fill(struct conn *c) {                   /* reads commands, noting when each came */
    while (!c->in_block && c->in_len < IN_SIZE && c->q_head - c->q_tail < QUEUE - 512) {
        size_t room = IN_SIZE - c->in_len; if (room > 512) room = 512;  /* at most 512 lines a read */
        ssize_t n = get(c, c->in + c->in_len, room);
        if (n < 0) return -1;
        if (n == 0) { c->in_block = 1; break; }
        uint64_t t = delay ? now() + delay : 0;
        for (ssize_t i = 0; i < n; i++) if (c->in[c->in_len + i] == '\n') c->due[c->q_head++ % QUEUE] = t;
        c->in_len += n;
    }
    return 0;
}

/* Moves one connection on as far as it goes. -1: it is over. */
static int pump(struct conn *c) {
    size_t turn = 0;
    c->ready = 0; c->wake = 0;
    if (c->ssl && tls_flush(c) < 0) return -1;
    for (;;) {
        if (fill(c)) return -1;
        size_t used = 0;
        while (!c->nseg && !c->closing && c->q_tail != c->q_head && c->o_len < OUT_SIZE - 1200) {
            uint64_t due = c->due[c->q_tail % QUEUE];
            if (due && due > now()) { c->wake = due; break; }
            char *line = c->in + used, *end = memchr(line, '\n', c->in_len - used);
            used = end + 1 - c->in; c->q_tail++;
            if (end > line && end[-1] == '\r') end--;
            *end = 0;
            if (end - line > 1000) say(c, "501 line too long\r\n"); else command(c, line);
        }
        if (used) memmove(c->in, c->in + used, c->in_len -= used);
        else if (c->in_len == IN_SIZE && c->q_tail == c->q_head) return -1;     /* a line without end */
        int idle = c->o_len == 0 && !c->nseg;
        while (c->o_pos < c->o_len) {
            struct seg s = {c->o + c->o_pos, NONE, c->o_len - c->o_pos};
            ssize_t n = put(c, &s, c->nseg);
            if (n <= 0) return n;
            c->o_pos += n;
        }
        c->o_len = c->o_pos = 0;
        while (c->seg < c->nseg) {
            struct seg *s = &c->segs[c->seg];
            ssize_t n = put(c, s, c->seg + 1 < c->nseg);
            if (n <= 0) return n;
            st.bytes += n; turn += n; s->p += n; s->n -= n; if (s->off != NONE) s->off += n;
            if (!s->n) c->seg++;
            if (turn > TURN) { c->ready = 1; return 0; }
        }
        c->seg = c->nseg = 0;
        if (c->closing) {
            if (!c->ssl) return -1;
            if (!drop_after) SSL_shutdown(c->ssl);
            ssize_t r = tls_flush(c);
            return r > 0 ? -1 : r;
        }
        if (idle && (c->in_block || c->wake)) return 0;
    }
}

static void end(struct worker *w, int i) {
    struct conn *c = w->list[i];
    w->list[i] = w->list[--w->n];
    if (c->ssl) SSL_free(c->ssl);
    shutdown(c->fd, SHUT_WR); close(c->fd); free(c); st.open--;
}

static void *work(void *arg) {
    struct worker *w = arg;
    struct epoll_event ev[128];
    for (;;) {
        int wait = -1; uint64_t t = delay ? now() : 0;
        for (int i = 0; i < w->n; i++) {
            struct conn *c = w->list[i];
            if (c->ready) wait = 0;
            if (c->wake) { int ms = c->wake <= t ? 0 : (c->wake - t) / 1000000 + 1; if (wait < 0 || ms < wait) wait = ms; }
        }
        int n = epoll_wait(w->ep, ev, 128, wait);
        for (int i = 0; i < n; i++) {
            struct conn *c = ev[i].data.ptr;
            if (!c->listed) {
                if (w->n == w->cap) w->list = realloc(w->list, (w->cap = w->cap * 2 + 16) * sizeof *w->list);
                w->list[w->n++] = c; c->listed = 1;
            }
            if (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) c->in_block = 0;
            c->ready = 1;
        }
        t = delay ? now() : 0;
        for (int i = w->n - 1; i >= 0; i--) {
            struct conn *c = w->list[i];
            if ((c->ready || (c->wake && c->wake <= t)) && pump(c) < 0) end(w, i);
        }
    }
    return NULL;
}

static void report(const char *path) {
    char tmp[4096]; FILE *f;
    if (!path) return;
    snprintf(tmp, sizeof tmp, "%s.new", path);
    if (!(f = fopen(tmp, "w"))) die(tmp);
    fprintf(f, "{\"conns\":%ld,\"peak_conns\":%ld,\"refused\":%ld,\"commands\":%ld,\"articles\":%ld,\"bytes\":%ld,\"missing\":%ld,\"t_first\":%.6f,\"t_last\":%.6f}\n",
            st.conns, st.peak, st.refused, st.commands, st.articles, st.bytes, st.missing, st.first / 1e9, st.last / 1e9);
    fclose(f); rename(tmp, path);
}
static void on_signal(int s) { (void)s; stop = 1; }

int main(int argc, char **argv) {
    enum { PORT = 256, TLS, CERT, DELAY, MISSING, CORRUPT, MAX, DROP, COUNT, THREADS, AUTH };
    static struct option opts[] = {
        {"port", 1, 0, PORT}, {"tls", 1, 0, TLS}, {"key", 1, 0, CERT}, {"delay-ms", 1, 0, DELAY}, {"missing", 1, 0, MISSING},
        {"corrupt", 1, 0, CORRUPT}, {"max-conns", 1, 0, MAX}, {"drop-after", 1, 0, DROP}, {"count-file", 1, 0, COUNT},
        {"threads", 1, 0, THREADS}, {"auth", 1, 0, AUTH}, {0}};
    const char *cert = 0, *key = 0, *missing = 0, *corrupt = 0, *count = 0; int port = 1119, threads = 2, o;
    while ((o = getopt_long(argc, argv, "", opts, 0)) != -1) switch (o) {
        case PORT: port = atoi(optarg); break;
        case TLS: cert = optarg; if (!key) key = cert; break;
        case CERT: key = optarg; break;
        case DELAY: delay = atof(optarg) * 1e6; break;
        case MISSING: missing = optarg; break;
        case CORRUPT: corrupt = optarg; break;
        case MAX: max_conns = atol(optarg); break;
        case DROP: drop_after = atol(optarg); break;
        case COUNT: count = optarg; break;
        case THREADS: threads = atoi(optarg); break;
        case AUTH: auth = optarg; break;
        default: return 2;
    }
    if (argc - optind != 2) {
        fprintf(stderr, "usage: nntpd [--port N] [--tls CERT [--key KEY]] [--auth USER:PASS] [--delay-ms N] [--missing FILE] [--corrupt FILE]\n"
                        "             [--max-conns N] [--drop-after N] [--count-file FILE] [--threads N] SET.dat SET.idx\n");
        return 2;
    }
    struct stat s;
    if ((data_fd = open(argv[optind], O_RDONLY)) < 0 || fstat(data_fd, &s)) die(argv[optind]);
    data_len = s.st_size;
    if ((data = mmap(0, data_len, PROT_READ, MAP_SHARED, data_fd, 0)) == MAP_FAILED) die("mmap");
    load_index(argv[optind + 1]);
    if (missing) mark(missing, 0);
    if (corrupt) mark(corrupt, 1);
    if (cert) {
        tls = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_mode(tls, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1 || SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
            ERR_print_errors_fp(stderr); return 1;
        }
    }

    sigset_t set; sigemptyset(&set); sigaddset(&set, SIGTERM); sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, 0);            /* the workers never see them */
    signal(SIGPIPE, SIG_IGN);
    struct worker *w = calloc(threads, sizeof *w);
    for (int i = 0; i < threads; i++) { w[i].ep = epoll_create1(0); pthread_create(&w[i].thread, 0, work, &w[i]); }
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, 0); sigaction(SIGINT, &sa, 0);
    pthread_sigmask(SIG_UNBLOCK, &set, 0);

    int one = 1, l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    socklen_t a_len = sizeof a;
    if (bind(l, (void *)&a, sizeof a) || listen(l, 512) || getsockname(l, (void *)&a, &a_len)) die("bind");
    printf("%d\n", ntohs(a.sin_port)); fflush(stdout);

    for (unsigned next = 0; !stop;) {
        struct pollfd p = {l, POLLIN, 0};
        if (poll(&p, 1, 1000) <= 0) { report(count); continue; }
        int fd = accept4(l, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) continue;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct conn *c = calloc(1, sizeof *c); c->fd = fd;
        if (tls) {
            c->ssl = SSL_new(tls); c->out = BIO_new(BIO_s_mem()); BIO_set_mem_eof_return(c->out, -1);
            SSL_set_bio(c->ssl, BIO_new_socket(fd, BIO_NOCLOSE), c->out); SSL_set_accept_state(c->ssl);
        }
        long open = ++st.open; st.conns++;
        if (open > st.peak) st.peak = open;
        if (open > max_conns) { st.refused++; c->closing = 1; say(c, "502 too many connections\r\n"); }
        else say(c, "200 ready, no posting\r\n");
        struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = c}};
        epoll_ctl(w[next++ % threads].ep, EPOLL_CTL_ADD, fd, &e);
    }
    report(count);
    return 0;
}
