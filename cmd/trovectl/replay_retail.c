#include "cmd/trovectl/replay_retail.h"

#include "cmd/trovectl/exchange.h"
#include "cmd/trovectl/retail_events.h"
#include "cmd/trovectl/retail_report.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { BATCH_DEFAULT = 1024, IN_FLIGHT_DEFAULT = 8, TRIES_MAX = 2000, ATTEMPTS_MAX = 8, WAIT_MS_LEAST = 5, WAIT_MS_MOST = 1000 };

/* The answer to an event that was sent alone. */
struct outcome {
	bool is_there, is_replayed;
	status code;
	uint32_t retry_after_ms;
	char text[192];
};

/* Numbers of invoices or refunds; room for all of them. */
struct list {
	uint32_t *item;
	uint32_t count;
};

struct seller {
	const struct settings *settings;
	struct replay_retail_options options;
	struct exchange exchange;
	struct retail retail;
	struct progress progress;
	struct complaints bad_rows, errors;
	struct retail_counts counts;
	struct list ready, broken; /* sales: to be paid; where an answer was a refusal */
	struct list refunds;       /* refused */
	struct outcome *alone;     /* where the answer goes; NULL: to the invoice */
	uint64_t sent, lost;
	int64_t start_ns;
	const char *lost_why;
	bool is_stopped; /* the service has forgotten ids: nothing more may be sent */
};

/* ---- answers -------------------------------------------------------------------------------- */

static void keep_outcome(struct outcome *o, const struct frame_result *r)
{
	const struct result_header *h = r->head;
	*o = (struct outcome){
		.is_there = true,
		.is_replayed = (h->flags & RESULT_REPLAYED) != 0,
		.code = (status)h->code,
		.retry_after_ms = h->retry_after_ms,
	};
	snprintf(o->text, sizeof o->text, "%s: %.*s%s%.*s", status_code(o->code), (int)h->field.bytes, r->text + h->field.offset,
	         h->field.bytes != 0 ? ": " : "", (int)h->message.bytes, r->text + h->message.offset);
}

/* Whether the answer says what the lines say. */
static bool is_true(struct seller *s, const struct batch_event *e, const struct frame_result *r)
{
	enum retail_step step = retail_step_of(e);
	if ((step != STEP_checkout && step != STEP_capture) || r->payment == NULL)
		return true;
	int64_t found = step == STEP_checkout ? r->payment->authorized : r->payment->captured;
	int64_t expected = s->retail.invoice[retail_index_of(e)].total;
	if (found == expected)
		return true;
	complaint_add(&s->errors, e->line, "the payment's amount is %lld, the invoice's lines come to %lld", (long long)found,
	              (long long)expected);
	return false;
}

static void stage_is_over(struct seller *s, uint32_t index)
{
	struct retail_invoice *invoice = &s->retail.invoice[index];
	if (invoice->state == RETAIL_failed)
		return;
	if (invoice->is_bad) {
		s->broken.item[s->broken.count++] = index;
	} else if (invoice->state == RETAIL_filling) {
		invoice->state = RETAIL_filled;
		s->ready.item[s->ready.count++] = index;
	} else {
		invoice->state = RETAIL_done;
	}
}

static void take_answer(struct seller *s, const struct batch_event *e, bool is_ok)
{
	enum retail_step step = retail_step_of(e);
	if (step == STEP_refund) {
		s->retail.refund[retail_index_of(e)].is_done = is_ok;
		if (!is_ok)
			s->refunds.item[s->refunds.count++] = retail_index_of(e);
		return;
	}
	uint32_t index = retail_invoice_of(&s->retail, step, retail_index_of(e));
	struct retail_invoice *invoice = &s->retail.invoice[index];
	invoice->is_bad |= !is_ok;
	if (--invoice->pending == 0)
		stage_is_over(s, index);
}

