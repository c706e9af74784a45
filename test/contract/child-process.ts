import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** A real process of its own, and the lines it prints. */
export interface ChildProcess {
  /** Resolves with all lines once there are this many; rejects if the process ends first. */
  readonly waitForLines: (count: number) => Promise<readonly string[]>
  /** Writes a line to its standard input. */
  readonly tell: (line: string) => void
  /** SIGSTOP: it does nothing, and hears of nothing, until `thaw`. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** `kill -9`; resolves with all lines once it is gone. */
  readonly kill: () => Promise<readonly string[]>
  readonly ended: Promise<readonly string[]>
}

/** Starts one of the programs of `processes/`. */
export function startProcess(name: string, ...args: readonly string[]): ChildProcess {
  const program = fileURLToPath(new URL(`./processes/${name}.ts`, import.meta.url))
  const child: ChildProcessWithoutNullStreams = spawn(process.execPath, ['--expose-gc', program, ...args])
  const lines: string[] = []
  let errors = ''
  const waiting = new Set<() => void>()
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => {
    lines.push(line)
    for (const look of waiting) look()
  })
  child.stderr.on('data', (data) => {
    errors += String(data)
  })
  const ended = Promise.all([once(child, 'close'), once(reader, 'close')]).then(([[code]]) => {
    if (code !== 0 && code !== null) throw new Error(`${name} ended with ${code}: ${errors}`)
    return lines
  })
  // A caller that kills it, or waits for lines, gets the error there.
  ended.catch(() => {})
  return {
    waitForLines: (count) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (lines.length < count) return
          waiting.delete(look)
          resolve(lines)
        }
        waiting.add(look)
        ended.then(() => reject(new Error(`${name} ended after ${lines.length} lines: ${errors}`)), reject)
        look()
      }),
    tell: (line) => child.stdin.write(`${line}\n`),
    freeze: () => child.kill('SIGSTOP'),
    thaw: () => child.kill('SIGCONT'),
    kill: () => {
      child.kill('SIGKILL')
      return ended
    },
    ended,
  }
}
