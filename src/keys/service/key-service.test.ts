import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { headOf, openTestWard, type TestWard, testPepper } from '../../../test/support/open-test-ward.ts'
import { drawPepper, parsePeppers } from '../../secrets/peppers.ts'
import { createMemoryKeyStore } from '../../storage/memory/key-store.ts'
import { parseKey } from '../record/key-text.ts'
import { viewKey } from '../record/views.ts'
import type { KeyStore } from '../store/key-store.ts'

async function outcomeOf(ward: TestWard, text: string): Promise<string> {
  await ward.refresh()
  const verdict = await ward.admit(headOf({ 'x-api-key': text }))
  return verdict.admitted ? 'admitted' : verdict.refusal.code
}

const day = 24 * 3_600_000

describe('create', () => {
  test('gives a key of the deployment, its own owner, with the default scope, for anywhere and ever', async () => {
    const ward = await openTestWard()
    const { record, text } = await ward.keys.create({ name: 'first' })
    expect(parseKey(text, ward.format)?.id).toBe(record.id)
    expect(record).toMatchObject({
      name: 'first',
      owner: record.id,
      scopes: ['predict'],
      addresses: [],
      limits: null,
      notBefore: null,
      expiresAt: null,
      version: 1,
    })
  })

  test('keeps no part of the secret', async () => {
    const ward = await openTestWard()
    const { record, text } = await ward.keys.create({ name: 'first' })
    const { secret = '' } = parseKey(text, ward.format) ?? {}
    const stored = JSON.stringify([await ward.store.findKey(record.id), viewKey(record, ward.time.now)])
    expect(stored).not.toContain(secret.slice(0, 8))
    expect(stored).not.toContain(hash('sha256', text, 'hex').slice(0, 16))
  })

  test.each([
    ['a zero-width space', 'ac\u200bme'],
    ['a zero-width joiner', 'acme\u200d'],
    ['an Arabic letter mark', 'acme\u061c'],
    ['a word joiner', '\u2060acme'],
    ['a soft hyphen', 'ac\u00adme'],
    ['a Hangul filler', 'acme\u3164'],
    ['a variation selector', 'acme\ufe0f'],
    ['a tag', 'acme\u{e0041}'],
    ['a letter and its mark apart', 'cafe\u0301'],
    ['a no-break space', 'acme\u00a0inc'],
    ['a space behind it', 'acme '],
  ])('refuses an owner with %s, at every door; who has one keeps it', async (_what, owner) => {
    const ward = await openTestWard()
    const refusal = { code: 'input_invalid', errors: [{ loc: ['body', 'owner'], type: 'look_alike' }] }
    await expect(ward.keys.create({ name: 'a', owner })).rejects.toMatchObject(refusal)
    const { record } = await ward.keys.create({ name: 'a', owner: 'acme' })
    await expect(ward.keys.update(record.id, { owner })).rejects.toMatchObject(refusal)
    const sha256 = hash('sha256', 'key of another system')
    await expect(ward.keys.import([{ name: 'a', owner, sha256 }])).rejects.toMatchObject({
      errors: [{ type: 'look_alike' }],
    })
    await ward.store.replaceKey({ ...record, owner, version: record.version + 1 })
    expect(await ward.keys.update(record.id, { name: 'b', owner })).toMatchObject({ name: 'b', owner })
  })

  test('takes an owner in any script', async () => {
    const ward = await openTestWard()
    for (const owner of ['acme inc', 'café', '株式会社', 'Ærø–42', 'שלום', 'नमस्ते'])
      expect((await ward.keys.create({ name: 'a', owner })).record.owner).toBe(owner)
  })

  test('names every fault of the fields at once, by place, and adds nothing', async () => {
    const ward = await openTestWard()
    const faulty = ward.keys.create({
      name: 'a\nb',
      owner: '',
      scopes: ['predict', 'Bad', 'predict'],
      addresses: ['10.0.0.0/33'],
      limits: ['10/min', '0/min', 'often', '20/minute'],
      metadata: { note: 'x'.repeat(5_000) },
      notBefore: ward.time.now + 20,
      expiresAt: ward.time.now + 10,
    })
    const error = await faulty.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'input_invalid' })
    expect((error as { errors: readonly { loc: unknown }[] }).errors.map(({ loc }) => loc)).toEqual([
      ['body', 'name'],
      ['body', 'owner'],
      ['body', 'scopes', 1],
      ['body', 'scopes'],
      ['body', 'addresses', 0],
      ['body', 'limits', 1],
      ['body', 'limits', 2],
      ['body', 'limits', 3],
      ['body', 'metadata'],
      ['body', 'expires_at'],
    ])
    const { keys } = await ward.keys.list({ sort: 'id', descending: false, limit: 10 })
    expect(keys).toEqual([])
  })

  test('keeps limits in their shortest form, none apart from the default, at most eight', async () => {
    const ward = await openTestWard()
    const limits = ['10 / Minute', 'shadow 1000/day', '5000/calendar month', '5 concurrent']
    const { record } = await ward.keys.create({ name: 'a', limits })
    expect((await ward.keys.get(record.id)).limits).toEqual([
      '10/min',
      'shadow 1000/day',
      '5000/calendar month',
      '5 concurrent',
    ])
    const none = await ward.keys.create({ name: 'b', limits: [] })
    expect(viewKey(none.record, 0).limits).toEqual([])
    const many = Array.from({ length: 9 }, (_, index) => `1/${index + 1}min`)
    await expect(ward.keys.create({ name: 'c', limits: many })).rejects.toMatchObject({
      errors: [{ loc: ['body', 'limits', 8] }],
    })
  })

  test('refuses a key that is an admin and something else', async () => {
    const ward = await openTestWard()
    await expect(ward.keys.create({ name: 'a', scopes: ['admin', 'predict'] })).rejects.toMatchObject({
      code: 'input_invalid',
    })
    const { record } = await ward.keys.create({ name: 'a' })
    await expect(ward.keys.update(record.id, { scopes: ['predict', 'admin'] })).rejects.toMatchObject({
      code: 'input_invalid',
    })
  })

  test.each([
    ['nested deeper than any reader would follow', JSON.parse(`${'['.repeat(1_500)}${']'.repeat(1_500)}`)],
    ['holding a number that JSON would turn into null', Number.POSITIVE_INFINITY],
  ])('refuses metadata %s', async (_, value) => {
    const ward = await openTestWard()
    await expect(ward.keys.create({ name: 'a', metadata: { value } })).rejects.toMatchObject({
      code: 'input_invalid',
      errors: [{ loc: ['body', 'metadata'] }],
    })
  })

  test.each(['', ' ', '\u200b', 'a\u202eb', 'a\u0000', 'x'.repeat(129)])(
    'refuses the name %j',
    async (name) => {
      const ward = await openTestWard()
      await expect(ward.keys.create({ name })).rejects.toMatchObject({ code: 'input_invalid' })
    },
  )

  test('draws another id when one is taken', async () => {
    const store = createMemoryKeyStore()
    let first = true
    const taken: KeyStore = {
      ...store,
      addKeys: async (records, answer) => {
        if (!first) return store.addKeys(records, answer)
        first = false
        return { outcome: 'taken' }
      },
    }
    const ward = await openTestWard({ store: taken })
    const { text } = await ward.keys.create({ name: 'a' })
    expect(await outcomeOf(ward, text)).toBe('admitted')
  })
})

