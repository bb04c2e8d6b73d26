/*
 * store: the rewards, and which of them match a place.
 *
 * What it is for: `locate` and `reward.get` on any thread at any time without
 * waiting, against a consistent version; `put` and `remove` by the one writer
 * without rebuilding anything big.
 *
 * Threads: store_locate, store_get: any thread, each with a
 * store_reader of its own. store_put, store_remove, store_publish, store_load: the
 * writer only. Merging runs on a thread of the store's own. The rest: before
 * traffic or after it.
 * Memory: the store owns everything; results are copied into the reader's result,
 * except kind names, which live as long as the store.
 * Versions: a reader sees all changes published before it began and none of those
 * published after. store_publish makes the changes since the last one visible at once.
 */
#ifndef ENGINE_STORE_STORE_H
#define ENGINE_STORE_STORE_H

#include "engine/base/attribute.h"
#include "engine/base/metric.h"
#include "engine/base/status.h"
#include "engine/memory/account.h"
#include "engine/memory/bill.h"
#include "engine/store/geometry.h"
#include "proto/event.h"
#include "proto/reply.h"

enum { KINDS_MAX = 255 };

struct numa;
struct store;
struct store_reader;

struct store_options {
	bool is_plane;
	uint64_t capacity;     /* rewards, at most */
	unsigned name_bytes;   /* of a name on average: all together may take capacity times as much; 0: the longest */
	unsigned readers_max;  /* store_reader_create calls, at most */
	const char *kernel;    /* "auto", "scalar", "avx2", "avx512" */
	struct account *account; /* where its memory is entered, or NULL */
	const struct numa *numa; /* the account's, or NULL: any node */
	unsigned replicas;       /* of packed runs; 0: one for each node of numa. More than nodes: tests */
};

/* A reward as it is put in. Text need not be zero-terminated; it is copied. */
struct reward {
	struct identifier id;
	double x, y, radius;
	int64_t value, stock, from_ms, until_ms, benefit_value;
	uint64_t taken; /* of the stock, before it was put in */
	uint32_t per_actor;
	enum benefit_type benefit_type;
	char benefit_currency[CURRENCY_BYTES];
	const char *kind;
	uint32_t kind_bytes;
	const char *name;
	uint32_t name_bytes;
};

struct locate_query {
	double x, y;
	enum locate_area area;
	double radius;
	double box[4];
	int64_t at_ms;
	uint32_t limit;         /* 1 to LOCATE_LIMIT_MAX */
	const char *kinds;      /* comma-separated names, as in the event */
	uint32_t kinds_bytes;   /* 0: all kinds */
};

/* The nearest matches first, equal distances by id. Belongs to the reader and holds
 * until its next call. */
struct locate_result {
	uint64_t count;          /* all matches */
	uint32_t match_count;    /* min(count, limit) */
	const struct match *matches;
};

struct store_statistics {
	uint64_t rewards;        /* live */
	uint64_t capacity;
	uint64_t version;        /* of the last publish */
	uint64_t runs;           /* parts that a query looks through now */
	uint64_t merges_total;
	uint64_t merged_rewards_total;
	uint64_t resident_bytes; /* reserved by the store's parts */
	uint64_t name_bytes;     /* of live rewards */
	uint64_t name_bytes_max;
	const char *kernel;      /* the one in use */
};

/* How often it holds its packed runs. */
unsigned store_replicas(const struct store_options *options);
/* What a store of these options takes at most. */
void store_bill(const struct store_options *options, struct bill *bill);
/* Bytes of names that it holds at most. */
uint64_t store_name_bytes_max(const struct store_options *options);

/* STATUS_pool_exhausted: no memory. STATUS_invalid_field: unknown kernel, or one that
 * this machine does not have. */
status store_setup(struct store **store, const struct store_options *options);
void store_teardown(struct store **store);

