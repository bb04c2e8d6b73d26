/* Which of the journal's files are needed. A file is the unit: what is needed in it keeps all of it. */
#include "engine/shard/shadow.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

/* First sequence of the file that holds the place; of the oldest one if that is gone already. */
static uint64_t first_of_place(const struct shadow *s, size_t count, uint64_t place)
{
	size_t i = count;
	while (i > 1 && s->files[i - 1].place > place)
		i--;
	return s->files[i - 1].first_sequence;
}

static uint64_t first_of_ids(const struct shadow *s, size_t count)
{
	uint64_t place;
	bool is_any = idempotency_oldest(&s->commerce.idempotency, shadow_unix_ms(s), &place);
	return is_any ? first_of_place(s, count, place) : UINT64_MAX;
}

static uint64_t first_of_payments(const struct shadow *s, size_t count)
{
	uint64_t place;
	return history_oldest(&s->commerce.payment_history, &place) ? first_of_place(s, count, place) : UINT64_MAX;
}

static void note_time(void *context, const struct journal_record *record) { *(int64_t *)context = record->time_ms; }

/* First sequence of the oldest file with a record younger than data.retention_ms: the one behind it begins later. */
static uint64_t first_young(const struct shadow *s, size_t count, uint64_t below)
{
	int64_t from_ms = shadow_unix_ms(s) - s->options->retention_ms;
	for (size_t i = 0; i + 1 < count; i++) {
		int64_t time_ms = INT64_MAX;
		uint64_t last, next = s->files[i + 1].first_sequence;
		if (next > below || journal_read(s->journal, next - 1, 1, note_time, &time_ms, &last) != STATUS_ok || time_ms >= from_ms)
			return s->files[i].first_sequence;
	}
	return below;
}

/* Room is left for files that are made ahead, and for what comes until the next look. */
static size_t files_wanted(const struct shadow *s)
{
	size_t most = (size_t)s->journal_options->segments_max;
	return most - most / 4 > 4 ? most - most / 4 - 3 : 1;
}

static void say_short(struct shadow *s, bool is_short)
{
	if (is_short && !s->is_short)
		log_warning("snapshot", "data.segments_max is nearly reached: closed payments in the oldest files are forgotten before "
		                        "payments.history is full; raise data.segments_max to keep them");
	s->is_short = is_short;
}

static void say_stuck(struct shadow *s, bool is_stuck)
{
	if (is_stuck && !s->is_stuck)
		log_warning("snapshot", "data.segments_max is nearly reached, and remembered ids need all files: raise it, or lower "
		                        "idempotency.capacity or idempotency.age_ms; else changes will be answered journal_full");
	s->is_stuck = is_stuck;
}

void shadow_drop_files(struct shadow *s)
{
	size_t count = journal_files(s->journal, s->files, SHADOW_FILES_MAX);
	if (s->needed == 0 || count == 0)
		return;
	/* What cannot go, and what shall not if there is room. */
	uint64_t covered = s->needed + 1;
	uint64_t must = least(covered, first_of_ids(s, count));
	uint64_t history = least(must, first_of_payments(s, count));
	uint64_t shall = least(history, first_young(s, count, history));
	if (count > files_wanted(s)) {
		uint64_t wanted = s->files[count - files_wanted(s)].first_sequence;
		uint64_t below = least(wanted, must);
		shall = below > shall ? below : shall;
		say_stuck(s, must < covered && must < wanted);
	} else {
		say_stuck(s, false);
	}
	say_short(s, shall > history);
	journal_drop_before(s->journal, shall);
}
