/*
 * snapshot: a million open carts, empty and with three lines each, and as many remembered events,
 * saved into a file and restored from it; beside the same bytes written and synced, and read, by
 * nobody who looks at them.
 *
 * The folder is made where the program is run from: that must be on the device that is to be measured.
 */
#include "cmd/trovebench/bench.h"
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/commerce/save.h"
#include "engine/journal/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { CARTS = 1000000, BARE_STEP = 1 << 20 };

static const double save_target = 2, restore_target = 2, digest_target = 1;

struct bench {
	char folder[256], file[512], bare[512];
	struct commerce commerce;
	struct commerce_options options;
	struct snapshots snapshots;
	struct snapshot_found found;
	uint8_t *bytes;
	uint32_t lines;
	uint64_t digest;
};

/* ---- the state --------------------------------------------------------------------------------- */

static struct identifier cart_id(uint64_t n) { return (struct identifier){n * 0x9e3779b97f4a7c15u, n, true}; }

static void add_lines(struct bench *b, uint64_t n)
{
	for (uint32_t i = 0; i < b->lines; i++) {
		struct cart_line line = {.unit_price = 1000 + (int64_t)i, .quantity = 1};
		char sku[16];
		int bytes = snprintf(sku, sizeof sku, "sku-%u", (unsigned)(n * 7 + i) % 100000);
		CHECK(sku_make(&line.sku, sku, (size_t)bytes), "%s is no sku", sku);
		carts_add(&b->commerce.carts, cart_id(n), &line, 1000);
	}
}

static bool fill(struct bench *b)
{
	b->options = (struct commerce_options){
		.products_capacity = 1, .carts_capacity = CARTS, .carts_extents = b->lines > 0 ? CARTS : 1, .payments_capacity = 1,
		.claims_capacity = 1, .payments_history = 1, .idempotency_capacity = CARTS, .idempotency_age_ms = 3600000, .seed = 1,
	};
	if (commerce_setup(&b->commerce, &b->options) != STATUS_ok)
		return false;
	for (uint64_t n = 1; n <= CARTS; n++) {
		carts_open(&b->commerce.carts, &(struct cart_opening){
			.cart = cart_id(n), .currency = currency_parse("EUR"), .ttl_ms = 1800000}, 1000);
		add_lines(b, n);
		idempotency_remember(&b->commerce.idempotency, cart_id(n), n, n, 1000);
	}
	b->digest = commerce_digest(&b->commerce);
	return true;
}

/* ---- what is timed, in seconds ------------------------------------------------------------------ */

static double seconds_since(int64_t start_ns) { return (double)(clock_monotonic_ns() - start_ns) * 1e-9; }

static double save(struct bench *b)
{
	static const uint64_t identity[2] = {1, 2};
	int64_t start = clock_monotonic_ns();
	status s = snapshot_start(&b->snapshots, identity, CARTS, 1);
	if (s == STATUS_ok)
		s = commerce_save(&b->commerce, snapshot_put, &b->snapshots);
	if (s == STATUS_ok)
		s = snapshot_finish(&b->snapshots);
	CHECK(s == STATUS_ok, "%s", b->snapshots.text);
	return seconds_since(start);
}

