/* What does a runtime get from whoever calls it?
 *
 * Writes all of it to the file `record` in its own directory, one fact a line, then does what the file `behaviour` there says: `print TEXT`,
 * `wait` (until a signal comes), `exit STATUS`, `kill SIGNAL`. In C, so that nothing happens before it looks: Rust's start opens descriptors and
 * ignores SIGPIPE. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

struct descriptor {
	int open, flags;
	struct stat facts;
};

static struct descriptor descriptors[1024];

static void look_at_descriptors(void)
{
	for (int fd = 0; fd < 1024; fd++) {
		descriptors[fd].open = fcntl(fd, F_GETFD) != -1;
		if (!descriptors[fd].open)
			continue;
		descriptors[fd].flags = fcntl(fd, F_GETFL);
		fstat(fd, &descriptors[fd].facts);
	}
}

static void in_directory(char *path, const char *name)
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 64);
	path[length < 0 ? 0 : length] = 0;
	strcpy(strrchr(path, '/') + 1, name);
}

/* In hexadecimal, because it may be any bytes. */
static void record_bytes(FILE *record, const char *fact, const char *bytes)
{
	fprintf(record, "%s ", fact);
	for (; *bytes; bytes++)
		fprintf(record, "%02x", (unsigned char)*bytes);
	fputc('\n', record);
}

static void record_lines_of(FILE *record, const char *path, const char *const *beginnings)
{
	char line[512];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof line, file))
		for (const char *const *beginning = beginnings; *beginning; beginning++)
			if (!strncmp(line, *beginning, strlen(*beginning)))
				fprintf(record, "status %s", line);
	if (file)
		fclose(file);
}

static void record_limits(FILE *record)
{
	for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
		struct rlimit limit;
		if (!getrlimit(resource, &limit))
			fprintf(record, "limit %d %llu %llu\n", resource, (unsigned long long)limit.rlim_cur, (unsigned long long)limit.rlim_max);
	}
}

static void record_everything(char **argv)
{
	static const char *const status[] = { "SigBlk:", "SigIgn:", "SigCgt:", "ShdPnd:", "SigPnd:", "NoNewPrivs:", "CapEff:", "Groups:", NULL };
	static const char *const any[] = { "", NULL };
	char path[PATH_MAX], cwd[PATH_MAX];
	int death_signal = 0;
	FILE *record;

	in_directory(path, "record");
	record = fopen(path, "w");
	if (!record)
		exit(99);
	for (char **word = argv; *word; word++)
		record_bytes(record, "argv", *word);
	for (char **variable = environ; *variable; variable++)
		record_bytes(record, "variable", *variable);
	for (int fd = 0; fd < 1024; fd++) {
		const struct descriptor *one = &descriptors[fd];
		if (one->open)
			fprintf(record, "descriptor %d %llx:%llx %o\n", fd, (unsigned long long)one->facts.st_dev, (unsigned long long)one->facts.st_ino, one->flags);
	}
	fprintf(record, "directory %s\n", getcwd(cwd, sizeof cwd) ? cwd : strerror(errno));
	prctl(PR_GET_PDEATHSIG, &death_signal);
	fprintf(record, "death-signal %d\n", death_signal);
	fprintf(record, "umask %o\n", umask(0));
	fprintf(record, "user %d %d %d %d\n", getuid(), geteuid(), getgid(), getegid());
	fprintf(record, "nice %d\n", getpriority(PRIO_PROCESS, 0));
	fprintf(record, "process %d\n", getpid());
	fprintf(record, "leads-session %d\nleads-group %d\n", getsid(0) == getpid(), getpgrp() == getpid());
	record_limits(record);
	record_lines_of(record, "/proc/self/status", status);
	record_lines_of(record, "/proc/self/oom_score_adj", any);
	fclose(record);
}

static void behave(void)
{
	char path[PATH_MAX], line[512];
	FILE *behaviour;

	in_directory(path, "behaviour");
	behaviour = fopen(path, "r");
	while (behaviour && fgets(line, sizeof line, behaviour)) {
		if (!strncmp(line, "print ", 6) && write(1, line + 6, strlen(line + 6)) < 0)
			exit(98);
		if (!strncmp(line, "wait", 4))
			pause();
		if (!strncmp(line, "exit ", 5))
			exit(atoi(line + 5));
		if (!strncmp(line, "kill ", 5))
			kill(getpid(), atoi(line + 5));
	}
	exit(0);
}

int main(int argc, char **argv)
{
	(void)argc;
	look_at_descriptors();
	record_everything(argv);
	behave();
}
