import { expect, test } from 'vitest'
import { createOutage } from './outage.ts'

test('an outage is reported once when it begins, with why, and once when it is over', () => {
  const reported: unknown[] = []
  const outage = createOutage(
    (reason) => reported.push(reason),
    () => reported.push('back'),
  )
  outage.succeeded()
  expect(reported).toEqual([])
  const full = new Error('full')
  outage.failed(full)
  outage.failed(new Error('still full'))
  expect(reported).toEqual([full])
  outage.succeeded()
  outage.succeeded()
  expect(reported).toEqual([full, 'back'])
  outage.failed(full)
  expect(reported).toEqual([full, 'back', full])
})
