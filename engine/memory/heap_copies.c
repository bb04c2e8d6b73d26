/*
 * What mimalloc defines beside malloc's family for itself, without a call to malloc: blocks of
 * these would not be counted when they are taken, but when they are freed. So they are ours, too.
 */
#include "engine/base/sanitizer.h"
#include "engine/memory/heap_private.h"

#include <errno.h>
#include <stdckdint.h>
#include <stdlib.h>
#include <string.h>

void heap_link_copies(void) {}

#if !defined(SANITIZER_ADDRESS) && !defined(SANITIZER_THREAD)

#define EXPORTED [[gnu::visibility("default")]]

EXPORTED void *reallocarray(void *block, size_t items, size_t bytes)
{
	size_t all;
	if (ckd_mul(&all, items, bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(block, all);
}

static char *copy_text(const char *text, size_t bytes)
{
	char *copy = malloc(bytes + 1);
	if (copy == NULL)
		return NULL;
	copy[bytes] = '\0';
	return memcpy(copy, text, bytes);
}

EXPORTED char *strdup(const char *text) { return copy_text(text, strlen(text)); }
EXPORTED char *strndup(const char *text, size_t most) { return copy_text(text, strnlen(text, most)); }

#endif
