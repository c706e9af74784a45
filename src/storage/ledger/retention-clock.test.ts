import { expect, test } from 'vitest'
import { createRetentionClock, doubtedMs } from './retention-clock.ts'

const hour = 3_600_000

function openClock() {
  const time = { wall: 1e12, monotonic: 500 }
  const jumps: number[] = []
  const read = createRetentionClock({
    now: () => time.wall,
    monotonic: () => time.monotonic,
    onJump: (distance) => jumps.push(distance),
  })
  return {
    read,
    jumps,
    pass(ms: number): void {
      time.wall += ms
      time.monotonic += ms
    },
    jump(ms: number): void {
      time.wall += ms
    },
  }
}

test('a clock that goes as time does is followed, small corrections and long pauses included', () => {
  const { read, jumps, pass, jump } = openClock()
  pass(1_000)
  expect(read()).toBe(1e12 + 1_000)
  jump(30_000)
  expect(read()).toBe(1e12 + 31_000)
  jump(-30_000)
  expect(read()).toBe(1e12 + 1_000)
  pass(100 * hour)
  expect(read()).toBe(1e12 + 1_000 + 100 * hour)
  expect(jumps).toEqual([])
})

test('a jump ahead is reported once and not followed until it has lasted a day', () => {
  const { read, jumps, pass, jump } = openClock()
  jump(1_000 * hour)
  expect(read()).toBe(1e12)
  pass(doubtedMs - 1)
  expect(read()).toBe(1e12 + doubtedMs - 1)
  pass(1)
  expect(read()).toBe(1e12 + 1_000 * hour + doubtedMs)
  pass(hour)
  expect(read()).toBe(1e12 + 1_001 * hour + doubtedMs)
  expect(jumps).toEqual([1_000 * hour])
})

test('a jump ahead that is taken back leaves nothing behind, and the next one is reported again', () => {
  const { read, jumps, pass, jump } = openClock()
  for (let round = 1; round <= 2; round += 1) {
    jump(50 * hour)
    read()
    pass(hour)
    jump(-50 * hour)
    expect(read()).toBe(1e12 + round * hour)
  }
  expect(jumps).toEqual([50 * hour, 50 * hour])
})

test('a leap back is followed at once, and coming back from it is no leap', () => {
  const { read, jumps, pass, jump } = openClock()
  jump(-50 * hour)
  expect(read()).toBe(1e12 - 50 * hour)
  pass(hour)
  expect(read()).toBe(1e12 - 49 * hour)
  jump(50 * hour)
  expect(read()).toBe(1e12 + hour)
  expect(jumps).toEqual([])
})
