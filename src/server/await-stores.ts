import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Fault } from '../core/fault.ts'
import { problemOf } from '../core/problem.ts'
import type { Scheduler } from '../core/scheduler.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { createHttpServer, type HttpServerOptions } from './http/http-server.ts'
import { listenErrorOf } from './listen-error.ts'

export interface AwaitStoresOptions extends Pick<HttpServerOptions, 'headersMax' | 'requestTimeout'> {
  readonly host: string
  readonly port: number
  readonly scheduler: Scheduler
  readonly telemetry: Telemetry
}

/** Milliseconds between two tries. */
const pauseMs = 1_000

/**
 * Opens what the server needs. Where that fails for stores that cannot be reached just now, listens
 * meanwhile and answers 503 (`/health`: 200), and tries again each second until they are there: a
 * fleet's database and nodes may start in any order.
 *
 * @throws SetupError `address_in_use`, `address_unavailable`
 * @throws whatever `open` rejects with that waiting cannot mend, such as a SetupError
 */
export async function awaitStores<Opened>(
  open: () => Promise<Opened>,
  options: AwaitStoresOptions,
): Promise<Opened> {
  let waiting: Server | undefined
  try {
    return await untilReached(open, options.scheduler, async (fault) => {
      if (waiting !== undefined) return
      options.telemetry.event('server.stores_awaited', {}, fault)
      waiting = await listen(options, fault)
    })
  } finally {
    await close(waiting)
  }
}

/**
 * Does something again each second for as long as it fails with a fault.
 *
 * @param onFault called before each wait
 * @throws whatever else it rejects with
 */
export async function untilReached<Done>(
  run: () => Promise<Done>,
  scheduler: Scheduler,
  onFault: (fault: Fault) => Promise<void> = async () => {},
): Promise<Done> {
  for (;;) {
    const done = await run().catch(faultOf)
    if (!(done instanceof Fault)) return done
    await onFault(done)
    await new Promise<void>((resolve) => scheduler.after(pauseMs, resolve))
  }
}

function faultOf(thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  throw thrown
}

async function listen({ host, port, ...options }: AwaitStoresOptions, fault: Fault): Promise<Server> {
  const server = createHttpServer((request, response) => answer(request, response, fault), options)
  server.listen({ host, port })
  await once(server, 'listening').catch((cause: unknown) => {
    throw listenErrorOf(cause, { host, port })
  })
  return server
}

/** Each on a connection of its own: the server that follows listens on the same port. */
function answer({ url, method }: IncomingMessage, response: ServerResponse, fault: Fault): void {
  response.setHeader('connection', 'close')
  response.setHeader('x-content-type-options', 'nosniff')
  if (url === '/health' && (method === 'GET' || method === 'HEAD')) {
    response.setHeader('content-type', 'application/json; charset=utf-8').end('{"status":"ok"}')
    return
  }
  const requestId = randomUUID()
  const { status, headers, body } = problemOf(new Fault(fault.code, fault.message), requestId)
  response.writeHead(status, { ...headers, 'x-request-id': requestId }).end(JSON.stringify(body))
}

async function close(server: Server | undefined): Promise<void> {
  if (server === undefined) return
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
