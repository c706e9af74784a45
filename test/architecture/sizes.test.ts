import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { sources } from './imports.ts'

test('no source file is longer than 350 lines, and half of them are under 100', () => {
  const lengths = sources.map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length }))
  expect(lengths.filter(({ lines }) => lines > 350)).toEqual([])
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b)
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(100)
})
