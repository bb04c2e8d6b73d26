/*
 * symbol: the names of functions at addresses of this process, from the symbol tables of the
 * program and its libraries (.symtab, else .dynsym), and what identifies those files.
 *
 * The files are read where they lie on the disk, the program itself by /proc/self/exe; one that
 * was replaced meanwhile has another build id and gives no names. Nothing in a file is trusted
 * to be in bounds. One thread at a time; names point into the mapped files and are valid until
 * symbol_close. Takes one pass over each file's symbols: about a millisecond.
 */
#ifndef ENGINE_MEMORY_SYMBOL_H
#define ENGINE_MEMORY_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

enum { SYMBOL_FILES_MAX = 64, SYMBOL_BUILD_ID_BYTES = 20 };

struct symbol_file {
	char path[256];
	uintptr_t base;                 /* what is added to the addresses in the file */
	uintptr_t start, limit, offset; /* its code, and where that begins in the file */
	uint8_t build_id[SYMBOL_BUILD_ID_BYTES];
	unsigned build_id_bytes; /* 0: it has none */
	bool has_names;
	void *map; /* NULL: not mapped */
	size_t map_bytes;
};

struct symbol_files {
	struct symbol_file file[SYMBOL_FILES_MAX]; /* the program first */
	unsigned count;
};

struct symbol {
	uintptr_t address;
	const char *name;              /* NULL: unknown */
	const struct symbol_file *file; /* NULL: in none of them */
};

void symbol_open(struct symbol_files *files);
/* Fills name and file of symbols whose addresses are in ascending order. */
void symbol_name(struct symbol_files *files, struct symbol *symbols, size_t count);
void symbol_close(struct symbol_files *files);

#endif
