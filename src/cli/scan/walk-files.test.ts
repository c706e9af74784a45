import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../../test/e2e/run-cli.ts'
import { scaled } from '../../../test/support/scaled.ts'
import { walkFiles } from './walk-files.ts'

/** Writes a file for each entry, and a folder for each name that ends with `/`. */
function plant(tree: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    const at = join(tree, path)
    mkdirSync(path.endsWith('/') ? at : dirname(at), { recursive: true })
    if (!path.endsWith('/')) writeFileSync(at, text)
  }
}

function walk(tree: string, from = '.', withIgnored = false): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, string[]> = { file: [], ignored: [], unreadable: [] }
  for (const { path, kind } of walkFiles([join(tree, from)], { withIgnored }))
    found[kind]?.push(relative(tree, path))
  return found
}

describe('of what git ignores', () => {
  test('folders are passed over and named, files are read: keys lie in .env', () => {
    using folder = temporaryFolder()
    plant(folder.path, {
      '.git/info/exclude': 'private/\n',
      '.gitignore': '\uFEFFdist/\r\n.env\n# ******* out *******\nout /  \n',
      '.env': '',
      'dist/a': '',
      'private/a': '',
      'src/dist/a': '',
      'src/a': '',
      'out/a': '',
    })
    expect(walk(folder.path)).toEqual({
      file: ['.env', '.gitignore', 'out/a', 'src/a'],
      ignored: ['dist', 'private', 'src/dist'],
      unreadable: [],
    })
    expect(walk(folder.path, '.', true)).toEqual({
      file: ['.env', '.gitignore', 'dist/a', 'out/a', 'private/a', 'src/a', 'src/dist/a'],
      ignored: [],
      unreadable: [],
    })
  })

  test('what was named is read, with all that is in it, and rules above what was named hold', () => {
    using folder = temporaryFolder()
    plant(folder.path, {
      '.git/': '',
      '.gitignore': '/packages/*/build/\n',
      'packages/.gitignore': '/out\n',
      'packages/out/a': '',
      'packages/a/out/a': '',
      'packages/a/build/deep/build/a': '',
      'packages/a/src/a': '',
    })
    expect(walk(folder.path, 'packages/a')).toMatchObject({
      file: ['packages/a/out/a', 'packages/a/src/a'],
      ignored: ['packages/a/build'],
    })
    for (const named of ['packages/a/build', 'packages/a/build/deep'])
      expect(walk(folder.path, named)).toMatchObject({
        file: ['packages/a/build/deep/build/a'],
        ignored: [],
      })
  })

  test('a .gitignore takes back what one above it says, in its own folder, whatever that is called', () => {
    using folder = temporaryFolder()
    plant(folder.path, {
      '.git/': '',
      '.gitignore': 'lib/\ncache/\n',
      'app/[id]/.gitignore': '!lib/\n',
      'app/[id]/lib/cache/a': '',
      'app/[id]/lib/a': '',
      'app/i/lib/a': '',
    })
    expect(walk(folder.path)).toMatchObject({
      file: ['.gitignore', 'app/[id]/.gitignore', 'app/[id]/lib/a'],
      ignored: ['app/[id]/lib/cache', 'app/i/lib'],
    })
  })

  test('a repository within another has its own rules', () => {
    using folder = temporaryFolder()
    plant(folder.path, {
      '.git/': '',
      '.gitignore': 'dist/\n',
      'sub/.git': 'gitdir: ../.git/modules/sub\n',
      'sub/.gitignore': 'out/\n',
      'sub/dist/a': '',
      'sub/out/a': '',
    })
    expect(walk(folder.path)).toMatchObject({
      file: ['.gitignore', 'sub/.git', 'sub/.gitignore', 'sub/dist/a'],
      ignored: ['sub/out'],
    })
  })
})

test('without a repository a .gitignore says nothing: an unpacked package has its dist', () => {
  using folder = temporaryFolder()
  plant(folder.path, { '.gitignore': 'dist/\n', 'dist/a': '' })
  expect(walk(folder.path)).toMatchObject({ file: ['.gitignore', 'dist/a'], ignored: [] })
})

