/*
 * oracle: the brute-force twin of the reward store. Keeps rewards in a plain list and
 * answers a locate by looking at each of them in double precision. Shares no code with
 * engine/store but the types of its interface; slow on purpose.
 */
#ifndef TESTS_SUPPORT_ORACLE_H
#define TESTS_SUPPORT_ORACLE_H

#include "engine/store/store.h"

struct oracle_reward {
	struct reward reward;
	char kind[KIND_BYTES_MAX + 1];
	char name[NAME_BYTES_MAX + 1];
	bool is_alive;
};

struct oracle {
	bool is_plane;
	struct oracle_reward *rewards;
	size_t count, capacity;
};

struct oracle_match {
	struct identifier reward;
	double distance;
	int64_t value, remaining;
	const char *kind;
};

void oracle_init(struct oracle *o, bool is_plane);
void oracle_deinit(struct oracle *o);
void oracle_put(struct oracle *o, const struct reward *reward);
bool oracle_remove(struct oracle *o, struct identifier id);
const struct oracle_reward *oracle_get(const struct oracle *o, struct identifier id);
size_t oracle_live(const struct oracle *o);
/* Returns count; *matches (the caller frees it) holds all of them, nearest first. */
uint64_t oracle_locate(const struct oracle *o, const struct locate_query *query, struct oracle_match **matches);
double oracle_distance(const struct oracle *o, double x1, double y1, double x2, double y2);

#endif
