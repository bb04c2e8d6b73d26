/*
 * account: who holds what. Every module that reserves memory of its own enters it here
 * as a holding, so that all of it can be shown and added up.
 *
 * Ownership: a holding is part of the struct that owns the bytes (an arena, a pool, a
 * run of the store) and must be removed before they are given back. The account belongs
 * to main and outlives every module.
 * Threads: add and remove: any thread, off the hot path (a mutex). Numbers in a holding
 * are written by the memory's owner alone and read by anyone.
 * A module that was given no account (tests, tools) works the same and is not counted.
 */
#ifndef ENGINE_MEMORY_ACCOUNT_H
#define ENGINE_MEMORY_ACCOUNT_H

#include "engine/memory/pool.h"
#include "engine/memory/region.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

enum holding_kind { HOLDING_pool, HOLDING_arena, HOLDING_snapshot, HOLDING_buffer };

struct account;

struct holding {
	const char *name;   /* what it is; many holdings may share one */
	const char *option; /* the key that sizes it, or NULL */
	enum holding_kind kind;
	const void *bytes;
	size_t reserved;
	enum region_pages pages;
	size_t hugetlb_wanted, hugetlb_missed; /* as of the region */
	int node;                   /* -1: any */
	bool locked;
	int lock_error;             /* as of the region */
	struct pool *pool;          /* HOLDING_pool: says all of the below and above by itself */
	_Atomic size_t in_use;      /* bytes, as the owner last said */
	_Atomic size_t high_water;  /* the most that in_use was */
	struct account *account;    /* NULL: not entered */
	struct holding *next, *previous;
};

/* How memory is to be had, for everybody: the options memory.*. */
struct account_policy {
	enum region_pages pages; /* the best kind to try */
	bool prefault, lock;
	const struct numa *numa; /* NULL: any node; outlives the account */
	int node;                /* the writer's, -1: any. What others use says so */
	unsigned pool_debug;     /* enum pool_debug */
	uint32_t pool_fail_one_in;
};

struct account {
	pthread_mutex_t lock;
	struct holding *first;
	bool are_pools_watched; /* of account_watch_pools' one thread */
	struct account_policy policy;
};

void account_setup(struct account *account, const struct account_policy *policy);
/* Nothing is entered any more. */
void account_teardown(struct account *account);

/* What stands for the node of the policy where a node is named. */
enum { ACCOUNT_NODE = -2 };

/*
 * Maps bytes by the policy (without an account: small pages, touched when used), and enters
 * them with the holding's name, option and kind, which the caller has set. Where the policy
 * prefaults, the first prefault_bytes are touched. node: the one wanted, -1: any,
 * or ACCOUNT_NODE. Errors as of region_open. account_close takes them out and gives them back.
 */
status account_open(struct account *account, struct region *region, struct holding *holding, size_t bytes,
                    size_t prefault_bytes, int node);
void account_close(struct region *region, struct holding *holding);

/* Sets a pool up by the policy and enters it. pages, node, lock and is_untouched of the options are filled in. */
status account_open_pool(struct account *account, struct pool **pool, struct holding *holding,
                         const struct pool_options *options);
void account_close_pool(struct pool **pool, struct holding *holding);

/* Enters name, option, kind, bytes and reserved as they stand; account may be NULL. */
void account_add(struct account *account, struct holding *holding);
/* Does nothing when it is not entered. */
void account_remove(struct holding *holding);

/* Bytes of hugetlb pages (memory.pages 2m, 1g), of all that is held now. */
struct account_hugetlb {
	size_t wanted, missed; /* missed: of those wanted, held in ordinary or transparent huge pages instead */
};
/* Any thread, off the hot path (the mutex). */
void account_read_hugetlb(struct account *account, struct account_hugetlb *hugetlb);

/* Of all that is held now, pools included: what the system refused to lock, and why (an errno; 0: nothing). */
struct account_unlocked {
	size_t bytes;
	int error;
};
/* Any thread, off the hot path (the mutex). */
void account_read_unlocked(struct account *account, struct account_unlocked *unlocked);

/* Tells all pools whether somebody listens to their probes; main does so several times a second (pool_watch). */
void account_watch_pools(struct account *account);

const char *holding_kind_name(enum holding_kind kind);

/* Only the owner's thread. */
static inline void holding_use(struct holding *holding, size_t bytes)
{
	atomic_store_explicit(&holding->in_use, bytes, memory_order_relaxed);
	if (bytes > atomic_load_explicit(&holding->high_water, memory_order_relaxed))
		atomic_store_explicit(&holding->high_water, bytes, memory_order_relaxed);
}

#endif
