import { expect, test } from 'vitest'
import { createOutage } from './outage.ts'

test('an outage is told once when it begins, with why, and once when it is over, and every call ends as it would', async () => {
  const told: unknown[] = []
  const outage = createOutage(
    (reason) => told.push(reason),
    () => told.push('back'),
  )
  let fault: Error | undefined
  const call = outage.watch(async (number: number) => {
    if (fault !== undefined) throw fault
    return number
  })
  expect(await call(1)).toBe(1)
  expect(told).toEqual([])
  fault = new Error('full')
  for (let calls = 0; calls < 3; calls += 1) await expect(call(2)).rejects.toBe(fault)
  expect(told).toEqual([fault])
  const { message } = fault
  fault = undefined
  expect([await call(3), await call(4)]).toEqual([3, 4])
  expect(told).toMatchObject([{ message }, 'back'])
})