describe('an idempotent request', () => {
  const once = { owner: 'acme', key: 'order-7', request: { name: 'a' } }

  test('gives the first answer again, key and all, and makes one key', async () => {
    const ward = await openTestWard()
    const first = await ward.keys.create({ name: 'a' }, { idempotency: once })
    const again = await ward.keys.create({ name: 'a' }, { idempotency: once })
    expect(again.text).toBe(first.text)
    expect(again.record.id).toBe(first.record.id)
    expect((await ward.keys.list({ sort: 'id', descending: false, limit: 10 })).keys).toHaveLength(1)
  })

  test('makes one key of many at the same time', async () => {
    const ward = await openTestWard()
    const all = await Promise.all(
      Array.from({ length: 20 }, () => ward.keys.create({ name: 'a' }, { idempotency: once })),
    )
    expect(new Set(all.map(({ text }) => text)).size).toBe(1)
    expect((await ward.keys.list({ sort: 'id', descending: false, limit: 50 })).keys).toHaveLength(1)
  })

  test('under the same key with another body is refused; the key is free to another owner, and after a day', async () => {
    const ward = await openTestWard()
    const first = await ward.keys.create({ name: 'a' }, { idempotency: once })
    const other = { ...once, request: { name: 'b' } }
    await expect(ward.keys.create({ name: 'b' }, { idempotency: other })).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    })
    const theirs = await ward.keys.create({ name: 'a' }, { idempotency: { ...once, owner: 'globex' } })
    expect(theirs.record.id).not.toBe(first.record.id)
    ward.time.now += day
    const nextDay = await ward.keys.create({ name: 'a' }, { idempotency: once })
    expect(nextDay.record.id).not.toBe(first.record.id)
  })

  test('rotates once, however often it is sent', async () => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a' })
    const first = await ward.keys.rotate(record.id, { idempotency: once })
    const again = await ward.keys.rotate(record.id, { idempotency: once })
    expect(again.text).toBe(first.text)
    expect(await outcomeOf(ward, first.text)).toBe('admitted')
    expect((await ward.keys.get(record.id)).secrets).toHaveLength(2)
  })

  test('is stored sealed: what the store gets contains neither the text nor any part of the secret', async () => {
    const store = createMemoryKeyStore()
    const sealed: Uint8Array[] = []
    const spy: KeyStore = {
      ...store,
      addKeys: (records, answer) => {
        if (answer !== undefined) sealed.push(answer.sealed)
        return store.addKeys(records, answer)
      },
    }
    const ward = await openTestWard({ store: spy })
    const { text } = await ward.keys.create({ name: 'a' }, { idempotency: once })
    expect(sealed).toHaveLength(1)
    expect(Buffer.from(sealed[0] ?? []).includes(text.slice(21, 29))).toBe(false)
  })
})

