/* Probes: answered by the HTTP thread, from memory, whatever main and its pages do. */
#include "engine/admin/inside.h"

#include "engine/base/check.h"
#include "engine/base/clock.h"

#include <string.h>

/* Below it main may be busy, e.g. with a page of a very large process. */
#define STALLED_NS INT64_C(30000000000)

static const struct {
	const char *path, *good, *bad;
	unsigned reasons; /* that make it say 503 */
} probes[] = {
	{"/livez", "live", "not live", 1u << ADMIN_REASON_stalled},
#define X(name, text, ready, health) | (ready ? 1u << ADMIN_REASON_##name : 0)
	{"/readyz", "ready", "not ready", 0 ADMIN_REASONS(X)},
#undef X
#define X(name, text, ready, health) | (health ? 1u << ADMIN_REASON_##name : 0)
	{"/healthz", "healthy", "not healthy", 0 ADMIN_REASONS(X)},
#undef X
};

unsigned admin_reasons(const struct admin *admin)
{
	unsigned reasons = atomic_load_explicit(&admin->reasons, memory_order_acquire);
	int64_t beat_ns = atomic_load_explicit(&admin->beat_ns, memory_order_acquire);
	if (beat_ns != 0 && clock_monotonic_ns() - beat_ns > STALLED_NS)
		reasons |= 1u << ADMIN_REASON_stalled;
	return reasons;
}

void admin_set_reason(struct admin *admin, enum admin_reason reason, bool is_so)
{
	if (is_so)
		atomic_fetch_or_explicit(&admin->reasons, 1u << reason, memory_order_acq_rel);
	else
		atomic_fetch_and_explicit(&admin->reasons, ~(1u << reason), memory_order_acq_rel);
}

void admin_beat(struct admin *admin)
{
	atomic_store_explicit(&admin->beat_ns, clock_monotonic_ns(), memory_order_release);
}

static void write_reasons(unsigned reasons, struct cursor *out)
{
	static const char *const texts[] = {
#define X(name, text, ready, health) text,
		ADMIN_REASONS(X)
#undef X
	};
	const char *comma = "";
	cursor_literal(out, "[");
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if ((reasons & 1u << i) != 0) {
			cursor_format(out, "%s\"%s\"", comma, texts[i]);
			comma = ",";
		}
	cursor_literal(out, "]");
}

void admin_write_reasons(struct admin *admin, struct cursor *out) { write_reasons(admin_reasons(admin), out); }

/* -1: it is none. */
static int probe_of(const char *path)
{
	for (size_t i = 0; i < COUNT_OF(probes); i++)
		if (strcmp(probes[i].path, path) == 0)
			return (int)i;
	return -1;
}

bool probe_is(const char *path) { return probe_of(path) >= 0; }

bool probe_answers(struct connection *c)
{
	char json[512];
	struct cursor out;
	int i = probe_of(c->request.path);
	if (i < 0)
		return false;
	unsigned reasons = admin_reasons(c->admin) & probes[i].reasons;
	cursor_init(&out, json, sizeof json);
	cursor_format(&out, "{\"status\":\"%s\"", reasons == 0 ? probes[i].good : probes[i].bad);
	if (reasons != 0) {
		cursor_literal(&out, ",\"reasons\":");
		write_reasons(reasons, &out);
	}
	cursor_literal(&out, "}\n");
	answer_set(c, reasons == 0 ? 200 : 503, "application/json", "", json, cursor_used(&out));
	return true;
}
