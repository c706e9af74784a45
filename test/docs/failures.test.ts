import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { faults } from '../../src/core/fault.ts'

const page = readFileSync('docs/reference/failures.md', 'utf8')
const [outages = '', starts = ''] = page.split('These keep a server from starting')

describe('docs/reference/failures.md', () => {
  test('names each fault that an outage causes, with its status', () => {
    const named = [...outages.matchAll(/(\d{3}) `([a-z_]+)`/g)].map(([, status, code]) => ({
      code,
      status: Number(status),
    }))
    const known = Object.entries(faults).map(([code, { status }]) => ({ code, status }))
    for (const each of named) expect(known).toContainEqual(each)
    const missing = known.filter(({ code }) => !named.some((each) => each.code === code))
    expect(missing.map(({ code }) => code)).toEqual(['internal'])
  })

  test('names only codes that a start can end with', () => {
    const known = readFileSync('src/core/setup-error.ts', 'utf8')
    const named = [...starts.matchAll(/`([a-z]+_[a-z_]+)`/g)].map(([, code = '']) => code)
    expect(named.length).toBeGreaterThan(3)
    expect(named.filter((code) => !known.includes(`'${code}'`))).toEqual([])
  })
})