describe('rotate', () => {
  test('keeps the limits', async () => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a', limits: ['10/min'] })
    expect((await ward.keys.rotate(record.id)).record.limits).toEqual(['10/min'])
  })

  test('without an overlap ends the old secret at once', async () => {
    const ward = await openTestWard()
    const old = await ward.keys.create({ name: 'a' })
    const renewed = await ward.keys.rotate(old.record.id)
    expect(await outcomeOf(ward, old.text)).toBe('key_expired')
    expect(await outcomeOf(ward, renewed.text)).toBe('admitted')
  })

  test('twice within an overlap leaves two live secrets: the oldest ends', async () => {
    const ward = await openTestWard()
    const first = await ward.keys.create({ name: 'a' })
    const second = await ward.keys.rotate(first.record.id, { overlapMs: day })
    const third = await ward.keys.rotate(first.record.id, { overlapMs: day })
    expect(await outcomeOf(ward, first.text)).toBe('key_expired')
    expect(await outcomeOf(ward, second.text)).toBe('admitted')
    expect(await outcomeOf(ward, third.text)).toBe('admitted')
    expect(viewKey(third.record, ward.time.now).secrets).toHaveLength(2)
  })

  test('never lets the old secret outlive the key, nor a second rotation prolong it', async () => {
    const ward = await openTestWard()
    const expiresAt = ward.time.now + 1_000
    const { record } = await ward.keys.create({ name: 'a', expiresAt })
    const rotated = await ward.keys.rotate(record.id, { overlapMs: day })
    expect(rotated.record.secrets[1]?.endsAt).toBe(expiresAt)
    const again = await ward.keys.rotate(record.id, { overlapMs: day })
    expect(again.record.secrets[2]?.endsAt).toBe(ward.time.now)
  })

  test('of a revoked or expired key is a conflict', async () => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a', expiresAt: ward.time.now + 10 })
    ward.time.now += 10
    await expect(ward.keys.rotate(record.id)).rejects.toMatchObject({ code: 'key_conflict' })
    await ward.keys.revoke(record.id)
    await expect(ward.keys.rotate(record.id)).rejects.toMatchObject({ code: 'key_conflict' })
  })
})

