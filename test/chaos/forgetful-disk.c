/* A disk that forgets at a power cut whatever was not synced. Preloaded into a process, it keeps beside each database file a
   copy of what that file held at its last sync; what the process is killed on top of is then that copy, and nothing newer.
   cc -shared -fPIC -o forgetful-disk.so forgetful-disk.c -ldl */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PENDING 64
static char removed[PENDING][256];

static const char *folder(void) { return getenv("DOE_DURABLE"); }

/* The name of a database file, or NULL for any other path. */
static const char *named(const char *path) {
  const char *slash = strrchr(path, '/');
  const char *name = slash == NULL ? path : slash + 1;
  return strncmp(name, "db.sqlite", 9) == 0 ? name : NULL;
}

static int kept_path(char *into, size_t size, const char *name, const char *ending) {
  return snprintf(into, size, "%s/%s%s", folder(), name, ending);
}

/* Copies what the file holds now, whole or not at all. */
static void keep_file(const char *path, const char *name, off_t size) {
  char partial[4200], target[4200];
  kept_path(partial, sizeof partial, name, ".partial");
  kept_path(target, sizeof target, name, "");
  int from = open(path, O_RDONLY);
  int to = open(partial, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (from < 0 || to < 0) abort();
  for (off_t left = size; left > 0;) {
    ssize_t copied = copy_file_range(from, NULL, to, NULL, (size_t)left, 0);
    if (copied <= 0) abort();
    left -= copied;
  }
  close(from);
  close(to);
  if (rename(partial, target) != 0) abort();
  for (int i = 0; i < PENDING; i++)
    if (strcmp(removed[i], name) == 0) removed[i][0] = 0;
}

/* A file's removal lasts once its folder was synced. */
static void keep_removals(void) {
  char target[4200];
  for (int i = 0; i < PENDING; i++) {
    if (removed[i][0] == 0) continue;
    kept_path(target, sizeof target, removed[i], "");
    remove(target);
    removed[i][0] = 0;
  }
}

static void keep(int fd) {
  char link[64], path[4096];
  struct stat facts;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (folder() == NULL || length < 0 || fstat(fd, &facts) != 0) return;
  path[length] = 0;
  if (S_ISDIR(facts.st_mode)) keep_removals();
  else if (named(path) != NULL) keep_file(path, named(path), facts.st_size);
}

int unlink(const char *path) {
  int (*real)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "unlink");
  int answer = real(path);
  if (answer != 0 || folder() == NULL || named(path) == NULL) return answer;
  for (int i = 0; i < PENDING; i++)
    if (removed[i][0] == 0) {
      snprintf(removed[i], sizeof removed[i], "%s", named(path));
      return answer;
    }
  abort();
}

int fsync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  int answer = real(fd);
  if (answer == 0) keep(fd);
  return answer;
}

int fdatasync(int fd) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  int answer = real(fd);
  if (answer == 0) keep(fd);
  return answer;
}
