/* load.c - a load generator for servers that speak OpenAI's API: one thread, one epoll set, no libraries.
 *
 *   build/bench/load --port 8000 --model NAME --clients 32 --requests 200 --prompt 20:200 --answer 16:128
 *   build/bench/load --port 8000 --get /health --clients 32 --requests 100000
 *
 * Owns       connections, the clock, and what is counted. Starts no server and chooses no model: bench/serve.py does.
 * Loop       closed: each client asks again when it has its answer. --rate R: requests arrive by a Poisson process of
 *            R a second whether or not there is an answer, and a request's time runs from its arrival, also where it
 *            had to wait for a client (so a stalled server cannot hide behind a stalled generator).
 * Repeats    prompts, answers and arrivals are drawn from --seed: the n-th request is the same whoever serves it.
 * Tokens     are those of the server's usage where it sends some, else chunks with text. A gap is the time between two
 *            chunks of one stream that hold text; a read that brings several gives gaps of zero, as a client sees them.
 * Cost       its own CPU time stands in the report: a figure taken while it used a core up is one of the generator. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- what was asked for ---- */

typedef struct range {
    long lo, hi;
} range;

typedef struct options {
    const char *host, *model, *key, *extra, *get, *path;
    int port, clients, idle, pid;
    long requests;
    double seconds, rate;
    range prompt, answer;
    uint64_t seed;
    long prefix, ids;
    bool whole, same, json, text;
} options;

static options opt = {.host = "127.0.0.1", .port = 8000, .clients = 1, .prompt = {20, 200}, .answer = {16, 128}, .model = "model", .seed = 1};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    fputs("load: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

static void *grow(void *p, size_t n) {
    p = realloc(p, n);
    if (!p) die("could not allocate %zu bytes", n);
    return p;
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* SplitMix64: a stream of its own for each request, so that neither order nor number of clients changes one. */
static uint64_t next_random(uint64_t *s) {
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static double uniform(uint64_t *s) { return (double)(next_random(s) >> 11) * 0x1p-53; }
static long between(uint64_t *s, range r) { return r.lo + (long)(next_random(s) % (uint64_t)(r.hi - r.lo + 1)); }

/* ---- growing texts and lists ---- */

typedef struct text {
    char *s;
    size_t n, cap;
} text;

static void put(text *t, const char *s, size_t n) {
    if (t->n + n + 1 > t->cap) {
        t->cap = 2 * (t->n + n) + 256;
        t->s = grow(t->s, t->cap);
    }
    memcpy(t->s + t->n, s, n);
    t->s[t->n += n] = 0;
}
static void puts_to(text *t, const char *s) { put(t, s, strlen(s)); }
static void printf_to(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void printf_to(text *t, const char *fmt, ...) {
    char b[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(b, sizeof b, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof b) die("a line of more than %zu bytes", sizeof b);
    put(t, b, (size_t)n);
}
static void put_json(text *t, const char *s) {
    put(t, "\"", 1);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') put(t, "\\", 1);
        if ((unsigned char)*s >= 0x20) put(t, s, 1);
    }
    put(t, "\"", 1);
}

typedef struct list {
    float *v;
    size_t n, cap;
} list;

static void add(list *l, double v) {
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 4096;
        l->v = grow(l->v, l->cap * sizeof *l->v);
    }
    l->v[l->n++] = (float)v;
}
static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}
static double quantile(list *l, double q) { /* l is sorted */
    return l->n ? (double)l->v[(size_t)((double)(l->n - 1) * q + 0.5)] : 0;
}

/* ---- connections ---- */

typedef enum part { HEAD, BODY, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER } part;

typedef struct client {
    int fd; /* -1: not connected */
    bool connecting, busy, sending, idle_half;
    double t_ask, t_first, t_last; /* t_first 0: no text yet */
    text out;
    size_t sent;
    /* the reply */
    text in;
    size_t at;      /* in[0, at) is read */
    part part;
    int status;
    bool chunked, close_after, sse;
    long left;      /* bytes of the body or chunk; -1: until the end */
    text event;     /* the body so far that is not yet taken apart */
    long chunks, completion, prompt, cached;
    bool done_seen, error_seen;
} client;

static int ep;
static client *clients;
static double t_begin, t_end;
static long n_begun, n_done, n_errors, n_tokens, n_prompt, n_cached, n_lost, n_reopened, n_ok, first_status;
static list ttft, gap, whole_s;
static text first_error;

static void note_error(client *c, const char *why) {
    n_errors++;
    if (first_error.n) return;
    first_status = c->status;
    printf_to(&first_error, "%s (status %d): ", why, c->status);
    put(&first_error, c->event.s ? c->event.s : "", c->event.n < 300 ? c->event.n : 300);
}

static void watch(client *c, uint32_t events, int op) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(ep, op, c->fd, &e) != 0) die("epoll_ctl: %s", strerror(errno));
}

