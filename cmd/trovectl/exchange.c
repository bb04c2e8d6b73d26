#include "cmd/trovectl/exchange.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

static void tell(const struct exchange *x, const struct batch_event *event, const struct frame_result *result,
                 const char *error)
{
	struct exchange_result r = {event, result, error};
	x->options.on_result(x->options.context, &r);
}

/* One result for each event; the refusal of a whole message stands for all of its events. */
static void take_results(const struct exchange *x, const struct batch *batch, const struct client_reply *reply)
{
	struct frame_reader reader;
	struct frame_result result = {};
	frame_reader_open(&reader, reply->bytes, reply->count);
	uint32_t i = 0;
	for (; i < batch->count && frame_reader_has_next(&reader); i++) {
		if (frame_reader_next(&reader, &result) != STATUS_ok)
			break;
		if (result.event_type == EVENT_NONE && result.head->type == RESULT_error) {
			for (; i < batch->count; i++)
				tell(x, &batch->event[i], &result, NULL);
			return;
		}
		tell(x, &batch->event[i], &result, NULL);
	}
	for (; i < batch->count; i++)
		tell(x, &batch->event[i], NULL, "the reply is malformed, or has too few results");
}

static void on_reply(void *context, const struct client_reply *reply)
{
	const struct exchange *x = context;
	struct batch *batch = &x->batch[reply->tag];
	int64_t due_ns = x->due_ns[reply->tag];
	if (reply->error == NULL) {
		int64_t latency_ns = reply->latency_ns + (due_ns != 0 ? reply->sent_ns - due_ns : 0);
		x->options.on_message(x->options.context, latency_ns, batch->count);
		take_results(x, batch, reply);
	} else {
		for (uint32_t i = 0; i < batch->count; i++)
			tell(x, &batch->event[i], NULL, reply->error);
	}
	batch->count = 0;
}

static bool make_batches(struct exchange *x)
{
	uint32_t count = x->options.in_flight + 1;
	x->batch = calloc(count, sizeof *x->batch);
	x->due_ns = calloc(count, sizeof *x->due_ns);
	if (x->batch == NULL || x->due_ns == NULL)
		return false;
	for (uint32_t i = 0; i < count; i++)
		if (!batch_init(&x->batch[i], x->options.batch))
			return false;
	return true;
}

int exchange_open(struct exchange *x, const struct exchange_options *options)
{
	*x = (struct exchange){.options = *options};
	struct option_problem problem = {"out of memory"};
	struct client_options client_options = {
		.url = options->settings->url,
		.in_flight = options->in_flight,
		.timeout_ms = options->settings->timeout_ms,
		.sends_again = true, /* every change has an id */
		.on_reply = on_reply,
		.context = x,
	};
	if (!make_batches(x)) {
		fprintf(stderr, "trovectl: no memory for %u batches of %u events\n", options->in_flight, options->batch);
		exchange_close(x);
		return EX_OSERR;
	}
	if (client_open(&x->client, &client_options, &problem) == STATUS_ok)
		return EX_OK;
	fprintf(stderr, "trovectl: %s\n", problem.text);
	exchange_close(x);
	return EX_UNAVAILABLE;
}

void exchange_close(struct exchange *x)
{
	client_close(&x->client);
	for (uint32_t i = 0; x->batch != NULL && i <= x->options.in_flight; i++)
		batch_deinit(&x->batch[i]);
	free(x->batch);
	free(x->due_ns);
	x->batch = NULL;
	x->due_ns = NULL;
}

struct batch *exchange_batch(struct exchange *x) { return &x->batch[x->current]; }

void exchange_send(struct exchange *x, int64_t due_ns)
{
	struct batch *batch = exchange_batch(x);
	if (batch->count == 0)
		return;
	x->due_ns[x->current] = due_ns;
	x->messages++;
	client_send(x->client, batch->bytes, batch_encode(batch), x->current);
	x->current = (x->current + 1) % (x->options.in_flight + 1);
}

void exchange_wait_until(struct exchange *x, int64_t moment_ns) { client_wait_until(x->client, moment_ns); }

void exchange_drain(struct exchange *x) { client_drain(x->client); }
