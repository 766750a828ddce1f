/* What does a runtime get that is to run a command in a container, and what follows from what it does?
 *
 * Called as `[--root R] [--log F] exec [--detach] --process FILE --pid-file P [--preserve-fds N] ID` it writes all that it gets to a new file in the
 * directory `calls` beside itself, one fact a line, and then does as runc does (1.1.5), but enters nothing: it starts the command of FILE with FILE's
 * environment and directory, writes its process ID to P once it is sure to run, and ends at once when it is to be detached; otherwise it hands signals on
 * and ends as the command ends. The file `behaviour/ID` beside it, else `behaviour/all`, changes that: `fail STATUS TEXT` says TEXT and starts nothing,
 * `hang` starts nothing and ignores SIGTERM. All other commands are only written down. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *log_file, *pid_file, *process_file, *root, *id, *command;
static int preserved, detached;
static volatile pid_t child;

static void beside(char *path, const char *name)
{
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 256);
	path[length < 0 ? 0 : length] = 0;
	strcpy(strrchr(path, '/') + 1, name);
}

static char *contents(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *bytes = calloc(1, 1 << 20);

	*size = file ? fread(bytes, 1, (1 << 20) - 1, file) : 0;
	if (file)
		fclose(file);
	return bytes;
}

static void record_bytes(FILE *record, const char *fact, const char *bytes, size_t size)
{
	fprintf(record, "%s ", fact);
	for (size_t at = 0; at < size; at++)
		fprintf(record, "%02x", (unsigned char)bytes[at]);
	fputc('\n', record);
}

static void record_file(FILE *record, const char *fact, const char *path)
{
	size_t size;
	char *bytes = contents(path, &size);

	record_bytes(record, fact, bytes, size);
	free(bytes);
}

/* A new file of its own, as calls come side by side. */
static FILE *new_record(void)
{
	char path[PATH_MAX], name[64];

	for (int number = 1; number < 100000; number++) {
		snprintf(name, sizeof name, "calls/.%d", number);
		beside(path, name);
		int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0)
			return fdopen(fd, "w");
		if (errno != EEXIST)
			exit(99);
	}
	exit(99);
}

/* The record gets its name when it is whole. */
static void finish(FILE *record)
{
	char own[64], path[PATH_MAX], whole[PATH_MAX];

	snprintf(own, sizeof own, "/proc/self/fd/%d", fileno(record));
	ssize_t length = readlink(own, path, sizeof path - 1);
	path[length < 0 ? 0 : length] = 0;
	strcpy(whole, path);
	char *name = strrchr(whole, '/') + 1;
	memmove(name, name + 1, strlen(name));
	fclose(record);
	rename(path, whole);
}

static void record_everything(char **argv)
{
	FILE *record = new_record();
	char path[PATH_MAX], link[PATH_MAX];
	int own = fileno(record);

	for (char **word = argv; *word; word++)
		record_bytes(record, "argv", *word, strlen(*word));
	for (char **variable = environ; *variable; variable++)
		record_bytes(record, "variable", *variable, strlen(*variable));
	for (int fd = 0; fd < 1024; fd++) {
		if (fd == own || fcntl(fd, F_GETFD) == -1)
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		ssize_t length = readlink(path, link, sizeof link - 1);
		link[length < 0 ? 0 : length] = 0;
		fprintf(record, "descriptor %d %s\n", fd, link);
	}
	if (fcntl(3, F_GETFD) != -1 && own != 3) {
		fprintf(record, "seals %d\n", fcntl(3, F_GET_SEALS));
		record_file(record, "program", "/proc/self/fd/3");
	}
	if (process_file)
		record_file(record, "process", process_file);
	if (root && id && snprintf(path, sizeof path, "%s/%s/state.json", root, id) > 0 && access(path, R_OK) == 0)
		record_file(record, "state", path);
	fprintf(record, "leads-session %d\n", getsid(0) == getpid());
	finish(record);
}

/* Reads a JSON string behind its first quotation mark, writes it to `to`, returns what is behind the last one. */
static const char *string(const char *from, char *to)
{
	for (; *from && *from != '"'; from++) {
		if (*from != '\\') {
			*to++ = *from;
			continue;
		}
		switch (*++from) {
		case 'n': *to++ = '\n'; break;
		case 't': *to++ = '\t'; break;
		case 'r': *to++ = '\r'; break;
		case 'b': *to++ = '\b'; break;
		case 'f': *to++ = '\f'; break;
		case 'u': {
			char digits[5] = { from[1], from[2], from[3], from[4], 0 };
			*to++ = (char)strtol(digits, NULL, 16);
			from += 4;
			break;
		}
		default: *to++ = *from;
		}
	}
	*to = 0;
	return from + 1;
}

/* The value of a key: a quotation mark inside a string has a backslash before it, so only keys look like this. */
static const char *value(const char *json, const char *key)
{
	char quoted[64];
	snprintf(quoted, sizeof quoted, "\"%s\"", key);
	for (const char *at = strstr(json, quoted); at; at = strstr(at + 1, quoted)) {
		const char *behind = at + strlen(quoted);
		behind += strspn(behind, " \n\t");
		if (*behind == ':')
			return behind + 1 + strspn(behind + 1, " \n\t");
	}
	return NULL;
}

