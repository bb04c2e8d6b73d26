/*
 * snapshot_file: what stands in a snapshot's file, byte for byte. README.md draws it.
 *
 * Little-endian, everything 8-byte aligned. The checksum of the file's head covers the journal's
 * identity, the sequence and the time, and seeds all others; a chunk's covers its number, too: one
 * that was flipped, cut, moved or brought from elsewhere fits nowhere. The end says how much
 * there must be. Checksums: XXH3 (engine/base/hash.h). Pure; any thread.
 */
#ifndef ENGINE_JOURNAL_SNAPSHOT_FILE_H
#define ENGINE_JOURNAL_SNAPSHOT_FILE_H

#include "engine/journal/record.h"

#define SNAPSHOT_MAGIC UINT64_C(0x544f4853534e5254)   /* "TRNSSHOT" */
#define SNAPSHOT_CHUNK_MAGIC UINT32_C(0x4b4e4843)     /* "CHNK" */
#define SNAPSHOT_END_MAGIC UINT64_C(0x444e454854534154) /* "TASTHEND" */

enum { SNAPSHOT_FORMAT_VERSION = 1 };

struct snapshot_head {
	uint64_t magic;
	uint32_t version;
	uint32_t head_bytes;   /* of this */
	uint64_t identity[2];  /* of the journal */
	uint64_t sequence;     /* of the last record of the journal that is in it; the file's name */
	int64_t created_ms;    /* Unix */
	uint8_t reserved[456]; /* 0 */
	uint64_t checksum;     /* of all above */
};
static_assert(sizeof(struct snapshot_head) == 512);
static_assert(offsetof(struct snapshot_head, version) == 8 && offsetof(struct snapshot_head, head_bytes) == 12 &&
              offsetof(struct snapshot_head, identity) == 16 && offsetof(struct snapshot_head, sequence) == 32 &&
              offsetof(struct snapshot_head, created_ms) == 40 && offsetof(struct snapshot_head, reserved) == 48 &&
              offsetof(struct snapshot_head, checksum) == 504);

struct snapshot_chunk {
	uint32_t magic;
	uint32_t bytes;   /* of the records behind it, a multiple of 8 */
	uint64_t number;  /* from 0 */
	uint32_t records;
	uint32_t reserved; /* 0 */
	uint64_t body_checksum;
	uint64_t checksum; /* of all above */
};
static_assert(sizeof(struct snapshot_chunk) == 40);
static_assert(offsetof(struct snapshot_chunk, bytes) == 4 && offsetof(struct snapshot_chunk, number) == 8 &&
              offsetof(struct snapshot_chunk, records) == 16 && offsetof(struct snapshot_chunk, reserved) == 20 &&
              offsetof(struct snapshot_chunk, body_checksum) == 24 && offsetof(struct snapshot_chunk, checksum) == 32);

/* Its bytes follow, and zeros up to the next multiple of 8. */
struct snapshot_record {
	uint32_t kind; /* the caller's */
	uint32_t bytes;
};
static_assert(sizeof(struct snapshot_record) == 8 && offsetof(struct snapshot_record, bytes) == 4);

struct snapshot_end {
	uint64_t magic;
	uint64_t chunks, records;
	uint64_t file_bytes; /* with the end */
	uint64_t total;      /* of the chunks' checksums, one after another */
	uint64_t checksum;   /* of all above */
};
static_assert(sizeof(struct snapshot_end) == 48);
static_assert(offsetof(struct snapshot_end, chunks) == 8 && offsetof(struct snapshot_end, records) == 16 &&
              offsetof(struct snapshot_end, file_bytes) == 24 && offsetof(struct snapshot_end, total) == 32 &&
              offsetof(struct snapshot_end, checksum) == 40);

static inline uint64_t snapshot_head_checksum(const struct snapshot_head *head)
{
	return hash_bytes(head, offsetof(struct snapshot_head, checksum), 0);
}

static inline uint64_t snapshot_chunk_checksum(const struct snapshot_chunk *chunk, uint64_t seed)
{
	return hash_bytes(chunk, offsetof(struct snapshot_chunk, checksum), seed);
}

static inline uint64_t snapshot_end_checksum(const struct snapshot_end *end, uint64_t seed)
{
	return hash_bytes(end, offsetof(struct snapshot_end, checksum), seed);
}

#endif
