import { readClientAddress } from '../../core/client-address.ts'
import type { RequestHead } from '../../core/request-head.ts'

/**
 * The head of a web-standard request. Its `Headers` join lines of one name by commas (Fetch
 * standard, "get a header value"): a key sent twice is one value with a comma, which the guard
 * takes for two.
 */
export class WebHead implements RequestHead {
  readonly joinsLines = true
  readonly address: string | undefined
  readonly #request: Request
  #query: URLSearchParams | undefined

  /**
   * @param address the client's, where the runtime gives it; undefined refuses every key that has
   *   an address list
   */
  constructor(request: Request, address?: string) {
    this.#request = request
    this.address = readClientAddress(address)
  }

  headerValues(name: string): readonly string[] {
    const value = this.#request.headers.get(name)
    return value === null ? [] : [value]
  }

  get query(): string {
    return new URL(this.#request.url).search.slice(1)
  }

  queryValues(name: string): readonly string[] {
    this.#query ??= new URL(this.#request.url).searchParams
    return this.#query.getAll(name)
  }
}
