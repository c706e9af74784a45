import type { Caller } from './caller.ts'
import type { RequestHead } from './request-head.ts'

/** What a route asks of its caller, beyond a valid key. */
export interface Demand {
  /** Scopes the key must all have. @default none */
  readonly scope?: string | readonly string[]
  /** Whether a key with the scope `admin` will do too, where no scope is asked. @default false */
  readonly anyKey?: boolean
  /**
   * Whether a browser's session cookie will do in place of a key: `read` for pages, `csrf` where the request changes
   * something and must carry the CSRF header as well.
   * @default no session is accepted
   */
  readonly session?: 'read' | 'csrf'
  /**
   * Demands that come first, such as a check that several routes share. Whatever they ask is asked too. In one request each demand
   * is looked at once, however many others need it.
   */
  readonly needs?: readonly Demand[]
  /**
   * A check of the application's own, after every other; throws a `Refusal` to refuse. One that returns false is a fault, as whatever
   * else it throws is: nobody gets in. Runs once per request.
   */
  readonly check?: (caller: Caller, request: RequestHead) => void | Promise<void>
}

/** A route's demand, or that it has none and is open to everyone. */
export type GuardSetting = Demand | 'public'
