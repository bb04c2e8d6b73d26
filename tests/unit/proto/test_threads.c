/*
 * Several threads decode JSON at once, each in its own arena, while another uses
 * jansson for itself, on the heap: nobody's memory ends up with another.
 */
#include "engine/base/check.h"
#include "tests/support/wire.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

enum { THREADS = 3, ROUNDS = 2000 };

static void *decode(void *)
{
	static const char message[] = "[{\"type\":\"ping\",\"id\":1},{\"type\":\"locate\",\"x\":1,\"y\":1e999}]";
	struct wire *w = wire_create(false);
	for (unsigned i = 0; i < ROUNDS; i++) {
		wire_answer(w, message, sizeof message - 1);
		CHECK(strncmp(w->reply, "[{\"type\":\"pong\",\"id\":\"1\"},{\"type\":\"error\"", 40) == 0, "%s", w->reply);
	}
	wire_destroy(&w);
	return NULL;
}

static void *use_jansson(void *)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		json_t *json = json_pack("{s:[i,s]}", "key", 5, "value");
		char *text = json_dumps(json, JSON_COMPACT);
		CHECK(text != NULL && strcmp(text, "{\"key\":[5,\"value\"]}") == 0, "%s", text);
		free(text);
		json_decref(json);
	}
	return NULL;
}

static void test_at_once(void **)
{
	pthread_t threads[THREADS];
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, i == 0 ? use_jansson : decode, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_at_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
