/*
 * Makes the disk fail on demand: loaded with LD_PRELOAD, it stands before fsync and fdatasync of a
 * process and does what a control file says. For the tests only.
 *
 *   DISK_SHIM_PATH     only files whose path begins with this are touched
 *   DISK_SHIM_CONTROL  a file with one line, read at each sync; missing or empty: no fault
 *
 * Lines: "eio" fails every sync; "eio-once" fails one and changes the line to "eio-done"; "eio-once
 * WORD" fails the first one of a file whose path contains the word; "slow MS" delays each; "hang"
 * never returns from one. Each fault that fires adds a byte to the file
 * DISK_SHIM_CONTROL with ".fired" added, so that a test can tell that it did.
 *
 * As with the kernel, a sync that is tried again after a failure succeeds although nothing was
 * written, and the bytes stay readable in the page cache.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int belongs(int fd, char path[4096]) {
  const char *prefix = getenv("DISK_SHIM_PATH");
  char link[64];
  if (prefix == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, 4095);
  if (length < 0) return 0;
  path[length] = 0;
  return strncmp(path, prefix, strlen(prefix)) == 0;
}

static void fired(const char *control) {
  char path[4096];
  snprintf(path, sizeof path, "%s.fired", control);
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) return;
  if (write(fd, ".", 1) < 0) { /* the test will see that nothing fired */ }
  close(fd);
}

/* 0: go on with the real sync; -1: fail, errno is set. */
static int fault(int fd) {
  const char *control = getenv("DISK_SHIM_CONTROL");
  char line[128], path[4096];
  if (control == NULL || !belongs(fd, path)) return 0;
  int file = open(control, O_RDWR | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, line, sizeof line - 1);
  line[length < 0 ? 0 : length] = 0;
  int result = 0;
  if (strncmp(line, "eio-once", 8) == 0) {
    const char *word = line[8] == ' ' ? line + 9 : "";
    if (strstr(path, word) != NULL && pwrite(file, "eio-done", 8, 0) == 8) result = -1;
  } else if (strncmp(line, "eio-done", 8) != 0 && strncmp(line, "eio", 3) == 0) {
    result = -1;
  } else if (strncmp(line, "slow ", 5) == 0) {
    long ms = atol(line + 5);
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000};
    fired(control);
    nanosleep(&pause, NULL);
  } else if (strncmp(line, "hang", 4) == 0) {
    fired(control);
    for (;;) pause();
  }
  close(file);
  if (result != 0) {
    fired(control);
    errno = EIO;
  }
  return result;
}

int fsync(int fd) {
  return fault(fd) != 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  return fault(fd) != 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
}
