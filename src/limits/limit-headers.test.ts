import { expect, test } from 'vitest'
import { useOf } from '../../test/contract/limiter.contract.ts'
import { limitHeaders } from './limit-headers.ts'

const at = Date.UTC(2026, 1, 10)
const stateOf = (subject: string, text: string, remaining: number, freesInMs: number) => ({
  use: useOf(subject, text),
  remaining,
  freesInMs,
})

test('a minute of a key, as the draft and as OpenAI’s clients read it', () => {
  expect(limitHeaders([stateOf('key:a', '10/min', 7, 11_001)], at)).toEqual({
    'ratelimit-policy': '"minute";q=10;w=60',
    ratelimit: '"minute";r=7;t=12',
    'x-ratelimit-limit-requests': '10',
    'x-ratelimit-remaining-requests': '7',
    'x-ratelimit-reset-requests': '12s',
  })
})

test('several limits have a name each, and the nearest to its end is the one for OpenAI’s clients', () => {
  const { ratelimit, ...headers } = limitHeaders(
    [
      stateOf('key:a', '10/min', 7, 1_000),
      stateOf('key:a', '200000 characters/h', 5, 1_000),
      stateOf('owner:o', '1000/day', 2, 3_000),
      stateOf('route:r:key:a', '20/10s', 9, 0),
      stateOf('everyone', '5 concurrent', 4, 0),
      stateOf('key:a', '100/calendar month', 50, 86_400_000),
      stateOf('key:a', 'shadow 1/min', 0, 60_000),
    ],
    at,
  )
  expect(headers['ratelimit-policy']?.split(', ')).toEqual([
    '"minute";q=10;w=60',
    '"hour-characters";q=200000;w=3600',
    '"owner-day";q=1000;w=86400',
    '"route-10s";q=20;w=10',
    '"everyone-concurrent";q=5',
    '"calendar-month";q=100;w=2419200',
  ])
  expect(ratelimit?.split(', ')[4]).toBe('"everyone-concurrent";r=4')
  expect(headers['x-ratelimit-limit-requests']).toBe('1000')
  const names = headers['ratelimit-policy']?.match(/"[^"]+"/g) ?? []
  expect(new Set(names).size).toBe(names.length)
})

test('of limits on tokens too the nearest to its end is the one for OpenAI’s clients', () => {
  const headers = limitHeaders(
    [
      stateOf('key:a', '9000 tokens/min', 800, 2_001),
      stateOf('owner:o', '50000 tokens/day', 700, 60_000),
      stateOf('key:a', '500 prompt_tokens/min', 1, 1_000),
      stateOf('key:a', 'shadow 5 tokens/min', 0, 1_000),
    ],
    at,
  )
  expect(Object.entries(headers).filter(([name]) => name.startsWith('x-'))).toEqual([
    ['x-ratelimit-limit-tokens', '50000'],
    ['x-ratelimit-remaining-tokens', '700'],
    ['x-ratelimit-reset-tokens', '60s'],
  ])
})

test('nothing is told where nothing limits, or all of it is in shadow', () => {
  expect(limitHeaders([], at)).toEqual({})
  expect(limitHeaders([stateOf('key:a', 'shadow 1/min', 0, 0)], at)).toEqual({})
})
