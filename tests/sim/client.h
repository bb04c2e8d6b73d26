/*
 * client: what the simulated clients ask for: drawn at random, about few things, so that they meet.
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "engine/base/random.h"
#include "tests/sim/model.h"

struct clients {
	struct random *random;
	bool is_plane;
	double x, y; /* geo: where things are */
	uint64_t next_id;
	uint64_t claims[MODEL_CLAIMS]; /* ids that asked for one */
	unsigned claim_count;
	unsigned carts, payments; /* the highest numbers in use */
	int64_t now_ms;
	unsigned drawn;
	bool pays; /* mostly payments, so many that closed ones are forgotten */
};

void clients_init(struct clients *c, struct random *random, bool is_plane);
/* is_plain: without a deadline. */
struct ask clients_draw(struct clients *c, bool is_plain);
/* A reward, as a file or an event brings it. */
void clients_draw_reward(struct clients *c, struct ask *ask, uint64_t reward);
/* The same id with another content, where that can be; whether it was changed. */
bool clients_spoil(struct clients *c, struct ask *ask);

#endif
