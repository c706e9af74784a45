import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { bearerHeader, createKey, main } from '../contest/contestant.ts'
import { repositoryFolder } from '../repository-folder.ts'
import { findFreePort, type ServerProcess, startServerProcess } from '../server-process.ts'

export type SideName = 'modelward' | 'request' | 'dispatch' | 'portkey'

interface Place {
  readonly port: number
  readonly upstream: string
  readonly data: string
}

/** What stands before the model server. */
export interface Side {
  readonly name: SideName
  readonly describes: string
  /** Why it cannot take part on this machine. */
  readonly missing?: string
  readonly command: (place: Place) => readonly [string, ...string[]]
  /** Beside the key; what a client sends. */
  readonly headers: (upstream: string) => Readonly<Record<string, string>>
}

const rawProxy = fileURLToPath(new URL('raw-proxy.ts', import.meta.url))
const portkeyFolder = fileURLToPath(new URL('portkey', import.meta.url))
const portkey = join(portkeyFolder, 'node_modules/@portkey-ai/gateway/build/start-server.js')

/** Counted for each call, and never reached. */
const limits = ['1000000000/min', '1000000000 tokens/min']

export const sides: readonly Side[] = [
  {
    name: 'modelward',
    describes: 'Modelward, a durable record, a limit on requests and one on tokens',
    command: ({ port, upstream, data }) => {
      const config = `${data}.json`
      // An owner has half of an upstream's places, and a thousand streams are of one.
      const local = { url: upstream, preset: 'vllm', connectionsMax: 2_048 }
      writeFileSync(config, JSON.stringify({ upstreams: { local } }))
      return [process.execPath, main, 'serve', '--port', `${port}`, '--data', data, '--config', config]
    },
    headers: () => ({}),
  },
  {
    name: 'dispatch',
    describes: 'node:http and undici `dispatch`, forwards and does nothing else',
    command: () => [process.execPath, rawProxy, 'dispatch'],
    headers: () => ({}),
  },
  {
    name: 'request',
    describes: 'node:http and undici `request()`, forwards and does nothing else',
    command: () => [process.execPath, rawProxy, 'request'],
    headers: () => ({}),
  },
  {
    name: 'portkey',
    describes: 'Portkey’s gateway 1.15.2, `x-portkey-custom-host`',
    ...(!existsSync(portkey) && { missing: 'not installed (npm install --prefix bench/gateway/portkey)' }),
    command: ({ port }) => [process.execPath, portkey, `--port=${port}`, '--headless'],
    headers: (upstream) => ({
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `${upstream}/v1`,
    }),
  },
]

/** A side that runs. */
export interface OpenSide {
  readonly side: Side
  readonly server: ServerProcess
  readonly port: number
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

const startMsMax = 60_000

/** Starts a side on a port of its own, and waits until it answers a call. */
export async function openSide(
  side: Side,
  folder: string,
  upstream: string,
  core: number | undefined,
): Promise<OpenSide> {
  const port = await findFreePort()
  const data = join(folder, side.name)
  const key = side.name === 'modelward' ? createKey(data, limits) : 'unused'
  const server = startServerProcess({
    command: side.command({ port, upstream, data }),
    core,
    cwd: repositoryFolder,
    environment: { BENCH_PORT: `${port}`, BENCH_UPSTREAM: upstream, NODE_ENV: 'production' },
    logFile: join(folder, `${side.name}.log`),
  })
  const { name, value } = bearerHeader(key)
  const open: OpenSide = {
    side,
    server,
    port,
    url: `http://127.0.0.1:${port}${callPath}`,
    headers: { [name]: value, ...side.headers(upstream) },
  }
  const deadline = performance.now() + startMsMax
  for (let said = ''; ; await delay(100)) {
    said = await callOf(open)
    if (said === '') return open
    if (!server.isRunning() || performance.now() > deadline)
      throw new Error(`${side.name} did not start: ${said}\n${server.readLog().slice(-2_000)}`)
  }
}

export const callPath = '/v1/chat/completions'

/** A prompt of 60 bytes. */
export const wholeCall: string = JSON.stringify({
  model: 'm',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'Why is the sky blue, and why is the sunset not? Answer briefly.' }],
})

/** Empty where a call is answered as the model server does. */
async function callOf({ url, headers }: OpenSide): Promise<string> {
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: wholeCall,
    })
    const text = await answer.text()
    return answer.status === 200 && text.includes('"total_tokens":100') ? '' : `${answer.status} ${text}`
  } catch (error) {
    return String(error)
  }
}
