/* The receipt of a stop, and what the next start finds of it. */
#include "engine/shard/shard_private.h"

#include "engine/base/log.h"
#include "engine/journal/snapshot.h"

#include <inttypes.h>

static const char *directory_of(const struct shard *shard) { return shard->parts.journal->directory; }

/* ---- the stop ----------------------------------------------------------------------------------------- */

status shard_write_receipt(struct shard *shard, struct receipt *receipt, char text[RECEIPT_TEXT_BYTES])
{
	CHECK(shard->is_resting, "a receipt of a state that moves");
	receipt->seq = shard->seq;
	receipt->stopped_ms = shard_unix_ms(shard);
	receipt->state.file_rewards = shard->file_rewards;
	receipt_take_state(&receipt->state, shard->parts.commerce, shard->parts.store);
	if (shard->journal == NULL)
		return STATUS_ok;
	uint64_t durable = journal_durable(shard->journal);
	if (durable < shard->seq) {
		snprintf(text, RECEIPT_TEXT_BYTES, "only changes up to %" PRIu64 " of %" PRIu64 " are durable", durable, shard->seq);
		return STATUS_journal_full;
	}
	status s = snapshot_journal_identity(directory_of(shard), receipt->identity);
	if (s == STATUS_ok)
		return receipt_write(directory_of(shard), receipt, text);
	snprintf(text, RECEIPT_TEXT_BYTES, "the journal's files cannot be read");
	return s;
}

/* ---- the start ---------------------------------------------------------------------------------------- */

static const char go_on[] = "or start with data.receipt=warn to go on with what is there";

/* What the option makes of it. */
static status found(struct shard *shard, struct journal_report *report)
{
	shard->start_check = SHARD_CHECK_differs;
	if (shard->options.receipt == SHARD_RECEIPT_refuse)
		return STATUS_malformed;
	log_warning("receipt", "%s", report->text);
	report->text[0] = '\0';
	return STATUS_ok;
}

static void read_receipt(struct shard *shard)
{
	char text[RECEIPT_TEXT_BYTES];
	shard->start_check = SHARD_CHECK_none;
	status s = receipt_read(directory_of(shard), &shard->receipt, text);
	if (s == STATUS_ok)
		shard->start_check = SHARD_CHECK_older; /* until the state is there */
	else if (s != STATUS_not_found)
		log_warning("receipt", "%s: the state is not compared with what the last stop left", text);
}

status shard_read_receipt(struct shard *shard, struct journal_report *report)
{
	const struct receipt *r = &shard->receipt;
	uint64_t identity[2];
	shard->file_rewards = store_digest(shard->parts.store);
	read_receipt(shard);
	if (shard->start_check == SHARD_CHECK_none)
		return STATUS_ok;
	status s = snapshot_journal_identity(directory_of(shard), identity);
	if (s == STATUS_ok && memcmp(identity, r->identity, sizeof identity) == 0)
		return STATUS_ok;
	snprintf(report->text, sizeof report->text,
	         "%.300s: the last stop was at seq %" PRIu64 " of a journal that is not there: put it back from a copy; %s. The file "
	         "'receipt' says so: without it this is not asked", directory_of(shard), r->seq, go_on);
	return found(shard, report);
}

static void agree(struct shard *shard, int64_t start_ns)
{
	shard->start_check = SHARD_CHECK_agrees;
	log_info("receipt", "the state is that of the last stop: seq %" PRIu64 ", digest %016" PRIx64 ", compared in %lld ms",
	         shard->receipt.seq, receipt_digest(&shard->receipt.state),
	         (long long)((clock_monotonic_ns() - start_ns) / 1000000));
}

status shard_check_receipt(struct shard *shard, struct journal_report *report)
{
	const struct receipt *r = &shard->receipt;
	int64_t start_ns = clock_monotonic_ns();
	if (shard->start_check != SHARD_CHECK_older)
		return STATUS_ok;
	if (report->last < r->seq) {
		snprintf(report->text, sizeof report->text,
		         "%.300s: the last stop left %" PRIu64 " records, and %" PRIu64 " are there: put the files back from a copy; %s",
		         directory_of(shard), r->seq, report->last, go_on);
		return found(shard, report);
	}
	if (report->last > r->seq) {
		log_info("receipt", "the last life ended without a receipt: there is none for seq %" PRIu64, report->last);
		return STATUS_ok;
	}
	struct receipt_state now = {.file_rewards = shard->file_rewards};
	receipt_take_state(&now, shard->parts.commerce, shard->parts.store);
	const char *difference = receipt_difference(&r->state, &now);
	if (difference == NULL) {
		agree(shard, start_ns);
		return STATUS_ok;
	}
	snprintf(report->text, sizeof report->text,
	         "%.300s: at seq %" PRIu64 " there are other %s than the last stop left (digest %016" PRIx64 ", now %016" PRIx64
	         "): the journal is whole, so the program or a snapshot is wrong. Keep a copy of the folder, start the version that "
	         "wrote it; %s", directory_of(shard), r->seq, difference, receipt_digest(&r->state), receipt_digest(&now), go_on);
	return found(shard, report);
}
