import { describe, expect, test } from 'vitest'
import { wide } from '../../test/contract/job-fixtures.ts'
import { testPepper } from '../../test/support/open-test-ward.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { parsePeppers } from '../secrets/peppers.ts'
import { createInProcessJobStore } from '../storage/sqlite/jobs/in-process-job-store.ts'
import { noTelemetry } from '../telemetry/telemetry.ts'
import { createAnswerSeal } from './answer-seal.ts'
import { createRunOnce, type PlainAnswer } from './run-once.ts'

const answer: PlainAnswer = {
  status: 200,
  headers: { 'content-type': 'application/json', 'x-request-id': 'r1', ratelimit: 'r=1' },
  body: '{"sentiment":"positive"}',
}

function open() {
  const time = { now: 1_000_000 }
  const store = createInProcessJobStore()
  const clock = () => time.now
  const seal = createAnswerSeal(parsePeppers(testPepper, 'the test'), clock, 'idempotent predictions v1')
  let done = 0
  const runOnce = createRunOnce({ store, seal, bounds: wide, clock, telemetry: noTelemetry })
  const idempotency = (request: unknown = { text: 'a' }, owner = 'acme') => ({ owner, key: 'k', request })
  const ask = (change: Partial<PlainAnswer> | Error = {}, request = idempotency()) =>
    runOnce(request, async () => {
      done += 1
      if (change instanceof Error) throw change
      return { ...answer, ...change }
    })
  return { time, store, runOnce, idempotency, ask, done: () => done }
}

describe('a retry', () => {
  test('gets the first status, body and the headers that are the answer’s own, and says that it is a replay', async () => {
    const { ask, done } = open()
    expect(await ask()).toEqual(answer)
    expect(await ask()).toEqual({
      ...answer,
      headers: { 'content-type': 'application/json', 'idempotency-replayed': 'true' },
    })
    expect(done()).toBe(1)
  })

  test('is refused where it asks something else', async () => {
    const { ask, idempotency } = open()
    await ask()
    await expect(ask({}, idempotency({ text: 'b' }))).rejects.toMatchObject({
      code: 'idempotency_mismatch',
      status: 422,
    })
  })

  test('is refused while the first is under way, and says when to come again', async () => {
    const { runOnce, ask, idempotency } = open()
    const running = Promise.withResolvers<PlainAnswer>()
    const first = runOnce(idempotency(), () => running.promise)
    await expect(ask()).rejects.toMatchObject({
      code: 'idempotency_in_flight',
      status: 409,
      headers: { 'retry-after': '1' },
    })
    await expect(ask({}, idempotency({ text: 'b' }))).rejects.toMatchObject({ code: 'idempotency_mismatch' })
    running.resolve(answer)
    await first
    expect((await ask()).headers).toHaveProperty('idempotency-replayed')
  })

  test('of another owner is a request of its own', async () => {
    const { ask, idempotency, done } = open()
    await ask()
    await ask({}, idempotency({ text: 'b' }, 'other'))
    expect(done()).toBe(2)
  })

  test('runs again after 24 hours', async () => {
    const { ask, time, done } = open()
    await ask()
    time.now += 24 * 3_600_000 - 1
    await ask()
    expect(done()).toBe(1)
    time.now += 1
    await ask()
    expect(done()).toBe(2)
  })

  test('runs again if the first was refused or failed', async () => {
    const { ask, done } = open()
    for (const refused of [
      new Refusal('input_invalid'),
      new Fault('model_failed', 'broke'),
      { status: 503 },
    ]) {
      const first = ask(refused)
      await (refused instanceof Error ? expect(first).rejects.toBe(refused) : first)
    }
    expect(await ask()).toEqual(answer)
    expect(done()).toBe(4)
  })

  test('runs once the reservation of a process that died has ended', async () => {
    const { runOnce, ask, idempotency, time, done } = open()
    void runOnce(idempotency(), () => new Promise<never>(() => {}), { reserveMs: 6_000 })
    time.now += 5_999
    await expect(ask()).rejects.toMatchObject({ code: 'idempotency_in_flight' })
    time.now += 1
    await ask()
    expect(done()).toBe(1)
  })
})

test('a request without an idempotency key runs each time', async () => {
  const { runOnce } = open()
  expect(await runOnce(undefined, async () => answer)).toBe(answer)
  expect(await runOnce(undefined, async () => answer)).toBe(answer)
})

test('an answer that cannot be stored is not given', async () => {
  const { runOnce, store, idempotency } = open()
  const fault = runOnce(idempotency(), async () => {
    await store.close()
    return answer
  })
  await expect(fault).rejects.toMatchObject({ code: 'store_unavailable' })
})

test('neither the request nor its answer can be read, or guessed, from what is stored', async () => {
  const { store, runOnce, idempotency } = open()
  const seen: unknown[] = []
  await runOnce(idempotency({ text: 'yes' }), async (reservation) => {
    seen.push(reservation?.seal(answer))
    return answer
  })
  const [{ sealed, requestDigest }] = seen as [{ sealed: Uint8Array; requestDigest: string }]
  expect(Buffer.from(sealed).toString('latin1')).not.toContain('positive')
  const bare = await crypto.subtle.digest('SHA-256', Buffer.from(JSON.stringify({ text: 'yes' })))
  expect(requestDigest).not.toBe(Buffer.from(bare).toString('base64url'))
  await store.close()
})
