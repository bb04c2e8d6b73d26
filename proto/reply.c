#include "proto/reply.h"

#include "engine/base/check.h"
#include "proto/reply_write.h"

/* Room for the least that one more result can be, a frame header of its own included. */
enum {
	BINARY_LEAST = sizeof(struct frame_header) + BINARY_ERROR_BYTES,
	JSON_LEAST = JSON_ERROR_BYTES,
	BRACKETS = 2,
};

size_t reply_bytes_least(uint32_t batch_max)
{
	size_t each = (size_t)BINARY_LEAST > (size_t)JSON_LEAST ? BINARY_LEAST : JSON_LEAST;
	return BRACKETS + each * (batch_max != 0 ? batch_max : 1);
}

static size_t room_kept(const struct reply *p)
{
	size_t to_come = p->count - p->written - 1;
	return p->encoding == ENCODING_BINARY ? to_come * BINARY_LEAST : to_come * JSON_LEAST + BRACKETS;
}

static void open_frame(struct reply *p)
{
	struct frame_header h;
	memcpy(&h, p->message + p->message_at, sizeof h);
	p->message_at += sizeof h + h.body_bytes + h.text_bytes;
	p->frame_count = h.count;
	p->frame_start = cursor_used(&p->out);
	h.kind = FRAME_REPLY;
	h.body_bytes = h.text_bytes = 0; /* body_bytes is set when it is known */
	cursor_bytes(&p->out, &h, sizeof h);
}

static void close_frame(struct reply *p)
{
	size_t body_bytes = cursor_used(&p->out) - p->frame_start - sizeof(struct frame_header);
	memcpy(p->out.start + p->frame_start + offsetof(struct frame_header, body_bytes), &(uint32_t){(uint32_t)body_bytes},
	       sizeof(uint32_t));
}

void reply_open(struct reply *p, const struct request *r, void *bytes, size_t capacity)
{
	CHECK(capacity >= reply_bytes_least(r->count) && capacity <= UINT32_MAX, "reply to %u events in %zu bytes", r->count,
	      capacity);
	*p = (struct reply){.encoding = r->encoding, .is_batch = r->is_batch, .count = r->count, .message = r->bytes};
	cursor_init(&p->out, bytes, capacity);
	if (p->encoding == ENCODING_JSON && p->is_batch)
		cursor_byte(&p->out, '[');
}

/* What stands before a result; returns where the result begins. */
static size_t result_begin(struct reply *p)
{
	CHECK(p->written < p->count, "result %u of %u", p->written, p->count);
	if (p->encoding == ENCODING_BINARY && p->frame_count == 0)
		open_frame(p);
	else if (p->encoding == ENCODING_JSON && p->written != 0)
		cursor_byte(&p->out, ',');
	return cursor_used(&p->out);
}

static void result_error(struct reply *p, struct result_id id, const struct error *error)
{
	if (p->encoding == ENCODING_BINARY)
		binary_result_error(&p->out, id, error);
	else
		json_result_error(&p->out, id, error);
}

static bool fits(const struct reply *p) { return !p->out.full && cursor_left(&p->out) >= room_kept(p); }

/* In the result's place stands the error, if it must be without field and message: so it always fits. */
[[gnu::cold, gnu::noinline]] static void replace_result(struct reply *p, size_t start, struct result_id id, struct error *error)
{
	cursor_rewind(&p->out, start);
	result_error(p, id, error);
	if (fits(p))
		return;
	error->field = error->message = "";
	cursor_rewind(&p->out, start);
	result_error(p, id, error);
	CHECK(fits(p), "result %u of %u at %zu of a reply", p->written, p->count, start);
}

static void result_close(struct reply *p)
{
	p->written++;
	if (p->encoding == ENCODING_BINARY && --p->frame_count == 0)
		close_frame(p);
}

/* Keeps the result if it leaves room for those to come. A change stays done when there is no room to say
 * what came of it: its seq says so. */
static void result_end_whole(struct reply *p, size_t start, struct result_id id, struct change_note note)
{
	if (!fits(p))
		replace_result(p, start, id, &(struct error){
			.code = STATUS_too_large, .field = "", .message = "the result does not fit into the reply", .note = note});
	result_close(p);
}

static struct result_id id_of(const struct event *event)
{
	return (struct result_id){(event->head->flags & EVENT_HAS_ID) != 0, event_id(event)};
}

