import type { Refusal } from '../core/refusal.ts'
import type { Usage } from '../limits/usage/usage.ts'
import type { Caller } from './caller.ts'

/**
 * What the guard decided about a request. A value, never an exception; `C` is `Caller`, or `Caller
 * | null` where a key is optional.
 */
export type Verdict<C extends Caller | null = Caller> =
  | {
      readonly admitted: true
      readonly caller: C /** What of the limits it has taken. */
      readonly usage: Usage
    }
  | {
      readonly admitted: false
      readonly refusal: Refusal
      /** The key it was, where the secret matched. */
      readonly caller?: Caller
    }
