/*
 * service: a troved of one's own for a test program: started with options on free
 * ports, looked at from outside, stopped by pid.
 *
 * Needs TROVE_BUILD (tests/run sets it). One test program, one thread. Failures of
 * the set-up end the test with a message.
 */
#ifndef TESTS_SUPPORT_SERVICE_H
#define TESTS_SUPPORT_SERVICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct service {
	pid_t pid;
	uint16_t port;       /* reply; +1 collect, +2 publish, +8 admin, +9 observe */
	char folder[128];    /* data.directory and the log */
	const char *argument; /* one more for its command line, or NULL */
	char tcp[64], ipc[224], collect[64], publish[64], ipc_path[192];
};

/* sets: "section.key=value", NULL at the end; NULL: none. Waits until it is ready. */
void service_start(struct service *s, const char *const *sets);
/* The steps of it, for those who start again on the same data: places once, then launch and await each time. */
void service_place(struct service *s);
void service_launch(struct service *s, const char *const *sets);
/* false: it ended, or 20 s went by; service_wait tells its exit code. */
bool service_await(const struct service *s);
/* launch and await; fails the test. */
void service_again(struct service *s, const char *const *sets);
/* For a start that must fail: its exit code. What it said is in the log. */
int service_refused(struct service *s, const char *const *sets);
/* The log, zero-terminated, the caller's to free. */
char *service_log(const struct service *s);
/* Sends the signal and waits. Returns the exit code; 128 + N when signal N ended it. */
int service_stop(struct service *s, int number);
/* Waits for its end. */
int service_wait(struct service *s);

/* A series of /metrics, as it stands there with its labels. */
double service_metric(const struct service *s, const char *series);
/* Waits up to 10 s until the series has the value. */
bool service_metric_becomes(const struct service *s, const char *series, double value);

/* Sends bytes to the observe listener, reads up to its close (or 10 s). Returns the bytes read, zero-terminated. */
size_t service_http(const struct service *s, const char *request, size_t bytes, char *answer, size_t capacity);
/* Status of GET path; 0: no answer. */
int service_get(const struct service *s, const char *path);

long service_rss_kib(const struct service *s);
int service_descriptors(const struct service *s);
/* Whether the log holds the text. */
bool service_log_has(const struct service *s, const char *text);

/* Built with a sanitizer that makes everything slow and keeps freed memory back. */
bool service_is_sanitized(void);

/* One request and its reply, zero-terminated; "" when there was none. */
const char *service_ask(const struct service *s, const char *url, const char *json, char *reply, size_t capacity);

/* A connected TCP or unix stream socket; fails the test. */
int service_connect_tcp(uint16_t port);
int service_connect_unix(const char *path);

#endif
