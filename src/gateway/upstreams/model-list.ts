import type { Clock } from '../../core/time.ts'
import type { AskUpstream } from './upstream.ts'

/** The names of the models that an upstream lists. */
export interface ModelList {
  /**
   * Asks where the last list is older than half a minute; callers at once share one question.
   *
   * @param isPatient whether to wait for the answer also where the last question had none
   */
  readonly names: (isPatient: boolean) => Promise<readonly string[] | undefined>
  /** The last list, however old. */
  readonly last: () => readonly string[] | undefined
}

export interface ModelListOptions {
  readonly path: string
  readonly form: 'openai' | 'ollama'
  readonly ask: AskUpstream
  readonly monotonic: Clock
  /** Whether it makes sense to ask at all now. */
  readonly mayAsk: () => boolean
  readonly onFailed: (problem: string) => void
}

/** How long a list is taken for true. */
const keptMs = 30_000

/** After a question that failed, before the next. */
const pauseMs = 5_000

/** How long a call may wait for a list. */
const answerMs = 2_000

/** Largest list, in bytes. */
const listBytesMax = 1024 * 1024

/** Most models of a list, and the longest name of one, in characters. */
const namesMax = 10_000
const nameLengthMax = 256

/** A list that cannot be read leaves the last one as it is. */
export function createModelList(options: ModelListOptions): ModelList {
  const { path, form, ask, monotonic, mayAsk, onFailed } = options
  let last: readonly string[] | undefined
  let validUntil = Number.NEGATIVE_INFINITY
  let asking: Promise<void> | undefined
  let hasFailed = false

  async function askNow(): Promise<void> {
    const answer = await ask(path, { withinMs: answerMs, bytesMax: listBytesMax })
    const names = 'body' in answer ? readNames(answer.body, form) : undefined
    hasFailed = names === undefined
    validUntil = monotonic() + (hasFailed ? pauseMs : keptMs)
    if (names !== undefined) last = names
    else onFailed('problem' in answer ? answer.problem : 'its list of models cannot be read')
  }

  return {
    last: () => last,
    async names(isPatient) {
      if (asking === undefined && monotonic() >= validUntil && mayAsk())
        asking = askNow().finally(() => {
          asking = undefined
        })
      if (isPatient || !hasFailed) await asking
      return last
    },
  }
}

/** Undefined: it is no such list. */
function readNames(body: Buffer, form: 'openai' | 'ollama'): readonly string[] | undefined {
  const [list, name] = form === 'openai' ? (['data', 'id'] as const) : (['models', 'name'] as const)
  const rows = memberOf(parse(body.toString('utf8')), list)
  if (!Array.isArray(rows)) return undefined
  const names = rows.slice(0, namesMax).map((row: unknown) => memberOf(row, name))
  const isName = (text: unknown): text is string =>
    typeof text === 'string' && text !== '' && text.length <= nameLengthMax
  return [...new Set(names.filter(isName))]
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
