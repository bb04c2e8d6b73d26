/* What is checked in of the generated files is what `make generate` would write. Run from the checkout. */
#include "proto/generate/documents.c"
#include "proto/generate/generate.c"
#include "proto/generate/layout.c"
#include "proto/generate/tables.c"
#include "proto/generate/typescript.c"
#include "proto/generate/vectors.c"

#include <setjmp.h>
#include <stdarg.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static void test_up_to_date(void **)
{
	static struct output outputs[OUTPUTS_MAX];
	size_t count = generate_all(".", outputs);
	assert_in_range(count, 10, OUTPUTS_MAX);
	for (size_t i = 0; i < count; i++) {
		size_t bytes = 0;
		char *old = generate_read(".", outputs[i].path, &bytes);
		if (old == NULL || bytes != outputs[i].bytes || memcmp(old, outputs[i].text, bytes) != 0)
			fail_msg("%s is out of date: make generate", outputs[i].path);
		free(old);
		free(outputs[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_up_to_date)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
