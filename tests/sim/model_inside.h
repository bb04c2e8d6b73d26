/* model_inside: what the files of the model share. */
#ifndef TESTS_SIM_MODEL_INSIDE_H
#define TESTS_SIM_MODEL_INSIDE_H

#include "tests/sim/model.h"

#include <string.h>

/* Notes why; false. */
[[gnu::format(printf, 2, 3)]] bool model_wrong(struct model *m, const char *format, ...);

int64_t model_seconds_up(int64_t ms);
/* How far two points are from each other, and how far that may be off. */
double model_distance(const struct model *m, double x1, double y1, double x2, double y2);
double model_slack(double distance);

/* NULL: there is none. */
struct model_product *model_product_named(struct model *m, const char *sku);
struct model_claim *model_claim_of(struct model *m, uint64_t id);

int64_t model_sum(const struct model_cart *c);
int64_t model_off(const struct model_cart *c);
int64_t model_remaining(const struct model_reward *r);
bool model_holds(const struct model_payment *p);
unsigned model_holding_payments(const struct model *m);
/* What is held is let go; how much that was. */
int64_t model_let_go(struct model_payment *p, enum payment_state of_all);
/* What a closed cart, that a full pool may have let go, must be taken for, by what was said of it. */
void model_learn_of_eviction(struct model *m, const struct ask *a, const struct answer *got);

/* A closed payment that the answer says is there no more, and that may be forgotten. */
void model_learn_of_leaving(struct model *m, const struct ask *a, const struct answer *got);
/* It was changed, and perhaps holds nothing any more. */
void model_note_closed(struct model_payment *p, uint64_t seq);
/* When the last change was. */
void model_note_time(struct model *m);
/* What was answered to the id, unless it is forgotten. NULL: nothing. */
struct model_known *model_known_of(struct model *m, uint64_t id, const struct answer *got);

/* Plan and do in one; the answer, but for seq. */
status model_reward(struct model *m, const struct ask *a, struct answer *e);
status model_product(struct model *m, const struct ask *a, struct answer *e);
status model_cart_event(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got, struct answer *e);
status model_payment_event(struct model *m, const struct ask *a, const struct answer *got, struct answer *e);
status model_authorize(struct model *m, const struct ask *a, const struct model_payment *new, struct answer *e);
status model_refuse_payment(const struct model_payment *p, status s, struct answer *e);
bool model_located(struct model *m, const struct ask *a, int64_t at_ms, const struct answer *got);

/* In order of seq. */
struct model_news *model_note_news(struct model *m, const char *topic, uint64_t seq);
void model_note_payment(struct model *m, const char *topic, uint64_t seq, uint64_t number, int64_t amount);

#endif
