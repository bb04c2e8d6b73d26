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
 * Check    A start from a snapshot opens the files before it by their heads. Here their records are read, once, for
 *          damage: it is logged and counted, and harms only what reads them (stored answers, closed payments, feed.read).
 * Memory   That of a second commerce, taken with the first snapshot, and the overlay. The bill has it from the start.
 * Errors   A snapshot that fails is tried again later, ever more rarely; the service goes on. Said once for each cause.
 * Threads  set-up, stop: main. metrics: any. The rest: its own, which may allocate.
 */
#ifndef ENGINE_SHARD_SHADOW_H
#define ENGINE_SHARD_SHADOW_H

#include "engine/base/clock.h"
#include "engine/base/wakeup.h"
#include "engine/journal/snapshot.h"
#include "engine/shard/file_rewards.h"
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
	uint64_t unread;     /* records up to here were not looked at; 0: all were */
	struct file_rewards *file; /* the shard's; outlives the shadow */
};

/* What is shown of it. */
struct shadow_counters {
	_Atomic uint64_t seq, total, failures, duration_ns;
	_Atomic int64_t created_ms; /* 0: none yet */
	_Atomic uint64_t damaged;   /* a record that is; 0: none was found */
};

struct shadow {
	const struct shard_options *options;
	const struct journal_options *journal_options;
	const struct shard_clock *clock; /* as the shard's */
	struct journal *journal;
	struct commerce_options commerce_options;
	struct commerce commerce; /* a second state, which follows the journal */
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
	struct shadow_start start;
	uint64_t checked;        /* records up to here, of those of start.unread */
	int64_t check_ns;        /* when that began; 0: not yet */
	int64_t try_ns, pause_ns;  /* after a failure */
	int64_t dropped_ns;      /* when files were last looked at */
	bool is_short;           /* closed payments gave way */
	bool is_stuck;           /* remembered ids take all files */
	char cause[64];          /* of the last failure that was said */

	pthread_t thread;
	bool has_thread;
	atomic_bool stopping, is_asked;
	struct wakeup wakeup;
	struct shadow_counters counters;
};

static inline int64_t shadow_unix_ms(const struct shadow *s)
{
	return s->clock == NULL ? clock_unix_ms() : s->clock->unix_ms(s->clock->context);
}

static inline int64_t shadow_monotonic_ns(const struct shadow *s)
{
	return s->clock == NULL ? clock_monotonic_ns() : s->clock->monotonic_ns(s->clock->context);
}

bool shadow_is_wanted(const struct shard_options *options, const struct shard_parts *parts);
/* What is given outlives it. STATUS_not_found: options or parts want no snapshots, *shadow is NULL. Others: text says why. */
status shadow_setup(struct shadow **shadow, const struct shard_options *options, const struct shard_parts *parts,
                    struct journal *journal, const struct shadow_start *start, char text[SNAPSHOT_TEXT_BYTES]);
/* A snapshot is to be made now, if there is anything new. Any thread. */
void shadow_ask(struct shadow *shadow);
/* Gives up a snapshot that is being made. */
void shadow_stop(struct shadow *shadow);
void shadow_teardown(struct shadow **shadow);
/* One look: makes a snapshot if it is due, lets go of files, checks some of what the start did not read; whether there is
 * more of that. The thread's, or where there is none (shard_parts.is_driven) the driver's. */
bool shadow_step(struct shadow *shadow);

/* shadow_save.c: the state to the newest that is durable (or as far as there is room), and that into a file.
 * STATUS_draining: it was stopped. Others: text says why; what was there is there still. */
status shadow_make(struct shadow *shadow, char text[SNAPSHOT_TEXT_BYTES]);

/* shadow_check.c: reads on in the files that the start did not read. false: there is nothing more to do. */
bool shadow_check(struct shadow *shadow);

/* shadow_files.c: tells the journal what is not needed any more. */
void shadow_drop_files(struct shadow *shadow);

#endif
