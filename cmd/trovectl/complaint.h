/*
 * complaint: what is wrong with lines of a file, on stderr, as FILE:LINE: what. The
 * first ones are printed, all are counted. One thread.
 */
#ifndef CMD_TROVECTL_COMPLAINT_H
#define CMD_TROVECTL_COMPLAINT_H

#include "cmd/trovectl/progress.h"

struct complaints {
	const char *path;
	struct progress *progress; /* cleared before a line is printed */
	uint64_t count;
};

[[gnu::format(printf, 3, 4)]] void complaint_add(struct complaints *c, uint64_t line, const char *format, ...);

#endif
