/*
 * Any bytes as a journal's files: read, and what is handed out must be an unbroken row of records
 * within the bytes. The first byte chooses what is made whole before, so that no time goes into
 * finding checksums; the second damages a head or says what a mark proves; the rest is records.
 */
#include "engine/base/check.h"
#include "engine/journal/scan.h"

#include <stdint.h>
#include <string.h>

enum { SEAL = 1, MARK = 2, SPLIT = 4, DAMAGE = 8, ROOM = 1 << 16, FILE_BYTES = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint64_t identity[2] = {0x1234, 0x5678};

struct reading {
	uint64_t records, last, sum;
};

static void take(void *context, const struct journal_record *r)
{
	struct reading *reading = context;
	const uint8_t *body = r->body;
	CHECK(reading->records == 0 || r->sequence == reading->last + 1, "records out of order");
	for (uint32_t i = 0; i < r->body_bytes; i++)
		reading->sum += body[i];
	reading->records++;
	reading->last = r->sequence;
}

/* Makes the records whole as far as their lengths allow; returns the chain behind them. */
static uint64_t seal(uint8_t *bytes, size_t size, uint64_t *sequence, uint64_t chain)
{
	uint64_t seed = record_seed(identity);
	for (size_t at = 0; at + sizeof(struct record_head) <= size;) {
		struct record_head *head = (struct record_head *)(bytes + at);
		/* One record in 256 stays as it is. */
		if (head->bytes < sizeof *head || record_room(head->bytes) > size - at || head->type == 0xff)
			break;
		head->magic = JOURNAL_RECORD_MAGIC;
		head->reserved = 0;
		head->sequence = (*sequence)++;
		head->previous = chain;
		memset(bytes + at + head->bytes, 0, record_room(head->bytes) - head->bytes);
		head->body_checksum = hash_bytes(head + 1, head->bytes - sizeof *head, head->sequence);
		chain = head->head_checksum = record_head_checksum(head, seed);
		at += record_room(head->bytes);
	}
	return chain;
}

static void write_head(uint8_t *file, uint64_t number, uint64_t first, uint64_t chain, unsigned what, uint8_t value)
{
	struct segment_head head = {.magic = JOURNAL_SEGMENT_MAGIC,
	                            .version = JOURNAL_FORMAT_VERSION,
	                            .head_bytes = JOURNAL_HEAD_BYTES,
	                            .identity = {identity[0], identity[1]},
	                            .number = number,
	                            .segment_bytes = FILE_BYTES,
	                            .first_sequence = first,
	                            .chain = chain};
	struct segment_mark mark = {.magic = JOURNAL_MARK_MAGIC, .number = number, .durable = value};
	head.checksum = segment_head_checksum(&head);
	mark.checksum = segment_mark_checksum(&mark, record_seed(identity));
	memset(file, 0, JOURNAL_HEAD_BYTES);
	memcpy(file, &head, sizeof head);
	if ((what & MARK) != 0)
		memcpy(file + JOURNAL_SECTOR_BYTES, &mark, sizeof mark);
	if ((what & DAMAGE) != 0)
		file[value * 16] ^= 1;
}

static struct reading read_files(uint8_t *const file[2], const size_t *size, unsigned count, struct journal_report *report)
{
	struct reading reading = {0};
	*report = (struct journal_report){0};
	struct scan scan = {.visit = take, .context = &reading, .report = report};
	for (unsigned i = 0; i < count; i++)
		scan_file(&scan, i + 1, file[i], size[i]);
	status s = scan_finish(&scan);
	CHECK(report->records == reading.records, "counted wrongly");
	CHECK((s != STATUS_ok) == report->is_damaged, "damage without a status");
	CHECK((report->is_damaged || report->is_torn) == (report->text[0] != '\0'), "found something and said nothing");
	CHECK(s != STATUS_ok || report->proven <= report->last, "what was durable is missing");
	return reading;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	alignas(8) static uint8_t room[2][JOURNAL_HEAD_BYTES + ROOM];
	if (size < 2 || size - 2 > ROOM)
		return 0;
	unsigned what = data[0];
	uint8_t value = data[1];
	unsigned count = (what & SPLIT) != 0 ? 2 : 1;
	size_t bytes[2] = {(size - 2) / count & ~(size_t)7, 0};
	uint8_t *file[2];
	uint64_t sequence = 1, chain = 0;
	bytes[0] = count == 1 ? size - 2 : bytes[0];
	bytes[1] = size - 2 - bytes[0];
	data += 2;
	for (unsigned i = 0; i < count; i++) {
		/* As near to the end of the buffer as alignment allows. */
		file[i] = room[i] + ((ROOM - bytes[i]) & ~(size_t)7);
		uint64_t first = sequence, before = chain;
		memcpy(file[i] + JOURNAL_HEAD_BYTES, data, bytes[i]);
		data += bytes[i];
		if ((what & SEAL) != 0)
			chain = seal(file[i] + JOURNAL_HEAD_BYTES, bytes[i], &sequence, chain);
		write_head(file[i], i + 1, first, before, i + 1 == count ? what : what & ~(unsigned)(MARK | DAMAGE), value);
		bytes[i] += JOURNAL_HEAD_BYTES;
	}
	struct journal_report report, again;
	struct reading one = read_files(file, bytes, count, &report);
	struct reading two = read_files(file, bytes, count, &again);
	CHECK(memcmp(&one, &two, sizeof one) == 0 && report.offset == again.offset, "read differently the second time");
	return 0;
}
