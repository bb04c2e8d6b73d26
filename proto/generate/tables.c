#include "proto/generate/tables.h"

/* What each result has in JSON: X(result, field, TypeScript type, always there, note). */
#define RESULT_FIELD_TABLE(X) \
	X(pong, "id", "string", false, "the event's, when it had one") \
	X(ok, "id", "string", true, "the event's") \
	X(ok, "seq", "number", true, "the journal's sequence number of the change") \
	X(ok, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(located, "id", "string", false, "the event's, when it had one") \
	X(located, "count", "number", true, "all matches") \
	X(located, "truncated", "boolean", true, "more matched than are listed") \
	X(located, "rewards", "Match[]", true, "nearest first, equal distances by id; `{reward,distance,kind,value,remaining}`") \
	X(reward, "id", "string", false, "the event's, when it had one") \
	X(reward, "reward", "string", true, "") \
	X(reward, "x", "number", true, "") \
	X(reward, "y", "number", true, "") \
	X(reward, "radius", "number", true, "") \
	X(reward, "kind", "string", true, "") \
	X(reward, "value", "number", true, "") \
	X(reward, "stock", "number | null", true, "null: unlimited") \
	X(reward, "remaining", "number | null", true, "null: unlimited") \
	X(reward, "per_actor", "number", true, "") \
	X(reward, "from", "number", false, "left out when it always was active") \
	X(reward, "until", "number", false, "left out when it is active for ever") \
	X(reward, "benefit", "Benefit", false, "left out when there is none") \
	X(reward, "name", "string", false, "left out when there is none") \
	X(claimed, "id", "string", true, "the event's") \
	X(claimed, "claim", "string", true, "the claim's id: that of its event") \
	X(claimed, "reward", "string", true, "") \
	X(claimed, "remaining", "number | null", true, "what is left; null: unlimited") \
	X(claimed, "seq", "number", true, "the journal's sequence number of the change") \
	X(claimed, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(product, "id", "string", false, "the event's, when it had one") \
	X(product, "sku", "string", true, "") \
	X(product, "unit_price", "number", true, "in minor units") \
	X(product, "currency", "string", true, "") \
	X(product, "name", "string", false, "left out when there is none") \
	X(cart, "id", "string", false, "the event's, when it had one") \
	X(cart, "cart", "string", true, "") \
	X(cart, "actor", "string", false, "left out when it is nobody's") \
	X(cart, "state", "CartState", true, "after the event") \
	X(cart, "line_count", "number", true, "all lines") \
	X(cart, "lines", "Line[]", false, "with cart.get only; `{sku,quantity,unit_price,amount}`, in the order in which they came") \
	X(cart, "subtotal", "number", true, "the sum of all lines, in minor units") \
	X(cart, "discount", "number", true, "what an applied claim takes off") \
	X(cart, "total", "number", true, "subtotal - discount, never below 0") \
	X(cart, "currency", "string", true, "") \
	X(cart, "expires", "number", false, "Unix milliseconds when it ends unless it changes before; left out when it is closed") \
	X(cart, "seq", "number", false, "of a change: its journal sequence number") \
	X(cart, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(payment, "id", "string", false, "the event's, when it had one") \
	X(payment, "payment", "string", true, "") \
	X(payment, "state", "PaymentState", true, "after the event") \
	X(payment, "authorized", "number", true, "in minor units; refunded <= captured, captured + voided <= authorized") \
	X(payment, "captured", "number", true, "") \
	X(payment, "refunded", "number", true, "") \
	X(payment, "voided", "number", true, "what was held and is released") \
	X(payment, "currency", "string", true, "") \
	X(payment, "actor", "string", false, "left out when it is nobody's") \
	X(payment, "cart", "string", false, "what it is for, when that was told") \
	X(payment, "expires", "number", false, "Unix milliseconds when what is held lapses; left out when nothing is") \
	X(payment, "seq", "number", false, "of a change: its journal sequence number") \
	X(payment, "replayed", "boolean", false, "true: the stored result of an earlier event with this id") \
	X(feed, "id", "string", false, "the event's, when it had one") \
	X(feed, "publications", "Publication[]", true, "in the order of their seq") \
	X(feed, "last", "number", true, "read on with `after` of this") \
	X(feed, "more", "boolean", true, "there are more behind `last`") \
	X(error, "id", "string", false, "the event's, where it could be read") \
	X(error, "code", "Code", true, "") \
	X(error, "field", "string", false, "the field to blame, as in `box[2]` or `benefit.amount`") \
	X(error, "message", "string", false, "for people; left out only when the reply has no room for it") \
	X(error, "retry", "Retry", true, "") \
	X(error, "retry_after_ms", "number", false, "with `overloaded` (too many events wait for the writer, " \
	  "or for a disk that hangs or fails): when to come again") \
	X(error, "state", "CartState | PaymentState", false, "where the cart or the payment to blame is") \
	X(error, "seq", "number", false, "of a refusal that is stored; with `too_large`: the change is done") \
	X(error, "replayed", "boolean", false, "true: the stored refusal of an earlier event with this id")

/* What each publication has behind type, seq and at: X(topic, field, TypeScript type, always there, note). */
#define PUBLICATION_FIELD_TABLE(X) \
	X(reward_claimed, "claim", "string", true, "") \
	X(reward_claimed, "reward", "string", true, "") \
	X(reward_claimed, "actor", "string", true, "") \
	X(reward_claimed, "remaining", "number | null", true, "what is left; null: unlimited") \
	X(reward_claimed, "cart", "string", false, "to which its benefit was applied at once") \
	X(reward_depleted, "reward", "string", true, "nothing of it is left") \
	X(cart_checked_out, "cart", "string", true, "") \
	X(cart_checked_out, "payment", "string", true, "its payment.authorized follows with the same seq") \
	X(cart_checked_out, "total", "number", true, "in minor units") \
	X(cart_checked_out, "currency", "string", true, "") \
	X(cart_abandoned, "cart", "string", true, "its time is over, and it holds lines") \
	X(cart_abandoned, "actor", "string", false, "") \
	X(cart_abandoned, "line_count", "number", true, "") \
	X(cart_abandoned, "total", "number", true, "in minor units") \
	X(cart_abandoned, "currency", "string", true, "") \
	PAYMENT_FIELDS(X, payment_authorized, "what is held") \
	PAYMENT_FIELDS(X, payment_captured, "what was captured now") \
	PAYMENT_FIELDS(X, payment_voided, "what was released") \
	PAYMENT_FIELDS(X, payment_refunded, "what was refunded now") \
	PAYMENT_FIELDS(X, payment_expired, "what lapsed")
#define PAYMENT_FIELDS(X, topic, amount_note) \
	X(topic, "payment", "string", true, "") \
	X(topic, "state", "PaymentState", true, "after it") \
	X(topic, "amount", "number", true, amount_note) \
	X(topic, "authorized", "number", true, "") \
	X(topic, "captured", "number", true, "") \
	X(topic, "refunded", "number", true, "") \
	X(topic, "voided", "number", true, "") \
	X(topic, "currency", "string", true, "") \
	X(topic, "actor", "string", false, "") \
	X(topic, "cart", "string", false, "")

const struct json_field result_fields[] = {
#define X(result, name, type, is_always, note) {RESULT_##result, name, type, is_always, note},
	RESULT_FIELD_TABLE(X)
#undef X
};
const size_t result_field_count = sizeof result_fields / sizeof result_fields[0];

const struct json_field publication_fields[] = {
#define X(topic, name, type, is_always, note) {TOPIC_##topic, name, type, is_always, note},
	PUBLICATION_FIELD_TABLE(X)
#undef X
};
const size_t publication_field_count = sizeof publication_fields / sizeof publication_fields[0];

const char *const result_names[RESULT_COUNT] = {
#define X(symbol, number, name) [number] = name,
	RESULT_TABLE(X)
#undef X
};

const char *const event_results[EVENT_TYPE_MAX + 1] = {
#define X(symbol, number, name, class, record, result) [number] = result,
	EVENT_TABLE(X)
#undef X
};

const bool topic_is_of_effect[TOPIC_COUNT] = {
#define X(symbol, name, is_of_effect) is_of_effect,
	TOPIC_TABLE(X)
#undef X
};

const char *typescript_type(enum field_form form)
{
	static const char *const types[] = {
#define X(form, type) [FIELD_##form] = type,
		FIELD_FORM_TABLE(X)
#undef X
	};
	return types[form];
}

void write_range(FILE *out, const struct field *f)
{
	if (f->form == FIELD_integer)
		fprintf(out, "integer, %lld to %lld", (long long)f->low, (long long)f->high);
	else if (f->form == FIELD_identifier)
		fprintf(out, "id");
	else
		fprintf(out, "%s", typescript_type(f->form));
}
