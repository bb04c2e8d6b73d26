#include "engine/memory/account.h"

#include "engine/base/check.h"
#include "engine/memory/numa.h"

#include <string.h>

void account_setup(struct account *account, const struct account_policy *policy)
{
	*account = (struct account){.policy = *policy};
	pthread_mutex_init(&account->lock, NULL);
}

void account_teardown(struct account *account)
{
	CHECK(account->first == NULL, "memory is still held: %s", account->first->name);
	pthread_mutex_destroy(&account->lock);
}

status account_open(struct account *account, struct region *region, struct holding *holding, size_t bytes,
                    size_t prefault_bytes, int node)
{
	static const struct account_policy none = {.pages = REGION_PAGES_transparent};
	const struct account_policy *policy = account == NULL ? &none : &account->policy;
	struct region_options options = {
		.name = holding->name,
		.pages = policy->pages,
		.numa = policy->numa,
		.node = node == ACCOUNT_NODE ? policy->node : node,
		.prefault = policy->prefault && prefault_bytes >= bytes,
		.lock = policy->lock,
	};
	status s = region_open(region, bytes, &options);
	if (s != STATUS_ok)
		return s;
	if (policy->prefault && prefault_bytes < bytes)
		memset(region->bytes, 0, prefault_bytes);
	holding->bytes = region->bytes;
	holding->reserved = region->reserved;
	holding->pages = region->pages;
	holding->hugetlb_wanted = region->hugetlb_wanted;
	holding->hugetlb_missed = region->hugetlb_missed;
	holding->node = region->node;
	holding->locked = region->locked;
	holding->lock_error = region->lock_error;
	account_add(account, holding);
	return STATUS_ok;
}

status account_open_pool(struct account *account, struct pool **pool, struct holding *holding,
                         const struct pool_options *options)
{
	struct pool_options own = *options;
	own.node = NUMA_ANY_NODE;
	if (account != NULL) {
		own.numa = account->policy.numa;
		own.node = account->policy.node;
		own.pages = account->policy.pages;
		own.lock = account->policy.lock;
		own.debug |= account->policy.pool_debug;
		if (own.fail_one_in == 0)
			own.fail_one_in = account->policy.pool_fail_one_in;
		own.is_untouched = !account->policy.prefault;
	}
	status s = pool_setup(pool, &own);
	if (s != STATUS_ok)
		return s;
	holding->name = options->name;
	holding->kind = HOLDING_pool;
	holding->pool = *pool;
	struct pool_statistics statistics;
	pool_read_statistics(*pool, &statistics);
	holding->node = statistics.node;
	account_add(account, holding);
	return STATUS_ok;
}

void account_close_pool(struct pool **pool, struct holding *holding)
{
	account_remove(holding);
	if (*pool != NULL)
		pool_teardown(pool);
}

void account_close(struct region *region, struct holding *holding)
{
	account_remove(holding);
	if (region->bytes != NULL)
		region_close(region);
}

void account_add(struct account *account, struct holding *holding)
{
	if (account == NULL)
		return;
	pthread_mutex_lock(&account->lock);
	holding->account = account;
	holding->previous = NULL;
	holding->next = account->first;
	if (holding->next != NULL)
		holding->next->previous = holding;
	account->first = holding;
	pthread_mutex_unlock(&account->lock);
}

void account_remove(struct holding *holding)
{
	struct account *account = holding->account;
	if (account == NULL)
		return;
	pthread_mutex_lock(&account->lock);
	if (holding->previous != NULL)
		holding->previous->next = holding->next;
	else
		account->first = holding->next;
	if (holding->next != NULL)
		holding->next->previous = holding->previous;
	holding->account = NULL;
	pthread_mutex_unlock(&account->lock);
}

void account_read_hugetlb(struct account *account, struct account_hugetlb *hugetlb)
{
	*hugetlb = (struct account_hugetlb){};
	pthread_mutex_lock(&account->lock);
	for (const struct holding *h = account->first; h != NULL; h = h->next) {
		struct pool_statistics pool = {};
		if (h->kind == HOLDING_pool)
			pool_read_statistics(h->pool, &pool);
		hugetlb->wanted += h->hugetlb_wanted + pool.hugetlb_wanted;
		hugetlb->missed += h->hugetlb_missed + pool.hugetlb_missed;
	}
	pthread_mutex_unlock(&account->lock);
}

void account_read_unlocked(struct account *account, struct account_unlocked *unlocked)
{
	*unlocked = (struct account_unlocked){};
	pthread_mutex_lock(&account->lock);
	for (const struct holding *h = account->first; h != NULL; h = h->next) {
		struct pool_statistics pool = {.unlocked_bytes = h->lock_error != 0 ? h->reserved : 0, .lock_error = h->lock_error};
		if (h->kind == HOLDING_pool)
			pool_read_statistics(h->pool, &pool);
		unlocked->bytes += pool.unlocked_bytes;
		unlocked->error = pool.lock_error != 0 ? pool.lock_error : unlocked->error;
	}
	pthread_mutex_unlock(&account->lock);
}

void account_watch_pools(struct account *account)
{
	bool is_wanted = PROBE_IS_ON(pool_borrow) || PROBE_IS_ON(pool_return);
	if (!is_wanted && !account->are_pools_watched)
		return;
	account->are_pools_watched = is_wanted;
	pthread_mutex_lock(&account->lock);
	for (struct holding *h = account->first; h != NULL; h = h->next)
		if (h->kind == HOLDING_pool)
			pool_watch(h->pool, is_wanted);
	pthread_mutex_unlock(&account->lock);
}

const char *holding_kind_name(enum holding_kind kind)
{
	static const char *const names[] = {"pool", "arena", "snapshot", "buffer"};
	return names[kind];
}
