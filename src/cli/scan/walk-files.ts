import { closeSync, type Dirent, lstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '../terminal/output-file.ts'

/** A file to read, or something that cannot be read. */
export type WalkedFile =
  | { readonly path: string; readonly fault?: undefined; readonly isNamed: boolean }
  | { readonly path: string; readonly fault: string }

const skippedFolders = new Set(['node_modules', '.git'])

/**
 * Every file under the paths, in the order of their names. Symbolic links are followed where they
 * are named, not where they are met: they may lead out of what was asked for, or in circles.
 */
export function* walkFiles(paths: readonly string[]): Generator<WalkedFile> {
  for (const path of paths) {
    try {
      if (statSync(path).isDirectory()) yield* walkFolder(path)
      else yield { path, isNamed: true }
    } catch (error) {
      yield { path, fault: reasonOf(error) }
    }
  }
}

function* walkFolder(folder: string): Generator<WalkedFile> {
  let entries: Dirent[]
  try {
    entries = readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    yield { path: folder, fault: reasonOf(error) }
    return
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      if (!skippedFolders.has(entry.name)) yield* walkFolder(path)
    } else if (entry.isFile()) yield { path, isNamed: false }
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
