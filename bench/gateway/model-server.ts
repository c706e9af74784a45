import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** What a stream is made of: a request says it in `user`, which every gateway passes on. */
export interface StreamShape {
  /** Names the stream. */
  readonly id: number
  readonly events: number
  readonly pauseMs: number
  /** Bytes of each event's text. */
  readonly bytes: number
}

export interface ModelServer {
  readonly port: number
  /**
   * When the connection of a stream was closed before its end, by its id: milliseconds by
   * `performance.now()`.
   */
  readonly closedAt: ReadonlyMap<number, number>
}

/** A model server of the API of OpenAI that costs next to nothing beside what is measured. */
export async function startModelServer(): Promise<ModelServer> {
  const closedAt = new Map<number, number>()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    if (request.method !== 'POST') json(response, request.url === '/v1/models' ? listed : '{}')
    else if (body.includes('"stream":true'))
      stream(response, shapeIn(body), body.includes('"include_usage":true'))
    else json(response, whole)
  }

  function stream(
    response: ServerResponse,
    { id, events, pauseMs, bytes }: StreamShape,
    saysUsage: boolean,
  ): void {
    const event = eventOf('x'.repeat(bytes))
    let sent = 0
    response.on('close', () => {
      if (!response.writableFinished) closedAt.set(id, performance.now())
    })
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const send = (): boolean => {
      sent += 1
      if (sent < events) return response.write(event)
      response.end(event + (saysUsage ? usageEvent : '') + 'data: [DONE]\n\n')
      return false
    }
    if (pauseMs > 0) {
      const timer = setInterval(send, pauseMs)
      response.on('close', () => clearInterval(timer))
      response.on('finish', () => clearInterval(timer))
      send()
      return
    }
    const sendAll = (): void => {
      while (!response.destroyed && send());
    }
    response.on('drain', sendAll)
    sendAll()
  }

  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, closedAt }
}

export function writeShape({ id, events, pauseMs, bytes }: StreamShape): string {
  return `${id} ${events} ${pauseMs} ${bytes}`
}

function shapeIn(body: string): StreamShape {
  const [id = 0, events = 1, pauseMs = 0, bytes = 1] =
    /"user":"([\d ]+)"/.exec(body)?.[1]?.split(' ').map(Number) ?? []
  return { id, events, pauseMs, bytes }
}

function json(response: ServerResponse, body: string): void {
  response
    .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    .end(body)
}

const listed = JSON.stringify({
  object: 'list',
  data: [{ id: 'm', object: 'model', created: 1, owned_by: 'bench' }],
})
const usage = { prompt_tokens: 20, completion_tokens: 80, total_tokens: 100 }
/** 0.6 KB. */
const whole = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'The sky scatters short waves most. '.repeat(11).trim() },
      finish_reason: 'stop',
    },
  ],
  usage,
})

const eventOf = (content: string): string =>
  `data: ${JSON.stringify(pieceOf([{ index: 0, delta: { content } }]))}\n\n`
const usageEvent = `data: ${JSON.stringify({ ...pieceOf([]), usage })}\n\n`

function pieceOf(choices: readonly unknown[]): object {
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', choices }
}
