import { hash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { openTestWard } from '../../../test/support/open-test-ward.ts'

async function open() {
  const ledger = createFakeLedger()
  const ward = await openTestWard({ ledger, changedBy: 'cli' })
  return { ledger, ward, said: () => ledger.entries.map(({ event, detail }) => [event, detail]) }
}

describe('changes', () => {
  test('each is one record, with who made it, how far changes have come, and names of fields without what they hold', async () => {
    const { ward, said } = await open()
    const { record } = await ward.keys.create({ name: 'a' })
    await ward.keys.by('k').update(record.id, { name: 'b', metadata: { plan: 'pro' } })
    await ward.keys.disable(record.id)
    await ward.keys.disable(record.id)
    await ward.keys.enable(record.id)
    await ward.keys.rotate(record.id, { overlapMs: 1_000 })
    await ward.keys.revoke(record.id, 'leaked')
    await ward.keys.revoke(record.id, 'again')
    await ward.keys.import([{ name: 'c', sha256: hash('sha256', 'c') }])
    await ward.owners.set('acme', ['5/min'])
    await ward.owners.set('acme', ['5/min'])
    expect(said()).toEqual([
      ['key.created', { by: 'cli', change: 1 }],
      ['key.updated', { by: 'k', change: 2, fields: ['name', 'metadata'] }],
      ['key.disabled', { by: 'cli', change: 3 }],
      ['key.enabled', { by: 'cli', change: 4 }],
      ['key.rotated', { by: 'cli', change: 5, overlap_ms: 1_000 }],
      ['key.revoked', { by: 'cli', change: 6, reason: 'leaked' }],
      ['key.imported', { by: 'cli', change: 7 }],
      ['owner.limits_set', { by: 'cli', change: 7, limits: ['5/min'] }],
    ])
  })

  test('no secret and no digest, not even one pasted into a reason', async () => {
    const { ward, ledger } = await open()
    const { text, record } = await ward.keys.create({ name: 'a' })
    await ward.keys.revoke(record.id, `found ${text} in a log`)
    const recorded = JSON.stringify(ledger.entries)
    expect(recorded).not.toContain(text.slice(-49))
    expect(recorded).toContain('found [key] in a log')
  })

  test('a change that could not be recorded says that it was made; the next waits, and is not made', async () => {
    const { ward, ledger } = await open()
    ledger.fault = new Error('full')
    await expect(ward.owners.set('acme', ['5/min'])).rejects.toMatchObject({
      code: 'ledger_unavailable',
      message: 'the change was made, and could not be recorded',
    })
    expect((await ward.owners.get('acme')).limits).toEqual(['5/min'])
    await expect(ward.owners.set('acme', ['6/min'])).rejects.toMatchObject({ code: 'ledger_unavailable' })
    expect((await ward.owners.get('acme')).limits).toEqual(['5/min'])
    ledger.fault = undefined
    await ward.owners.set('acme', ['6/min'])
    expect(ledger.entries).toMatchObject([{ event: 'owner.limits_set', detail: { limits: ['6/min'] } }])
  })

  test('a retry that gets the same key again is recorded as one, so that no text leaves without a record', async () => {
    const { ward, ledger, said } = await open()
    const idempotency = { owner: 'ops', key: 'once', request: 'r' }
    ledger.fault = new Error('full')
    await expect(ward.keys.create({ name: 'a' }, { idempotency })).rejects.toMatchObject({
      code: 'ledger_unavailable',
    })
    ledger.fault = undefined
    await ward.keys.create({ name: 'a' }, { idempotency })
    expect(said()).toEqual([['key.created', { by: 'cli', change: 1, repeated: true }]])
  })
})
