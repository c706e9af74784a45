import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import type { Clock } from '../../core/time.ts'
import { memberSpans } from '../answer/json-bytes.ts'
import type { CallBody } from '../body/call-body.ts'
import type { Destination } from '../directory/model-directory.ts'
import type { PromptCounter } from '../presets/preset.ts'
import type { AskUpstream } from '../upstreams/upstream.ts'
import type { UpstreamPlaces } from './upstream-places.ts'

/** A call whose bound does not fit its limits. */
export interface CountedCall {
  readonly owner: string
  readonly to: Destination
  /** The upstream's own path. */
  readonly path: string
  readonly body: CallBody
  /** The body as it would be sent. */
  readonly write: () => Buffer
}

/**
 * What is known of a prompt: its tokens; undefined where its upstream cannot say them exactly; or
 * what a call is answered with that cannot pass without a count which later may be had.
 */
export type PromptCount = number | undefined | Refusal | Fault

/** Exact counts of prompts, by the upstreams themselves. */
export interface PromptCounts {
  /**
   * Asks the upstream once, and takes the call by what it says. Calls of an owner do so one after
   * the other, so that the next knows whether this one was in vain.
   */
  readonly count: <T>(call: CountedCall, take: (count: PromptCount) => Promise<T>) => Promise<T>
  /** A call was refused although its prompt was counted: its owner's next ones are not, a while. */
  readonly wasInVain: (owner: string) => void
}

/** Bytes of the largest body that is counted, and of the largest answer: a list of its tokens. */
const countedBytes = 1_048_576
const answerBytes = 8 * 1_048_576
/** For each question, in milliseconds. */
const withinMs = 2_000
/** For the counts of its owner before it, in milliseconds. */
const inLineMs = 10_000
/** After a count in vain, in milliseconds: it is work that no limit has counted. */
const pauseMs = 10_000
/** Owners whose pause is known; beyond, the oldest is forgotten. */
const ownersKept = 10_000

/**
 * One count of an owner after the other, within its places of the upstream, and none for a while
 * after one in vain: who may not have a call may not have it counted again and again either.
 */
export function createPromptCounts(places: UpstreamPlaces, monotonic: Clock): PromptCounts {
  /** The last in each owner's line. */
  const lastInLine = new Map<string, Promise<void>>()
  const pausedUntil = new Map<string, number>()

  function pause(owner: string): void {
    pausedUntil.delete(owner)
    pausedUntil.set(owner, monotonic() + pauseMs)
    const [oldest] = pausedUntil.keys()
    if (pausedUntil.size > ownersKept && oldest !== undefined) pausedUntil.delete(oldest)
  }

  async function waitInLine(owner: string): Promise<() => void> {
    const before = lastInLine.get(owner)
    const { promise, resolve } = Promise.withResolvers<void>()
    lastInLine.set(owner, promise)
    await before
    return () => {
      if (lastInLine.get(owner) === promise) lastInLine.delete(owner)
      resolve()
    }
  }

  async function countNow(
    counter: PromptCounter,
    { owner, to: { upstream, model }, path, write }: CountedCall,
    cameAt: number,
  ): Promise<PromptCount> {
    const now = monotonic()
    const waitMs = upstream.waitMs()
    if (waitMs > 0) return uncounted('it is left alone after failures', waitMs)
    const pausedMs = (pausedUntil.get(owner) ?? now) - now
    if (pausedMs > 0 || now - cameAt > inLineMs) return notAgain(pausedMs)
    const giveBack = places.take(upstream, owner)
    if (giveBack === undefined) return new Fault('overloaded', 'the upstream has no place for a count')
    try {
      const tokens = await counters[counter]({ ask: upstream.ask, path, model, sent: write() })
      if (tokens === undefined) pause(owner)
      return tokens
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown
      pause(owner)
      return thrown
    } finally {
      giveBack()
    }
  }

  return {
    wasInVain: pause,
    async count(call, take) {
      const { owner, to, body } = call
      const { counter } = to.upstream.preset
      if (counter === undefined || body.hasMedia || body.bytes.length > countedBytes)
        return await take(undefined)
      const cameAt = monotonic()
      const leave = await waitInLine(owner)
      try {
        return await take(await countNow(counter, call, cameAt))
      } finally {
        leave()
      }
    },
  }
}

