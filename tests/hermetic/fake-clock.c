/* What if this machine's clock said something else?
 *
 * Loaded before the C library (LD_PRELOAD) by a test, so that the program under it takes the seconds since 1970 in the variable FAKE_CLOCK for the
 * time of day. Everything else, deadlines included, goes by the clock that no test moves. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
	static int (*real)(clockid_t, struct timespec *);
	const char *fake = getenv("FAKE_CLOCK");

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (clock != CLOCK_REALTIME || !fake)
		return real(clock, now);
	now->tv_sec = atoll(fake);
	now->tv_nsec = 0;
	return 0;
}
