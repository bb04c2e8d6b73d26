/*
 * Any bytes as an effect, as they may come from a damaged or a forged journal: what is taken for
 * whole is read to its end, published, and its event asked for again. The lengths in its head are
 * made right before, so that no time goes into finding them.
 */
#include "engine/base/check.h"
#include "proto/content.h"
#include "proto/effect.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_event(const struct effect_head *effect)
{
	struct event event, again;
	if (!effect_event(effect, &event)) {
		CHECK(effect->event_type == EVENT_NONE, "an event is lost");
		return;
	}
	uint8_t *packed = malloc(content_packed_bytes(&event));
	CHECK(content_packed_bytes(&event) == effect->request_bytes, "an event of another length");
	content_pack(&event, packed);
	CHECK(content_unpack(&again, event.type, packed, effect->request_bytes), "an event that is read once only");
	CHECK(content_difference(&event, &again) == NULL, "an event that changes");
	CHECK(content_hash(&event, 3) == content_hash(&again, 3), "an event whose hash changes");
	free(packed);
}

static void check_publications(const struct effect_head *effect)
{
	for (unsigned i = 0; i < effect_publications(effect); i++) {
		char room[PUBLICATION_BYTES_MAX];
		struct cursor out;
		cursor_init(&out, room, sizeof room);
		const char *topic = effect_publish(effect, i, UINT64_MAX, &out);
		CHECK(!out.full, "%s has no room", topic);
		json_t *json = json_loadb(room, cursor_used(&out), JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
		CHECK(json != NULL, "%s is no JSON: %.*s", topic, (int)cursor_used(&out), room);
		json_decref(json);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct event none = {};
	if (size > EFFECT_BYTES_MAX)
		return 0;
	/* A block of its own size, so that the sanitizer sees one byte too much. */
	uint8_t *bytes = malloc(size != 0 ? size : 1);
	memcpy(bytes, data, size);
	(void)effect_is_whole(bytes, size);
	for (unsigned type = 0; size != 0 && type <= EVENT_TYPE_MAX; type += 1 + bytes[0] % 8)
		(void)content_unpack(&none, (enum event_type)type, bytes, size);
	if (size >= sizeof(struct effect_head)) {
		uint32_t whole = (uint32_t)size;
		memcpy(bytes, &whole, sizeof whole);
		if (effect_is_whole(bytes, size)) {
			check_event((const void *)bytes);
			check_publications((const void *)bytes);
		}
	}
	free(bytes);
	return 0;
}
