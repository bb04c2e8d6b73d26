/*
 * Any bytes as a binary request: decoded, answered, and the answer read back as a
 * client would. The first byte chooses the space; the rest follows the magic, so
 * that no time goes into finding it. The same bytes as a reply must not hurt a
 * client either.
 */
#include "tests/support/wire.h"

#include "engine/base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const void *bytes, size_t size, bool is_ours, uint32_t expected)
{
	struct frame_reader reader;
	struct frame_result r;
	uint32_t count = 0;
	uint64_t sum = 0;
	frame_reader_open(&reader, bytes, size);
	while (frame_reader_has_next(&reader)) {
		status s = frame_reader_next(&reader, &r);
		if (s != STATUS_ok && !is_ours)
			return;
		CHECK(s == STATUS_ok, "our own reply cannot be read");
		for (uint32_t i = 0; r.matches != NULL && i < r.head->returned; i++)
			for (uint32_t k = 0; k < r.matches[i].kind_bytes; k++)
				sum += (uint8_t)r.text[r.matches[i].kind_offset + k];
		for (uint32_t i = 0; r.cart != NULL && i < r.head->returned; i++)
			for (uint32_t k = 0; k < r.lines[i].sku_bytes; k++)
				sum += (uint8_t)r.lines[i].sku[k];
		for (uint32_t k = 0; r.product != NULL && k < r.product->sku_bytes; k++)
			sum += (uint8_t)r.product->sku[k];
		for (uint32_t k = 0; r.product != NULL && k < r.product->name_bytes; k++)
			sum += (uint8_t)r.product->name[k];
		for (uint32_t k = 0; r.head->type == RESULT_feed && k < r.head->text_bytes; k++)
			sum += (uint8_t)r.text[k];
		for (uint32_t k = 0; k < r.head->message.bytes; k++)
			sum += (uint8_t)r.text[r.head->message.offset + k];
		count++;
	}
	CHECK(!is_ours || (count == expected && sum != 1), "%u results, not %u", count, expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire *w;
	static uint8_t message[1 << 16];
	if (w == NULL)
		w = wire_create(false);
	if (size < 1 || size > sizeof message - 4)
		return 0;
	w->limits.is_plane = data[0] & 1;
	w->limits.batch_max = 64;
	memcpy(message, &(uint32_t){FRAME_MAGIC}, 4);
	memcpy(message + 4, data + 1, size - 1);
	/* At the very end of the buffer, where the sanitizer sees one byte too much. */
	uint8_t *end = message + sizeof message - (size + 3);
	memmove(end, message, size + 3);
	wire_answer(w, end, size + 3);
	read_all(w->reply, w->reply_bytes, true, w->request.count != 0 ? w->request.count : 1);
	read_all(end, size + 3, false, 0);
	return 0;
}
