import { execFile } from 'node:child_process'
import { globSync } from 'node:fs'
import { cp, writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { proves } from '../ecosystem/support.ts'
import { compilers } from './compilers.ts'
import { createProject, type Project } from './create-project.ts'
import { findDefinitions } from './find-definition.ts'
import { type Packed, packPackage } from './pack-package.ts'

const resolutions = {
  nodenext: { row: proves('Types under `node16` and `nodenext`'), module: 'nodenext' },
  node16: { row: proves('Types under `node16` and `nodenext`'), module: 'node16' },
  bundler: { row: proves('Types under `bundler`'), module: 'esnext' },
  // The default of older projects, called `node` there. It knows no `exports`.
  node10: { row: proves('Types under `node10`'), module: 'esnext' },
} as const

const cases = compilers.flatMap((compiler) =>
  compiler.resolutions.map((resolution) => ({ ...compiler, resolution, ...resolutions[resolution] })),
)

let packed: Packed
/**
 * A TypeScript project of a stranger's, with every framework, that uses every entry point: the type
 * tests of `test/types`.
 */
let project: Project

beforeAll(async () => {
  packed = await packPackage()
  project = await createProject({
    modelward: `file:${packed.tarball}`,
    fastify: '5',
    hono: '4',
    express: '5',
    '@types/express': '5',
    '@types/node': '22',
    'typescript-5.4': 'npm:typescript@~5.4.0',
    'typescript-5.9': 'npm:typescript@~5.9.0',
    'typescript-6': 'npm:typescript@~6.0.0',
  })
  await cp('test/types', join(project.folder, 'types'), { recursive: true })
})

afterAll(async () => {
  await packed?.remove()
  await project?.remove()
})

describe.each(cases)('$row: TypeScript $typescript', (tried) => {
  test(`compiles a strict consumer of every entry point under \`${tried.resolution}\``, async () => {
    const { typescript, resolution, module } = tried
    const complaints = await compile(typescript, [
      ...['--noEmit', '--strict', '--allowImportingTsExtensions', '--skipLibCheck', 'false'],
      ...['--target', 'es2022', '--types', 'node', '--module', module],
      // What `nodenext` and `bundler` imply, and Express's own declarations need.
      ...['--moduleResolution', resolution, '--esModuleInterop'],
      // TypeScript 6 takes what 7 has dropped only if told so.
      ...(typescript === '6' && resolution === 'node10' ? ['--ignoreDeprecations', '6.0'] : []),
    ])
    // An old compiler cannot read all of what others declare today; what is ours, and the
    // consumer, must be free of faults.
    const ours = complaints.filter((line) => !/^node_modules\/(?!modelward\/)/.test(line))
    expect(tried.isOfToday ? complaints : ours).toEqual([])
  })
})

test('a consumer of the root alone needs no framework, and no types but those of Node', async () => {
  const bare = await createProject({ modelward: `file:${packed.tarball}`, '@types/node': '22' })
  try {
    await cp('test/types', join(bare.folder, 'types'), { recursive: true })
    const complaints = await compile('7', ['--module', 'nodenext'], bare.folder, ['root', 'web', 'models'])
    expect(complaints).toEqual([])
  } finally {
    await bare.remove()
  }
})

test('an app with an older Fastify keeps it as the only one, and meets the types', async () => {
  const older = await createProject({
    modelward: `file:${packed.tarball}`,
    fastify: '5.8.0',
    '@types/node': '22',
  })
  try {
    await cp('test/types', join(older.folder, 'types'), { recursive: true })
    expect(globSync('node_modules/**/fastify/package.json', { cwd: older.folder })).toEqual([
      'node_modules/fastify/package.json',
    ])
    const complaints = await compile('7', ['--module', 'nodenext'], older.folder, ['fastify'])
    expect(complaints).toEqual([])
  } finally {
    await older.remove()
  }
})

test('an editor goes from a name to its TypeScript source, not to a declaration', async () => {
  const file = join(project.folder, 'types/definitions.ts')
  const entries = [
    ['openModelward', 'modelward', 'src/ward/open-modelward.ts', 'export async function openModelward<'],
    ['Refusal', 'modelward', 'src/core/refusal.ts', 'export class Refusal extends Error {'],
    ['guardRoute', 'modelward/hono', 'src/hono/guard-route.ts', 'export function guardRoute<'],
    ['problems', 'modelward/express', 'src/express/answer-problem.ts', 'export function problems('],
    ['modelward', 'modelward/fastify', 'src/fastify/guard.ts', 'export const modelward:'],
    ['onnxModel', 'modelward/models', 'src/models/adapters/onnx-model.ts', 'export function onnxModel<'],
  ] as const
  await writeFile(file, entries.map(([name, from]) => `import { ${name} } from '${from}'\n`).join(''))
  const tsserver = join(project.folder, 'node_modules/typescript-5.9/bin/tsserver')
  const found = await findDefinitions(
    tsserver,
    file,
    entries.map(([name]) => name),
  )
  const at = join(project.folder, 'node_modules/modelward')
  expect(found.map((definition) => definition && relative(at, definition.file))).toEqual(
    entries.map(([, , source]) => source),
  )
  for (const [index, [, , , text]] of entries.entries()) expect(found[index]?.text).toContain(text)
})

/** What a compiler complains of, a line each. */
function compile(
  typescript: string,
  options: readonly string[],
  folder: string = project.folder,
  names: readonly string[] = ['root', 'web', 'models', 'hono', 'express', 'fastify'],
): Promise<readonly string[]> {
  const compiler =
    typescript === '7'
      ? resolve('node_modules/typescript/bin/tsc')
      : join(folder, `node_modules/typescript-${typescript}/bin/tsc`)
  const strictly = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--allowImportingTsExtensions']
  const files = names.map((name) => `types/${name}.types.ts`)
  const args = [compiler, ...strictly, '--target', 'es2022', '--types', 'node', ...options, ...files]
  return new Promise((settle, fail) => {
    execFile(process.execPath, args, { cwd: folder }, (error, stdout, stderr) => {
      const lines = stdout.split('\n').filter((line) => /^\S/.test(line))
      // A compiler that did not run has complained of nothing.
      if (stderr !== '' || (error !== null && lines.length === 0)) fail(new Error(`tsc failed: ${stderr}`))
      else settle(lines)
    })
  })
}
