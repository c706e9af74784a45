import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKey, expectProblem, keyHeader, predict, withOtherSecret } from './ask.ts'
import type { ParityTarget, StartTarget } from './parity-target.ts'
import type { RawAnswer } from './raw-http.ts'

const hourMs = 3_600_000

/**
 * Rows 39 and 40: right keys that are refused, each with the reason, which only the secret's holder
 * learns.
 */
export function describeStatusRows(start: StartTarget): void {
  let target: ParityTarget
  beforeAll(async () => {
    target = await start()
  })
  afterAll(() => target.close())

  const ask = (key: string): Promise<RawAnswer> => predict(target, { headers: [keyHeader(key)] })
  async function admitted(key: string): Promise<void> {
    expect((await ask(key)).status).toBe(200)
  }
  /**
   * Refused with its code, without a call of the model; another secret under the same id is told
   * nothing of it.
   */
  async function refused(key: string, code: string): Promise<string> {
    const before = target.predicted.length
    expectProblem(await ask(withOtherSecret(key, target)), 403, 'key_invalid')
    const { detail } = expectProblem(await ask(key), 403, code)
    expect(target.predicted.length).toBe(before)
    return detail
  }

  test('39 revoked, after it was used and is in memory: 403 key_revoked', async () => {
    const { record, text } = await target.keys.create({ name: 'k' })
    await admitted(text)
    await target.keys.revoke(record.id, 'left the company')
    await target.hear()
    expect(await refused(text, 'key_revoked')).not.toContain('left the company')
  })

  test('39 revoked before it was ever used: 403 key_revoked', async () => {
    const { record, text } = await target.keys.create({ name: 'k' })
    await target.keys.revoke(record.id)
    await refused(text, 'key_revoked')
  })

  test('39 expired: 200 to the last millisecond before, 403 key_expired from then on', async () => {
    const expiresAt = target.time.now + hourMs
    const key = await createKey(target, { expiresAt })
    target.time.now = expiresAt - 1
    await admitted(key)
    target.time.now = expiresAt
    await refused(key, 'key_expired')
  })

  test('39 not yet valid: 403 key_not_yet_valid, and 200 from its first millisecond', async () => {
    const notBefore = target.time.now + hourMs
    const key = await createKey(target, { notBefore })
    target.time.now = notBefore - 1
    await refused(key, 'key_not_yet_valid')
    target.time.now = notBefore
    await admitted(key)
  })

  test('39 disabled: 403 key_disabled; enabled again: 200', async () => {
    const { record, text } = await target.keys.create({ name: 'k' })
    await admitted(text)
    await target.keys.disable(record.id)
    await target.hear()
    await refused(text, 'key_disabled')
    await target.keys.enable(record.id)
    await target.hear()
    await admitted(text)
  })

  test('39 rotated with an overlap: both secrets 200 until its end, then the old one 403 and the new one 200', async () => {
    const { record, text: old } = await target.keys.create({ name: 'k' })
    await admitted(old)
    const { text: next } = await target.keys.rotate(record.id, { overlapMs: hourMs })
    const endsAt = target.time.now + hourMs
    await target.hear()
    target.time.now = endsAt - 1
    await admitted(old)
    await admitted(next)
    target.time.now = endsAt
    expect(await refused(old, 'key_expired')).toMatch(/replaced/)
    await admitted(next)
  })

  test('39 rotated without an overlap: the old secret 403 at once, the new one 200', async () => {
    const { record, text: old } = await target.keys.create({ name: 'k' })
    await admitted(old)
    const { text: next } = await target.keys.rotate(record.id)
    await target.hear()
    expect(await refused(old, 'key_expired')).toMatch(/replaced/)
    await admitted(next)
  })

  test('39 rotated twice within the overlap: the oldest secret ends, at most two live', async () => {
    const { record, text: first } = await target.keys.create({ name: 'k' })
    const { text: second } = await target.keys.rotate(record.id, { overlapMs: hourMs })
    const { text: third } = await target.keys.rotate(record.id, { overlapMs: hourMs })
    await refused(first, 'key_expired')
    await admitted(second)
    await admitted(third)
  })

  test('39 an overlap never outlives the key: both secrets end with it', async () => {
    const expiresAt = target.time.now + hourMs
    const { record, text: old } = await target.keys.create({ name: 'k', expiresAt })
    const { text: next } = await target.keys.rotate(record.id, { overlapMs: 24 * hourMs })
    target.time.now = expiresAt
    await refused(old, 'key_expired')
    await refused(next, 'key_expired')
  })

  test('39 a key kept to other addresses: 403 address_denied', async () => {
    await refused(await createKey(target, { addresses: ['10.0.0.0/8', '2001:db8::/32'] }), 'address_denied')
    await admitted(await createKey(target, { addresses: ['127.0.0.0/8'] }))
  })

  test.each([[[]], [['jobs']], [['predict.other', 'predic']], [['admin']]])(
    '40 valid key with the scopes %j, not the one asked for: 403 scope_missing',
    async (scopes) => {
      const detail = await refused(await createKey(target, { scopes }), 'scope_missing')
      expect(detail).toMatch(/scope|admin/)
    },
  )
}
