import { describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../test/adapters/fake-ledger.ts'
import { wide } from '../../test/contract/job-fixtures.ts'
import { endedJob } from '../../test/support/ended-job.ts'
import { testPepper } from '../../test/support/open-test-ward.ts'
import { anyOwner } from '../jobs/job-service.ts'
import { createChangeRecorder } from '../ledger/write/change-recorder.ts'
import { createEntryWriter } from '../ledger/write/entry-writer.ts'
import { drawPepper, parsePeppers } from '../secrets/peppers.ts'
import { createInProcessJobStore } from '../storage/sqlite/jobs/in-process-job-store.ts'
import { noTelemetry } from '../telemetry/telemetry.ts'
import { createWebhookSecretSeal, formatWebhookSecret } from './secret.ts'
import { createTargetAddresses } from './target-address.ts'
import { createWebhookService } from './webhook-service.ts'

const hourMs = 3_600_000

function open() {
  const ledger = createFakeLedger()
  const outbox = createInProcessJobStore()
  const time = { now: Date.UTC(2026, 0, 1) }
  const clock = (): number => time.now
  const writer = createEntryWriter({ ledger, telemetry: noTelemetry })
  const seal = createWebhookSecretSeal(parsePeppers(testPepper, 'the test'))
  const service = createWebhookService({
    outbox,
    seal,
    rules: { addresses: createTargetAddresses([]), allowHttp: false },
    clock,
    writer,
    changes: createChangeRecorder({ writer, clock, by: 'cli', latestChange: async () => 1 }),
  })
  /** The texts that sign now, the newest first. */
  async function signing(owner: string): Promise<readonly string[]> {
    const found = await outbox.findWebhookSecrets(owner, time.now)
    return found.map(({ sealed }) => formatWebhookSecret(seal.open(sealed, owner)))
  }
  return { ledger, outbox, time, service, signing }
}

describe('a webhook secret', () => {
  test('is 32 random bytes as Standard Webhooks writes them, each its owner’s own', async () => {
    const { service, signing } = open()
    const texts = [await service.rotateSecret('acme'), await service.rotateSecret('other')]
    for (const text of texts) expect(text).toMatch(/^whsec_[0-9A-Za-z+/]{43}=$/)
    expect(new Set(texts).size).toBe(2)
    expect(await signing('acme')).toEqual([texts[0]])
    expect(await signing('unknown')).toEqual([])
  })

  test('that was replaced signs beside the new one for a day, or for as long as was said, or no more at once', async () => {
    const { service, signing, time } = open()
    const first = await service.rotateSecret('acme')
    const second = await service.rotateSecret('acme')
    time.now += 24 * hourMs - 1
    expect(await signing('acme')).toEqual([second, first])
    time.now += 1
    expect(await signing('acme')).toEqual([second])
    const third = await service.rotateSecret('acme', { overlap: '1h' })
    expect(await signing('acme')).toEqual([third, second])
    time.now += hourMs
    expect(await signing('acme')).toEqual([third])
    const fourth = await service.rotateSecret('acme', { overlapMs: 0 })
    expect(await signing('acme')).toEqual([fourth])
  })

  test('is recorded as changed, by whom; neither record nor store holds its text', async () => {
    const { service, ledger, outbox, time } = open()
    const text = await service.by('7Qm2xT0bKc9Z').rotateSecret('acme', { overlapMs: 60_000 })
    expect(ledger.entries).toMatchObject([
      {
        event: 'webhook.secret_rotated',
        owner: 'acme',
        keyId: null,
        detail: { by: '7Qm2xT0bKc9Z', overlap_ms: 60_000 },
      },
    ])
    const bytes = Buffer.from(text.slice('whsec_'.length), 'base64')
    const [kept] = await outbox.findWebhookSecrets('acme', time.now)
    expect(Buffer.from(kept?.sealed ?? []).includes(bytes.subarray(0, 4))).toBe(false)
    expect(JSON.stringify(ledger.entries)).not.toContain(text.slice(6, 20))
  })

  test('is not changed where that cannot be recorded', async () => {
    const { service, ledger, signing } = open()
    ledger.fault = new Error('full')
    await expect(service.rotateSecret('acme')).rejects.toMatchObject({ code: 'ledger_unavailable' })
    const before = await signing('acme')
    await expect(service.rotateSecret('acme')).rejects.toMatchObject({ code: 'ledger_unavailable' })
    expect(await signing('acme')).toEqual(before)
  })

  test.each([
    [{ overlapMs: -1 }, ['body', 'overlap']],
    [{ overlapMs: 1.5 }, ['body', 'overlap']],
    [{ overlapMs: Number.NaN }, ['body', 'overlap']],
    [{ overlapMs: 31 * 24 * hourMs }, ['body', 'overlap']],
    [{ overlap: '31d' }, ['body', 'overlap']],
    [{ overlap: 'a day' }, ['body', 'overlap']],
    [{ overlap: '24h', overlapMs: 24 * hourMs }, ['body', 'overlap']],
  ])('is not rotated with %j', async (options, loc) => {
    const { service, signing } = open()
    const refusal = { code: 'input_invalid', errors: [{ loc }] }
    await expect(service.rotateSecret('acme', options)).rejects.toMatchObject(refusal)
    await expect(service.rotateSecret('a\nb')).rejects.toMatchObject({ errors: [{ loc: ['path', 'owner'] }] })
    expect(await signing('acme')).toEqual([])
  })
})

describe('a sealed secret', () => {
  const secret = Buffer.alloc(32, 9)

  test('opens for its owner alone', () => {
    const seal = createWebhookSecretSeal(parsePeppers(testPepper, 'the test'))
    const sealed = seal.seal(secret, 'acme')
    expect(Buffer.from(seal.open(sealed, 'acme'))).toEqual(secret)
    expect(() => seal.open(sealed, 'other')).toThrow()
  })

  test('outlives a change of pepper, as long as the old pepper is there', () => {
    const sealed = createWebhookSecretSeal(parsePeppers(testPepper, 'the test')).seal(secret, 'acme')
    const next = drawPepper(2)
    const both = createWebhookSecretSeal(parsePeppers(`${testPepper},${next}`, 'the test'))
    expect(Buffer.from(both.open(sealed, 'acme'))).toEqual(secret)
    const alone = createWebhookSecretSeal(parsePeppers(next, 'the test'))
    expect(() => alone.open(sealed, 'acme')).toThrow(expect.objectContaining({ code: 'pepper_missing' }))
  })
})

test('a target that can never be reached is refused where it was asked for, saying what is allowed', () => {
  const { service } = open()
  service.checkTarget('https://hooks.example/in')
  expect(() => service.checkTarget('https://me:secret@10.0.0.1/')).toThrow(
    expect.objectContaining({
      code: 'input_invalid',
      errors: [
        {
          loc: ['body', 'webhook'],
          msg: 'expected a URL without user name and password',
          type: 'webhook_url',
        },
      ],
    }),
  )
})

describe('a list of deliveries', () => {
  /** A delivery of each of two owners. */
  async function openWithDeliveries() {
    const opened = open()
    const { outbox, time } = opened
    for (const owner of ['acme', 'other']) {
      const id = `job_${owner.padEnd(22, '0')}`
      const webhook = `https://hooks.example/in?token=${owner}`
      const { status: _, version: _version, ...made } = endedJob({ id, owner, webhook })
      await outbox.submit({ jobs: [{ ...made, inputs: '["a"]' }], bounds: wide })
      await outbox.cancel({ id }, time.now, hourMs)
    }
    return opened.service
  }

  test('holds its owner’s alone, without what a URL may hide; administrators see all', async () => {
    const service = await openWithDeliveries()
    const mine = await service.listDeliveries('acme')
    expect(mine).toMatchObject([{ owner: 'acme', url: 'https://hooks.example/in?…', status: 'waiting' }])
    expect(await service.listDeliveries('acme', { owner: 'other' })).toEqual(mine)
    expect(await service.listDeliveries(anyOwner)).toHaveLength(2)
    expect(await service.listDeliveries(anyOwner, { owner: 'acme' })).toEqual(mine)
  })

  test.each([undefined, null, 7])(
    'of an owner that is %s belongs to no owner, never to all',
    async (owner) => {
      const service = await openWithDeliveries()
      await expect(service.listDeliveries(owner as unknown as string)).rejects.toBeInstanceOf(TypeError)
    },
  )

  test.each([0, -1, 1_001])('of %s at most is a mistake', async (limit) => {
    await expect(open().service.listDeliveries('acme', { limit })).rejects.toBeInstanceOf(TypeError)
  })
})