test('a .gitignore that leads elsewhere, is a pipe, or has more than 1 MiB ignores nothing', () => {
  using folder = temporaryFolder()
  plant(folder.path, {
    '.git/': '',
    rules: 'dist/\n',
    'link/dist/a': '',
    'pipe/dist/a': '',
    'large/dist/a': '',
    'large/.gitignore': `${'#'.repeat(1_048_576)}\ndist/\n`,
  })
  symlinkSync('../rules', join(folder.path, 'link/.gitignore'))
  execFileSync('mkfifo', [join(folder.path, 'pipe/.gitignore')])
  expect(walk(folder.path)['ignored']).toEqual([])
})

test('patterns that would take hours to match ignore nothing, nor do those far above a folder', () => {
  using folder = temporaryFolder()
  const deep = 'a/'.repeat(600)
  plant(folder.path, {
    '.git/': '',
    '.gitignore': `dist/\n${'**/a/'.repeat(12)}b/\n`,
    [`${deep}dist/`]: '',
    'dist/a': '',
    'b/.gitignore': 'out/\n',
    [`b/${'c/'.repeat(31)}out/`]: '',
    [`b/${'c/'.repeat(30)}out/`]: '',
  })
  expect(walk(folder.path)['ignored']).toEqual([`b/${'c/'.repeat(30)}out`])
})

const hasGit = spawnSync('git', ['--version']).status === 0

describe.runIf(hasGit)('git as the judge', () => {
  const odd = ['A', '[a]', 'a*', 'a b', '!a', '#a', 'a\\b', ' ', 'é', 'à', 'ab', '..a', 'a?', '^', '{a,b}']
  const name = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b') }, fc.constantFrom(...odd))
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
  const piece = fc.oneof(
    name,
    fc.constantFrom('*', '**', '?', '/', '//', '\\', '\\ ', '[a-c]', '[!a]', '[', '!', '#', ' ', '\t', '***'),
  )
  const line = fc
    .tuple(fc.constantFrom('', '!', '/', '!/', '\\'), fc.array(piece, { maxLength: 4 }))
    .map(([begin, pieces]) => begin + pieces.join(''))
    .filter((line) => line.split('**').length < 4)
    // Git takes the stars of `/a**` for those of `/a/**`, against what it documents.
    .filter((line) => !/[^/!]\*\*/.test(line))
  const lines = fc.array(
    fc.oneof(
      line,
      path,
      path.map((text) => `!${text}/`),
    ),
    { maxLength: 5 },
  )
  const rules = fc.dictionary(fc.oneof(fc.constant('.'), path), lines, { maxKeys: 4 })

  test('it ignores the same folders, whatever the patterns, in whatever folders', () => {
    using folder = temporaryFolder()
    const tree = join(folder.path, 'tree')
    const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 8 }), rules, lines, (paths, rules, exclude) => {
        rmSync(tree, { recursive: true, force: true })
        execFileSync('git', ['init', '-q', '--template=', tree], { env })
        plant(tree, { '.git/info/exclude': exclude.join('\n') })
        for (const path of paths) plant(tree, { [`${path}/`]: '' })
        for (const [path, text] of Object.entries(rules))
          plant(tree, { [`${path}/.gitignore`]: text.join('\n') })
        const { ignored = [] } = walk(tree)
        const folders = [...new Set([...paths, ...Object.keys(rules)].flatMap(parts))].filter(
          (path) => path !== '.',
        )
        const { stdout } = spawnSync('git', ['check-ignore', '-z', '--stdin'], {
          cwd: tree,
          env,
          input: folders.map((path) => `${path}\0`).join(''),
          encoding: 'utf8',
        })
        const judged = new Set(stdout.split('\0'))
        const isOurs = (path: string) => parts(path).some((each) => ignored.includes(each))
        expect(folders.filter(isOurs)).toEqual(folders.filter((each) => judged.has(each)))
      }),
      { numRuns: scaled(60) },
    )
  }, 120_000)
})

/** `a/b/c` → `a`, `a/b`, `a/b/c`. */
function parts(path: string): readonly string[] {
  const names = path.split('/')
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}