static double write_bare(struct bench *b)
{
	int64_t start = clock_monotonic_ns();
	int file = open(b->bare, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(file >= 0, "cannot make %s", b->bare);
	for (uint64_t at = 0; at < b->found.bytes; at += BARE_STEP)
		CHECK(pwrite(file, b->bytes, BARE_STEP, (off_t)at) == BARE_STEP, "cannot write %s", b->bare);
	CHECK(fsync(file) == 0, "cannot sync %s", b->bare);
	close(file);
	return seconds_since(start);
}

static double find(struct bench *b)
{
	int64_t start = clock_monotonic_ns();
	status s = snapshot_find(&b->snapshots, NULL, &b->found);
	CHECK(s == STATUS_ok, "%s", b->found.text);
	return seconds_since(start);
}

static double restore(struct bench *b)
{
	struct commerce_restore r;
	int64_t start = clock_monotonic_ns();
	commerce_restore_start(&r, &b->commerce);
	status s = snapshot_read(&b->snapshots, b->found.sequence, commerce_restore_put, &r);
	CHECK(s == STATUS_ok && commerce_restore_finish(&r) == STATUS_ok, "%s%s", r.text, b->snapshots.text);
	return seconds_since(start);
}

static double restore_fresh(struct bench *b)
{
	commerce_teardown(&b->commerce);
	CHECK(commerce_setup(&b->commerce, &b->options) == STATUS_ok, "no memory");
	return restore(b);
}

static double reset(struct bench *b)
{
	int64_t start = clock_monotonic_ns();
	commerce_reset(&b->commerce);
	return seconds_since(start);
}

/* What a stop and a start calculate for the receipt. */
static double take_digest(struct bench *b)
{
	struct commerce_digests digests;
	int64_t start = clock_monotonic_ns();
	commerce_digest_parts(&b->commerce, &digests);
	CHECK(digests.objects != 0, "nothing was read");
	return seconds_since(start);
}

/* ---- the rows -------------------------------------------------------------------------------------- */

static void measure(struct report *r, struct bench *b, const char *group)
{
	unsigned repeat = r->arguments->repeat;
	double saved[REPEAT_MAX], bare[REPEAT_MAX], found[REPEAT_MAX], fresh[REPEAT_MAX], emptied[REPEAT_MAX], again[REPEAT_MAX];
	double digested[REPEAT_MAX];
	save(b);
	find(b);
	for (unsigned k = 0; k < repeat; k++) {
		saved[k] = save(b);
		bare[k] = write_bare(b);
	}
	for (unsigned k = 0; k < repeat; k++) {
		found[k] = find(b);
		fresh[k] = restore_fresh(b);
		emptied[k] = reset(b);
		again[k] = restore(b);
		digested[k] = take_digest(b);
	}
	CHECK(commerce_digest(&b->commerce) == b->digest, "what was restored is not what was saved");
	double save_s = bench_median(saved, repeat), bare_s = bench_median(bare, repeat);
	report_note(r, "%s: %.1f MiB in %llu records; the same bytes written and synced: %.3f s; verified: %.3f s; emptied: %.3f s",
	            group, (double)b->found.bytes / 0x1p20, (unsigned long long)b->found.records, bare_s,
	            bench_median(found, repeat), bench_median(emptied, repeat));
	report_figure(r, group, "save, s", save_s, save_target, true);
	report_figure(r, "", "restore at a start, s", bench_median(fresh, repeat), restore_target, true);
	report_figure(r, "", "restore into used memory, s", bench_median(again, repeat), restore_target, true);
	report_figure(r, "", "digest for a receipt, s", bench_median(digested, repeat), digest_target, true);
}

static bool run_one(struct report *r, struct bench *b, uint32_t lines, const char *group)
{
	b->lines = lines;
	bool is_done = fill(b);
	if (is_done)
		measure(r, b, group);
	commerce_teardown(&b->commerce);
	return is_done;
}

int bench_snapshot(const struct bench_arguments *arguments)
{
	struct report report;
	struct bench *b = calloc(1, sizeof *b);
	int code = EX_OSERR;
	if (b == NULL)
		return code;
	snprintf(b->folder, sizeof b->folder, "%s", "trovebench-snapshot.XXXXXX");
	b->bytes = calloc(1, BARE_STEP);
	report_open(&report, "snapshot", arguments);
	if (b->bytes == NULL || mkdtemp(b->folder) == NULL ||
	    snapshots_open(&b->snapshots, &(struct snapshot_options){.directory = b->folder}) != STATUS_ok) {
		fprintf(stderr, "trovebench: cannot write below the working directory: %s\n", strerror(errno));
	} else {
		snprintf(b->file, sizeof b->file, "%s/%016llx.snapshot", b->folder, (unsigned long long)CARTS);
		snprintf(b->bare, sizeof b->bare, "%s/bare", b->folder);
		bool is_done = run_one(&report, b, 0, "1 M empty carts") && run_one(&report, b, 3, "1 M carts of 3 lines");
		code = is_done ? EX_OK : EX_OSERR;
		snapshots_close(&b->snapshots);
		unlink(b->file);
		unlink(b->bare);
	}
	rmdir(b->folder);
	report_close(&report);
	free(b->bytes);
	free(b);
	return code;
}
