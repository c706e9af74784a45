import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseLimit } from './limit.ts'
import { parseLimitSettings } from './limit-setting.ts'

describe('parseLimit', () => {
  test.each([
    ['10/min', { kind: 'window', text: '10/min', measure: 'requests', amount: 10, windowMs: 60_000 }],
    ['20/10s', { kind: 'window', text: '20/10s', measure: 'requests', amount: 20, windowMs: 10_000 }],
    [
      '1000 requests/day',
      { kind: 'window', text: '1000/day', measure: 'requests', amount: 1_000, windowMs: 86_400_000 },
    ],
    ['500 / 5min', { kind: 'window', text: '500/5min', measure: 'requests', amount: 500, windowMs: 300_000 }],
    [
      '200000 characters/hour',
      {
        kind: 'window',
        text: '200000 characters/h',
        measure: 'characters',
        amount: 200_000,
        windowMs: 3_600_000,
      },
    ],
    [
      '50000 TOKENS/Min',
      { kind: 'window', text: '50000 tokens/min', measure: 'tokens', amount: 50_000, windowMs: 60_000 },
    ],
    [
      '7 gpu_seconds/week',
      { kind: 'window', text: '7 gpu_seconds/7d', measure: 'gpu_seconds', amount: 7, windowMs: 604_800_000 },
    ],
    [
      '5000/calendar month',
      { kind: 'calendar', text: '5000/calendar month', measure: 'requests', amount: 5_000, period: 'month' },
    ],
    [
      '9 tokens/calendar day',
      { kind: 'calendar', text: '9 tokens/calendar day', measure: 'tokens', amount: 9, period: 'day' },
    ],
    ['5 concurrent', { kind: 'concurrent', text: '5 concurrent', measure: 'concurrent', amount: 5 }],
  ])('reads %s', (text, limit) => {
    expect(parseLimit(text)).toEqual(limit)
  })

  test.each([
    ['0/min', /amount from 1/],
    ['99999999999/min', /such as/],
    ['2000000001/min', /amount from 1 to 2000000000/],
    ['-1/min', /such as `10\/min`/],
    ['1.5/min', /such as/],
    ['1e3/min', /such as/],
    ['10', /window, such as 10\/min/],
    ['10/', /such as/],
    ['10/fortnight', /window such as/],
    ['10/10ms', /from 1s to 31d/],
    ['10/32d', /from 1s to 31d/],
    ['10/month', /calendar month/],
    ['10/calendar week', /calendar day/],
    ['5 concurrent/min', /without a window/],
    ['ten/min', /such as/],
    ['', /such as/],
    ['10/min/min', /such as/],
  ])('says what is wrong with %j', (text, why) => {
    expect(parseLimit(text)).toEqual(expect.stringMatching(why))
  })

  test('two ways to write one limit give the same text, and the text reads as the same limit', () => {
    const measures = fc.constantFrom('', ' requests', ' characters', ' tokens', ' my_measure')
    const windows = fc.constantFrom(
      '/s',
      '/1s',
      '/min',
      '/60s',
      '/minute',
      '/h',
      '/60min',
      '/day',
      '/24h',
      '/calendar day',
      '/calendar month',
    )
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2_000_000_000 }),
        measures,
        windows,
        (amount, measure, window) => {
          const limit = parseLimit(`${amount}${measure}${window}`)
          expect(typeof limit).toBe('object')
          if (typeof limit === 'object') expect(parseLimit(limit.text)).toEqual(limit)
        },
      ),
    )
    expect(parseLimit('10/60s')).toEqual(parseLimit('10 requests/minute'))
    expect(parseLimit('10/24h')).toEqual(parseLimit('10/day'))
  })

  test('never throws, whatever it is given', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseLimit(text)))
  })
})

describe('parseLimitSettings', () => {
  test('reads several, in shadow or not, in their shortest form', () => {
    const { settings, faults } = parseLimitSettings([
      '10/min',
      'Shadow 5/60s',
      '1000 requests/day',
      '2 concurrent',
    ])
    expect(faults).toEqual([])
    expect(settings.map(({ text }) => text)).toEqual(['10/min', 'shadow 5/min', '1000/day', '2 concurrent'])
    expect(settings.map(({ isShadow }) => isShadow)).toEqual([false, true, false, false])
  })

  test('names each that is wrong, and each that repeats another', () => {
    const { faults } = parseLimitSettings([
      '10/min',
      '0/min',
      '20/60s',
      'shadow',
      '1 concurrent',
      '2 concurrent',
    ])
    expect(faults.map(({ index }) => index)).toEqual([1, 2, 3, 5])
    expect(faults[1]?.message).toContain('beside 10/min')
  })

  test('takes no more than eight', () => {
    const texts = Array.from({ length: 9 }, (_, index) => `1/${index + 1}s`)
    expect(parseLimitSettings(texts).faults).toEqual([{ index: 8, message: 'expected at most 8 limits' }])
  })
})
