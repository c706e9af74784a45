// `npm run release`: builds and packs both packages, and says what a publisher would regret; it
// publishes nothing. `npm run release -- --publish` does, if nothing is wrong: the library, then
// the server, which needs it. Where it broke off between them it goes on with the second.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { git, readGreenRuns } from './green-runs.ts'
import { isHosted, library, type PublishedPackage, server } from './packages.ts'
import { findReleaseFaults, type PackedRelease } from './release-faults.ts'

const args = process.argv.slice(2)
const isPublishing = args.length === 1 && args[0] === '--publish'
if (args.length > 0 && !isPublishing) {
  process.stderr.write('usage: npm run release [-- --publish]\n')
  process.exit(2)
}

/** What npm asks for a proof of where it runs, by the services whose proofs it takes. */
const identities = ['ACTIONS_ID_TOKEN_REQUEST_URL', 'SIGSTORE_ID_TOKEN'] as const

const { version } = library.manifest as { readonly version: string }
const folder = mkdtempSync(join(tmpdir(), 'modelward-release-'))
try {
  process.exitCode = release() ? 0 : 1
} catch (error) {
  // Git or the registry did not answer.
  process.stdout.write(`not to be published: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function release(): boolean {
  // The types are checked by the run of tests that it asks for.
  execFileSync(process.execPath, ['scripts/build.ts', '--noCheck'], { stdio: ['ignore', 2, 2] })
  const packed = [library, server].map(pack)
  const published = Object.fromEntries(
    packed.flatMap(({ name }) => {
      const integrity = findOnRegistry(name)
      return integrity === undefined ? [] : [[name, integrity]]
    }),
  )
  const faults = findReleaseFaults({
    version,
    isHosted,
    changelog: readFileSync('CHANGELOG.md', 'utf8'),
    today: new Date().toISOString().slice(0, 10),
    commit: git('rev-parse', 'HEAD'),
    tags: git('tag', '--points-at', 'HEAD').split('\n'),
    isDirty: git('status', '--porcelain') !== '',
    tested: readGreenRuns(),
    isProven: !isPublishing || identities.some((name) => process.env[name] !== undefined),
    packed,
    published,
  })
  for (const { name, unpackedSize } of packed)
    process.stdout.write(`${name} ${version}: ${(unpackedSize / 1e6).toFixed(1)} MB\n`)
  for (const fault of faults) process.stdout.write(`not to be published: ${fault}\n`)
  if (faults.length > 0) return false
  if (!isPublishing) {
    process.stdout.write('Nothing was published: npm run release -- --publish does.\n')
    return true
  }
  return packed.filter(({ name }) => published[name] === undefined).every(publish)
}

function pack({ folder: built, manifest }: PublishedPackage): PackedRelease {
  const name = String(manifest['name'])
  const packing = ['pack', '--json', '--loglevel=error', '--pack-destination', folder]
  const [report] = Object.values(JSON.parse(npm(packing, built))) as readonly {
    readonly filename: string
    readonly unpackedSize: number
    readonly integrity: string
  }[]
  if (report === undefined) throw new Error(`npm pack reported nothing of ${name}`)
  const pages = ['README.md', 'CHANGELOG.md', 'SECURITY.md'].map(
    (page) => [page, readFileSync(join(built, page), 'utf8')] as const,
  )
  const { filename, unpackedSize, integrity } = report
  const tarball = join(folder, filename)
  return { name, tarball, unpackedSize, integrity, pages: Object.fromEntries(pages) }
}

/**
 * The integrity of what the registry has in this version; undefined if it has none.
 *
 * @throws Error where the registry cannot be asked: only its own "not found" is a no
 */
function findOnRegistry(name: string): string | undefined {
  const asking = ['view', `${name}@${version}`, 'dist.integrity', '--json']
  const asked = spawnSync('npm', asking, { encoding: 'utf8' })
  if (asked.status === 0) return asked.stdout.trim() === '' ? undefined : JSON.parse(asked.stdout)
  if (/\bE404\b/.test(asked.stdout + asked.stderr)) return undefined
  throw new Error(`npm view ${name}@${version} failed:\n${asked.stdout}${asked.stderr}`)
}

/** What is no whole release, as `1.0.0-beta.1`, is for those who ask for it. */
function publish({ name, tarball }: PackedRelease): boolean {
  const tag = version.includes('-') ? ['--tag', 'next'] : []
  const { status } = spawnSync('npm', ['publish', tarball, ...tag], { stdio: 'inherit' })
  if (status === 0) return true
  process.stdout.write(`${name} was not published; once the cause is gone, run the same again\n`)
  return false
}

function npm(command: readonly string[], cwd: string): string {
  return execFileSync('npm', command, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}
