#include "tests/support/shopper.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t price[SHOP_SKUS] = {107, 250, 999, 12345};
enum : int64_t { BENEFIT = 90 }; /* below every price: a total is never 0 */
enum { OWN_REWARDS = 1000, MESSAGE_BYTES = 16 << 10 };

[[gnu::format(printf, 2, 3)]] static bool wrong(struct shopper *s, const char *format, ...)
{
	va_list arguments;
	if (s->wrong[0] != '\0')
		return false;
	int n = snprintf(s->wrong, sizeof s->wrong, "shopper %u: ", s->number);
	va_start(arguments, format);
	vsnprintf(s->wrong + n, sizeof s->wrong - (size_t)n, format, arguments);
	va_end(arguments);
	return false;
}

void shopper_init(struct shopper *s, unsigned number, uint64_t seed)
{
	*s = (struct shopper){.number = number, .peer.fd = -1, .random = {seed + number}};
	s->model[0].value = -1;
}

void shopper_deinit(struct shopper *s)
{
	peer_close(&s->peer);
	free(s->payments);
}

bool shop_open(struct peer *p, char *reply, size_t capacity)
{
	char text[2048] = "[";
	size_t n = 1;
	for (int i = 0; i < SHOP_SKUS; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
		                      "{\"type\":\"product.put\",\"id\":%d,\"sku\":\"s%d\",\"unit_price\":%lld,"
		                      "\"currency\":\"EUR\"},", i + 1, i, (long long)price[i]);
	for (int i = 0; i < SHOP_REWARDS; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
		                      "%s{\"type\":\"reward.put\",\"id\":%d,\"reward\":%d,\"x\":1,\"y\":1,\"radius\":100,\"stock\":%d,"
		                      "\"per_actor\":1000000,\"benefit\":{\"amount\":%lld,\"currency\":\"EUR\"}}",
		                      i == 0 ? "" : ",", i + 10, i + 1, SHOP_STOCK, (long long)BENEFIT);
	snprintf(text + n, sizeof text - n, "]");
	return peer_ask(p, text, reply, capacity) && strstr(reply, "error") == NULL && strstr(reply, "ok") != NULL;
}

/* ---- what is true ------------------------------------------------------------------------------------------------ */

static int64_t subtotal(const struct shop_model *m)
{
	int64_t sum = 0;
	for (int i = 0; i < SHOP_SKUS; i++)
		sum += m->quantity[i] * price[i];
	return sum;
}

static int64_t discount(const struct shop_model *m)
{
	int64_t sum = subtotal(m);
	return m->discount < sum ? m->discount : sum;
}

static int64_t held(const struct shop_payment *p) { return p->authorized - p->captured - p->voided; }
static int64_t refundable(const struct shop_payment *p) { return p->captured - p->refunded; }

static const char *state_of(const struct shop_payment *p)
{
	if (held(p) > 0)
		return p->captured == 0 ? "authorized" : "partially_captured";
	if (p->captured == 0)
		return "voided";
	return refundable(p) > 0 ? "captured" : "refunded";
}

static bool payment_matches(const struct shop_payment *p, const char *text)
{
	char state[64];
	snprintf(state, sizeof state, "\"state\":\"%s\"", state_of(p));
	if (p->id == 0)
		return strstr(text, "\"not_found\"") != NULL;
	return strstr(text, state) != NULL && text_number(text, "authorized") == p->authorized &&
	       text_number(text, "captured") == p->captured && text_number(text, "refunded") == p->refunded &&
	       text_number(text, "voided") == p->voided;
}

static bool cart_matches(const struct shop_model *m, const char *text)
{
	if (m->cart == 0)
		return strstr(text, "\"not_found\"") != NULL;
	if (strstr(text, m->is_open ? "\"state\":\"open\"" : "\"state\":\"checked_out\"") == NULL)
		return false;
	for (int i = 0; i < SHOP_SKUS; i++) {
		char line[128];
		snprintf(line, sizeof line, "{\"sku\":\"s%d\",\"quantity\":%lld,\"unit_price\":%lld,\"amount\":%lld}", i,
		         (long long)m->quantity[i], (long long)price[i], (long long)(m->quantity[i] * price[i]));
		if ((strstr(text, line) != NULL) != (m->quantity[i] != 0))
			return false;
	}
	return text_number(text, "subtotal") == subtotal(m) && text_number(text, "discount") == discount(m) &&
	       text_number(text, "total") == subtotal(m) - discount(m);
}

