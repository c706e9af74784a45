import {
  closeSync,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  statSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { reasonOf } from '../terminal/output-file.ts'
import { enterFolder, type FolderRules, isIgnored, rulesAbove } from './git-ignore.ts'

/** A file to read, a folder that git ignores and that is passed over, or what cannot be read. */
export type WalkedFile =
  | { readonly path: string; readonly kind: 'file'; readonly isNamed: boolean }
  | { readonly path: string; readonly kind: 'ignored' }
  | { readonly path: string; readonly kind: 'unreadable'; readonly fault: string }

const skippedFolders = new Set(['node_modules', '.git'])

/**
 * Every file under the paths, in the order of their names. Symbolic links are followed where they
 * are named, not where they are met: they may lead out of what was asked for, or in circles.
 *
 * Of what git ignores, folders are passed over, since tools fill them, and files are read: keys lie
 * in `.env`.
 */
export function* walkFiles(
  paths: readonly string[],
  { withIgnored }: { readonly withIgnored: boolean },
): Generator<WalkedFile> {
  for (const path of paths) {
    try {
      if (!statSync(path).isDirectory()) yield { path, kind: 'file', isNamed: true }
      else if (withIgnored) yield* walkFolder(path)
      else yield* walkFolder(path, { above: rulesAbove(path), name: basename(realpathSync(path)) })
    } catch (error) {
      yield { path, kind: 'unreadable', fault: reasonOf(error) }
    }
  }
}

/** @param place the rules above the folder, and its own name; without it git's rules do not hold */
function* walkFolder(
  folder: string,
  place?: { readonly above: FolderRules | undefined; readonly name: string },
): Generator<WalkedFile> {
  let entries: Dirent[]
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    yield { path: folder, kind: 'unreadable', fault: reasonOf(error) }
    return
  }
  const rules =
    place &&
    enterFolder(place.above, folder, place.name, (name) => entries.some((each) => each.name === name))
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (skippedFolders.has(entry.name)) continue
      if (isIgnored(rules, entry.name)) yield { path, kind: 'ignored' }
      else yield* walkFolder(path, place && { above: rules, name: entry.name })
    } else if (entry.isFile()) yield { path, kind: 'file', isNamed: false }
  }
}

/**
 * A file's bytes, piece by piece: files may be larger than the memory. The piece is overwritten by
 * the next one.
 *
 * @param withBinary whether to give a file with zero bytes at its beginning, as programs and
 * pictures have; UTF-16 with its mark is text
 */
export function* readPieces(path: string, withBinary: boolean): Generator<Buffer> {
  // A pipe or a device would be read for ever.
  if (!withBinary && !lstatSync(path).isFile()) return
  const descriptor = openSync(path, 'r')
  try {
    for (let isFirst = true; ; isFirst = false) {
      const length = readSync(descriptor, buffer, 0, buffer.length, null)
      if (length === 0) return
      const piece = buffer.subarray(0, length)
      if (isFirst && !withBinary && isBinary(piece)) return
      yield piece
    }
  } finally {
    closeSync(descriptor)
  }
}

const buffer = Buffer.alloc(1_048_576)
/** As far as git looks. */
const binaryLookLength = 8_000

function isBinary(piece: Buffer): boolean {
  const mark = piece.length >= 2 ? piece.readUInt16BE(0) : 0
  return mark !== 0xfeff && mark !== 0xfffe && piece.subarray(0, binaryLookLength).includes(0)
}
