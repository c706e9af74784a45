import type { ServerResponse } from 'node:http'
import { Webhook } from 'standardwebhooks'
import { afterEach, describe, expect, test } from 'vitest'
import { closeWebhooks, openWebhooks, receiver, statuses } from '../../test/support/open-webhooks.ts'
import { anyOwner } from '../jobs/job-service.ts'
import { createTargetAddresses } from './target-address.ts'

afterEach(closeWebhooks)

type Opened = Awaited<ReturnType<typeof openWebhooks>>

const hourMs = 3_600_000

async function onlyDelivery({ store }: Opened) {
  const [delivery] = await store.listDeliveries({ limit: 1 })
  if (delivery === undefined) throw new Error('nothing was put out')
  return delivery
}

/** A delivery after its first attempt, to a receiver that answers these one after the other. */
async function openEnded(...answers: readonly number[]) {
  const { url, got } = await receiver(statuses(...answers))
  const opened = await openWebhooks()
  const secret = await opened.service.rotateSecret('acme')
  await opened.endJob(1, `${url}?token=abc`)
  await opened.settled(1)
  const retriedRecords = () => opened.ledger.entries.filter(({ event }) => event === 'webhook.retried')
  return { ...opened, got, secret, retriedRecords, delivery: await onlyDelivery(opened) }
}

describe('a delivery that has ended', () => {
  test.each([
    ['given up', 410, 'failed'],
    ['delivered', 200, 'delivered'],
  ])(
    'is sent again where it was %s: at once, the same message, signed anew',
    async (_what, first, status) => {
      const { service, delivery, got, settled, secret, time, ended } = await openEnded(first, 204)
      expect(delivery.status).toBe(status)
      time.now += 60_000
      const view = await service.retryDelivery('acme', delivery.id)
      expect(view).toMatchObject({
        id: delivery.id,
        status: 'waiting',
        attempts: 0,
        next_attempt_at: new Date(time.now).toISOString(),
        last_attempt: { status: first },
      })
      expect(view.url).not.toContain('token=abc')
      await settled(2)
      const [before, again] = got
      expect(again?.body).toBe(before?.body)
      expect(again?.headers['webhook-id']).toBe(delivery.id)
      expect(before?.headers['webhook-id']).toBe(delivery.id)
      expect(again?.headers['webhook-timestamp']).not.toBe(before?.headers['webhook-timestamp'])
      expect(new Webhook(secret).verify(again?.body ?? '', again?.headers ?? {})).toMatchObject({
        type: 'job.succeeded',
      })
      await expect.poll(ended).toHaveLength(2)
      expect(ended()[1]).toMatchObject({
        detail: { outcome: 'delivered', attempts: 1, webhook: delivery.id },
      })
    },
  )

  test('has all its attempts, though those of before were used up: the receiver may fail as often again', async () => {
    const opened = await openEnded(500)
    const { service, got, settled, pass, delivery } = opened
    for (let tries = 2; tries <= 8; tries += 1) {
      pass(10 * hourMs)
      await settled(tries)
    }
    expect(await onlyDelivery(opened)).toMatchObject({ status: 'failed', attempts: 8 })
    await service.retryDelivery('acme', delivery.id)
    for (let tries = 9; tries <= 16; tries += 1) {
      await settled(tries)
      const isLast = tries === 16
      expect(await onlyDelivery(opened)).toMatchObject({
        status: isLast ? 'failed' : 'waiting',
        attempts: tries - 8,
      })
      pass(10 * hourMs)
    }
    expect(got).toHaveLength(16)
  })

  test('is held against the rules again when it is sent: what was allowed may not be any more', async () => {
    const { url, got } = await receiver(statuses(410))
    const rules = { addresses: createTargetAddresses(['127.0.0.1']), allowHttp: true }
    const opened = await openWebhooks({ rules })
    await opened.service.rotateSecret('acme')
    await opened.endJob(1, url)
    await opened.settled(1)
    rules.addresses = createTargetAddresses([])
    await opened.service.retryDelivery('acme', (await onlyDelivery(opened)).id)
    await opened.settled(2)
    expect(await onlyDelivery(opened)).toMatchObject({ lastAttempt: { reason: 'address_denied' } })
    expect(got).toHaveLength(1)
  })

  test('is not sent where its owner has no secret to sign it with, and stays as it is', async () => {
    const { url, got } = await receiver(statuses(200))
    const opened = await openWebhooks()
    await opened.endJob(1, url)
    for (let tries = 1; tries <= 8; tries += 1) {
      await opened.settled(tries)
      opened.pass(10 * hourMs)
    }
    const delivery = await onlyDelivery(opened)
    expect(delivery).toMatchObject({ status: 'failed', lastAttempt: { reason: 'secret_missing' } })
    const refused = {
      code: 'input_invalid',
      errors: [{ loc: ['path', 'id'], type: 'webhook_secret_missing' }],
    }
    await expect(opened.service.retryDelivery('acme', delivery.id)).rejects.toMatchObject(refused)
    expect(await onlyDelivery(opened)).toEqual(delivery)
    await opened.service.rotateSecret('acme')
    await opened.service.retryDelivery('acme', delivery.id)
    await opened.settled(9)
    expect(got).toHaveLength(1)
  })
})

