import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createJobHeap } from './job-heap.ts'

interface Item {
  readonly key: number
}

test('whatever is added and taken out anywhere, the first is what a sorted list has first', () => {
  const steps = fc.array(fc.record({ isAdded: fc.boolean(), number: fc.nat(40) }), {
    maxLength: 200,
    size: 'max',
  })
  fc.assert(
    fc.property(steps, (sequence) => {
      const heap = createJobHeap<Item>((one, other) => one.key < other.key)
      const items: Item[] = []
      for (const { isAdded, number } of sequence) {
        if (isAdded || items.length === 0) {
          const item = { key: number }
          heap.add(item)
          items.push(item)
        } else {
          const [item] = items.splice(number % items.length, 1)
          expect(item !== undefined && heap.remove(item)).toBe(true)
          expect(item !== undefined && heap.remove(item), 'it is out').toBe(false)
        }
        expect(heap.size()).toBe(items.length)
        expect(heap.first()?.key).toBe(items.map(({ key }) => key).sort((one, other) => one - other)[0])
      }
    }),
  )
})
