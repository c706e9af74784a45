import { expect, test } from 'vitest'
import { ledgerEventOf, ledgerEvents } from './event.ts'

/** Events that versions to come will write, with the numbers that are kept for them. */
const planned = {
  'key.deleted': 17,
  'owner.plan_set': 21,
  'plan.set': 22,
  'plan.deleted': 23,
  'credits.added': 24,
  'credits.refilled': 25,
  'session.started': 60,
  'session.ended': 61,
} as const

test('a number is one event’s for ever, and no other has one that is kept for an event to come', () => {
  const all = Object.entries({ ...ledgerEvents, ...planned })
  const numbers = all.map(([, number]) => number)
  expect(numbers).toEqual([...new Set(numbers)])
  for (const [name, number] of Object.entries(planned))
    expect([undefined, name]).toContain(ledgerEventOf(number))
})