static bool dial(client *c) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    if (inet_pton(AF_INET, opt.host, &a.sin_addr) != 1) die("--host: got \"%s\", want an IPv4 address", opt.host);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket: %s (ulimit -n?)", strerror(errno));
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->connecting = connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0;
    if (c->connecting && errno != EINPROGRESS) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    watch(c, EPOLLIN | (c->connecting || c->sending ? EPOLLOUT : 0u), EPOLL_CTL_ADD);
    return true;
}

static void hang_up(client *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    c->connecting = false;
}

/* ---- requests ---- */

static const char *const words[] = {"water", "stone", "light", "river", "house", "green", "winter", "paper", "cloud", "bread", "music", "seven", "letter", "garden",
                                    "window", "simple", "market", "silver", "morning", "travel", "number", "answer", "little", "yellow", "north", "island", "doctor",
                                    "people", "animal", "corner", "summer", "bridge"};

static void put_words(text *t, uint64_t *r, long n) {
    for (long i = 0; i < n; i++) {
        put(t, " ", i > 0);
        puts_to(t, words[next_random(r) % (sizeof words / sizeof *words)]);
    }
}

static void put_request(text *out, long index) {
    out->n = 0;
    if (opt.get) {
        printf_to(out, "GET %.200s HTTP/1.1\r\nHost: %.100s\r\n", opt.get, opt.host);
        if (opt.key) printf_to(out, "Authorization: Bearer %.200s\r\n", opt.key);
        puts_to(out, "\r\n");
        return;
    }
    static text body;
    body.n = 0;
    uint64_t r = opt.seed * 0x2545f4914f6cdd1du + (opt.same ? 0 : (uint64_t)index + 1), shared = opt.seed;
    long n_answer = between(&r, opt.answer), n_words = between(&r, opt.prompt);
    puts_to(&body, "{\"model\": ");
    put_json(&body, opt.model);
    printf_to(&body, ", \"max_tokens\": %ld, \"seed\": %ld, \"stream\": %s%s", n_answer, opt.same ? 1 : index, opt.whole ? "false" : "true",
              opt.whole ? "" : ", \"stream_options\": {\"include_usage\": true}");
    if (opt.extra) { /* as long as it likes: hundreds of banned tokens */
        puts_to(&body, ", ");
        puts_to(&body, opt.extra);
    }
    if (opt.ids) { /* lengths to the token */
        puts_to(&body, ", \"prompt\": [");
        for (long i = 0; i < opt.prefix + n_words; i++) printf_to(&body, "%s%ld", i ? ", " : "", (long)(next_random(i < opt.prefix ? &shared : &r) % (uint64_t)opt.ids));
        puts_to(&body, "]}");
    } else {
        puts_to(&body, opt.text ? ", \"prompt\": \"" : ", \"messages\": [{\"role\": \"user\", \"content\": \"");
        put_words(&body, &shared, opt.prefix);
        puts_to(&body, opt.prefix ? ". " : "");
        put_words(&body, &r, n_words);
        puts_to(&body, opt.text ? "\"}" : "\"}]}");
    }
    printf_to(out, "POST %.200s HTTP/1.1\r\nHost: %.100s\r\nContent-Type: application/json\r\n", opt.path, opt.host);
    if (opt.key) printf_to(out, "Authorization: Bearer %.200s\r\n", opt.key);
    printf_to(out, "Content-Length: %zu\r\n\r\n", body.n);
    put(out, body.s, body.n);
}

static void lost(client *c);

