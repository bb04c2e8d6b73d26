/* Distances at known places, and boxes that never leave out what is near. */
#include "engine/base/random.h"
#include "engine/store/geometry.h"
#include "tests/support/valgrind.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void test_known_distances(void **state)
{
	(void)state;
	double quarter = M_PI / 2 * EARTH_RADIUS_M;
	assert_true(fabs(geometry_geo_distance(0, 0, 90, 0) - quarter) < 1e-6);
	assert_true(fabs(geometry_geo_distance(0, 0, 0, 90) - quarter) < 1e-6);
	assert_true(fabs(geometry_geo_distance(0, 0, 180, 0) - 2 * quarter) < 1e-6);
	/* San Francisco to New York, haversine on this sphere. */
	assert_true(fabs(geometry_geo_distance(-122.4194, 37.7749, -74.0060, 40.7128) - 4129e3) < 2e3);
	assert_true(geometry_plane_distance(25, 3, 4) == 5);
	assert_true(geometry_plane_distance(0, 3e-200, 4e-200) == 5e-200);
}

/* Errors in units of the last place of the true value. */
static double error_ulp(double got, long double expected)
{
	double ulp = nextafter(fabs((double)expected), INFINITY) - fabs((double)expected);
	return (double)fabsl((long double)got - expected) / ulp;
}

static void test_small_angles_are_as_exact_as_libm(void **state)
{
	(void)state;
	if (is_in_valgrind()) {
		printf("SKIP: in valgrind long double is no more exact than double\n");
		skip();
	}
	struct random r = {61};
	double worst_sine = 0, worst_arcsine = 0;
	for (int i = 0; i < 400000; i++) {
		double t = i % 4 == 0 ? random_between(&r, -1, 1) : random_between(&r, -1, 1) * GEOMETRY_SMALL;
		worst_sine = fmax(worst_sine, error_ulp(geometry_sine(t), sinl(t)));
		worst_arcsine = fmax(worst_arcsine, error_ulp(geometry_arcsine(t), asinl(t)));
	}
	if (worst_sine > 0.75 || worst_arcsine > 0.75)
		fail_msg("sine is off by %.3f of the last place, arcsine by %.3f", worst_sine, worst_arcsine);
	assert_true(geometry_sine(0) == 0 && geometry_arcsine(0) == 0);
}

static void test_same_places_have_no_distance(void **state)
{
	(void)state;
	assert_true(geometry_geo_distance(180, 12, -180, 12) == 0);
	assert_true(geometry_geo_distance(-77, 90, 133, 90) == 0);
	assert_true(geometry_geo_distance(-77, -90, 133, -90) == 0);
	assert_true(geometry_geo_distance(179.5, 0, -179.5, 0) == geometry_geo_distance(0, 0, 1, 0));
}

static bool is_in(const struct geometry_box *b, double x, double y)
{
	return x >= b->min_x && x <= b->max_x && y >= b->min_y && y <= b->max_y;
}

static void check_boxes(double x, double y, double radius, double px, double py)
{
	struct geometry_box boxes[2];
	unsigned count = geometry_geo_boxes(x, y, geometry_cosine(y), radius, boxes);
	bool is_found = is_in(&boxes[0], px, py) || (count == 2 && is_in(&boxes[1], px, py));
	if (!is_found && geometry_geo_distance(x, y, px, py) <= radius)
		fail_msg("%.17g %.17g radius %.17g leaves out %.17g %.17g", x, y, radius, px, py);
}

static double corner(struct random *r, double limit)
{
	static const double offsets[] = {0, 1e-13, 1e-9, 1e-6, 1e-5, 1e-3, 0.1, 5};
	double sign = random_below(r, 2) == 0 ? -1 : 1;
	return random_below(r, 3) == 0 ? random_between(r, -limit, limit) : sign * (limit - offsets[random_below(r, 8)]);
}

/* The circle goes exactly through the place, which is the hardest case. */
static void test_boxes_hold_the_circle(void **state)
{
	(void)state;
	struct random r = {5};
	for (int i = 0; i < 400000; i++) {
		double x = corner(&r, 180), y = corner(&r, 90);
		double spread = pow(10, random_between(&r, -12, 2.2));
		double px = fmax(-180, fmin(180, x + random_between(&r, -spread, spread)));
		double py = fmax(-90, fmin(90, y + random_between(&r, -spread, spread)));
		if (random_below(&r, 4) == 0)
			px = -px;
		check_boxes(x, y, geometry_geo_distance(x, y, px, py), px, py);
	}
}

static void check_threshold(struct geometry_threshold t, double square, double distance, double radius)
{
	if (square < t.inside)
		assert_true(distance <= radius);
	if (square > t.outside)
		assert_true(distance > radius);
}

static void test_thresholds_agree_with_distances(void **state)
{
	(void)state;
	struct random r = {6};
	for (int i = 0; i < 300000; i++) {
		double x = corner(&r, 180), y = corner(&r, 90), px = corner(&r, 180), py = corner(&r, 90);
		double h = geometry_haversine(x, y, geometry_cosine(y), px, py, geometry_cosine(py));
		double distance = geometry_arc(h);
		double radius = random_below(&r, 2) == 0 ? nextafter(distance, random_below(&r, 2) * 1e9) : distance;
		check_threshold(geometry_geo_threshold(radius), h, distance, radius);
		double dx = random_between(&r, -1, 1) * pow(10, random_between(&r, -320, 15));
		double dy = random_between(&r, -1, 1) * pow(10, random_between(&r, -320, 15));
		double square = dx * dx + dy * dy;
		distance = geometry_plane_distance(square, dx, dy);
		radius = random_below(&r, 2) == 0 ? nextafter(distance, random_below(&r, 2) * 1e16) : distance;
		check_threshold(geometry_plane_threshold(radius), square, distance, radius);
	}
}

static void test_box_bounds_are_inclusive(void **state)
{
	(void)state;
	double box[4] = {1, 2, 3, 4};
	assert_true(geometry_box_contains(box, true, 1, 2) && geometry_box_contains(box, true, 3, 4));
	assert_false(geometry_box_contains(box, true, nextafter(1, 0), 2));
	double crossing[4] = {170, -10, -170, 10};
	assert_true(geometry_box_contains(crossing, false, 180, 0) && geometry_box_contains(crossing, false, -180, 0));
	assert_false(geometry_box_contains(crossing, false, 0, 0));
	assert_false(geometry_box_contains(crossing, true, 180, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_distances),
		cmocka_unit_test(test_small_angles_are_as_exact_as_libm),
		cmocka_unit_test(test_same_places_have_no_distance),
		cmocka_unit_test(test_boxes_hold_the_circle),
		cmocka_unit_test(test_thresholds_agree_with_distances),
		cmocka_unit_test(test_box_bounds_are_inclusive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
