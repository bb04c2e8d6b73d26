/*
 * names: texts and the numbers that stand for them, from 0 in the order in which they came; each
 * text is kept once. An open-addressing table that doubles. The texts are the table's. One thread.
 */
#ifndef CMD_TROVECTL_NAMES_H
#define CMD_TROVECTL_NAMES_H

#include <stddef.h>
#include <stdint.h>

enum : uint32_t { NAMES_NONE = UINT32_MAX };

struct names {
	char *text;       /* all of them, a zero byte behind each */
	size_t text_bytes, text_capacity;
	size_t *start;    /* of each */
	uint32_t count, capacity;
	uint32_t *cell;   /* number + 1; 0: free */
	uint32_t cells;   /* a power of two */
};

/* All zero is empty. */
void names_free(struct names *names);
/* The text's number, a new one if it was not there. NAMES_NONE: no memory. */
uint32_t names_add(struct names *names, const char *text, size_t bytes);
/* Zero-terminated; holds until the next names_add. */
static inline const char *names_text(const struct names *names, uint32_t number) { return names->text + names->start[number]; }

/* Doubles an array that is full. false: no memory. */
bool names_grow(void *array, uint32_t *capacity, uint32_t count, size_t bytes);

#endif
