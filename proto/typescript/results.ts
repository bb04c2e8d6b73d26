// Generated from proto/result.h by `make generate`; do not edit.
// Types of the JSON messages; nothing here exists at run time.

import type { Publication } from "./publications.js";

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
  /** with `overloaded` (too many events wait for the writer, or for a disk that hangs or fails): when to come again */
  retry_after_ms?: number;
  /** where the cart or the payment to blame is */
  state?: CartState | PaymentState;
  /** of a refusal that is stored; with `too_large`: the change is done */
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

export type Result =
  | ErrorResult
  | PongResult
  | OkResult
  | LocatedResult
  | RewardResult
  | ClaimedResult
  | ProductResult
  | CartResult
  | PaymentResult
  | FeedResult;

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
