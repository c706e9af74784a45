import { problemMediaType } from '../core/refusal.ts'
import { type Demand, demandsNothing, type GuardSetting, scopeChoices } from './demand.ts'
import { type PlainSchema, problemSchema } from './problem-schema.ts'
import type { Scheme, SchemeDescription } from './scheme.ts'

/**
 * By the names of schemes, the scopes that a key must have (OpenAPI, Security Requirement Object).
 */
export type SecurityRequirement = Record<string, string[]>

/** An answer that is a problem, in OpenAPI's words. */
export interface ProblemResponse {
  description: string
  content: { [problemMediaType]: { schema: { $ref: string } } }
}

/**
 * What the guard itself may answer: 401, 403, 429 and 503. Not its 400 for a key that was sent
 * twice: frameworks answer a wrong body with 400 in a form of their own, and one description would
 * stand for both.
 */
export type GuardResponses = Record<401 | 403 | 429 | 503, ProblemResponse>

/**
 * The guard in OpenAPI's words: plain data, new from each call, for any tool that writes the
 * document.
 */
export interface GuardDescription {
  /** For the document's `components`. */
  readonly components: {
    readonly securitySchemes: Record<string, SchemeDescription>
    readonly schemas: { readonly Problem: PlainSchema }
  }
  /**
   * For an operation's `security`: any one of the schemes will do; none where it is `'public'`.
   *
   * @param setting what the route demands; any key by default
   */
  readonly security: (setting?: GuardSetting) => SecurityRequirement[]
  /** For an operation's `responses`, beside the ones of its own. */
  readonly responses: (demand?: Demand) => GuardResponses
}

/** Which version of OpenAPI a description is for. */
export interface DescribeGuardOptions {
  /**
   * The version of the document. 3.0 allows no scopes of a key in `security` (3.0.3, Security
   * Requirement Object); they are in the description of the 403 either way.
   * @default '3.1'
   */
  readonly openapi?: '3.0' | '3.1'
}

/** Describes a guard by its schemes. */
export function describeSchemes(
  schemes: readonly Scheme[],
  { openapi = '3.1' }: DescribeGuardOptions = {},
): GuardDescription {
  const named = nameSchemes(schemes)
  const mayLackKey = schemes.some(({ required }) => !required)
  return {
    get components() {
      const described = named.map(([name, { description }]) => [name, { ...description }] as const)
      return { securitySchemes: Object.fromEntries(described), schemas: { Problem: problemSchema } }
    },
    security(setting = {}) {
      if (setting === 'public') return []
      const choices = openapi === '3.0' ? [[]] : scopeChoices(setting)
      const required = choices.flatMap((scopes) => named.map(([name]) => ({ [name]: [...scopes] })))
      // An empty requirement: an anonymous caller will do as well.
      return mayLackKey && demandsNothing(setting) ? [...required, {}] : required
    },
    responses: (demand = {}) => ({
      401: describeProblem('No API key was sent.'),
      403: describeProblem(describeForbidden(scopeChoices(demand))),
      429: describeProblem('Too many requests; `Retry-After` says when the next one passes.'),
      503: describeProblem('The guard cannot decide at the moment; the key is not at fault.'),
    }),
  }
}

export function describeProblem(description: string): ProblemResponse {
  return {
    description,
    content: { [problemMediaType]: { schema: { $ref: '#/components/schemas/Problem' } } },
  }
}

function describeForbidden(choices: readonly (readonly string[])[]): string {
  const needed = choices.map((scopes) => scopes.map((scope) => `\`${scope}\``).join(', ')).join(' or ')
  return needed === ''
    ? 'The API key is not valid, or may not do this.'
    : `The API key is not valid, or may not do this; it needs ${needed}.`
}

/** Gives each scheme a name: those of one kind are numbered from the second on. */
function nameSchemes(schemes: readonly Scheme[]): readonly (readonly [string, Scheme])[] {
  return schemes.map((scheme, index) => {
    const earlier = schemes.slice(0, index).filter(({ id }) => id === scheme.id).length
    return [earlier === 0 ? scheme.id : `${scheme.id}${earlier + 1}`, scheme]
  })
}
