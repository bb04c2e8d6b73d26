#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr */
#endif
#include "engine/memory/symbol.h"

#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is loaded ---------------------------------------------------------------------------------- */

/* The build id among the notes of count bytes. */
static void find_build_id(const uint8_t *notes, size_t count, struct symbol_file *file)
{
	ElfW(Nhdr) note;
	for (size_t at = 0; at + sizeof note <= count;) {
		memcpy(&note, notes + at, sizeof note);
		size_t name = at + sizeof note, text = name + ((note.n_namesz + 3u) & ~3u);
		size_t end = text + ((note.n_descsz + 3u) & ~3u);
		if (note.n_namesz > count || note.n_descsz > count || end > count)
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name, "GNU", 4) == 0 &&
		    note.n_descsz <= SYMBOL_BUILD_ID_BYTES) {
			memcpy(file->build_id, notes + text, note.n_descsz);
			file->build_id_bytes = note.n_descsz;
			return;
		}
		at = end;
	}
}

static int note_loaded(struct dl_phdr_info *info, size_t bytes, void *argument)
{
	struct symbol_files *files = argument;
	(void)bytes;
	if (files->count == SYMBOL_FILES_MAX)
		return 1;
	struct symbol_file *f = &files->file[files->count];
	*f = (struct symbol_file){.base = info->dlpi_addr};
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && (p->p_flags & PF_X) && f->limit == 0) {
			f->start = info->dlpi_addr + p->p_vaddr;
			f->limit = f->start + p->p_memsz;
			f->offset = p->p_offset;
		} else if (p->p_type == PT_NOTE && f->build_id_bytes == 0) {
			find_build_id((const uint8_t *)(info->dlpi_addr + p->p_vaddr), p->p_memsz, f);
		}
	}
	snprintf(f->path, sizeof f->path, "%s", info->dlpi_name);
	if (files->count == 0 && f->path[0] == '\0') {
		ssize_t count = readlink("/proc/self/exe", f->path, sizeof f->path - 1);
		f->path[count < 0 ? 0 : count] = '\0';
	}
	files->count += f->limit != 0;
	return 0;
}

void symbol_open(struct symbol_files *files)
{
	files->count = 0;
	dl_iterate_phdr(note_loaded, files);
}

void symbol_close(struct symbol_files *files)
{
	for (unsigned i = 0; i < files->count; i++) {
		if (files->file[i].map != NULL)
			munmap(files->file[i].map, files->file[i].map_bytes);
		files->file[i].map = NULL;
	}
}

/* ---- one file's symbols -------------------------------------------------------------------------------- */

static bool map_file(struct symbol_file *f, bool is_program)
{
	struct stat status;
	int file = open(is_program ? "/proc/self/exe" : f->path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	if (fstat(file, &status) == 0 && status.st_size > 0) {
		void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
		f->map = map == MAP_FAILED ? NULL : map;
		f->map_bytes = (size_t)status.st_size;
	}
	close(file);
	return f->map != NULL;
}

/* `items` of `item_bytes` at an offset of the file, or NULL where they would not lie in it. */
static const void *part(const struct symbol_file *f, uint64_t offset, uint64_t items, uint64_t item_bytes, size_t alignment)
{
	if (offset > f->map_bytes || offset % alignment != 0 || items > (f->map_bytes - offset) / item_bytes)
		return NULL;
	return (const uint8_t *)f->map + offset;
}

struct table {
	const ElfW(Sym) *symbols;
	size_t count;
	const char *names;
	size_t names_bytes;
};

static bool is_same_build(const struct symbol_file *f, const ElfW(Shdr) *sections, unsigned count)
{
	struct symbol_file on_disk = {};
	for (unsigned i = 0; i < count && on_disk.build_id_bytes == 0; i++) {
		const void *notes = sections[i].sh_type == SHT_NOTE ? part(f, sections[i].sh_offset, sections[i].sh_size, 1, 4) : NULL;
		if (notes != NULL)
			find_build_id(notes, sections[i].sh_size, &on_disk);
	}
	return on_disk.build_id_bytes == f->build_id_bytes && memcmp(on_disk.build_id, f->build_id, f->build_id_bytes) == 0;
}

static bool open_table(const struct symbol_file *f, const ElfW(Shdr) *sections, unsigned count, unsigned type, struct table *t)
{
	for (unsigned i = 0; i < count; i++) {
		const ElfW(Shdr) *s = &sections[i];
		if (s->sh_type != type || s->sh_link >= count)
			continue;
		const ElfW(Shdr) *names = &sections[s->sh_link];
		t->count = s->sh_size / sizeof *t->symbols;
		t->symbols = part(f, s->sh_offset, t->count, sizeof *t->symbols, alignof(ElfW(Sym)));
		t->names_bytes = names->sh_size;
		t->names = part(f, names->sh_offset, names->sh_size, 1, 1);
		return t->symbols != NULL && t->names != NULL && t->names_bytes > 0 && t->names[t->names_bytes - 1] == '\0';
	}
	return false;
}

static bool open_symbols(const struct symbol_file *f, struct table *t)
{
	const ElfW(Ehdr) *head = part(f, 0, 1, sizeof *head, 1);
	if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 || head->e_shentsize != sizeof(ElfW(Shdr)))
		return false;
	const ElfW(Shdr) *sections = part(f, head->e_shoff, head->e_shnum, sizeof *sections, alignof(ElfW(Shdr)));
	if (sections == NULL || !is_same_build(f, sections, head->e_shnum))
		return false;
	return open_table(f, sections, head->e_shnum, SHT_SYMTAB, t) || open_table(f, sections, head->e_shnum, SHT_DYNSYM, t);
}

/* The first that is not below the address. */
static size_t first_from(const struct symbol *symbols, size_t count, uintptr_t address)
{
	size_t low = 0, high = count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (symbols[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void name_in_file(const struct symbol_file *f, const struct table *t, struct symbol *symbols, size_t count)
{
	for (size_t i = 0; i < t->count; i++) {
		const ElfW(Sym) *s = &t->symbols[i];
		unsigned type = s->st_info & 0xf;
		if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s->st_shndx == SHN_UNDEF || s->st_name >= t->names_bytes)
			continue;
		uintptr_t start = f->base + s->st_value;
		for (size_t k = first_from(symbols, count, start); k < count && symbols[k].address - start < s->st_size; k++)
			symbols[k].name = t->names + s->st_name;
	}
}

void symbol_name(struct symbol_files *files, struct symbol *symbols, size_t count)
{
	for (size_t k = 0; k < count; k++)
		symbols[k].name = NULL, symbols[k].file = NULL;
	for (unsigned i = 0; i < files->count; i++) {
		struct symbol_file *f = &files->file[i];
		struct table table;
		size_t first = first_from(symbols, count, f->start);
		size_t end = first_from(symbols, count, f->limit);
		if (first == end)
			continue;
		for (size_t k = first; k < end; k++)
			symbols[k].file = f;
		f->has_names = (f->map != NULL || map_file(f, i == 0)) && open_symbols(f, &table);
		if (f->has_names)
			name_in_file(f, &table, symbols + first, end - first);
	}
}
