import { onTestFinished } from 'vitest'
import type { ServerOptions } from '../../src/server/server-options.ts'
import { startServer } from '../../src/server/start-server.ts'
import { temporaryFolder } from '../e2e/run-cli.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { testUpstream } from '../support/test-upstream.ts'

export interface UpstreamServer {
  readonly address: string
  /** A chat with the model `fast`, by the first key. */
  readonly ask: (body?: object, init?: RequestInit) => Promise<Response>
}

/** A server whose model `fast` is asked of these upstreams of Ollama, in turn. */
export async function startBefore(
  urls: readonly string[],
  more: Partial<ServerOptions>,
): Promise<UpstreamServer> {
  const folder = temporaryFolder()
  const upstreams = urls.map((url, index) => testUpstream({ preset: 'ollama', name: `up-${index}`, url }))
  const to = upstreams.map(({ name }) => ({ upstream: name, model: 'llama3.2:3b' }))
  let demo = ''
  const { address, close } = await startServer({
    ...serverDefaults,
    data: `${folder.path}/data`,
    servedModels: [],
    scheme: ['bearer'],
    gateway: {
      upstreams,
      models: [{ name: 'fast', to, limits: [] }],
      bodyMax: 1_048_576,
      answerMax: 1_048_576,
    },
    logStream: { write: () => {} },
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) ({ demo } = report.keys)
    },
    ...more,
  })
  onTestFinished(async () => {
    await close()
    folder[Symbol.dispose]()
  })
  return {
    address,
    ask: (body, init) =>
      fetch(`${address}/v1/chat/completions`, {
        ...init,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${demo}`,
          ...init?.headers,
        },
        body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'hello' }], ...body }),
      }),
  }
}
