// Generated from proto/event.h by `make generate`; do not edit.
// Types of the JSON messages; nothing here exists at run time.

/** A UUID string, a decimal string below 2^128, or an integer up to 2^53. Results always have strings. */
export type Identifier = string | number;

export type Benefit = { percent_bp: number } | { amount: number; currency: string };

export interface Match {
  reward: string;
  /** geo: metres */
  distance: number;
  kind: string;
  value: number;
  /** null: unlimited */
  remaining: number | null;
}

export interface Line {
  sku: string;
  quantity: number;
  unit_price: number;
  /** unit_price times quantity */
  amount: number;
}

export type CartState = "open" | "checked_out" | "abandoned" | "expired";

export type PaymentState =
  | "authorized"
  | "partially_captured"
  | "captured"
  | "refunded"
  | "voided"
  | "expired";

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

export interface ErrorResult {
  type: "error";
  /** the event's, where it could be read */
  id?: string;
  code: Code;
  /** the field to blame, as in `box[2]` or `benefit.amount` */
  field?: string;
  /** for people; left out only when the reply has no room for it */
  message?: string;
  retry: Retry;
  /** with `overloaded`: when to come again */
  retry_after_ms?: number;
  /** where the cart or the payment to blame is */
  state?: CartState | PaymentState;
  /** the refusal is stored under the id, with this sequence number */
  seq?: number;
  /** true: the stored refusal of an earlier event with this id */
  replayed?: boolean;
}

export interface PongResult {
  type: "pong";
  /** the event's, when it had one */
  id?: string;
}

export interface OkResult {
  type: "ok";
  /** the event's */
  id: string;
  /** the journal's sequence number of the change */
  seq: number;
  /** true: the stored result of an earlier event with this id */
  replayed?: boolean;
}

export interface LocatedResult {
  type: "located";
  /** the event's, when it had one */
  id?: string;
  /** all matches */
  count: number;
  /** more matched than are listed */
  truncated: boolean;
  /** nearest first, equal distances by id; `{reward,distance,kind,value,remaining}` */
  rewards: Match[];
}

export interface RewardResult {
  type: "reward";
  /** the event's, when it had one */
  id?: string;
  reward: string;
  x: number;
  y: number;
  radius: number;
  kind: string;
  value: number;
  /** null: unlimited */
  stock: number | null;
  /** null: unlimited */
  remaining: number | null;
  per_actor: number;
  /** left out when it always was active */
  from?: number;
  /** left out when it is active for ever */
  until?: number;
  /** left out when there is none */
  benefit?: Benefit;
  /** left out when there is none */
  name?: string;
}

export interface ClaimedResult {
  type: "claimed";
  /** the event's */
  id: string;
  /** the claim's id: that of its event */
  claim: string;
  reward: string;
  /** what is left; null: unlimited */
  remaining: number | null;
  /** the journal's sequence number of the change */
  seq: number;
  /** true: the stored result of an earlier event with this id */
  replayed?: boolean;
}

export interface ProductResult {
  type: "product";
  /** the event's, when it had one */
  id?: string;
  sku: string;
  /** in minor units */
  unit_price: number;
  currency: string;
  /** left out when there is none */
  name?: string;
}

export interface CartResult {
  type: "cart";
  /** the event's, when it had one */
  id?: string;
  cart: string;
  /** left out when it is nobody's */
  actor?: string;
  /** after the event */
  state: CartState;
  /** all lines */
  line_count: number;
  /** with cart.get only; `{sku,quantity,unit_price,amount}`, in the order in which they came */
  lines?: Line[];
  /** the sum of all lines, in minor units */
  subtotal: number;
  /** what an applied claim takes off */
  discount: number;
  /** subtotal - discount, never below 0 */
  total: number;
  currency: string;
  /** Unix milliseconds when it ends unless it changes before; left out when it is closed */
  expires?: number;
  /** of a change: its journal sequence number */
  seq?: number;
  /** true: the stored result of an earlier event with this id */
  replayed?: boolean;
}

export interface PaymentResult {
  type: "payment";
  /** the event's, when it had one */
  id?: string;
  payment: string;
  /** after the event */
  state: PaymentState;
  /** in minor units; refunded <= captured, captured + voided <= authorized */
  authorized: number;
  captured: number;
  refunded: number;
  /** what was held and is released */
  voided: number;
  currency: string;
  /** left out when it is nobody's */
  actor?: string;
  /** what it is for, when that was told */
  cart?: string;
  /** Unix milliseconds when what is held lapses; left out when nothing is */
  expires?: number;
  /** of a change: its journal sequence number */
  seq?: number;
  /** true: the stored result of an earlier event with this id */
  replayed?: boolean;
}

export interface FeedResult {
  type: "feed";
  /** the event's, when it had one */
  id?: string;
  /** in the order of their seq */
  publications: Publication[];
  /** read on with `after` of this */
  last: number;
  /** there are more behind `last` */
  more: boolean;
}

export interface RewardClaimedPublication {
  type: "reward.claimed";
  seq: number;
  /** Unix milliseconds */
  at: number;
  claim: string;
  reward: string;
  actor: string;
  /** what is left; null: unlimited */
  remaining: number | null;
  /** to which its benefit was applied at once */
  cart?: string;
}

