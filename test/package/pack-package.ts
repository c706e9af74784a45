import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'

export interface PackedPackage {
  /** Path of the `.tgz`, as it would be published. */
  readonly tarball: string
  /** What is in it. */
  readonly paths: readonly string[]
  /** What it is on the disk, in bytes. */
  readonly unpackedSize: number
}

/** The library, and the server beside it. */
export interface Packed extends PackedPackage {
  readonly server: PackedPackage
  /** The copy of the working tree that both were built in, with what it installs. */
  readonly clone: string
  readonly remove: () => Promise<void>
}

const execute = promisify(execFile)

/** What a fresh clone does not have either. */
const left = new Set(['.git', 'node_modules', 'dist', 'coverage', 'modelward-data'])

/** Where `npm test` leaves the package that it has packed once for all files of tests. */
export const packedVariable = 'PACKED_MODELWARD'

/**
 * Builds a copy of the working tree, whose `dist` others may be reading, and packs both packages by
 * `npm pack`.
 */
export async function packPackage(): Promise<Packed> {
  const shared = process.env[packedVariable]
  if (shared !== undefined)
    return { ...(JSON.parse(shared) as Omit<Packed, 'remove'>), remove: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'modelward-packed-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    return { ...(await packInto(folder)), remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function packInto(folder: string): Promise<Omit<Packed, 'remove'>> {
  const copy = join(folder, 'clone')
  await cp('.', copy, { recursive: true, filter: (path) => !left.has(basename(path)) })
  await symlink(resolve('node_modules'), join(copy, 'node_modules'))
  await execute(process.execPath, ['scripts/build.ts', '--noCheck'], {
    cwd: copy,
    env: { ...process.env, PATH: `${resolve('node_modules/.bin')}:${process.env['PATH']}` },
  })
  const library = await packBuilt(join(copy, 'dist/modelward'), folder)
  return { ...library, server: await packBuilt(join(copy, 'dist/server'), folder), clone: copy }
}

/** Packs a package that was built, into a folder. */
export async function packBuilt(built: string, folder: string): Promise<PackedPackage> {
  const args = ['pack', '--json', '--loglevel=error', '--pack-destination', folder]
  const { stdout } = await execute('npm', args, { cwd: built, maxBuffer: 2 ** 24 })
  // npm 10 gives an array, npm 11 an object by package names.
  const [report] = Object.values(JSON.parse(stdout)) as readonly {
    readonly filename: string
    readonly files: readonly { readonly path: string }[]
    readonly unpackedSize: number
  }[]
  if (report === undefined) throw new Error(`npm pack reported no package:\n${stdout}`)
  const { filename, files, unpackedSize } = report
  return { tarball: join(folder, filename), paths: files.map(({ path }) => path), unpackedSize }
}