static void send_more(client *c) {
    while (c->sent < c->out.n) {
        ssize_t n = send(c->fd, c->out.s + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            if (!c->sending) watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            c->sending = true;
            return;
        }
        if (n < 0) {
            lost(c);
            return;
        }
        c->sent += (size_t)n;
    }
    if (c->sending) watch(c, EPOLLIN, EPOLL_CTL_MOD);
    c->sending = false;
}

static void begin(client *c, double t) {
    put_request(&c->out, n_begun++);
    c->busy = true;
    c->sent = c->at = c->in.n = c->event.n = 0;
    c->t_ask = t;
    c->t_first = c->t_last = 0;
    c->part = HEAD;
    c->status = 0;
    c->chunks = c->completion = c->prompt = c->cached = 0;
    c->done_seen = c->error_seen = c->close_after = false;
    c->sending = false;
    if (c->fd < 0 && !dial(c)) {
        lost(c);
        return;
    }
    if (!c->connecting) send_more(c);
}

static bool more_to_ask(double t) {
    if (opt.requests && n_begun >= opt.requests) return false;
    return opt.seconds <= 0 || t < t_begin + opt.seconds;
}

static void finish(client *c, double t) {
    c->busy = false;
    n_done++;
    t_end = t;
    bool ok = c->status == 200 && !c->error_seen && (!c->sse || c->done_seen);
    if (!ok) {
        note_error(c, c->status == 200 ? "a stream that broke off" : "refused");
    } else {
        n_ok++;
        add(&whole_s, t - c->t_ask);
        n_tokens += c->completion ? c->completion : c->chunks;
        n_prompt += c->prompt;
        n_cached += c->cached;
    }
    if (c->close_after) hang_up(c);
    if (opt.rate <= 0 && more_to_ask(t)) begin(c, t);
}

static void lost(client *c) {
    n_lost++;
    hang_up(c);
    c->status = 0;
    if (c->busy) {
        c->busy = false;
        n_done++;
        t_end = now_s();
        note_error(c, "the connection was closed");
        if (n_lost > 1000 + opt.requests) die("the server closes every connection");
        if (opt.rate <= 0 && more_to_ask(t_end)) begin(c, t_end);
    }
}

/* ---- replies ---- */

static long number_after(const char *s, const char *key) {
    const char *p = strstr(s, key);
    if (!p) return 0;
    p += strlen(key);
    while (*p == ' ' || *p == ':') p++;
    return strtol(p, NULL, 10);
}

static void take_usage(client *c, const char *s) {
    const char *u = strstr(s, "\"usage\"");
    if (!u || !strstr(u, "\"completion_tokens\"")) return;
    c->completion = number_after(u, "\"completion_tokens\"");
    c->prompt = number_after(u, "\"prompt_tokens\"");
    c->cached = number_after(u, "\"cached_tokens\"");
}

/* Whether a chunk holds text: a content, reasoning_content, arguments or text that is a string with something in it. */
static bool has_text(const char *s) {
    static const char *const keys[] = {"\"content\":", "\"reasoning_content\":", "\"arguments\":", "\"text\":"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        for (const char *p = s; (p = strstr(p, keys[i])); p++) {
            const char *v = p + strlen(keys[i]);
            while (*v == ' ') v++;
            if (v[0] == '"' && v[1] != '"') return true;
        }
    return false;
}

static void take_event(client *c, const char *s, double t) {
    if (strncmp(s, "data:", 5) != 0) return;
    s += 5;
    while (*s == ' ') s++;
    if (strncmp(s, "[DONE]", 6) == 0) {
        c->done_seen = true;
        return;
    }
    if (strncmp(s, "{\"error\"", 8) == 0) c->error_seen = true;
    take_usage(c, s);
    if (!has_text(s)) return;
    c->chunks++;
    if (c->t_first <= 0) {
        c->t_first = t;
        add(&ttft, t - c->t_ask);
    } else {
        add(&gap, t - c->t_last);
    }
    c->t_last = t;
}

static void take_body(client *c, const char *s, size_t n, double t) {
    put(&c->event, s, n);
    if (!c->sse) return;
    char *p = c->event.s, *end;
    for (;;) {
        char *lf = strstr(p, "\n\n"), *crlf = strstr(p, "\r\n\r\n");
        end = lf && (!crlf || lf < crlf) ? lf : crlf;
        if (!end) break;
        size_t skip = end == lf ? 2 : 4;
        *end = 0;
        take_event(c, p, t);
        p = end + skip;
    }
    c->event.n -= (size_t)(p - c->event.s);
    memmove(c->event.s, p, c->event.n + 1);
}

static void end_of_body(client *c, double t) {
    if (!c->sse && c->event.n) {
        take_usage(c, c->event.s);
        c->chunks = 0;
    }
    c->part = HEAD;
    finish(c, t);
}

static const char *header(const char *head, const char *name) {
    size_t n = strlen(name);
    for (const char *p = head; (p = strstr(p, "\r\n")); ) {
        p += 2;
        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            while (*p == ' ') p++;
            return p;
        }
    }
    return NULL;
}

