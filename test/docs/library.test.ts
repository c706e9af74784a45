import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { formatLibraryPage, readLibrary } from '../../scripts/library-page.ts'
import * as expressModule from '../../src/express/index.ts'
import * as fastifyModule from '../../src/fastify/index.ts'
import * as honoModule from '../../src/hono/index.ts'
import * as rootModule from '../../src/index.ts'
import * as prometheusModule from '../../src/prometheus/index.ts'
import * as webModule from '../../src/web/index.ts'

const modules = {
  modelward: rootModule,
  'modelward/fastify': fastifyModule,
  'modelward/hono': honoModule,
  'modelward/express': expressModule,
  'modelward/web': webModule,
  'modelward/prometheus': prometheusModule,
}

let library: ReturnType<typeof readLibrary>

beforeAll(() => {
  library = readLibrary()
})

describe('docs/reference/library.md', () => {
  test('matches the sources; `npm run docs` writes it again', () => {
    expect(readFileSync('docs/reference/library.md', 'utf8')).toBe(formatLibraryPage(library))
  })

  test('has every entry point that the package exports', () => {
    const { exports } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      readonly exports: Readonly<Record<string, unknown>>
    }
    const offered = Object.keys(exports).filter((path) => path !== './package.json')
    expect([...library.keys()]).toEqual(offered.map((path) => path.replace(/^\./, 'modelward')))
  })

  test.each(Object.entries(modules))('has everything that %s exports at run time', (name, module) => {
    const values = library.get(name)?.declarations.filter(({ isValue }) => isValue) ?? []
    expect(values.map((value) => value.name).toSorted()).toEqual(Object.keys(module).toSorted())
  })

  test('describes every export in a sentence', () => {
    const silent = [...library].flatMap(([name, { declarations }]) =>
      declarations
        .filter(({ doc }) => !/^[A-Z`0-9][^\n]*[^\s.][^@]*[.!?](?:\s|$)/.test(doc))
        .map((declaration) => `${name}: ${declaration.name}`),
    )
    expect(silent).toEqual([])
  })

  test('has no two headings with the same anchor', () => {
    const page = readFileSync('docs/reference/library.md', 'utf8')
    const anchors = [...page.matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase())
    expect(anchors.length).toBeGreaterThan(0)
    expect(anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index)).toEqual([])
  })
})
