/*
 * generate: writes what follows from the tables: the marked sections of
 * proto/README.md, the TypeScript types and the golden vectors. A build-time tool,
 * no part of the service; `make generate` runs it, and tests/unit/proto/
 * test_generated.c fails when what is checked in differs from what it would write.
 */
#ifndef PROTO_GENERATE_GENERATE_H
#define PROTO_GENERATE_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One file as it should be. The text is on the heap. */
struct output {
	char path[128];
	char *text;
	size_t bytes;
};

enum { OUTPUTS_MAX = 160 };

/* All outputs, for the checkout at root. Returns how many; ends the program with a
 * message when a source is missing or wrong. */
size_t generate_all(const char *root, struct output *outputs);

/* Below: between the files of this folder. */

/* The whole file, zero-terminated, on the heap; NULL if it cannot be read. */
char *generate_read(const char *root, const char *path, size_t *bytes);

void documents_events(FILE *out);
void documents_fields(FILE *out);
void documents_results(FILE *out);
void documents_publications(FILE *out);
void documents_codes(FILE *out);
void typescript_events(FILE *out);
void typescript_results(FILE *out);
void typescript_publications(FILE *out);
void layout_tables(FILE *out);

/* An annotated hex dump of a frame. */
void layout_dump(FILE *out, const uint8_t *bytes, size_t count);

/* Request and reply of one vector: what it needs is its JSON request. */
void vectors_write(const char *json, size_t json_bytes, FILE *request_hex, FILE *reply_json, FILE *reply_hex);

#endif
