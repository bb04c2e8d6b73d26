#include "engine/memory/heap_profile.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/gzip.h"
#include "engine/base/hash.h"
#include "engine/base/protobuf.h"
#include "engine/memory/heap_sample.h"
#include "engine/memory/symbol.h"

#include <math.h>
#include <stdlib.h>

enum {
	STACKS_MAX = 2048, /* a power of two */
	PLACES_MAX = 16384,
	HOLDINGS_MAX = 64, /* different names */
	STACKS_LEAST = 16,
	BATCH = 16,
	PROFILE_BYTES = 2 << 20,
	NAME_BYTES_MAX = 100,
	MESSAGE_BYTES = 1024,
	OWN_LOCATIONS = 2, /* the numbers before those of the places: */
	LOCATION_HELD = 1,
	LOCATION_OTHERS = 2,
};

/* The fields of profile.proto. */
enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE, PROFILE_MAPPING, PROFILE_LOCATION, PROFILE_FUNCTION, PROFILE_STRING,
	PROFILE_TIME = 9, PROFILE_PERIOD_TYPE = 11, PROFILE_PERIOD, PROFILE_COMMENT, PROFILE_DEFAULT_TYPE };
enum { VALUE_TYPE = 1, VALUE_UNIT };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_TEXT };
enum { MAPPING_ID = 1, MAPPING_START, MAPPING_LIMIT, MAPPING_OFFSET, MAPPING_FILE, MAPPING_BUILD_ID, MAPPING_HAS_FUNCTIONS };
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1 };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME };

/* Strings that stand first, in this order. */
#define TEXTS(X) \
	X(none, "") X(objects, "inuse_objects") X(count, "count") X(space, "inuse_space") X(bytes, "bytes") \
	X(reserved, "reserved_space") X(source, "source") X(heap, "heap") X(measure, "measure") X(sampled, "sampled") \
	X(exact, "exact") X(holding, "holding") X(option, "option") X(held, "held memory") X(others, "(other call sites)")
enum text {
#define X(name, text) TEXT_##name,
	TEXTS(X)
#undef X
	TEXT_COUNT
};

/* All live samples of one call stack. */
struct stack {
	double objects, bytes;
	uint32_t frame_count;
	uintptr_t frames[HEAP_SAMPLE_FRAMES];
};

struct held {
	const char *name, *option;
	enum holding_kind kind;
	uint64_t objects, bytes, reserved;
};

struct work {
	struct stack stacks[STACKS_MAX];
	uint16_t slots[2 * STACKS_MAX]; /* of stacks plus one, by hash */
	struct stack *order[STACKS_MAX];
	uint32_t stack_count;
	double other_objects, other_bytes; /* beyond STACKS_MAX */
	struct symbol places[PLACES_MAX];
	uintptr_t addresses[STACKS_MAX * HEAP_SAMPLE_FRAMES];
	uint32_t place_count;
	struct symbol_files files;
	struct held held[HOLDINGS_MAX];
	uint32_t held_count;
	struct heap_sample batch[BATCH];
	uint64_t text_count, function_count, location_count;
	uint8_t bytes[PROFILE_BYTES];
};
static_assert(sizeof(struct work) + (512 << 10) <= HEAP_PROFILE_BYTES_MAX);

void heap_profile_bill(struct bill *bill)
{
	bill_add(bill, "memory", "", 1, HEAP_PROFILE_BYTES_MAX, "a heap profile while it is written");
}

/* ---- what is to be told ------------------------------------------------------------------------------ */

static struct stack *stack_of(struct work *w, const struct heap_sample *s)
{
	uint32_t slot = (uint32_t)hash_bytes(s->frames, s->frame_count * sizeof *s->frames, 0);
	for (;; slot++) {
		uint16_t *at = &w->slots[slot % COUNT_OF(w->slots)];
		struct stack *stack = *at == 0 ? NULL : &w->stacks[*at - 1];
		if (stack == NULL) {
			if (w->stack_count == STACKS_MAX)
				return NULL;
			stack = &w->stacks[w->stack_count++];
			*at = (uint16_t)w->stack_count;
			stack->frame_count = s->frame_count;
			memcpy(stack->frames, s->frames, s->frame_count * sizeof *s->frames);
			return stack;
		}
		if (stack->frame_count == s->frame_count &&
		    memcmp(stack->frames, s->frames, s->frame_count * sizeof *s->frames) == 0)
			return stack;
	}
}

