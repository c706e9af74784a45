import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import { createHttpServer } from './http-server.ts'

test('a response is closed with its connection, whether its turn had come or not, and answered or not', async () => {
  const responses: ServerResponse[] = []
  const came = Promise.withResolvers<void>()
  const server = createHttpServer(
    (_request, response) => {
      if (responses.push(response) === 2) response.end('<1>')
      if (responses.length === 3) came.resolve()
    },
    { headersMax: 16_384, requestTimeout: 30_000 },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3))
  await came.promise
  const closing = responses.map((response) => once(response, 'close'))
  client.destroy()
  await Promise.all(closing)
  expect(
    responses.map(({ closed, destroyed, writableFinished }) => [closed, destroyed, writableFinished]),
  ).toEqual(Array(3).fill([true, true, false]))
  // What comes too late goes nowhere, and breaks nothing.
  for (const response of responses.filter(({ writableEnded }) => !writableEnded)) response.end('<late>')
  server.close()
  await once(server, 'close')
})
