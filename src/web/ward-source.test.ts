import { expect, test } from 'vitest'
import { createTestWard } from '../ward/test-ward.ts'
import { guard } from './guard.ts'

const asking = (key: string) => new Request('https://models.example/', { headers: { 'x-api-key': key } })
const handler = async () => new Response('in')

test('a ward is opened by the first request, once, and not by importing the route', async () => {
  const ward = await createTestWard({ keys: { alice: {} } })
  let opened = 0
  const GET = guard(
    async () => {
      opened += 1
      return ward
    },
    {},
    handler,
  )
  expect(opened).toBe(0)
  const answers = await Promise.all([GET(asking(ward.testKeys.alice)), GET(asking('wrong'))])
  expect(answers.map(({ status }) => status)).toEqual([200, 403])
  expect(opened).toBe(1)
})

test('a ward that cannot be opened is an outage, whose cause no client sees, and the next request tries again', async () => {
  const ward = await createTestWard({ keys: { alice: {} } })
  const faults: unknown[] = []
  let isBroken = true
  const GET = guard(
    async () => {
      if (isBroken) throw new Error('pepper at /secret/place')
      return ward
    },
    {},
    handler,
    { onFault: (fault) => faults.push(fault.cause) },
  )
  const answer = await GET(asking(ward.testKeys.alice))
  expect(answer.status).toBe(503)
  expect(await answer.text()).not.toContain('secret')
  expect(faults).toMatchObject([{ message: 'pepper at /secret/place' }])
  isBroken = false
  expect((await GET(asking(ward.testKeys.alice))).status).toBe(200)
})

test('a function that opens something else than a ward admits no request', async () => {
  const GET = guard(async () => ({}) as never, {}, handler, { onFault: () => {} })
  expect((await GET(asking('any'))).status).toBe(503)
  expect(() => guard('ward' as never, {}, handler)).toThrow(/expected a ward/)
})
