/* Holds a program at the system call that a test names, so that the test need not hope to find it there.
 *
 * Loaded before the C library (LD_PRELOAD). The variable HOLD names a call (pwrite64, fsync, linkat); before the program makes it for the
 * first time it stops itself (SIGSTOP), and goes on when it is resumed. With HOLD_FOR, a number of microseconds, it sleeps so long instead,
 * each time. Calls that are made directly are not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void hold(const char *call)
{
	static atomic_flag held = ATOMIC_FLAG_INIT;
	const char *wanted = getenv("HOLD"), *time = getenv("HOLD_FOR");

	if (!wanted || strcmp(wanted, call))
		return;
	if (time)
		usleep(strtoul(time, NULL, 10));
	else if (!atomic_flag_test_and_set(&held))
		kill(getpid(), SIGSTOP);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
	static ssize_t (*real)(int, const void *, size_t, off64_t);

	if (!real)
		real = (ssize_t (*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
	hold("pwrite64");
	return real(fd, bytes, size, offset);
}

int fsync(int fd)
{
	static int (*real)(int);

	if (!real)
		real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
	hold("fsync");
	return real(fd);
}

int linkat(int from, const char *old, int to, const char *new, int flags)
{
	static int (*real)(int, const char *, int, const char *, int);

	if (!real)
		real = (int (*)(int, const char *, int, const char *, int))dlsym(RTLD_NEXT, "linkat");
	hold("linkat");
	return real(from, old, to, new, flags);
}
