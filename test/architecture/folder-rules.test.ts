import { execFileSync } from 'node:child_process'
import { copyFileSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Folder, folderOf, folders, mayImport } from './folders.ts'
import { findCircles, imports } from './imports.ts'

describe('the table of folders', () => {
  test('has a row for each folder of the sources, and for nothing else', () => {
    const found = [...globSync('src/*/'), 'src/index.ts'].map((path) => path.replace('src/', ''))
    expect(folders.map(({ name }) => name).filter((name) => !name.includes('/'))).toEqual(
      expect.arrayContaining(found),
    )
    for (const { name } of folders) expect(globSync(`src/${name}`), name).toHaveLength(1)
  })

  test('runs from the lowest folder to the highest', () => {
    const names = folders.map(({ name }) => name)
    for (const [row, { name, folders: ours }] of folders.entries()) {
      expect(
        ours.filter((each) => names.indexOf(each) >= row || !names.includes(each)),
        name,
      ).toEqual([])
    }
  })
})

describe('the imports of the sources, types included', () => {
  test('follow the table', () => {
    const strays = imports.filter(({ from, to }) => {
      const folder = folderOf(from)
      return folder === undefined || !mayImport(folder, to)
    })
    expect(strays.filter(({ to }) => to !== 'node:sqlite')).toEqual([])
  })

  test('run in no circle', () => {
    expect(findCircles(imports)).toEqual([])
  })

  test('a circle would be found', () => {
    const edges = [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'b'],
      ['c', 'd'],
    ].map(([from = '', to = '']) => ({ from, to }))
    expect(findCircles(edges).map((circle) => circle.toSorted())).toEqual([['b', 'c']])
  })

  test('name node:sqlite in one file', () => {
    const importing = imports.filter(({ to }) => to === 'node:sqlite').map(({ from }) => from)
    expect([...new Set(importing)]).toEqual(['src/storage/sqlite/driver.ts'])
  })
})

/**
 * What is planted in each folder: an import of every other folder, of built-ins and of packages.
 */
const outsiders = [
  'zod',
  'fastify',
  '@fastify/cors',
  'hono/types',
  'express',
  'pino',
  'pg',
  '@redis/client',
  'node:fs',
  'node:sqlite',
]

/**
 * A tree of its own under the project's rules, so that no build or test beside this one meets a
 * planted file.
 */
const tree = mkdtempSync(join(tmpdir(), 'modelward-rules-'))
afterAll(() => rmSync(tree, { recursive: true }))

interface Planted {
  readonly folder: Folder
  readonly file: string
  readonly imported: string
  readonly specifier: string
}

function plantIn(folder: Folder): readonly Planted[] {
  const file = folder.name === 'index.ts' ? 'src/planted.ts' : `src/${folder.name}/planted.ts`
  const ours = folders
    .filter(({ name }) => name !== folder.name && name !== 'index.ts')
    .map(({ name }) => ({
      imported: `src/${name}/planted.ts`,
      specifier: relative(dirname(file), `src/${name}/planted.ts`).replace(/^(?!\.)/, './'),
    }))
  const others = outsiders.map((specifier) => ({ imported: specifier, specifier }))
  return [...ours, ...others].map((each) => ({ folder, file, ...each }))
}

/** The planted imports that Biome refuses, by file and line. */
function lintAll(planted: readonly Planted[]): ReadonlySet<string> {
  copyFileSync('biome.json', join(tree, 'biome.json'))
  for (const [file, rows] of Map.groupBy(planted, (each) => each.file)) {
    mkdirSync(join(tree, dirname(file)), { recursive: true })
    writeFileSync(join(tree, file), rows.map(({ specifier }) => `import '${specifier}'\n`).join(''))
  }
  const flags = ['--vcs-enabled=false', '--only=style/noRestrictedImports', '--max-diagnostics=none']
  try {
    execFileSync('biome', ['lint', ...flags, '--colors=off', 'src'], { cwd: tree, stdio: 'pipe' })
    return new Set()
  } catch (error) {
    const report = String((error as { readonly stderr?: Buffer }).stderr)
    return new Set(
      [...report.matchAll(/^(src\/\S+:\d+):\d+ lint\/style\/noRestrictedImports/gm)].map(([, at = '']) => at),
    )
  }
}

describe('Biome', () => {
  const planted = folders.flatMap(plantIn)
  const refused = lintAll(planted)

  test.each(folders)('keeps the arrows of $name', ({ name }) => {
    const rows = planted.filter(({ folder }) => folder.name === name)
    const wrong = rows.filter(
      ({ folder, file, imported }, row) => refused.has(`${file}:${row + 1}`) === mayImport(folder, imported),
    )
    expect(wrong.map(({ specifier }) => specifier)).toEqual([])
    expect(rows.some(({ folder, imported }) => !mayImport(folder, imported))).toBe(true)
  })
})
