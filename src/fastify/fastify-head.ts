import type { FastifyRequest } from 'fastify'
import type { RequestHead } from '../core/request-head.ts'

/** The head of a Fastify request, read only as far as a scheme asks. */
export class FastifyHead implements RequestHead {
  readonly #request: FastifyRequest
  #query: URLSearchParams | undefined

  constructor(request: FastifyRequest) {
    this.#request = request
  }

  /** From the raw field lines: Node's `headers` joins most duplicates with commas and drops a second `Authorization`. */
  headerValues(name: string): readonly string[] {
    const { rawHeaders } = this.#request.raw
    const values: string[] = []
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const given = rawHeaders[index]
      if (given?.length === name.length && given.toLowerCase() === name)
        values.push(rawHeaders[index + 1] ?? '')
    }
    return values
  }

  queryValues(name: string): readonly string[] {
    this.#query ??= new URLSearchParams(queryOf(this.#request.raw.url ?? ''))
    return this.#query.getAll(name)
  }

  get address(): string | undefined {
    return this.#request.ip
  }
}

function queryOf(url: string): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start + 1)
}
