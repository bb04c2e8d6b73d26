/*
 * status: what a fallible function returns, and what a peer is told.
 *
 * One table gives the enum, the code on the wire, the retry class and a default
 * text. The order is the order in which checks are made: when several apply to
 * one event, the first in the table is answered (proto/README.md says so to clients).
 * Thread-safe: everything here is constant.
 */
#ifndef ENGINE_BASE_STATUS_H
#define ENGINE_BASE_STATUS_H

#include "engine/base/attribute.h"

/*
 * Retry classes, for a client:
 *   never    the refusal is final for this id (and would be for a new one, as things stand)
 *   same_id  nothing was done or remembered: send the same event again, later
 *   new_id   the id is spent: a corrected event needs a fresh one
 */
#define RETRY_TABLE(X) X(never) X(same_id) X(new_id)

enum retry {
#define X(name) RETRY_##name,
	RETRY_TABLE(X)
#undef X
};

/* X(name = code on the wire, retry class, text when there is nothing more exact to say) */
#define STATUS_TABLE(X) \
	X(malformed, never, "the message is neither JSON nor a binary frame") \
	X(too_large, never, "larger than the configured limit") \
	X(unknown_type, never, "no such event type") \
	X(unknown_field, never, "the event has no such field") \
	X(missing_field, never, "a required field is missing") \
	X(invalid_field, never, "the field's value is not allowed") \
	X(overloaded, same_id, "the queue is full, try again") \
	X(draining, same_id, "the service is stopping") \
	X(deadline_exceeded, same_id, "the event waited longer than its deadline") \
	X(journal_full, same_id, "the journal cannot take more") \
	X(id_reused, new_id, "the id was used before with other content") \
	X(not_found, new_id, "there is no such object") \
	X(already_exists, new_id, "the object exists already") \
	X(invalid_state, new_id, "not possible in the object's state") \
	X(not_active, new_id, "not active at this time") \
	X(too_far, new_id, "too far away") \
	X(already_claimed, new_id, "claimed before") \
	X(out_of_stock, new_id, "nothing left") \
	X(currency_mismatch, new_id, "another currency") \
	X(amount_exceeds, new_id, "more than is left") \
	X(amount_overflow, new_id, "the amount does not fit") \
	X(pool_exhausted, same_id, "no room for another object") \
	X(internal, same_id, "the service failed, this is a defect")

enum [[nodiscard]] status {
	STATUS_ok = 0,
#define X(name, retry, text) STATUS_##name,
	STATUS_TABLE(X)
#undef X
	STATUS_COUNT
};

typedef enum status status;

/* The code as it stands on the wire ("ok" for STATUS_ok). Static text, as the next ones. */
[[NEVER_NULL]] const char *status_code(status s);
/* A sentence for people. */
[[NEVER_NULL]] const char *status_text(status s);
enum retry status_retry(status s);
[[NEVER_NULL]] const char *retry_name(enum retry r);

#endif
