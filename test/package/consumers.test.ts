import { globSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { proves } from '../ecosystem/support.ts'
import { compilers } from './compilers.ts'
import { createProject } from './create-project.ts'
import { findDefinitions } from './find-definition.ts'
import { installProject } from './install-project.ts'
import {
  compile,
  compilerPackages,
  copyConsumer,
  describeConsumers,
  frameworks,
  ours,
  packageOf,
  strictly,
} from './type-consumers.ts'

/** Those of the others are tried by `npm test -- --ecosystem`. */
const tried = compilers.filter(({ always }) => always.length > 0)
const installed = installProject({
  withServer: false,
  beside: { ...frameworks, ...compilerPackages(tried) },
})

describeConsumers(
  installed,
  tried,
  {
    nodenext: proves('Types under `node16` and `nodenext`'),
    node16: proves('Types under `node16` and `nodenext`'),
    bundler: proves('Types under `bundler`'),
    // The default of older projects, called `node` there. It knows no `exports`.
    node10: proves('Types under `node10`'),
  },
  ({ always }) => always,
)

test('the oldest compiler is tried, and the newest, and under each resolution one of today', () => {
  expect(tried.map(({ typescript }) => typescript)).toEqual(
    expect.arrayContaining([compilers[0], compilers.at(-1)].map((compiler) => compiler?.typescript)),
  )
  const ofToday = tried.filter(({ isOfToday }) => isOfToday).flatMap(({ always }) => always)
  expect(new Set(ofToday)).toEqual(new Set(compilers.flatMap(({ resolutions }) => resolutions)))
})

describe('a consumer', () => {
  /** Compiles parts of the consumer in a project without the frameworks. */
  async function compileIn(
    beside: Readonly<Record<string, string>>,
    names: readonly string[],
    look: (folder: string) => void = () => {},
  ): Promise<readonly string[] | undefined> {
    const project = await createProject({
      modelward: `file:${installed.packed.tarball}`,
      '@types/node': '22',
      ...beside,
    })
    try {
      await copyConsumer(project.folder)
      look(project.folder)
      const [complaints] = await compile(ours, [strictly(['--module', 'nodenext'], names)], project.folder)
      return complaints
    } finally {
      await project.remove()
    }
  }

  test('of the root alone needs no framework, and no types but those of Node', async () => {
    expect(await compileIn({}, ['root', 'web', 'models'])).toEqual([])
  })

  test('with an older Fastify keeps it as the only one, and meets the types', async () => {
    const complaints = await compileIn({ fastify: '5.8.0' }, ['fastify'], (folder) => {
      expect(globSync('node_modules/**/fastify/package.json', { cwd: folder })).toEqual([
        'node_modules/fastify/package.json',
      ])
    })
    expect(complaints).toEqual([])
  })
})

test('an editor goes from a name to its TypeScript source, not to a declaration', async () => {
  const file = join(installed.folder, 'types/definitions.ts')
  const entries = [
    ['openModelward', 'modelward', 'src/ward/open-modelward.ts', 'export async function openModelward<'],
    ['Refusal', 'modelward', 'src/core/refusal.ts', 'export class Refusal extends Error {'],
    ['guardRoute', 'modelward/hono', 'src/hono/guard-route.ts', 'export function guardRoute<'],
    ['problems', 'modelward/express', 'src/express/answer-problem.ts', 'export function problems('],
    ['modelward', 'modelward/fastify', 'src/fastify/guard.ts', 'export const modelward:'],
    ['onnxModel', 'modelward/models', 'src/models/adapters/onnx-model.ts', 'export function onnxModel<'],
  ] as const
  await writeFile(file, entries.map(([name, from]) => `import { ${name} } from '${from}'\n`).join(''))
  // The newest that is a package with a server for editors.
  const tsserver = join(installed.folder, 'node_modules', packageOf('6'), 'bin/tsserver')
  const found = await findDefinitions(
    tsserver,
    file,
    entries.map(([name]) => name),
  )
  const at = join(installed.folder, 'node_modules/modelward')
  expect(found.map((definition) => definition && relative(at, definition.file))).toEqual(
    entries.map(([, , source]) => source),
  )
  for (const [index, [, , , text]] of entries.entries()) expect(found[index]?.text).toContain(text)
})
