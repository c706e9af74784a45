import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What must be undone however the run ends: processes to kill, folders to remove. */
const leftovers = new Set<() => void>()

/**
 * Has this done when the program ends, unless the function returned is called first, which does it
 * at once.
 */
export function undoAtExit(undo: () => void): () => void {
  leftovers.add(undo)
  return () => {
    if (leftovers.delete(undo)) undo()
  }
}

export interface TemporaryFolder {
  readonly path: string
  readonly remove: () => void
}

/** A folder under `TMPDIR`, removed at the latest when the program ends. */
export function createTemporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'modelward-bench-'))
  return { path, remove: undoAtExit(() => rmSync(path, { recursive: true, force: true })) }
}

process.on('exit', () => {
  // Processes are younger than the folders they work in, and go first.
  for (const undo of [...leftovers].reverse()) undo()
})
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
