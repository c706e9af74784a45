import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface LoadOptions {
  readonly url: string
  readonly header: { readonly name: string; readonly value: string }
  readonly body: string
  /** The header `Prefer`. @default none */
  readonly prefer?: string
  /** Sent beside the others. @default none */
  readonly headers?: Readonly<Record<string, string>>
  readonly seconds: number
  readonly connections: number
  /** The core the generator runs on; undefined: any. */
  readonly core: number | undefined
}

export interface LoadOutcome {
  readonly requests: number
  readonly microseconds: number
  /** Answers with a status of 400 and up. */
  readonly refused: number
  /** Connections and answers that failed or came too late. */
  readonly broken: number
  /** Latency in microseconds. */
  readonly p50: number
  readonly p99: number
}

const script = fileURLToPath(new URL('./predict.lua', import.meta.url))
const run = promisify(execFile)
const installer = 'apt-get'

/** Sends one request again and again over kept-alive connections for some seconds. */
export async function putLoad(options: LoadOptions): Promise<LoadOutcome> {
  const { url, header, body, prefer, headers = {}, seconds, connections, core } = options
  const load = ['wrk', '--threads', '1', '--connections', `${connections}`, '--duration', `${seconds}s`]
  const command = [
    ...(core === undefined ? [] : ['taskset', '-c', `${core}`]),
    ...load,
    '--script',
    script,
    url,
  ]
  const { stdout } = await run(command[0] ?? '', command.slice(1), {
    env: {
      ...process.env,
      BENCH_HEADER_NAME: header.name,
      BENCH_HEADER_VALUE: header.value,
      BENCH_BODY: body,
      ...(prefer !== undefined && { BENCH_PREFER: prefer }),
      BENCH_MORE_HEADERS: Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}`)
        .join('\n'),
    },
    timeout: (seconds + 20) * 1_000,
  })
  const [, result] = /^RESULT (.*)$/m.exec(stdout) ?? []
  if (result === undefined) throw new Error(`wrk gave no result:\n${stdout}`)
  return JSON.parse(result) as LoadOutcome
}

/** Whether a program can be run. */
export function isInstalled(program: string, ...args: readonly string[]): boolean {
  const { error } = spawnSync(program, args, { stdio: 'ignore' })
  return error === undefined
}

/** Installs `wrk` from Debian's packages where we may; says what to do where we may not. */
export function installWrk(tell: (message: string) => void): void {
  if (isInstalled('wrk', '--version')) return
  if (isInstalled(installer, '--version') && process.getuid?.() === 0) {
    tell('installing wrk from Debian’s packages')
    const { status } = spawnSync(installer, ['install', '-y', 'wrk'], { stdio: ['ignore', 2, 2] })
    if (status === 0 && isInstalled('wrk', '--version')) return
  }
  throw new Error('the load generator `wrk` is not installed; on Debian: apt-get install wrk')
}
