/* Preloaded into a run: writes to some files fail or are slow, and the clock of the wall jumps.

   FAULT_MATCH   part of the paths whose writes are disturbed
   FAULT_ERRNO   what they fail with, from write number FAULT_FROM on
   FAULT_DELAY   milliseconds that each takes
   FAULT_CLOCK   seconds by which the clock jumps, every other second                                             */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int count;

static int disturbed(int fd)
{
    const char *match = getenv("FAULT_MATCH"), *code = getenv("FAULT_ERRNO"), *delay = getenv("FAULT_DELAY");
    char link[64], path[4096];
    if (!match)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    if (!strstr(path, match))
        return 0;
    if (delay)
        usleep(1000 * atoi(delay));
    const char *from = getenv("FAULT_FROM");
    if (!code || __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) < (from ? atoi(from) : 1))
        return 0;
    errno = atoi(code);
    return 1;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write);
    return disturbed(fd) ? -1 : real(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    REAL(pwrite);
    return disturbed(fd) ? -1 : real(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    REAL(pwrite64);
    return disturbed(fd) ? -1 : real(fd, data, size, at);
}

static time_t jump(time_t now)
{
    const char *by = getenv("FAULT_CLOCK");
    return by && now % 2 ? now + atol(by) : now;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(clock_gettime);
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME)
        now->tv_sec = jump(now->tv_sec);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    REAL(gettimeofday);
    int result = real(now, zone);
    now->tv_sec = jump(now->tv_sec);
    return result;
}

time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}
