import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** A terminal into which blocks are pasted, one after the other; what they export stays. */
export interface Terminal extends AsyncDisposable {
  /**
   * Runs the commands of a block to their end.
   *
   * @throws Error, by rejecting, where one of them fails or reads a variable that is not set
   */
  readonly paste: (commands: string) => Promise<Pasted>
}

export interface Pasted {
  readonly stdout: string
  /** Standard error of this block and of those before. */
  readonly errors: string
  /** The folder in which the terminal is afterwards. */
  readonly folder: string
}

/** A server in a terminal of its own; disposing of this is a Ctrl-C. */
export interface ServerTerminal extends AsyncDisposable {}

export interface TerminalOptions {
  /** Where the terminal opens. */
  readonly folder: string
  readonly env: NodeJS.ProcessEnv
  /** A folder for what must not lie among the reader's own files. */
  readonly scratch: string
}

const strictly = 'set -euo pipefail'

/** Reads the paths of scripts, runs each in this shell, and says where it is when one is done. */
const loop = `${strictly}
while IFS= read -r -u 3 script; do
  . "$script" </dev/null
  printf '\\n\\036%s\\n' "$PWD"
done 3<&0`

export function openTerminal({ folder, env, scratch }: TerminalOptions): Terminal {
  const child = spawn('bash', ['-c', loop], { cwd: folder, env, stdio: 'pipe', detached: true })
  const { closed } = groupOf(child)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  let errors = ''
  child.stderr.on('data', (piece) => {
    errors += String(piece)
  })
  let count = 0
  return {
    async paste(commands) {
      count += 1
      const script = join(scratch, `pasted-${count}.sh`)
      writeFileSync(script, commands)
      child.stdin.write(`${script}\n`)
      const printed: string[] = []
      for (;;) {
        const { value: line, done } = await lines.next()
        if (done === true) {
          await closed
          throw new Error(`a command failed:\n${commands}${printed.join('\n')}\n${errors}`)
        }
        if (line.startsWith('\u001e'))
          return { stdout: printed.join('\n').trimEnd(), errors, folder: line.slice(1) }
        printed.push(line)
      }
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await closed
    },
  }
}

/**
 * Pastes a block that ends with a server, and waits until a line of its output says that it
 * listens.
 *
 * @throws Error, by rejecting, where it ends before
 */
export async function startServer(
  commands: string,
  { folder, env }: Pick<TerminalOptions, 'folder' | 'env'>,
): Promise<ServerTerminal> {
  const child = spawn('bash', ['-c', `${strictly}\n${commands}`], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const { closed, signal } = groupOf(child)
  let output = ''
  const listening = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece) => {
        output += String(piece)
        if (/^.*\b(?:listen(?:s|ing)|running) on http:/m.test(output)) resolve()
      })
  })
  const ended = closed.then(() => {
    throw new Error(`the server ended before it listened:\n${commands}${output}`)
  })
  await Promise.race([listening, ended])
  ended.catch(() => {})
  return {
    async [Symbol.asyncDispose]() {
      signal('SIGINT')
      await closed
    },
  }
}

/** A process and those that it starts, which a Ctrl-C reaches together. */
interface ProcessGroup {
  readonly closed: Promise<void>
  readonly signal: (name: NodeJS.Signals) => void
}

/** Ends the processes with the test: one that runs out of time goes no further by itself. */
function groupOf(child: ChildProcess): ProcessGroup {
  let isClosed = false
  const closed = once(child, 'close').then(() => {
    isClosed = true
  })
  function signal(name: NodeJS.Signals): void {
    if (child.pid !== undefined && !isClosed) process.kill(-child.pid, name)
  }
  onTestFinished(async () => {
    signal('SIGKILL')
    await closed
  })
  return { closed, signal }
}
