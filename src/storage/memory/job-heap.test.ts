import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createJobHeap } from './job-heap.ts'

interface Item {
  readonly key: number
}

test('whatever is added and taken out anywhere, the first is always what a sorted list has first', () => {
  const keys = fc.array(fc.nat(1_000), { maxLength: 60, size: 'max' })
  fc.assert(
    fc.property(keys, fc.array(fc.nat(1_000), { maxLength: 40, size: 'max' }), (added, taken) => {
      const heap = createJobHeap<Item>((one, other) => one.key < other.key)
      const items = added.map((key) => ({ key }))
      const check = (): void => {
        expect(heap.size()).toBe(items.length)
        expect(heap.first()?.key).toBe(items.map(({ key }) => key).sort((one, other) => one - other)[0])
      }
      for (const item of items) heap.add(item)
      check()
      for (const place of taken) {
        const [item] = items.splice(place % (items.length || 1), 1)
        if (item === undefined) break
        expect(heap.remove(item)).toBe(true)
        expect(heap.remove(item), 'it is out').toBe(false)
        check()
      }
      for (let first = heap.first(); first !== undefined; first = heap.first()) {
        heap.remove(first)
        items.splice(items.indexOf(first), 1)
        check()
      }
    }),
  )
})
