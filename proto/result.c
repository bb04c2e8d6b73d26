#include "proto/result.h"

const char *cart_state_name(enum cart_state state)
{
	static const char *const names[] = {
#define X(name, text) #name,
		CART_STATE_TABLE(X)
#undef X
	};
	return names[state < CART_STATE_COUNT ? state : CART_none];
}

const char *payment_state_name(enum payment_state state)
{
	static const char *const names[] = {
#define X(name, text) #name,
		PAYMENT_STATE_TABLE(X)
#undef X
	};
	return names[state < PAYMENT_STATE_COUNT ? state : PAYMENT_none];
}
