#include "cmd/trovectl/commands.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/net/client.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct ping {
	const struct settings *settings;
	int64_t count, pongs;
	int64_t least_ns, greatest_ns, sum_ns;
	int code;
};

static const char request[] = "{\"type\":\"ping\"}";
static const char answer[] = "{\"type\":\"pong\"";

static void add_pong(struct ping *p, int64_t ns)
{
	if (p->pongs == 0 || ns < p->least_ns)
		p->least_ns = ns;
	if (ns > p->greatest_ns)
		p->greatest_ns = ns;
	p->sum_ns += ns;
	p->pongs++;
	if (!p->settings->json)
		printf("pong from %s in %.0f us\n", p->settings->url, (double)ns / 1e3);
}

static void on_reply(void *context, const struct client_reply *reply)
{
	struct ping *p = context;
	if (reply->error != NULL) {
		fprintf(stderr, "trovectl: %s: no reply: %s\n", p->settings->url, reply->error);
		p->code = EX_UNAVAILABLE;
	} else if (reply->count < sizeof answer - 1 || memcmp(reply->bytes, answer, sizeof answer - 1) != 0) {
		fprintf(stderr, "trovectl: %s: not a pong: %.*s\n", p->settings->url,
		        (int)(reply->count < 300 ? reply->count : 300), (const char *)reply->bytes);
		p->code = 1;
	} else {
		add_pong(p, reply->latency_ns);
	}
}

static void print_summary(const struct ping *p)
{
	double average_us = p->pongs == 0 ? 0 : (double)p->sum_ns / (double)p->pongs / 1e3;
	if (p->settings->json)
		printf("{\"pings\":%lld,\"pongs\":%lld,\"least_us\":%.1f,\"average_us\":%.1f,\"greatest_us\":%.1f}\n",
		       (long long)p->count, (long long)p->pongs, (double)p->least_ns / 1e3, average_us, (double)p->greatest_ns / 1e3);
	else if (p->count > 1)
		fprintf(stderr, "%lld of %lld answered; least %.0f, average %.0f, greatest %.0f us\n", (long long)p->pongs,
		        (long long)p->count, (double)p->least_ns / 1e3, average_us, (double)p->greatest_ns / 1e3);
}

static int run(struct ping *p, int64_t interval_ms)
{
	struct client *client;
	struct option_problem problem = {"out of memory"};
	struct client_options options = {
		.url = p->settings->url,
		.in_flight = 1,
		.timeout_ms = p->settings->timeout_ms,
		.on_reply = on_reply,
		.context = p,
	};
	if (client_open(&client, &options, &problem) != STATUS_ok) {
		fprintf(stderr, "trovectl: %s\n", problem.text);
		return EX_UNAVAILABLE;
	}
	for (int64_t i = 0; i < p->count && p->code == EX_OK; i++) {
		if (i != 0)
			clock_sleep_ms(interval_ms);
		client_send(client, request, sizeof request - 1, 0);
		client_drain(client);
	}
	client_close(&client);
	print_summary(p);
	return p->code;
}

int ping_main(int argc, char **argv, const struct settings *settings)
{
	struct ping p = {.settings = settings, .count = 1};
	int64_t interval_ms = 200;
	const struct argument arguments[] = {
		{"--count", ARGUMENT_integer, &p.count, 1, 1e9, "how many, one after another (1)"},
		{"--interval-ms", ARGUMENT_integer, &interval_ms, 0, 60000, "pause between two (200)"},
	};
	struct command_line line = {.command = "ping", .arguments = arguments, .count = COUNT_OF(arguments)};
	if (!arguments_parse(&line, argc, argv))
		return EX_USAGE;
	if (line.wants_help) {
		puts("usage: trovectl ping [--count N]\n\n"
		     "Sends a ping and prints how long the pong took. Exit code 69: nobody answers; 1: not a pong.\n");
		arguments_print(arguments, COUNT_OF(arguments));
		puts("\nexample: trovectl ping --count 5 --url ipc:///var/lib/trove/trove.ipc");
		return EX_OK;
	}
	if (line.operand_count != 0) {
		fprintf(stderr, "trovectl: ping takes no operand '%s'; see trovectl ping --help\n", line.operands[0]);
		return EX_USAGE;
	}
	return run(&p, interval_ms);
}
