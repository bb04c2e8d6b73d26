#include "engine/base/human.h"

#include "engine/base/check.h"

#include <math.h>
#include <stdio.h>

struct human human_bytes(double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	struct human h;
	unsigned unit = 0;
	for (; fabs(bytes) >= 1024 && unit + 1 < COUNT_OF(units); unit++)
		bytes /= 1024;
	snprintf(h.text, sizeof h.text, "%.*f %s", unit == 0 ? 0 : 1, bytes, units[unit]);
	return h;
}
