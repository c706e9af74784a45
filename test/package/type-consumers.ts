import { execFile } from 'node:child_process'
import { cp } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import type { SupportName } from '../ecosystem/support.ts'
import type { Compiler, Resolution } from './compilers.ts'
import type { InstalledProject } from './install-project.ts'

/** What else a TypeScript project of a stranger's installs that uses every framework. */
export const frameworks = {
  fastify: '5',
  hono: '4',
  express: '5',
  '@types/express': '5',
  '@types/node': '22',
} as const

/** The packages of these compilers, each under a name of its own. */
export function compilerPackages(compilers: readonly Compiler[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    compilers
      .filter(({ typescript }) => typescript !== ours)
      .map(({ typescript }) => [packageOf(typescript), `npm:typescript@~${wholeOf(typescript)}`]),
  )
}

/** The rows of `docs/reference/support.md` that this proves. */
export type ResolutionRows = Readonly<Record<Resolution, SupportName>>

/**
 * A strict consumer of every entry point, which is the type tests of `test/types`, compiles under
 * each of these resolutions.
 *
 * @param tried which resolutions of a compiler
 */
export function describeConsumers(
  installed: InstalledProject,
  compilers: readonly Compiler[],
  rows: ResolutionRows,
  tried: (compiler: Compiler) => readonly Resolution[],
): void {
  describe.each(compilers)('TypeScript $typescript', (compiler) => {
    const resolutions = tried(compiler).map((resolution) => ({ resolution, row: rows[resolution] }))
    let complaints: readonly (readonly string[])[] = []
    beforeAll(async () => {
      await copyConsumer(installed.folder)
      const options = resolutions.map(({ resolution }) => optionsFor(compiler, resolution))
      complaints = await compile(compiler.typescript, options, installed.folder)
      expect(complaints).toHaveLength(resolutions.length)
    }, 300_000)

    describe.each(resolutions)('$row', ({ resolution }) => {
      test(`compiles a strict consumer of every entry point under \`${resolution}\``, () => {
        const all = complaints[resolutions.findIndex((each) => each.resolution === resolution)]
        // An old compiler cannot read all of what others declare today; what is ours, and the
        // consumer, must be free of faults.
        const ours = all?.filter((line) => !/^node_modules\/(?!modelward\/)/.test(line))
        expect(compiler.isOfToday ? all : ours).toEqual([])
      })
    })
  })
}

export function copyConsumer(folder: string): Promise<void> {
  return cp('test/types', resolve(folder, 'types'), { recursive: true })
}

const entries = ['root', 'web', 'models', 'hono', 'express', 'fastify'] as const

/** Arguments of `tsc`. */
export function strictly(options: readonly string[], names: readonly string[] = entries): readonly string[] {
  return [
    ...['--noEmit', '--strict', '--skipLibCheck', 'false', '--allowImportingTsExtensions'],
    ...['--target', 'es2022', '--types', 'node', ...options],
    ...names.map((name) => `types/${name}.types.ts`),
  ]
}

function optionsFor({ typescript }: Compiler, resolution: Resolution): readonly string[] {
  const module = resolution === 'node16' || resolution === 'nodenext' ? resolution : 'esnext'
  return strictly([
    // What `nodenext` and `bundler` imply, and Express's own declarations need.
    ...['--module', module, '--moduleResolution', resolution, '--esModuleInterop'],
    // TypeScript 6 takes what 7 has dropped only if told so.
    ...(typescript === '6' && resolution === 'node10' ? ['--ignoreDeprecations', '6.0'] : []),
  ])
}

/** The repository's own compiler, which is a program of the machine's and has no interface. */
export const ours = '7'

/** What a compiler complains of, a line each, for each of these lists of arguments. */
export async function compile(
  typescript: string,
  lists: readonly (readonly string[])[],
  folder: string,
): Promise<readonly (readonly string[])[]> {
  if (typescript !== ours) {
    const program = resolve(folder, 'node_modules', packageOf(typescript))
    const { stdout } = await run([compileProgram, program, JSON.stringify(lists)], folder)
    return JSON.parse(stdout) as readonly (readonly string[])[]
  }
  const complaints: (readonly string[])[] = []
  for (const args of lists) {
    const { stdout, hasFailed } = await run([resolve('node_modules/typescript/bin/tsc'), ...args], folder)
    const lines = stdout.split('\n').filter((line) => /^\S/.test(line))
    // A compiler that did not run has complained of nothing.
    if (hasFailed && lines.length === 0) throw new Error('tsc failed without a word')
    complaints.push(lines)
  }
  return complaints
}

const compileProgram = fileURLToPath(new URL('processes/compile.ts', import.meta.url))

function run(
  args: readonly string[],
  cwd: string,
): Promise<{ readonly stdout: string; readonly hasFailed: boolean }> {
  return new Promise((settle, fail) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (stderr !== '') fail(new Error(`${args[0]} failed: ${stderr}`))
      else settle({ stdout, hasFailed: error !== null })
    })
  })
}

/** The name under which a project has installed a compiler. */
export function packageOf(typescript: string): string {
  return `typescript-${typescript}`
}

/** `6` → `6.0`: of a major line the first. */
function wholeOf(version: string): string {
  return version.includes('.') ? version : `${version}.0`
}