static void on_result(void *context, const struct exchange_result *r)
{
	struct seller *s = context;
	if (r->result == NULL) {
		s->lost++;
		s->lost_why = r->error;
		return;
	}
	bool is_ok = r->result->head->code == STATUS_ok;
	bool is_replayed = (r->result->head->flags & RESULT_REPLAYED) != 0;
	s->counts.replayed += is_ok && is_replayed;
	if (is_ok && !is_true(s, r->event, r->result)) {
		uint32_t index = retail_index_of(r->event);
		s->retail.invoice[index].state = RETAIL_failed;
	}
	if (s->alone != NULL)
		keep_outcome(s->alone, r->result);
	else
		take_answer(s, r->event, is_ok);
}

static void on_message(void *context, int64_t latency_ns, uint32_t events)
{
	(void)context;
	(void)latency_ns;
	(void)events;
}

/* ---- sending ---------------------------------------------------------------------------------- */

static void send_batch(struct seller *s)
{
	int64_t due_ns = 0;
	if (s->options.rate > 0) {
		due_ns = s->start_ns + (int64_t)((double)s->sent * 1e9 / s->options.rate);
		exchange_wait_until(&s->exchange, due_ns);
	}
	exchange_send(&s->exchange, due_ns);
}

static uint32_t room(struct seller *s)
{
	const struct batch *batch = exchange_batch(&s->exchange);
	return batch->capacity - batch->count;
}

static void push(struct seller *s, enum retail_step step, uint32_t index, uint32_t attempt)
{
	if (room(s) == 0) {
		/* In the middle of something: what comes may not overtake it. */
		send_batch(s);
		exchange_drain(&s->exchange);
	}
	struct batch_event *e = batch_add(exchange_batch(&s->exchange));
	CHECK(e != NULL, "a full batch was not sent");
	retail_event(&s->retail, step, index, attempt, e);
	s->sent++;
}

/* What waits to be paid, as it fits. */
static void push_ready(struct seller *s)
{
	while (s->ready.count != 0) {
		uint32_t index = s->ready.item[--s->ready.count];
		if (room(s) < 2)
			send_batch(s);
		s->retail.invoice[index].state = RETAIL_paying;
		s->retail.invoice[index].pending = 2;
		push(s, STEP_checkout, index, 0);
		push(s, STEP_capture, index, 0);
	}
}

/* ---- one after the other, where an answer was a refusal ------------------------------------------- */

static bool may_go_on(const struct seller *s) { return s->lost == 0 && !s->is_stopped; }

static void ask_alone(struct seller *s, enum retail_step step, uint32_t index, uint32_t attempt, struct outcome *outcome)
{
	*outcome = (struct outcome){};
	s->alone = outcome;
	push(s, step, index, attempt);
	exchange_send(&s->exchange, 0);
	exchange_drain(&s->exchange);
	s->alone = NULL;
}

static void fail_step(struct seller *s, enum retail_step step, uint32_t index, const struct outcome *o)
{
	struct batch_event e = {};
	retail_event(&s->retail, step, index, 0, &e);
	complaint_add(&s->errors, e.line, "%s: %s", event_name(e.type), o->text);
	if ((step != STEP_open && step != STEP_checkout) || o->code != STATUS_already_exists)
		return;
	s->is_stopped = true;
	progress_clear(&s->progress);
	fputs("trovectl: the service knows this invoice but has forgotten the ids of its events, and would refund twice;\n"
	      "trovectl: nothing more is sent. See idempotency.capacity and idempotency.age_ms in trovectl replay --help\n", stderr);
}

/* Until it is done, or refused for good. A refusal that stands under the id because an event before it had
 * not been taken is asked again under another id, always the same ones. */
