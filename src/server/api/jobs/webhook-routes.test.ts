import { afterEach, describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../../test/adapters/fake-ledger.ts'
import { wide } from '../../../../test/contract/job-fixtures.ts'
import { endedJob } from '../../../../test/support/ended-job.ts'
import { closeApps, openAskingApp } from '../../../../test/support/open-asking-app.ts'
import { createInProcessJobStore } from '../../../storage/sqlite/jobs/in-process-job-store.ts'
import type { DeliveryView } from '../../../webhooks/view.ts'

afterEach(closeApps)

const never = `msg_${'0'.repeat(22)}`
const own = (id: string): string => `/webhooks/deliveries/${id}/retry`
const any = (id: string): string => `/v1${own(id)}`

/** An app with a key of `acme` that may do all with its webhooks, and deliveries to be put out. */
async function open() {
  const store = createInProcessJobStore()
  const ledger = createFakeLedger()
  const opened = await openAskingApp({ parts: { store }, ward: { ledger } })
  const { ask, createKey, ward } = opened
  const keyOf = (owner: string, ...scopes: readonly string[]) => createKey({ owner, scopes: [...scopes] })
  const acme = await keyOf('acme', 'webhooks')
  let jobs = 0

  /** A delivery that waits, of a job that was cancelled. */
  async function putOut(owner = 'acme'): Promise<string> {
    jobs += 1
    const id = `job_${String(jobs).padStart(22, '0')}`
    const { status: _, version: _version, ...made } = endedJob({ id, owner })
    await store.submit({ jobs: [{ ...made, inputs: '["a"]' }], bounds: wide })
    await store.cancel({ id }, ward.time.now, 3_600_000)
    const [delivery] = await store.listDeliveries({ jobId: id, limit: 1 })
    return delivery?.id ?? ''
  }

  /** One that was given up. */
  async function giveUp(owner = 'acme'): Promise<string> {
    const id = await putOut(owner)
    const { now } = ward.time
    const claimed = await store.claimDeliveries({ max: 9, ownerMax: 9, now, until: now + 60_000 })
    const lease = claimed.find((delivery) => delivery.id === id)?.lease ?? ''
    const result = { at: now, status: 500, reason: null }
    const then = 'failed'
    await store.settleDelivery({ id, lease, result, then })
    return id
  }
  const retriedRecords = () => ledger.entries.filter(({ event }) => event === 'webhook.retried')
  await ask('POST', '/webhooks/secret', { key: acme })
  return { ...opened, store, ledger, acme, keyOf, putOut, giveUp, retriedRecords }
}

describe('a delivery of the key’s owner', () => {
  test('that was given up waits again, and asked for once more stays as it is; one change is recorded', async () => {
    const { ask, acme, giveUp, retriedRecords } = await open()
    const id = await giveUp()
    const first = await ask('POST', own(id), { key: acme })
    const view: DeliveryView = first.json()
    expect([first.statusCode, view]).toMatchObject([
      200,
      { id, owner: 'acme', status: 'waiting', attempts: 0, last_attempt: { status: 500 } },
    ])
    const second = await ask('POST', own(id), { key: acme, body: {} })
    expect([second.statusCode, second.json()]).toEqual([200, view])
    expect((await ask('GET', '/webhooks/deliveries', { key: acme })).json().deliveries).toEqual([view])
    const by = acme.split('_')[2]
    expect(retriedRecords()).toMatchObject([
      { requestId: first.headers['x-request-id'], owner: 'acme', detail: { webhook: id, by } },
    ])
  })

  test('that waits is answered as it stands', async () => {
    const { ask, acme, putOut, retriedRecords } = await open()
    const id = await putOut()
    const { deliveries } = (await ask('GET', '/webhooks/deliveries', { key: acme })).json()
    for (const path of [own(id), any(id)])
      expect((await ask('POST', path, { key: acme })).json()).toEqual(deliveries[0])
    expect(retriedRecords()).toEqual([])
  })

  test('takes no limit of the key: it is operational', async () => {
    const { ask, createKey, giveUp } = await open()
    const id = await giveUp()
    const key = await createKey({ owner: 'acme', scopes: ['webhooks'], limits: ['1/day'] })
    for (const path of [own(id), own(id), any(id)])
      expect((await ask('POST', path, { key })).statusCode).toBe(200)
    expect((await ask('GET', '/v1/keys/self', { key })).json().limits_left).toMatchObject([{ remaining: 1 }])
  })

  test('is 422 without a secret to sign it with, and unchanged', async () => {
    const { ask, keyOf, keys, giveUp, store } = await open()
    const id = await giveUp('globex')
    const before = await store.listDeliveries({ limit: 9 })
    for (const [path, key] of [
      [own(id), await keyOf('globex', 'webhooks')],
      [any(id), keys.admin],
    ] as const) {
      const answer = (await ask('POST', path, { key })).json()
      const errors = [{ loc: ['path', 'id'], type: 'webhook_secret_missing' }]
      expect(answer).toMatchObject({ status: 422, code: 'input_invalid', errors })
      expect(answer.errors[0].msg).toContain('POST /webhooks/secret')
    }
    expect(await store.listDeliveries({ limit: 9 })).toEqual(before)
  })

  test('is not asked for with a body that says more', async () => {
    const { ask, acme, giveUp } = await open()
    const answer = await ask('POST', own(await giveUp()), {
      key: acme,
      body: { url: 'https://example.com/' },
    })
    expect(answer.json()).toMatchObject({ status: 422, code: 'input_invalid' })
  })

  test('is not answered for while that cannot be recorded', async () => {
    const { ask, acme, giveUp, ledger, store } = await open()
    const id = await giveUp()
    ledger.fault = new Error('full')
    for (let tries = 0; tries < 2; tries += 1)
      expect((await ask('POST', own(id), { key: acme })).json().code).toBe('ledger_unavailable')
    ledger.fault = undefined
    expect((await ask('POST', own(id), { key: acme })).json()).toMatchObject({ id, status: 'waiting' })
    expect(await store.listDeliveries({ limit: 9 })).toHaveLength(1)
  })
})

describe('whose a delivery is', () => {
  test('to every other owner it is not there, in the same words as one that never was, and stays as it is', async () => {
    const { ask, keyOf, giveUp, store, acme } = await open()
    const id = await giveUp()
    const before = await store.listDeliveries({ limit: 9 })
    const stranger = await keyOf('globex', 'webhooks')
    await ask('POST', '/webhooks/secret', { key: stranger })
    for (const path of [own, any]) {
      const others = (await ask('POST', path(id), { key: stranger })).json()
      const nobodys = (await ask('POST', path(never), { key: stranger })).json()
      expect(others).toMatchObject({ status: 404, code: 'delivery_not_found' })
      expect({ ...others, request_id: '' }).toEqual({ ...nobodys, request_id: '' })
      expect((await ask('POST', path(never), { key: acme })).json().code).toBe('delivery_not_found')
    }
    expect(await store.listDeliveries({ limit: 9 })).toEqual(before)
  })

  test.each(['nonsense', 'msg_', '%00', "'%20or%201=1", 'msg_'.repeat(1_000)])(
    'the id %s is no delivery',
    async (id) => {
      const { ask, acme, keys } = await open()
      expect((await ask('POST', own(id), { key: acme })).json().code).toBe('delivery_not_found')
      expect((await ask('POST', any(id), { key: keys.admin })).json().code).toBe('delivery_not_found')
    },
  )

  test('administrators have any owner’s sent again, and a key with the scope its own owner’s alone', async () => {
    const { ask, keys, acme, giveUp, retriedRecords } = await open()
    const id = await giveUp()
    expect((await ask('POST', any(id), { key: keys.admin })).json()).toMatchObject({ id, status: 'waiting' })
    const other = await giveUp()
    expect((await ask('POST', any(other), { key: acme })).json()).toMatchObject({ status: 'waiting' })
    const by = [keys.admin, acme].map((key) => key.split('_')[2])
    expect(retriedRecords().map(({ detail }) => detail?.['by'])).toEqual(by)
  })

  test('without the scope it is refused: to keys that predict, and on the owner’s route to administrators', async () => {
    const { ask, keys, keyOf, giveUp, store } = await open()
    const id = await giveUp()
    const before = await store.listDeliveries({ limit: 9 })
    for (const key of [keys.right, await keyOf('acme', 'predict'), await keyOf('acme', 'metrics')])
      for (const path of [own(id), any(id)])
        expect((await ask('POST', path, { key })).json()).toMatchObject({
          status: 403,
          code: 'scope_missing',
        })
    expect((await ask('POST', own(id), { key: keys.admin })).json().code).toBe('scope_missing')
    expect((await ask('POST', any(id), { key: keys.wrong })).json().code).toBe('key_invalid')
    expect(await store.listDeliveries({ limit: 9 })).toEqual(before)
  })

  test('who may have deliveries sent again may list them, of the same owner', async () => {
    const { ask, acme, keyOf, giveUp } = await open()
    const id = await giveUp()
    const list = async (key: string) => (await ask('GET', '/webhooks/deliveries', { key })).json().deliveries
    expect(await list(acme)).toMatchObject([{ id }])
    expect(await list(await keyOf('globex', 'webhooks'))).toEqual([])
  })
})
