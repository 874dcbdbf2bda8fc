/*
 * A disk that is slower than it is, and that counts: preloaded into a server, it makes fsync and
 * fdatasync take BENCH_FSYNC_DELAY_US microseconds longer, and adds each to the 64-bit number at
 * the beginning of the file BENCH_FSYNC_COUNT. Everything else runs as without it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef int sync_function(int);

static sync_function *real_fsync, *real_fdatasync;
static uint64_t *count, unused;
static struct timespec delay;

__attribute__((constructor)) static void load(void) {
    real_fsync = (sync_function *)dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = (sync_function *)dlsym(RTLD_NEXT, "fdatasync");
    count = &unused;

    const char *microseconds = getenv("BENCH_FSYNC_DELAY_US");
    long nanoseconds = microseconds ? atol(microseconds) * 1000 : 0;
    delay.tv_sec = nanoseconds / 1000000000;
    delay.tv_nsec = nanoseconds % 1000000000;

    const char *path = getenv("BENCH_FSYNC_COUNT");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file >= 0) {
        /* Shared, so that the workers of one server count together. */
        void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (page != MAP_FAILED)
            count = page;
        close(file);
    }
}

static int slowly(sync_function *real, int file) {
    int result = real(file);
    __atomic_add_fetch(count, 1, __ATOMIC_RELAXED);
    if (delay.tv_sec || delay.tv_nsec)
        nanosleep(&delay, NULL);
    return result;
}

int fsync(int file) { return slowly(real_fsync, file); }
int fdatasync(int file) { return slowly(real_fdatasync, file); }