static bool take_head(client *c) {
    char *s = c->in.s + c->at, *end = strstr(s, "\r\n\r\n");
    if (!end) return false;
    end[2] = 0;
    if (strncmp(s, "HTTP/1.1 ", 9) != 0) die("the reply begins with \"%.40s\"", s);
    c->status = atoi(s + 9);
    const char *length = header(s, "Content-Length"), *te = header(s, "Transfer-Encoding"), *type = header(s, "Content-Type"), *conn = header(s, "Connection");
    c->chunked = te && strncasecmp(te, "chunked", 7) == 0;
    c->sse = type && strncmp(type, "text/event-stream", 17) == 0;
    c->close_after = conn && strncasecmp(conn, "close", 5) == 0;
    c->left = c->chunked ? 0 : length ? atol(length) : -1;
    c->part = c->chunked ? CHUNK_SIZE : BODY;
    c->at += (size_t)(end + 4 - s);
    return true;
}

/* Takes what has arrived apart, as far as it goes. */
static void read_reply(client *c, double t) {
    while (c->busy) {
        char *s = c->in.s + c->at;
        size_t n = c->in.n - c->at;
        if (c->part == HEAD) {
            if (n == 0 || !take_head(c)) return;
        } else if (c->part == BODY || c->part == CHUNK_DATA) {
            size_t k = c->left < 0 || n < (size_t)c->left ? n : (size_t)c->left;
            if (k) take_body(c, s, k, t);
            c->at += k;
            if (c->left >= 0) c->left -= (long)k;
            if (c->left != 0) {
                if (k == n) return;
            } else if (c->part == CHUNK_DATA) {
                c->part = CHUNK_END;
            } else {
                end_of_body(c, t);
                return; /* nothing is pipelined */
            }
        } else {
            char *eol = n ? strstr(s, "\r\n") : NULL;
            if (!eol) return;
            c->at += (size_t)(eol + 2 - s);
            if (c->part == CHUNK_END) c->part = CHUNK_SIZE;
            else if (c->part == CHUNK_SIZE) {
                c->left = strtol(s, NULL, 16);
                c->part = c->left ? CHUNK_DATA : CHUNK_TRAILER;
            } else if (eol == s) {
                end_of_body(c, t);
                return;
            }
        }
    }
}

static void readable(client *c) {
    char b[65536];
    for (;;) {
        ssize_t n = recv(c->fd, b, sizeof b, 0);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            if (c->busy && c->part == BODY && c->left < 0 && n == 0) {
                c->close_after = true;
                end_of_body(c, now_s());
            } else {
                lost(c);
            }
            return;
        }
        if (c->at > 1 << 16) {
            memmove(c->in.s, c->in.s + c->at, c->in.n - c->at + 1);
            c->in.n -= c->at;
            c->at = 0;
        }
        put(&c->in, b, (size_t)n);
        int fd = c->fd;
        read_reply(c, now_s());
        if (c->fd != fd || (size_t)n < sizeof b) return; /* level-triggered: what is left comes again */
    }
}

/* ---- half requests that never go on ---- */

static void hold_half(client *c) {
    c->idle_half = true;
    c->out.n = c->sent = 0;
    printf_to(&c->out, "POST /v1/chat/completions HTTP/1.1\r\nHost: %.100s\r\nContent-Length: 100\r\nX-Slow: ", opt.host);
    if (dial(c) && !c->connecting) send_more(c);
}

/* ---- memory and processor of the server ---- */

typedef struct usage_of {
    double t, cpu_s;
    long rss_kib, own_kib; /* own: without the pages of mapped files, which the kernel may take back (weights) */
} usage_of;

