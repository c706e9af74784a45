import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { endedJob } from '../../test/support/ended-job.ts'
import { signWebhook, writeWebhookBody } from './message.ts'
import { formatWebhookSecret } from './secret.ts'

const [older, newer] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]

test('the body tells what ended, when, and how the job stands; neither inputs nor result', () => {
  const job = endedJob({ result: '{"text":"private"}', done: 3, total: 3 })
  expect(JSON.parse(writeWebhookBody({ job, createdAt: 9_000 }))).toEqual({
    type: 'job.succeeded',
    timestamp: '1970-01-01T00:00:03.000Z',
    data: {
      id: 'job_0000000000000000000001',
      status: 'succeeded',
      model: 'sentiment',
      kind: 'single',
      progress: { done: 3, total: 3 },
      errors: 0,
      error: null,
      attempts: 1,
      version: 3,
      created_at: '1970-01-01T00:00:01.000Z',
      started_at: '1970-01-01T00:00:02.000Z',
      finished_at: '1970-01-01T00:00:03.000Z',
      expires_at: '1970-01-02T00:00:03.000Z',
    },
  })
})

test.each(['succeeded', 'failed', 'dead', 'cancelled'] as const)('a job that is %s is named so', (status) => {
  const error = status === 'failed' ? ({ code: 'model_failed', detail: 'The model failed.' } as const) : null
  const body = JSON.parse(writeWebhookBody({ job: endedJob({ status, error }), createdAt: 1 }))
  expect(body).toMatchObject({ type: `job.${status}`, data: { status, error } })
})

test('the signature is the one that Standard Webhooks gives as its example', () => {
  const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
  const headers = signWebhook('msg_p5jXN8AQM9LWM0D4loKWxJek', 1_614_265_330_000, '{"test": 2432232314}', [
    secret,
  ])
  expect(headers['webhook-timestamp']).toBe('1614265330')
  expect(headers['webhook-signature']).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})

test('it is the HMAC-SHA-256 of id, moment and body, also where the body is not ASCII', () => {
  const headers = signWebhook('msg_1', 1_700_000_000_999, '{"a":"ü€😀"}', [newer])
  const mac = createHmac('sha256', newer).update('msg_1.1700000000.{"a":"ü€😀"}').digest('base64')
  expect(headers['webhook-signature']).toBe(`v1,${mac}`)
})

test('a receiver knows it by the old secret and by the new one, and by no other', () => {
  const body = '{"type":"job.succeeded"}'
  const headers = signWebhook('msg_1', Date.now(), body, [newer, older])
  for (const secret of [older, newer])
    expect(new Webhook(formatWebhookSecret(secret)).verify(body, headers)).toEqual({ type: 'job.succeeded' })
  const other = new Webhook(formatWebhookSecret(Buffer.alloc(32, 3)))
  expect(() => other.verify(body, headers)).toThrow('No matching signature found')
})

const secretBytes = fc.uint8Array({ minLength: 1, maxLength: 64 })

test('what is signed, a library of the standard verifies by each of the secrets, whatever the message says', () => {
  const secrets = fc.array(secretBytes, { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.uuid(), fc.json({ stringUnit: 'binary' }), secrets, (id, body, secrets) => {
      const headers = signWebhook(id, Date.now(), body, secrets)
      for (const secret of secrets)
        expect(new Webhook(secret, { format: 'raw' }).verify(body, headers)).toEqual(JSON.parse(body))
    }),
  )
})

test('it refuses a message of which one byte was changed, in its body, its id, its moment or its signature', () => {
  const part = fc.constantFrom('body', 'webhook-id', 'webhook-timestamp', 'webhook-signature')
  fc.assert(
    fc.property(fc.json(), secretBytes, part, fc.nat(), (body, secret, part, at) => {
      const message: Record<string, string> = { body, ...signWebhook('msg_1', Date.now(), body, [secret]) }
      const { body: received = '', ...headers } = { ...message, [part]: changeByte(message[part] ?? '', at) }
      const receiver = new Webhook(secret, { format: 'raw' })
      expect(() => receiver.verify(received, headers)).toThrow()
    }),
  )
})

test('with a secret of no bytes nothing is signed', () => {
  expect(() => signWebhook('msg_1', 0, '{}', [newer, new Uint8Array()])).toThrow('empty secret')
})

/** The text with one character replaced by another digit. */
function changeByte(text: string, at: number): string {
  const index = at % text.length
  return `${text.slice(0, index)}${text[index] === '7' ? '8' : '7'}${text.slice(index + 1)}`
}