static bool do_alone(struct seller *s, enum retail_step step, uint32_t index)
{
	struct outcome o;
	uint32_t attempt = 0;
	for (uint32_t tries = 0; tries < TRIES_MAX; tries++) {
		ask_alone(s, step, index, attempt, &o);
		if (!o.is_there || o.code == STATUS_ok)
			return o.is_there;
		if (status_retry(o.code) == RETRY_same_id) {
			uint32_t ms = o.retry_after_ms < WAIT_MS_LEAST ? WAIT_MS_LEAST : o.retry_after_ms;
			s->counts.sent_again++;
			exchange_wait_until(&s->exchange, clock_monotonic_ns() + (ms < WAIT_MS_MOST ? ms : WAIT_MS_MOST) * 1000000ll);
		} else if (o.is_replayed && o.code == STATUS_not_found && attempt < ATTEMPTS_MAX) {
			attempt++;
			s->counts.sent_again++;
		} else {
			break;
		}
	}
	fail_step(s, step, index, &o);
	return false;
}

static bool fill_alone(struct seller *s, uint32_t index)
{
	const struct retail_invoice *invoice = &s->retail.invoice[index];
	bool is_ok = do_alone(s, STEP_open, index);
	for (uint32_t i = invoice->first; i != RETAIL_NONE && is_ok && may_go_on(s); i = s->retail.line[i].next) {
		if (s->retail.line[i].introduces_sku)
			is_ok = do_alone(s, STEP_product, i);
		if (s->retail.line[i].quantity != 0)
			is_ok = is_ok && do_alone(s, STEP_add, i);
	}
	return is_ok && may_go_on(s);
}

static void mend_invoice(struct seller *s, uint32_t index)
{
	struct retail_invoice *invoice = &s->retail.invoice[index];
	bool is_filling = invoice->state == RETAIL_filling;
	invoice->is_bad = false;
	bool is_ok = is_filling ? fill_alone(s, index) : do_alone(s, STEP_checkout, index) && do_alone(s, STEP_capture, index);
	if (invoice->state == RETAIL_failed)
		return;
	invoice->state = !is_ok ? RETAIL_failed : is_filling ? RETAIL_filled : RETAIL_done;
	if (is_ok && is_filling)
		s->ready.item[s->ready.count++] = index;
}

/* Nothing is on its way when it is called. */
static void mend(struct seller *s)
{
	while (s->broken.count != 0 && may_go_on(s))
		mend_invoice(s, s->broken.item[--s->broken.count]);
	while (s->refunds.count != 0 && may_go_on(s)) {
		uint32_t index = s->refunds.item[--s->refunds.count];
		s->retail.refund[index].is_done = do_alone(s, STEP_refund, index);
	}
}

/* Everything that was begun is brought to its end. */
static void settle(struct seller *s)
{
	do {
		push_ready(s);
		send_batch(s);
		exchange_drain(&s->exchange);
		if (may_go_on(s))
			mend(s);
	} while (may_go_on(s) && (s->ready.count != 0 || s->broken.count != 0 || s->refunds.count != 0));
}

/* ---- invoices ---------------------------------------------------------------------------------------- */

static void sell(struct seller *s, uint32_t index)
{
	struct retail_invoice *invoice = &s->retail.invoice[index];
	uint32_t products = 0;
	for (uint32_t i = invoice->first; i != RETAIL_NONE; i = s->retail.line[i].next)
		products += s->retail.line[i].introduces_sku;
	uint32_t events = 1 + invoice->lines + products;
	if (room(s) < events)
		send_batch(s);
	invoice->state = RETAIL_filling;
	invoice->pending = events;
	for (uint32_t i = invoice->first; i != RETAIL_NONE; i = s->retail.line[i].next)
		if (s->retail.line[i].introduces_sku)
			push(s, STEP_product, i, 0);
	push(s, STEP_open, index, 0);
	for (uint32_t i = invoice->first; i != RETAIL_NONE; i = s->retail.line[i].next)
		if (s->retail.line[i].quantity != 0)
			push(s, STEP_add, i, 0);
}

static void cancel(struct seller *s, const struct retail_invoice *cancellation)
{
	for (uint32_t i = 0; i < cancellation->refunds && may_go_on(s); i++) {
		uint32_t index = cancellation->first_refund + i;
		const struct retail_invoice *sale = &s->retail.invoice[s->retail.refund[index].invoice];
		if (sale->state != RETAIL_done && sale->state != RETAIL_failed)
			settle(s);
		if (sale->state == RETAIL_done) {
			if (room(s) == 0)
				send_batch(s);
			push(s, STEP_refund, index, 0);
		} else if (may_go_on(s)) {
			complaint_add(&s->errors, s->retail.line[s->retail.refund[index].line].file_line,
			              "no refund: the sale was not paid");
		}
	}
}

