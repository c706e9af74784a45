import { describe, expect, test } from 'vitest'
import { createTestTime } from '../../../../test/support/test-time.ts'
import type { JobSnapshot } from '../../../jobs/job-service.ts'
import type { JobView } from '../../../jobs/view-job.ts'
import { writeEvents } from './write-events.ts'

const snapshot = (version: number): JobSnapshot => ({ version, job: { id: 'j', version } as JobView })

/** Snapshots that come when they are told to. */
function createSource() {
  const { promise, resolve } = Promise.withResolvers<void>()
  let isReturned = false
  async function* snapshots() {
    try {
      await promise
      yield snapshot(3)
    } finally {
      isReturned = true
    }
  }
  return { snapshots: snapshots(), come: resolve, isReturned: () => isReturned }
}

describe('writeEvents', () => {
  test('writes each snapshot with its version, and ends with the snapshots', async () => {
    async function* snapshots() {
      yield snapshot(1)
      yield snapshot(2)
    }
    const events: string[] = []
    for await (const event of writeEvents(snapshots(), createTestTime().scheduler)) events.push(event)
    expect(events.join('')).toBe(
      'retry: 1000\n\n' +
        'id: 1\nevent: status\ndata: {"id":"j","version":1}\n\n' +
        'id: 2\nevent: status\ndata: {"id":"j","version":2}\n\n',
    )
  })

  test('says something every 15 s, loses no snapshot by it, and leaves no timer', async () => {
    const time = createTestTime()
    const source = createSource()
    const events = writeEvents(source.snapshots, time.scheduler)
    await events.next()
    for (let beat = 0; beat < 3; beat += 1) {
      const next = events.next()
      await time.pass(15_000)
      expect(await next).toEqual({ done: false, value: ': \n\n' })
    }
    source.come()
    expect((await events.next()).value).toContain('id: 3\n')
    expect((await events.next()).done).toBe(true)
    expect(time.timers()).toBe(0)
  })

  test('ends its source when the reader leaves', async () => {
    const source = createSource()
    const events = writeEvents(source.snapshots, createTestTime().scheduler)
    source.come()
    await events.next()
    await events.next()
    await events.return(undefined)
    expect(source.isReturned()).toBe(true)
  })
})
