/* When a snapshot is made, and by whom. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/shard/shadow.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/metric.h"
#include "engine/base/thread.h"
#include "engine/memory/heap.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOOK_MS = 100, NICE = 10 };
enum : int64_t { PAUSE_LEAST_NS = 1000000000, PAUSE_MOST_NS = 60000000000, DROP_EVERY_NS = 10000000000 };

/* ---- when ------------------------------------------------------------------------------------------ */

static uint64_t journalled(const struct shadow *s, const struct journal_stat *stat)
{
	return s->start.tail_bytes + stat->flushed_bytes;
}

/* Two snapshots' tails and more must fit into the journal's files. */
static uint64_t bytes_between(const struct shadow *s)
{
	const struct journal_options *j = s->journal_options;
	uint64_t most = (uint64_t)j->segments_max * (uint64_t)j->segment_bytes / 8;
	uint64_t wanted = (uint64_t)s->options->snapshot_bytes;
	return wanted < most ? wanted : most;
}

static bool is_due(const struct shadow *s, const struct journal_stat *stat)
{
	return journalled(s, stat) - s->mark >= bytes_between(s) && stat->durable > s->newest;
}

/* Sequences and sizes change from one try to the next: the cause stands behind the last colon. */
static void say_failure(struct shadow *s, const char *text)
{
	const char *cause = strrchr(text, ':');
	cause = cause != NULL ? cause : text;
	if (strncmp(cause, s->cause, sizeof s->cause - 1) == 0)
		return;
	snprintf(s->cause, sizeof s->cause, "%.63s", cause);
	log_error("snapshot", "%s; it is tried again, and the journal keeps everything meanwhile", text);
}

static void note_failure(struct shadow *s, const char *text)
{
	atomic_fetch_add(&s->counters.failures, 1);
	say_failure(s, text);
	s->pause_ns = s->pause_ns == 0 ? PAUSE_LEAST_NS : 2 * s->pause_ns < PAUSE_MOST_NS ? 2 * s->pause_ns : PAUSE_MOST_NS;
	s->try_ns = shadow_monotonic_ns(s) + s->pause_ns;
}

static void note_success(struct shadow *s, uint64_t mark, int64_t took_ns)
{
	s->mark = mark;
	s->pause_ns = 0;
	s->cause[0] = '\0';
	atomic_store(&s->counters.duration_ns, (uint64_t)took_ns);
	atomic_store(&s->counters.created_ms, clock_unix_ms());
	atomic_store(&s->counters.seq, s->newest);
	atomic_fetch_add(&s->counters.total, 1);
	log_info("snapshot", "seq %llu, %llu bytes in %lld ms", (unsigned long long)s->newest,
	         (unsigned long long)s->writer.end.file_bytes, (long long)(took_ns / 1000000));
}

static void make(struct shadow *s, const struct journal_stat *stat)
{
	char text[SNAPSHOT_TEXT_BYTES];
	uint64_t mark = journalled(s, stat);
	int64_t start_ns = clock_monotonic_ns();
	status result = shadow_make(s, text);
	if (result == STATUS_draining)
		return;
	if (result != STATUS_ok) {
		note_failure(s, text);
		return;
	}
	/* Where the overlay was full the next one is due at once. */
	note_success(s, s->newest >= stat->durable ? mark : s->mark, clock_monotonic_ns() - start_ns);
	shadow_drop_files(s);
	s->dropped_ns = shadow_monotonic_ns(s);
}

static void look(struct shadow *s)
{
	struct journal_stat stat;
	int64_t now_ns = shadow_monotonic_ns(s);
	journal_stat(s->journal, &stat);
	bool is_asked = atomic_exchange(&s->is_asked, false) && stat.durable > s->newest;
	if (is_asked || (is_due(s, &stat) && now_ns >= s->try_ns))
		make(s, &stat);
	if (s->is_loaded && now_ns - s->dropped_ns >= DROP_EVERY_NS) {
		shadow_drop_files(s);
		s->dropped_ns = now_ns;
	}
}

bool shadow_step(struct shadow *s)
{
	look(s);
	return shadow_check(s);
}