static void send_invoices(struct seller *s)
{
	s->start_ns = s->progress.start_ns = clock_monotonic_ns();
	for (uint32_t i = 0; i < s->retail.invoice_count && may_go_on(s); i++) {
		push_ready(s);
		if (s->retail.invoice[i].kind == RETAIL_sale)
			sell(s, i);
		else if (s->retail.invoice[i].kind == RETAIL_cancellation)
			cancel(s, &s->retail.invoice[i]);
		if (s->broken.count + s->refunds.count != 0)
			settle(s);
		progress_update(&s->progress, s->sent, (double)i / s->retail.invoice_count);
	}
	if (may_go_on(s))
		settle(s);
	exchange_drain(&s->exchange);
	s->counts.seconds = (double)(clock_monotonic_ns() - s->start_ns) / 1e9;
}

/* ---- the whole ------------------------------------------------------------------------------------------ */

static int exit_code(const struct seller *s)
{
	if (fflush(stdout) != 0) {
		fprintf(stderr, "trovectl: standard output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	if (s->lost != 0) {
		fprintf(stderr, "trovectl: %s: no reply for %llu events: %s; send the file again from its start\n", s->settings->url,
		        (unsigned long long)s->lost, s->lost_why);
		return EX_UNAVAILABLE;
	}
	if (s->errors.count != 0)
		return 1;
	return s->bad_rows.count != 0 ? EX_DATAERR : EX_OK;
}

static bool make_lists(struct seller *s)
{
	s->ready.item = calloc((size_t)s->retail.invoice_count + 1, sizeof *s->ready.item);
	s->broken.item = calloc((size_t)s->retail.invoice_count + 1, sizeof *s->broken.item);
	s->refunds.item = calloc((size_t)s->retail.refund_count + 1, sizeof *s->refunds.item);
	return s->ready.item != NULL && s->broken.item != NULL && s->refunds.item != NULL;
}

static int send_all(struct seller *s)
{
	struct exchange_options options = {
		.settings = s->settings,
		.in_flight = s->options.in_flight != 0 ? (uint32_t)s->options.in_flight : IN_FLIGHT_DEFAULT,
		.batch = s->options.batch != 0 ? (uint32_t)s->options.batch : BATCH_DEFAULT,
		.on_result = on_result,
		.on_message = on_message,
		.context = s,
	};
	int code = exchange_open(&s->exchange, &options);
	if (code != EX_OK)
		return code;
	send_invoices(s);
	progress_clear(&s->progress);
	s->counts.events = s->sent;
	s->counts.errors = s->errors.count;
	s->counts.bad_rows = s->bad_rows.count;
	code = retail_report(&s->retail, &s->counts, s->options.by, s->settings->json) ? exit_code(s) : EX_OSERR;
	exchange_close(&s->exchange);
	return code;
}

int replay_retail(const struct settings *settings, const struct replay_retail_options *options, struct csv *csv)
{
	struct seller *s = calloc(1, sizeof *s);
	int code = EX_OSERR;
	if (s == NULL)
		return code;
	s->settings = settings;
	s->options = *options;
	s->bad_rows = s->errors = (struct complaints){.path = options->path, .progress = &s->progress};
	progress_init(&s->progress, "lines read");
	if (retail_read(&s->retail, csv, &s->bad_rows) && make_lists(s)) {
		s->progress.unit = "events";
		code = send_all(s);
	} else {
		fprintf(stderr, "trovectl: %s: no memory for its invoices\n", options->path);
	}
	retail_free(&s->retail);
	free(s->ready.item);
	free(s->broken.item);
	free(s->refunds.item);
	free(s);
	return code;
}
