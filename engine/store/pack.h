/*
 * pack: puts places in an order such that every aligned block of RUN_BLOCK, and of
 * RUN_FANOUT times that, and so on, is compact.
 *
 * Top-down: a range is cut by selection across its longer side at a multiple of the
 * next smaller node's size, until blocks remain (overlap-minimising top-down bulk
 * loading: Lee and Lee, Supporting Frequent Updates in R-Trees, VLDB 2003; the cut at
 * medians is Bentley's k-d tree, CACM 1975). All nodes are full but the last of each
 * level, so the tree needs no pointers. O(n log n), in place, one thread; places are the
 * caller's.
 */
#ifndef ENGINE_STORE_PACK_H
#define ENGINE_STORE_PACK_H

#include <stdint.h>

struct pack_place {
	float x, y;
	uint32_t index; /* the caller's */
};

void pack_order(struct pack_place *places, uint32_t count, bool is_plane);

#endif
