/*
 * reply_errors: counts the results of a JSON reply that are errors, without building a
 * tree: a result is an error when its object has the member "type":"error". Pure.
 */
#ifndef CMD_TROVECTL_REPLY_ERRORS_H
#define CMD_TROVECTL_REPLY_ERRORS_H

#include <stddef.h>
#include <stdint.h>

uint64_t reply_errors_count(const char *json, size_t bytes);

#endif
