import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { createFakeLedger } from '../../test/adapters/fake-ledger.ts'
import { collectEvents } from '../../test/support/collect-events.ts'
import { openTestWard } from '../../test/support/open-test-ward.ts'
import { createTestWard } from '../ward/test-ward.ts'
import { NodeHead } from './node/node-head.ts'

// All of a request that a head reads.
const headOf = (key: string, ip: string) =>
  new NodeHead({ rawHeaders: ['X-API-Key', key], headers: {} } as unknown as IncomingMessage, { ip })

test('150 wrong keys from one address write 5 records, whatever its port, and the limit bites', async () => {
  const ledger = createFakeLedger()
  const ward = await createTestWard({ ledger, keys: {}, limitBadKeys: '10/min' })
  ledger.entries.length = 0
  const codes: (string | undefined)[] = []
  for (let port = 1; port <= 150; port += 1) {
    const exchange = ward.guard.open({}, headOf('wrong', `203.0.113.7:${port}`), 'GET')
    const verdict = await ward.guard.admit(exchange)
    codes.push(verdict.admitted ? undefined : verdict.refusal.code)
    await exchange.answer({ status: 403, route: null, requestId: undefined })
  }
  expect(codes.filter((code) => code === 'key_invalid')).toHaveLength(10)
  expect(ledger.entries.map(({ address }) => address)).toEqual(Array(5).fill('203.0.113.7'))
  await ward.close()
})

test.each(['203.0.113.7:51234', '[2001:db8::1]:443', '::ffff:203.0.113.7'])(
  'a key for these addresses may be used from %s',
  async (ip) => {
    const ward = await createTestWard({ keys: { one: { addresses: ['203.0.113.7', '2001:db8::/32'] } } })
    const verdict = await ward.guard.admit(ward.guard.open({}, headOf(ward.testKeys.one, ip), 'GET'))
    expect(verdict.admitted).toBe(true)
  },
)

test('what is no address is said once, of the first such request', async () => {
  const { telemetry, events: told } = collectEvents()
  const ward = await openTestWard({ telemetry })
  for (const ip of ['unix', 'client', '_hidden'])
    ward.guard.open({}, headOf('wrong', ip), 'GET', `request of ${ip}`)
  expect(told).toMatchObject([{ name: 'guard.address_unknown', requestId: 'request of unix' }])
  expect(told).toHaveLength(1)
})
