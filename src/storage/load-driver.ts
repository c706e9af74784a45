import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isNotInstalled } from '../core/runtime/not-installed.ts'
import { SetupError } from '../core/setup-error.ts'

/** A package that a setting needs, and whose driver of a database it holds. */
export interface DriverPackage {
  readonly name: string
  /** The oldest that will do, `8.16`, as `peerDependencies` in package.json says. */
  readonly versionMin: string
  /** What asks for it, as messages call it: `a database URL`. */
  readonly setting: string
}

/** The driver of PostgreSQL. */
export const pgPackage: DriverPackage = { name: 'pg', versionMin: '8.16', setting: 'a database URL' }

/** The driver of Redis. */
export const redisPackage: DriverPackage = {
  name: '@redis/client',
  versionMin: '6.0',
  setting: 'a Redis URL',
}

/**
 * Imports the driver of a database, an optional peer: who needs no database installs none.
 *
 * @throws SetupError `peer_missing` with the line that installs it, also where it is too old
 */
export async function loadDriver<Driver>(driver: DriverPackage): Promise<Driver> {
  const { name, versionMin, setting } = driver
  let loaded: Driver & { readonly default?: Driver }
  try {
    loaded = await import(name)
  } catch (cause) {
    if (!isNotInstalled(cause)) throw cause
    const says = `${setting} needs the package ${name}: npm install ${name}`
    throw new SetupError('peer_missing', says, { cause })
  }
  const version = findVersion(name)
  if (version !== undefined && isOlder(version, versionMin))
    throw new SetupError(
      'peer_missing',
      `${setting} needs ${name} ${versionMin} or newer, and ${version} is installed: npm install ${name}@latest`,
    )
  return loaded.default ?? loaded
}

/** The version of an installed package; undefined where none is found, as in a bundle. */
function findVersion(name: string): string | undefined {
  try {
    // Not imported: a bundler would look for what is resolved, and warn that it cannot tell.
    const { createRequire } = process.getBuiltinModule('node:module')
    let folder = dirname(createRequire(import.meta.url).resolve(name))
    for (;;) {
      const manifest = readManifest(folder)
      if (manifest?.name === name) return manifest.version
      if (folder === dirname(folder)) return undefined
      folder = dirname(folder)
    }
  } catch {
    // Not looking is no harm: what is installed has been loaded.
    return undefined
  }
}

interface Manifest {
  readonly name?: string
  readonly version?: string
}

function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  } catch {
    return undefined
  }
}

function isOlder(version: string, least: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin = 0, minorMin = 0] = least.split('.').map(Number)
  return major < majorMin || (major === majorMin && minor < minorMin)
}
