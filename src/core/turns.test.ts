import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

interface Waiting {
  readonly owner: string
  readonly number: number
}

type Act = { readonly act: 'add'; readonly owner: string } | { readonly act: 'take' | 'leave' }

const owner = fc.constantFrom('a', 'b', 'c')
const acts = fc.array(
  fc.oneof(
    fc.record({ act: fc.constant('add' as const), owner }),
    fc.record({ act: fc.constantFrom('take' as const, 'leave' as const) }),
  ),
  { maxLength: 60 },
)

/** What was taken before each that was, since it came: how many of each owner. */
function play(script: readonly Act[]) {
  const turns = new Turns<Waiting>()
  const waiting = new Map<Waiting, { readonly ahead: number; readonly taken: string[] }>()
  const ended: { readonly item: Waiting; readonly ahead: number; readonly taken: readonly string[] }[] = []
  let number = 0
  const take = (): void => {
    const item = turns.first
    expect(turns.isEmpty).toBe(item === undefined)
    if (item === undefined) return
    expect([...turns][0]).toBe(item)
    expect(turns.take(item)).toBe(true)
    const entry = waiting.get(item)
    waiting.delete(item)
    if (entry !== undefined) ended.push({ item, ...entry })
    for (const { taken } of waiting.values()) taken.push(item.owner)
  }
  for (const each of script) {
    if (each.act === 'take') take()
    else if (each.act === 'add') {
      number += 1
      const item = { owner: each.owner, number }
      const ahead = [...waiting.keys()].filter((other) => other.owner === item.owner).length
      turns.add(item)
      waiting.set(item, { ahead, taken: [] })
    } else {
      const last = [...waiting.keys()].at(-1)
      if (last === undefined) continue
      expect(turns.delete(last)).toBe(true)
      waiting.delete(last)
    }
    expect(new Set(turns)).toEqual(new Set(waiting.keys()))
  }
  while (waiting.size > 0) take()
  expect([...turns]).toEqual([])
  return ended
}

test('who has n of its own before it waits for no more than n and one turns of any other owner', () => {
  fc.assert(
    fc.property(acts, (script) => {
      const ended = play(script)
      for (const { item, ahead, taken } of ended)
        for (const other of ['a', 'b', 'c'])
          expect(taken.filter((each) => each === other).length).toBeLessThanOrEqual(
            other === item.owner ? ahead : ahead + 1,
          )
      for (const each of ['a', 'b', 'c']) {
        const numbers = ended.filter(({ item }) => item.owner === each).map(({ item }) => item.number)
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
      }
    }),
    { numRuns: 60 },
  )
})

test('the order of several is that of one after the other', () => {
  const turns = new Turns<Waiting>()
  for (const [at, each] of ['a', 'a', 'a', 'b', 'c', 'b'].entries()) turns.add({ owner: each, number: at })
  const order = [...turns].map(({ number }) => number)
  expect(order).toEqual([0, 3, 4, 1, 5, 2])
  const one = Array.from({ length: 6 }, () => {
    const item = turns.first
    if (item !== undefined) turns.take(item)
    return item?.number
  })
  expect(one).toEqual(order)
})
