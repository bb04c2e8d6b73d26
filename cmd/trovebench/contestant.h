/*
 * contestant: one allocator of `trovebench pool` and `trovebench memory`, in a process of its own, so that general
 * allocators serve malloc as they do in real programs (LD_PRELOAD) and glibc is truly glibc.
 * The parent asks over a pipe, the child measures and answers; both are this program.
 *
 * Each thread has a working set of 10,000 objects of its own and touches an object once after
 * it was borrowed. LIFO: all are borrowed, then all returned, the last one first. Random: a
 * random one is returned and another borrowed, sizes drawn anew where they are mixed.
 */
#ifndef CMD_TROVEBENCH_CONTESTANT_H
#define CMD_TROVEBENCH_CONTESTANT_H

#include <stdint.h>

#define CONTESTANT_TABLE(X) \
	X(list, "bare list", "") \
	X(checked, "checked list", "") \
	X(pool, "pool", "") \
	X(glibc, "glibc", "libc.so.6") \
	X(mimalloc, "mimalloc", "libmimalloc.so.3") \
	X(jemalloc, "jemalloc", "libjemalloc.so.2") \
	X(tcmalloc, "tcmalloc", "libtcmalloc_minimal.so.4") \
	X(arena, "arena", "")

enum contestant_kind {
#define X(name, text, library) CONTESTANT_##name,
	CONTESTANT_TABLE(X)
#undef X
	CONTESTANT_COUNT,
	CONTESTANT_POOL_COUNT = CONTESTANT_arena /* those of `trovebench pool`; the arena cannot return single objects */
};

enum contestant_sizes { SIZES_64, SIZES_512, SIZES_MIXED };
enum contestant_measure { MEASURE_PAIRS, MEASURE_LATENCY, MEASURE_RESOLVE, MEASURE_TRACE_LATENCY, MEASURE_TRACE_RATE };

struct contestant_case {
	uint32_t sizes; /* enum contestant_sizes */
	uint32_t is_random;
	uint32_t threads; /* 1 or 2 */
};

struct contestant_request {
	struct contestant_case that;
	uint32_t measure; /* enum contestant_measure */
	double seconds;
};

struct contestant_answer {
	uint64_t units; /* of all threads together */
	double seconds;
	/* MEASURE_LATENCY, nanoseconds: the timer's median taken off; and the same of an empty loop. */
	double p50, p99, p999, worst, empty_worst;
	/* MEASURE_TRACE_LATENCY: resident bytes over bytes asked for, at the peak and when nine objects of ten
	 * were given back at random. */
	double overhead, fragmentation;
};

struct contestant {
	enum contestant_kind kind;
	int pid;
	int ask, answer; /* pipes */
	bool is_there;
};

const char *contestant_name(enum contestant_kind kind);
/* Starts the child. Not is_there: its library is not installed. */
void contestant_open(struct contestant *c, enum contestant_kind kind);
void contestant_close(struct contestant *c);
/* Ends the program if the child has died. */
struct contestant_answer contestant_ask(const struct contestant *c, const struct contestant_request *request);
/* The child's main. Returns an exit code. */
int contestant_serve(const char *kind);

#endif
