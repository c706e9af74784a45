import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exchange, formatRequest } from '../parity/raw-http.ts'
import type { AdapterTarget } from './adapter-target.ts'

type Listening = Pick<AdapterTarget, 'ask' | 'close'> & { readonly port: number }

/** Has a server listen on a free port of the loopback address. */
export async function listen(server: Server): Promise<Listening> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    port,
    ask: (request) => exchange(port, formatRequest(request)),
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
