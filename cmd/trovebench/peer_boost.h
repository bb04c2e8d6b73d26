/*
 * peer_boost: Boost.Geometry's R-tree, bulk-loaded (its packing constructor), as plain C.
 * Points are two floats, the smallest that the data allows; a value is a point and a
 * 32-bit id; nodes of at most 16 (rstar<16>). Results are ids.
 */
#ifndef CMD_TROVEBENCH_PEER_BOOST_H
#define CMD_TROVEBENCH_PEER_BOOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct peer_boost;

struct peer_boost *peer_boost_create(const float *x, const float *y, uint32_t count);
void peer_boost_destroy(struct peer_boost *peer);
/* Both write at most capacity ids and return how many match. Bounds are inclusive. */
uint64_t peer_boost_box(const struct peer_boost *peer, double min_x, double min_y, double max_x, double max_y,
                        uint32_t *ids, uint64_t capacity);
uint64_t peer_boost_radius(const struct peer_boost *peer, double x, double y, double radius, uint32_t *ids,
                           uint64_t capacity);

#ifdef __cplusplus
}
#endif

#endif