export interface RewardDepletedPublication {
  type: "reward.depleted";
  seq: number;
  /** Unix milliseconds */
  at: number;
  /** nothing of it is left */
  reward: string;
}

export interface CartCheckedOutPublication {
  type: "cart.checked_out";
  seq: number;
  /** Unix milliseconds */
  at: number;
  cart: string;
  /** its payment.authorized follows with the same seq */
  payment: string;
  /** in minor units */
  total: number;
  currency: string;
}

export interface CartAbandonedPublication {
  type: "cart.abandoned";
  seq: number;
  /** Unix milliseconds */
  at: number;
  /** its time is over, and it holds lines */
  cart: string;
  actor?: string;
  line_count: number;
  /** in minor units */
  total: number;
  currency: string;
}

export interface PaymentAuthorizedPublication {
  type: "payment.authorized";
  seq: number;
  /** Unix milliseconds */
  at: number;
  payment: string;
  /** after it */
  state: PaymentState;
  /** what is held */
  amount: number;
  authorized: number;
  captured: number;
  refunded: number;
  voided: number;
  currency: string;
  actor?: string;
  cart?: string;
}

export interface PaymentCapturedPublication {
  type: "payment.captured";
  seq: number;
  /** Unix milliseconds */
  at: number;
  payment: string;
  /** after it */
  state: PaymentState;
  /** what was captured now */
  amount: number;
  authorized: number;
  captured: number;
  refunded: number;
  voided: number;
  currency: string;
  actor?: string;
  cart?: string;
}

export interface PaymentVoidedPublication {
  type: "payment.voided";
  seq: number;
  /** Unix milliseconds */
  at: number;
  payment: string;
  /** after it */
  state: PaymentState;
  /** what was released */
  amount: number;
  authorized: number;
  captured: number;
  refunded: number;
  voided: number;
  currency: string;
  actor?: string;
  cart?: string;
}

export interface PaymentRefundedPublication {
  type: "payment.refunded";
  seq: number;
  /** Unix milliseconds */
  at: number;
  payment: string;
  /** after it */
  state: PaymentState;
  /** what was refunded now */
  amount: number;
  authorized: number;
  captured: number;
  refunded: number;
  voided: number;
  currency: string;
  actor?: string;
  cart?: string;
}

export interface PaymentExpiredPublication {
  type: "payment.expired";
  seq: number;
  /** Unix milliseconds */
  at: number;
  payment: string;
  /** after it */
  state: PaymentState;
  /** what lapsed */
  amount: number;
  authorized: number;
  captured: number;
  refunded: number;
  voided: number;
  currency: string;
  actor?: string;
  cart?: string;
}

/** What feed.read tells, and most of what is published. */
export type Publication =
  | RewardClaimedPublication
  | RewardDepletedPublication
  | CartCheckedOutPublication
  | CartAbandonedPublication
  | PaymentAuthorizedPublication
  | PaymentCapturedPublication
  | PaymentVoidedPublication
  | PaymentRefundedPublication
  | PaymentExpiredPublication;

export type Event = Ping | Locate | RewardPut | RewardRemove | RewardGet | Claim | ProductPut | ProductRemove | ProductGet | CartOpen | CartAdd | CartSet | CartRemove | CartApply | CartGet | CartCheckout | PaymentAuthorize | PaymentCapture | PaymentRefund | PaymentVoid | PaymentGet | FeedRead;

export type Result = ErrorResult | PongResult | OkResult | LocatedResult | RewardResult | ClaimedResult | ProductResult | CartResult | PaymentResult | FeedResult;

/** The result of an event that was not refused. */
export interface ResultOf {
  "ping": PongResult;
  "locate": LocatedResult;
  "reward.put": OkResult;
  "reward.remove": OkResult;
  "reward.get": RewardResult;
  "claim": ClaimedResult;
  "product.put": OkResult;
  "product.remove": OkResult;
  "product.get": ProductResult;
  "cart.open": CartResult;
  "cart.add": CartResult;
  "cart.set": CartResult;
  "cart.remove": CartResult;
  "cart.apply": CartResult;
  "cart.get": CartResult;
  "cart.checkout": PaymentResult;
  "payment.authorize": PaymentResult;
  "payment.capture": PaymentResult;
  "payment.refund": PaymentResult;
  "payment.void": PaymentResult;
  "payment.get": PaymentResult;
  "feed.read": FeedResult;
}

export type Retry = "never" | "same_id" | "new_id";

export type Code =
  | "malformed"
  | "too_large"
  | "unknown_type"
  | "unknown_field"
  | "missing_field"
  | "invalid_field"
  | "overloaded"
  | "draining"
  | "deadline_exceeded"
  | "journal_full"
  | "id_reused"
  | "not_found"
  | "already_exists"
  | "invalid_state"
  | "not_active"
  | "too_far"
  | "already_claimed"
  | "out_of_stock"
  | "currency_mismatch"
  | "amount_exceeds"
  | "amount_overflow"
  | "pool_exhausted"
  | "internal";
