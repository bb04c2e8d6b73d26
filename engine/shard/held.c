#include "engine/shard/held.h"

#include <sched.h>
#include <string.h>

/* Replies that may wait at the same time, if all were as large as they may be; mostly there are hundreds. */
enum { REPLIES_HELD = 4, PUBLICATION_ROOM = 4 << 20 };

/* A publication in its ring; the JSON follows, with its zero. `bytes` 0: go on at the ring's start. */
struct publication {
	uint64_t seq;
	const char *topic;
	uint64_t bytes; /* all of it, a multiple of 8 */
};

static size_t batch_count(const struct shard_options *o) { return 2 * (size_t)o->queue; }

static size_t replies_bytes(const struct shard_options *o) { return REPLIES_HELD * (size_t)o->reply_bytes_max; }

void held_bill(const struct shard_options *o, struct bill *bill)
{
	uint64_t count = batch_count(o), links = count * sizeof(uint64_t);
	bill_add(bill, "shard", "events.queue", count, pool_stride_bytes(sizeof(struct batch), true, bill->pool_debug),
	         "batches: replies that wait for the journal");
	bill_add(bill, "shard", "events.queue", 1, pool_table_bytes(count, bill->pool_debug) + links + 2 * REGION_SMALL_BYTES,
	         "the pool's tables of batches");
	bill_add(bill, "shard", "events.reply_bytes_max", REPLIES_HELD, (uint64_t)o->reply_bytes_max, "their bytes");
	bill_add(bill, "shard", "", 1, PUBLICATION_ROOM, "publications that wait for the journal");
}

static status reserve(struct account *account, struct region *region, struct holding *holding, size_t bytes, uint8_t **start)
{
	status s = account_open(account, region, holding, bytes, bytes, ACCOUNT_NODE);
	*start = region->bytes;
	return s;
}

status held_init(struct held *h, const struct shard_options *o, const struct shard_parts *parts)
{
	h->parts = parts;
	h->reply_bytes_max = (size_t)o->reply_bytes_max;
	h->replies_bytes = replies_bytes(o);
	h->batch_count = batch_count(o);
	h->batches_holding = (struct holding){.option = "events.queue"};
	h->replies_holding = (struct holding){.name = "held replies", .option = "events.reply_bytes_max", .kind = HOLDING_buffer};
	h->publications_holding = (struct holding){.name = "held publications", .kind = HOLDING_buffer};
	status s = account_open_pool(o->account, &h->batches, &h->batches_holding, &(struct pool_options){
		.name = "batches",
		.object_bytes = sizeof(struct batch),
		.capacity = (uint32_t)batch_count(o),
		.node = -1,
		.shared_lines = true,
		.remote_returns = true,
	});
	if (s == STATUS_ok)
		s = reserve(o->account, &h->replies_region, &h->replies_holding, h->replies_bytes, &h->replies);
	if (s == STATUS_ok)
		s = reserve(o->account, &h->publications_region, &h->publications_holding, PUBLICATION_ROOM, &h->publications);
	if (s == STATUS_ok)
		s = ring_init(&h->queue, (unsigned)batch_count(o) * 2);
	return s;
}

void held_deinit(struct held *h)
{
	ring_deinit(&h->queue);
	account_close(&h->publications_region, &h->publications_holding);
	account_close(&h->replies_region, &h->replies_holding);
	if (h->batches != NULL)
		account_close_pool(&h->batches, &h->batches_holding);
}

/* ---- the writer -------------------------------------------------------------------------------- */

struct batch *held_open(struct held *h, void **bytes)
{
	struct pool_handle handle;
	void *object;
	uint64_t at = h->head % h->replies_bytes;
	uint64_t skip = h->replies_bytes - at < h->reply_bytes_max ? h->replies_bytes - at : 0;
	uint64_t end = h->head + skip + h->reply_bytes_max;
	if (end - atomic_load_explicit(&h->tail, memory_order_acquire) > h->replies_bytes)
		return NULL;
	(void)pool_collect(h->batches);
	if (pool_borrow(h->batches, &handle, &object) != STATUS_ok)
		return NULL;
	struct batch *batch = object;
	h->head += skip;
	*batch = (struct batch){.handle = handle, .reply = h->replies + h->head % h->replies_bytes};
	*bytes = h->replies + h->head % h->replies_bytes;
	atomic_fetch_add_explicit(&h->pending, 1, memory_order_relaxed);
	return batch;
}

/* Behind a reply of any size there must be one of the largest: it may have to begin at the ring's start. */
static uint64_t end_of_two(const struct held *h)
{
	uint64_t left = h->replies_bytes - h->head % h->replies_bytes;
	uint64_t first = left < h->reply_bytes_max ? h->head + left : h->head;
	left = h->replies_bytes - first % h->replies_bytes;
	return left < 2 * h->reply_bytes_max ? first + left + h->reply_bytes_max : first + 2 * h->reply_bytes_max;
}

bool held_is_full(const struct held *h, uint64_t max)
{
	uint64_t pending = atomic_load(&h->pending);
	return pending >= max || pending + 2 > h->batch_count ||
	       end_of_two(h) - atomic_load(&h->tail) > h->replies_bytes;
}

void held_cancel(struct held *h, struct batch *batch)
{
	struct pool_handle handle = batch->handle;
	status s = pool_return(h->batches, &handle);
	CHECK(s == STATUS_ok, "a batch that is not ours: %s", status_code(s));
	atomic_fetch_sub_explicit(&h->pending, 1, memory_order_relaxed);
}