describe('changes', () => {
  test('revoking is final, keeps its first reason, and forbids every other change', async () => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a' })
    await ward.keys.revoke(record.id, 'leaked')
    const again = await ward.keys.revoke(record.id, 'other')
    expect(again.revokedReason).toBe('leaked')
    for (const change of [
      ward.keys.enable(record.id),
      ward.keys.disable(record.id),
      ward.keys.update(record.id, { name: 'b' }),
    ])
      await expect(change).rejects.toMatchObject({ code: 'key_conflict', status: 409 })
  })

  test('of the limits put others in their place, take them away or bring the default back; of others leave them', async () => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a', limits: ['10/min'] })
    const limitsAfter = async (changes: Parameters<typeof ward.keys.update>[1]) => {
      await ward.keys.update(record.id, changes)
      return (await ward.keys.get(record.id)).limits
    }
    expect(await limitsAfter({ name: 'b' })).toEqual(['10/min'])
    expect(await limitsAfter({ limits: ['20 requests/hour'] })).toEqual(['20/h'])
    expect(await limitsAfter({ limits: [] })).toEqual([])
    expect(await limitsAfter({ limits: null })).toBeNull()
    await expect(ward.keys.update(record.id, { limits: ['often'] })).rejects.toMatchObject({
      errors: [{ loc: ['body', 'limits', 0] }],
    })
  })

  test('many at the same time are all made, none lost', async () => {
    const ward = await openTestWard()
    const { record } = await ward.keys.create({ name: 'a' })
    await Promise.all([
      ward.keys.update(record.id, { name: 'b' }),
      ward.keys.update(record.id, { metadata: { plan: 'pro' } }),
      ward.keys.disable(record.id),
      ward.keys.rotate(record.id),
    ])
    const changed = await ward.keys.get(record.id)
    expect(changed).toMatchObject({ name: 'b', metadata: { plan: 'pro' }, version: 5 })
    expect(changed.disabledAt).not.toBeNull()
    expect(changed.secrets).toHaveLength(2)
  })

  test('of a key that is not there is not found', async () => {
    const ward = await openTestWard()
    const id = '000000000000'
    for (const change of [
      ward.keys.get(id),
      ward.keys.update(id, {}),
      ward.keys.revoke(id),
      ward.keys.rotate(id),
    ])
      await expect(change).rejects.toMatchObject({ code: 'not_found', status: 404 })
  })
})

describe('what has been answered holds for the very next request', () => {
  const present = (ward: TestWard, text: string, scope = 'predict') =>
    ward.admit(headOf({ 'x-api-key': text }), { scope })

  test('a revoked key is refused, a granted scope admitted, an imported key known', async () => {
    const ward = await openTestWard()
    const { text, record } = await ward.keys.create({ name: 'a' })
    expect(await present(ward, text)).toMatchObject({ admitted: true })
    await ward.keys.update(record.id, { scopes: ['predict', 'jobs'] })
    expect(await present(ward, text, 'jobs')).toMatchObject({ admitted: true })
    await ward.keys.revoke(record.id)
    expect(await present(ward, text)).toMatchObject({ refusal: { code: 'key_revoked' } })
    await ward.keys.import([{ name: 'b', sha256: hash('sha256', 'sk-elsewhere', 'hex') }])
    expect(await present(ward, 'sk-elsewhere')).toMatchObject({ admitted: true })
  })
})

