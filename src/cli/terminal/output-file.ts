import { randomBytes } from 'node:crypto'
import { type FileHandle, link, lstat, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CliError, usageError } from '../cli-error.ts'

/** A file that a command writes: under its name only when it is whole. */
export interface OutputFile {
  /** @throws CliError `output_failed` */
  readonly write: (text: string) => Promise<void>
  /**
   * Gives the file its name, on the disk with all that was written.
   * @throws CliError `output_failed`, `usage_invalid`
   */
  readonly finish: () => Promise<void>
  /** Removes what was not finished. */
  readonly close: () => Promise<void>
}

/**
 * Opens a file to write, for its owner alone: 0600. One that is there is never written over, unless
 * `replaces` says so, and then only a plain file: replacing a link or a device would hurt others.
 * The package write-file-atomic does not serve: it holds all that is written in memory, writes to a
 * name that can be guessed and into a link that waits there, replaces what is there, gives the file
 * the mode of the one before, and does not make its name durable.
 *
 * @param flag the flag that named it
 * @throws CliError `usage_invalid` where something is there; `output_failed` where it cannot be
 * created
 */
export async function openOutputFile(
  flag: string,
  path: string,
  { replaces }: { readonly replaces: boolean },
): Promise<OutputFile> {
  const target = resolve(path)
  const found = await lstat(target).catch(() => undefined)
  if (found !== undefined && !(replaces && found.isFile())) throw isThere(flag, path, found.isFile())
  const temporary = join(dirname(target), `.${basename(target)}.${randomBytes(8).toString('hex')}.tmp`)
  const attempt = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      if (reasonOf(error) === 'EEXIST') throw isThere(flag, path, true)
      throw new CliError('output_failed', `${path} cannot be written: ${reasonOf(error)}`)
    }
  }
  const handle = await attempt(() => open(temporary, 'wx', 0o600))
  return {
    write: (text) => attempt(() => handle.writeFile(text)),
    finish: () =>
      attempt(async () => {
        await handle.sync()
        // A link refuses where a file has come meanwhile; a rename would put ours in its place.
        await (replaces ? rename(temporary, target) : link(temporary, target))
        await syncFolder(dirname(target))
      }),
    async close() {
      await handle.close()
      await rm(temporary, { force: true })
    },
  }
}

function isThere(flag: string, path: string, isFile: boolean): Error {
  const hint = isFile ? '; --force replaces it' : ''
  return usageError(flag, `expected the path of a new file, and ${path} is there already${hint}`)
}

/** Makes the file's name durable. Windows keeps it so by itself, and cannot open a folder. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  let handle: FileHandle | undefined
  try {
    handle = await open(folder, 'r')
    await handle.sync()
  } finally {
    await handle?.close()
  }
}

/** What a file system says, without more words. */
export function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
