#include "cmd/trovectl/ledger_sqlite.h"

#include "cmd/trovectl/time_text.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct ledger_sqlite {
	sqlite3 *base;
	sqlite3_stmt *entry, *payment, *opening;
	bool is_failed;
};

static const char schema[] =
	"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" /* a new file; made durable and renamed when it is whole */
	"BEGIN;"
	"CREATE TABLE entries (seq INTEGER PRIMARY KEY, time TEXT NOT NULL, payment TEXT NOT NULL, event TEXT NOT NULL,"
	" amount INTEGER NOT NULL, currency TEXT NOT NULL, state TEXT NOT NULL, authorized INTEGER NOT NULL,"
	" captured INTEGER NOT NULL, refunded INTEGER NOT NULL, voided INTEGER NOT NULL, cart TEXT, actor TEXT, id TEXT,"
	" recorded TEXT NOT NULL, payment_seq INTEGER NOT NULL);"
	"CREATE TABLE openings (payment TEXT PRIMARY KEY, state TEXT NOT NULL, currency TEXT NOT NULL,"
	" authorized INTEGER NOT NULL, captured INTEGER NOT NULL, refunded INTEGER NOT NULL, voided INTEGER NOT NULL,"
	" cart TEXT, actor TEXT, time TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE payments (payment TEXT NOT NULL, state TEXT NOT NULL, currency TEXT NOT NULL,"
	" authorized INTEGER NOT NULL, captured INTEGER NOT NULL, refunded INTEGER NOT NULL, voided INTEGER NOT NULL,"
	" cart TEXT, actor TEXT, first_time TEXT NOT NULL, last_time TEXT NOT NULL, last_seq INTEGER NOT NULL,"
	" payment_seq INTEGER NOT NULL, PRIMARY KEY (payment, payment_seq)) WITHOUT ROWID;";
static const char add_entry[] = "INSERT INTO entries VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)";
static const char add_opening[] = "INSERT INTO openings VALUES (?3,?7,?6,?8,?9,?10,?11,?12,?13,?2,?1)";
static const char put_payment[] =
	"INSERT INTO payments VALUES (?3,?7,?6,?8,?9,?10,?11,?12,?13,?2,?2,?1,?16)"
	" ON CONFLICT (payment, payment_seq) DO UPDATE SET state=?7,"
	" authorized=?8, captured=?9, refunded=?10, voided=?11, last_time=?2, last_seq=?1";
static const char ending[] =
	"CREATE INDEX entries_by_payment ON entries (payment, seq);"
	"CREATE INDEX entries_by_time ON entries (time);"
	"CREATE INDEX payments_by_actor ON payments (actor);"
	"CREATE INDEX payments_by_cart ON payments (cart);"
	"CREATE VIEW days AS SELECT substr(time, 1, 10) AS day, currency, count(*) AS entries,"
	" sum(CASE event WHEN 'authorized' THEN amount ELSE 0 END) AS authorized,"
	" sum(CASE event WHEN 'captured' THEN amount ELSE 0 END) AS captured,"
	" sum(CASE event WHEN 'refunded' THEN amount ELSE 0 END) AS refunded,"
	" sum(CASE WHEN event IN ('voided', 'expired') THEN amount ELSE 0 END) AS voided"
	" FROM entries GROUP BY day, currency;"
	"COMMIT;";

static void release(struct ledger_sqlite *l)
{
	sqlite3_finalize(l->entry);
	sqlite3_finalize(l->payment);
	sqlite3_finalize(l->opening);
	sqlite3_close(l->base);
	free(l);
}

