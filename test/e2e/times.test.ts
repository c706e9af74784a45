import { hash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readImportedLines } from '../../src/cli/keys/import-lines.ts'
import { readSpan } from '../../src/cli/ledger/ledger-command.ts'
import { parseExpiry } from '../../src/cli/terminal/parse-when.ts'
import { openTestApp, type TestApp } from '../support/test-app.ts'
import { runCli } from './run-cli.ts'

/**
 * Times at every door: the library, HTTP, the command line and files of keys read the same texts to
 * the same moments, and refuse the same. Doors with one field take times and durations; JSON has a
 * field for each.
 */

const dayMs = 86_400_000
const noon = Date.UTC(2127, 0, 31, 12)

const times: readonly (readonly [text: string, ms: number])[] = [
  ['2127-01-31', Date.UTC(2127, 0, 31)],
  ['2128-02-29', Date.UTC(2128, 1, 29)],
  ['2127-01-31T12:00:00Z', noon],
  ['2127-01-31T12:00Z', noon],
  ['2127-01-31T12:00:00.5Z', noon + 500],
  ['2127-01-31T12:00:00.123456789Z', noon + 123],
  ['2127-01-31T14:00:00+02:00', noon],
  ['2127-01-31T06:30-05:30', noon],
  ['2127-01-31T12:00:00-00:00', noon],
  ['9999-12-31T23:59:59.999Z', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
]

const durations: readonly (readonly [text: string, ms: number])[] = [
  ['90d', 90 * dayMs],
  ['24h', dayMs],
  ['15min', 900_000],
  ['3600s', 3_600_000],
  ['3600000ms', 3_600_000],
]

const refused: readonly string[] = [
  '',
  ' 90d',
  '90 days',
  '90D',
  '1.5h',
  '-1d',
  '2y',
  '1m',
  '40000d',
  '0d',
  '0s',
  '٩d',
  '2127-02-29',
  '2127-04-31',
  '2127-13-01',
  '2127-01-00',
  '2127-01-31T12:00:00',
  '2127-01-31T24:00:00Z',
  '2127-01-31T12:00:60Z',
  '2127-01-31T12:00:00+24:00',
  '2127-01-31 12:00:00Z',
  '2127-01-31Z',
  '2127-1-31',
  '31.01.2127',
  '2127-W05',
  '10000-01-01',
  '9999-12-31T23:59:59-01:00',
  '1800000000',
  String(noon),
  'tomorrow',
  'never',
  'null',
]

let opened: TestApp
let data = ''
beforeAll(async () => {
  opened = await openTestApp({ ward: { limitOperational: 'none' } })
  data = mkdtempSync(join(tmpdir(), 'modelward-times-'))
})
afterAll(async () => {
  await opened.app.close()
  rmSync(data, { recursive: true })
})

const errorCode = (error: unknown): string => String((error as { code?: unknown }).code)

/** When the key ends that is made with this text, or the code of the refusal. */
type Door = (text: string) => Promise<number | string>

const library: Door = async (text) => {
  const { keys } = opened.ward
  return keys
    .create({ name: 'a', expiresAt: text })
    .then(({ record }) => record.expiresAt ?? 'never', errorCode)
}

async function post(url: string, body: object): Promise<number | string> {
  const headers = { 'x-api-key': opened.keys.admin }
  const json = (await opened.app.inject({ method: 'POST', url, headers, payload: body })).json()
  const { code, expires_at: expiresAt } = json.keys?.[0] ?? json
  return code ?? Date.parse(expiresAt)
}

const create = (field: string): Door => {
  return (text) => post('/v1/keys', { name: 'a', [field]: text })
}

const importOver = (field: string): Door => {
  return (text) =>
    post('/v1/keys/import', [{ name: 'a', sha256: hash('sha256', field + text), [field]: text }])
}

const importFile = (field: string): Door => {
  return async (text) => {
    const line = JSON.stringify({ name: 'a', sha256: hash('sha256', `file ${field} ${text}`), [field]: text })
    const { lines, faults } = readImportedLines(line, 'live')
    if (faults.length > 0) return 'input_invalid'
    const [record] = await opened.ward.keys.import(lines.map(({ key }) => key))
    return record?.expiresAt ?? 'never'
  }
}

/** As `keys create` reads its flag; the commands themselves are run below. */
const commandLine: Door = async (text) => {
  const { keys, time } = opened.ward
  try {
    const { record } = await keys.create({ name: 'a', expiresAt: parseExpiry(text, time.now) })
    return record.expiresAt ?? 'never'
  } catch (error) {
    return errorCode(error) === 'usage_invalid' ? 'input_invalid' : errorCode(error)
  }
}

const fieldDoors = (field: string): Readonly<Record<string, Door>> => ({
  [`POST /v1/keys ${field}`]: create(field),
  [`POST /v1/keys/import ${field}`]: importOver(field),
  [`keys import ${field}`]: importFile(field),
})

async function answersOf(doors: Readonly<Record<string, Door>>, text: string): Promise<object> {
  const answers = Object.entries(doors).map(async ([name, door]) => [name, await door(text)] as const)
  return Object.fromEntries(await Promise.all(answers))
}

function same(doors: Readonly<Record<string, Door>>, answer: number | string): object {
  return Object.fromEntries(Object.keys(doors).map((name) => [name, answer]))
}

const timeDoors = { library, 'keys create --expires': commandLine, ...fieldDoors('expires_at') }
const durationDoors = { library, 'keys create --expires': commandLine, ...fieldDoors('expires_in') }

describe('one text, one answer, whoever reads it', () => {
  test.each(times)('the time %s', async (text, ms) => {
    expect(await answersOf(timeDoors, text)).toEqual(same(timeDoors, ms))
    expect(await answersOf(fieldDoors('expires_in'), text)).toEqual(
      same(fieldDoors('expires_in'), 'input_invalid'),
    )
  })

  test.each(durations)('the duration %s, from now', async (text, ms) => {
    expect(await answersOf(durationDoors, text)).toEqual(same(durationDoors, opened.ward.time.now + ms))
    expect(await answersOf(fieldDoors('expires_at'), text)).toEqual(
      same(fieldDoors('expires_at'), 'input_invalid'),
    )
  })

  test.each(refused)('%j is refused', async (text) => {
    for (const doors of [timeDoors, fieldDoors('expires_in')])
      expect(await answersOf(doors, text)).toEqual(same(doors, 'input_invalid'))
  })
})

describe('what is wrong with `expires_in` is said of `expires_in`', () => {
  const faulty = { name: 'a', not_before: '2127-01-31', expires_in: '1d' }

  test('over HTTP', async () => {
    const headers = { 'x-api-key': opened.keys.admin }
    const { record } = await opened.ward.keys.create({ name: 'a' })
    const sha256 = hash('sha256', 'faulty')
    const requests = [
      { method: 'POST', url: '/v1/keys', payload: faulty, loc: ['body', 'expires_in'] },
      { method: 'PATCH', url: `/v1/keys/${record.id}`, payload: faulty, loc: ['body', 'expires_in'] },
      {
        method: 'POST',
        url: '/v1/keys/import',
        payload: [
          { name: 'b', sha256: hash('sha256', 'b') },
          { ...faulty, sha256 },
        ],
        loc: ['body', 1, 'expires_in'],
      },
    ] as const
    for (const { loc, ...request } of requests)
      expect((await opened.app.inject({ ...request, headers })).json()).toMatchObject({
        code: 'input_invalid',
        errors: [{ loc, type: 'time_order' }],
      })
  })

  test('of a line in a file', () => {
    const { faults } = readImportedLines(JSON.stringify({ ...faulty, sha256: hash('sha256', 'a') }), 'live')
    expect(faults).toEqual([{ where: 'line 1', message: 'expires_in: expected a time after not_before' }])
  })
})

describe('the commands', () => {
  const run = (...args: readonly string[]) => runCli(['keys', ...args, '--data', data, '--json'])
  const read = async (...args: readonly string[]) => JSON.parse((await run(...args)).stdout)

  test('keys create and keys update take the same time and the same duration', async () => {
    const key = await read('create', '--name', 'a', '--expires', '2127-01-31T14:00+02:00')
    expect(key.expires_at).toBe(new Date(noon).toISOString())
    const before = Date.now()
    const { not_before: begin } = await read('update', key.id, '--not-before', '90d')
    const { expires_at: end } = await read('update', key.id, '--expires', '91d')
    expect(Date.parse(begin)).toBeGreaterThanOrEqual(before + 90 * dayMs)
    expect(Date.parse(end)).toBeLessThanOrEqual(Date.now() + 91 * dayMs)
    const zero = await run('update', key.id, '--expires', '0d')
    expect([zero.code, zero.stderr]).toEqual([2, expect.stringContaining('expected a time to come')])
  })

  test('keys import takes the fields of JSON', async () => {
    const file = join(data, 'keys.jsonl')
    const line = { name: 'a', sha256: hash('sha256', 'a'), not_before: '2027-01-31', expires_in: '36500d' }
    writeFileSync(file, JSON.stringify(line))
    const [key] = (await read('import', file)).keys
    expect(key.not_before).toBe('2027-01-31T00:00:00.000Z')
    expect(Date.parse(key.expires_at) - Date.parse(key.created_at)).toBe(36_500 * dayMs)
  })
})

describe('queries look back', () => {
  const now = Date.UTC(2026, 0, 1)

  /** What the query of a span takes: at HTTP whether it is refused, at a flag where it begins. */
  async function sinceOf(text: string): Promise<readonly [status: number, ms: number | undefined]> {
    const url = `/v1/ledger?since=${encodeURIComponent(text)}`
    const { statusCode } = await opened.app.inject({ url, headers: { 'x-api-key': opened.keys.admin } })
    try {
      return [statusCode, readSpan({ since: text }, now).since]
    } catch {
      return [statusCode, undefined]
    }
  }

  test.each([
    ...times,
    ...durations.map(([text, ms]) => [text, now - ms] as const),
    ['0s', now],
    [String(noon), noon],
  ] as const)('%s begins at %i, over HTTP as on the command line', async (text, ms) => {
    const [status, since] = await sinceOf(text)
    expect([status === 422, since]).toEqual([false, ms])
  })

  const isRead = new Set(['0d', '0s', String(noon)])
  test.each(refused.filter((text) => !isRead.has(text)))('%j is refused by both', async (text) => {
    expect(await sinceOf(text)).toEqual([422, undefined])
  })
})
