import { randomBytes } from 'node:crypto'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A file that holds space for when the disk is full. */
export interface Ballast {
  readonly isThere: () => Promise<boolean>
  /** Makes it, or leaves nothing behind where there is no room. */
  readonly create: () => Promise<void>
  readonly giveUp: () => Promise<void>
}

export function ballastIn(folder: string, bytes: number): Ballast {
  const file = join(folder, 'ballast')
  const giveUp = (): Promise<void> => rm(file, { force: true })
  return {
    isThere: () =>
      stat(file).then(
        // A process that was killed may have left a piece.
        ({ size }) => size >= bytes,
        () => false,
      ),
    async create() {
      try {
        await giveUp()
        // Random, because a file system may store zeros in no space. A new file: a link in its
        // place is not followed.
        await writeFile(file, randomBytes(bytes), { flag: 'wx', mode: 0o600, flush: true })
      } catch (fault) {
        await giveUp()
        throw fault
      }
    },
    giveUp,
  }
}
