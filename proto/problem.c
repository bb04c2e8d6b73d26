#include "proto/problem.h"

#include "proto/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Drops a character that snprintf cut in two. */
static void trim(char *text)
{
	text[text_utf8_prefix(text, strlen(text))] = '\0';
}

status problem_set(struct problem *p, status s, const char *field, const char *format, ...)
{
	p->status = s;
	snprintf(p->field, sizeof p->field, "%s", field);
	trim(p->field);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(p->message, sizeof p->message, format, arguments);
	va_end(arguments);
	trim(p->message);
	return s;
}

enum { NAME_BYTES = 32, DISTANCE_MAX = 2 };

static unsigned least(unsigned a, unsigned b) { return a < b ? a : b; }

/* Optimal string alignment: insertions, deletions, exchanges, neighbours swapped. */
static unsigned edit_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	unsigned rows[3][NAME_BYTES + 1];
	for (unsigned j = 0; j <= b_bytes; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_bytes; i++) {
		unsigned *now = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
		now[0] = i;
		for (unsigned j = 1; j <= b_bytes; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return rows[a_bytes % 3][b_bytes];
}

const char *problem_nearest(const char *text, size_t bytes, const char *const *names, size_t count)
{
	const char *best = NULL;
	unsigned best_distance = DISTANCE_MAX + 1;
	if (bytes > NAME_BYTES)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t name_bytes = strlen(names[i]);
		unsigned distance = name_bytes > NAME_BYTES ? best_distance : edit_distance(text, bytes, names[i], name_bytes);
		/* Half of the letters wrong is another word, not a slip. */
		if (distance < best_distance && (size_t)2 * distance < name_bytes + 1)
			best_distance = distance, best = names[i];
	}
	return best;
}
