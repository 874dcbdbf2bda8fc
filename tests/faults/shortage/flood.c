/*
 * A flood of requests: flood PORT CONNECTIONS SECONDS RATE < REQUEST
 *
 * Sends the request RATE times a second over so many connections to 127.0.0.1, each of which has
 * one at a time, for so many seconds, and then waits for the answers that are due, two minutes at
 * most. What finds no free connection is not sent, but counted. Prints a line of JSON:
 * how many were sent, how many found no connection, answers by status, connections that the
 * server closed in the middle of an answer, answers that never came, and the longest wait in ms.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 16384, ANSWER = 4096 };

struct connection {
    int socket;
    int busy;         /* whether an answer is due */
    double since;     /* when it was asked for */
    size_t received;  /* of the answer */
    size_t sent;      /* of the request */
    char answer[ANSWER + 1];
};

static struct connection connections[MOST];
static int idle[MOST], idle_count;
static char request[65536];
static size_t request_size;
static struct sockaddr_in server;
static int poller;
static long sent, unsent, broken, statuses[600];
static double longest;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void watch(int number, int how, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = number};
    epoll_ctl(poller, how, connections[number].socket, &event);
}

static int begin(int number) {
    struct connection *each = &connections[number];
    each->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (each->socket < 0)
        return -1;
    if (connect(each->socket, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) {
        close(each->socket);
        each->socket = -1;
        return -1;
    }
    watch(number, EPOLL_CTL_ADD, EPOLLIN);
    return 0;
}

static void end(int number) {
    struct connection *each = &connections[number];
    close(each->socket);
    each->socket = -1;
    each->received = each->sent = 0;
}

static void put_back(int number) {
    connections[number].busy = 0;
    idle[idle_count++] = number;
}

static void lost(int number) {
    int was_busy = connections[number].busy;
    end(number);
    if (was_busy) {
        broken++;
        put_back(number);
    }
}

static void ask(int number) {
    struct connection *each = &connections[number];
    if (each->socket < 0 && begin(number)) {
        broken++;
        put_back(number);
        return;
    }
    ssize_t size = send(each->socket, request + each->sent, request_size - each->sent, MSG_NOSIGNAL);
    if (size > 0)
        each->sent += size;
    else if (errno != EAGAIN && errno != ENOTCONN) {
        lost(number);
        return;
    }
    watch(number, EPOLL_CTL_MOD, each->sent < request_size ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void hear(int number) {
    struct connection *each = &connections[number];
    ssize_t size = recv(each->socket, each->answer + each->received, ANSWER - each->received, 0);
    if (size < 0 && errno == EAGAIN)
        return;
    if (size <= 0) {
        lost(number);
        return;
    }
    each->received += size;
    each->answer[each->received] = 0;
    char *body = strstr(each->answer, "\r\n\r\n");
    char *length = strcasestr(each->answer, "content-length:");
    if (!body || !length || each->received < (size_t)(body + 4 - each->answer) + atol(length + 15))
        return;
    int status = atoi(each->answer + 9);
    statuses[status > 0 && status < 600 ? status : 0]++;
    if (now() - each->since > longest)
        longest = now() - each->since;
    int closes = strcasestr(each->answer, "connection: close") != NULL;
    each->received = each->sent = 0;
    if (closes)
        end(number);
    put_back(number);
}

static void turn(int milliseconds) {
    static struct epoll_event events[1024];
    int count = epoll_wait(poller, events, 1024, milliseconds);
    for (int index = 0; index < count; index++) {
        int number = events[index].data.u32;
        if (connections[number].socket < 0)
            continue;
        if (events[index].events & EPOLLOUT && connections[number].busy)
            ask(number);
        if (connections[number].socket >= 0 && events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            hear(number);
    }
}

int main(int count, char **words) {
    if (count != 5)
        return 2;
    int most = atoi(words[2]) < MOST ? atoi(words[2]) : MOST;
    double seconds = atof(words[3]), rate = atof(words[4]);
    request_size = fread(request, 1, sizeof request, stdin);
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(words[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    poller = epoll_create1(0);
    for (int number = most - 1; number >= 0; number--) {
        connections[number].socket = -1;
        put_back(number);
    }
    double begun = now(), until = begun + seconds;
    while (now() < until) {
        long due = (long)((now() - begun) * rate) - sent - unsent;
        for (; due > 0 && idle_count; due--, sent++) {
            int number = idle[--idle_count];
            connections[number].busy = 1;
            connections[number].since = now();
            ask(number);
        }
        if (due > 0)
            unsent += due;
        turn(1);
    }
    until = now() + 120;
    while (idle_count < most && now() < until)
        turn(10);
    printf("{\"sent\": %ld, \"unsent\": %ld, \"broken\": %ld, \"unanswered\": %d, \"longest_ms\": %.0f, "
           "\"statuses\": {", sent, unsent, broken, most - idle_count, longest * 1000);
    const char *comma = "";
    for (int status = 0; status < 600; status++)
        if (statuses[status]) {
            printf("%s\"%d\": %ld", comma, status, statuses[status]);
            comma = ", ";
        }
    printf("}}\n");
    return 0;
}
