#include "engine/memory/account.h"

#include "engine/base/check.h"

void account_setup(struct account *account)
{
	*account = (struct account){};
	pthread_mutex_init(&account->lock, NULL);
}

void account_teardown(struct account *account)
{
	CHECK(account->first == NULL, "memory is still held: %s", account->first->name);
	pthread_mutex_destroy(&account->lock);
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

const char *holding_kind_name(enum holding_kind kind)
{
	static const char *const names[] = {"pool", "arena", "snapshot", "buffer"};
	return names[kind];
}
