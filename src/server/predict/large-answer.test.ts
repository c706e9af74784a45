import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import type { Order } from '../../../test/models/obedient-model.ts'
import { type AskingApp, closeApps, later, openAskingApp } from '../../../test/support/open-asking-app.ts'
import { answerBytesMax } from '../../core/written-json.ts'
import type { Model } from '../../models/model.ts'

const obedient = fileURLToPath(new URL('../../../test/models/obedient-model.ts', import.meta.url))
const detail = `The answer of the model is larger than ${answerBytesMax} bytes.`
const thirtyMillion: Order = { do: 'numbers', say: 30_000_000 }
const echo = (say: unknown): Order => ({ do: 'echo', say })

afterEach(closeApps)

function open(): Promise<AskingApp> {
  return openAskingApp({ parts: { models: [obedient], modelDeadline: 60_000 } })
}

interface Watched<Answer> {
  readonly answer: Answer
  readonly ms: number
  /**
   * Longest that this thread has worked between two turns of the event loop, in milliseconds: while
   * the machine runs something else it holds up nothing.
   */
  readonly longestTurnMs: number
  /** By how much this thread's heap and buffers grew at most, in bytes. */
  readonly grownBytes: number
}

/** Looks at time and memory each millisecond while something is awaited. */
async function watch<Answer>(work: Promise<Answer>): Promise<Watched<Answer>> {
  const begunAt = performance.now()
  const before = bytesInUse()
  let isOver = false
  const answered = work.finally(() => {
    isOver = true
  })
  let worked = process.threadCpuUsage()
  let longestTurnMs = 0
  let mostBytes = before
  while (!isOver) {
    // Not each turn: looking leaves garbage, which would be taken for the answer's.
    await new Promise((resolve) => setTimeout(resolve, 1))
    const { user, system } = process.threadCpuUsage(worked)
    worked = process.threadCpuUsage()
    longestTurnMs = Math.max(longestTurnMs, (user + system) / 1_000)
    mostBytes = Math.max(mostBytes, bytesInUse())
  }
  return {
    answer: await answered,
    ms: performance.now() - begunAt,
    longestTurnMs,
    grownBytes: mostBytes - before,
  }
}

function bytesInUse(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

describe('an answer of 30 million numbers', () => {
  test('is 502 with the bound, holds up no turn of the event loop, and fills no memory', async () => {
    const { ask } = await open()
    await ask('POST', '/predict', { body: { input: echo('warm') } })
    const { answer, ms, longestTurnMs, grownBytes } = await watch(
      ask('POST', '/predict', { body: { input: thirtyMillion } }),
    )
    expect(answer.json()).toMatchObject({ status: 502, code: 'model_failed', detail })
    expect(longestTurnMs).toBeLessThan(ms / 4)
    expect(grownBytes).toBeLessThan(answerBytesMax)
    expect((await ask('POST', '/predict', { body: { input: echo('next') } })).json().output).toBe('next')
  })

  test('in a batch fails that request alone: those that shared the thread with it are answered', async () => {
    const { ask } = await open()
    const first = ask('POST', '/predict', { body: { input: echo('first') } })
    const others = [
      ask('POST', '/predict', { body: { input: echo('a') } }),
      ask('POST', '/predict/batch', { body: { inputs: [echo('b'), thirtyMillion] } }),
      ask('POST', '/predict', { body: { input: echo('c') } }),
    ]
    expect((await first).json().output).toBe('first')
    const [a, batch, c] = await Promise.all(others)
    expect([a?.json().output, c?.json().output]).toEqual(['a', 'c'])
    expect(batch?.json()).toMatchObject({ status: 502, code: 'model_failed', detail })
  })

  test('is a problem in a job’s result, in its place beside the other answers, and not tried again', async () => {
    const { ask } = await open()
    const body = { inputs: [echo('a'), thirtyMillion] }
    const accepted = await ask('POST', '/predict/batch', { body, headers: later })
    const ended = await ask('GET', `${accepted.headers.location}?wait=50`)
    expect(ended.json()).toMatchObject({
      status: 'succeeded',
      attempts: 1,
      errors: 1,
      result: [{ output: 'a' }, { code: 'model_failed', detail }],
    })
  })

  test('of a model on the main thread is refused as well', async () => {
    const model: Model = {
      name: 'large',
      version: 'large-1',
      runs: 'inline',
      predict: (texts) => texts.map(() => new Array(30_000_000).fill(0.5)),
    }
    const { ask } = await openAskingApp({ model })
    const answer = await ask('POST', '/predict', { body: { text: 'a' } })
    expect(answer.json()).toMatchObject({ status: 502, code: 'model_failed', detail })
  })
})

test('the answers of one request are bounded together, in however many slices they come', async () => {
  const { ask } = await open()
  const megabytes: Order = { do: 'numbers', say: 700_000 }
  const one = await ask('POST', '/predict/batch', { body: { inputs: [megabytes, megabytes] } })
  expect(one.statusCode).toBe(200)
  const inputs = Array.from({ length: 8 }, () => megabytes)
  const eight = await ask('POST', '/predict/batch', { body: { inputs } })
  expect(eight.json()).toMatchObject({ status: 502, code: 'model_failed', detail })
})

test('what a thread writes is what an inline model is answered, as a job and with an Idempotency-Key, too', async () => {
  const says = [
    'é日👍\ud800',
    { label: 1 },
    { text: 2, 7: 3, model: 4 },
    [1.5, null],
    { __proto__: null },
    {},
  ]
  const inline: Model<Order> = {
    name: 'obedient',
    version: 'obedient-1',
    runs: 'inline',
    input: 'json',
    predict: (orders) => orders.map(({ say }) => say),
  }
  const { ask } = await open()
  const { ask: askInline } = await openAskingApp({ model: inline })
  const body = { inputs: says.map(echo) }
  const expected = (await askInline('POST', '/predict/batch', { body })).body
  expect((await ask('POST', '/predict/batch', { body })).body).toBe(expected)
  for (const replayed of [undefined, 'true']) {
    const kept = await ask('POST', '/predict/batch', { body, headers: { 'idempotency-key': 'k' } })
    expect(kept.body).toBe(expected)
    expect(kept.headers['idempotency-replayed']).toBe(replayed)
  }
  const accepted = await ask('POST', '/predict/batch', { body, headers: later })
  const ended = await ask('GET', `${accepted.headers.location}?wait=50`)
  expect(JSON.stringify({ results: ended.json().result })).toBe(JSON.stringify(JSON.parse(expected)))
})
