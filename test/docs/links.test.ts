import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readBlocks } from './page-blocks.ts'

const pages = globSync('**/*.md', { exclude: ['**/node_modules/**', 'dist/**', 'modelward-data/**'] })

/** Files of the project that a page links to, or names in backquotes with their folder. */
function filesNamedIn(page: string): readonly string[] {
  const text = readFileSync(page, 'utf8').replace(/^```.*?^```/gms, '')
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, path = '']) =>
    join(dirname(page), path),
  )
  const named = [...text.matchAll(/`((?:src|test|docs|bench|training|scripts|examples)\/[\w./-]*[\w/])`/g)]
  return [...links, ...named.map(([, path = '']) => path)]
}

describe.each(pages)('%s', (page) => {
  test('links only to files that exist', () => {
    expect(filesNamedIn(page).filter((path) => !existsSync(path))).toEqual([])
  })

  test('has no comment among its commands, which the shell of macOS would run', () => {
    const commands = readBlocks(readFileSync(page, 'utf8')).filter(({ language }) => language === 'sh')
    const lines = commands.flatMap((block) => block.lines)
    expect(lines.filter((line) => /(?:^|\s)#/.test(line))).toEqual([])
  })
})

test('the README is short, and starts with the one command that needs nothing installed', () => {
  const readme = readFileSync('README.md', 'utf8')
  expect(/```sh\n(.*?)```/s.exec(readme)?.[1]).toBe('npm start\n')
  expect(readme).toContain('`npm test`')
  expect(readme.split('\n').length).toBeLessThan(150)
})
