/* What a shard takes at most. All of it is reserved at the start, and paid for when first touched. */
#include "engine/shard/shard_private.h"

void shard_bill(const struct shard_options *o, struct bill *bill)
{
	uint64_t workers = (uint64_t)o->workers + 1;
	bill_add(bill, "shard", "events.decode_bytes_max", workers, (uint64_t)o->decode_bytes_max,
	         "arenas that JSON is decoded into, one for each answering thread and the writer");
	bill_add(bill, "shard", "events.reply_bytes_max", (uint64_t)o->workers, (uint64_t)o->reply_bytes_max,
	         "reply buffers, one for each answering thread");
	bill_add(bill, "shard", "events.threads", workers, sizeof(struct worker), "workers with their counters");
	latency_bill(bill, o->workers);
	bill_add(bill, "shard", "events.queue", (uint64_t)o->queue, sizeof(ck_ring_buffer_t), "places in the writer's queue");
	bill_add(bill, "shard", "", 1, sizeof(struct shard) + sizeof(struct stored) + EFFECT_BYTES, "the writer and its effects");
	held_bill(o, bill);
}
