import { isIP } from 'node:net'
import { z } from 'zod'
import { readClientAddress } from '../../core/client-address.ts'
import { looksLikeKey } from '../../core/key-shape.ts'
import { isScope } from '../../core/scope.ts'
import { withoutUndefined } from '../../core/without-undefined.ts'
import type { Demand } from '../../guard/demand.ts'
import type { AskedKey } from '../../guard/judge-key.ts'
import type { Costs } from '../../limits/usage/costs.ts'

/** Most bytes of a body that asks about a key. */
export const verifyBytesMax = 8_192
/** Most scopes that may be asked for: no key has more. */
const askedScopesMax = 32
/** Most measures of a cost, and most of one. */
const costsMax = 16
const costMax = 1_000_000_000
/** Most characters of a route. */
const routeLengthMax = 128

/** What a program asks of a key that a client presented to it. */
export interface VerifyBody {
  readonly key: string
  readonly scope?: string | readonly string[]
  readonly any_scope?: readonly string[]
  readonly cost?: Costs
  readonly take?: boolean
  readonly address?: string
  readonly route?: string
}

const scope = z
  .string()
  .refine(isScope, { message: 'Expected a scope: a-z 0-9 . _ : / -, starting with a letter' })
const scopes = z.array(scope).min(1).max(askedScopesMax)
/** Words of visible ASCII with one space between. */
const routePattern = /^[!-~]+(?: [!-~]+)*$/
const measurePattern = /^[a-z][a-z0-9_]{0,31}$/

const cost = z.record(z.string(), z.int().min(0).max(costMax)).superRefine((costs, context) => {
  const names = Object.keys(costs)
  const fail = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message })
  if (names.length > costsMax) fail([], `Expected at most ${costsMax} measures`)
  for (const name of names) {
    if (name === 'requests' || name === 'concurrent')
      fail([name], 'A verdict is one request, and no request is under way once it is there')
    else if (!measurePattern.test(name)) fail([name], 'Expected a measure: a-z 0-9 _, starting with a letter')
  }
})

/** Checked by Fastify before the route; `readVerify` looks at what no field can say alone. */
export const verifyBody: z.ZodType<VerifyBody> = z.strictObject({
  key: z
    .string()
    .describe('The key, as it was presented; empty if there was none.')
    .meta({ examples: ['mw_live_7Qm2xT0bKc9Z_…'] }),
  scope: z
    .union([scope, scopes])
    .exactOptional()
    .describe('Scopes that the key must all have. Without it: any valid key that is not an admin key.')
    .meta({ examples: ['predict'] }),
  any_scope: scopes.exactOptional().describe('Scopes of which the key must have one, as well.'),
  cost: cost
    .exactOptional()
    .describe('What the request uses beyond being one request.')
    .meta({ examples: [{ tokens: 500 }] }),
  take: z
    .boolean()
    .exactOptional()
    .describe('`false`: looks at the limits, takes nothing, and is not counted. Recorded all the same.'),
  address: z
    .string()
    .refine((text) => isIP(text) !== 0, { message: 'Expected an IPv4 or IPv6 address' })
    .exactOptional()
    .describe(
      'Of the client that presented the key: for the key’s address list, and to count wrong keys by. Without it none is counted, and a key with an address list is refused.',
    )
    .meta({ examples: ['203.0.113.7'] }),
  route: z
    .string()
    .max(routeLengthMax)
    .regex(routePattern, { message: 'Expected a pattern of visible ASCII, such as `POST /chat/{id}`' })
    .refine((text) => !looksLikeKey(text), { message: 'Expected a pattern, and no key in it' })
    .exactOptional()
    .describe('The pattern of the route it was presented to, for records and usage.')
    .meta({ examples: ['POST /chat'] }),
})

/** What to judge, for whom, and what its record names. */
export interface VerifyQuestion {
  readonly asked: AskedKey
  readonly demand: Demand
  readonly address: string | undefined
  readonly route: string
}

const anyRoute = 'verify'
const anyKeyForModels: Demand = {}

/**
 * The route is left out where the key is a part of it: no record has what was presented, and it is
 * the client who chose it.
 */
export function readVerify({ key: sent, take, address, route, ...body }: VerifyBody): VerifyQuestion {
  const key = sent.trim()
  const isNamed = route !== undefined && (key === '' || !route.includes(key))
  return {
    asked: { key, takes: take ?? true },
    demand: demandOf(body),
    address: readClientAddress(address),
    route: isNamed ? `${anyRoute} ${route}` : anyRoute,
  }
}

/** One object for all that ask nothing: what a key uses under a demand is remembered. */
function demandOf({ scope: all, any_scope: anyScope, cost: costs }: Omit<VerifyBody, 'key'>): Demand {
  if (all === undefined && anyScope === undefined && costs === undefined) return anyKeyForModels
  return withoutUndefined({ scope: all, anyScope, cost: costs })
}