static usage_of *samples;
static size_t n_samples;

static usage_of look_at(int pid) {
    usage_of u = {.t = now_s()};
    char path[64], line[1024];
    unsigned long user = 0, sys = 0;
    long pages = 0, of_files = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f) {
        size_t n = fread(line, 1, sizeof line - 1, f);
        line[n] = 0;
        const char *p = strrchr(line, ')'); /* the name may hold blanks */
        if (p) sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys);
        fclose(f);
    }
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%*d %ld %ld", &pages, &of_files) != 2) pages = of_files = 0;
        fclose(f);
    }
    u.cpu_s = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
    u.rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
    u.own_kib = (pages - of_files) * (sysconf(_SC_PAGESIZE) / 1024);
    return u;
}

static void sample(void) {
    samples = grow(samples, (n_samples + 1) * sizeof *samples);
    samples[n_samples++] = look_at(opt.pid);
}

/* ---- report ---- */

static void put_list(text *o, const char *name, list *l) {
    qsort(l->v, l->n, sizeof *l->v, by_value);
    printf_to(o, ", \"%s\": {\"n\": %zu, \"p10\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, l->n, 1e3 * quantile(l, 0.1),
              1e3 * quantile(l, 0.5), 1e3 * quantile(l, 0.9), 1e3 * quantile(l, 0.99), 1e3 * quantile(l, 1));
}

static void report(void) {
    struct rusage me;
    getrusage(RUSAGE_SELF, &me);
    double cpu = (double)(me.ru_utime.tv_sec + me.ru_stime.tv_sec) + 1e-6 * (double)(me.ru_utime.tv_usec + me.ru_stime.tv_usec), wall = t_end - t_begin;
    if (wall <= 0) wall = 1e-9;
    text o = {0};
    printf_to(&o, "{\"clients\": %d, \"requests\": %ld, \"ok\": %ld, \"errors\": %ld, \"seconds\": %.3f, \"requests_per_s\": %.2f", opt.clients, n_done, n_ok, n_errors, wall,
              (double)n_ok / wall);
    printf_to(&o, ", \"prompt_tokens\": %ld, \"cached_tokens\": %ld, \"completion_tokens\": %ld, \"tokens_per_s\": %.2f, \"all_tokens_per_s\": %.2f", n_prompt, n_cached, n_tokens,
              (double)n_tokens / wall, (double)(n_tokens + n_prompt) / wall);
    put_list(&o, "ttft_ms", &ttft);
    put_list(&o, "gap_ms", &gap);
    put_list(&o, "whole_ms", &whole_s);
    printf_to(&o, ", \"idle\": %d, \"idle_reopened\": %ld, \"generator_cpu_s\": %.3f, \"generator_cpu_share\": %.3f", opt.idle, n_reopened, cpu, cpu / wall);
    if (opt.pid && n_samples) {
        const usage_of *a = &samples[0], *z = &samples[n_samples - 1];
        long top = 0, low_half = 0, high_half = 0;
        for (size_t i = 0; i < n_samples; i++) {
            if (samples[i].own_kib > top) top = samples[i].own_kib;
            long *half = i < n_samples / 2 ? &low_half : &high_half;
            if (samples[i].own_kib > *half) *half = samples[i].own_kib;
        }
        printf_to(&o, ", \"server_cpu_s\": %.2f, \"rss_kib\": {\"first\": %ld, \"last\": %ld}, \"own_kib\": {\"first\": %ld, \"last\": %ld, \"max\": %ld, \"max_first_half\": %ld, \"max_second_half\": %ld, \"over_time\": [",
                  z->cpu_s - a->cpu_s, a->rss_kib, z->rss_kib, a->own_kib, z->own_kib, top, low_half, high_half);
        size_t step = n_samples / 20 + 1;
        for (size_t i = 0; i < n_samples; i += step) printf_to(&o, "%s[%.1f, %ld]", i ? ", " : "", samples[i].t - t_begin, samples[i].own_kib);
        puts_to(&o, "]}");
    }
    if (first_error.n) {
        puts_to(&o, ", \"first_error\": ");
        put_json(&o, first_error.s);
    }
    puts_to(&o, "}");
    if (opt.json) {
        puts(o.s);
        return;
    }
    printf("%ld requests, %ld errors, %.2f s, %.1f requests/s\n", n_done, n_errors, wall, (double)n_ok / wall);
    if (n_tokens) {
        printf("tokens    %.1f/s written, %.1f/s with prompts (%ld prompt, %ld of them cached, %ld written)\n", (double)n_tokens / wall, (double)(n_tokens + n_prompt) / wall, n_prompt, n_cached,
               n_tokens);
        if (ttft.n) printf("first     p50 %.1f ms, p99 %.1f ms\n", 1e3 * quantile(&ttft, 0.5), 1e3 * quantile(&ttft, 0.99));
        if (gap.n) printf("gap       p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", 1e3 * quantile(&gap, 0.5), 1e3 * quantile(&gap, 0.99), 1e3 * quantile(&gap, 1));
    }
    printf("whole     p50 %.2f ms, p99 %.2f ms, max %.2f ms\n", 1e3 * quantile(&whole_s, 0.5), 1e3 * quantile(&whole_s, 0.99), 1e3 * quantile(&whole_s, 1));
    if (opt.idle) printf("idle      %d half requests, reopened %ld times\n", opt.idle, n_reopened);
    if (opt.pid && n_samples) {
        printf("server    %.2f s of CPU, RSS %ld KiB first, %ld KiB last; %ld and %ld of them its own\n", samples[n_samples - 1].cpu_s - samples[0].cpu_s, samples[0].rss_kib,
               samples[n_samples - 1].rss_kib, samples[0].own_kib, samples[n_samples - 1].own_kib);
    }
    printf("generator %.2f s of CPU (%.0f %% of a core)\n", cpu, 100 * cpu / wall);
    if (first_error.n) printf("first error: %s\n", first_error.s);
}

