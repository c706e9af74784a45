import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const columnsMax = 100
const code = globSync('{src,test,bench,training,scripts,examples}/**/*.ts', {
  exclude: ['**/node_modules/**'],
})
const pages = globSync('{docs/**,src/**,*}/*.md', { exclude: ['**/node_modules/**'] }).concat(
  globSync('*.md'),
)

/** Words that make an engineer read a sentence twice; house style says who does what instead. */
const refused = /\b(?:whoever|nobody|somebody|is told of|is none|are none)\b/i

function linesOf(file: string): readonly { readonly at: string; readonly line: string }[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .map((line, index) => ({ at: `${file}:${index + 1}`, line }))
}

function isComment(line: string): boolean {
  return /^\s*(?:\/\/|\/\*|\*(?=[ /]|$))/.test(line)
}

describe('the prose of the project', () => {
  test(`has no comment line over ${columnsMax} columns`, () => {
    const long = code
      .flatMap(linesOf)
      .filter(({ line }) => isComment(line) && line.length > columnsMax && !line.includes('https://'))
    expect(long.map(({ at }) => at)).toEqual([])
  })

  test('says in active words who does what', () => {
    const comments = code.filter((file) => file.startsWith('src/')).flatMap(linesOf)
    const unclear = [...comments.filter(({ line }) => isComment(line)), ...pages.flatMap(linesOf)].filter(
      ({ line }) => refused.test(line),
    )
    expect(unclear.map(({ at }) => at)).toEqual([])
  })
})
