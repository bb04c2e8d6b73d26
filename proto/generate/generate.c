#include "proto/generate/generate.h"

#include <stdlib.h>
#include <string.h>

/* Each vector is proto/vectors/NAME.request.json and what is made from it. */
static const char *const vectors[] = {
	"ping", "locate_own", "locate_radius", "locate_box", "reward_put", "reward_put_full",
	"reward_remove", "reward_get", "invalid_field", "not_found", "batch", "claim", "claim_full", "product_put",
	"product_put_full", "product_remove", "product_get", "cart_open", "cart_open_full", "cart_add", "cart_add_full",
	"cart_set", "cart_remove", "cart_apply", "cart_get", "cart_checkout", "payment_authorize", "payment_authorize_full",
	"payment_capture", "payment_refund", "payment_void", "payment_get", "feed_read", "feed_read_topics", "replayed",
	"refused",
};

static const struct {
	const char *name;
	void (*write)(FILE *out);
} sections[] = {
	{"events", documents_events}, {"fields", documents_fields}, {"results", documents_results},
	{"publications", documents_publications}, {"codes", documents_codes}, {"layout", layout_tables},
};

static const struct {
	const char *path;
	void (*write)(FILE *out);
} type_files[] = {
	{"proto/typescript/events.ts", typescript_events},
	{"proto/typescript/results.ts", typescript_results},
	{"proto/typescript/publications.ts", typescript_publications},
};

[[noreturn]] static void fail(const char *path, const char *what)
{
	fprintf(stderr, "generate: %s: %s\n", path, what);
	exit(1);
}

char *generate_read(const char *root, const char *path, size_t *bytes)
{
	char whole[512];
	snprintf(whole, sizeof whole, "%s/%s", root, path);
	FILE *in = fopen(whole, "rb");
	if (in == NULL)
		return NULL;
	char *text = malloc(1 << 20);
	if (text == NULL)
		fail(path, "no memory");
	*bytes = fread(text, 1, (1 << 20) - 1, in);
	text[*bytes] = '\0';
	fclose(in);
	return text;
}

static FILE *open_output(struct output *o, const char *path)
{
	snprintf(o->path, sizeof o->path, "%s", path);
	FILE *out = open_memstream(&o->text, &o->bytes);
	if (out == NULL)
		fail(path, "no memory");
	return out;
}

/* The page with what stands between `<!-- generated: NAME -->` and `<!-- end -->` made anew. */
static void write_readme(const char *root, struct output *o)
{
	static const char path[] = "proto/README.md";
	size_t bytes;
	char *old = generate_read(root, path, &bytes);
	if (old == NULL)
		fail(path, "cannot be read");
	FILE *out = open_output(o, path);
	const char *at = old;
	for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
		char start[64];
		snprintf(start, sizeof start, "<!-- generated: %s -->\n", sections[i].name);
		const char *begin = strstr(at, start), *end = begin != NULL ? strstr(begin, "<!-- end -->") : NULL;
		if (end == NULL)
			fail(path, start);
		begin += strlen(start);
		fwrite(at, 1, (size_t)(begin - at), out);
		sections[i].write(out);
		at = end;
	}
	fputs(at, out);
	fclose(out);
	free(old);
}

static FILE *open_vector(struct output *o, const char *name, const char *kind)
{
	char path[sizeof o->path];
	snprintf(path, sizeof path, "proto/vectors/%s.%s", name, kind);
	return open_output(o, path);
}

static void write_vector(const char *root, const char *name, struct output *outputs)
{
	char path[128];
	size_t bytes;
	snprintf(path, sizeof path, "proto/vectors/%s.request.json", name);
	char *json = generate_read(root, path, &bytes);
	if (json == NULL)
		fail(path, "cannot be read");
	FILE *request_hex = open_vector(&outputs[0], name, "request.hex");
	FILE *reply_json = open_vector(&outputs[1], name, "reply.json");
	FILE *reply_hex = open_vector(&outputs[2], name, "reply.hex");
	vectors_write(json, bytes, request_hex, reply_json, reply_hex);
	fclose(request_hex);
	fclose(reply_json);
	fclose(reply_hex);
	free(json);
}

size_t generate_all(const char *root, struct output *outputs)
{
	size_t count = 0;
	write_readme(root, &outputs[count++]);
	for (size_t i = 0; i < sizeof type_files / sizeof type_files[0]; i++) {
		FILE *out = open_output(&outputs[count++], type_files[i].path);
		type_files[i].write(out);
		fclose(out);
	}
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++, count += 3)
		write_vector(root, vectors[i], &outputs[count]);
	return count;
}
