import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createProject } from '../package/create-project.ts'
import { packPackage } from '../package/pack-package.ts'

/** What an example's `package.json` says. */
export interface ExampleManifest {
  readonly private?: boolean
  readonly type?: string
  readonly engines?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** Copies of examples outside of the repository, with what `npm install` gives them. */
export interface ExampleCopies {
  /** Copies an example's folder, and gives the path of the copy. */
  readonly copy: (name: string) => string
  /** A folder with nothing but what is installed. */
  readonly create: () => string
  readonly remove: () => Promise<void>
}

/** What the tests of `test/ecosystem` install, or is linked here: 140 MB that npm would unpack. */
const elsewhere = /^(?:next|react|react-dom|onnxruntime-web)$/

export function readManifest(name: string): ExampleManifest {
  return JSON.parse(readFileSync(join('examples', name, 'package.json'), 'utf8')) as ExampleManifest
}

/**
 * Installs the packed packages and what these examples ask for beside it, once: by npm, outside of
 * the repository, in the versions that they name. Each copy has a link to that.
 */
export async function createExampleCopies(names: readonly string[]): Promise<ExampleCopies> {
  const packed = await packPackage()
  const asked = names.flatMap((name) => Object.entries(readManifest(name).dependencies ?? {}))
  const project = await createProject({
    ...Object.fromEntries(asked.filter(([name]) => !elsewhere.test(name))),
    modelward: `file:${packed.tarball}`,
    '@modelward/server': `file:${packed.server.tarball}`,
  })
  const installed = join(project.folder, 'node_modules')
  symlinkSync(resolve('node_modules/onnxruntime-web'), join(installed, 'onnxruntime-web'))
  const folders: string[] = []
  function create(name = 'empty'): string {
    const folder = mkdtempSync(join(tmpdir(), `modelward-example-${name}-`))
    folders.push(folder)
    symlinkSync(installed, join(folder, 'node_modules'))
    return folder
  }
  return {
    create,
    copy(name) {
      const folder = create(name)
      const ignored = ['node_modules', 'modelward-data', 'model.onnx', '.next', 'next-env.d.ts']
      cpSync(join('examples', name), folder, {
        recursive: true,
        filter: (path) => !ignored.includes(basename(path)),
      })
      return folder
    },
    async remove() {
      for (const folder of folders) rmSync(folder, { recursive: true, force: true })
      await project.remove()
      await packed.remove()
    },
  }
}

/** The names of all examples that are apps: `proxies` has files of other programs. */
export function listExamples(): readonly string[] {
  return globSync('examples/*/README.md')
    .map((path) => path.split(/[\\/]/)[1] ?? '')
    .filter((name) => name !== 'proxies')
    .sort()
}
