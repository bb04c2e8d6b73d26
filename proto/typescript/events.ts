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

export type Event = Ping | Locate | RewardPut | RewardRemove | RewardGet;

export type Result = ErrorResult | PongResult | OkResult | LocatedResult | RewardResult;

/** The result of an event that was not refused. */
export interface ResultOf {
  "ping": PongResult;
  "locate": LocatedResult;
  "reward.put": OkResult;
  "reward.remove": OkResult;
  "reward.get": RewardResult;
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
