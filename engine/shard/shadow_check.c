/* Reads the records that a start from a snapshot did not read: is one of them damaged? */
#include "engine/shard/shadow.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

/* Few, so that a snapshot that is due, and a stop, do not wait for long. */
enum { CHECKED_AT_ONCE = 16384 };

static void pass(void *context, const struct journal_record *record)
{
	(void)context;
	(void)record;
}

static void say_damage(struct shadow *s, uint64_t sequence)
{
	atomic_store(&s->counters.damaged, sequence);
	log_error("journal",
	          "record %llu, before the snapshot of seq %llu, is lost or damaged: the state does not need it, but ids and closed "
	          "payments that point behind it, and feed.read, may find nothing. Stop troved; trovectl journal verify says which "
	          "file; put that back from a copy",
	          (unsigned long long)sequence, (unsigned long long)s->start.seq);
}

static void say_end(const struct shadow *s)
{
	log_info("journal", "the records before the snapshot are whole; read in %lld ms",
	         (long long)((clock_monotonic_ns() - s->check_ns) / 1000000));
}

/* Files may go meanwhile: then on with what is left. */
static void skip_dropped(struct shadow *s)
{
	struct journal_stat stat;
	journal_stat(s->journal, &stat);
	if (s->checked + 1 < stat.first)
		s->checked = stat.first - 1;
}

bool shadow_check(struct shadow *s)
{
	uint64_t last, until = s->start.unread;
	if (s->checked >= until)
		return false;
	if (s->check_ns == 0)
		s->check_ns = clock_monotonic_ns();
	skip_dropped(s);
	if (s->checked < until) {
		uint64_t limit = until - s->checked < CHECKED_AT_ONCE ? until - s->checked : CHECKED_AT_ONCE;
		status result = journal_read(s->journal, s->checked, (uint32_t)limit, pass, NULL, &last);
		s->checked = last;
		if (result == STATUS_malformed || result == STATUS_internal) {
			say_damage(s, last + 1);
			s->checked = until;
			return false;
		}
	}
	if (s->checked < until)
		return true;
	say_end(s);
	return false;
}
