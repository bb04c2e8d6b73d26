#include "engine/shard/query.h"

static void answer_locate(struct worker *worker, const struct event *event, int64_t now_ms, struct reply *reply)
{
	const struct locate_record *r = event->locate;
	struct locate_query query = {
		.x = r->x,
		.y = r->y,
		.area = r->area,
		.at_ms = (r->head.flags & EVENT_HAS_AT) != 0 ? r->head.at_ms : now_ms,
		.limit = r->limit != 0 ? r->limit : LOCATE_LIMIT_DEFAULT,
		.kinds = event->text + r->kinds.offset,
		.kinds_bytes = r->kinds.bytes,
	};
	if (r->area == LOCATE_RADIUS)
		query.radius = r->radius;
	else if (r->area == LOCATE_BOX)
		memcpy(query.box, (const uint8_t *)r + offsetof(struct locate_record, box), sizeof query.box);

	struct locate_result result;
	store_locate(worker->reader, &query, &result);
	metric_add(worker->metrics.matches, result.count);
	reply_located(reply, event, result.count, result.matches, result.match_count);
}

static void answer_reward_get(struct worker *worker, const struct event *event, struct reply *reply)
{
	struct wire_id id = event->reward_key->reward;
	struct reward_view view;
	status s = store_get(worker->reader, (struct identifier){.low = id.low, .high = id.high}, &view);
	if (s == STATUS_ok) {
		reply_reward(reply, event, &view);
		return;
	}
	struct problem problem = {
		.status = s,
		.field = "reward",
		.message = "there is no such reward",
		.has_id = (event->head->flags & EVENT_HAS_ID) != 0,
		.id = event_id(event),
	};
	metric_add(&worker->metrics.refused[s], 1);
	reply_problem(reply, &problem, 0);
}

/* ---- feed.read ------------------------------------------------------------------------------- */

/* Records that are looked at in any case, so that it goes on, and most at once. Most hold nothing that is asked for. */
enum { FEED_RECORDS = 64, FEED_RECORDS_AT_ONCE = 4096, FEED_BYTES = 512 << 10 };

struct feeding {
	struct feed feed;
	struct cursor out;
	uint32_t topics; /* a bit for each that is asked for */
	uint32_t limit, looked;
	size_t *left; /* of the message's bytes */
	bool is_full;
};

static uint32_t topics_of(const char *names, size_t bytes)
{
	uint32_t topics = bytes == 0 ? UINT32_MAX : 0;
	static_assert(TOPIC_COUNT <= 32);
	for (const char *at = names, *end = names + bytes; at < end;) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		size_t length = (size_t)((comma != NULL ? comma : end) - at);
		for (unsigned topic = 0; topic < TOPIC_COUNT; topic++) {
			const char *name = topic_name((enum topic)topic);
			if (strlen(name) == length && memcmp(name, at, length) == 0)
				topics |= UINT32_C(1) << topic;
		}
		at += length + 1;
	}
	return topics;
}

static bool may_look(struct feeding *f, const struct journal_record *record)
{
	bool is_first = f->looked < FEED_RECORDS;
	if (!is_first && *f->left < record->body_bytes)
		return false;
	*f->left -= *f->left < record->body_bytes ? *f->left : record->body_bytes;
	f->looked++;
	return true;
}

/* All publications of a record or none of them, so that `last` is true; there may be one more than `limit`. */
static void feed_record(void *context, const struct journal_record *record)
{
	struct feeding *f = context;
	const struct effect_head *effect = record->body;
	f->is_full = f->is_full || !may_look(f, record);
	if (f->is_full || !effect_is_whole(record->body, record->body_bytes))
		return;
	size_t start = cursor_used(&f->out);
	uint32_t count = f->feed.count;
	for (unsigned i = 0; i < effect_publications(effect); i++) {
		if ((f->topics >> effect_topic(effect, i) & 1) == 0)
			continue;
		effect_publish(effect, i, record->sequence, &f->out);
		cursor_byte(&f->out, '\n');
		f->feed.count++;
	}
	/* One with two publications goes over the limit rather than never. */
	if (f->out.full || (f->feed.count > count && count >= f->limit)) {
		cursor_rewind(&f->out, start);
		f->feed.count = count;
		f->is_full = true;
		return;
	}
	f->feed.last = record->sequence;
}

/* In steps that double: what the last one reads in vain is no more than what was asked for. */
static status read_feed(struct journal *journal, struct feeding *f)
{
	for (uint32_t step = FEED_RECORDS; !f->is_full; step = step < FEED_RECORDS_AT_ONCE ? 2 * step : step) {
		uint64_t after = f->feed.last;
		status s = journal_read(journal, after, step, feed_record, f, &(uint64_t){0});
		if (s != STATUS_ok)
			return s;
		if (f->feed.last == after)
			break;
	}
	f->feed.has_more = f->feed.last < journal_durable(journal);
	f->feed.bytes = cursor_used(&f->out);
	return STATUS_ok;
}

static void answer_feed(struct shard *shard, struct worker *worker, const struct event *event, struct reply *reply)
{
	const struct feed_read_record *r = event->feed_read;
	struct feeding f = {
		.feed.last = (uint64_t)r->after,
		.topics = topics_of(event->text + r->topics.offset, r->topics.bytes),
		.left = &worker->feed_bytes,
		.limit = r->limit != 0 ? r->limit : FEED_LIMIT_DEFAULT,
	};
	size_t mark = arena_mark(&worker->arena);
	char *room = arena_take(&worker->arena, FEED_BYTES, 8);
	status s = room == NULL ? STATUS_overloaded : shard->journal == NULL ? STATUS_not_found : STATUS_ok;
	if (s == STATUS_ok) {
		cursor_init(&f.out, room, FEED_BYTES);
		f.feed.lines = room;
		s = read_feed(shard->journal, &f);
	}
	if (s == STATUS_ok) {
		reply_feed(reply, event, &f.feed);
	} else {
		struct problem problem = {
			.status = s == STATUS_not_found ? STATUS_not_found : STATUS_internal,
			.field = "after",
			.message = "what came right behind this seq is kept no more (data.retention_ms); begin with a read of the state",
			.has_id = (event->head->flags & EVENT_HAS_ID) != 0,
			.id = event_id(event),
		};
		if (problem.status == STATUS_internal)
			snprintf(problem.message, sizeof problem.message, "the journal cannot be read there; troved's log says why");
		metric_add(&worker->metrics.refused[problem.status], 1);
		reply_problem(reply, &problem, 0);
	}
	arena_reset(&worker->arena, mark);
}

void query_answer(struct shard *shard, struct worker *worker, const struct event *event, int64_t now_ms, struct reply *reply)
{
	switch (event->type) {
	case EVENT_ping:
		reply_pong(reply, event);
		return;
	case EVENT_locate:
		answer_locate(worker, event, now_ms, reply);
		return;
	case EVENT_reward_get:
		answer_reward_get(worker, event, reply);
		return;
	case EVENT_feed_read:
		answer_feed(shard, worker, event, reply);
		return;
	default:
		CHECK(false, "event type %d is no query", (int)event->type);
	}
}
