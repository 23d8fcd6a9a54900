/*
 * Resolves a name with the C library's own resolver and calls it: what an app that was linked
 * against this library sees.
 *
 *   caller NAME PORT          GET / and the first line of the answer
 *   caller NAME PORT banner   the first line that the server says by itself
 *   caller NAME PORT TEXT     sends TEXT, prints the first line that comes back
 *
 * One line of JSON: {"ok":true,"address":"…","got":"…"} or {"ok":false,"step":"resolve|connect|
 * read","error":"…"}. Without arguments it waits for SIGTERM, so that it can be a task.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void wait_for_the_end(void) {
    sigset_t ends;
    int signal;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    sigwait(&ends, &signal);
}

static int fail(const char *step, const char *error) {
    printf("{\"ok\":false,\"step\":\"%s\",\"error\":\"%s\"}\n", step, error);
    return 1;
}

int main(int count, char **arguments) {
    if (count < 3) {
        wait_for_the_end();
        return 0;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int code = getaddrinfo(arguments[1], arguments[2], &hints, &found);
    if (code != 0) return fail("resolve", gai_strerror(code));

    char address[64];
    getnameinfo(found->ai_addr, found->ai_addrlen, address, sizeof address, NULL, 0,
                NI_NUMERICHOST);
    int channel = socket(found->ai_family, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 5};
    setsockopt(channel, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(channel, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(channel, found->ai_addr, found->ai_addrlen) != 0)
        return fail("connect", strerror(errno));

    char text[1024];
    if (count == 3)
        snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n",
                 arguments[1], arguments[2]);
    else
        snprintf(text, sizeof text, "%s\n", arguments[3]);
    if (count == 3 || strcmp(arguments[3], "banner") != 0)
        send(channel, text, strlen(text), MSG_NOSIGNAL);

    ssize_t size = recv(channel, text, sizeof text - 1, 0);
    if (size < 0) return fail("read", strerror(errno));
    if (size == 0) return fail("read", "closed before a byte came");
    text[size] = 0;
    text[strcspn(text, "\r\n\"\\")] = 0;
    printf("{\"ok\":true,\"address\":\"%s\",\"got\":\"%s\"}\n", address, text);
    return 0;
}
