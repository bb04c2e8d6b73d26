/*
 * geometry: what "near" means, in double precision. Everything else in the store
 * only makes these answers fast and must agree with them bit for bit.
 *
 * Plane: Euclidean distance. Geo: great-circle distance on a sphere by the haversine
 * formula (R. W. Sinnott, Virtues of the Haversine, Sky and Telescope 68, 1984), in
 * metres; x is longitude, y is latitude, both in degrees.
 *
 * Longitudes 180 and -180 are one meridian, and all longitudes of a pole are one
 * point: distances there are exactly 0. Boxes compare the numbers as they are given:
 * a box that wants both sides of the antimeridian has min_x > max_x.
 *
 * Pure functions, any thread. Arguments are finite and in range (proto checked them).
 */
#ifndef ENGINE_STORE_GEOMETRY_H
#define ENGINE_STORE_GEOMETRY_H

#include <math.h>

/* The sphere of the exact match (mean Earth radius, IUGG). */
#define EARTH_RADIUS_M 6371008.8
#define RADIANS_PER_DEGREE 0.017453292519943295

struct geometry_box {
	double min_x, min_y, max_x, max_y;
};

/* Half the extents of a circle's bounding box, in coordinates. */
struct geometry_reach {
	double x, y;
};

/* Squared distances (plane) or haversines (geo) strictly below `inside` belong to a
 * distance <= radius for certain, strictly above `outside` to one > radius; between
 * them only the distance itself decides. */
struct geometry_threshold {
	double inside, outside;
};

/* From the squared distance; hypot where squares come near their underflow, so that places
 * that differ by less than 1e-140 stay apart. (At 1e15, the largest coordinate, squares are
 * far from overflow.) */
static inline double geometry_plane_distance(double square, double dx, double dy)
{
	return square > 1e-280 ? sqrt(square) : hypot(dx, dy);
}

/*
 * Sine and arcsine. Most distances asked for are small against the Earth, and there the
 * first terms of the Taylor series are as exact as libm (the next one is below 2^-53 of
 * the sum) and several times as fast; a radius of 190 km is still small.
 */
#define GEOMETRY_SMALL 0.0155

static inline double geometry_sine(double t)
{
	if (__builtin_expect(fabs(t) > GEOMETRY_SMALL, 0))
		return sin(t);
	double z = t * t;
	return t + t * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040)));
}

static inline double geometry_arcsine(double t)
{
	if (__builtin_expect(fabs(t) > GEOMETRY_SMALL, 0))
		return asin(t);
	double z = t * t;
	return t + t * z * (1.0 / 6 + z * (3.0 / 40 + z * (15.0 / 336 + z * (105.0 / 3456))));
}

/* The cosine of a latitude; 0 at the poles, where cos would leave 6e-17. */
static inline double geometry_cosine(double latitude)
{
	return fabs(latitude) >= 90 ? 0 : cos(latitude * RADIANS_PER_DEGREE);
}

/* The haversine of the angle between two places, cosines as by geometry_cosine. */
static inline double geometry_haversine(double x1, double y1, double cosine1, double x2, double y2, double cosine2)
{
	double across = fabs(x2 - x1);
	if (across > 180)
		across = 360 - across;
	double half_y = geometry_sine((y2 - y1) * RADIANS_PER_DEGREE * 0.5);
	double half_x = geometry_sine(across * RADIANS_PER_DEGREE * 0.5);
	return half_y * half_y + cosine1 * cosine2 * half_x * half_x;
}

/* The distance in metres that belongs to a haversine. */
static inline double geometry_arc(double haversine)
{
	return 2 * EARTH_RADIUS_M * geometry_arcsine(fmin(1, sqrt(haversine)));
}

double geometry_geo_distance(double x1, double y1, double x2, double y2);

struct geometry_threshold geometry_plane_threshold(double radius);
struct geometry_threshold geometry_geo_threshold(double radius);

/* Conservative: no place within radius of x, y lies outside. reach.x is 180 for circles
 * that contain a pole or go all the way round. cosine: geometry_cosine(y). */
struct geometry_reach geometry_geo_reach(double y, double cosine, double radius);
struct geometry_reach geometry_plane_reach(double radius);

/* The boxes, one or two (antimeridian), that contain a geo circle. */
unsigned geometry_geo_boxes(double x, double y, double cosine, double radius, struct geometry_box boxes[static 2]);

/* Bounds inclusive. A plane box with min_x > max_x is empty; a geo box is not. */
bool geometry_box_contains(const double box[static 4], bool is_plane, double x, double y);

#endif
