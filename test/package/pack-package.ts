import { execFile } from 'node:child_process'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'

export interface Packed {
  /** Path of the `.tgz`, as it would be published. */
  readonly tarball: string
  /** What is in it. */
  readonly paths: readonly string[]
  readonly remove: () => Promise<void>
}

const execute = promisify(execFile)

/** What a fresh clone does not have either. */
const left = new Set(['.git', 'node_modules', 'dist', 'coverage', 'modelward-data'])

/** Where `npm test` leaves the package that it has packed once for all files of tests. */
export const packedVariable = 'PACKED_MODELWARD'

/**
 * Builds and packs a copy of the working tree by `npm pack`, whose `prepack` would replace a `dist`
 * that others are reading.
 */
export async function packPackage(): Promise<Packed> {
  const shared = process.env[packedVariable]
  if (shared !== undefined)
    return { ...(JSON.parse(shared) as Pick<Packed, 'tarball' | 'paths'>), remove: async () => {} }
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
  const { stdout } = await execute(
    'npm',
    ['pack', '--json', '--loglevel=error', '--pack-destination', folder],
    {
      cwd: copy,
      maxBuffer: 2 ** 24,
    },
  )
  // What `prepack` says may come first; npm 10 gives an array, npm 11 an object by package names.
  const [report] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m)))) as readonly {
    readonly filename: string
    readonly files: readonly { readonly path: string }[]
  }[]
  if (report === undefined) throw new Error(`npm pack reported no package:\n${stdout}`)
  return { tarball: join(folder, report.filename), paths: report.files.map(({ path }) => path) }
}