static void *run(void *argument)
{
	struct shadow *s = argument;
	thread_name("trove-shadow");
	heap_exempt_thread();
	/* Whoever answers goes first. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	while (!atomic_load(&s->stopping)) {
		uint32_t ticket = wakeup_prepare(&s->wakeup);
		if (!shadow_step(s) && !atomic_load(&s->stopping))
			wakeup_wait(&s->wakeup, ticket, LOOK_MS);
	}
	return NULL;
}

/* ---- set-up ---------------------------------------------------------------------------------------- */

static bool keep_reward(void *context, const struct effect_head *effect)
{
	struct shadow *s = context;
	return overlay_add(&s->overlay, effect);
}

static status setup_parts(struct shadow *s, const struct shard_parts *parts)
{
	struct snapshot_options snapshots = parts->snapshots != NULL ? *parts->snapshots : (struct snapshot_options){};
	snapshots.directory = parts->journal->directory;
	snapshots.account = s->options->account;
	/* At the start, as all memory, though it is used when the first snapshot is due. */
	status result = commerce_setup(&s->commerce, &s->commerce_options);
	if (result == STATUS_ok)
		result = overlay_setup(&s->overlay, s->options->account);
	if (result == STATUS_ok)
		result = snapshots_open(&s->writer, &snapshots);
	if (result == STATUS_ok)
		result = snapshots_open(&s->reader, &snapshots);
	if (result == STATUS_ok)
		result = snapshot_journal_identity(snapshots.directory, s->identity);
	return result;
}

static status start_thread(struct shadow *s)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	s->has_thread = pthread_create(&s->thread, NULL, run, s) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s->has_thread ? STATUS_ok : STATUS_pool_exhausted;
}

bool shadow_is_wanted(const struct shard_options *options, const struct shard_parts *parts)
{
	return options->snapshot_bytes != 0 && parts->commerce_options != NULL;
}

status shadow_setup(struct shadow **out, const struct shard_options *options, const struct shard_parts *parts,
                    struct journal *journal, const struct shadow_start *start, char text[SNAPSHOT_TEXT_BYTES])
{
	*out = NULL;
	snprintf(text, SNAPSHOT_TEXT_BYTES, "no memory for a second state (the capacities), or no thread");
	if (!shadow_is_wanted(options, parts) || journal == NULL)
		return STATUS_not_found;
	struct shadow *s = aligned_alloc(CACHE_LINE_BYTES, (sizeof *s + CACHE_LINE_BYTES - 1) / CACHE_LINE_BYTES * CACHE_LINE_BYTES);
	if (s == NULL)
		return STATUS_pool_exhausted;
	memset((void *)s, 0, sizeof *s);
	s->options = options;
	s->journal_options = parts->journal;
	s->clock = parts->clock;
	s->journal = journal;
	s->commerce_options = *parts->commerce_options;
	s->commerce_options.seed = parts->commerce->idempotency.seed;
	s->commerce_options.fail_one_in = 0; /* what was done once is not refused here */
	s->start = *start;
	atomic_init(&s->counters.seq, start->seq);
	atomic_init(&s->counters.created_ms, start->created_ms);
	s->writer.directory = s->writer.file = s->reader.directory = s->reader.file = -1;
	s->replay = (struct replay){.state.commerce = &s->commerce, .state.is_plane = options->is_plane,
	                            .keep_reward = keep_reward, .context = s};
	wakeup_init(&s->wakeup);
	status result = setup_parts(s, parts);
	if (result == STATUS_ok && !parts->is_driven)
		result = start_thread(s);
	if (result != STATUS_ok && (s->writer.text[0] != '\0' || s->reader.text[0] != '\0'))
		snprintf(text, SNAPSHOT_TEXT_BYTES, "%s", s->writer.text[0] != '\0' ? s->writer.text : s->reader.text);
	if (result != STATUS_ok)
		shadow_teardown(&s);
	*out = s;
	return result == STATUS_not_found ? STATUS_internal : result;
}

void shadow_ask(struct shadow *s)
{
	atomic_store(&s->is_asked, true);
	wakeup_signal(&s->wakeup);
}

void shadow_stop(struct shadow *s)
{
	if (s == NULL || !s->has_thread)
		return;
	s->has_thread = false;
	atomic_store(&s->stopping, true);
	wakeup_signal(&s->wakeup);
	pthread_join(s->thread, NULL);
}

void shadow_teardown(struct shadow **out)
{
	struct shadow *s = *out;
	*out = NULL;
	if (s == NULL)
		return;
	shadow_stop(s);
	snapshots_close(&s->reader);
	snapshots_close(&s->writer);
	overlay_teardown(&s->overlay);
	commerce_teardown(&s->commerce);
	free((void *)s);
}

/* ---- what it says ------------------------------------------------------------------------------------- */

void shard_snapshot_bill(const struct shard_options *options, const struct commerce_options *commerce,
                         int64_t rewards_capacity, struct bill *bill)
{
	struct bill state = {.pool_debug = bill->pool_debug};
	if (options->snapshot_bytes == 0)
		return;
	commerce_bill(commerce, &state);
	bill_add(bill, "shard", "data.snapshot_bytes", 1, bill_sum(&state), "state of the snapshot thread: all of commerce again");
	overlay_bill(bill);
	file_rewards_bill(rewards_capacity, bill);
	snapshot_bill(bill);
	snapshot_bill(bill);
	bill_add(bill, "shard", "data.snapshot_bytes", 1, sizeof(struct shadow), "the snapshot thread, its list of files");
}
