import { isDeepStrictEqual } from 'node:util'
import { oneVersion } from '../core/runtime/other-version.ts'
import { packageVersion } from '../core/runtime/package-version.ts'
import { SetupError } from '../core/setup-error.ts'
import { identifyStorage, type StoragePlace } from './open-storage.ts'
import type { Ward } from './ward.ts'

/** What a deployment is opened with, as far as two openings must agree. */
export type SharedOptions = Readonly<Record<string, unknown>>

/** A ward that this process has open, once for all openings. */
interface SharedWard {
  /** Of the copy of this package that opened it: only one of the same may look at the rest. */
  readonly version: string
  readonly path: string
  readonly options: SharedOptions
  readonly opening: Promise<Ward>
  /** What is stored there, once that is open: a folder may be replaced under its ward. */
  content: string | undefined
  /** Openings that have not been closed. */
  holders: number
  closing: Promise<void> | undefined
}

const wards = findWards()

/**
 * All wards of this process, by the paths of their storage. Not in this module: a development
 * server loads it again after an edit, and a bundle may hold it twice. Other versions of this
 * package find the same map, and of each ward its version.
 */
function findWards(): Map<string, SharedWard> {
  const name = Symbol.for('modelward.wards')
  if (!Object.hasOwn(globalThis, name)) Object.defineProperty(globalThis, name, { value: new Map() })
  return Reflect.get(globalThis, name)
}

/**
 * Opens a ward, or gives the one that this process has open over the same storage: two would each
 * admit the full limit, and the second would forget its usage. Each opening is closed by itself,
 * and the last one closes the ward.
 *
 * @throws SetupError `data_in_use` if it is open with other options, or by another version
 */
export async function shareWard(
  place: StoragePlace,
  options: SharedOptions,
  open: () => Promise<Ward>,
): Promise<Ward> {
  let shared = findShared(place)
  while (shared?.closing !== undefined) {
    // The storage is free for another only when it is closed.
    await shared.closing.catch(() => {})
    shared = findShared(place)
  }
  if (shared === undefined) shared = begin(place, options, open)
  else checkOptionsAgree(shared, options)
  shared.holders += 1
  return hold(shared, await shared.opening)
}

function findShared(place: StoragePlace): SharedWard | undefined {
  const { path, content } = identifyStorage(place)
  const shared = wards.get(path)
  if (shared !== undefined) checkVersion(shared.version, path)
  const isReplaced = shared?.content !== undefined && shared.content !== content
  return isReplaced ? undefined : shared
}

function begin(place: StoragePlace, options: SharedOptions, open: () => Promise<Ward>): SharedWard {
  const { path } = identifyStorage(place)
  const opening = open()
  const shared: SharedWard = {
    version: packageVersion,
    path,
    options,
    opening,
    content: undefined,
    holders: 0,
    closing: undefined,
  }
  wards.set(path, shared)
  const opened = (): void => {
    shared.content = identifyStorage(place).content
  }
  opening.then(opened, () => forget(shared))
  return shared
}

function hold(shared: SharedWard, ward: Ward): Ward {
  let closed: Promise<void> | undefined
  return {
    ...ward,
    close() {
      closed ??= release(shared, ward)
      return closed
    },
  }
}

async function release(shared: SharedWard, ward: Ward): Promise<void> {
  shared.holders -= 1
  if (shared.holders > 0) return
  shared.closing = ward.close().finally(() => forget(shared))
  await shared.closing
}

function forget(shared: SharedWard): void {
  if (wards.get(shared.path) === shared) wards.delete(shared.path)
}

/** Two versions would each admit the full limit: neither knows what a ward of the other's is. */
function checkVersion(version: string, path: string): void {
  if (version === packageVersion) return
  throw new SetupError(
    'data_in_use',
    `${path}: modelward ${version} has this deployment open in this process, and this is ${packageVersion}; ${oneVersion}`,
  )
}

function checkOptionsAgree({ path, options }: SharedWard, others: SharedOptions): void {
  const names = new Set([...Object.keys(options), ...Object.keys(others)])
  const different = [...names].filter((name) => !isDeepStrictEqual(options[name], others[name]))
  if (different.length === 0) return
  const list = different.map((name) => `\`${name}\``).join(', ')
  throw new SetupError(
    'data_in_use',
    `${path}: this process has this deployment open with another value of ${list}; open it once and share the ` +
      'ward, on `globalThis` where a development server loads modules again',
  )
}
