import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** Clients that ask one after the other, each on a connection of its own. */
export interface Load {
  /** Asks so often in all. Rejects where an answer is not 200. */
  readonly send: (requests: number) => Promise<void>
  readonly close: () => void
}

/** Parses no more of an answer than where it ends: both sides have the cost of the load. */
export async function openLoad(address: string, key: string, connections: number): Promise<Load> {
  const { hostname, port, host } = new URL(address)
  const body = '{"text":"I love this great product"}'
  const request = Buffer.from(
    `POST /predict HTTP/1.1\r\nhost: ${host}\r\nx-api-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(Number(port), hostname).setNoDelay(true)
      await once(socket, 'connect')
      return socket
    }),
  )
  return {
    async send(requests) {
      let left = requests
      const ask = (socket: Socket): boolean => {
        if (left === 0) return false
        left -= 1
        socket.write(request)
        return true
      }
      await Promise.all(sockets.map((socket) => askInTurn(socket, ask)))
    },
    close() {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Asks again behind each answer, for as long as `ask` does. */
function askInTurn(socket: Socket, ask: (socket: Socket) => boolean): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let got = ''
  function read(bytes: Buffer): void {
    got += bytes.toString('latin1')
    const head = got.indexOf('\r\n\r\n')
    if (head === -1) return
    const [, length = '0'] = /content-length: (\d+)/i.exec(got) ?? []
    if (got.length < head + 4 + Number(length)) return
    if (!got.startsWith('HTTP/1.1 200')) end(new Error(`expected 200, got ${got}`))
    got = ''
    if (!ask(socket)) end()
  }
  function closed(): void {
    end(new Error('the connection was closed'))
  }
  function end(error?: Error): void {
    socket.off('data', read)
    socket.off('close', closed)
    if (error === undefined) resolve()
    else reject(error)
  }
  socket.on('data', read)
  socket.on('close', closed)
  if (!ask(socket)) end()
  return promise
}
