/* LD_PRELOAD shim: one fsync or fdatasync fails with EIO.
 *
 * The file named by MW_FAULT holds a part of a path. The first sync of a file whose path,
 * with a '$' at its end, contains it fails; whoever manages to remove the fault file is the one that fails, so it
 * happens once over all processes. Without the fault file everything is as always.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    const char *fault = getenv("MW_FAULT");
    char wanted[256] = {0}, link[64], path[4096] = {0};
    int saved = errno, n, file;
    if (!fault || (file = open(fault, O_RDONLY | O_CLOEXEC)) < 0) {
        errno = saved;
        return 0;
    }
    n = read(file, wanted, sizeof wanted - 1);
    close(file);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (n > 0 && readlink(link, path, sizeof path - 2) > 0 && strstr(strcat(path, "$"), wanted) && unlink(fault) == 0) {
        errno = EIO;
        return 1;
    }
    errno = saved;
    return 0;
}

int fsync(int fd) {
    static int (*real)(int);
    if (fails(fd)) return -1;
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (fails(fd)) return -1;
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return real(fd);
}
