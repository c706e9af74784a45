import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { createFakeLedger } from '../../../test/adapters/fake-ledger.ts'
import { listen } from '../../../test/adapters/listen.ts'
import { keyHeader } from '../../../test/parity/ask.ts'
import { createTestWard } from '../../ward/test-ward.ts'
import { NodeHead } from './node-head.ts'
import { recordResponse } from './recorded-response.ts'

interface Seen {
  readonly where: string
  readonly headersSent: boolean
}

/** A ward whose ledger writes nothing before it is released. */
async function createHeldWard() {
  const ledger = createFakeLedger()
  const { guard, testKeys } = await createTestWard({ ledger, keys: { right: {} } })
  ledger.hold()
  /** Has an admitted answer wait for its record. */
  async function hold(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const exchange = guard.open(response, new NodeHead(request, {}), 'GET', 'id')
    const describe = () => ({ route: '/', requestId: 'id' })
    recordResponse(response, { exchange, describe, onFault: console.error })
    await guard.admit(exchange, {})
  }
  return { ledger, hold, headers: [keyHeader(testKeys.right)] }
}

/** Answers behind a record; tells what `headersSent` says on the way. */
async function answerRecorded(): Promise<readonly Seen[]> {
  const { ledger, hold, headers } = await createHeldWard()
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const see = (where: string): void => void seen.push({ where, headersSent: response.headersSent })
    const { end } = response
    response.end = ((...args: Parameters<ServerResponse['end']>) => {
      see('as the answer leaves')
      return end.apply(response, args)
    }) as ServerResponse['end']
    await hold(request, response)
    see('before')
    response.end('in')
    see('written, and not recorded yet')
    ledger.release()
  })
  const running = await listen(server)
  try {
    const answer = await running.ask({ method: 'GET', path: '/', headers })
    expect([answer.status, answer.body]).toEqual([200, 'in'])
  } finally {
    await running.close()
  }
  return seen
}

test('the handler sees its head sent when it has answered; what sends it, as Bun and middleware do, only when it has left', async () => {
  expect(await answerRecorded()).toEqual([
    { where: 'before', headersSent: false },
    { where: 'written, and not recorded yet', headersSent: true },
    { where: 'as the answer leaves', headersSent: false },
  ])
})

/** Mistakes of a handler, each of which Node throws at it. */
const mistakes: readonly [string, (response: ServerResponse) => unknown][] = [
  ['a second head', (response) => response.writeHead(200).writeHead(500)],
  [
    'a head behind what was written',
    (response) => {
      response.write('in')
      response.writeHead(500)
    },
  ],
  ['a head with status 99', (response) => response.writeHead(99)],
  ['a head with status 1000', (response) => response.writeHead(1_000)],
  ['a head without a status', (response) => response.writeHead(undefined as never)],
  [
    'an end with status 99',
    (response) => {
      response.statusCode = 99
      response.end('in')
    },
  ],
]

test.each(mistakes)('%s is thrown at the handler, as Node does where nothing is held', async (_what, err) => {
  const told: unknown[] = []
  for (const isHeld of [false, true]) {
    const { ledger, hold, headers } = await createHeldWard()
    const server = createServer(async (request, response) => {
      if (isHeld) await hold(request, response)
      let thrown: unknown
      try {
        err(response)
      } catch (error) {
        thrown = error
      }
      const { name, message, code } = thrown as Error & { readonly code: string }
      told.push([name.replace(/ \[.*/, ''), message, code, response.headersSent])
      if (!response.headersSent) response.statusCode = 500
      response.end(' and out')
      ledger.release()
    })
    const running = await listen(server)
    try {
      const { status, body } = await running.ask({ method: 'GET', path: '/', headers })
      told.push([status, body])
    } finally {
      await running.close()
    }
  }
  expect(told.slice(2)).toEqual(told.slice(0, 2))
})
