import type { Fault } from '../../core/fault.ts'
import { problemOf } from '../../core/problem.ts'
import { type Problem, type Refusal, refusals } from '../../core/refusal.ts'
import type { Dialect } from '../presets/preset.ts'
import { isOfKey, wordsOf } from './error-words.ts'

/** A refusal or a fault as the clients of a route read it. */
export interface DialectAnswer {
  readonly status: number
  /** Lower-case names; the content type among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * The answer to a refusal or a fault in the dialect of a route. Neither a fault's message nor a
 * refusal's reason is in it. Its type is `application/json`: some clients read no other.
 *
 * @param challenge what a 401 says that does not bring its own (RFC 9110 §11.6.1)
 */
export function problemIn(
  dialect: Dialect,
  thrown: Refusal | Fault,
  requestId: string,
  challenge = 'Bearer',
): DialectAnswer {
  const { status, headers, body } = problemOf(thrown, requestId)
  const isKey = isOfKey(body.code)
  return {
    status: isKey ? 401 : status,
    headers: {
      ...(isKey && { 'www-authenticate': challenge }),
      ...headers,
      ...(isInVain(body, headers) && { 'x-should-retry': 'false' }),
      'content-type': 'application/json',
    },
    body: JSON.stringify(forms[dialect](thrown, body)),
  }
}

/** The answer on a route: in its dialect, or in the form of RFC 9457 where it has none. */
export function problemFor(
  dialect: Dialect | undefined,
  thrown: Refusal | Fault,
  requestId: string,
): DialectAnswer {
  if (dialect !== undefined) return problemIn(dialect, thrown, requestId)
  const { status, headers, body } = problemOf(thrown, requestId)
  return { status, headers, body: JSON.stringify(body) }
}

/** OpenAI's clients ignore a longer wait, and retry within a second. */
const heededSeconds = 60

function isInVain({ code }: Problem, headers: Readonly<Record<string, string>>): boolean {
  return code === 'quota_exhausted' || Number(headers['retry-after'] ?? 0) > heededSeconds
}

/**
 * What the client reads. No dialect has a list of what is wrong with an input, so it stands in the
 * sentence where that says nothing of it.
 */
export function sentenceIn({ detail, errors = [] }: Pick<Problem, 'detail' | 'errors'>): string {
  if (detail !== refusals.input_invalid.detail || errors.length === 0) return detail
  return errors.slice(0, shownErrors).map(describeError).join('; ')
}

const shownErrors = 8

function describeError(error: InputFault): string {
  const field = fieldOf(error)
  return field === undefined || error.msg.startsWith(field) ? error.msg : `${field}: ${error.msg}`
}

type InputFault = NonNullable<Problem['errors']>[number]

/** The field of a body that is at fault: `messages[0].content`. */
function fieldOf({ loc: [place, ...way] }: InputFault): string | undefined {
  if (place !== 'body' || way.length === 0) return undefined
  return way
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '')
}

const forms: Readonly<Record<Dialect, (thrown: Refusal | Fault, problem: Problem) => object>> = {
  openai(thrown, problem) {
    const { code, request_id, errors: [first] = [] } = problem
    const { openai: type, openaiCode = code } = wordsOf(thrown, problem)
    const param = first === undefined ? null : (fieldOf(first) ?? null)
    return { error: { message: sentenceIn(problem), type, param, code: openaiCode }, code, request_id }
  },
  anthropic(thrown, problem) {
    const { code, request_id } = problem
    const { anthropic: type } = wordsOf(thrown, problem)
    return { type: 'error', error: { type, message: sentenceIn(problem) }, code, request_id }
  },
  ollama: (_thrown, problem) => ({
    error: sentenceIn(problem),
    code: problem.code,
    request_id: problem.request_id,
  }),
  tgi: (_thrown, problem) => ({
    error: sentenceIn(problem),
    error_type: problem.code,
    request_id: problem.request_id,
  }),
}
