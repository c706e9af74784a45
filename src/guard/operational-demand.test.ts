import { expect, test } from 'vitest'
import { createTestWard } from '../ward/test-ward.ts'
import { checkDemand } from './check-demand.ts'
import type { Demand } from './demand.ts'

const operational: Demand = { billable: false }
const limits = { limitDefault: ['1/min'], limitOperational: '2/min' } as const

async function openExchange(key: { readonly scopes?: readonly string[] } = {}) {
  const ward = await createTestWard({ ...limits, keys: { alice: key } })
  const head = {
    address: '203.0.113.7',
    headerValues: (name: string) => (name === 'x-api-key' ? [ward.testKeys.alice] : []),
    queryValues: () => [],
  }
  const open = () => ward.guard.open({}, head as never, 'GET')
  return { ward, open }
}

test('the last guard of a request decides whether a customer is charged for it', async () => {
  const { ward, open } = await openExchange()
  for (const demands of [
    [{}, operational],
    [operational, {}],
  ]) {
    const exchange = open()
    for (const demand of demands)
      expect(await ward.guard.admit(exchange, demand)).toMatchObject({ admitted: true })
    await exchange.answer({ status: 200, route: null, requestId: undefined })
  }
  expect(
    ward
      .records()
      .slice(-2)
      .map(({ measures }) => measures),
  ).toEqual([{}, { requests: 1 }])
  // Each took its own limit once, and left the other one as it was.
  expect(await ward.guard.admit(open(), operational)).toMatchObject({ admitted: true })
  expect(await ward.guard.admit(open(), operational)).toMatchObject({ admitted: false })
  expect(await ward.guard.admit(open(), {})).toMatchObject({ admitted: false })
})

test('a demand that is not billable and has limits or costs, which would never be taken, is a fault', () => {
  const limited: Demand = { limits: ['5/h'] }
  for (const wrong of [
    { ...operational, ...limited },
    { ...operational, cost: { tokens: 5 } },
    { ...operational, needs: [limited] },
    { needs: [operational] },
    { billable: 'no' },
  ])
    expect(() => checkDemand('guard', wrong)).toThrow(TypeError)
  expect(() => checkDemand('guard', { ...operational, needs: [{ scope: 'predict' }] })).not.toThrow()
})

test('a key that may verify asks for a verdict with each request of its clients, past the operational limit', async () => {
  const { ward, open } = await openExchange({ scopes: ['keys:verify'] })
  const verify: Demand = { ...operational, anyScope: ['admin', 'keys:verify'] }
  for (let asked = 0; asked < 5; asked += 1)
    expect(await ward.guard.admit(open(), verify)).toMatchObject({ admitted: true })
  const other: Demand = { ...operational, scope: 'keys:verify' }
  const verdicts = []
  for (let asked = 0; asked < 3; asked += 1) verdicts.push((await ward.guard.admit(open(), other)).admitted)
  expect(verdicts).toEqual([true, true, false])
})
