import type { RequestHead } from '../core/request-head.ts'
import type { Costs } from '../limits/usage/costs.ts'
import type { Caller } from './caller.ts'

/** What a route asks of its caller, beyond a valid key. */
export interface Demand {
  /** Scopes the key must all have. @default none */
  readonly scope?: string | readonly string[]
  /**
   * Scopes of which the key must have at least one, beside all of `scope`; `predict:*` is any scope
   * that begins with `predict:`.
   * @default none
   */
  readonly anyScope?: readonly string[]
  /** Whether a key with the scope `admin` will do too, where no scope is asked. @default false */
  readonly anyKey?: boolean
  /**
   * Whether a browser's session cookie may stand in for a key: `read` for pages, `csrf` where the
   * request changes something and must carry the CSRF header as well.
   * @default no session is accepted
   */
  readonly session?: 'read' | 'csrf'
  /**
   * Whether a key may also come as `Authorization: Bearer`, whatever the schemes of the ward are:
   * for clients that can send no other header.
   * @default false
   */
  readonly bearer?: boolean
  /**
   * Limits of this route, for each key by itself, beside those of the key, its owner and everyone:
   * `5/h`, `shadow 10/min`.
   * @default none
   */
  readonly limits?: readonly string[]
  /**
   * Names the limits of this demand: demands of one name share them, and they are remembered over a
   * restart. 1 to 64 of `a-z 0-9 . _ : / -`, starting with a letter.
   * @default a name of its own, forgotten at a restart
   */
  readonly name?: string
  /**
   * What a request uses of measures beyond `requests`, where that is known, or estimated, before
   * its body is read: `{ tokens: 500 }`. Taken with the limits, and recorded whether a limit counts
   * it or not; what `ward.reserve` takes of the same measure has it in it, and is settled when the
   * real figure is known. `{ concurrent: 0 }`: it needs no place among those under way at once, as
   * where a caller looks after a job that has one.
   * @default one request, one at once
   */
  readonly cost?: Costs
  /**
   * Whether a customer is charged for the request. One that is not, such as administration or a
   * look at a job, is *operational*: it takes none of the limits of key, owner, route and everyone,
   * but the deployment's `limitOperational`, and its record measures no `requests`. Where several
   * guards see one request, the last decides.
   * @default true
   */
  readonly billable?: boolean
  /**
   * The model that the request asks for, 1 to 100 characters: its record has it as `detail.model`,
   * and usage is summed up by it. Where several guards see one request, the last that names one
   * decides.
   * @default none
   */
  readonly model?: string
  /**
   * Demands that come first, such as a check that several routes share. Whatever they ask is asked
   * too. In one request each demand is looked at once, however many others need it.
   */
  readonly needs?: readonly Demand[]
  /**
   * A check of the application's own, after every other; throws a `Refusal` to refuse. One that
   * returns false, or throws anything else, is a fault, and the request is not admitted. Runs once
   * per request.
   */
  readonly check?: (caller: Caller, request: RequestHead) => void | Promise<void>
}

/** A route's demand, or that it has none and is open to everyone. */
export type GuardSetting = Demand | 'public'

/**
 * Whether a route demands nothing beyond what its scheme does. Its own limits are each key's: they
 * demand one.
 */
export function demandsNothing({
  scope,
  anyScope,
  check,
  anyKey,
  session,
  needs,
  limits,
  cost,
}: Demand): boolean {
  return [scope, anyScope, check, anyKey, session, needs, limits, cost].every((part) => part === undefined)
}

/** What a demand and those it needs ask for together. */
export function allScopes({ needs = [], scope = [] }: Demand): readonly string[] {
  return [...needs.flatMap(allScopes), ...(typeof scope === 'string' ? [scope] : scope)]
}

/** The `anyScope` lists of a demand and of those it needs: the key must have one scope of each. */
export function anyScopes({ needs = [], anyScope }: Demand): readonly (readonly string[])[] {
  return [...needs.flatMap(anyScopes), ...(anyScope === undefined ? [] : [anyScope])]
}

/** Each set of scopes that will do, by itself. */
export function scopeChoices(demand: Demand): readonly (readonly string[])[] {
  return anyScopes(demand).reduce<readonly (readonly string[])[]>(
    (choices, anyOf) => choices.flatMap((scopes) => anyOf.map((scope) => [...scopes, scope])),
    [allScopes(demand)],
  )
}