describe('import', () => {
  test('keeps limits in their shortest form', async () => {
    const ward = await openTestWard()
    const sha256 = hash('sha256', 'elsewhere')
    expect(await ward.keys.import([{ name: 'a', sha256, limits: ['10/minute'] }])).toMatchObject([
      { limits: ['10/min'] },
    ])
  })

  const foreign = 'sk-some-other-service-key-0123456789'
  const digest = (text: string) => hash('sha256', text, 'buffer')

  test.each(['hex', 'base64', 'base64url'] as const)(
    'takes a key by its SHA-256 in %s, and the key works',
    async (encoding) => {
      const ward = await openTestWard()
      const [record] = await ward.keys.import([{ name: 'a', sha256: digest(foreign).toString(encoding) }])
      expect(await outcomeOf(ward, foreign)).toBe('admitted')
      expect(await outcomeOf(ward, `${foreign}x`)).toBe('key_invalid')
      const stored = record?.secrets.map(({ digest: bytes }) => Buffer.from(bytes).toString('hex'))
      expect(stored).not.toContain(digest(foreign).toString('hex'))
    },
  )

  test('the hash itself is no key, in any writing', async () => {
    const ward = await openTestWard()
    await ward.keys.import([{ name: 'a', sha256: digest(foreign).toString('hex') }])
    for (const encoding of ['hex', 'base64', 'base64url', 'latin1'] as const)
      expect(await outcomeOf(ward, digest(foreign).toString(encoding))).toBe('key_invalid')
  })

  test('is refused for a key that was imported before, used, revoked, or stored under an older pepper', async () => {
    const store = createMemoryKeyStore()
    const ward = await openTestWard({ store })
    const again = { name: 'b', sha256: digest(foreign).toString('base64url') }
    const [record] = await ward.keys.import([{ name: 'a', sha256: digest(foreign).toString('hex') }])
    expect(await outcomeOf(ward, foreign)).toBe('admitted')
    await expect(ward.keys.import([again])).rejects.toMatchObject({ code: 'key_conflict' })
    await ward.keys.revoke(record?.id ?? '')
    await expect(ward.keys.import([again])).rejects.toMatchObject({ code: 'key_conflict' })
    expect(await outcomeOf(ward, foreign)).toBe('key_revoked')
    const peppers = parsePeppers(`${testPepper},${drawPepper(2)}`, 'the test')
    const renewed = await openTestWard({ store, peppers })
    await expect(renewed.keys.import([again])).rejects.toMatchObject({ code: 'key_conflict' })
    expect(await outcomeOf(renewed, foreign)).toBe('key_revoked')
  })

  test('a rotated import works under its new text, and under the old one through the overlap', async () => {
    const ward = await openTestWard()
    const [record] = await ward.keys.import([{ name: 'a', sha256: digest(foreign).toString('hex') }])
    const renewed = await ward.keys.rotate(record?.id ?? '', { overlapMs: 1_000 })
    expect(await outcomeOf(ward, foreign)).toBe('admitted')
    expect(await outcomeOf(ward, renewed.text)).toBe('admitted')
    ward.time.now += 1_000
    expect(await outcomeOf(ward, foreign)).toBe('key_expired')
  })

  test('takes all or none: one that cannot be read, or is there already, keeps the others out', async () => {
    const ward = await openTestWard()
    const good = { name: 'a', sha256: digest('one').toString('hex') }
    await expect(ward.keys.import([good, { name: 'b', sha256: 'abc' }])).rejects.toMatchObject({
      code: 'input_invalid',
    })
    await expect(ward.keys.import([good, good])).rejects.toMatchObject({ code: 'key_conflict' })
    expect(await outcomeOf(ward, 'one')).toBe('key_invalid')
    await ward.keys.import([good])
    await expect(
      ward.keys.import([{ name: 'c', sha256: digest('two').toString('hex') }, good]),
    ).rejects.toMatchObject({ code: 'key_conflict' })
    expect(await outcomeOf(ward, 'two')).toBe('key_invalid')
  })

  test('of a key for the other environment does not work here', async () => {
    const ward = await openTestWard()
    await ward.keys.import([{ name: 'a', sha256: digest(foreign).toString('hex'), environment: 'test' }])
    expect(await outcomeOf(ward, foreign)).toBe('key_invalid')
  })
})
