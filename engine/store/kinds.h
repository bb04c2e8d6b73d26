/*
 * kinds: the names of rewards' kinds, numbered in the order in which they first came.
 * Names are never taken back, so a pointer to one holds as long as the store.
 * The table belongs to the store; names handed in are copied.
 * Threads: kinds_add the writer only; kinds_find and kinds_name any, without waiting.
 */
#ifndef ENGINE_STORE_KINDS_H
#define ENGINE_STORE_KINDS_H

#include "engine/base/status.h"
#include "engine/store/store.h"

#include <stdatomic.h>

enum { KINDS_TABLE = 1024, KIND_NONE = KINDS_MAX };

struct kinds {
	char names[KINDS_MAX][KIND_BYTES_MAX + 1];
	uint8_t lengths[KINDS_MAX];
	unsigned count;                     /* the writer's */
	_Atomic uint16_t table[KINDS_TABLE]; /* open addressing; kind + 1, 0: free */
};

/* KIND_NONE: no reward ever had this kind. */
unsigned kinds_find(const struct kinds *k, const char *name, uint32_t bytes);
/* The kind's number, old or new; KIND_NONE when KINDS_MAX are taken or the name is too long. */
unsigned kinds_add(struct kinds *k, const char *name, uint32_t bytes);
/* Would kinds_add succeed? */
bool kinds_can_add(const struct kinds *k, const char *name, uint32_t bytes);

#endif
