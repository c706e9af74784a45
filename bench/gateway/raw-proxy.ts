// A peer of the benchmark: forwards headers and body over undici, and the answer back.
//   node bench/gateway/raw-proxy.ts request|dispatch
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { type Dispatcher, Pool } from 'undici'

const { BENCH_PORT, BENCH_UPSTREAM = '' } = process.env
const pool = new Pool(BENCH_UPSTREAM, {
  allowH2: false,
  pipelining: 1,
  connections: 2_048,
  headersTimeout: 0,
  bodyTimeout: 0,
})

type Forward = (request: IncomingMessage, response: ServerResponse, body: Buffer) => Promise<void>

/** Of a connection, not of what is sent over it. */
const ownHeaders = ['connection', 'keep-alive', 'transfer-encoding', 'host', 'expect']

function withoutOwn<Value>(headers: Readonly<Record<string, Value>>): Record<string, Value> {
  const kept: Record<string, Value> = {}
  for (const name in headers) if (!ownHeaders.includes(name)) kept[name] = headers[name] as Value
  return kept
}

function requestOf(request: IncomingMessage, body: Buffer): Dispatcher.DispatchOptions {
  return {
    path: request.url ?? '/',
    method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
    headers: withoutOwn<IncomingHttpHeaders[string]>(request.headers),
    body: body.length === 0 ? null : body,
  }
}

const byRequest: Forward = async (request, response, body) => {
  const answer = await pool.request(requestOf(request, body))
  response.writeHead(answer.statusCode, withoutOwn(answer.headers))
  await pipeline(answer.body, response)
}

const byDispatch: Forward = (request, response, body) => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  pool.dispatch(requestOf(request, body), {
    onRequestStart(controller) {
      response.on('drain', () => controller.resume())
      response.on('close', () => {
        if (!response.writableFinished) controller.abort(new Error('the client is gone'))
      })
    },
    onResponseStart(_, status, headers) {
      response.writeHead(status, withoutOwn(headers))
    },
    onResponseData(controller, piece) {
      if (!response.write(piece)) controller.pause()
    },
    onResponseEnd() {
      response.end()
      resolve()
    },
    onResponseError(_, error) {
      reject(error)
    },
  })
  return promise
}

const forward = process.argv[2] === 'request' ? byRequest : byDispatch

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    await forward(request, response, await buffer(request))
  } catch {
    if (response.headersSent) response.destroy()
    else response.writeHead(502).end()
  }
}

createServer((request, response) => void answer(request, response)).listen(Number(BENCH_PORT), '127.0.0.1')
