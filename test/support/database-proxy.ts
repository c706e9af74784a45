import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A way to a PostgreSQL or a Redis that a test may cut, freeze, slow down, turn or make deaf. */
export interface DatabaseProxy extends AsyncDisposable {
  readonly url: string
  /** Connections stay, and nothing comes through in either direction. */
  readonly freeze: () => void
  readonly thaw: () => void
  /** Leads new connections to another server, and ends those that there are. */
  readonly turnTo: (url: string) => void
}

export interface DatabaseProxyOptions {
  /**
   * `notifications` get lost, as with a pooler in transaction mode: the connection that listens at
   * the server is not the client's. `backend`: so does which process of the server answers, and a
   * client can see that a pooler stands between.
   */
  readonly loses?: 'notifications' | 'backend'
  /** Milliseconds that all takes longer, each way. @default 0 */
  readonly delayMs?: number
}

/** NotificationResponse and BackendKeyData, as PostgreSQL's protocol calls them. */
const [notification, backendKey] = ['A'.charCodeAt(0), 'K'.charCodeAt(0)]

export async function openDatabaseProxy(
  url: string,
  { loses, delayMs = 0 }: DatabaseProxyOptions = {},
): Promise<DatabaseProxy> {
  let target = new URL(url)
  const sockets = new Set<Socket>()
  let isFrozen = false
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname)
    const toClient = late(delayMs, (data) => client.write(data))
    client.setNoDelay().on(
      'data',
      late(delayMs, (data) => upstream.write(data)),
    )
    upstream.setNoDelay().on('data', loses === undefined ? toClient : pooled(loses, toClient))
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      if (isFrozen) socket.pause()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxied = new URL(url)
  proxied.hostname = '127.0.0.1'
  proxied.port = String((server.address() as AddressInfo).port)
  return {
    url: proxied.href,
    freeze() {
      isFrozen = true
      for (const socket of sockets) socket.pause()
    },
    thaw() {
      isFrozen = false
      for (const socket of sockets) socket.resume()
    },
    turnTo(other) {
      target = new URL(other)
      for (const socket of sockets) socket.destroy()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Passes each piece on later, in order: timers of one length end in the order of their start. */
function late(ms: number, pass: (data: Buffer) => void): (data: Buffer) => void {
  return ms === 0 ? pass : (data) => void setTimeout(() => pass(data), ms)
}

/** Messages of a server are a letter, a length of four bytes that counts itself, and a body. */
function pooled(loses: 'notifications' | 'backend', pass: (data: Buffer) => void): (data: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0)
  return (data) => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const message = rest.subarray(0, 1 + rest.readInt32BE(1))
      rest = rest.subarray(message.length)
      if (loses === 'backend' && message[0] === backendKey) message.writeInt32BE(1, 5)
      if (message[0] !== notification) pass(message)
    }
  }
}
