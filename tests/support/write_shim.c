/*
 * Remembers what a power cut would take away: loaded with LD_PRELOAD, it stands before the calls that
 * change files and writes a journal of what was there before, and of which changes a sync has made
 * safe. After a kill the test undoes changes that no sync covers. For the tests only.
 *
 *   WRITE_SHIM_PATH     only files whose path begins with this are followed
 *   WRITE_SHIM_JOURNAL  the journal, which the test removes before each start
 *
 * Records, little-endian; a path has no terminator:
 *   'W' u16 path length, u64 offset, u64 file size before, u32 bytes saved, path, the bytes that were
 *       at the offset; a cut of the file is a 'W' at its new end
 *   'S' u16 path length, u64 length of the journal when the sync began, path
 *
 * Names are left out: a file that was made, renamed or removed stays so.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int journal = -1;
static uint64_t journal_bytes = 0;

static int path_of(int fd, char path[4096]) {
  const char *prefix = getenv("WRITE_SHIM_PATH");
  char link[64];
  if (prefix == NULL) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, 4095);
  if (length < 0 || strncmp(path, prefix, strlen(prefix)) != 0) return 0;
  path[length] = 0;
  return (int)length;
}

/* Without the journal nothing is known about the disk: stop at once. */
static void append(const void *bytes, size_t length) {
  if (journal < 0) {
    const char *name = getenv("WRITE_SHIM_JOURNAL");
    if (name != NULL) journal = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  }
  if (syscall(SYS_write, journal, bytes, length) != (ssize_t)length) abort();
  journal_bytes += length;
}

/* Called with the lock, before `length` bytes at `offset` change or, with a cut, go away. */
static void save(int fd, const char *path, int path_length, uint64_t offset, uint64_t length) {
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
  uint64_t size = (uint64_t)status.st_size;
  uint64_t end = offset + length < size ? offset + length : size;
  uint32_t saved = offset < end ? (uint32_t)(end - offset) : 0;
  size_t head = 1 + 2 + 8 + 8 + 4;
  size_t bytes = head + (size_t)path_length + saved;
  unsigned char *record = malloc(bytes);
  uint16_t length16 = (uint16_t)path_length;
  if (record == NULL) abort();
  record[0] = 'W';
  memcpy(record + 1, &length16, 2);
  memcpy(record + 3, &offset, 8);
  memcpy(record + 11, &size, 8);
  memcpy(record + 19, &saved, 4);
  memcpy(record + head, path, (size_t)path_length);
  if (saved > 0 && syscall(SYS_pread64, fd, record + head + path_length, (size_t)saved,
                           (off_t)offset) != (ssize_t)saved) abort();
  append(record, bytes);
  free(record);
}

ssize_t write(int fd, const void *bytes, size_t length) {
  char path[4096];
  int path_length = fd > 2 ? path_of(fd, path) : 0;
  if (path_length == 0) return syscall(SYS_write, fd, bytes, length);
  pthread_mutex_lock(&lock);
  save(fd, path, path_length, (uint64_t)lseek(fd, 0, SEEK_CUR), length);
  ssize_t result = syscall(SYS_write, fd, bytes, length);
  pthread_mutex_unlock(&lock);
  return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  char path[4096];
  int path_length = path_of(fd, path);
  if (path_length == 0) return syscall(SYS_pwrite64, fd, bytes, length, offset);
  pthread_mutex_lock(&lock);
  save(fd, path, path_length, (uint64_t)offset, length);
  ssize_t result = syscall(SYS_pwrite64, fd, bytes, length, offset);
  pthread_mutex_unlock(&lock);
  return result;
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite64(fd, bytes, length, offset);
}

int ftruncate64(int fd, off64_t size) {
  char path[4096];
  int path_length = path_of(fd, path);
  if (path_length == 0) return (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&lock);
  save(fd, path, path_length, (uint64_t)size, UINT32_MAX);
  int result = (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_unlock(&lock);
  return result;
}

int ftruncate(int fd, off_t size) {
  return ftruncate64(fd, size);
}

static int synced(int fd, long call) {
  char path[4096];
  int path_length = path_of(fd, path);
  if (path_length == 0) return (int)syscall(call, fd);
  pthread_mutex_lock(&lock);
  uint64_t covered = journal_bytes;
  pthread_mutex_unlock(&lock);
  int result = (int)syscall(call, fd);
  if (result != 0) return result;
  unsigned char head[11];
  uint16_t length16 = (uint16_t)path_length;
  head[0] = 'S';
  memcpy(head + 1, &length16, 2);
  memcpy(head + 3, &covered, 8);
  pthread_mutex_lock(&lock);
  append(head, sizeof head);
  append(path, (size_t)path_length);
  pthread_mutex_unlock(&lock);
  return result;
}

int fsync(int fd) {
  return synced(fd, SYS_fsync);
}

int fdatasync(int fd) {
  return synced(fd, SYS_fdatasync);
}
