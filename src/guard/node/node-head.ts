import type { IncomingMessage } from 'node:http'
import { readClientAddress } from '../../core/client-address.ts'
import type { RequestHead } from '../../core/request-head.ts'

/**
 * The head of a request that Node's HTTP server has read, looked at only as far as a scheme asks.
 */
export class NodeHead implements RequestHead {
  readonly #raw: IncomingMessage
  readonly address: string | undefined
  #query: URLSearchParams | undefined

  /**
   * @param from knows the client's address, as the framework's own request does, which heeds
   *   trusted proxies; read now, for a socket that is closed has none
   */
  constructor(raw: IncomingMessage, from: { readonly ip?: string | undefined }) {
    this.#raw = raw
    this.address = readClientAddress(from.ip)
  }

  /**
   * From the raw field lines: Node's `headers` joins most duplicates with commas and drops a second
   * `Authorization`.
   */
  headerValues(name: string): readonly string[] {
    const { rawHeaders } = this.#raw as { readonly rawHeaders?: readonly string[] }
    // A request that a test tool has made up, such as that of `injectWS`, may have no lines.
    if (rawHeaders === undefined) return [this.#raw.headers[name] ?? []].flat()
    const values: string[] = []
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const field = rawHeaders[index]
      if (field?.length === name.length && field.toLowerCase() === name)
        values.push(rawHeaders[index + 1] ?? '')
    }
    return values
  }

  get query(): string {
    return queryOf(this.#raw.url ?? '')
  }

  queryValues(name: string): readonly string[] {
    this.#query ??= new URLSearchParams(this.query)
    return this.#query.getAll(name)
  }
}

function queryOf(url: string): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start + 1)
}
