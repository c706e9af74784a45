import { globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const sources = globSync('src/**/*.ts', { exclude: ['**/*.test.ts'] })

test('no source file is longer than 300 lines, and half of them are under 100', () => {
  const lengths = sources.map((file) => ({ file, lines: readFileSync(file, 'utf8').split('\n').length }))
  expect(lengths.filter(({ lines }) => lines > 300)).toEqual([])
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b)
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(100)
})

test('node:sqlite is imported by one file', () => {
  const importing = sources.filter((file) => readFileSync(file, 'utf8').includes('node:sqlite'))
  expect(importing).toEqual(['src/storage/sqlite/driver.ts'])
})
