import { describe, expect, test } from 'vitest'
import { useOf } from '../../test/contract/limiter.contract.ts'
import { collectEvents } from '../../test/support/collect-events.ts'
import { Fault } from '../core/fault.ts'
import { processScheduler, type Scheduler } from '../core/scheduler.ts'
import type { Limiter } from '../limits/limiter.ts'
import { noTelemetry } from '../telemetry/telemetry.ts'
import { chargeOf, createJobCharges, lateChargeOf } from './job-charges.ts'
import { type JobCall, readOrigin, writeOrigin } from './job-origin.ts'
import { acceptJob, beginAttempt, cancelJob, endAttempt, endLost } from './transitions.ts'

const call: JobCall = {
  model: 'llama\u001f3',
  reserved: { tokens: 100, prompt_tokens: 90, completion_tokens: 10 },
  abandoned: { tokens: 7, prompt_tokens: 7, completion_tokens: 0 },
  taken: [],
}
const used = { costs: { tokens: 5 }, detail: { usage: 'upstream' } }
const error = { code: 'upstream_failed', detail: 'broken' } as const

const accepted = (origin: JobCall | undefined = call) =>
  acceptJob({
    id: 'job_0000000000000000000000',
    owner: 'acme',
    keyId: 'key1',
    requestId: writeOrigin({ requestId: 'req1', trace: undefined, call: origin }),
    model: 'upstream:local',
    kind: 'single',
    inputs: '[]',
    total: 1,
    priority: 0,
    attemptsMax: 1,
    webhook: null,
    createdAt: 1,
  })
const begun = (origin?: JobCall | undefined) => beginAttempt(accepted(origin), 2)
const end = { id: 'job', lease: 'lease', expiresAt: 9 }

test('an origin gives back what it was written with, whatever the model is called', () => {
  const trace = undefined
  expect(readOrigin(writeOrigin({ requestId: 'req1', trace, call }))).toEqual({
    requestId: 'req1',
    trace,
    call,
  })
  expect(readOrigin(writeOrigin({ requestId: null, trace, call }))).toEqual({ requestId: null, trace, call })
  expect(writeOrigin({ requestId: 'req1', trace })).toBe('req1')
})

describe('the call of a job', () => {
  test.each([
    ['that has succeeded', endAttempt(begun(), { ...end, end: 'succeeded' }, 3).job, used, 5, 'upstream'],
    [
      'whose answer an earlier process had',
      endAttempt(begun(), { ...end, end: 'succeeded' }, 3).job,
      undefined,
      100,
      'reserved',
    ],
    [
      'that has failed behind its answer',
      endAttempt(begun(), { ...end, end: 'failed', error }, 3).job,
      used,
      5,
      'upstream',
    ],
    ['that has failed', endAttempt(begun(), { ...end, end: 'failed', error }, 3).job, undefined, 0, 'none'],
    [
      'that is dead',
      endAttempt(begun(), { ...end, end: 'retry', error, retryAt: 4 }, 3).job,
      undefined,
      0,
      'none',
    ],
    ['whose processes were all killed', endLost(begun(), 3, 9).job, undefined, 100, 'reserved'],
    ['that was cancelled before it began', cancelJob(accepted(), 3, 9).job, undefined, 0, 'none'],
    ['that was cancelled while it ran', cancelJob(begun(), 3, 9).job, undefined, 7, 'estimated'],
  ] as const)('%s', (_, job, known, tokens, usage) => {
    expect(chargeOf(job, known)).toMatchObject({ costs: { tokens }, detail: { usage } })
  })

  test('is charged nothing while it is to be tried again, and all that it reserved where its end was not recorded', () => {
    expect(chargeOf(begun(), used)).toBeUndefined()
    const { job } = endAttempt(begun(), { ...end, end: 'succeeded' }, 3)
    expect(lateChargeOf(job)).toMatchObject({ costs: { tokens: 100 }, taken: [] })
  })
})

test('any other job is charged nothing', () => {
  const job = acceptJob({ ...accepted(), inputs: '[]', requestId: 'req1' })
  expect(chargeOf(cancelJob(job, 3, 9).job, used)).toBeUndefined()
  expect(lateChargeOf(job)).toBeUndefined()
})

describe('what a job has taken', () => {
  const part = (text: string, at: number) => ({ use: useOf('key:a', text, 100), at })
  const charge = {
    costs: { tokens: 5 },
    detail: {},
    taken: [part('900 tokens/h', 1), part('900 tokens/min', 1.25), part('800 tokens/day', 2)],
  }
  const origin = { requestId: 'req1', trace: undefined }

  /** A limiter that fails at what it is told to, and waits that the test ends. */
  function open(fails: (at: number) => boolean) {
    const settled: string[] = []
    const waits: (() => void)[] = []
    const { telemetry, events } = collectEvents()
    const settle: Limiter['settle'] = (uses, at, costs) => {
      if (fails(at)) throw new Fault('limiter_unavailable', 'gone')
      settled.push(...uses.map(({ limit }, index) => `${limit.text} ${at} ${costs[index]}`))
    }
    const after: Scheduler['after'] = (_, run) => {
      waits.push(run)
      return () => {}
    }
    const scheduler: Scheduler = { ...processScheduler, after }
    return { settled, waits, events, charges: createJobCharges({ settle }, scheduler, telemetry) }
  }

  test('is settled where it was counted for all nodes: what one counted by itself no other has counted', async () => {
    const { charges, settled } = open(() => false)
    await charges.settle(charge, origin)
    expect(settled).toEqual(['900 tokens/h 1 5', '800 tokens/day 2 5'])
  })

  test('is settled once each, where the limiter failed in between and it is tried again', async () => {
    let isOut = true
    const { charges, settled, waits, events } = open((at) => isOut && at === 2)
    await charges.settle(charge, origin)
    expect(events).toMatchObject([{ name: 'limiter.settle_failed', requestId: 'req1' }])
    isOut = false
    for (const run of waits) run()
    await charges.close()
    expect(settled).toEqual(['900 tokens/h 1 5', '800 tokens/day 2 5'])
  })

  test('stays reserved where this process counts nothing', async () => {
    const charges = createJobCharges(undefined, processScheduler, noTelemetry)
    expect(charges.mayCharge).toBe(false)
    await charges.settle(charge, origin)
  })
})