/* ---- the loop ---- */

static void loop(void) {
    uint64_t arrivals = opt.seed ^ 0xa5a5a5a5u;
    double t = now_s(), next_arrival = t, next_sample = t;
    t_begin = t_end = t;
    if (opt.rate <= 0)
        for (int i = 0; i < opt.clients && more_to_ask(t); i++) begin(&clients[i], t);
    for (;;) {
        t = now_s();
        if (opt.pid && t >= next_sample) {
            sample();
            next_sample = t + 1;
        }
        while (opt.rate > 0 && t >= next_arrival && more_to_ask(t)) {
            client *c = NULL;
            for (int i = 0; i < opt.clients && !c; i++)
                if (!clients[i].busy) c = &clients[i];
            if (!c) break; /* it waits, and its clock runs since its arrival */
            begin(c, next_arrival);
            next_arrival -= log(1 - uniform(&arrivals)) / opt.rate;
        }
        bool busy = false;
        for (int i = 0; i < opt.clients; i++) busy |= clients[i].busy;
        if (!busy && !more_to_ask(t)) break;
        double until = opt.rate > 0 && more_to_ask(t) && next_arrival > t ? next_arrival : t + 0.1;
        if (opt.pid && next_sample < until) until = next_sample;
        struct epoll_event ev[256];
        int n = epoll_wait(ep, ev, 256, until > t ? (int)(1e3 * (until - t) + 0.999) : 0);
        if (n < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            client *c = ev[i].data.ptr;
            if (c->fd < 0) continue;
            if (c->idle_half && (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) { /* the server has had enough of it */
                hang_up(c);
                n_reopened++;
                hold_half(c);
                continue;
            }
            if (ev[i].events & EPOLLOUT) {
                if (c->connecting) {
                    int e = 0;
                    socklen_t len = sizeof e;
                    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &len);
                    if (e) {
                        lost(c);
                        continue;
                    }
                    c->connecting = false;
                    c->sending = true; /* it is watched for writing */
                }
                send_more(c);
            }
            if (c->fd >= 0 && (ev[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) readable(c);
        }
    }
    if (opt.pid) sample();
}

static range parse_range(const char *flag, const char *s) {
    char *end;
    range r = {strtol(s, &end, 10), 0};
    r.hi = *end == ':' ? strtol(end + 1, &end, 10) : r.lo;
    if (*end || end == s || r.lo < 1 || r.hi < r.lo || r.hi > 10000000) die("%s: got \"%s\", want N or LO:HI", flag, s);
    return r;
}

static double parse_number(const char *flag, const char *s, double lo, double hi) {
    char *end;
    double v = strtod(s, &end);
    if (*end || end == s || !(v >= lo && v <= hi)) die("%s: got \"%s\", want %g to %g", flag, s, lo, hi);
    return v;
}

static void usage(void) {
    puts("usage: load [--host IPV4] [--port N] [--model NAME] [--clients N] [--requests N | --seconds S]\n"
         "  --rate R        open loop: R requests a second arrive, --clients of them at most at once\n"
         "  --prompt LO:HI  words of a prompt (20:200)    --answer LO:HI  max_tokens (16:128)\n"
         "  --prefix N      N words that all prompts begin with          --same  the same request again and again\n"
         "  --text          /v1/completions instead of chat              --whole no streaming\n"
         "  --ids N         prompts are token ids below N, --prompt many of them, to /v1/completions\n"
         "  --extra JSON    more fields of the body, such as '\"temperature\": 0'\n"
         "  --get PATH      GET this instead                             --key KEY   Authorization\n"
         "  --idle N        N more connections hold half a request       --pid P     RSS and CPU of this process\n"
         "  --seed N        of prompts, answers and arrivals (1)         --json      one line of JSON");
}

static void parse(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *f = argv[i];
        if (strcmp(f, "--help") == 0) {
            usage();
            exit(0);
        }
        bool *flag = strcmp(f, "--json") == 0 ? &opt.json : strcmp(f, "--whole") == 0 ? &opt.whole : strcmp(f, "--same") == 0 ? &opt.same : strcmp(f, "--text") == 0 ? &opt.text : NULL;
        if (flag) {
            *flag = true;
            continue;
        }
        if (i + 1 == argc) die("%s: unknown, or without a value (--help)", f);
        const char *v = argv[++i];
        if (strcmp(f, "--host") == 0) opt.host = v;
        else if (strcmp(f, "--port") == 0) opt.port = (int)parse_number(f, v, 1, 65535);
        else if (strcmp(f, "--model") == 0) opt.model = v;
        else if (strcmp(f, "--key") == 0) opt.key = v;
        else if (strcmp(f, "--extra") == 0) opt.extra = v;
        else if (strcmp(f, "--get") == 0) opt.get = v;
        else if (strcmp(f, "--clients") == 0) opt.clients = (int)parse_number(f, v, 1, 100000);
        else if (strcmp(f, "--idle") == 0) opt.idle = (int)parse_number(f, v, 0, 100000);
        else if (strcmp(f, "--pid") == 0) opt.pid = (int)parse_number(f, v, 1, 1e9);
        else if (strcmp(f, "--requests") == 0) opt.requests = (long)parse_number(f, v, 1, 1e9);
        else if (strcmp(f, "--seconds") == 0) opt.seconds = parse_number(f, v, 0.01, 1e6);
        else if (strcmp(f, "--rate") == 0) opt.rate = parse_number(f, v, 1e-3, 1e6);
        else if (strcmp(f, "--prompt") == 0) opt.prompt = parse_range(f, v);
        else if (strcmp(f, "--answer") == 0) opt.answer = parse_range(f, v);
        else if (strcmp(f, "--prefix") == 0) opt.prefix = (long)parse_number(f, v, 0, 1e7);
        else if (strcmp(f, "--ids") == 0) opt.ids = (long)parse_number(f, v, 1, 1e7);
        else if (strcmp(f, "--seed") == 0) opt.seed = (uint64_t)parse_number(f, v, 0, 1e15);
        else die("%s: unknown (--help)", f);
    }
    if (!opt.requests && opt.seconds <= 0) opt.requests = opt.clients;
    opt.path = opt.text || opt.ids ? "/v1/completions" : "/v1/chat/completions";
}

int main(int argc, char **argv) {
    parse(argc, argv);
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0) die("epoll_create1: %s", strerror(errno));
    struct rlimit lim;
    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    size_t n = (size_t)opt.clients + (size_t)opt.idle;
    clients = calloc(n, sizeof *clients);
    if (!clients) die("could not allocate %zu clients", n);
    for (size_t i = 0; i < n; i++) clients[i].fd = -1;
    for (size_t i = (size_t)opt.clients; i < n; i++) hold_half(&clients[i]);
    loop();
    report();
    return n_errors ? 1 : 0;
}
