/*
 * time_text: moments as people write them (ISO 8601, UTC). Pure, any thread.
 */
#ifndef CMD_TROVECTL_TIME_TEXT_H
#define CMD_TROVECTL_TIME_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { TIME_TEXT_BYTES = 64 };

/* 2026-11-21T10:15:32.123Z */
void time_format(int64_t unix_ms, char text[static TIME_TEXT_BYTES]);
/* A day, a moment of a day (T, seconds, with or without Z), or Unix milliseconds. false: none of them. */
bool time_parse(const char *text, int64_t *unix_ms);

#endif
