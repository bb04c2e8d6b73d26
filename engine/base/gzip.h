/*
 * gzip: compresses bytes in one go. Any thread; zlib allocates about 270 KiB meanwhile. For pages
 * and files, never per event.
 */
#ifndef ENGINE_BASE_GZIP_H
#define ENGINE_BASE_GZIP_H

#include "engine/base/cursor.h"

/* A whole gzip file of what was given; out is full where it does not fit, or there is no memory. */
void gzip_write(struct cursor *out, const void *bytes, size_t count);

#endif
