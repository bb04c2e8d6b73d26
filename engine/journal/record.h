/*
 * record: what stands in a journal's files, byte for byte. README.md draws it.
 *
 * Little-endian, every record 8-byte aligned. A record's checksum is seeded by the journal's
 * identity and covers its number, the checksum of its body and that of the record before it:
 * one that was torn, flipped, lost, moved or brought from elsewhere fits nowhere.
 * `durable` says what was on stable storage when the record was made. It is what tells a tail
 * that power loss tore (nothing in it was acknowledged) from damage to what had been kept.
 *
 * Checksums: XXH3 (engine/base/hash.h). The chain is Haber and Stornetta's, "How to Time-Stamp a
 * Digital Document" (1991), against accidents, not against a forger.
 * Everything here is pure; any thread.
 */
#ifndef ENGINE_JOURNAL_RECORD_H
#define ENGINE_JOURNAL_RECORD_H

#include "engine/base/hash.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the files are little-endian");

#define JOURNAL_RECORD_MAGIC UINT32_C(0x31524a54)             /* "TJR1": the 1 is the version */
#define JOURNAL_SEGMENT_MAGIC UINT64_C(0x4745534c4e524a54)    /* "TJRNLSEG" */
#define JOURNAL_MARK_MAGIC UINT64_C(0x4b52414d4c4e524a)       /* "JRNLMARK" */

enum {
	JOURNAL_FORMAT_VERSION = 1,
	JOURNAL_HEAD_BYTES = 4096, /* a segment's first page: its head and two marks, each in a sector of its own */
	JOURNAL_SECTOR_BYTES = 512,
	JOURNAL_MARKS = 2,
	JOURNAL_BODY_BYTES_MAX = 64 << 10,
};

struct record_head {
	uint32_t magic;
	uint32_t bytes;    /* head and body; the place it takes is that, rounded up to 8 */
	uint16_t type;     /* the caller's: enum effect_type */
	uint16_t flags;    /* the caller's */
	uint32_t reserved; /* 0 */
	uint64_t sequence;
	int64_t time_ms;   /* Unix */
	uint64_t durable;  /* the last sequence on stable storage when this was appended */
	uint64_t previous; /* head_checksum of the record before, or the segment's chain start */
	uint64_t body_checksum;
	uint64_t head_checksum; /* of all above */
};
static_assert(sizeof(struct record_head) == 64);
static_assert(offsetof(struct record_head, magic) == 0 && offsetof(struct record_head, bytes) == 4 &&
              offsetof(struct record_head, type) == 8 && offsetof(struct record_head, flags) == 10 &&
              offsetof(struct record_head, reserved) == 12 && offsetof(struct record_head, sequence) == 16 &&
              offsetof(struct record_head, time_ms) == 24 && offsetof(struct record_head, durable) == 32 &&
              offsetof(struct record_head, previous) == 40 && offsetof(struct record_head, body_checksum) == 48 &&
              offsetof(struct record_head, head_checksum) == 56);

enum { JOURNAL_RECORD_BYTES_MAX = sizeof(struct record_head) + JOURNAL_BODY_BYTES_MAX };

struct segment_head {
	uint64_t magic;
	uint32_t version;
	uint32_t head_bytes;     /* JOURNAL_HEAD_BYTES */
	uint64_t identity[2];    /* random, the same in all segments of a journal */
	uint64_t number;         /* of the file; another one: recycled and not begun */
	uint64_t segment_bytes;
	uint64_t first_sequence; /* of the first record to come */
	uint64_t chain;          /* head_checksum of the last record of the segment before */
	int64_t created_ms;      /* Unix */
	uint8_t reserved[432];   /* 0 */
	uint64_t checksum;       /* of all above, seeded by the number */
};
static_assert(sizeof(struct segment_head) == JOURNAL_SECTOR_BYTES);
static_assert(offsetof(struct segment_head, version) == 8 && offsetof(struct segment_head, head_bytes) == 12 &&
              offsetof(struct segment_head, identity) == 16 && offsetof(struct segment_head, number) == 32 &&
              offsetof(struct segment_head, segment_bytes) == 40 && offsetof(struct segment_head, first_sequence) == 48 &&
              offsetof(struct segment_head, chain) == 56 && offsetof(struct segment_head, created_ms) == 64 &&
              offsetof(struct segment_head, reserved) == 72 && offsetof(struct segment_head, checksum) == 504);

/* Where a record begins, as one number that grows from record to record; it outlives a change of
 * data.segment_bytes, which is at most 1 << 30. */
enum { JOURNAL_OFFSET_BITS = 30 };

static inline uint64_t journal_place(uint64_t file_number, uint64_t offset)
{
	return (file_number << JOURNAL_OFFSET_BITS) + offset;
}

/* Written in turn, when the journal rests and when it is closed: up to here all was durable. */
struct segment_mark {
	uint64_t magic;
	uint64_t number; /* of the segment in which it was written */
	uint64_t durable;
	uint8_t reserved[480]; /* 0 */
	uint64_t checksum;     /* of all above, seeded by the identity */
};
static_assert(sizeof(struct segment_mark) == JOURNAL_SECTOR_BYTES);
static_assert(offsetof(struct segment_mark, number) == 8 && offsetof(struct segment_mark, durable) == 16 &&
              offsetof(struct segment_mark, reserved) == 24 && offsetof(struct segment_mark, checksum) == 504);

static inline size_t record_room(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

static inline uint64_t record_seed(const uint64_t identity[2]) { return hash_128(identity[0], identity[1], 0); }

static inline uint64_t record_head_checksum(const struct record_head *head, uint64_t seed)
{
	return hash_bytes(head, offsetof(struct record_head, head_checksum), seed);
}

static inline uint64_t segment_head_checksum(const struct segment_head *head)
{
	return hash_bytes(head, offsetof(struct segment_head, checksum), head->number);
}

static inline uint64_t segment_mark_checksum(const struct segment_mark *mark, uint64_t seed)
{
	return hash_bytes(mark, offsetof(struct segment_mark, checksum), seed);
}

/* Whether the head itself is whole; bytes is then within its bounds. */
static inline bool record_head_is_whole(const struct record_head *head, uint64_t seed)
{
	return head->magic == JOURNAL_RECORD_MAGIC && head->bytes >= sizeof *head && head->bytes <= JOURNAL_RECORD_BYTES_MAX &&
	       head->reserved == 0 && head->head_checksum == record_head_checksum(head, seed);
}

static inline bool segment_head_is_whole(const struct segment_head *head)
{
	return head->magic == JOURNAL_SEGMENT_MAGIC && head->version == JOURNAL_FORMAT_VERSION &&
	       head->head_bytes == JOURNAL_HEAD_BYTES && head->segment_bytes > JOURNAL_HEAD_BYTES &&
	       head->checksum == segment_head_checksum(head);
}

static inline bool bytes_are_zero(const void *bytes, size_t count)
{
	const uint8_t *at = bytes;
	return count == 0 || (at[0] == 0 && memcmp(at, at + 1, count - 1) == 0);
}

#endif
