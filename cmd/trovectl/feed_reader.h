/*
 * feed_reader: reads the feed (feed.read) of a service page by page, and comes back when the service
 * does. One thread; the reader's memory and connection are its own until feed_reader_close.
 */
#ifndef CMD_TROVECTL_FEED_READER_H
#define CMD_TROVECTL_FEED_READER_H

#include "cmd/trovectl/arguments.h"
#include "engine/net/client.h"

/* One publication: a JSON object without a line end. */
typedef void feed_line(void *context, const char *json, size_t bytes);

struct feed_reader {
	const struct settings *settings;
	struct client *client; /* NULL: not connected */
	feed_line *line;
	void *context;
	uint64_t last;         /* read on behind it */
	bool has_more, is_answered;
	char refusal[192];     /* the service says no: it keeps the feed no more from there on */
};

enum feed_result { FEED_READ, FEED_UNREACHABLE, FEED_REFUSED };

/* Calls line for every publication behind `last`, and moves it. */
enum feed_result feed_reader_read(struct feed_reader *f);
void feed_reader_close(struct feed_reader *f);

#endif
