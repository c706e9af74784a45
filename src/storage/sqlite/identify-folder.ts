import { realpathSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

export const databaseName = 'modelward.db'

/** Which data folder a path leads to. */
export interface FolderIdentity {
  /** Absolute and without links: one text for every path to the folder, made or not. */
  readonly path: string
  /** Of its database, which no other file has while that is open; undefined before it is made. */
  readonly content: string | undefined
}

export function identifyFolder(path: string): FolderIdentity {
  const folder = realPathOf(resolve(path))
  return { path: folder, content: inodeOf(join(folder, databaseName)) }
}

function realPathOf(path: string): string {
  try {
    return realpathSync.native(path)
  } catch {
    const above = dirname(path)
    return above === path ? path : join(realPathOf(above), basename(path))
  }
}

function inodeOf(file: string): string | undefined {
  try {
    const { dev, ino } = statSync(file, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}
