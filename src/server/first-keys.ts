import { randomUUID } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { adminScope, defaultScope } from '../core/scope.ts'
import { SetupError } from '../core/setup-error.ts'
import type { NewKey } from '../keys/fields/new-key.ts'
import type { Storage } from '../storage/storage.ts'
import type { Ward } from '../ward/ward.ts'

/** The keys made for an empty store: their texts, or the file that holds them; or why not. */
export type FirstKeysReport = { readonly address: string } & IssuedKeys

export type IssuedKeys =
  | { readonly keys: FirstKeys }
  | { readonly file: string }
  /** There is no admin key yet, and no place to hand one over at. */
  | { readonly missing: true }

export interface FirstKeys {
  /** Text of a key with the scope `admin`. */
  readonly admin: string
  /** Text of a key with the scope `predict`. */
  readonly demo: string
}

/**
 * Where the texts go: to the caller, to `first-keys.json` in the data folder, or to a file of this
 * path. A fleet has no folder: with `file` it makes no keys.
 */
export type FirstKeysTarget = 'report' | 'file' | { readonly path: string }

export interface FirstKeysOptions {
  readonly ward: Pick<Ward, 'keys' | 'store'>
  readonly storage: {
    readonly secrets: Pick<Storage['secrets'], 'handOver'>
    readonly nodes?: Storage['nodes'] | undefined
  }
  readonly to: FirstKeysTarget
}

/**
 * How far a start has come with the first keys: it goes on where an outage has broken it off, and
 * takes up its own claim and its own file.
 */
export interface FirstKeysAttempt {
  readonly claim: string
  handedOver: { readonly adminId: string; readonly issued: IssuedKeys } | undefined
}

export function beginFirstKeys(): FirstKeysAttempt {
  return { claim: randomUUID(), handedOver: undefined }
}

const fileName = 'first-keys.json'

const firstKeys: readonly NewKey[] = [
  { name: 'admin', scopes: [adminScope] },
  { name: 'demo', scopes: [defaultScope] },
]

/**
 * Makes one admin key and one demo key if the store has never had any, in one commit. The texts are
 * handed over before it: a crash in between leaves texts of keys that do not exist, and the next
 * start writes others, instead of keys whose texts are lost. Of a fleet's nodes that start at once
 * one makes them.
 *
 * @param attempt the same for each try of one start
 * @throws SetupError `data_unwritable` where the file exists or cannot be written
 * @throws Fault `store_unavailable`: try again, for they may have been made
 */
export async function issueFirstKeys(
  options: FirstKeysOptions,
  attempt: FirstKeysAttempt = beginFirstKeys(),
): Promise<IssuedKeys | undefined> {
  const { ward, storage } = options
  const { hasKeys } = await ward.store.readChanges(undefined)
  if (hasKeys) return findHandedOver(ward.store, attempt)
  const handOver = handOverOf(options)
  if (handOver === undefined) return { missing: true }
  if (storage.nodes !== undefined && !(await claim(ward.store, attempt))) return { missing: true }
  await ward.keys.createAll(firstKeys, ([admin, demo]) => {
    const keys = { admin: admin?.text ?? '', demo: demo?.text ?? '' }
    const issued = handOver(keys, attempt.handedOver !== undefined)
    attempt.handedOver = { adminId: admin?.record.id ?? '', issued }
  })
  return attempt.handedOver?.issued
}

/** What was handed over before an answer of the store was lost, if those keys were made. */
async function findHandedOver(
  store: Pick<Ward['store'], 'findKey'>,
  { handedOver }: FirstKeysAttempt,
): Promise<IssuedKeys | undefined> {
  if (handedOver === undefined) return undefined
  return (await store.findKey(handedOver.adminId)) && handedOver.issued
}

/** The path of a file with first keys that an earlier start has left, if it did. */
export function findFirstKeysFile({
  data,
  databaseUrl,
  firstKeys: to,
}: {
  readonly data: string
  readonly databaseUrl?: string | undefined
  readonly firstKeys?: FirstKeysTarget
}): string | undefined {
  const named = typeof to === 'object' ? [resolve(to.path)] : []
  const own = databaseUrl === undefined ? [resolve(data, fileName)] : []
  return [...named, ...own].find((path) => existsSync(path))
}

/** `isAgain`: what was handed over before is of keys that were not made. */
type HandOver = (keys: FirstKeys, isAgain: boolean) => IssuedKeys

/** What takes the texts; undefined where nothing can. */
function handOverOf({ storage, to }: FirstKeysOptions): HandOver | undefined {
  if (to === 'report') return (keys) => ({ keys })
  if (typeof to === 'object')
    return (keys, isAgain) => ({ file: writeFirstKeys(resolve(to.path), keys, isAgain) })
  const { handOver } = storage.secrets
  return handOver && ((keys) => ({ file: handOver(fileName, textOf(keys)) }))
}

function textOf(keys: FirstKeys): string {
  return `${JSON.stringify(keys, null, 2)}\n`
}

/**
 * For its owner alone, on the disk before the keys are stored, and never over a file that this
 * start has not written.
 */
function writeFirstKeys(path: string, keys: FirstKeys, isAgain: boolean): string {
  try {
    writeFileSync(path, textOf(keys), { mode: 0o600, flag: isAgain ? 'w' : 'wx', flush: true })
    return path
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'an error'
    throw new SetupError(
      'data_unwritable',
      `${path}: the first keys cannot be written there (${code}); name a file that does not exist`,
      { cause },
    )
  }
}

/**
 * Whether it falls to this node: the first that claims it. Where that node ends before it has made
 * them, `keys create` does.
 */
async function claim(store: Ward['store'], attempt: FirstKeysAttempt): Promise<boolean> {
  return (await store.addSetting('first keys', attempt.claim)) === attempt.claim
}
