/* world_inside: a world, for the files that make it. */
#ifndef TESTS_SIM_WORLD_INSIDE_H
#define TESTS_SIM_WORLD_INSIDE_H

#include "engine/base/check.h"
#include "engine/journal/snapshot.h"
#include "engine/shard/shard.h"
#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/world.h"

#include <stdatomic.h>

enum {
	MESSAGES_MAX = 8192,
	FLIGHTS_MAX = 1024,
	ITEMS_MAX = 1024,
	HEARD_MAX = 4096,
	MESSAGE_BYTES = 8192,
	SWEEP_NS = 50000000, /* how often the shard looks what time ends */
	SETTLE_MS = 20000,
	TRIES_MAX = 12, /* what finds no room at the end finds none for ever */
	BURST_MAX = 6, /* messages in doubt at a crash */
	/* Two of the journal's files are ahead when it is at rest; what is done until the next time must fit into them. */
	SEGMENT_BYTES = 20 << 10,
	AHEAD_BYTES = 2 * (SEGMENT_BYTES - 4096),
	CHANGE_BYTES = 360, /* a record takes at most */
	EVENTS_MAX = 24, /* changes that wait for the writer */
};

#define UNIX_START_MS INT64_C(1800000000000)

struct message {
	struct ask asks[SIM_BATCH_MAX];
	unsigned count, tries;
	bool is_binary, is_acknowledged;
	size_t bytes;
	char text[MESSAGE_BYTES];
};

/* A message on its way to the service. */
struct flight {
	struct message *message;
	int64_t due_ns;
};

/* What the service did, in its order: a message, or a look at the time. */
struct item {
	struct shard_job job; /* first */
	struct message *message; /* NULL: a look at the time */
	int64_t done_ns, done_ms;
	bool may_refuse;
	atomic_bool has_reply;
	char *reply;
	size_t reply_bytes;
};

struct world {
	struct random random;
	struct model model;
	struct clients clients;
	struct world_report *report;
	bool is_talkative, is_broken;
	unsigned step;
	uint64_t seed;
	/* the service */
	char folder[DISK_PATH_BYTES], image[DISK_PATH_BYTES];
	struct store *store;
	struct commerce commerce;
	struct shard *shard;
	struct shard_options shard_options;
	struct commerce_options commerce_options;
	struct journal_options journal_options;
	struct snapshot_options snapshot_options;
	struct shard_clock clock;
	int64_t now_ns, unix_offset_ms, swept_ns;
	atomic_int fault[JOURNAL_STEPS];
	uint64_t first_seq;       /* of the journal */
	unsigned unsettled_bytes; /* of changes, at most */
	/* snapshots: steps of the one that is made, the one that fails, the one at which the process is gone */
	unsigned snapshot_calls, snapshot_fails_at, image_at;
	bool has_image;
	uint64_t damaged_seq, damaged_hash; /* the one that was damaged last */
	bool has_file; /* of rewards */
	struct model_file file;
	int64_t latest_ms; /* Unix */
	/* the network */
	struct message *messages[MESSAGES_MAX];
	unsigned message_count;
	struct flight flights[FLIGHTS_MAX];
	unsigned flight_count;
	struct item *waiting[ITEMS_MAX], *done[ITEMS_MAX];
	unsigned waiting_count, done_count;
	/* publications since the last look; written by who lets go, read when all has left */
	char *heard[HEARD_MAX];
	unsigned heard_count;
	bool has_failed;
};

unsigned world_below(struct world *w, unsigned n);
bool world_one_in(struct world *w, unsigned n);
/* The first failure counts. */
[[gnu::format(printf, 2, 3)]] void world_fail(struct world *w, const char *format, ...);
[[gnu::format(printf, 2, 3)]] void world_tell(const struct world *w, const char *format, ...);

/* ---- world_service.c: the service, and what comes to it ---- */

void world_choose_options(struct world *w);
void world_choose_history(struct world *w);
void world_advance(struct world *w, int64_t ms);
bool world_start(struct world *w);
void world_stop(struct world *w);
struct message *world_compose(struct world *w, const struct ask *asks, unsigned count);
/* is_plain: without deadlines. */
struct message *world_draw(struct world *w, bool is_plain);
/* On its way: late, twice, or never. */
void world_send(struct world *w, struct message *message);
/* All that are due, the first first. */
void world_deliver_due(struct world *w);
/* Now. Queries are answered at once, and so is what finds the queue full. */
struct item *world_deliver(struct world *w, struct message *message);
/* One turn of the writer; what it did goes into the list. is_failed: the journal takes nothing. */
void world_turn(struct world *w, bool is_failed);
struct item *world_make_item(struct world *w, struct message *message);
void world_free_item(struct item *item);
void world_note_done(struct world *w, struct item *item);

/* ---- world_snapshot.c: snapshots, the files of the journal, rewards of a file ---- */

/* Waits until the flusher has made and dropped all files that it may. */
void world_rest(struct world *w);
void world_choose_snapshots(struct world *w);
/* One look of the snapshots' thread. */
void world_snapshot(struct world *w);
/* The same, and the process is gone at one of its steps. */
void world_crash_in_snapshot(struct world *w);
/* While it is down: the folder is as it was at that step; the newest snapshot is damaged. */
void world_use_image(struct world *w);
void world_damage_snapshot(struct world *w);
void world_choose_file(struct world *w);
void world_change_file(struct world *w);
void world_load_file(struct world *w);

/* ---- world_compare.c: every answer against the model ---- */

/* Everything that was done; all of it has left. */
void world_compare(struct world *w);
/* Waits until all that was done is durable and has left, and compares it; and until nothing waits. */
void world_settle(struct world *w);
void world_settle_all(struct world *w);
/* The whole state, through the front door; and some of the ids that must be remembered. */
void world_read_everything(struct world *w);
void world_report_difference(struct world *w, const struct ask *ask, const struct answer *got);
void world_tell_answer(const struct world *w, const struct ask *ask, const struct answer *got);

/* ---- world_crash.c: bad days ---- */

void world_fail_for_a_while(struct world *w);
void world_crash(struct world *w);
void world_restart(struct world *w);

#endif
