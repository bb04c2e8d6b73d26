#include "cmd/trovectl/progress.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { INTERVAL_MS = 100, BAR_WIDTH = 30 };

void progress_init(struct progress *p, const char *unit)
{
	*p = (struct progress){.unit = unit, .is_shown = isatty(STDERR_FILENO) == 1, .start_ns = clock_monotonic_ns()};
}

void progress_update(struct progress *p, uint64_t done, double fraction)
{
	int64_t now_ns = clock_monotonic_ns();
	if (!p->is_shown || now_ns - p->drawn_ns < INTERVAL_MS * 1000000ll)
		return;
	p->drawn_ns = now_ns;
	double rate = (double)done * 1e9 / (double)(now_ns - p->start_ns + 1);
	char bar[BAR_WIDTH + 1] = "";
	if (fraction >= 0) {
		int filled = (int)((fraction > 1 ? 1 : fraction) * BAR_WIDTH);
		memset(bar, '.', BAR_WIDTH);
		memset(bar, '#', (size_t)filled);
		fprintf(stderr, "\r[%s] %3.0f %%  ", bar, fraction * 100);
	} else {
		fputc('\r', stderr);
	}
	fprintf(stderr, "%llu %s, %.0f per second\033[K", (unsigned long long)done, p->unit, rate);
}

void progress_clear(struct progress *p)
{
	if (p->is_shown && p->drawn_ns != 0)
		fputs("\r\033[K", stderr);
	p->drawn_ns = 0;
}
