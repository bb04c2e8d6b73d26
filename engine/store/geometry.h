#ifndef ENGINE_STORE_GEOMETRY_H
#define ENGINE_STORE_GEOMETRY_H
/* The sphere of the exact match (mean Earth radius, IUGG). */
#define EARTH_RADIUS_M 6371008.8
#endif
