#include "cmd/trovectl/names.h"

#include "engine/base/hash.h"

#include <stdlib.h>
#include <string.h>

enum { CELLS_LEAST = 1024, TEXT_LEAST = 65536 };

void names_free(struct names *n)
{
	free(n->text);
	free(n->start);
	free(n->cell);
	*n = (struct names){};
}

bool names_grow(void *array, uint32_t *capacity, uint32_t count, size_t bytes)
{
	void *before, *after;
	if (count < *capacity)
		return true;
	uint32_t more = *capacity == 0 ? CELLS_LEAST : *capacity * 2;
	memcpy(&before, array, sizeof before);
	if (more <= *capacity || (after = reallocarray(before, more, bytes)) == NULL)
		return false;
	memcpy(array, &after, sizeof after);
	*capacity = more;
	return true;
}

/* Where the text is, or would be. */
static uint32_t *find(const struct names *n, const char *text, size_t bytes)
{
	for (uint32_t at = (uint32_t)hash_bytes(text, bytes, 0);; at++) {
		uint32_t *cell = &n->cell[at & (n->cells - 1)];
		if (*cell == 0)
			return cell;
		const char *other = names_text(n, *cell - 1);
		if (strncmp(other, text, bytes) == 0 && other[bytes] == '\0')
			return cell;
	}
}

static bool grow_cells(struct names *n)
{
	if (n->count < n->cells / 2)
		return true;
	uint32_t cells = n->cells == 0 ? CELLS_LEAST : n->cells * 2;
	uint32_t *cell = cells > n->cells ? calloc(cells, sizeof *cell) : NULL;
	if (cell == NULL)
		return false;
	free(n->cell);
	n->cell = cell;
	n->cells = cells;
	for (uint32_t i = 0; i < n->count; i++) {
		const char *text = names_text(n, i);
		*find(n, text, strlen(text)) = i + 1;
	}
	return true;
}

static bool grow_text(struct names *n, size_t bytes)
{
	while (n->text_capacity - n->text_bytes < bytes) {
		size_t capacity = n->text_capacity == 0 ? TEXT_LEAST : n->text_capacity * 2;
		char *text = realloc(n->text, capacity);
		if (text == NULL)
			return false;
		n->text = text;
		n->text_capacity = capacity;
	}
	return true;
}

uint32_t names_add(struct names *n, const char *text, size_t bytes)
{
	if (!grow_cells(n))
		return NAMES_NONE;
	uint32_t *cell = find(n, text, bytes);
	if (*cell != 0)
		return *cell - 1;
	if (!names_grow(&n->start, &n->capacity, n->count, sizeof *n->start) || !grow_text(n, bytes + 1))
		return NAMES_NONE;
	memcpy(n->text + n->text_bytes, text, bytes);
	n->text[n->text_bytes + bytes] = '\0';
	n->start[n->count] = n->text_bytes;
	n->text_bytes += bytes + 1;
	*cell = ++n->count;
	return n->count - 1;
}
