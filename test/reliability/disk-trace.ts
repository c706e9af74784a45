/**
 * What a process did to the files of one folder and what it answered on its sockets, in the order
 * that `strace` saw it.
 */
export type DiskEvent =
  | { readonly kind: 'create' | 'remove' | 'mkdir'; readonly path: string }
  | { readonly kind: 'rename' | 'link'; readonly path: string; readonly to: string }
  | { readonly kind: 'write'; readonly path: string; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly path: string; readonly length: number }
  /** A sync covers what was written before it started, and holds once it has ended. */
  | { readonly kind: 'sync-started' | 'sync-ended'; readonly path: string; readonly thread: string }
  | { readonly kind: 'answered'; readonly requestId: string }

/** The system calls to trace: all that Node.js and SQLite change files with, and answer with. */
export const tracedCalls = [
  ['openat', 'mkdir', 'unlink', 'unlinkat', 'rename', 'renameat', 'renameat2', 'link', 'ftruncate'],
  ['write', 'writev', 'pwrite64', 'pwritev', 'fsync', 'fdatasync'],
].flat()

interface OpenFile {
  readonly append: boolean
  at: number
}

interface Call {
  readonly thread: string
  readonly name: string
  readonly text: string
}

/**
 * Reads a trace of `strace -f -qq -y -xx`. Throws at a call that changes the folder in a way that
 * is not played back, so that no trace is read by halves.
 *
 * @param folder absolute path; events tell paths from there on
 * @param sizes bytes of the files that were there before, by their paths
 */
export function readTrace(
  lines: Iterable<string>,
  folder: string,
  sizes: ReadonlyMap<string, number>,
): readonly DiskEvent[] {
  const reader = new TraceReader(folder, sizes)
  for (const line of lines) reader.read(line)
  return reader.events
}

class TraceReader {
  readonly events: DiskEvent[] = []
  readonly #folder: string
  /** The call that each thread has started and not ended. */
  readonly #started = new Map<string, Call>()
  /** By the number of the file's descriptor. */
  readonly #open = new Map<string, OpenFile>()
  readonly #sizes: Map<string, number>

  constructor(folder: string, sizes: ReadonlyMap<string, number>) {
    this.#folder = folder
    this.#sizes = new Map(sizes)
  }

  read(line: string): void {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/s.exec(line) ?? []
    const [resumed, end = ''] = /^<\.\.\. \w+ resumed>(.*)$/s.exec(rest) ?? []
    if (resumed !== undefined) {
      const call = this.#started.get(thread)
      this.#started.delete(thread)
      if (call !== undefined) this.#end({ ...call, text: call.text + end }, resultOf(end))
      return
    }
    const [, name, text = ''] = /^(\w+)\((.*)$/s.exec(rest) ?? []
    if (name === undefined) return
    const call = { thread, name, text: text.replace(/ <unfinished \.\.\.>$/, '') }
    this.#begin(call)
    if (text.endsWith('<unfinished ...>')) this.#started.set(thread, call)
    else this.#end(call, resultOf(text))
  }

  #begin({ thread, name, text }: Call): void {
    if (name === 'fsync' || name === 'fdatasync') {
      const path = this.#inside(pathOfFile(text))
      if (path !== undefined) this.events.push({ kind: 'sync-started', path, thread })
    }
    if (name === 'write' || name === 'writev') {
      const requestId = requestIdOf(text)
      if (requestId !== undefined) this.events.push({ kind: 'answered', requestId })
    }
  }

  #end(call: Call, result: number): void {
    if (result < 0) return
    const { name, text, thread } = call
    if (['openat', 'mkdir', 'unlink', 'unlinkat', 'link'].includes(name) || name.startsWith('rename')) {
      this.#named(call, result)
      return
    }
    const path = this.#inside(pathOfFile(text))
    if (path === undefined) return
    if (name === 'fsync' || name === 'fdatasync') this.events.push({ kind: 'sync-ended', path, thread })
    else if (name === 'ftruncate') this.#truncated(path, lastNumber(text))
    else if (name === 'write' || name === 'pwrite64') this.#wrote(call, path, result)
    else throw new Error(`${name} is not played back: ${path}`)
  }

  /** A call that tells names, in place of an open file. */
  #named({ name, text }: Call, result: number): void {
    const paths = stringsOf(text).map((bytes) => this.#inside(bytes.toString()))
    const [path, to] = paths
    if (paths.every((each) => each === undefined) || path === '') return
    if (path !== undefined && name === 'openat') this.#opened(text, path, result)
    else if (path !== undefined && name === 'mkdir') this.events.push({ kind: 'mkdir', path })
    else if (path !== undefined && name.startsWith('unlink')) {
      this.#sizes.delete(path)
      this.events.push({ kind: 'remove', path })
    } else if (path !== undefined && to !== undefined) {
      this.#sizes.set(to, this.#sizes.get(path) ?? 0)
      if (name !== 'link') this.#sizes.delete(path)
      this.events.push({ kind: name === 'link' ? 'link' : 'rename', path, to })
    } else throw new Error(`${name} is not played back: ${paths.join(', ')}`)
  }

  #opened(text: string, path: string, descriptor: number): void {
    this.#open.set(String(descriptor), { append: text.includes('O_APPEND'), at: 0 })
    if (text.includes('O_CREAT') && !this.#sizes.has(path)) {
      this.#sizes.set(path, 0)
      this.events.push({ kind: 'create', path })
    }
    if (text.includes('O_TRUNC')) this.#truncated(path, 0)
  }

  #truncated(path: string, length: number): void {
    this.#sizes.set(path, length)
    this.events.push({ kind: 'truncate', path, length })
  }

  #wrote({ name, text }: Call, path: string, count: number): void {
    const bytes = (stringsOf(text)[0] ?? Buffer.alloc(0)).subarray(0, count)
    if (bytes.length !== count) throw new Error(`a write of ${count} bytes was traced with ${bytes.length}`)
    let at = lastNumber(text)
    if (name === 'write') {
      const file = this.#open.get(/^(\d+)</.exec(text)?.[1] ?? '')
      if (file === undefined) throw new Error(`a write to a file that was not seen opened: ${path}`)
      at = file.append ? (this.#sizes.get(path) ?? 0) : file.at
      file.at = at + count
    }
    this.#sizes.set(path, Math.max(this.#sizes.get(path) ?? 0, at + count))
    this.events.push({ kind: 'write', path, at, bytes })
  }

  /** The path from the folder on; the folder itself is the empty text. */
  #inside(path: string): string | undefined {
    if (path === this.#folder) return ''
    return path.startsWith(`${this.#folder}/`) ? path.slice(this.#folder.length + 1) : undefined
  }
}

function resultOf(text: string): number {
  return Number(/\) += (-?\d+)[^)"]*$/.exec(text)?.[1] ?? -1)
}

function lastNumber(text: string): number {
  return Number(/, (\d+)\) += /.exec(text)?.[1])
}

/** The path of the file that a call works on, by its first argument. */
function pathOfFile(text: string): string {
  return bytesOf(/^\d+<((?:\\x[0-9a-f]{2})*)>/.exec(text)?.[1]).toString()
}

function requestIdOf(text: string): string | undefined {
  const sent = Buffer.concat(stringsOf(text)).toString('latin1')
  return /^HTTP\/1\.1 .*\r\nx-request-id: ([\w-]+)\r\n/is.exec(sent)?.[1]
}

function stringsOf(text: string): readonly Buffer[] {
  return [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex]) => bytesOf(hex))
}

function bytesOf(hex = ''): Buffer {
  return Buffer.from(hex.replaceAll('\\x', ''), 'hex')
}
