/*
 * What a program does to the files of one folder, written down in the order in which it does it:
 * preloaded, it adds a record to the file FAULTS_DISK_LOG for everything that changes a file in
 * the folder FAULTS_DISK, and for the beginning and the end of every fsync and fdatasync.
 *
 * A change is written down before it is made, an fsync's beginning before and its end after it:
 * so the log never has as synced what was not. Each record is one write with O_APPEND, so that
 * several processes can share the log; of one that is killed the last may be cut short, and was
 * then not done. What is left out are the files that no reader has to find
 * again after a power loss: SQLite's index of its log, and the limits.
 *
 * Where FAULTS_DISK_LIES is set, fsync and fdatasync are left out: a disk that says it has
 * written what it has not.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define BEGINNING 0xfa017d15c10660d5u

struct record {
    uint64_t beginning;             /* BEGINNING: where a record is cut short, the next is found */
    uint32_t kind, size;            /* what, and how many bytes follow */
    uint64_t file, offset, number;  /* the inode; where; which sync */
};

static int logged = -1, lies;
static const char *folder;
static uint64_t folder_inode, syncs;

/* For each file descriptor the inode that it is of, or 0. */
#define MOST 4096
static uint64_t inodes[MOST];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void load(void) {
    const char *path = getenv("FAULTS_DISK_LOG");
    struct stat about;
    folder = getenv("FAULTS_DISK");
    lies = getenv("FAULTS_DISK_LIES") != NULL;
    if (path && folder && stat(folder, &about) == 0) {
        folder_inode = about.st_ino;
        logged = REAL(open)(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    }
}

static void put(uint32_t kind, uint64_t file, uint64_t offset, uint64_t number,
                const void *data, size_t size) {
    struct record record = {BEGINNING, kind, (uint32_t)size, file, offset, number};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)data, size}};
    if (logged >= 0 && writev(logged, parts, 2) != (ssize_t)(sizeof record + size))
        abort();
}

/* The file's name in the folder, or NULL where it is none of those that count. */
static const char *name_of(const char *path) {
    char resolved[PATH_MAX];
    const char *name = strrchr(path, '/');
    size_t length = folder ? strlen(folder) : 0;
    if (logged < 0)
        return NULL;
    if (path[0] == '/') {
        if (strncmp(path, folder, length) || path[length] != '/' || path + length != name)
            return NULL;
        name++;
    } else {
        if (name || !getcwd(resolved, sizeof resolved) || strcmp(resolved, folder))
            return NULL;
        name = path;
    }
    length = strlen(name);
    if ((length > 4 && !strcmp(name + length - 4, "-shm")) ||
        (length > 7 && !strcmp(name + length - 7, ".limits")) || strstr(name, ".log"))
        return NULL;
    return name;
}

static int opened(const char *path, int file, int was_there) {
    const char *name = name_of(path);
    struct stat about;
    if (file < 0 || file >= MOST || fstat(file, &about))
        return file;
    inodes[file] = about.st_ino == folder_inode ? folder_inode : name ? about.st_ino : 0;
    if (name && *name)
        put(was_there ? 'O' : 'C', about.st_ino, 0, 0, name, strlen(name));
    return file;
}

#define OPEN(function)                                          \
    int function(const char *path, int flags, ...) {            \
        va_list more;                                           \
        va_start(more, flags);                                  \
        mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0; \
        va_end(more);                                           \
        int was_there = access(path, F_OK) == 0;                \
        return opened(path, REAL(function)(path, flags, mode), was_there); \
    }
OPEN(open)
OPEN(open64)

int close(int file) {
    if (file >= 0 && file < MOST)
        inodes[file] = 0;
    return REAL(close)(file);
}

static uint64_t inode(int file) { return file >= 0 && file < MOST ? inodes[file] : 0; }

#define PWRITE(function, offset_type)                                                  \
    ssize_t function(int file, const void *data, size_t size, offset_type offset) {    \
        if (inode(file))                                                               \
            put('W', inode(file), (uint64_t)offset, 0, data, size);                    \
        return REAL(function)(file, data, size, offset);                               \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int file, const void *data, size_t size) {
    if (inode(file))
        put('W', inode(file), (uint64_t)lseek(file, 0, SEEK_CUR), 0, data, size);
    return REAL(write)(file, data, size);
}

#define TRUNCATE(function, size_type)                           \
    int function(int file, size_type size) {                    \
        if (inode(file))                                        \
            put('T', inode(file), (uint64_t)size, 0, NULL, 0);  \
        return REAL(function)(file, size);                      \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

#define SYNC(function)                                                                    \
    int function(int file) {                                                              \
        uint64_t of = inode(file);                                                        \
        uint64_t number = (uint64_t)getpid() << 32 | __atomic_add_fetch(&syncs, 1, __ATOMIC_RELAXED); \
        if (of && lies)                                                                   \
            return 0;                                                                     \
        if (of)                                                                           \
            put('B', of == folder_inode ? 0 : of, 0, number, NULL, 0);                    \
        int result = REAL(function)(file);                                                \
        if (of && result == 0)                                                            \
            put('E', of == folder_inode ? 0 : of, 0, number, NULL, 0);                    \
        return result;                                                                    \
    }
SYNC(fsync)
SYNC(fdatasync)

int unlink(const char *path) {
    const char *name = name_of(path);
    if (name)
        put('U', 0, 0, 0, name, strlen(name));
    return REAL(unlink)(path);
}

/* A second name for a file, and a new name: both names follow, a zero between them. */
static void renamed(uint32_t kind, const char *from, const char *to) {
    const char *one = name_of(from), *other = name_of(to);
    char both[2 * NAME_MAX + 2];
    if (!one || !other)
        return;
    size_t length = strlen(one) + 1;
    memcpy(both, one, length);
    memcpy(both + length, other, strlen(other));
    put(kind, 0, 0, 0, both, length + strlen(other));
}

int link(const char *from, const char *to) {
    int result = REAL(link)(from, to);
    if (result == 0)
        renamed('L', from, to);
    return result;
}

int rename(const char *from, const char *to) {
    renamed('R', from, to);
    return REAL(rename)(from, to);
}
