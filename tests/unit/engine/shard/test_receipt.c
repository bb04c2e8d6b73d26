/* The receipt's file: what was written is read, anything else is refused; what counts as another state. */
#include "engine/shard/receipt.h"

#include "tests/support/journal_files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct receipt sample = {
	.identity = {0x0123456789abcdef, UINT64_MAX}, .seq = 1234567890123, .stopped_ms = 1795283583207,
	.accepted = 12, .answered = 9, .refused = 2, .in_flight = 1,
	.state = {.objects = UINT64_MAX, .remembered = {0, 1}, .blocks = {1564, 77}, .rewards = 5, .file_rewards = 6},
};

static int make(void **state)
{
	char *folder = malloc(FILES_PATH_BYTES);
	make_folder(folder);
	*state = folder;
	return 0;
}

static int clean(void **state)
{
	remove_folder(*state);
	free(*state);
	return 0;
}

static size_t load(const char *folder, char *bytes, size_t capacity)
{
	char path[FILES_PATH_BYTES + 16];
	snprintf(path, sizeof path, "%s/receipt", folder);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	ssize_t count = read(file, bytes, capacity);
	close(file);
	assert_true(count > 0);
	return (size_t)count;
}

static void store(const char *folder, const char *bytes, size_t count)
{
	char path[FILES_PATH_BYTES + 16];
	snprintf(path, sizeof path, "%s/receipt", folder);
	int file = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(file, bytes, count), count);
	close(file);
}

static void what_was_written_is_read(void **state)
{
	char text[RECEIPT_TEXT_BYTES];
	struct receipt found;
	assert_int_equal(receipt_read(*state, &found, text), STATUS_not_found);
	for (int i = 0; i < 2; i++) {
		struct receipt r = sample;
		r.seq += (uint64_t)i;
		assert_int_equal(receipt_write(*state, &r, text), STATUS_ok);
		assert_int_equal(receipt_read(*state, &found, text), STATUS_ok);
		assert_memory_equal(&found, &r, sizeof r);
	}
	assert_int_equal(receipt_write("/proc/self", &sample, text), STATUS_internal);
	assert_non_null(strstr(text, "cannot be written"));
	assert_int_equal(receipt_write("/nowhere/at/all", &sample, text), STATUS_internal);
}

static void any_damage_is_seen(void **state)
{
	char text[RECEIPT_TEXT_BYTES], good[1024], bad[1024];
	struct receipt found;
	assert_int_equal(receipt_write(*state, &sample, text), STATUS_ok);
	size_t count = load(*state, good, sizeof good);
	for (size_t bytes = 0; bytes < count; bytes++) {
		store(*state, good, bytes);
		assert_int_equal(receipt_read(*state, &found, text), STATUS_malformed);
	}
	for (size_t bit = 0; bit < 8 * count; bit++) {
		memcpy(bad, good, count);
		bad[bit / 8] ^= (char)(1 << bit % 8);
		store(*state, bad, count);
		/* Hexadecimal digits of the checksum may be of either case, and its line end anything. */
		status s = receipt_read(*state, &found, text);
		assert_true(s == STATUS_malformed || memcmp(&found, &sample, sizeof sample) == 0);
	}
	memset(bad, 'x', sizeof bad);
	store(*state, bad, sizeof bad);
	assert_int_equal(receipt_read(*state, &found, text), STATUS_malformed);
}

static void differences_count_where_they_can(void **state)
{
	(void)state;
	const struct receipt_state a = sample.state;
	struct receipt_state b = a;
	assert_null(receipt_difference(&a, &b));
	b.objects++;
	assert_string_equal(receipt_difference(&a, &b), "products, carts, payments or claims");
	b = a;
	b.remembered[0]++;
	assert_string_equal(receipt_difference(&a, &b), "remembered ids");
	b.blocks[0]++;
	assert_null(receipt_difference(&a, &b));
	b.remembered[1]++;
	assert_string_equal(receipt_difference(&a, &b), "remembered closed payments");
	b.blocks[1]++;
	assert_null(receipt_difference(&a, &b));
	b.rewards++;
	assert_string_equal(receipt_difference(&a, &b), "rewards");
	b.file_rewards++;
	assert_null(receipt_difference(&a, &b));
	assert_true(receipt_digest(&a) != receipt_digest(&b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_written_is_read, make, clean),
		cmocka_unit_test_setup_teardown(any_damage_is_seen, make, clean),
		cmocka_unit_test(differences_count_where_they_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
