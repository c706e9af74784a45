import type { RawAnswer, RawRequest } from '../parity/raw-http.ts'

/**
 * The web-standard form of a request. Its `Headers` join lines of one name by commas, as the Fetch
 * standard says.
 */
export function webRequestOf({
  method = 'POST',
  path = '/predict',
  headers = [],
  body,
}: RawRequest): Request {
  const joined = new Headers()
  for (const [name, value] of headers) joined.append(name, value)
  return new Request(`http://modelward.test${path}`, {
    method,
    headers: joined,
    ...(body !== undefined && { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  })
}

/** A web-standard answer, as the raw client would have read it. */
export async function rawAnswerOf(response: Response): Promise<RawAnswer> {
  const headers = new Map([...response.headers].map(([name, value]) => [name, [value]]))
  return { status: response.status, headers, body: await response.text(), interim: [] }
}