struct ledger_sqlite *ledger_sqlite_open(const char *path, char *problem, size_t capacity)
{
	struct ledger_sqlite *l = calloc(1, sizeof *l);
	snprintf(problem, capacity, "no memory");
	if (l == NULL)
		return NULL;
	if (sqlite3_open(path, &l->base) == SQLITE_OK && sqlite3_exec(l->base, schema, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(l->base, add_entry, -1, &l->entry, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(l->base, add_opening, -1, &l->opening, NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(l->base, put_payment, -1, &l->payment, NULL) == SQLITE_OK)
		return l;
	if (l->base != NULL)
		snprintf(problem, capacity, "%s", sqlite3_errmsg(l->base));
	release(l);
	return NULL;
}

static void bind_id(sqlite3_stmt *s, int place, bool is_there, struct identifier id)
{
	char text[IDENTIFIER_TEXT_BYTES];
	if (!is_there) {
		sqlite3_bind_null(s, place);
		return;
	}
	identifier_format(id, text);
	sqlite3_bind_text(s, place, text, -1, SQLITE_TRANSIENT);
}

static struct identifier id_of(struct wire_id id, uint32_t flags, uint32_t is_uuid)
{
	return (struct identifier){id.low, id.high, (flags & is_uuid) != 0};
}

static void bind_time(sqlite3_stmt *s, int place, int64_t ms)
{
	char text[TIME_TEXT_BYTES];
	time_format(ms, text);
	sqlite3_bind_text(s, place, text, -1, SQLITE_TRANSIENT);
}

/* What both tables take has the same number in both statements. */
static void bind_shared(sqlite3_stmt *s, const struct ledger_row *row)
{
	const struct payment_record *p = &row->payment;
	sqlite3_bind_int64(s, 1, (sqlite3_int64)row->seq);
	bind_time(s, 2, row->time_ms);
	bind_id(s, 3, true, id_of(p->payment, p->flags, EVENT_PAYMENT_IS_UUID));
	sqlite3_bind_text(s, 6, p->currency, CURRENCY_BYTES, SQLITE_TRANSIENT);
	sqlite3_bind_text(s, 7, payment_state_name((enum payment_state)p->state), -1, SQLITE_STATIC);
	sqlite3_bind_int64(s, 8, p->authorized);
	sqlite3_bind_int64(s, 9, p->captured);
	sqlite3_bind_int64(s, 10, p->refunded);
	sqlite3_bind_int64(s, 11, p->voided);
	bind_id(s, 12, (p->flags & EVENT_HAS_CART) != 0, id_of(p->cart, p->flags, EVENT_CART_IS_UUID));
	bind_id(s, 13, (p->flags & EVENT_HAS_ACTOR) != 0, id_of(p->actor, p->flags, EVENT_ACTOR_IS_UUID));
}

static bool step(struct ledger_sqlite *l, sqlite3_stmt *s)
{
	l->is_failed |= sqlite3_step(s) != SQLITE_DONE;
	sqlite3_reset(s);
	return !l->is_failed;
}

bool ledger_sqlite_add(struct ledger_sqlite *l, const struct ledger_row *row)
{
	if (l->is_failed)
		return false;
	bind_shared(l->payment, row);
	sqlite3_bind_int64(l->payment, 16, (sqlite3_int64)row->payment_seq);
	if (row->event == LEDGER_opening) {
		bind_shared(l->opening, row);
		return step(l, l->opening) && step(l, l->payment);
	}
	bind_shared(l->entry, row);
	sqlite3_bind_text(l->entry, 4, ledger_event_name(row->event), -1, SQLITE_STATIC);
	sqlite3_bind_int64(l->entry, 5, row->amount);
	bind_id(l->entry, 14, row->has_id, row->id);
	bind_time(l->entry, 15, row->recorded_ms);
	sqlite3_bind_int64(l->entry, 16, (sqlite3_int64)row->payment_seq);
	return step(l, l->entry) && step(l, l->payment);
}

bool ledger_sqlite_close(struct ledger_sqlite **out, char *problem, size_t capacity)
{
	struct ledger_sqlite *l = *out;
	*out = NULL;
	bool is_ok = !l->is_failed && sqlite3_exec(l->base, ending, NULL, NULL, NULL) == SQLITE_OK;
	if (!is_ok)
		snprintf(problem, capacity, "%s", sqlite3_errmsg(l->base));
	release(l);
	return is_ok;
}
