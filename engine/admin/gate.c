/* Who may do what: paths, methods, listeners, the token. */
#include "engine/admin/inside.h"

#include <string.h>
#include <strings.h>

/* Methods of GET's rows. */
static bool reads(const char *method) { return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0; }

static bool serves(enum listener listener, const struct admin_route *route)
{
	return route->rows != ADMIN_CHANGES || listener == LISTENER_admin;
}

static bool fits(const struct admin_route *route, const char *method)
{
	return strcmp(route->method, method) == 0 || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* As long as it takes for the longest token, whatever the two are. */
static bool is_same_token(const char *expected, const char *given)
{
	char ours[OPTION_TEXT_BYTES] = {}, theirs[OPTION_TEXT_BYTES] = {};
	size_t length = strnlen(given, sizeof theirs);
	unsigned difference = length == sizeof theirs;
	size_t expected_length = strnlen(expected, sizeof ours - 1);
	memcpy(ours, expected, expected_length + 1);
	memcpy(theirs, given, length - difference); /* NOLINT(bugprone-not-null-terminated-result): bytes, compared as such */
	for (size_t i = 0; i < sizeof ours; i++)
		difference |= (unsigned char)(ours[i] ^ theirs[i]);
	/* The compiler must not leave the loop at the first difference. */
	__asm__ volatile("" : "+r"(difference));
	return difference == 0;
}

/* 401 without credentials, 403 with wrong ones. Without a token a browser may not change anything: any page that its
 * user looks at could send a POST to this machine; browsers say Origin with it. */
static int check_token(const struct admin *admin, const struct request *r)
{
	static const char scheme[] = "Bearer ";
	const char *expected = admin->options.token, *given = request_header(r, REQUEST_HEADER_authorization);
	if (expected[0] == '\0')
		return request_header(r, REQUEST_HEADER_origin) == NULL ? 0 : 403;
	if (given == NULL || strncasecmp(given, scheme, sizeof scheme - 1) != 0)
		return 401;
	given += sizeof scheme - 1;
	return is_same_token(expected, given + strspn(given, " ")) ? 0 : 403;
}

int gate_admits(const struct admin *admin, const struct request *r, enum listener listener, const struct admin_route **route)
{
	const char *method = request_method(r);
	bool is_known = probe_is(r->path);
	*route = NULL;
	if (is_known)
		return reads(method) ? 0 : 405;
	for (size_t i = 0; i < admin->route_count; i++) {
		const struct admin_route *row = &admin->routes[i];
		if (strcmp(row->path, r->path) != 0)
			continue;
		is_known = true;
		if (!fits(row, method) || !serves(listener, row))
			continue;
		*route = row;
		return row->rows == ADMIN_CHANGES ? check_token(admin, r) : 0;
	}
	return is_known || (listener == LISTENER_observe && !reads(method)) ? 405 : 404;
}

void gate_write_allow(const struct admin *admin, enum listener listener, const char *path, struct cursor *out)
{
	const char *comma = "";
	bool is_known = false;
	for (size_t i = 0; i < admin->route_count; i++) {
		const struct admin_route *row = &admin->routes[i];
		if (strcmp(row->path, path) != 0)
			continue;
		is_known = true;
		if (!serves(listener, row))
			continue;
		cursor_format(out, "%s%s", comma, strcmp(row->method, "GET") == 0 ? "GET, HEAD" : row->method);
		comma = ", ";
	}
	if (!is_known)
		cursor_literal(out, "GET, HEAD");
}
