/*
 * Makes the clocks of a process jump on demand: loaded with LD_PRELOAD, it adds offsets to what
 * clock_gettime, gettimeofday and time say. For the tests only.
 *
 *   CLOCK_SHIM_CONTROL  a file of three 64-bit numbers, mapped: the wall clock's offset and the
 *                       monotonic clock's, both in ms, which the test writes, and how often a clock
 *                       was read with an offset, which the test reads
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
  volatile int64_t wall_ms;
  volatile int64_t monotonic_ms;
  volatile int64_t fired;
};

static struct control none;
static struct control *control = &none;

__attribute__((constructor)) static void map_control(void) {
  const char *path = getenv("CLOCK_SHIM_CONTROL");
  if (path == NULL) return;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *mapped = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (mapped != MAP_FAILED) control = mapped;
  close(fd);
}

static int64_t offset_ms(clockid_t clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
      return control->wall_ms;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
      return control->monotonic_ms;
    default:
      return 0;
  }
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = (int)syscall(SYS_clock_gettime, clock, time);
  int64_t ms = result == 0 ? offset_ms(clock) : 0;
  if (ms == 0) return result;
  __atomic_fetch_add(&control->fired, 1, __ATOMIC_RELAXED);
  int64_t ns = time->tv_nsec + (ms % 1000) * 1000000;
  time->tv_sec += ms / 1000;
  if (ns < 0) {
    ns += 1000000000;
    time->tv_sec--;
  } else if (ns >= 1000000000) {
    ns -= 1000000000;
    time->tv_sec++;
  }
  time->tv_nsec = ns;
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *result) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return (time_t)-1;
  if (result != NULL) *result = now.tv_sec;
  return now.tv_sec;
}
