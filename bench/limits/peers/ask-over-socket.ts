import { once } from 'node:events'
import { Agent, get, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { LimitedApp } from '../limited-app.ts'

/**
 * Asks a server over connections, as clients would. Requests that are injected within one turn of
 * the event loop are counted before any of them is answered, which no socket does, and which some
 * limiters take for too many each.
 */
export async function askOverSocket(
  server: Server,
  key = 'caller',
): Promise<Required<Pick<LimitedApp, 'ask' | 'close'>>> {
  if (!server.listening) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }
  const { port } = server.address() as AddressInfo
  const agent = new Agent({ keepAlive: true, maxSockets: 32 })
  return {
    ask: () =>
      new Promise((resolve, reject) => {
        const request = get({ host: '127.0.0.1', port, agent, headers: { 'x-api-key': key } }, (answer) => {
          answer.resume().on('end', () => {
            const { statusCode } = answer
            if (statusCode === 200 || statusCode === 429) resolve(statusCode === 200)
            else reject(new Error(`expected 200 or 429, got ${statusCode}`))
          })
        })
        request.on('error', reject)
      }),
    async close() {
      agent.destroy()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
