import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { faults } from '../../src/core/fault.ts'
import { refusals } from '../../src/core/refusal.ts'

const page = new URL('../../docs/reference/errors.md', import.meta.url)

interface DocumentedCode {
  readonly code: string
  readonly status: number
}

/** The rows of the table under a heading that starts with this word. */
function documentedUnder(heading: string): readonly DocumentedCode[] {
  const section = readFileSync(page, 'utf8')
    .split(/^## /m)
    .find((text) => text.startsWith(heading))
  return [...(section ?? '').matchAll(/^\| `([a-z_]+)` \| (\d{3}) \| \S.* \| \S.* \|$/gm)].map(
    ([, code = '', status]) => ({ code, status: Number(status) }),
  )
}

function inCode(table: Readonly<Record<string, { readonly status: number }>>): readonly DocumentedCode[] {
  return Object.entries(table).map(([code, { status }]) => ({ code, status }))
}

describe.each([
  { heading: 'Refusals', table: refusals },
  { heading: 'Faults', table: faults },
])('docs/reference/errors.md, $heading', ({ heading, table }) => {
  test('has every code once, with its status, when and what to do, in the order of the code', () => {
    expect(inCode(table).length).toBeGreaterThan(0)
    expect(documentedUnder(heading)).toEqual(inCode(table))
  })
})

test('docs/reference/errors.md names no code that does not exist', () => {
  const known = new Set([...Object.keys(refusals), ...Object.keys(faults)])
  const rows = readFileSync(page, 'utf8').matchAll(/^\| `([^`]*)`/gm)
  expect([...rows].map(([, code = '']) => code).filter((code) => !known.has(code))).toEqual([])
})
