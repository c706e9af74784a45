import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { currentAnswer } from './current-answer.ts'

/** How often connections that have fallen idle are looked for while closing, in milliseconds. */
const reapMs = 50

/** How long what is ended at the end of the grace has for its last bytes, in milliseconds. */
const lastWordsMs = 500

/** Every open connection: Node reports only those that have sent a request. */
export function trackConnections(server: Server): ReadonlySet<Socket> {
  const connections = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    connections.add(socket)
    socket.once('close', () => connections.delete(socket))
  })
  return connections
}

/** Requests that are being answered. */
export function countUnderWay(connections: ReadonlySet<Socket>): number {
  return [...connections].filter((socket) => currentAnswer(socket) !== undefined).length
}

/**
 * Accepts no more connections, closes the idle ones, waits for the requests under way, and cuts off
 * what is left after the grace. Answers carry `Connection: close` meanwhile.
 *
 * @param endCalls ends what is left in its own way before it is cut off
 */
export async function closeApp(
  app: FastifyInstance,
  connections: ReadonlySet<Socket>,
  graceMs: number,
  endCalls?: () => Promise<void>,
): Promise<void> {
  for (const socket of connections) {
    // Browsers open connections ahead of need; Node counts one that has sent nothing as busy.
    if (socket.bytesRead === 0) socket.destroy()
    const answer = currentAnswer(socket)
    if (answer !== undefined) answer.shouldKeepAlive = false
  }
  // An answer that had begun already promised to keep its connection.
  const reap = setInterval(() => app.server.closeIdleConnections(), reapMs)
  const destroyAll = (): void => {
    for (const socket of connections) socket.destroy()
  }
  let cut = setTimeout(() => {
    if (endCalls === undefined) destroyAll()
    else {
      cut = setTimeout(destroyAll, lastWordsMs)
      void endCalls()
    }
  }, graceMs)
  try {
    await app.close()
  } finally {
    clearTimeout(cut)
    clearInterval(reap)
  }
}