void reply_pong(struct reply *p, const struct event *event)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_pong(&p->out, id);
	else
		json_result_pong(&p->out, id);
	result_end_whole(p, start, id, (struct change_note){});
}

void reply_ok(struct reply *p, const struct event *event, struct change_note note)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_ok(&p->out, id, note);
	else
		json_result_ok(&p->out, id, note);
	result_end_whole(p, start, id, note);
}

void reply_claimed(struct reply *p, const struct event *event, struct change_note note, const struct claimed_record *claimed)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_claimed(&p->out, id, note, claimed);
	else
		json_result_claimed(&p->out, id, note, claimed);
	result_end_whole(p, start, id, note);
}

void reply_product(struct reply *p, const struct event *event, const struct product_record *product)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_product(&p->out, id, product);
	else
		json_result_product(&p->out, id, product);
	result_end_whole(p, start, id, (struct change_note){});
}

void reply_payment(struct reply *p, const struct event *event, struct change_note note, const struct payment_record *payment)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_payment(&p->out, id, note, payment);
	else
		json_result_payment(&p->out, id, note, payment);
	result_end_whole(p, start, id, note);
}

static void reply_any_cart(struct reply *p, const struct event *event, struct change_note note,
                           const struct cart_record *cart, reply_next_line *next, void *context)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_cart(&p->out, id, note, cart, next, context);
	else
		json_result_cart(&p->out, id, note, cart, next, context);
	result_end_whole(p, start, id, note);
}

void reply_cart(struct reply *p, const struct event *event, struct change_note note, const struct cart_record *cart)
{
	reply_any_cart(p, event, note, cart, NULL, NULL);
}

void reply_cart_lines(struct reply *p, const struct event *event, const struct cart_record *cart, reply_next_line *next,
                      void *context)
{
	reply_any_cart(p, event, (struct change_note){}, cart, next, context);
}

void reply_feed(struct reply *p, const struct event *event, const struct feed *feed)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_feed(&p->out, id, feed);
	else
		json_result_feed(&p->out, id, feed);
	result_end_whole(p, start, id, (struct change_note){});
}

void reply_located(struct reply *p, const struct event *event, uint64_t count, const struct match *matches,
                   uint32_t match_count)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_located(&p->out, id, count, matches, match_count);
	else
		json_result_located(&p->out, id, count, matches, match_count);
	result_end_whole(p, start, id, (struct change_note){});
}

void reply_reward(struct reply *p, const struct event *event, const struct reward_view *reward)
{
	size_t start = result_begin(p);
	struct result_id id = id_of(event);
	if (p->encoding == ENCODING_BINARY)
		binary_result_reward(&p->out, id, reward);
	else
		json_result_reward(&p->out, id, reward);
	result_end_whole(p, start, id, (struct change_note){});
}

static const char *message_of(const struct problem *problem)
{
	return problem->message[0] != '\0' ? problem->message : status_text(problem->status);
}

void reply_problem(struct reply *p, const struct problem *problem, uint32_t retry_after_ms)
{
	size_t start = result_begin(p);
	struct result_id id = {problem->has_id, problem->id};
	struct error error = {
		.code = problem->status,
		.field = problem->field,
		.message = message_of(problem),
		.retry_after_ms = retry_after_ms,
		.cart_state = problem->cart_state,
		.payment_state = problem->payment_state,
		.note = {problem->seq, problem->is_replayed},
	};
	result_error(p, id, &error);
	if (!fits(p))
		replace_result(p, start, id, &error);
	result_close(p);
}

size_t reply_close(struct reply *p)
{
	CHECK(p->written == p->count, "%u results for %u events", p->written, p->count);
	if (p->encoding == ENCODING_JSON && p->is_batch)
		cursor_byte(&p->out, ']');
	return cursor_used(&p->out);
}

size_t reply_refusal(enum encoding encoding, const struct problem *problem, uint32_t retry_after_ms, void *bytes,
                     size_t capacity)
{
	/* A reply of one result, as if to a frame of one event. */
	struct frame_header frame = {
		.magic = FRAME_MAGIC, .version = FRAME_VERSION, .count = 1, .request = problem->frame_request};
	struct request request = {.encoding = encoding, .count = 1, .bytes = (const uint8_t *)&frame};
	struct reply reply;
	reply_open(&reply, &request, bytes, capacity);
	reply_problem(&reply, problem, retry_after_ms);
	return reply_close(&reply);
}
