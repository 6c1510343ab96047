/*
 * Kills the process at a chosen step of the storage: loaded with LD_PRELOAD, it stands before the
 * calls that change files and does what a control file says. For the tests only.
 *
 *   CRASH_SHIM_PATH     only files whose path begins with this are looked at
 *   CRASH_SHIM_CONTROL  a file with one line, read at each such call; missing or empty: nothing
 *
 * Line: "CALL WHEN WORD SKIP". CALL is create, write, sync, rename or unlink; WHEN is before, half
 * (of a write) or after; WORD is a part of the file's path, of a rename's new one; SKIP is how many
 * such calls of this process pass first. The file CRASH_SHIM_CONTROL with ".fired" added gets a byte
 * before the end, which is SIGKILL.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum when { NEVER, BEFORE, HALF, AFTER };

static atomic_int passed = 0;

static ssize_t read_line(const char *name, char *line, size_t length) {
  long file = syscall(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t bytes = syscall(SYS_read, file, line, length - 1);
  syscall(SYS_close, file);
  line[bytes < 0 ? 0 : bytes] = 0;
  return bytes;
}

/* Whether the process ends at this call, and where in it. */
static enum when due(const char *call, const char *path) {
  const char *prefix = getenv("CRASH_SHIM_PATH");
  const char *control = getenv("CRASH_SHIM_CONTROL");
  char line[512], wanted[16], when[16], word[256];
  int skip = 0;
  if (prefix == NULL || control == NULL || path == NULL) return NEVER;
  if (strncmp(path, prefix, strlen(prefix)) != 0) return NEVER;
  if (read_line(control, line, sizeof line) <= 0) return NEVER;
  if (sscanf(line, "%15s %15s %255s %d", wanted, when, word, &skip) != 4) return NEVER;
  if (strcmp(wanted, call) != 0 || strstr(path, word) == NULL) return NEVER;
  if (atomic_fetch_add(&passed, 1) < skip) return NEVER;
  return when[0] == 'b' ? BEFORE : when[0] == 'h' ? HALF : AFTER;
}

static enum when due_of(const char *call, int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = fd > 2 ? readlink(link, path, sizeof path - 1) : -1;
  if (length < 0) return NEVER;
  path[length] = 0;
  return due(call, path);
}

static void end_if(enum when due, enum when here) {
  char path[4096];
  if (due != here) return;
  snprintf(path, sizeof path, "%s.fired", getenv("CRASH_SHIM_CONTROL"));
  long file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  syscall(SYS_write, file, ".", 1);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

ssize_t write(int fd, const void *bytes, size_t length) {
  enum when at = due_of("write", fd);
  end_if(at, BEFORE);
  if (at == HALF) length /= 2;
  ssize_t result = syscall(SYS_write, fd, bytes, length);
  end_if(at, HALF);
  end_if(at, AFTER);
  return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  enum when at = due_of("write", fd);
  end_if(at, BEFORE);
  if (at == HALF) length /= 2;
  ssize_t result = syscall(SYS_pwrite64, fd, bytes, length, offset);
  end_if(at, HALF);
  end_if(at, AFTER);
  return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite64(fd, bytes, length, offset);
}

static int synced(int fd, long call) {
  enum when at = due_of("sync", fd);
  end_if(at, BEFORE);
  int result = (int)syscall(call, fd);
  end_if(at, AFTER);
  return result;
}

int fsync(int fd) {
  return synced(fd, SYS_fsync);
}

int fdatasync(int fd) {
  return synced(fd, SYS_fdatasync);
}

int rename(const char *from, const char *to) {
  enum when at = due("rename", to);
  end_if(at, BEFORE);
  int result = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
  end_if(at, AFTER);
  return result;
}

int unlink(const char *path) {
  enum when at = due("unlink", path);
  end_if(at, BEFORE);
  int result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  end_if(at, AFTER);
  return result;
}

static int opened(const char *path, int flags, mode_t mode) {
  int creates = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
  enum when at = creates ? due("create", path) : NEVER;
  end_if(at, BEFORE);
  int result = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  end_if(at, AFTER);
  return result;
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags | O_LARGEFILE, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return opened(path, flags, mode);
}
