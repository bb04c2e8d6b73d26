#include "engine/base/status.h"

static const struct {
	const char *code;
	const char *text;
	enum retry retry;
} table[STATUS_COUNT] = {
	[STATUS_ok] = {"ok", "done", RETRY_never},
#define X(name, retry, text) [STATUS_##name] = {#name, text, RETRY_##retry},
	STATUS_TABLE(X)
#undef X
};

static status in_table(status s) { return (unsigned)s < STATUS_COUNT ? s : STATUS_internal; }

const char *status_code(status s) { return table[in_table(s)].code; }

const char *status_text(status s) { return table[in_table(s)].text; }

enum retry status_retry(status s) { return table[in_table(s)].retry; }

const char *retry_name(enum retry r)
{
	static const char *const names[] = {
#define X(name) [RETRY_##name] = #name,
		RETRY_TABLE(X)
#undef X
	};
	return names[r];
}
