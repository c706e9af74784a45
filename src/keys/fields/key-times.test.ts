import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { openTestWard, type TestWard } from '../../../test/support/open-test-ward.ts'
import type { KeyTimes } from './key-times.ts'

const dayMs = 86_400_000
const begin = Date.UTC(2026, 0, 1)

/** The four calls that take times, each of a new key, and what is then stored. */
const calls: Readonly<Record<string, (ward: TestWard, times: Partial<KeyTimes>) => Promise<KeyTimes>>> = {
  create: async (ward, times) => (await ward.keys.create({ name: 'a', ...times })).record,
  createAll: async (ward, times) => {
    const [issued] = await ward.keys.createAll([{ name: 'a', ...times }])
    if (issued === undefined) throw new Error('no key was made')
    return issued.record
  },
  import: async (ward, times) => {
    const sha256 = hash('sha256', JSON.stringify(times))
    const [record] = await ward.keys.import([{ name: 'a', sha256, ...times }])
    if (record === undefined) throw new Error('no key was imported')
    return record
  },
  update: async (ward, times) => {
    const { record } = await ward.keys.create({ name: 'a' })
    return ward.keys.update(record.id, times)
  },
}

const errorsOf = async (work: Promise<unknown>): Promise<readonly (readonly unknown[])[]> => {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(thrown).toMatchObject({ code: 'input_invalid' })
  const { errors } = thrown as { errors: readonly { loc: readonly unknown[]; type: string }[] }
  return errors.map(({ loc, type }) => [loc.at(-1), type])
}

describe.each(Object.entries(calls))('keys.%s', (_, call) => {
  test.each([
    ['a Date', new Date(begin + dayMs), begin + dayMs],
    ['milliseconds', begin + dayMs, begin + dayMs],
    ['a duration', '90d', begin + 90 * dayMs],
    ['a time', '2027-01-31T12:00:00+02:00', Date.UTC(2027, 0, 31, 10)],
    ['a date', '2027-01-31', Date.UTC(2027, 0, 31)],
    ['null', null, null],
  ])('takes %s, and stores milliseconds', async (__, value, ms) => {
    const ward = await openTestWard()
    expect(await call(ward, { expiresAt: value })).toMatchObject({ expiresAt: ms, notBefore: null })
    expect(await call(ward, { notBefore: value })).toMatchObject({ expiresAt: null, notBefore: ms })
  })

  test('names both wrong times at once', async () => {
    const ward = await openTestWard()
    const wrong = { notBefore: '90 days', expiresAt: new Date(Number.NaN) }
    expect(await errorsOf(call(ward, wrong))).toEqual([
      ['not_before', 'time'],
      ['expires_at', 'time'],
    ])
  })

  test('refuses seconds: the key would end, or begin to work, at once', async () => {
    const ward = await openTestWard()
    const seconds = begin / 1_000 + 3_600
    const wrong = await errorsOf(call(ward, { notBefore: seconds, expiresAt: seconds }))
    expect(wrong.map(([field]) => field)).toEqual(['not_before', 'expires_at'])
  })

  test('refuses an end in `0s`', async () => {
    const ward = await openTestWard()
    expect(await errorsOf(call(ward, { expiresAt: '0s' }))).toEqual([['expires_at', 'time_past']])
  })

  test('compares the times that it has read', async () => {
    const ward = await openTestWard()
    const wrong = { notBefore: '2d', expiresAt: new Date(begin + dayMs) }
    expect(await errorsOf(call(ward, wrong))).toEqual([['expires_at', 'time_order']])
  })
})

test('a change leaves a time that is undefined as it was, and counts a duration from when it is made', async () => {
  const ward = await openTestWard()
  const { record } = await ward.keys.create({ name: 'a', expiresAt: '90d' })
  // As a program in JavaScript, or without `exactOptionalPropertyTypes`, may pass it.
  const changes = JSON.parse('{"name":"b"}') as { name: string; expiresAt?: string }
  changes.expiresAt = undefined as unknown as string
  expect(await ward.keys.update(record.id, changes)).toMatchObject({
    name: 'b',
    expiresAt: begin + 90 * dayMs,
  })
  ward.time.now += dayMs
  expect(await ward.keys.update(record.id, { expiresAt: '90d' })).toMatchObject({
    expiresAt: begin + 91 * dayMs,
  })
})

test('a key that was stored with another number can still be changed', async () => {
  const ward = await openTestWard()
  const { record } = await ward.keys.create({ name: 'a' })
  const stored = { ...record, version: record.version + 1, notBefore: 1_800_000_000 }
  await ward.store.replaceKey(stored)
  expect(await ward.keys.update(record.id, { name: 'b' })).toMatchObject({ notBefore: 1_800_000_000 })
})

