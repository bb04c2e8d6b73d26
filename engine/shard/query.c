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
	metric_add(&worker->counters.matches, result.count);
	reply_located(reply, event, result.count, result.matches, result.match_count);
}

/* Of an event that nobody serves yet. */
static void answer_unknown(struct worker *worker, const struct event *event, struct reply *reply)
{
	const struct problem problem = {
		.status = STATUS_unknown_type,
		.field = "type",
		.has_id = (event->head->flags & EVENT_HAS_ID) != 0,
		.id = event_id(event),
	};
	metric_add(&worker->counters.refused[STATUS_unknown_type], 1);
	reply_problem(reply, &problem, 0);
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
	metric_add(&worker->counters.refused[s], 1);
	reply_problem(reply, &problem, 0);
}

void query_answer(struct worker *worker, const struct event *event, int64_t now_ms, struct reply *reply)
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
	default:
		answer_unknown(worker, event, reply);
		return;
	}
}