static bool reward_matches(const struct shop_model *m, const char *text)
{
	return m->value < 0 ? strstr(text, "\"not_found\"") != NULL : text_number(text, "value") == m->value;
}

/* ---- making events -------------------------------------------------------------------------------------------------- */

static uint64_t next_id(struct shopper *s) { return s->number * UINT64_C(1000000000) + ++s->events; }

[[gnu::format(printf, 3, 4)]] static void say(struct shopper *s, struct shop_event *e, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(e->text, sizeof e->text, format, arguments);
	va_end(arguments);
	e->answer[0] = '\0';
	(void)s;
}

#define ID(x) (unsigned long long)(x)

static void change_cart(struct shopper *s, struct shop_model *m, struct shop_event *e)
{
	unsigned sku = (unsigned)random_below(&s->random, SHOP_SKUS);
	int64_t many = 1 + (int64_t)random_below(&s->random, 5);
	uint64_t id = next_id(s);
	switch (random_below(&s->random, 4)) {
	case 0:
		m->quantity[sku] = many;
		say(s, e, "{\"type\":\"cart.set\",\"id\":%llu,\"cart\":%llu,\"sku\":\"s%u\",\"quantity\":%lld}", ID(id), ID(m->cart), sku,
		    (long long)many);
		return;
	case 1:
		if (m->quantity[sku] >= many) {
			m->quantity[sku] -= many;
			say(s, e, "{\"type\":\"cart.remove\",\"id\":%llu,\"cart\":%llu,\"sku\":\"s%u\",\"quantity\":%lld}", ID(id),
			    ID(m->cart), sku, (long long)many);
			return;
		}
		[[fallthrough]];
	default:
		m->quantity[sku] += many;
		say(s, e, "{\"type\":\"cart.add\",\"id\":%llu,\"cart\":%llu,\"sku\":\"s%u\",\"quantity\":%lld}", ID(id), ID(m->cart), sku,
		    (long long)many);
		return;
	}
}

static void keep_payment(struct shopper *s, const struct shop_payment *p)
{
	if (s->payment_count == s->payment_room) {
		s->payment_room = s->payment_room == 0 ? 64 : 2 * s->payment_room;
		s->payments = realloc(s->payments, s->payment_room * sizeof *s->payments);
	}
	s->payments[s->payment_count++] = *p;
}

/* The ended payment is known for good only once its batch is answered; twice in the list does no harm. */
static void new_payment(struct shopper *s, struct shop_model *m, uint64_t id, int64_t amount)
{
	if (m->payment.id != 0)
		keep_payment(s, &m->payment);
	m->payment = (struct shop_payment){.id = id, .authorized = amount};
}

static void change_payment(struct shopper *s, struct shop_model *m, struct shop_event *e)
{
	struct shop_payment *p = &m->payment;
	uint64_t id = next_id(s);
	bool is_all = random_below(&s->random, 3) == 0;
	if (p->id == 0 || (held(p) == 0 && refundable(p) == 0)) {
		int64_t amount = 1 + (int64_t)random_below(&s->random, 100000);
		new_payment(s, m, id, amount);
		say(s, e, "{\"type\":\"payment.authorize\",\"id\":%llu,\"payment\":%llu,\"amount\":%lld,\"currency\":\"EUR\"}", ID(id),
		    ID(id), (long long)amount);
		return;
	}
	if (held(p) > 0 && random_below(&s->random, 6) == 0) {
		p->voided = held(p);
		say(s, e, "{\"type\":\"payment.void\",\"id\":%llu,\"payment\":%llu}", ID(id), ID(p->id));
		return;
	}
	bool is_capture = held(p) > 0 && (refundable(p) == 0 || random_below(&s->random, 2) == 0);
	int64_t most = is_capture ? held(p) : refundable(p);
	int64_t amount = is_all ? most : 1 + (int64_t)random_below(&s->random, (uint64_t)most);
	*(is_capture ? &p->captured : &p->refunded) += amount;
	if (is_all)
		say(s, e, "{\"type\":\"payment.%s\",\"id\":%llu,\"payment\":%llu}", is_capture ? "capture" : "refund", ID(id), ID(p->id));
	else
		say(s, e, "{\"type\":\"payment.%s\",\"id\":%llu,\"payment\":%llu,\"amount\":%lld}", is_capture ? "capture" : "refund",
		    ID(id), ID(p->id), (long long)amount);
}

