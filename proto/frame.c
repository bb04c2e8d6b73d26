#include "proto/frame.h"

#include "engine/base/check.h"

void frame_build(struct cursor *out, enum event_type type, uint64_t request, const void *records, uint32_t count,
                 const char *text, uint32_t text_bytes)
{
	size_t body_bytes = (size_t)count * event_record_bytes(type);
	CHECK(count != 0 && body_bytes != 0 && body_bytes <= UINT32_MAX, "frame of %u records of type %d", count, type);
	uint8_t *room = cursor_reserve(out, sizeof(struct frame_header) + body_bytes + text_bytes);
	if (room == NULL)
		return;
	struct frame_header header = {
		.magic = FRAME_MAGIC,
		.version = FRAME_VERSION,
		.kind = FRAME_REQUEST,
		.type = (uint16_t)type,
		.count = count,
		.body_bytes = (uint32_t)body_bytes,
		.text_bytes = text_bytes,
		.request = request,
	};
	memcpy(room, &header, sizeof header);
	memcpy(room + sizeof header, records, body_bytes);
	if (text_bytes != 0)
		memcpy(room + sizeof header + body_bytes, text, text_bytes);
}

void frame_reader_open(struct frame_reader *r, const void *bytes, size_t count)
{
	*r = (struct frame_reader){.at = bytes};
	r->end = r->frame_end = r->at + count;
}

bool frame_reader_has_next(const struct frame_reader *r) { return r->left != 0 || r->at != r->end; }

static bool open_frame(struct frame_reader *r)
{
	size_t left = (size_t)(r->end - r->at);
	if (left < sizeof r->header)
		return false;
	memcpy(&r->header, r->at, sizeof r->header);
	const struct frame_header *h = &r->header;
	if (h->magic != FRAME_MAGIC || h->version != FRAME_VERSION || h->kind != FRAME_REPLY || h->reserved != 0 ||
	    h->text_bytes != 0 || h->count == 0 || h->body_bytes > left - sizeof *h)
		return false;
	r->at += sizeof *h;
	r->frame_end = r->at + h->body_bytes;
	r->left = h->count;
	return true;
}

static bool is_inside(uint32_t offset, uint32_t bytes, uint32_t text_bytes)
{
	return offset <= text_bytes && bytes <= text_bytes - offset;
}

static bool matches_are_valid(const struct match_record *matches, uint32_t count, uint32_t text_bytes)
{
	for (uint32_t i = 0; i < count; i++)
		if (!is_inside(matches[i].kind_offset, matches[i].kind_bytes, text_bytes))
			return false;
	return true;
}

static bool is_length(uint32_t bytes, uint32_t least, uint32_t most) { return bytes >= least && bytes <= most; }

static bool product_is_valid(const struct product_record *r)
{
	return is_length(r->sku_bytes, 1, SKU_BYTES_MAX) && is_length(r->name_bytes, 0, NAME_BYTES_MAX);
}

static bool cart_is_valid(const struct frame_result *out)
{
	if (out->cart->state >= CART_STATE_COUNT || out->head->returned > out->head->count)
		return false;
	for (uint32_t i = 0; i < out->head->returned; i++)
		if (!is_length(out->lines[i].sku_bytes, 1, SKU_BYTES_MAX))
			return false;
	return true;
}

/* As many lines as are said, the last one ended too. */
static bool lines_are_valid(const char *text, uint32_t bytes, uint32_t count)
{
	const char *at = text, *end = text + bytes;
	for (; count != 0 && at < end; count--) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (line_end == NULL)
			return false;
		at = line_end + 1;
	}
	return count == 0 && at == end;
}

/* Sets what the result's type promises; false when the lengths do not agree. */
static bool read_content(struct frame_result *out, const uint8_t *content)
{
	const struct result_header *h = out->head;
	uint64_t content_bytes = h->bytes - h->text_bytes;
	switch (h->type) {
	case RESULT_located:
		out->matches = (const void *)content;
		return content_bytes == (uint64_t)h->returned * sizeof(struct match_record) &&
		       matches_are_valid(out->matches, h->returned, h->text_bytes);
	case RESULT_reward:
		out->reward = (const void *)content;
		return content_bytes == sizeof(struct reward_record) &&
		       is_inside(out->reward->kind.offset, out->reward->kind.bytes, h->text_bytes) &&
		       is_inside(out->reward->name.offset, out->reward->name.bytes, h->text_bytes);
	case RESULT_claimed:
		out->claimed = (const void *)content;
		return content_bytes == sizeof *out->claimed;
	case RESULT_product:
		out->product = (const void *)content;
		return content_bytes == sizeof *out->product && product_is_valid(out->product);
	case RESULT_cart:
		out->cart = (const void *)content;
		out->lines = (const void *)(content + sizeof *out->cart);
		return content_bytes == sizeof *out->cart + (uint64_t)h->returned * sizeof *out->lines && cart_is_valid(out);
	case RESULT_payment:
		out->payment = (const void *)content;
		return content_bytes == sizeof *out->payment && out->payment->state < PAYMENT_STATE_COUNT;
	case RESULT_feed:
		return content_bytes == 0 && lines_are_valid(out->text, h->text_bytes, h->returned);
	case RESULT_error:
	case RESULT_pong:
	case RESULT_ok:
		return content_bytes == 0;
	default:
		return false;
	}
}

status frame_reader_next(struct frame_reader *r, struct frame_result *result)
{
	if (r->left == 0 && !open_frame(r))
		return STATUS_malformed;
	size_t left = (size_t)(r->frame_end - r->at);
	const struct result_header *h = (const void *)r->at;
	if (left < sizeof *h || h->bytes > left - sizeof *h || h->text_bytes > h->bytes || h->code >= STATUS_COUNT ||
	    (h->code != STATUS_ok) != (h->type == RESULT_error) || h->cart_state >= CART_STATE_COUNT ||
	    h->payment_state >= PAYMENT_STATE_COUNT ||
	    !is_inside(h->field.offset, h->field.bytes, h->text_bytes) ||
	    !is_inside(h->message.offset, h->message.bytes, h->text_bytes))
		return STATUS_malformed;
	const uint8_t *content = r->at + sizeof *h;
	*result = (struct frame_result){
		.request = r->header.request,
		.event_type = r->header.type,
		.head = h,
		.text = (const char *)content + (h->bytes - h->text_bytes),
	};
	if (!read_content(result, content))
		return STATUS_malformed;
	r->at = content + h->bytes;
	if (--r->left == 0 && r->at != r->frame_end)
		return STATUS_malformed;
	return STATUS_ok;
}
