/* Pages that are the same while the service recovers: made by main before the HTTP thread starts, kept until the end. */
#include "engine/admin/inside.h"

#include <stdlib.h>
#include <string.h>

/* Into the page, which is lent; only what it holds in the end is kept. */
static bool keep(struct admin *admin, const struct admin_route *route, struct page *page)
{
	struct early_page *kept = &admin->early[admin->early_count];
	page->route = route;
	page->request = (struct admin_request){.method = "GET", .path = route->path, .query = "", .accept = "", .body = ""};
	desk_make(admin, page);
	*kept = (struct early_page){.route = route, .answer = page->answer};
	if (kept->answer.constant == NULL) {
		size_t bytes = cursor_used(&page->answer.body);
		kept->bytes = malloc(bytes);
		if (kept->bytes == NULL)
			return false;
		memcpy(kept->bytes, page->bytes, bytes);
		kept->answer.constant = kept->bytes;
		kept->answer.constant_bytes = bytes;
	}
	admin->early_count++;
	return true;
}

status early_setup(struct admin *admin)
{
	struct page *page = desk_borrow(admin);
	bool good = page != NULL;
	for (size_t i = 0; good && i < admin->route_count; i++) {
		const struct admin_route *route = &admin->routes[i];
		if (route->rows == ADMIN_EARLY)
			good = admin->early_count < EARLY_PAGES_MAX && keep(admin, route, page);
	}
	if (page != NULL)
		desk_return(admin, &page);
	return good ? STATUS_ok : STATUS_pool_exhausted;
}

void early_teardown(struct admin *admin)
{
	while (admin->early_count > 0)
		free(admin->early[--admin->early_count].bytes);
}

bool early_answers(struct connection *c)
{
	for (unsigned i = 0; i < c->admin->early_count; i++) {
		const struct admin_answer *a = &c->admin->early[i].answer;
		if (c->admin->early[i].route != c->route)
			continue;
		answer_set(c, a->code, a->type, a->headers, a->constant, a->constant_bytes);
		return true;
	}
	return false;
}