static void add_sample(struct work *w, const struct heap_sample *s)
{
	struct stack *stack = stack_of(w, s);
	double objects = heap_sample_weight(s), bytes = objects * (double)s->bytes;
	*(stack != NULL ? &stack->objects : &w->other_objects) += objects;
	*(stack != NULL ? &stack->bytes : &w->other_bytes) += bytes;
}

static int largest_first(const void *a, const void *b)
{
	const struct stack *x = *(struct stack *const *)a, *y = *(struct stack *const *)b;
	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

static void read_samples(struct work *w)
{
	uint32_t at = 0, count;
	while ((count = heap_sample_read(&at, w->batch, BATCH)) > 0)
		for (uint32_t i = 0; i < count; i++)
			add_sample(w, &w->batch[i]);
	for (uint32_t i = 0; i < w->stack_count; i++)
		w->order[i] = &w->stacks[i];
	qsort(w->order, w->stack_count, sizeof *w->order, largest_first);
}

static struct held *held_of(struct work *w, const struct holding *h)
{
	for (uint32_t i = 0; i < w->held_count; i++)
		if (w->held[i].kind == h->kind && strcmp(w->held[i].name, h->name) == 0)
			return &w->held[i];
	if (w->held_count == HOLDINGS_MAX)
		return &w->held[HOLDINGS_MAX - 1];
	struct held *held = &w->held[w->held_count++];
	*held = (struct held){.name = h->name, .option = h->option, .kind = h->kind};
	return held;
}

static void add_holding(struct held *held, const struct holding *h)
{
	if (h->kind == HOLDING_pool) {
		struct pool_statistics s;
		pool_read_statistics(h->pool, &s);
		held->objects += s.in_use;
		held->bytes += (uint64_t)s.in_use * s.stride;
		held->reserved += s.reserved_bytes;
		return;
	}
	held->objects++;
	held->bytes += atomic_load_explicit(&h->in_use, memory_order_relaxed);
	held->reserved += h->reserved;
}

static void read_holdings(struct work *w, struct account *account)
{
	if (account == NULL)
		return;
	pthread_mutex_lock(&account->lock);
	for (const struct holding *h = account->first; h != NULL; h = h->next)
		add_holding(held_of(w, h), h);
	pthread_mutex_unlock(&account->lock);
}

static int ascending(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
	return (x > y) - (x < y);
}

/* The instruction that called, not the one that is returned to, which may be another function's. */
static uintptr_t call_of(uintptr_t frame) { return frame - 1; }

static void find_places(struct work *w, uint32_t stacks)
{
	size_t count = 0;
	for (uint32_t i = 0; i < stacks; i++)
		for (uint32_t k = 0; k < w->order[i]->frame_count; k++)
			w->addresses[count++] = call_of(w->order[i]->frames[k]);
	qsort(w->addresses, count, sizeof *w->addresses, ascending);
	w->place_count = 0;
	for (size_t i = 0; i < count && w->place_count < PLACES_MAX; i++)
		if (i == 0 || w->addresses[i] != w->addresses[i - 1])
			w->places[w->place_count++] = (struct symbol){.address = w->addresses[i]};
	symbol_name(&w->files, w->places, w->place_count);
}

/* ---- writing it ----------------------------------------------------------------------------------------- */

struct message {
	struct cursor cursor;
	uint8_t bytes[MESSAGE_BYTES];
};

static void message_init(struct message *m) { cursor_init(&m->cursor, m->bytes, sizeof m->bytes); }

/* Its number. Strings may stand between other fields: only their own order counts. */
static uint64_t add_text(struct work *w, struct cursor *out, const char *text)
{
	protobuf_bytes(out, PROFILE_STRING, text, strnlen(text, NAME_BYTES_MAX));
	return w->text_count++;
}

static void add_texts(struct work *w, struct cursor *out)
{
	static const char *const texts[] = {
#define X(name, text) text,
		TEXTS(X)
#undef X
	};
	for (size_t i = 0; i < TEXT_COUNT; i++)
		(void)add_text(w, out, texts[i]);
}

static void write_type(struct cursor *out, unsigned field, enum text type, enum text unit)
{
	struct message m;
	message_init(&m);
	protobuf_number(&m.cursor, VALUE_TYPE, type);
	protobuf_number(&m.cursor, VALUE_UNIT, unit);
	protobuf_message(out, field, &m.cursor);
}

static uint64_t write_function(struct work *w, struct cursor *out, uint64_t text)
{
	struct message m;
	message_init(&m);
	protobuf_number(&m.cursor, FUNCTION_ID, ++w->function_count);
	protobuf_number(&m.cursor, FUNCTION_NAME, text);
	protobuf_number(&m.cursor, FUNCTION_SYSTEM_NAME, text);
	protobuf_message(out, PROFILE_FUNCTION, &m.cursor);
	return w->function_count;
}

/* mapping, address and function may be 0: none. */
static uint64_t write_location(struct work *w, struct cursor *out, uint64_t mapping, uintptr_t address, uint64_t function)
{
	struct message m, line;
	message_init(&m);
	protobuf_number(&m.cursor, LOCATION_ID, ++w->location_count);
	protobuf_number(&m.cursor, LOCATION_MAPPING, mapping);
	protobuf_number(&m.cursor, LOCATION_ADDRESS, address);
	if (function != 0) {
		message_init(&line);
		protobuf_number(&line.cursor, LINE_FUNCTION, function);
		protobuf_message(&m.cursor, LOCATION_LINE, &line.cursor);
	}
	protobuf_message(out, PROFILE_LOCATION, &m.cursor);
	return w->location_count;
}

static void write_mappings(struct work *w, struct cursor *out)
{
	for (unsigned i = 0; i < w->files.count; i++) {
		const struct symbol_file *f = &w->files.file[i];
		char id[2 * SYMBOL_BUILD_ID_BYTES + 1] = "";
		struct message m;
		message_init(&m);
		for (unsigned k = 0; k < f->build_id_bytes; k++)
			snprintf(id + (size_t)2 * k, 3, "%02x", f->build_id[k]);
		protobuf_number(&m.cursor, MAPPING_ID, i + 1);
		protobuf_number(&m.cursor, MAPPING_START, f->start);
		protobuf_number(&m.cursor, MAPPING_LIMIT, f->limit);
		protobuf_number(&m.cursor, MAPPING_OFFSET, f->offset);
		protobuf_number(&m.cursor, MAPPING_FILE, add_text(w, out, f->path));
		protobuf_number(&m.cursor, MAPPING_BUILD_ID, add_text(w, out, id));
		protobuf_number(&m.cursor, MAPPING_HAS_FUNCTIONS, f->has_names);
		protobuf_message(out, PROFILE_MAPPING, &m.cursor);
	}
}

/* The places are in the order of their addresses, so those of one function follow each other. */
static void write_places(struct work *w, struct cursor *out)
{
	const char *name = NULL;
	uint64_t function = 0;
	for (uint32_t i = 0; i < w->place_count; i++) {
		const struct symbol *s = &w->places[i];
		if (s->name != NULL && s->name != name)
			function = write_function(w, out, add_text(w, out, s->name));
		name = s->name;
		uint64_t mapping = s->file == NULL ? 0 : (uint64_t)(s->file - w->files.file) + 1;
		(void)write_location(w, out, mapping, s->address, s->name == NULL ? 0 : function);
	}
}

/* 0: it had no room. */
static uint64_t location_at(const struct work *w, uintptr_t address)
{
	uint32_t low = 0, high = w->place_count;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (w->places[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->place_count && w->places[low].address == address ? OWN_LOCATIONS + low + 1 : 0;
}

static void write_label(struct cursor *sample, uint64_t key, uint64_t text)
{
	struct message m;
	message_init(&m);
	protobuf_number(&m.cursor, LABEL_KEY, key);
	protobuf_number(&m.cursor, LABEL_TEXT, text);
	protobuf_message(sample, SAMPLE_LABEL, &m.cursor);
}

static void write_values(struct cursor *sample, uint64_t objects, uint64_t bytes, uint64_t reserved)
{
	struct message m;
	message_init(&m);
	protobuf_varint(&m.cursor, objects);
	protobuf_varint(&m.cursor, bytes);
	protobuf_varint(&m.cursor, reserved);
	protobuf_message(sample, SAMPLE_VALUE, &m.cursor);
}

static void write_sampled(struct cursor *out, const struct message *locations, double objects, double bytes)
{
	struct message m;
	message_init(&m);
	protobuf_message(&m.cursor, SAMPLE_LOCATION, &locations->cursor);
	write_values(&m.cursor, (uint64_t)llround(objects), (uint64_t)llround(bytes), (uint64_t)llround(bytes));
	write_label(&m.cursor, TEXT_source, TEXT_heap);
	write_label(&m.cursor, TEXT_measure, TEXT_sampled);
	protobuf_message(out, PROFILE_SAMPLE, &m.cursor);
}

/* The first `stacks` by call stack, what remains as one. */
static void write_stacks(const struct work *w, struct cursor *out, uint32_t stacks)
{
	double objects = w->other_objects, bytes = w->other_bytes;
	struct message locations;
	for (uint32_t i = 0; i < w->stack_count; i++) {
		const struct stack *s = w->order[i];
		if (i >= stacks) {
			objects += s->objects;
			bytes += s->bytes;
			continue;
		}
		message_init(&locations);
		for (uint32_t k = 0; k < s->frame_count; k++) {
			uint64_t location = location_at(w, call_of(s->frames[k]));
			if (location != 0)
				protobuf_varint(&locations.cursor, location);
		}
		write_sampled(out, &locations, s->objects, s->bytes);
	}
	if (bytes == 0)
		return;
	message_init(&locations);
	protobuf_varint(&locations.cursor, LOCATION_OTHERS);
	write_sampled(out, &locations, objects, bytes);
}

static void write_held(struct work *w, struct cursor *out)
{
	for (uint32_t i = 0; i < w->held_count; i++) {
		const struct held *h = &w->held[i];
		struct message m, locations;
		uint64_t name = add_text(w, out, h->name);
		uint64_t function = write_function(w, out, name);
		uint64_t location = write_location(w, out, 0, 0, function);
		message_init(&m);
		message_init(&locations);
		protobuf_varint(&locations.cursor, location);
		protobuf_varint(&locations.cursor, LOCATION_HELD);
		protobuf_message(&m.cursor, SAMPLE_LOCATION, &locations.cursor);
		write_values(&m.cursor, h->objects, h->bytes, h->reserved);
		write_label(&m.cursor, TEXT_source, add_text(w, out, holding_kind_name(h->kind)));
		write_label(&m.cursor, TEXT_measure, TEXT_exact);
		write_label(&m.cursor, TEXT_holding, name);
		if (h->option != NULL)
			write_label(&m.cursor, TEXT_option, add_text(w, out, h->option));
		protobuf_message(out, PROFILE_SAMPLE, &m.cursor);
	}
}

static void write_facts(struct work *w, struct cursor *out)
{
	struct heap_sample_statistics s;
	char text[NAME_BYTES_MAX];
	struct message m;
	heap_sample_statistics(&s);
	write_type(out, PROFILE_PERIOD_TYPE, TEXT_space, TEXT_bytes);
	protobuf_number(out, PROFILE_PERIOD, s.period);
	protobuf_number(out, PROFILE_TIME, (uint64_t)clock_unix_ms() * 1000000);
	protobuf_number(out, PROFILE_DEFAULT_TYPE, TEXT_space);
	snprintf(text, sizeof text, "%s %u live samples, %llu dropped since the start (memory.heap_samples_max)",
	         s.period == 0 ? "sampling is off:" : "heap:", s.live, (unsigned long long)s.dropped_total);
	message_init(&m);
	protobuf_varint(&m.cursor, add_text(w, out, text));
	protobuf_message(out, PROFILE_COMMENT, &m.cursor); /* packed */
}

static void write_profile(struct work *w, struct cursor *out, uint32_t stacks)
{
	w->text_count = w->function_count = w->location_count = 0;
	find_places(w, stacks);
	add_texts(w, out);
	write_type(out, PROFILE_SAMPLE_TYPE, TEXT_objects, TEXT_count);
	write_type(out, PROFILE_SAMPLE_TYPE, TEXT_space, TEXT_bytes);
	write_type(out, PROFILE_SAMPLE_TYPE, TEXT_reserved, TEXT_bytes);
	write_mappings(w, out);
	(void)write_location(w, out, 0, 0, write_function(w, out, TEXT_held));
	(void)write_location(w, out, 0, 0, write_function(w, out, TEXT_others));
	write_places(w, out);
	write_stacks(w, out, stacks);
	write_held(w, out);
	write_facts(w, out);
}

status heap_profile_write(struct account *account, struct cursor *out)
{
	struct work *w = calloc(1, sizeof *w);
	if (w == NULL)
		return STATUS_pool_exhausted;
	(void)heap_sample_forget(w, &(size_t){}); /* this is not what somebody asks about */
	size_t start = cursor_used(out);
	read_samples(w);
	read_holdings(w, account);
	symbol_open(&w->files);
	for (uint32_t stacks = w->stack_count;; stacks /= 2) {
		struct cursor profile;
		cursor_init(&profile, w->bytes, sizeof w->bytes);
		write_profile(w, &profile, stacks);
		if (!profile.full)
			gzip_write(out, w->bytes, cursor_used(&profile));
		if ((!profile.full && !out->full) || stacks < STACKS_LEAST)
			break;
		cursor_rewind(out, start);
	}
	symbol_close(&w->files);
	free(w);
	return out->full || cursor_used(out) == start ? STATUS_pool_exhausted : STATUS_ok;
}
