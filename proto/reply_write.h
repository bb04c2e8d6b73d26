/*
 * reply_write: one result in each encoding; private to reply.c, which decides
 * what is written and whether it fits. All of these only write into the cursor
 * and keep nothing: what they are given is borrowed for the call.
 */
#ifndef PROTO_REPLY_WRITE_H
#define PROTO_REPLY_WRITE_H

#include "proto/frame.h"
#include "proto/reply.h"

/* The event's id in a result. */
struct result_id {
	bool is_given;
	struct identifier id;
};

/* An error without field and message: what always fits. */
enum {
	JSON_ERROR_BYTES = sizeof(",{\"type\":\"error\",\"id\":\"\",\"code\":\"\",\"retry\":\"same_id\",\"retry_after_ms\":}") +
	                   39 /* id */ + 31 /* code */ + 10 /* milliseconds */,
	BINARY_ERROR_BYTES = sizeof(struct result_header),
};

void json_result_pong(struct cursor *c, struct result_id id);
void json_result_ok(struct cursor *c, struct result_id id, uint64_t seq);
void json_result_located(struct cursor *c, struct result_id id, uint64_t count, const struct match *matches,
                         uint32_t match_count);
void json_result_reward(struct cursor *c, struct result_id id, const struct reward_view *reward);
void json_result_error(struct cursor *c, struct result_id id, status code, const char *field, const char *message,
                       uint32_t retry_after_ms);

void binary_result_pong(struct cursor *c, struct result_id id);
void binary_result_ok(struct cursor *c, struct result_id id, uint64_t seq);
void binary_result_located(struct cursor *c, struct result_id id, uint64_t count, const struct match *matches,
                           uint32_t match_count);
void binary_result_reward(struct cursor *c, struct result_id id, const struct reward_view *reward);
void binary_result_error(struct cursor *c, struct result_id id, status code, const char *field, const char *message,
                         uint32_t retry_after_ms);

#endif
