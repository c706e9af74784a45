import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLossyOutput } from './lossy-output.ts'

/** A pipe of so many bytes that is read when the test says so, and a clock that moves on demand. */
function openPipe(room: number) {
  const timers: (() => void)[] = []
  let free = room
  let written = ''
  const output = createLossyOutput({
    writeSome(bytes) {
      if (free === 0) throw Object.assign(new Error('try again'), { code: 'EAGAIN' })
      const some = bytes.subarray(0, free)
      free -= some.length
      written += Buffer.from(some).toString('latin1')
      return some.length
    },
    tellLost: (lines) => `lost ${lines}\n`,
    scheduler: {
      after(_ms, run) {
        timers.push(run)
        return () => {}
      },
      yieldTurn: async () => {},
    },
  })
  return {
    output,
    timers,
    read() {
      free = room
    },
    passSecond: () => timers.splice(0).forEach((run) => void run()),
    written: () => written,
  }
}

describe('lines for a slow reader', () => {
  test('are written whole, in order, or lost and counted: of none is more or less told', () => {
    const step = fc.oneof(
      fc.record({ line: fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 }) }),
      fc.constant('read' as const),
      fc.constant('second' as const),
    )
    fc.assert(
      fc.property(fc.integer({ min: 8, max: 40 }), fc.array(step, { maxLength: 60 }), (room, steps) => {
        const pipe = openPipe(room)
        let lines = 0
        for (const one of steps) {
          if (one === 'read') pipe.read()
          else if (one === 'second') pipe.passSecond()
          else {
            lines += 1
            pipe.output.write(`${lines} ${one.line}\n`)
          }
          expect(pipe.timers.length).toBeLessThanOrEqual(1)
        }
        // Read for long enough, it tells everything.
        for (let again = 0; again < 4; again += 1) {
          pipe.read()
          pipe.passSecond()
        }
        const seen = pipe.written().split('\n')
        expect(seen.pop()).toBe('')
        const numbers = seen.filter((line) => /^\d/.test(line)).map((line) => Number.parseInt(line, 10))
        const lost = seen.filter((line) => line.startsWith('lost')).map((line) => Number(line.slice(5)))
        expect(seen.every((line) => /^(\d+ [ab]*|lost \d+)$/.test(line))).toBe(true)
        expect(numbers).toEqual(numbers.toSorted((one, other) => one - other))
        expect(numbers.length + lost.reduce((sum, count) => sum + count, 0)).toBe(lines)
      }),
    )
  })

  test('are told as lost once a second, not once a line', () => {
    const pipe = openPipe(10)
    for (let line = 0; line < 100; line += 1) pipe.output.write('0123456789')
    expect(pipe.timers).toHaveLength(1)
    pipe.read()
    pipe.passSecond()
    expect(pipe.written()).toBe('0123456789lost 99\n')
  })
})
