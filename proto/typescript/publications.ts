// Generated from proto/effect.h by `make generate`; do not edit.
// Types of the JSON messages; nothing here exists at run time.

import type { PaymentState } from "./results.js";

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
