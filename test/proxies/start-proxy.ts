import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { findFreePort } from '../support/services.ts'
import type { Stage } from './stage.ts'

/** A proxy of a test's own; disposing of it ends it. */
export interface RunningProxy extends AsyncDisposable {
  readonly port: number
  /** All that it has written: its logs, and what it said. */
  readonly logs: () => string
}

export interface ProxyOptions {
  readonly program: string
  /** A file of `examples/proxies`. */
  readonly file: string
  readonly args: (file: string, folder: string) => readonly string[]
  /** Ends it, with all of its processes, whatever is under way. */
  readonly signal: NodeJS.Signals
  /** Changes the file's text further than its ports. */
  readonly change?: (text: string) => string
}

/** Starts a proxy with a file of the examples: nothing but its ports differs, and `change`. */
export async function startProxy(stage: Stage, options: ProxyOptions): Promise<RunningProxy> {
  const { program, file, args, signal, change = (text) => text } = options
  const folder = mkdtempSync(join(stage.folder, 'of-'))
  const port = await findFreePort()
  const text = readFileSync(join('examples/proxies', file), 'utf8')
  const path = join(folder, file)
  writeFileSync(path, change(onPorts(text, { 8080: port, 8000: stage.port, 9000: stage.echo.port })))
  const home = join(folder, 'home')
  mkdirSync(home)
  const said = join(folder, 'said.log')
  const output = openSync(said, 'w')
  // Caddy stores what it has read below these.
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home }
  const child = spawn(program, args(path, folder), { cwd: folder, env, stdio: ['ignore', output, output] })
  closeSync(output)
  const exited = once(child, 'exit')
  while (!(await isOpen(port)))
    if (child.exitCode !== null) throw new Error(`${file}: ${program} ended: ${readFileSync(said, 'utf8')}`)
  return {
    port,
    logs: () =>
      readdirSync(folder)
        .filter((name) => name.endsWith('.log'))
        .map((name) => readFileSync(join(folder, name), 'utf8'))
        .join(''),
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await exited
    },
  }
}

function onPorts(text: string, ports: Readonly<Record<number, number>>): string {
  return text.replaceAll(/\b(?:8080|8000|9000)\b/g, (port) => String(ports[Number(port)]))
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const isOpen = await new Promise<boolean>((resolve) =>
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false)),
  )
  socket.destroy()
  return isOpen
}
