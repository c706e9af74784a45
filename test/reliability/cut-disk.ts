import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { DiskEvent } from './disk-trace.ts'

type Change =
  | { readonly kind: 'write'; readonly order: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly order: number; readonly length: number }

/** A file as the disk has it, and what only memory has of it. */
interface CutFile {
  durable: Buffer
  pending: Change[]
}

/** Files and folders by their paths; a folder has no bytes. */
type Names = ReadonlyMap<string, CutFile | undefined>

const sectorBytes = 512

/**
 * A disk that is told what a process does, and says what a power cut leaves of it: all that was
 * synced; of other writes each wholly, not at all, or by sectors, in any order; of the names that
 * no sync of their folder covers, the changes up to one of them.
 */
export class CutDisk {
  readonly #random: () => number
  #names: Names
  /** The names after each change since a folder was synced, and before the first. */
  #versions: Names[]
  #order = 0
  readonly #syncs = new Map<
    string,
    { readonly path: string; readonly order: number; readonly names: number }
  >()

  /** Starts with what lies in `folder`, all of it on the disk. */
  constructor(folder: string, random: () => number) {
    this.#random = random
    const there = readdirSync(folder, { recursive: true, withFileTypes: true })
    const entries = there
      .filter((entry) => entry.isFile() || entry.isDirectory())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        const file = entry.isDirectory() ? undefined : { durable: readFileSync(path), pending: [] }
        return [path.slice(folder.length + 1), file] as const
      })
    this.#names = new Map(entries)
    this.#versions = [this.#names]
  }

  play(event: DiskEvent): void {
    this.#order += 1
    if (event.kind === 'answered') return
    if (event.kind === 'sync-started') {
      this.#syncs.set(event.thread, {
        path: event.path,
        order: this.#order,
        names: this.#versions.length - 1,
      })
    } else if (event.kind === 'sync-ended') this.#endSync(event.thread)
    else if (event.kind === 'create' || event.kind === 'mkdir') {
      if (this.#names.has(event.path)) return
      const file = event.kind === 'mkdir' ? undefined : { durable: Buffer.alloc(0), pending: [] }
      this.#rename([...this.#names, [event.path, file]])
    } else if (event.kind === 'link') this.#rename([...this.#names, [event.to, this.#names.get(event.path)]])
    else if (event.kind === 'remove') this.#rename(this.#except(event.path))
    else if (event.kind === 'rename')
      this.#rename([...this.#except(event.path, event.to), [event.to, this.#names.get(event.path)]])
    else if (event.kind === 'write' || event.kind === 'truncate')
      this.#fileAt(event.path)?.pending.push({ ...event, order: this.#order })
  }

  /** Bytes of each file, by its path, with what no sync covers. */
  get sizes(): ReadonlyMap<string, number> {
    const files = [...this.#names].flatMap(([path, file]) =>
      file === undefined ? [] : [[path, file] as const],
    )
    return new Map(files.map(([path, { durable, pending }]) => [path, after(durable, pending).length]))
  }

  /** Bytes that were written and that no sync covers. */
  get unsyncedBytes(): number {
    const changes = [...this.#names.values()].flatMap((file) => file?.pending ?? [])
    return changes.reduce((sum, change) => sum + (change.kind === 'write' ? change.bytes.length : 0), 0)
  }

  /** Writes into a new folder what a power cut at this moment may leave. */
  writeAfterCut(folder: string): void {
    mkdirSync(folder, { mode: 0o700 })
    const left = this.#versions[Math.floor(this.#random() * this.#versions.length)] ?? this.#names
    for (const [name, file] of left) {
      const path = join(folder, name)
      mkdirSync(file === undefined ? path : dirname(path), { recursive: true, mode: 0o700 })
      if (file !== undefined) writeFileSync(path, this.#leftOf(file), { mode: 0o600 })
    }
  }

  #except(...paths: readonly string[]): [string, CutFile | undefined][] {
    return [...this.#names].filter(([name]) => !paths.includes(name))
  }

  #rename(entries: Iterable<[string, CutFile | undefined]>): void {
    this.#names = new Map(entries)
    this.#versions.push(this.#names)
  }

  #fileAt(path: string): CutFile | undefined {
    // A file that was removed while it was open.
    if (path.endsWith(' (deleted)')) return undefined
    const file = this.#names.get(path)
    if (file === undefined) throw new Error(`a change of a file that was not seen created: ${path}`)
    return file
  }

  #endSync(thread: string): void {
    const sync = this.#syncs.get(thread)
    this.#syncs.delete(thread)
    if (sync === undefined) throw new Error('a sync ended that did not start')
    if (sync.path === '' || (this.#names.has(sync.path) && this.#names.get(sync.path) === undefined)) {
      // A folder: the names are on the disk as they were when its sync started.
      const dropped = Math.min(sync.names, this.#versions.length - 1)
      this.#versions = this.#versions.slice(dropped)
      for (const [other, each] of this.#syncs)
        this.#syncs.set(other, { ...each, names: Math.max(0, each.names - dropped) })
      return
    }
    const file = this.#fileAt(sync.path)
    if (file === undefined) return
    file.durable = after(
      file.durable,
      file.pending.filter(({ order }) => order < sync.order),
    )
    file.pending = file.pending.filter(({ order }) => order > sync.order)
  }

  #leftOf({ durable, pending }: CutFile): Buffer {
    const left = pending.flatMap((change) => {
      const chance = this.#random()
      if (chance < 0.4) return []
      if (chance < 0.8 || change.kind === 'truncate') return [change]
      const sectors: Change[] = []
      for (let from = 0; from < change.bytes.length; from += sectorBytes) {
        if (this.#random() < 0.5) continue
        const bytes = change.bytes.subarray(from, from + sectorBytes)
        sectors.push({ ...change, at: change.at + from, bytes })
      }
      return sectors
    })
    return after(durable, left)
  }
}

function after(durable: Buffer, changes: readonly Change[]): Buffer {
  let size = durable.length
  let longest = size
  for (const change of changes) {
    size = change.kind === 'write' ? Math.max(size, change.at + change.bytes.length) : change.length
    longest = Math.max(longest, size)
  }
  const whole = Buffer.alloc(longest)
  durable.copy(whole)
  size = durable.length
  for (const change of changes) {
    if (change.kind === 'write') {
      change.bytes.copy(whole, change.at)
      size = Math.max(size, change.at + change.bytes.length)
    } else {
      whole.fill(0, change.length)
      size = change.length
    }
  }
  return whole.subarray(0, size)
}
