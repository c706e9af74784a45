import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { formatSupportPage, readClaims } from '../../scripts/support-page.ts'
import { proves, type SupportName, supported, unsupported } from '../ecosystem/support.ts'

const rows = Object.keys({ ...supported, ...unsupported })
const claims = readClaims()

describe('docs/reference/support.md', () => {
  test('is the table of what is supported; `npm run docs` writes it again', () => {
    expect(readFileSync('docs/reference/support.md', 'utf8')).toBe(formatSupportPage())
  })

  test('has no row that no test proves', () => {
    expect(rows.filter((name) => !claims.has(name))).toEqual([])
  })

  test('has a row for all that a test proves', () => {
    expect([...claims.keys()].filter((name) => !rows.includes(name))).toEqual([])
  })

  test('names nothing both as working and as not', () => {
    expect(Object.keys(supported).filter((name) => Object.hasOwn(unsupported, name))).toEqual([])
  })

  test('is proved by tests that run: none of their files leaves one out', () => {
    const files = [...new Set([...claims.values()].flat())]
    const left = files.filter((file) =>
      /\.(?:skip|todo|only|skipIf|runIf)\b/.test(readFileSync(file, 'utf8')),
    )
    expect(left).toEqual([])
  })
})

test('a test cannot prove a row that is not there', () => {
  expect(() => proves('Fastify 2' as SupportName)).toThrow('got Fastify 2')
})
