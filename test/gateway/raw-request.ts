import { type IncomingHttpHeaders, request as send } from 'node:http'

/** A request whose path and headers leave exactly as they are written here. */
export interface RawRequest {
  readonly method?: string
  readonly path: string
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Sends a request that `fetch` would rewrite or refuse: `..`, `CONNECT`, an upgrade. */
export function rawRequest(
  url: string,
  { method = 'GET', path, key = '', headers = {}, body }: RawRequest,
): Promise<RawAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  const { hostname, port } = new URL(url)
  const request = send({
    hostname,
    port,
    method,
    path,
    agent: false,
    headers: { ...(key !== '' && { authorization: `Bearer ${key}` }), ...headers },
  })
  request.on('response', (response) => {
    const pieces: Buffer[] = []
    response.on('data', (piece: Buffer) => pieces.push(piece))
    response.on('error', reject)
    response.on('end', () =>
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        text: Buffer.concat(pieces).toString(),
      }),
    )
  })
  const opened = (event: string) => () => reject(new Error(`the server answered with an ${event}`))
  request.on('connect', (response, socket) => {
    // Any answer to CONNECT comes so, also one that refuses.
    socket.destroy()
    resolve({ status: response.statusCode ?? 0, headers: response.headers, text: '' })
  })
  request.on('upgrade', opened('upgrade'))
  request.on('error', reject)
  request.end(body)
  return promise
}
