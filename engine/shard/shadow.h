/*
 * shadow: makes the snapshots. A second instance of the state, on a thread of its own, which goes through
 * the journal behind the writer; so the writer is never stopped, nor copied.
 *
 * How      When enough was journalled: load the newest snapshot (the first time), carry out what is durable
 *          behind it by the code of a start (replay.h), write that state to a file, let go of old snapshots
 *          and of the journal's files that nothing needs any more.
 * Needed   The journal's records behind the older of two snapshots, those that remembered ids and closed
 *          payments point to, and those younger than data.retention_ms. Where files run short the last two
 *          give way: young records first, then closed payments, which is said.
 * Memory   That of a second commerce, taken with the first snapshot, and the overlay. The bill has it from the start.
 * Errors   A snapshot that fails is tried again later, ever more rarely; the service goes on. Said once for each cause.
 * Threads  set-up, stop: main. metrics: any. The rest: its own, which may allocate.
 */
#ifndef ENGINE_SHARD_SHADOW_H
#define ENGINE_SHARD_SHADOW_H

#include "engine/base/wakeup.h"
#include "engine/journal/snapshot.h"
#include "engine/shard/overlay.h"
#include "engine/shard/replay.h"
#include "engine/shard/shard.h"

#include <pthread.h>

enum { SHADOW_FILES_MAX = 4096 };

/* What a start found. */
struct shadow_start {
	uint64_t seq;        /* of the snapshot that was loaded; 0: none */
	int64_t created_ms;  /* of that */
	uint64_t tail_bytes; /* of the journal behind it */
};

/* What is shown of it. */
struct shadow_counters {
	_Atomic uint64_t seq, total, failures, duration_ns;
	_Atomic int64_t created_ms; /* 0: none yet */
};

struct shadow {
	const struct shard_options *options;
	const struct journal_options *journal_options;
	struct journal *journal;
	struct commerce_options commerce_options;
	struct commerce commerce; /* set up when it is first needed, because set-up may touch all of it */
	bool has_commerce;
	struct replay replay;
	struct overlay overlay;  /* what changed behind the newest snapshot */
	bool is_loaded;          /* the state is that after replay.seq */
	bool has_rewards;        /* in the newest snapshot */
	uint64_t newest;         /* snapshot; 0: there is none */
	uint64_t needed;         /* seq of the older one; 0: there is one at most */
	uint64_t identity[2];    /* of the journal */
	struct snapshots writer, reader; /* both at once, while one is made of the last one */
	struct journal_file files[SHADOW_FILES_MAX];

	uint64_t mark;           /* bytes of the journal when the newest was begun, as below */
	uint64_t tail_bytes;     /* that the start found behind it */
	int64_t try_ns, pause_ns;  /* after a failure */
	int64_t dropped_ns;      /* when files were last looked at */
	bool is_short;           /* closed payments gave way */
	bool is_stuck;           /* remembered ids take all files */
	char cause[64];          /* of the last failure that was said */

	pthread_t thread;
	bool has_thread;
	atomic_bool stopping;
	struct wakeup wakeup;
	struct shadow_counters counters;
};

/* What is given outlives it. STATUS_not_found: options or parts want no snapshots, *shadow is NULL. */
status shadow_setup(struct shadow **shadow, const struct shard_options *options, const struct shard_parts *parts,
                    struct journal *journal, const struct shadow_start *start);
/* Gives up a snapshot that is being made. */
void shadow_stop(struct shadow *shadow);
void shadow_teardown(struct shadow **shadow);
/* NULL: there is none. */
void shadow_write_metrics(const struct shadow *shadow, struct cursor *out);

/* shadow_save.c: the state to the newest that is durable (or as far as there is room), and that into a file.
 * STATUS_draining: it was stopped. Others: text says why; what was there is there still. */
status shadow_make(struct shadow *shadow, char text[SNAPSHOT_TEXT_BYTES]);

/* shadow_files.c: tells the journal what is not needed any more. */
void shadow_drop_files(struct shadow *shadow);

#endif
