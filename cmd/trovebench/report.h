/*
 * report: the common part of the benchmarks: arguments, repetitions, a table with a
 * ratio and a target, or the same as JSON.
 *
 * A case is a thing that is timed. Cases of one group are repeated in turn, not one
 * after the other, so that a disturbance of the machine hits all of them; the median of
 * the repetitions is reported. A ratio is this case's rate over its reference's.
 */
#ifndef CMD_TROVEBENCH_REPORT_H
#define CMD_TROVEBENCH_REPORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { REPEAT_MAX = 64 };

struct bench_arguments {
	bool is_json;
	bool checks;     /* missed targets make the exit code */
	double seconds;  /* of one repetition of one case */
	double slack;    /* by so much targets are easier */
	unsigned repeat;
};

/* Runs some work; returns how many units were done (queries, slots). */
typedef uint64_t bench_work(void *context);

struct bench_case {
	const char *name;
	bench_work *work;
	void *context;
	const struct bench_case *reference; /* in the same group, or NULL */
	double target;                      /* least ratio; 0: none */
	/* Results. */
	double rates[REPEAT_MAX];           /* units a second */
	double rate;                        /* median */
	double ratio;                       /* median of the ratios of equal repetitions */
};

struct report {
	const struct bench_arguments *arguments;
	char group[64]; /* of the last row that named one */
	bool is_open;
};

/* Times the cases in turn and fills their results. */
void bench_run(const struct bench_arguments *arguments, struct bench_case *cases, unsigned count);
/* Only the results, for cases whose rates were filled elsewhere. */
void bench_finish(const struct bench_arguments *arguments, struct bench_case *cases, unsigned count);

void report_open(struct report *r, const char *scenario, const struct bench_arguments *arguments);
/* A line of plain text: in the table as it is, in JSON as a note. */
void report_note(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
void report_cases(struct report *r, const char *group, const struct bench_case *cases, unsigned count, const char *unit);
/* A single figure against a bound: at_most or at_least. */
void report_figure(struct report *r, const char *group, const char *name, double value, double bound, bool is_at_most);
/* Which targets were missed, as the last lines. */
void report_close(struct report *r);
/* Of the program, which makes one report: 1 with --check and a missed target. */
int report_exit_code(const struct bench_arguments *arguments);

double bench_median(double *values, unsigned count);
double bench_now(void);
/* Keeps a result alive. */
static inline void bench_use(uint64_t value) { __asm__ volatile("" : : "r"(value) : "memory"); }

#endif
