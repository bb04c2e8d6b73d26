#include "engine/store/geometry.h"

/*
 * How far a computed distance may be from the true one, for the bounding boxes.
 * Haversine loses half its digits towards the antipode (asin near 1), which the
 * second part covers; 1e-12 rad is 6 micrometres.
 */
#define ANGLE_SLACK 1e-12
#define ANGLE_SLACK_RELATIVE 1e-7
#define DEGREES_SLACK 1e-9
/* Circles that come this near to a pole, in degrees (about a metre), are taken to
 * contain it, so that no division by a vanishing cosine has to be trusted. */
#define POLE_SLACK 1e-5

double geometry_geo_distance(double x1, double y1, double x2, double y2)
{
	return geometry_arc(geometry_haversine(x1, y1, geometry_cosine(y1), x2, y2, geometry_cosine(y2)));
}

/* 1e-12 is far more than the rounding of either side; where squares underflow, the
 * relative margin means nothing and a wide absolute one takes its place. */
static struct geometry_threshold threshold_around(double square)
{
	if (square < 1e-290)
		return (struct geometry_threshold){-1, 1e-280};
	return (struct geometry_threshold){square * (1 - 1e-12), square * (1 + 1e-12)};
}

struct geometry_threshold geometry_plane_threshold(double radius) { return threshold_around(radius * radius); }

struct geometry_threshold geometry_geo_threshold(double radius)
{
	double half_angle = radius / (2 * EARTH_RADIUS_M);
	/* Near the antipode the haversine no longer tells distances apart well enough. */
	if (half_angle > 1.4)
		return (struct geometry_threshold){-1, 2};
	double s = geometry_sine(half_angle);
	return threshold_around(s * s);
}

struct geometry_reach geometry_plane_reach(double radius)
{
	double reach = radius * (1 + 1e-12) + 1e-300;
	return (struct geometry_reach){reach, reach};
}

struct geometry_reach geometry_geo_reach(double y, double cosine, double radius)
{
	double angle = radius / EARTH_RADIUS_M;
	angle = angle * (1 + (angle > 1 ? ANGLE_SLACK_RELATIVE : 1e-9)) + ANGLE_SLACK;
	struct geometry_reach reach = {180, angle / RADIANS_PER_DEGREE + DEGREES_SLACK};
	if (y + reach.y >= 90 - POLE_SLACK || y - reach.y <= -90 + POLE_SLACK)
		return reach;
	/* No pole inside, so angle < 90 degrees. */
	double ratio = geometry_sine(angle) / cosine * (1 + 1e-7);
	if (ratio < 1)
		reach.x = fmin(180, geometry_arcsine(ratio) / RADIANS_PER_DEGREE * (1 + 1e-9) + DEGREES_SLACK);
	return reach;
}

unsigned geometry_geo_boxes(double x, double y, double cosine, double radius, struct geometry_box boxes[2])
{
	struct geometry_reach reach = geometry_geo_reach(y, cosine, radius);
	struct geometry_box box = {x - reach.x, y - reach.y, x + reach.x, y + reach.y};
	boxes[0] = box;
	if (reach.x >= 179.9) {
		boxes[0].min_x = -180;
		boxes[0].max_x = 180;
		return 1;
	}
	if (box.min_x >= -180 && box.max_x <= 180)
		return 1;
	boxes[1] = box;
	boxes[0].min_x = box.min_x < -180 ? box.min_x + 360 - DEGREES_SLACK : box.min_x;
	boxes[0].max_x = 180;
	boxes[1].min_x = -180;
	boxes[1].max_x = box.max_x > 180 ? box.max_x - 360 + DEGREES_SLACK : box.max_x;
	return 2;
}

bool geometry_box_contains(const double box[4], bool is_plane, double x, double y)
{
	if (y < box[1] || y > box[3])
		return false;
	if (!is_plane && box[0] > box[2])
		return x >= box[0] || x <= box[2];
	return x >= box[0] && x <= box[2];
}
