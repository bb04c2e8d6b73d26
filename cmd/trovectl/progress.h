/*
 * progress: one line on a terminal's stderr that says how far long work is; nothing
 * where stderr is no terminal. Drawn at most ten times a second. One thread.
 */
#ifndef CMD_TROVECTL_PROGRESS_H
#define CMD_TROVECTL_PROGRESS_H

#include <stdint.h>

struct progress {
	const char *unit; /* "rewards" */
	bool is_shown;
	int64_t start_ns, drawn_ns;
};

void progress_init(struct progress *p, const char *unit);
/* fraction: 0 to 1 of the work, or below 0 where nobody knows. */
void progress_update(struct progress *p, uint64_t done, double fraction);
/* Takes the line away, before other output on stderr. */
void progress_clear(struct progress *p);

#endif
