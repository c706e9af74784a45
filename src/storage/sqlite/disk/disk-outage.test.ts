import { expect, test } from 'vitest'
import { collectEvents } from '../../../../test/support/collect-events.ts'
import { createTestTime } from '../../../../test/support/test-time.ts'
import { Fault } from '../../../core/fault.ts'
import { createOutageReport } from '../../../telemetry/outage-report.ts'
import { createTelemetry } from '../../../telemetry/telemetry.ts'
import { createDiskOutage } from './disk-outage.ts'
import { isOfDisk, markOfDisk } from './of-disk.ts'

const sqliteError = (errcode: number) => Object.assign(new Error('SQLite'), { errcode })
const fileError = (code: string) => Object.assign(new Error(code), { code })
const full = new Fault('limiter_unavailable', 'limits: no room', { cause: sqliteError(13) })
const locked = new Fault('ledger_unavailable', 'ledger: locked', { cause: sqliteError(5) })

test.each([
  ['FULL', sqliteError(13)],
  ['IOERR_WRITE', sqliteError(10 + 3 * 256)],
  ['IOERR_FSYNC', sqliteError(10 + 4 * 256)],
  ['IOERR_READ', sqliteError(10 + 1 * 256)],
  ['READONLY', sqliteError(8)],
  ['ENOSPC', fileError('ENOSPC')],
  ['EDQUOT', fileError('EDQUOT')],
  ['EIO', fileError('EIO')],
  ['EROFS', fileError('EROFS')],
  ['a cause of a cause', new Error('a', { cause: full })],
  ['a marked fault', new Error('a', { cause: markOfDisk(new Fault('ledger_unavailable', 'b')) })],
])('%s is the disk’s', (_, error) => {
  expect(isOfDisk(error)).toBe(true)
})

const circle = new Error('a')
circle.cause = circle

test.each([
  ['BUSY', locked],
  ['IOERR_SHORT_READ: a file that was cut', sqliteError(10 + 2 * 256)],
  ['CORRUPT', sqliteError(11)],
  ['READONLY_DBMOVED', sqliteError(8 + 4 * 256)],
  ['ENOENT', fileError('ENOENT')],
  ['a bug', new TypeError('x')],
  ['a circle of causes', circle],
  ['a text', 'ENOSPC'],
  ['nothing', undefined],
])('%s is not', (_, error) => {
  expect(isOfDisk(error)).toBe(false)
})

function open() {
  const time = createTestTime()
  const names: string[] = []
  const telemetry = createTelemetry([({ name }) => names.push(name)], {}, time.scheduler)
  const timing = { clock: time.clock, scheduler: time.scheduler }
  const outage = createDiskOutage(telemetry, timing)
  const limits = createOutageReport('limiter.not_persisted', telemetry, timing)
  const ledger = createOutageReport('ledger.unreachable', telemetry, timing)
  const jobs = createOutageReport('jobs.unclaimable', telemetry, timing)
  return { ...time, names, telemetry, outage, limits, ledger, jobs }
}

test('a full disk is one pair, whichever parts meet it, however often, and whatever fits meanwhile', async () => {
  const { names, telemetry, outage, limits, ledger, jobs, pass, timers } = open()
  const parts = [outage.of('ledger'), outage.of('limits')] as const
  telemetry.event('disk.low', { free_bytes: 0 })
  limits.failed(full)
  telemetry.event('disk.full', { free_bytes: 0 })
  for (let second = 0; second < 50; second += 1) {
    for (let asked = 0; asked < 100; asked += 1) {
      for (const part of parts) part.failed(full)
      for (const subject of [limits, ledger, jobs]) subject.failed(full)
      telemetry.event('job.not_ended', { job: `job ${asked}` }, full, undefined)
    }
    // Each write that is smaller, or finds a place in a file that is there.
    parts[0].passed()
    ledger.passed()
    await pass(1_000)
  }
  parts[0].passed()
  await pass(5_000)
  // Limits have not been written yet.
  expect(names).toEqual(['store.unreachable'])
  parts[1].passed()
  for (const subject of [limits, ledger, jobs]) subject.passed()
  telemetry.event('disk.back', { free_bytes: 1_000 })
  await pass(120_000)
  expect(names).toEqual(['store.unreachable', 'store.back'])
  expect(timers()).toBe(0)
})

test('what is not the disk’s has the events of its part, at once', async () => {
  const { names, telemetry, outage, ledger, pass } = open()
  const part = outage.of('ledger')
  part.failed(locked)
  ledger.failed(locked)
  part.passed()
  ledger.passed()
  telemetry.event('ledger.maintenance_failed', {}, locked)
  expect(names).toEqual(['ledger.unreachable', 'ledger.back', 'ledger.maintenance_failed'])
  await pass(120_000)
  expect(names).toHaveLength(3)
})

test('a lock that follows a full disk is said, and so is its end', async () => {
  const { names, outage, ledger, pass } = open()
  const part = outage.of('ledger')
  part.failed(full)
  ledger.failed(full)
  await pass(60_000)
  part.failed(locked)
  ledger.failed(locked)
  expect(names).toEqual(['store.unreachable', 'ledger.unreachable'])
  part.passed()
  ledger.passed()
  await pass(120_000)
  expect(names).toEqual(['store.unreachable', 'ledger.unreachable', 'store.back', 'ledger.back'])
})

test('a disk that fills while all is still written is said a moment later, and that it has room again', async () => {
  const { names, telemetry, pass } = open()
  telemetry.event('disk.low', { free_bytes: 10 })
  telemetry.event('disk.full', { free_bytes: 1 })
  await pass(3_000)
  expect(names).toEqual(['disk.low', 'disk.full'])
  telemetry.event('disk.back', { free_bytes: 100 })
  expect(names).toEqual(['disk.low', 'disk.full', 'disk.back'])
})

test('both events name the folder, and the first its cause', async () => {
  const { telemetry, events } = collectEvents()
  const { scheduler, clock, pass } = createTestTime()
  const outage = createDiskOutage(telemetry, { scheduler, clock })
  outage.of('ledger').failed(full)
  outage.of('ledger').passed()
  await pass(2_000)
  const since = new Date(Date.UTC(2026, 0, 1)).toISOString()
  const fields = { store: 'data folder', since, attempts: 1 }
  expect(events).toMatchObject([
    { name: 'store.unreachable', fields, cause: full },
    { name: 'store.back', fields },
  ])
})
