/* The state as numbers, and the file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "engine/shard/receipt.h"

#include "engine/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char file_name[] = "receipt", making_name[] = "receipt.making";

enum { FILE_BYTES_MAX = 1024, CHECKSUM_BYTES = 26 }; /* "checksum 0123456789abcdef\n" */

/* ---- the state --------------------------------------------------------------------------------------- */

void receipt_take_state(struct receipt_state *state, const struct commerce *commerce, struct store *store)
{
	struct commerce_digests digests;
	commerce_digest_parts(commerce, &digests);
	state->objects = digests.objects;
	memcpy(state->remembered, digests.remembered, sizeof state->remembered);
	state->blocks[0] = commerce->idempotency.block_count;
	state->blocks[1] = commerce->payment_history.capacity;
	state->rewards = store_digest(store);
}

uint64_t receipt_digest(const struct receipt_state *s)
{
	uint64_t parts[] = {s->objects, s->remembered[0], s->remembered[1], s->rewards};
	return hash_bytes(parts, sizeof parts, 0);
}

const char *receipt_difference(const struct receipt_state *before, const struct receipt_state *now)
{
	if (before->objects != now->objects)
		return "products, carts, payments or claims";
	if (before->blocks[0] == now->blocks[0] && before->remembered[0] != now->remembered[0])
		return "remembered ids";
	if (before->blocks[1] == now->blocks[1] && before->remembered[1] != now->remembered[1])
		return "remembered closed payments";
	if (before->file_rewards == now->file_rewards && before->rewards != now->rewards)
		return "rewards";
	return NULL;
}

/* ---- the file ------------------------------------------------------------------------------------------ */

static status refused(char text[RECEIPT_TEXT_BYTES], const char *directory, const char *doing)
{
	snprintf(text, RECEIPT_TEXT_BYTES, "%.300s/%s cannot be %s: %s", directory, file_name, doing, strerrordesc_np(errno));
	return STATUS_internal;
}

static status malformed(char text[RECEIPT_TEXT_BYTES], const char *directory, const char *why)
{
	snprintf(text, RECEIPT_TEXT_BYTES, "%.300s/%s %s", directory, file_name, why);
	return STATUS_malformed;
}

/* The first number is the version of all that follows, and of how digests are made. */
#define RECEIPT_FORMAT(number, hexadecimal) \
	"trove receipt 1\n" \
	"journal %" hexadecimal " %" hexadecimal "\n" \
	"seq %" number "\nstopped_ms %" number "\n" \
	"accepted %" number "\nanswered %" number "\nrefused %" number "\nin_flight %" number "\n" \
	"objects %" hexadecimal "\n" \
	"remembered %" hexadecimal " %" hexadecimal "\nblocks %" number " %" number "\n" \
	"rewards %" hexadecimal "\nfile_rewards %" hexadecimal "\n"

static size_t print(const struct receipt *r, char out[FILE_BYTES_MAX])
{
	const struct receipt_state *s = &r->state;
	int n = snprintf(out, FILE_BYTES_MAX, RECEIPT_FORMAT(PRIu64, PRIx64), r->identity[0], r->identity[1], r->seq,
	                 (uint64_t)r->stopped_ms, r->accepted, r->answered, r->refused, r->in_flight, s->objects, s->remembered[0],
	                 s->remembered[1], s->blocks[0], s->blocks[1], s->rewards, s->file_rewards);
	n += snprintf(out + n, FILE_BYTES_MAX - (size_t)n, "checksum %016" PRIx64 "\n", hash_bytes(out, (size_t)n, 0));
	return (size_t)n;
}

static bool write_file(int directory, const char *bytes, size_t count)
{
	int file = openat(directory, making_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		return false;
	ssize_t written = write(file, bytes, count);
	bool is_done = written == (ssize_t)count && fsync(file) == 0;
	int error = written >= 0 && written != (ssize_t)count ? ENOSPC : errno;
	close(file);
	errno = error;
	return is_done && renameat(directory, making_name, directory, file_name) == 0 && fsync(directory) == 0;
}

status receipt_write(const char *path, const struct receipt *receipt, char text[RECEIPT_TEXT_BYTES])
{
	char bytes[FILE_BYTES_MAX];
	size_t count = print(receipt, bytes);
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return refused(text, path, "written");
	status s = write_file(directory, bytes, count) ? STATUS_ok : refused(text, path, "written");
	if (s != STATUS_ok)
		unlinkat(directory, making_name, 0);
	close(directory);
	return s;
}

static bool is_whole(const char *bytes, size_t count)
{
	uint64_t checksum;
	return count > CHECKSUM_BYTES && sscanf(bytes + count - CHECKSUM_BYTES, "checksum %16" SCNx64, &checksum) == 1 &&
	       checksum == hash_bytes(bytes, count - CHECKSUM_BYTES, 0);
}

/* What is whole was written by us. */
static bool parse(const char *bytes, struct receipt *r)
{
	struct receipt_state *s = &r->state;
	uint64_t stopped_ms;
	int found = sscanf(bytes, RECEIPT_FORMAT(SCNu64, SCNx64), &r->identity[0], &r->identity[1], &r->seq, &stopped_ms,
	                   &r->accepted, &r->answered, &r->refused, &r->in_flight, &s->objects, &s->remembered[0],
	                   &s->remembered[1], &s->blocks[0], &s->blocks[1], &s->rewards, &s->file_rewards);
	r->stopped_ms = (int64_t)stopped_ms;
	return found == 15;
}

static ssize_t read_file(const char *path, char bytes[FILE_BYTES_MAX])
{
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int file = directory < 0 ? -1 : openat(directory, file_name, O_RDONLY | O_CLOEXEC);
	ssize_t count = file < 0 ? -1 : read(file, bytes, FILE_BYTES_MAX - 1);
	int error = errno;
	if (file >= 0)
		close(file);
	if (directory >= 0)
		close(directory);
	errno = error;
	bytes[count < 0 ? 0 : count] = '\0';
	return count;
}

status receipt_read(const char *path, struct receipt *receipt, char text[RECEIPT_TEXT_BYTES])
{
	char bytes[FILE_BYTES_MAX];
	*receipt = (struct receipt){};
	ssize_t count = read_file(path, bytes);
	if (count < 0 && errno == ENOENT)
		return STATUS_not_found;
	if (count < 0)
		return refused(text, path, "read");
	if (!is_whole(bytes, (size_t)count))
		return malformed(text, path, "is damaged");
	return parse(bytes, receipt) ? STATUS_ok : malformed(text, path, "was written by another version");
}
