/*
 * Faults, preloaded into a server, and changed by the test while it runs: the file FAULTS_CONTROL
 * is `struct control`, shared with the process that writes into it. What is done to files is done to those
 * in the folder FAULTS_FOLDER alone, and of them to the kinds that `kinds` has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum kind { DATABASE = 1, WAL = 2, SHM = 4, LIMITS = 8, OTHER = 16 };

struct control {
    int32_t kinds;       /* which files, see above */
    int32_t write_errno; /* what writing, cutting and growing fail with, or 0 */
    int32_t open_errno;  /* what opening to write fails with, or 0 */
    int32_t sync_errno;  /* what fsync and fdatasync fail with, or 0; nothing is synced then */
    int32_t half;        /* whether a write takes only the first half */
    int32_t sync_ms;     /* how much longer a sync takes */
    int64_t clock;       /* seconds that are added to the wall clock */
    uint64_t hits;       /* how often any of the above happened to a file */
};

static struct control none, *control = &none;
static char folder[4096];

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("FAULTS_CONTROL"), *where = getenv("FAULTS_FOLDER");
    if (!path || !where)
        return;
    snprintf(folder, sizeof folder, "%s/", where);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return;
    void *page = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page != MAP_FAILED)
        control = page;
    close(file);
}

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

#define REAL(type, name)                                                                           \
    static type *real;                                                                             \
    if (!real)                                                                                     \
    real = (type *)next(name)

static int ends(const char *path, const char *end) {
    size_t length = strlen(path), of_end = strlen(end);
    return length >= of_end && strcmp(path + length - of_end, end) == 0;
}

static int is_meant(const char *path) {
    if (strncmp(path, folder, strlen(folder)) != 0 || folder[0] == 0)
        return 0;
    enum kind kind = ends(path, ".db")       ? DATABASE
                     : ends(path, "-wal")    ? WAL
                     : ends(path, "-shm")    ? SHM
                     : ends(path, ".limits") ? LIMITS
                                             : OTHER;
    return (control->kinds & kind) != 0;
}

/* Whether the open file is one of those that faults are for. Asked only when there are any. */
static int is_meant_file(int file) {
    char link[64], path[4096];
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (length < 0)
        return 0;
    path[length] = 0;
    char *deleted = strstr(path, " (deleted)");
    if (deleted)
        *deleted = 0;
    return is_meant(path);
}

static void hit(void) { __atomic_add_fetch(&control->hits, 1, __ATOMIC_RELAXED); }

static int fails(int32_t with) {
    hit();
    errno = with;
    return -1;
}

static int refuses(int file) { return control->write_errno && is_meant_file(file); }

static size_t half(int file, size_t size) {
    if (!control->half || size < 2 || !is_meant_file(file))
        return size;
    hit();
    return size / 2;
}

typedef ssize_t write_function(int, const void *, size_t);
typedef ssize_t pwrite_function(int, const void *, size_t, off_t);
typedef ssize_t pwrite64_function(int, const void *, size_t, off64_t);
typedef int cut_function(int, off_t);
typedef int cut64_function(int, off64_t);
typedef int sync_function(int);

ssize_t write(int file, const void *data, size_t size) {
    REAL(write_function, "write");
    return refuses(file) ? fails(control->write_errno) : real(file, data, half(file, size));
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
    REAL(pwrite_function, "pwrite");
    return refuses(file) ? fails(control->write_errno) : real(file, data, half(file, size), offset);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64_function, "pwrite64");
    return refuses(file) ? fails(control->write_errno) : real(file, data, half(file, size), offset);
}

int ftruncate(int file, off_t size) {
    REAL(cut_function, "ftruncate");
    return refuses(file) ? fails(control->write_errno) : real(file, size);
}

int ftruncate64(int file, off64_t size) {
    REAL(cut64_function, "ftruncate64");
    return refuses(file) ? fails(control->write_errno) : real(file, size);
}

static int sync_with(sync_function *real, int file) {
    if (control->sync_errno && is_meant_file(file))
        return fails(control->sync_errno);
    if (control->sync_ms && is_meant_file(file)) {
        struct timespec longer = {control->sync_ms / 1000, control->sync_ms % 1000 * 1000000L};
        hit();
        nanosleep(&longer, NULL);
    }
    return real(file);
}

int fsync(int file) {
    REAL(sync_function, "fsync");
    return sync_with(real, file);
}

int fdatasync(int file) {
    REAL(sync_function, "fdatasync");
    return sync_with(real, file);
}

typedef int open_function(const char *, int, ...);

static int open_with(open_function *real, const char *path, int flags, mode_t mode) {
    int writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
    if (control->open_errno && writes && is_meant(path))
        return fails(control->open_errno);
    return real(path, flags, mode);
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        REAL(open_function, #name);                                                                \
        va_list more;                                                                              \
        va_start(more, flags);                                                                     \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                    \
        va_end(more);                                                                              \
        return open_with(real, path, flags, mode);                                                 \
    }

OPEN(open)
OPEN(open64)

typedef int clock_function(clockid_t, struct timespec *);

int clock_gettime(clockid_t clock, struct timespec *now) {
    REAL(clock_function, "clock_gettime");
    int result = real(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += control->clock;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    typedef int function(struct timeval *, void *);
    REAL(function, "gettimeofday");
    int result = real(now, zone);
    if (result == 0)
        now->tv_sec += control->clock;
    return result;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where)
        *where = now.tv_sec;
    return now.tv_sec;
}