test('an import names the faults of all its keys at once', async () => {
  const ward = await openTestWard()
  const thrown = await ward.keys
    .import([
      { name: 'a', sha256: 'no hash', expiresAt: 'soon' },
      { name: 'b', sha256: hash('sha256', 'b') },
      { name: '', sha256: hash('sha256', ''), notBefore: 'soon' },
    ])
    .catch((error: unknown) => error)
  expect((thrown as { errors: readonly { loc: unknown }[] }).errors.map(({ loc }) => loc)).toEqual([
    ['body', 0, 'sha256'],
    ['body', 0, 'expires_at'],
    ['body', 2, 'sha256'],
    ['body', 2, 'name'],
    ['body', 2, 'not_before'],
  ])
})

test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, Number.MAX_SAFE_INTEGER])(
  'a rotation refuses the overlap %d, under which the old secret would never end',
  async (overlapMs) => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a' })
    expect(await errorsOf(ward.keys.rotate(record.id, { overlapMs }))).toEqual([['overlap', 'duration']])
    expect((await ward.keys.get(record.id)).secrets).toHaveLength(1)
  },
)

test.each([
  ['milliseconds', { overlapMs: dayMs }],
  ['a duration', { overlap: '24h' }],
  ['a duration in milliseconds', { overlap: dayMs }],
])('a rotation takes its overlap as %s', async (_, options) => {
  const ward = await openTestWard()
  const { record } = await ward.keys.create({ name: 'a' })
  const rotated = await ward.keys.rotate(record.id, options)
  expect(rotated.record.secrets[1]).toMatchObject({ endsAt: begin + dayMs })
})

test.each([{ overlap: 'a day' }, { overlap: -1 }, { overlap: null }, { overlap: '24h', overlapMs: dayMs }])(
  'a rotation refuses %j, and says what an overlap may be',
  async (options) => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a' })
    const msg =
      'expected milliseconds, or a duration such as `90s`, `15min`, `24h` or `30d`, at most a hundred years; as `overlap` or as `overlapMs`, not both'
    await expect(ward.keys.rotate(record.id, options as never)).rejects.toMatchObject({
      code: 'input_invalid',
      errors: [{ loc: ['body', 'overlap'], msg }],
    })
  },
)

describe('keys.list', () => {
  test.each([
    ['a Date', { unusedSince: new Date(begin + dayMs) }],
    ['milliseconds', { unusedSince: begin + dayMs }],
    ['a time', { unusedSince: '2026-01-02' }],
    ['a duration that ends now', { unusedSince: '24h' }],
    ['a duration', { unused: '24h' }],
    ['a duration in milliseconds', { unused: dayMs }],
  ])('takes since when a key was not used as %s', async (_, query) => {
    const ward = await openTestWard()
    await ward.keys.create({ name: 'old' })
    ward.time.now += 2 * dayMs
    await ward.keys.create({ name: 'new' })
    expect((await ward.keys.list(query)).keys.map(({ name }) => name)).toEqual(['old'])
  })

  test.each([
    [{ unusedSince: 'last week' }, 'unused_since', 'a Date'],
    [{ unusedSince: Number.NaN }, 'unused_since', 'a Date'],
    [{ unusedSince: new Date(Number.NaN) }, 'unused_since', 'a Date'],
    [{ unused: 'a week' }, 'unused', 'milliseconds'],
    [{ unused: '1d', unusedSince: '2d' }, 'unused', 'not both'],
    [{ unused: -1 }, 'unused', 'milliseconds'],
    [{ unused: Number.NaN }, 'unused', 'milliseconds'],
  ])('refuses %o, and says what it may be', async (query, field, form) => {
    const ward = await openTestWard()
    await expect(ward.keys.list(query)).rejects.toMatchObject({
      code: 'input_invalid',
      errors: [{ loc: ['query', field], msg: expect.stringContaining(form) }],
    })
  })
})

describe.each(Object.entries(calls))('keys.%s', (_, call) => {
  // A body of a request that was passed on as it came, or a name that was mistyped.
  test.each([
    [{ revokedAt: null }, ['revokedAt']],
    [{ id: 'x', version: 7, secrets: [], imported: true }, ['id', 'version', 'secrets', 'imported']],
    [{ expireAt: '90d' }, ['expireAt']],
  ])('refuses fields that no caller may set: %o', async (fields, names) => {
    const ward = await openTestWard()
    const asked = call(ward, fields as Partial<KeyTimes>)
    expect(await errorsOf(asked)).toEqual(names.map((name) => [name, 'unknown_field']))
    await asked.catch(({ errors }) => {
      if (names[0] === 'expireAt') expect(errors[0].msg).toContain('did you mean `expiresAt`?')
    })
    const { keys } = await ward.keys.list()
    expect(keys.map(({ version }) => version)).toEqual(keys.map(() => 1))
  })
})