static char **strings(const char *json, const char *key)
{
	char **all = calloc(4096, sizeof *all);
	const char *at = value(json, key);
	int count = 0;

	if (!at || *at != '[')
		return all;
	for (at++; count < 4095; count++) {
		at += strspn(at, " \n\t,");
		if (*at != '"')
			break;
		all[count] = malloc(strlen(at) + 1);
		at = string(at + 1, all[count]);
	}
	return all;
}

static void fail(int status, const char *text)
{
	FILE *log = log_file ? fopen(log_file, "a") : NULL;

	if (log) {
		fprintf(log, "{\"level\":\"error\",\"msg\":\"");
		for (const char *at = text; *at; at++)
			fprintf(log, *at < ' ' && *at > 0 ? "\\u%04x" : "%c", *at);
		fprintf(log, "\",\"time\":\"2026-11-20T16:00:00Z\"}\n");
		fclose(log);
	}
	fprintf(stderr, "%s\n", text);
	exit(status);
}

static void hand_on(int signal)
{
	if (child)
		kill(child, signal);
}

static void write_pid_file(void)
{
	char draft[PATH_MAX];
	FILE *file;

	if (!pid_file)
		return;
	snprintf(draft, sizeof draft, "%s.draft", pid_file);
	file = fopen(draft, "w");
	if (!file)
		fail(255, "cannot write the pid file");
	fprintf(file, "%d", child);
	fclose(file);
	rename(draft, pid_file);
}

/* Starts the command; the program stays open, everything else from 3 on does not. */
static void start(void)
{
	size_t size;
	char *json = contents(process_file, &size), directory[PATH_MAX] = "/", text[1024];
	char **args = strings(json, "args");
	const char *cwd = value(json, "cwd");
	int sure[2], fault = 0;

	if (!args[0])
		fail(255, "process.args must not be empty");
	if (cwd && *cwd == '"')
		string(cwd + 1, directory);
	if (pipe2(sure, O_CLOEXEC))
		fail(255, "pipe");
	child = fork();
	if (!child) {
		environ = strings(json, "env");
		int top = dup3(sure[1], 1000, O_CLOEXEC);
		close_range(3 + preserved, 999, 0);
		if (!chdir(directory))
			execvp(args[0], args);
		fault = errno;
		if (write(top, &fault, sizeof fault) < 0)
			exit(98);
		exit(97);
	}
	close(sure[1]);
	if (read(sure[0], &fault, sizeof fault) > 0) {
		waitpid(child, NULL, 0);
		snprintf(text, sizeof text, "exec failed: unable to start container process: exec: %s: %s", args[0], strerror(fault));
		for (char *at = text; *at; at++)
			if (*at == '"' || *at == '\\' || *at < ' ')
				*at = '?';
		fail(255, text);
	}
	write_pid_file();
}

static const char *behaviour(void)
{
	static char line[1024];
	char path[PATH_MAX], name[256];
	FILE *file;

	snprintf(name, sizeof name, "behaviour/%.128s", id);
	beside(path, name);
	file = fopen(path, "r");
	if (!file) {
		beside(path, "behaviour/all");
		file = fopen(path, "r");
	}
	if (file && fgets(line, sizeof line, file))
		line[strcspn(line, "\n")] = 0;
	return line;
}

static void run(void)
{
	static const int handed_on[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };
	const char *line = behaviour();
	char *text;
	int status;

	if (!strncmp(line, "fail ", 5)) {
		status = strtol(line + 5, &text, 10);
		fail(status, text + strspn(text, " "));
	}
	if (!strcmp(line, "hang")) {
		signal(SIGTERM, SIG_IGN);
		for (;;)
			pause();
	}
	for (size_t at = 0; at < sizeof handed_on / sizeof *handed_on; at++)
		signal(handed_on[at], hand_on);
	start();
	if (detached)
		exit(0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* The words as runc reads those that are used here: `--flag VALUE` or `--flag=VALUE`. */
static void read_words(char **argv)
{
	static const struct { const char *name; const char **value; } flags[] = {
		{ "--root", &root }, { "--log", &log_file }, { "--process", &process_file }, { "--pid-file", &pid_file },
	};
	static const char *count, *format;

	for (char **word = argv + 1; *word; word++) {
		const char **into = NULL;
		size_t length = strcspn(*word, "=");
		for (size_t at = 0; at < sizeof flags / sizeof *flags; at++)
			if (strlen(flags[at].name) == length && !strncmp(*word, flags[at].name, length))
				into = flags[at].value;
		if (!strncmp(*word, "--preserve-fds", 14))
			into = &count;
		if (!strncmp(*word, "--log-format", 12))
			into = &format;
		if (!strcmp(*word, "--detach"))
			detached = 1;
		else if (into)
			*into = (*word)[length] ? *word + length + 1 : word[1] ? *++word : NULL;
		else if (**word != '-' && !command)
			command = *word;
		else if (**word != '-')
			id = *word;
	}
	preserved = count ? atoi(count) : 0;
}

int main(int argc, char **argv)
{
	(void)argc;
	read_words(argv);
	record_everything(argv);
	if (command && !strcmp(command, "exec") && process_file && id)
		run();
	return 0;
}
