import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { sources } from '../architecture/imports.ts'

const page = readFileSync('docs/reference/traces.md', 'utf8')
const code = sources.map((file) => readFileSync(file, 'utf8')).join('\n')

/** The names in the first column of the table under a heading. */
function namesUnder(heading: string): readonly string[] {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  const [table = ''] = section.split('\n## ')
  const cells = [...table.matchAll(/^\| (`[^|]+) \|/gm)].map(([, cell = '']) => cell)
  return cells.flatMap((cell) => [...cell.matchAll(/`([a-z]+\.[a-z_.*]+)`/g)].map(([, name = '']) => name))
}

function found(pattern: RegExp): readonly string[] {
  return [...new Set([...code.matchAll(pattern)].map(([, name = '']) => name))].toSorted()
}

test('docs/reference/traces.md has every span that the sources begin, and no other', () => {
  const begun = found(/'(modelward\.(?:guard|limits|model|upstream|job|webhook|ledger\.\w+))'(?!:)/g)
  expect([...namesUnder('Spans')].toSorted()).toEqual(begun)
  // Nothing begins a span under a name that is not read here.
  expect(found(/\bbegin\(\s*'([^']+)'/g).filter((name) => !begun.includes(name))).toEqual([])
})

test('and every attribute that they set, and no other', () => {
  const set = found(/'((?:modelward|http|url|network|error)\.[a-z_.]+)':/g)
  const measures = found(/`(modelward\.measures\.)\$\{/g).map((name) => `${name}*`)
  const named = new Set(namesUnder('Attributes'))
  expect([...named].toSorted()).toEqual([...set, ...measures].toSorted())
})
