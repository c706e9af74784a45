import { afterAll, beforeAll, expect, test } from 'vitest'
import { createKey, keyHeader, predict, unknownKey, withOtherSecret } from './ask.ts'
import type { ParityTarget, StartTarget } from './parity-target.ts'
import type { RawAnswer } from './raw-http.ts'

/** What the input says where a test looks for it in records. */
const marker = 'a-very-private-sentence'

/**
 * Row 42: whatever is answered has its record, which says who and what, and neither the key nor the
 * text.
 */
export function describeLedgerRows(start: StartTarget): void {
  let target: ParityTarget
  beforeAll(async () => {
    target = await start()
  })
  afterAll(() => target.close())

  const ask = (key: string | undefined, text: unknown): Promise<RawAnswer> =>
    predict(target, {
      headers: key === undefined ? [] : [keyHeader(key)],
      body: JSON.stringify({ text }),
    })

  test('42 any request: a record with key id, request id and outcome; the key and the text are in no record, log or answer', async () => {
    const key = await createKey(target, { owner: 'acme' })
    const keyId = key.split('_')[2]
    const other = withOtherSecret(key, target)
    const unknown = unknownKey(target)
    const disabled = await createKey(target)
    await target.keys.disable(disabled.split('_')[2] ?? '')
    await target.hear()
    const cases = [
      { key, text: marker, event: 'request.admitted', code: null, status: 200, keyId },
      { key, text: 7, event: 'request.admitted', code: 'input_invalid', status: 422, keyId },
      {
        key: undefined,
        text: marker,
        event: 'request.refused',
        code: 'key_missing',
        status: 401,
        keyId: null,
      },
      { key: other, text: marker, event: 'request.refused', code: 'key_invalid', status: 403, keyId: null },
      { key: unknown, text: marker, event: 'request.refused', code: 'key_invalid', status: 403, keyId: null },
      {
        key: disabled,
        text: marker,
        event: 'request.refused',
        code: 'key_disabled',
        status: 403,
        keyId: disabled.split('_')[2],
      },
    ]
    for (const { key: presented, text, event, code, status, keyId: expected } of cases) {
      const answer = await ask(presented, text)
      expect(answer.status).toBe(status)
      const [requestId] = answer.headers.get('x-request-id') ?? []
      // At once: it was there before the answer was.
      const records = (await target.records()).filter((record) => record.requestId === requestId)
      expect(records).toMatchObject([
        { event, code, status, keyId: expected, method: 'POST', route: '/predict', address: '127.0.0.1' },
      ])
      for (const secret of [key, other, unknown, disabled])
        expect(answer.body).not.toContain(secret.slice(-49))
    }
    const recorded = JSON.stringify(await target.records())
    for (const secret of [key, other, unknown, disabled])
      for (const text of [recorded, target.logText()]) expect(text).not.toContain(secret.slice(-49))
    for (const text of [recorded, target.logText()]) expect(text).not.toContain(marker)
  })
}
