import { createServer, type ServerResponse } from 'node:http'
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

/** Answers behind a record; tells what `headersSent` says on the way. */
async function answerRecorded(): Promise<readonly Seen[]> {
  const ledger = createFakeLedger()
  const { guard, testKeys } = await createTestWard({ ledger, keys: { right: {} } })
  ledger.hold()
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    const see = (where: string): void => void seen.push({ where, headersSent: response.headersSent })
    const { end } = response
    response.end = ((...args: Parameters<ServerResponse['end']>) => {
      see('as the answer leaves')
      return end.apply(response, args)
    }) as ServerResponse['end']
    const exchange = guard.open(response, new NodeHead(request, {}), 'GET', 'id')
    const describe = () => ({ route: '/', requestId: 'id' })
    recordResponse(response, { exchange, describe, onFault: console.error })
    await guard.admit(exchange, {})
    see('before')
    response.end('in')
    see('written, and not recorded yet')
    ledger.release()
  })
  const running = await listen(server)
  try {
    const answer = await running.ask({ method: 'GET', path: '/', headers: [keyHeader(testKeys.right)] })
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
