/* What all handlers need: effects, refusals. */
#include "engine/handler/inside.h"
#include "proto/content.h"

#include <stdarg.h>
#include <stdio.h>

struct effect_head *effect_take(struct arena *arena, size_t bytes, enum effect_type type, const struct event *event,
                                int64_t now_ms)
{
	size_t request_bytes = event == NULL ? 0 : content_packed_bytes(event);
	struct effect_head *head = arena_take(arena, bytes + request_bytes, 8);
	if (head == NULL)
		return NULL;
	memset(head, 0, bytes);
	head->bytes = (uint32_t)(bytes + request_bytes);
	head->type = (uint16_t)type;
	head->at_ms = now_ms;
	if (event != NULL) {
		head->event_type = (uint16_t)event->type;
		head->request_bytes = (uint32_t)request_bytes;
		head->flags = event->head->flags & ~(uint32_t)EVENT_HAS_DEADLINE;
		head->id = event->head->id;
		content_pack(event, (uint8_t *)head + bytes);
	}
	return head;
}

status refuse(const struct planning *p, status s, const char *field, const char *format, ...)
{
	va_list arguments;
	snprintf(p->problem->field, sizeof p->problem->field, "%s", field);
	va_start(arguments, format);
	vsnprintf(p->problem->message, sizeof p->problem->message, format, arguments);
	va_end(arguments);
	return s;
}

void answer_ok(const struct effect_head *effect, const struct event *event, struct change_note note, struct reply *reply)
{
	(void)effect;
	reply_ok(reply, event, note);
}

/* ---- refusals ------------------------------------------------------------------------------ */

struct effect_head *plan_refusal(const struct planning *p, status s)
{
	struct effect_refused *e = (void *)effect_take(p->arena, sizeof *e, EFFECT_refused, p->event, p->now_ms);
	if (e == NULL)
		return NULL;
	e->code = (uint16_t)s;
	e->cart_state = (uint8_t)p->problem->cart_state;
	e->payment_state = (uint8_t)p->problem->payment_state;
	/* Fields that states refuse have short names. */
	memcpy(e->field, p->problem->field, strnlen(p->problem->field, sizeof e->field - 1));
	memcpy(e->message, p->problem->message, strnlen(p->problem->message, sizeof e->message - 1));
	return &e->head;
}

static void refused_apply(struct state *state, const struct effect_head *effect, uint64_t place)
{
	(void)state;
	(void)effect;
	(void)place;
}

static void refused_answer(const struct effect_head *effect, const struct event *event, struct change_note note,
                           struct reply *reply)
{
	const struct effect_refused *e = (const void *)effect;
	struct problem problem = {
		.status = (status)e->code,
		.has_id = true,
		.id = event_id(event),
		.cart_state = (enum cart_state)e->cart_state,
		.payment_state = (enum payment_state)e->payment_state,
		.seq = note.seq,
		.is_replayed = note.is_replayed,
	};
	memcpy(problem.field, e->field, sizeof e->field);
	memcpy(problem.message, e->message, sizeof e->message);
	reply_problem(reply, &problem, 0);
}

const struct effect_handler effect_handler_refused = {refused_apply, refused_answer, NULL};
