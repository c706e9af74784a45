import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A span as OTLP has it in JSON, as far as tests look at it. */
export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly attributes: readonly { readonly key: string; readonly value: unknown }[]
}

/** A collector that takes spans by OTLP over HTTP. */
export interface OtlpReceiver extends AsyncDisposable {
  readonly address: string
  /** The bodies that came, as text. */
  readonly bodies: readonly string[]
  readonly spans: () => readonly OtlpSpan[]
  /** Once a body has come with which this is so. */
  readonly until: (isSo: (spans: readonly OtlpSpan[]) => boolean) => Promise<readonly OtlpSpan[]>
}

/** @param answer @default 200 and an empty object */
export async function openOtlpReceiver(
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) =>
    void response.setHeader('content-type', 'application/json').end('{}'),
): Promise<OtlpReceiver> {
  const bodies: string[] = []
  const waiting = new Set<() => void>()
  const server = createServer(async (request, response) => {
    bodies.push(Buffer.concat(await request.toArray()).toString())
    answer(request, response)
    for (const wake of [...waiting]) wake()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const spans = (): readonly OtlpSpan[] =>
    bodies.flatMap((body) => {
      const { resourceSpans } = JSON.parse(body) as {
        resourceSpans: readonly { scopeSpans: readonly { spans: readonly OtlpSpan[] }[] }[]
      }
      return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans))
    })
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bodies,
    spans,
    until: (isSo) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!isSo(spans())) return
          waiting.delete(look)
          resolve(spans())
        }
        waiting.add(look)
        look()
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