/* STATUS_pool_exhausted beyond readers_max. */
status store_reader_create(struct store *store, struct store_reader **reader);
void store_reader_destroy(struct store_reader **reader);

/* The query was validated by proto. Cannot fail, allocates nothing, never waits. */
void store_locate(struct store_reader *reader, const struct locate_query *query, struct locate_result *result);

/* STATUS_not_found. *view's text points into the reader and holds until its next call. */
status store_get(struct store_reader *reader, struct identifier id, struct reward_view *view);

/*
 * Writer. Adds or replaces a reward. STATUS_pool_exhausted: capacity, the room for names or
 * KINDS_MAX is reached; STATUS_overloaded: merging is behind, try again. Nothing changes on failure.
 * store_can_put answers the same question without changing anything ("plan"); store_lacks_kind whether it is the kind:
 * names of kinds stay until the end, also where no reward has them any more.
 */
status store_can_put(const struct store *store, const struct reward *reward);
bool store_lacks_kind(const struct store *store, const struct reward *reward);
status store_put(struct store *store, const struct reward *reward);
/* STATUS_not_found, STATUS_overloaded. */
status store_can_remove(const struct store *store, struct identifier id);
status store_remove(struct store *store, struct identifier id);
/* Writer. So many of a reward's stock are taken now; of one without a stock nothing is. Refusals as by remove. */
status store_can_set_taken(const struct store *store, struct identifier id);
status store_set_taken(struct store *store, struct identifier id, uint64_t taken);
/* Makes what was done since the last call visible to readers; returns the version. */
uint64_t store_publish(struct store *store);

/* Writer, before traffic: adds many rewards as one packed run and publishes. Later rows
 * win over earlier ones of the same id. The rows stay the caller's. STATUS_pool_exhausted:
 * capacity, room for names, KINDS_MAX or memory; nothing is added then. */
[[READS(2, 3)]] status store_load(struct store *store, const struct reward *rewards, uint64_t count);

/* Writer. Waits until everything is in one packed run (tests, benchmarks). */
void store_settle(struct store *store);

/* Of all rewards and what is left of them: the same for the same content, in whatever order it came. Slow; the writer's,
 * or where there is none. */
uint64_t store_digest(struct store *store);

/* The id of each reward once, in any order, under the store's lock. The writer's, or where there is none. */
typedef void store_id_visitor(void *context, struct identifier id);
void store_visit_ids(struct store *store, store_id_visitor *visit, void *context);

void store_statistics(const struct store *store, struct store_statistics *out);

#define STORE_METRICS(M) \
	M(gauge, store, rewards, "trove_rewards", none, \
	  "Rewards held; at the limit further ones are refused: remove some, or raise rewards.capacity.") \
	M(gauge, store, rewards_limit, "trove_rewards_limit", none, \
	  "Where further ones are answered pool_exhausted; rewards.capacity sets it.") \
	M(gauge, store, runs, "trove_reward_runs", none, \
	  "Parts that a query looks through; it falls when updates pause, and while it is high queries take longer.") \
	M(counter, store, merges, "trove_reward_merges_total", none, \
	  "Background merges of the reward store; many under few updates: rewards are put again and again.") \
	M(counter, store, merged_rewards, "trove_reward_merged_total", none, \
	  "Rewards copied by merges; for each reward put it tells what updates cost.") \
	M(gauge, store, bytes, "trove_reward_store_bytes", none, \
	  "Memory reserved for rewards and their index; rewards.capacity bounds it.") \
	M(gauge, store, name_bytes, "trove_reward_name_bytes", none, \
	  "Bytes of all names of rewards; at the limit rewards with names are refused.") \
	M(gauge, store, name_bytes_limit, "trove_reward_name_limit_bytes", none, \
	  "How many there may be; rewards.capacity times rewards.name_bytes.")

extern const struct metric_table store_metric_table;
void store_write_metrics(const struct store *store, struct metric_page *page);

#endif
