import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { listExamples, readManifest } from './example-copies.ts'
import { readExamplePage } from './example-page.ts'

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>
}

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly version: string }
/** What the tests install: the project's own, and what only `npm test -- --ecosystem` does. */
const locks = ['package-lock.json', 'test/ecosystem/package-lock.json'].map(
  (file) => JSON.parse(readFileSync(file, 'utf8')) as LockFile,
)

/** The range that names the version of one of the lock files, or the packages' own version. */
function rangesOf(name: string): readonly string[] {
  if (/^(?:@modelward\/.*|modelward)$/.test(name)) return [version]
  return locks
    .flatMap(({ packages }) => packages[`node_modules/${name}`]?.version ?? [])
    .map((at) => `^${at}`)
}

describe.each(listExamples())('examples/%s', (name) => {
  test('can be copied: its package.json names what it imports, in the versions that are tested', () => {
    const { dependencies = {}, devDependencies = {}, ...manifest } = readManifest(name)
    expect(manifest).toMatchObject({ private: true, type: 'module', engines: { node: '>=22.19' } })
    const named = Object.entries({ ...dependencies, ...devDependencies })
    for (const [each, range] of named) expect(rangesOf(each), each).toContain(range)
    expect(dependencies).toHaveProperty('modelward')
    expect(named.map(([each]) => each)).toContain('@modelward/server')
    for (const file of globSync(`examples/${name}/**/*.ts`, { exclude: ['**/node_modules/**'] }))
      for (const [, from = ''] of readFileSync(file, 'utf8').matchAll(/ from '([^']+)'/g)) {
        expect(from, file).not.toMatch(/^(?:\.\.\/){2,}(?:src|test|examples)\b/)
        if (/^(?:\.|node:)/.test(from)) continue
        const [, imported = ''] = /^((?:@[^/]+\/)?[^/]+)/.exec(from) ?? []
        expect(Object.keys(dependencies), file).toContain(imported)
      }
  })

  test('says how to start it, by scripts that it has', () => {
    const { scripts, start } = readExamplePage(name)
    expect(start).toBe('npm start')
    for (const command of [...scripts, start])
      expect(readManifest(name).scripts).toHaveProperty(command.replace(/^npm (?:run )?/, ''))
  })

  test('keeps its keys and its pepper out of the repository into which it is copied', () => {
    const ignored = readFileSync(`examples/${name}/.gitignore`, 'utf8').split('\n')
    expect(ignored).toEqual(expect.arrayContaining(['modelward-data', 'node_modules']))
  })

  test('is in the list of examples', () => {
    expect(readFileSync('examples/README.md', 'utf8')).toContain(`| [${name}](${name}) | `)
  })

  test('is started and asked by a test', () => {
    const tests = globSync('test/{examples,ecosystem}/*.test.ts').filter(
      (file) => !file.includes('manifests'),
    )
    const asked = tests.filter((file) => readFileSync(file, 'utf8').includes(`examples/${name}`))
    expect(asked).not.toEqual([])
  })
})
