#include "proto/number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t number_format(double value, char text[NUMBER_TEXT_BYTES])
{
	int bytes = 0;
	for (int digits = 15; digits <= 17; digits++) {
		bytes = snprintf(text, NUMBER_TEXT_BYTES, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return (size_t)bytes;
}
