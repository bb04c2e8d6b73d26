/*
 * ledger_sqlite: the ledger as an SQLite database (https://sqlite.org): `payments` (each one's last
 * state), `openings` (what stood in them before the oldest entry), `entries` (every change), `days` (a view: sums per
 * day and currency). The only file of trovectl that sees the library. The path is borrowed for the call. One thread.
 */
#ifndef CMD_TROVECTL_LEDGER_SQLITE_H
#define CMD_TROVECTL_LEDGER_SQLITE_H

#include "cmd/trovectl/ledger.h"

struct ledger_sqlite;

/* A new database. NULL: problem says why. The caller's until ledger_sqlite_close. */
struct ledger_sqlite *ledger_sqlite_open(const char *path, char *problem, size_t capacity);
bool ledger_sqlite_add(struct ledger_sqlite *l, const struct ledger_row *row);
/* Indexes, view, commit (unless it failed before). false: problem says why. Everything is given back. */
bool ledger_sqlite_close(struct ledger_sqlite **l, char *problem, size_t capacity);

#endif