void held_skip(struct held *h, struct batch *batch, struct shard_job *job, size_t reply_bytes)
{
	job->trail.planned_ns = latency_now();
	metric_add(h->writer_metrics.reply_bytes, reply_bytes);
	job->done(job, batch->reply, reply_bytes);
	held_cancel(h, batch);
}

void held_close(struct held *h, struct batch *batch, struct shard_job *job, size_t reply_bytes, uint64_t seq)
{
	job->trail.planned_ns = latency_now();
	batch->job = job;
	batch->seq = seq;
	batch->reply_bytes = reply_bytes;
	h->head += (reply_bytes + CACHE_LINE_BYTES - 1) & ~(size_t)(CACHE_LINE_BYTES - 1);
	batch->end = h->head;
	holding_use(&h->replies_holding, h->head - atomic_load_explicit(&h->tail, memory_order_relaxed));
	status s = ring_push(&h->queue, batch);
	CHECK(s == STATUS_ok, "more batches than there are");
}

static struct publication *publication_at(const struct held *h, uint64_t place)
{
	return (struct publication *)(void *)(h->publications + place % PUBLICATION_ROOM);
}

/* Where the next one goes; 0: there is no room. */
static bool make_room(struct held *h, uint64_t *place)
{
	enum { MOST = sizeof(struct publication) + PUBLICATION_BYTES_MAX };
	uint64_t left = PUBLICATION_ROOM - h->published % PUBLICATION_ROOM;
	uint64_t skip = left < MOST ? left : 0;
	uint64_t used = h->published + skip + MOST - atomic_load_explicit(&h->told, memory_order_acquire);
	if (used > PUBLICATION_ROOM)
		return false;
	if (skip >= sizeof(struct publication))
		publication_at(h, h->published)->bytes = 0;
	*place = h->published + skip;
	return true;
}

void held_publish(struct held *h, const struct effect_head *effect, uint64_t seq)
{
	unsigned count = h->parts->publish == NULL ? 0 : effect_publications(effect);
	for (unsigned i = 0; i < count; i++) {
		uint64_t place;
		struct cursor out;
		if (!make_room(h, &place)) {
			metric_add(h->writer_metrics.publications_dropped, 1);
			continue;
		}
		struct publication *p = publication_at(h, place);
		cursor_init(&out, (char *)(p + 1), PUBLICATION_BYTES_MAX);
		p->seq = seq;
		p->topic = effect_publish(effect, i, seq, &out);
		cursor_byte(&out, '\0');
		CHECK(!out.full, "a publication of more than %d bytes", PUBLICATION_BYTES_MAX);
		p->bytes = (sizeof *p + cursor_used(&out) + 7) & ~(uint64_t)7;
		h->published = place + p->bytes;
		atomic_store_explicit(&h->publications_end, h->published, memory_order_release);
	}
}

/* ---- whoever lets go ------------------------------------------------------------------------------ */

static bool has_first(struct held *h)
{
	if (h->first == NULL)
		h->first = ring_pop(&h->queue);
	return h->first != NULL;
}

static void let_go(struct held *h, struct batch *batch)
{
	struct pool_handle handle = batch->handle;
	struct shard_job *job = batch->job;
	job->trail.released_ns = latency_now();
	metric_add(h->metrics.reply_bytes, batch->reply_bytes);
	job->done(job, batch->reply, batch->reply_bytes);
	atomic_store_explicit(&h->tail, batch->end, memory_order_release);
	status s = pool_return_remote(h->batches, &handle);
	CHECK(s == STATUS_ok, "a batch that is not ours: %s", status_code(s));
	atomic_fetch_sub_explicit(&h->pending, 1, memory_order_release);
}

/* Past a place where the rest of the ring was too short. */
static uint64_t next_place(const struct held *h, uint64_t place)
{
	uint64_t left = PUBLICATION_ROOM - place % PUBLICATION_ROOM;
	return left < sizeof(struct publication) || publication_at(h, place)->bytes == 0 ? place + left : place;
}

static void tell(struct held *h, uint64_t released)
{
	uint64_t end = atomic_load_explicit(&h->publications_end, memory_order_acquire);
	uint64_t told = atomic_load_explicit(&h->told, memory_order_relaxed);
	while (told != end) {
		uint64_t place = next_place(h, told);
		const struct publication *p = publication_at(h, place);
		if (p->seq > released)
			break;
		h->parts->publish(h->parts->publish_context, p->topic, (const char *)(p + 1));
		told = place + p->bytes;
		atomic_store_explicit(&h->told, told, memory_order_release);
	}
}

void held_release(struct held *h, uint64_t (*released)(void *context), void *context)
{
	for (;;) {
		if (atomic_exchange(&h->is_busy, true))
			return; /* who is busy asks once more before leaving */
		uint64_t seq = released(context);
		while (has_first(h) && h->first->seq <= seq) {
			struct batch *batch = h->first;
			h->first = NULL;
			let_go(h, batch);
		}
		tell(h, seq);
		bool is_waiting = h->first != NULL;
		atomic_exchange(&h->is_busy, false);
		/* What came between the last look and now found us busy. Later ones are never due sooner. */
		if (released(context) == seq && (is_waiting || ring_size(&h->queue) == 0))
			return;
	}
}

bool held_is_empty(const struct held *h)
{
	return atomic_load(&h->pending) == 0 && atomic_load(&h->told) == atomic_load(&h->publications_end) &&
	       !atomic_load(&h->is_busy);
}

void held_silence(struct held *h)
{
	/* Whoever lets go now is in nng, not in a wait: it ends soon. */
	while (atomic_exchange(&h->is_busy, true))
		sched_yield();
}
