import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NodeHead } from './node/node-head.ts'
import { ambiguous, apiKeyCookie, apiKeyHeader, apiKeyQuery, bearer, readKey } from './scheme.ts'
import { WebHead } from './web/web-head.ts'

const { array, constantFrom, property, stringMatching, tuple } = fc

const name = constantFrom(
  'x-api-key',
  'X-API-Key',
  'X-Api-KEY',
  'authorization',
  'Authorization',
  'cookie',
  'x-api-key2',
  'api-key',
)
/** Visible, a space or a tab, and bytes beyond ASCII, as HTTP lets a field's value be. */
const value = stringMatching(/^[\t -~\x80-\xff]{0,12}$/)
const presented = constantFrom(
  'key',
  'Bearer key',
  'bearer  key',
  'Basic key',
  'k=key',
  'k=key; k=other',
  'a, b',
  'Bearer a,b',
  ' ',
  '',
)
const lines = array(tuple(name, value), { maxLength: 5 })
const likely = array(tuple(name, presented), { maxLength: 3 })
const query = array(
  tuple(constantFrom('key', 'Key', 'k%65y', 'other', ''), stringMatching(/^[a-z0-9+%&=;?/ ]{0,6}$/)),
  { maxLength: 3 },
).map((pairs) => pairs.map(([field, text]) => `${field}=${encodeURI(text)}`).join('&'))

function headsOf(
  fields: readonly (readonly [string, string])[],
  target: string,
): readonly [NodeHead, WebHead] {
  const headers = new Headers()
  for (const [field, text] of fields) headers.append(field, text)
  // As Node's parser hands lines on: without the spaces and tabs around them.
  const rawHeaders = fields.flatMap(([field, text]) => [field, text.replace(/^[\t ]+|[\t ]+$/g, '')])
  // All of a request that a head reads.
  const raw = { rawHeaders, url: target, headers: {} } as unknown as IncomingMessage
  return [new NodeHead(raw, {}), new WebHead(new Request(`http://modelward.test${target}`, { headers }))]
}

test('a head read by Node and a web-standard one tell the same of each header and query parameter', () => {
  fc.assert(
    property(lines, query, (fields, text) => {
      const [node, web] = headsOf(fields, `/predict?${text}`)
      for (const field of ['x-api-key', 'authorization', 'x-api-key2', 'api-key', 'none'])
        expect(web.headerValues(field).join().trim()).toBe(node.headerValues(field).join(', ').trim())
      expect(web.headerValues('cookie').join().trim()).toBe(node.headerValues('cookie').join('; ').trim())
      for (const parameter of ['key', 'Key', 'other', '', 'none'])
        expect(web.queryValues(parameter)).toEqual(node.queryValues(parameter))
    }),
    { numRuns: 1_000 },
  )
})

test('what the web-standard head takes for a key is the one that Node’s does; lines that were joined open nothing', () => {
  const schemes = [
    apiKeyHeader({ name: 'X-API-Key' }),
    bearer(),
    apiKeyCookie({ name: 'k' }),
    apiKeyQuery({ name: 'key' }),
  ]
  fc.assert(
    property(likely, query, (fields, text) => {
      // A second line that reads as a parameter of the first cannot be told from one.
      const [, ...later] = fields.filter(([field]) => field.toLowerCase() === 'authorization')
      fc.pre(!later.some(([, line]) => /^[^ ,]+=/.test(line)))
      const [node, web] = headsOf(fields, `/predict?${text}`)
      const byWeb = readKey(schemes, web)
      const byNode = readKey(schemes, node)
      if (typeof byWeb === 'string') expect(byWeb).toBe(byNode)
      if (byNode === ambiguous) expect(byWeb).not.toBeTypeOf('string')
    }),
    { numRuns: 2_000 },
  )
})