static void open_or_close_cart(struct shopper *s, struct shop_model *m, struct shop_event *e)
{
	uint64_t id = next_id(s);
	bool may_pay = m->payment.id == 0 || (held(&m->payment) == 0 && refundable(&m->payment) == 0);
	if (!m->is_open) {
		m->cart = id;
		m->is_open = true;
		m->discount = 0;
		memset(m->quantity, 0, sizeof m->quantity);
		say(s, e, "{\"type\":\"cart.open\",\"id\":%llu,\"cart\":%llu,\"currency\":\"EUR\"}", ID(id), ID(id));
	} else if (subtotal(m) > 0 && may_pay) {
		m->is_open = false;
		new_payment(s, m, id, subtotal(m) - discount(m));
		say(s, e, "{\"type\":\"cart.checkout\",\"id\":%llu,\"cart\":%llu,\"payment\":%llu}", ID(id), ID(m->cart), ID(id));
	} else if (m->claim != 0 && m->discount == 0) {
		m->discount = BENEFIT;
		say(s, e, "{\"type\":\"cart.apply\",\"id\":%llu,\"cart\":%llu,\"claim\":%llu}", ID(id), ID(m->cart), ID(m->claim));
		m->claim = 0;
	} else {
		change_cart(s, m, e);
	}
}

/* Refused by the state, and so kept: nothing changes. */
static void ask_too_much(struct shopper *s, struct shop_model *m, struct shop_event *e)
{
	uint64_t id = next_id(s);
	say(s, e, "{\"type\":\"payment.refund\",\"id\":%llu,\"payment\":%llu,\"amount\":9000000000000}", ID(id),
	    ID(m->payment.id == 0 ? id : m->payment.id));
}

static void claim_something(struct shopper *s, struct shop_model *m, struct shop_event *e)
{
	uint64_t reward = random_below(&s->random, SHOP_REWARDS), id = next_id(s);
	m->claims[reward]++;
	m->claim = id;
	say(s, e, "{\"type\":\"claim\",\"id\":%llu,\"actor\":%u,\"reward\":%llu,\"x\":1,\"y\":1}", ID(id), s->number, ID(reward + 1));
}

static void move_reward(struct shopper *s, struct shop_model *m, struct shop_event *e)
{
	uint64_t id = next_id(s);
	if (m->value >= 0 && random_below(&s->random, 3) == 0) {
		m->value = -1;
		say(s, e, "{\"type\":\"reward.remove\",\"id\":%llu,\"reward\":%u}", ID(id), OWN_REWARDS + s->number);
		return;
	}
	m->value = (int64_t)s->events;
	say(s, e, "{\"type\":\"reward.put\",\"id\":%llu,\"reward\":%u,\"x\":%u,\"y\":9,\"radius\":5,\"value\":%lld}", ID(id),
	    OWN_REWARDS + s->number, s->number % 90, (long long)m->value);
}

static void make_event(struct shopper *s, struct shop_model *m, struct shop_event *e)
{
	switch (random_below(&s->random, 12)) {
	case 0: move_reward(s, m, e); return;
	case 1: ask_too_much(s, m, e); return;
	case 2:
	case 3: claim_something(s, m, e); return;
	case 4:
	case 5:
	case 6: open_or_close_cart(s, m, e); return;
	case 7:
	case 8:
		if (m->is_open)
			change_cart(s, m, e);
		else
			open_or_close_cart(s, m, e);
		return;
	default: change_payment(s, m, e); return;
	}
}