describe('a delivery that waits', () => {
  test('is given as it stands, between two attempts and in one, and that is no change to record', async () => {
    const held = Promise.withResolvers<ServerResponse>()
    let requests = 0
    const { url, got } = await receiver((_request, response) => {
      requests += 1
      if (requests === 1) response.writeHead(500).end()
      else held.resolve(response)
    })
    const opened = await openWebhooks()
    const { service, settled, pass, ledger } = opened
    await service.rotateSecret('acme')
    await opened.endJob(1, url)
    await settled(1)
    const { id, dueAt } = await onlyDelivery(opened)
    expect(await service.retryDelivery('acme', id)).toMatchObject({
      status: 'waiting',
      attempts: 1,
      next_attempt_at: new Date(dueAt ?? 0).toISOString(),
    })
    pass(5_000)
    const response = await held.promise
    expect(await service.retryDelivery('acme', id)).toMatchObject({ status: 'waiting', attempts: 2 })
    response.writeHead(200).end()
    await settled(2)
    expect(await onlyDelivery(opened)).toMatchObject({ status: 'delivered', attempts: 2 })
    expect(got).toHaveLength(2)
    expect(ledger.entries.map(({ event }) => event)).not.toContain('webhook.retried')
  })
})

describe('whose a delivery is', () => {
  test('another owner’s is not there, in the same words as one that never was; administrators reach all', async () => {
    const { service, delivery, store, settled } = await openEnded(410, 200)
    const refusal = async (owner: string, id: string) => {
      const thrown = await service.retryDelivery(owner, id).catch((error: unknown) => error)
      expect(thrown).toMatchObject({ code: 'delivery_not_found', status: 404 })
      return thrown
    }
    const never = await refusal('acme', `msg_${'0'.repeat(22)}`)
    expect(await refusal('other', delivery.id)).toEqual(never)
    expect((await store.listDeliveries({ limit: 1 }))[0]).toEqual(delivery)
    expect(await service.retryDelivery(anyOwner, delivery.id)).toMatchObject({ owner: 'acme' })
    await settled(2)
  })

  test.each([undefined, null, 7])('an owner that is %s is no owner, never all', async (owner) => {
    const { service, delivery } = await openEnded(410)
    const asked = service.retryDelivery(owner as unknown as string, delivery.id)
    await expect(asked).rejects.toBeInstanceOf(TypeError)
  })
})

describe('the record of a delivery that is sent again', () => {
  test('names it, its job, its owner and who asked, and not where it goes', async () => {
    const { service, delivery, retriedRecords, settled, pass } = await openEnded(410)
    await service.retryDelivery('acme', delivery.id, { by: '7Qm2xT0bKc9Z', requestId: 'request-1' })
    await settled(2)
    await service.by('support').retryDelivery(anyOwner, delivery.id)
    await settled(3)
    pass(0)
    const record = { owner: 'acme', keyId: 'k', code: null }
    const detail = { job: delivery.jobId, webhook: delivery.id }
    expect(retriedRecords()).toMatchObject([
      { ...record, requestId: 'request-1', detail: { ...detail, by: '7Qm2xT0bKc9Z' } },
      { ...record, requestId: null, detail: { ...detail, by: 'support' } },
    ])
    expect(JSON.stringify(retriedRecords())).not.toMatch(/127\.0\.0\.1|token/)
  })

  test('is durable before there is an answer', async () => {
    const { service, delivery, ledger, retriedRecords } = await openEnded(410, 200)
    await expect.poll(() => ledger.entries.at(-1)?.event).toBe('webhook.ended')
    ledger.hold()
    let isAnswered = false
    const asked = service.retryDelivery('acme', delivery.id).then(() => {
      isAnswered = true
    })
    await ledger.appended()
    await new Promise((resolve) => setImmediate(resolve))
    expect(isAnswered).toBe(false)
    ledger.release()
    await asked
    expect(retriedRecords()).toHaveLength(1)
  })

  test('that cannot be written is `ledger_unavailable`, and after it nothing is sent again', async () => {
    const opened = await openEnded(410)
    const { service, delivery, ledger, ended, settled, retriedRecords, pass } = opened
    await expect.poll(ended).toHaveLength(1)
    ledger.fault = new Error('full')
    const unavailable = { code: 'ledger_unavailable' }
    await expect(service.retryDelivery('acme', delivery.id)).rejects.toMatchObject(unavailable)
    // It was committed, and no answer said otherwise.
    pass(1_000)
    await settled(2)
    const before = await onlyDelivery(opened)
    expect(before.status).toBe('failed')
    await expect(service.retryDelivery('acme', delivery.id)).rejects.toMatchObject(unavailable)
    expect(await onlyDelivery(opened)).toEqual(before)
    expect(retriedRecords()).toEqual([])
  })
})
