// Generated from proto/event.h by `make generate`; do not edit.
// Types of the JSON messages; nothing here exists at run time.

import type * as results from "./results.js";
import type { Benefit } from "./results.js";

export type * from "./results.js";
export type * from "./publications.js";

/** A UUID string, a decimal string below 2^128, or an integer up to 2^53. Results always have strings. */
export type Identifier = string | number;

export interface Ping {
  type: "ping";
  /** the event's own id; echoed in the result */
  id?: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
}

export interface Locate {
  type: "locate";
  /** the event's own id; echoed in the result */
  id?: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** who is there */
  actor?: Identifier;
  /** geo: degrees of longitude, -180 to 180 */
  x: number;
  /** geo: degrees of latitude, -90 to 90 */
  y: number;
  /** geo: metres; without radius and box each reward's own radius decides */
  radius?: number;
  /** [min_x,min_y,max_x,max_y], not together with radius; geo: min_x > max_x crosses the antimeridian */
  box?: [number, number, number, number];
  /** the most rewards in the answer; without it 16; integer, 1 to 1024 */
  limit?: number;
  /** 1 to 32 names; without it all kinds */
  kinds?: string[];
}

export interface RewardPut {
  type: "reward.put";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the reward's id */
  reward: Identifier;
  /** geo: degrees of longitude, -180 to 180 */
  x: number;
  /** geo: degrees of latitude, -90 to 90 */
  y: number;
  /** how near one must come; geo: metres */
  radius: number;
  /** 1 to 31 of a-z 0-9 _ . -; without it "default" */
  kind?: string;
  /** what it is worth to the caller; trove only carries it; integer, -9007199254740992 to 9007199254740992 */
  value?: number;
  /** how often it can be claimed; without it unlimited; integer, 0 to 9007199254740992 */
  stock?: number;
  /** how often one person can claim it; without it 1; integer, 1 to 4294967295 */
  per_actor?: number;
  /** active from this Unix millisecond on; integer, 0 to 9007199254740992 */
  from?: number;
  /** active before this Unix millisecond, later than from; without it for ever; integer, 1 to 9007199254740992 */
  until?: number;
  /** {percent_bp} of 1 to 10000, or {amount,currency} of minor units and an ISO 4217 code */
  benefit?: Benefit;
  /** 1 to 127 bytes of UTF-8 without control characters */
  name?: string;
}

export interface RewardRemove {
  type: "reward.remove";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the reward's id */
  reward: Identifier;
}

export interface RewardGet {
  type: "reward.get";
  /** the event's own id; echoed in the result */
  id?: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the reward's id */
  reward: Identifier;
}

export interface Claim {
  type: "claim";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** who claims */
  actor: Identifier;
  /** what is claimed */
  reward: Identifier;
  /** where the actor is; geo: degrees of longitude */
  x: number;
  /** geo: degrees of latitude */
  y: number;
  /** a cart to which the benefit is applied at once, or nothing is claimed */
  cart?: Identifier;
}

export interface ProductPut {
  type: "product.put";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** 1 to 31 bytes of UTF-8 without control characters, case-sensitive */
  sku: string;
  /** in minor units; integer, 0 to 9007199254740992 */
  unit_price: number;
  /** an ISO 4217 code: three letters A-Z */
  currency: string;
  /** 1 to 127 bytes of UTF-8 without control characters */
  name?: string;
}

export interface ProductRemove {
  type: "product.remove";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** 1 to 31 bytes of UTF-8 without control characters, case-sensitive */
  sku: string;
}

export interface ProductGet {
  type: "product.get";
  /** the event's own id; echoed in the result */
  id?: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** 1 to 31 bytes of UTF-8 without control characters, case-sensitive */
  sku: string;
}

export interface CartOpen {
  type: "cart.open";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the new cart's id */
  cart: Identifier;
  /** an ISO 4217 code: three letters A-Z */
  currency: string;
  /** whose it is */
  actor?: Identifier;
  /** how long it lives after its last change; without it carts.ttl_ms; integer, 1000 to 31536000000 */
  ttl_ms?: number;
}

export interface CartAdd {
  type: "cart.add";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the cart's id */
  cart: Identifier;
  /** 1 to 31 bytes of UTF-8 without control characters, case-sensitive */
  sku: string;
  /** how many more; without it 1; integer, 1 to 1000000000 */
  quantity?: number;
  /** in minor units of the cart's currency; without it the catalogue's; integer, 0 to 9007199254740992 */
  unit_price?: number;
}

