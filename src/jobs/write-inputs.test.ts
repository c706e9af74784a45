import { expect, test } from 'vitest'
import { writeInputs } from './write-inputs.ts'

function createTurns() {
  let turns = 0
  return {
    scheduler: {
      async yieldTurn() {
        turns += 1
      },
    },
    turns: () => turns,
  }
}

test.each([
  [[]],
  [['a']],
  [['a', 'b"\\\n']],
  [[{ a: [1, null] }, undefined, 'é', 7]],
  [Array.from({ length: 500 }, (_, index) => `${index}`.repeat(400))],
])('inputs are written as the JSON of their list', async (inputs) => {
  const { scheduler } = createTurns()
  expect(await writeInputs(inputs, scheduler)).toBe(JSON.stringify(inputs))
})

test('a few inputs are written at once, and of megabytes 128 KiB in a turn of the event loop', async () => {
  const few = createTurns()
  await writeInputs(['a', 'b'], few.scheduler)
  expect(few.turns()).toBe(0)
  const many = createTurns()
  const inputs = Array.from({ length: 800 }, () => 'x'.repeat(10_000))
  await writeInputs(inputs, many.scheduler)
  expect(many.turns()).toBeGreaterThan(8_000_000 / 131_072 - 8)
})
