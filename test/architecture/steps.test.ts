import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const page = readFileSync('ARCHITECTURE.md', 'utf8')
const section = page.split(/^## /m).find((text) => text.startsWith('The way of a request')) ?? ''
const steps = [...section.matchAll(/^\| `(\w+)` \| `(src\/[\w/.-]+)` \|/gm)].map(
  ([, name = '', file = '']) => ({
    name,
    file,
  }),
)

describe('the way of a request in ARCHITECTURE.md', () => {
  test('has its steps', () => {
    expect(steps.length).toBeGreaterThan(5)
  })

  test.each(steps)('$name is defined in $file', ({ name, file }) => {
    const definition = new RegExp(
      `(?:function\\*?|class|const|interface) ${name}\\b|^ +(?:async )?${name}\\(|readonly ${name}:`,
      'm',
    )
    expect(readFileSync(file, 'utf8')).toMatch(definition)
  })

  test('every table of the page is read by a test', () => {
    const tables = page
      .split('\n')
      .filter((line, at, lines) => line.startsWith('|---') && lines[at - 1]?.startsWith('|'))
    expect(tables).toHaveLength(2)
  })
})