export interface CartSet {
  type: "cart.set";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the cart's id */
  cart: Identifier;
  /** 1 to 31 bytes of UTF-8 without control characters, case-sensitive */
  sku: string;
  /** how many then; integer, 1 to 1000000000 */
  quantity: number;
  /** in minor units of the cart's currency; without it the catalogue's; integer, 0 to 9007199254740992 */
  unit_price?: number;
}

export interface CartRemove {
  type: "cart.remove";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the cart's id */
  cart: Identifier;
  /** 1 to 31 bytes of UTF-8 without control characters, case-sensitive */
  sku: string;
  /** how many fewer; without it all; integer, 1 to 1000000000 */
  quantity?: number;
}

export interface CartApply {
  type: "cart.apply";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the cart's id */
  cart: Identifier;
  /** whose benefit; a claim's id is that of its event */
  claim: Identifier;
}

export interface CartGet {
  type: "cart.get";
  /** the event's own id; echoed in the result */
  id?: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the cart's id */
  cart: Identifier;
}

export interface CartCheckout {
  type: "cart.checkout";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the cart's id */
  cart: Identifier;
  /** the new payment's id */
  payment: Identifier;
}

export interface PaymentAuthorize {
  type: "payment.authorize";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the new payment's id */
  payment: Identifier;
  /** in minor units; integer, 0 to 9007199254740992 */
  amount: number;
  /** an ISO 4217 code: three letters A-Z */
  currency: string;
  /** whose it is */
  actor?: Identifier;
  /** what it is for; noted, not looked up */
  cart?: Identifier;
  /** how long it holds the amount; without it payments.ttl_ms; integer, 1000 to 31536000000 */
  ttl_ms?: number;
}

export interface PaymentCapture {
  type: "payment.capture";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the payment's id */
  payment: Identifier;
  /** in minor units; without it all that is left; integer, 1 to 9007199254740992 */
  amount?: number;
}

export interface PaymentRefund {
  type: "payment.refund";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the payment's id */
  payment: Identifier;
  /** in minor units; without it all that is left; integer, 1 to 9007199254740992 */
  amount?: number;
}

export interface PaymentVoid {
  type: "payment.void";
  /** the event's own id; echoed in the result */
  id: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the payment's id */
  payment: Identifier;
}

export interface PaymentGet {
  type: "payment.get";
  /** the event's own id; echoed in the result */
  id?: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** the payment's id */
  payment: Identifier;
}

export interface FeedRead {
  type: "feed.read";
  /** the event's own id; echoed in the result */
  id?: Identifier;
  /** Unix milliseconds at which it happened; without it the time of receipt counts; integer, 0 to 9007199254740992 */
  at?: number;
  /** after so many milliseconds in the queue it is refused and not done; integer, 1 to 2147483648 */
  deadline_ms?: number;
  /** a seq: publications behind it are told; integer, 0 to 9007199254740992 */
  after: number;
  /** the most publications; without it 256; integer, 1 to 4096 */
  limit?: number;
  /** 1 to 32 topics; without it all */
  topics?: string[];
}

export type Event =
  | Ping
  | Locate
  | RewardPut
  | RewardRemove
  | RewardGet
  | Claim
  | ProductPut
  | ProductRemove
  | ProductGet
  | CartOpen
  | CartAdd
  | CartSet
  | CartRemove
  | CartApply
  | CartGet
  | CartCheckout
  | PaymentAuthorize
  | PaymentCapture
  | PaymentRefund
  | PaymentVoid
  | PaymentGet
  | FeedRead;

/** The result of an event that was not refused. */
export interface ResultOf {
  "ping": results.PongResult;
  "locate": results.LocatedResult;
  "reward.put": results.OkResult;
  "reward.remove": results.OkResult;
  "reward.get": results.RewardResult;
  "claim": results.ClaimedResult;
  "product.put": results.OkResult;
  "product.remove": results.OkResult;
  "product.get": results.ProductResult;
  "cart.open": results.CartResult;
  "cart.add": results.CartResult;
  "cart.set": results.CartResult;
  "cart.remove": results.CartResult;
  "cart.apply": results.CartResult;
  "cart.get": results.CartResult;
  "cart.checkout": results.PaymentResult;
  "payment.authorize": results.PaymentResult;
  "payment.capture": results.PaymentResult;
  "payment.refund": results.PaymentResult;
  "payment.void": results.PaymentResult;
  "payment.get": results.PaymentResult;
  "feed.read": results.FeedResult;
}