static void make_batch(struct shopper *s)
{
	/* Where events may be refused by load: one at a time, so that none needs what another should have made true. */
	s->batch_count = s->may_be_refused ? 1 : 1 + random_below(&s->random, SHOP_BATCH);
	for (size_t i = 0; i < s->batch_count; i++) {
		s->model[i + 1] = s->model[i];
		s->payments_before[i] = s->payment_count;
		make_event(s, &s->model[i + 1], &s->batch[i]);
	}
}

/* ---- asking --------------------------------------------------------------------------------------------------------- */

/* A copy of the answer without the note that it was given before; whether there was one. */
static bool without_note(const char *answer, char *plain, size_t capacity)
{
	static const char note[] = ",\"replayed\":true";
	const char *at = strstr(answer, note);
	if (at == NULL)
		snprintf(plain, capacity, "%s", answer);
	else
		snprintf(plain, capacity, "%.*s%s", (int)(at - answer), answer, at + sizeof note - 1);
	return at != NULL;
}

static size_t ask_all(struct shopper *s, const struct shop_event *events, size_t count, char **answer)
{
	char text[MESSAGE_BYTES] = "[";
	size_t n = 1;
	for (size_t i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", i == 0 ? "" : ",", events[i].text);
	snprintf(text + n, sizeof text - n, "]");
	if (!peer_ask(&s->peer, text, s->reply, sizeof s->reply))
		return 0;
	return text_split(s->reply, answer, count);
}

static bool is_as_made(const struct shop_event *e, const char *answer)
{
	bool is_error = strstr(answer, "\"type\":\"error\"") != NULL;
	bool must_fail = strstr(e->text, "9000000000000") != NULL;
	return strstr(answer, "\"seq\":") != NULL && is_error == must_fail;
}

static void keep(struct shopper *s, const struct shop_event *e, const char *answer)
{
	struct shop_event *kept = &s->kept[s->kept_count++ % SHOP_KEPT];
	*kept = *e;
	(void)without_note(answer, kept->answer, sizeof kept->answer);
	s->answered++;
	s->refused += strstr(answer, "\"type\":\"error\"") != NULL;
}

/* The rest of the batch was made for a state that is not reached: it is forgotten, done or refused as it may be. */
static bool stop_short(struct shopper *s, size_t done)
{
	s->put_off++;
	s->model[0] = s->model[done];
	s->payment_count = s->payments_before[done];
	s->batch_count = 0;
	s->is_waiting = false;
	return true;
}

static bool take_answers(struct shopper *s, char **answer, size_t count, size_t *replayed)
{
	bool was_new = false;
	*replayed = 0;
	if (count != s->batch_count)
		return s->reply[0] == '\0' ? false : wrong(s, "%zu answers to %zu events: %.300s", count, s->batch_count, s->reply);
	for (size_t i = 0; i < count; i++)
		s->exhausted += strstr(answer[i], "\"code\":\"pool_exhausted\"") != NULL;
	for (size_t i = 0; i < count; i++) {
		if (s->may_be_refused && strstr(answer[i], "\"retry\":\"same_id\"") != NULL)
			return stop_short(s, i);
		if (s->may_be_stopped && strstr(answer[i], "\"code\":\"draining\"") != NULL)
			return stop_short(s, i);
		if (!is_as_made(&s->batch[i], answer[i]))
			return wrong(s, "%s was answered %s", s->batch[i].text, answer[i]);
		bool is_replayed = strstr(answer[i], "\"replayed\":true") != NULL;
		if (is_replayed && was_new)
			return wrong(s, "done before the one in front of it: %s", s->batch[i].text);
		was_new = !is_replayed;
		*replayed += is_replayed;
		keep(s, &s->batch[i], answer[i]);
	}
	s->model[0] = s->model[count];
	s->is_waiting = false;
	return true;
}

bool shopper_go(struct shopper *s)
{
	char *answer[SHOP_BATCH];
	size_t replayed;
	make_batch(s);
	s->is_waiting = true;
	size_t count = ask_all(s, s->batch, s->batch_count, answer);
	if (count == 0)
		return false;
	if (!take_answers(s, answer, count, &replayed))
		return false;
	return replayed == 0 || wrong(s, "a new id was answered as a repeated one");
}

/* ---- looking -------------------------------------------------------------------------------------------------------- */

static bool read_state(struct shopper *s, const struct shop_model *m, char **answer)
{
	char text[512];
	snprintf(text, sizeof text,
	         "[{\"type\":\"cart.get\",\"cart\":%llu},{\"type\":\"payment.get\",\"payment\":%llu},"
	         "{\"type\":\"reward.get\",\"reward\":%u}]",
	         ID(m->cart), ID(m->payment.id), OWN_REWARDS + s->number);
	return peer_ask(&s->peer, text, s->reply, sizeof s->reply) && text_split(s->reply, answer, 3) == 3;
}

static bool matches(const struct shop_model *m, char **answer)
{
	return cart_matches(m, answer[0]) && payment_matches(&m->payment, answer[1]) && reward_matches(m, answer[2]);
}

bool shopper_look(struct shopper *s)
{
	char *answer[3];
	if (!read_state(s, &s->model[0], answer))
		return false;
	if (!matches(&s->model[0], answer))
		return wrong(s, "the state is not what was acknowledged: %.300s %.250s %.200s", answer[0], answer[1], answer[2]);
	return true;
}

/* After how many events of the batch the state is as it was found: a bit for each that it can be. */
static bool find_done(struct shopper *s, unsigned *done)
{
	char *answer[3];
	*done = 0;
	for (size_t i = 0; i <= s->batch_count; i++) {
		if (!read_state(s, &s->model[i], answer))
			return false;
		*done |= (unsigned)matches(&s->model[i], answer) << i;
	}
	return *done != 0 || wrong(s, "an event is half done: %.300s %.250s %.200s", answer[0], answer[1], answer[2]);
}

static bool finish_batch(struct shopper *s)
{
	char *answer[SHOP_BATCH];
	unsigned done;
	size_t replayed;
	if (!find_done(s, &done))
		return false;
	size_t all = s->batch_count, count = ask_all(s, s->batch, all, answer);
	if (count == 0 || !take_answers(s, answer, count, &replayed))
		return false;
	if (!(done >> replayed & 1))
		return wrong(s, "%zu events are answered as done, the state is that of others (%x)", replayed, done);
	s->found_done += replayed;
	s->found_new += all - replayed;
	return true;
}

static bool ask_again(struct shopper *s)
{
	char *answer[SHOP_KEPT], plain[ANSWER_TEXT];
	size_t count = s->kept_count < SHOP_KEPT ? (size_t)s->kept_count : SHOP_KEPT;
	if (count == 0)
		return true;
	size_t found = ask_all(s, s->kept, count, answer);
	if (found != count)
		return found == 0 ? false : wrong(s, "%zu answers to %zu repeated events", found, count);
	for (size_t i = 0; i < count; i++)
		if (!without_note(answer[i], plain, sizeof plain) || strcmp(plain, s->kept[i].answer) != 0)
			return wrong(s, "%s was first answered %s and now %s", s->kept[i].text, s->kept[i].answer, answer[i]);
	return true;
}

bool shopper_come_back(struct shopper *s)
{
	if (s->is_waiting && !finish_batch(s))
		return false;
	return ask_again(s) && shopper_look(s);
}

bool shopper_audit(struct shopper *s)
{
	for (size_t i = 0; i < s->payment_count; i++) {
		char text[128];
		snprintf(text, sizeof text, "{\"type\":\"payment.get\",\"payment\":%llu}", ID(s->payments[i].id));
		if (!peer_ask(&s->peer, text, s->reply, sizeof s->reply))
			return wrong(s, "no answer to %s", text);
		if (!payment_matches(&s->payments[i], s->reply))
			return wrong(s, "a payment of old is now %s", s->reply);
	}
	return true;
}