function uncounted(why: string, ms: number): Fault {
  return new Fault('upstream_unavailable', `the upstream counts no prompt: ${why}`, {
    retryAfterSeconds: secondsOf(ms),
  })
}

function notAgain(ms: number): Refusal {
  const seconds = secondsOf(ms)
  const detail = `The exact tokens of this call are not counted just now; try again in ${seconds} s.`
  return new Refusal('rate_limited', detail, {
    headers: { 'retry-after': `${seconds}` },
    reason: 'not counted',
  })
}

function secondsOf(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000))
}

interface Question {
  readonly ask: AskUpstream
  readonly path: string
  readonly model: string
  readonly sent: Buffer
}

const counters: Readonly<Record<PromptCounter, (question: Question) => Promise<number | undefined>>> = {
  vllm: countByVllm,
  'llama.cpp': countByLlama,
}

/** What vLLM's `/tokenize` reads of a call. https://docs.vllm.ai/en/latest/serving/openai_compatible_server */
const vllmReads: Readonly<Record<string, readonly string[]>> = {
  '/v1/chat/completions': [
    'messages',
    'tools',
    'chat_template_kwargs',
    'add_generation_prompt',
    'continue_final_message',
    'add_special_tokens',
  ],
  '/v1/completions': ['prompt', 'add_special_tokens'],
}

/** What changes nothing of a prompt. A call that says anything else is not counted. */
const besidePrompt: ReadonlySet<string> = new Set([
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'n',
  'best_of',
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'stop',
  'seed',
  'logprobs',
  'top_logprobs',
  'presence_penalty',
  'frequency_penalty',
  'repetition_penalty',
  'ignore_eos',
  'min_tokens',
  'tool_choice',
  'parallel_tool_calls',
  'user',
])

async function countByVllm({ ask, path, model, sent }: Question): Promise<number | undefined> {
  const reads = vllmReads[path]
  const members = memberSpans(sent)
  if (reads === undefined || members === undefined) return undefined
  if (![...members.keys()].every((name) => reads.includes(name) || besidePrompt.has(name))) return undefined
  const prompt = members.get('prompt')
  if (path === '/v1/completions' && prompt?.[0] !== quote) return undefined
  const parts = reads.flatMap((name) => {
    const value = members.get(name)
    return value === undefined ? [] : [`,"${name}":${value.toString()}`]
  })
  const said = await askJson(ask, '/tokenize', `{"model":${JSON.stringify(model)}${parts.join('')}}`)
  return countOf(said?.['count'])
}

const quote = 0x22

/** It reads a chat for its template as it does for a call; texts it takes with special tokens. */
async function countByLlama({ ask, path, sent }: Question): Promise<number | undefined> {
  const content =
    path === '/v1/chat/completions'
      ? (await askJson(ask, '/apply-template', sent.toString()))?.['prompt']
      : textOf(path, sent)
  if (typeof content !== 'string') return undefined
  const question = JSON.stringify({ content, add_special: true, parse_special: true })
  const tokens = (await askJson(ask, '/tokenize', question))?.['tokens']
  return Array.isArray(tokens) ? tokens.length : undefined
}

/** A completion's prompt, where it is one text. */
function textOf(path: string, sent: Buffer): string | undefined {
  if (path !== '/v1/completions' && path !== '/completion') return undefined
  const prompt = memberSpans(sent)?.get('prompt')
  return prompt?.[0] === quote ? (JSON.parse(prompt.toString()) as string) : undefined
}

/** @throws Fault `upstream_unavailable` where it may say it later */
async function askJson(
  ask: AskUpstream,
  path: string,
  body: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  const answer = await ask(path, { withinMs, bytesMax: answerBytes, body: Buffer.from(body) })
  if ('problem' in answer) {
    // It has no such route, or does not take there what it documents.
    if (answer.isRefused === true) return undefined
    throw uncounted(answer.problem, pauseMs)
  }
  try {
    const said: unknown = JSON.parse(answer.body.toString())
    return typeof said === 'object' && said !== null ? (said as Record<string, unknown>) : undefined
  } catch {
    // Not what it documents: the bound stays.
    return undefined
  }
}

function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= 0 ? Number(value) : undefined
}
