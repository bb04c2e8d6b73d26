/*
 * The desk between the HTTP thread and main. A page lies in at most one of the slots `asked` and `answered` of its
 * index; whoever takes it out owns it. Release and acquire on the slot hand its contents over; an eventfd wakes the
 * other side's loop. There are as many slots as pages, so nothing is ever refused here.
 */
#include "engine/admin/inside.h"

#include "engine/base/check.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* A full counter means that the other side has been woken already. */
static void wake(int fd)
{
	ssize_t written = write(fd, &(uint64_t){1}, sizeof(uint64_t));
	(void)written;
}

static void sleep_again(int fd)
{
	uint64_t count;
	ssize_t taken = read(fd, &count, sizeof count);
	(void)taken;
}

status desk_setup(struct admin *admin)
{
	struct desk *d = &admin->desk;
	d->asked_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->answered_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->asked_fd < 0 || d->answered_fd < 0)
		return STATUS_internal;
	admin->pages_holding.option = "observe.pages";
	return account_open_pool(admin->options.account, &admin->pages, &admin->pages_holding, &(struct pool_options){
		.name = "http pages",
		.object_bytes = sizeof(struct page),
		.capacity = (uint32_t)admin->options.pages,
	});
}

void desk_teardown(struct admin *admin)
{
	struct desk *d = &admin->desk;
	if (d->asked_event != NULL)
		event_free(d->asked_event);
	if (d->asked_fd >= 0)
		close(d->asked_fd);
	if (d->answered_fd >= 0)
		close(d->answered_fd);
	if (admin->pages != NULL)
		account_close_pool(&admin->pages, &admin->pages_holding);
}

struct page *desk_borrow(struct admin *admin)
{
	struct pool_handle handle;
	void *object;
	/* A pool that was told to fail now and then does so once. */
	if (pool_borrow(admin->pages, &handle, &object) != STATUS_ok && pool_borrow(admin->pages, &handle, &object) != STATUS_ok)
		return NULL;
	struct page *page = object;
	page->handle = handle;
	for (page->index = 0; admin->desk.is_taken[page->index]; page->index++)
		CHECK(page->index + 1 < PAGES_MAX, "more pages than places on the desk");
	admin->desk.is_taken[page->index] = true;
	return page;
}

void desk_return(struct admin *admin, struct page **page)
{
	struct pool_handle handle = (*page)->handle;
	admin->desk.is_taken[(*page)->index] = false;
	*page = NULL;
	status s = pool_return(admin->pages, &handle);
	CHECK(s == STATUS_ok, "a page was given back twice");
}

void desk_ask(struct admin *admin, struct page *page)
{
	atomic_store_explicit(&admin->desk.asked[page->index], page, memory_order_release);
	wake(admin->desk.asked_fd);
}

void desk_collect(struct admin *admin)
{
	sleep_again(admin->desk.answered_fd);
	for (unsigned i = 0; i < PAGES_MAX; i++) {
		struct page *page = atomic_exchange_explicit(&admin->desk.answered[i], NULL, memory_order_acquire);
		if (page != NULL)
			connection_take_page(page->connection);
	}
}

/* ---- main's side ------------------------------------------------------------------------------ */

void desk_make(struct admin *admin, struct page *page)
{
	struct admin_answer *answer = &page->answer;
	*answer = (struct admin_answer){.code = 200, .type = "application/json", .headers = ""};
	cursor_init(&answer->body, page->bytes, sizeof page->bytes);
	page->route->run(admin->context, &page->request, answer);
	if (answer->body.full)
		admin_refuse(answer, 500, "the answer is larger than a page");
}

static void on_asked(evutil_socket_t fd, short what, void *argument)
{
	(void)what;
	struct admin *admin = argument;
	sleep_again((int)fd);
	for (unsigned i = 0; i < PAGES_MAX; i++) {
		struct page *page = atomic_exchange_explicit(&admin->desk.asked[i], NULL, memory_order_acquire);
		if (page == NULL)
			continue;
		desk_make(admin, page);
		atomic_store_explicit(&admin->desk.answered[i], page, memory_order_release);
		wake(admin->desk.answered_fd);
	}
}

status admin_serve(struct admin *admin, struct event_base *loop)
{
	admin_beat(admin);
	if (admin->desk.asked_fd < 0)
		return STATUS_ok; /* nobody listens */
	admin->desk.asked_event = event_new(loop, admin->desk.asked_fd, EV_READ | EV_PERSIST, on_asked, admin);
	if (admin->desk.asked_event == NULL || event_add(admin->desk.asked_event, NULL) != 0)
		return STATUS_pool_exhausted;
	atomic_store_explicit(&admin->is_serving, true, memory_order_release);
	admin_set_reason(admin, ADMIN_REASON_recovering, false);
	return STATUS_ok;
}
