/* The listening socket before and while it changes hands. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/listen.h"
#include "test.h"

static int connect_to(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static void say(int fd, const char *text) { CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text)); }

/* Everything until the other side closes. */
static void hear(int fd, char *out, size_t cap) {
    size_t n = 0;
    ssize_t got;
    while (n + 1 < cap && (got = read(fd, out + n, cap - 1 - n)) > 0) n += (size_t)got;
    out[n] = 0;
    close(fd);
}

TEST(while_a_model_loads_every_request_hears_503_and_live_200) {
    glim_listener *l;
    glim_err err = {0};
    char text[2048];
    CHECK_OK(glim_listener_open(&l, NULL, 0, true, &err), err);
    CHECK(glim_listener_port(l) > 0 && glim_listener_loopback(l) && !glim_listener_ipv6(l));
    int fd = connect_to(glim_listener_port(l));
    say(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(fd, text, sizeof text);
    CHECK_MSG(strncmp(text, "HTTP/1.1 503", 12) == 0 && strstr(text, "\"code\": \"model_loading\"") && strstr(text, "retry-after: 2") && strstr(text, "x-request-id: req_"), "%s", text);
    fd = connect_to(glim_listener_port(l));
    say(fd, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    hear(fd, text, sizeof text);
    CHECK_MSG(strncmp(text, "HTTP/1.1 503", 12) == 0, "%s", text);
    fd = connect_to(glim_listener_port(l));
    say(fd, "GET /live HTTP/1.1\r\nHost: x\r\n\r\n");
    hear(fd, text, sizeof text);
    CHECK_MSG(strncmp(text, "HTTP/1.1 200", 12) == 0 && strstr(text, "{\"status\": \"ok\"}"), "%s", text);
    glim_listener_close(l);
}

TEST(a_client_between_two_owners_of_the_socket_waits_and_is_not_refused) {
    glim_listener *l;
    glim_err err = {0};
    CHECK_OK(glim_listener_open(&l, "localhost", 0, true, &err), err);
    int port = glim_listener_port(l), server = glim_listener_take(l);
    CHECK(server >= 0);
    glim_listener_close(l);
    int client = connect_to(port), got = accept(server, NULL, NULL);
    CHECK(got >= 0);
    close(got), close(client), close(server);
}

TEST(what_the_library_refuses_is_an_error_object_of_ours) {
    glim_listener *l;
    glim_err err = {0};
    CHECK_OK(glim_listener_open(&l, NULL, 0, true, &err), err);
    static const struct {
        const char *request, *status, *code;
    } bad[] = {
        {"GET /live HTTP/1.1\r\nHost x\r\n\r\n", "400 Bad Request", "bad_http"},
        {"GET /live HTTP/3.0\r\nHost: x\r\n\r\n", "505 HTTP Version Not Supported", "bad_http"},
        {"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", "400 Bad Request", "bad_http"}, /* its page has two heads */
        {"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request", "bad_http"},
    };
    for (size_t i = 0; i < GLIM_COUNT(bad); i++) {
        char text[4096], want[64];
        int fd = connect_to(glim_listener_port(l));
        say(fd, bad[i].request);
        hear(fd, text, sizeof text);
        char *body = strstr(text, "\r\n\r\n");
        snprintf(want, sizeof want, "HTTP/1.1 %s\r\n", bad[i].status);
        CHECK_MSG(body && strncmp(text, want, strlen(want)) == 0 && strstr(text, "Content-Type: application/json\r\n") && strstr(text, "Connection: close\r\n"), "%s", text);
        snprintf(want, sizeof want, "Content-Length: %zu\r\n", strlen(body + 4));
        CHECK_MSG(strstr(text, want) && strncmp(body + 4, "{\"error\": {\"message\": ", 22) == 0, "%s", text);
        snprintf(want, sizeof want, "\"code\": \"%s\"}}", bad[i].code);
        CHECK_MSG(strstr(body, want), "%s", text);
    }
    glim_listener_close(l);
}

TEST(what_is_no_address_or_taken_is_told) {
    glim_listener *l, *second;
    glim_err err = {0};
    CHECK(glim_listener_open(&l, "nowhere", 0, true, &err) == GLIM_E_ARG && strstr(err.msg, "\"nowhere\""));
    CHECK_OK(glim_listener_open(&l, "127.0.0.1", 0, false, &err), err);
    CHECK(glim_listener_open(&second, "127.0.0.1", glim_listener_port(l), true, &err) == GLIM_E_NET);
    glim_listener_close(l);
    CHECK_OK(glim_listener_open(&l, "0.0.0.0", 0, true, &err), err);
    CHECK(!glim_listener_loopback(l));
    glim_listener_close(l);
}
