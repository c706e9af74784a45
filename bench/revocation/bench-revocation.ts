import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { openTestSchema, useServices } from '../../test/support/services.ts'
import { startServices } from '../../test/support/start-services.ts'
import type { Bench } from '../bench.ts'
import { formatNumber, percentileOf } from '../statistics.ts'
import { openNode } from './open-node.ts'

const wanted = { p50: 20, p99: 50 }

/** How long a key that one node revokes is still admitted by another, in a process of its own. */
export const benchRevocation: Bench = async ({ rounds = 200 }, tell) => {
  const services = await startServices()
  useServices(services.socket)
  const { url, drop } = await openTestSchema()
  const ward = await openNode(url)
  const program = fileURLToPath(new URL('./admitting-node.ts', import.meta.url))
  const child = fork(program, [url])
  const next = async <Message>(): Promise<Message> => (await once(child, 'message'))[0]
  try {
    await next()
    const [sinceCall, sinceAnswer] = [new Float64Array(rounds), new Float64Array(rounds)]
    for (let round = 0; round < rounds; round += 1) {
      if (round % 50 === 0) tell(`revocation: ${round} of ${rounds}`)
      const { record, text } = await ward.keys.create({ name: `key ${round}` })
      child.send(text)
      await next()
      const refused = next<{ readonly refused: string }>()
      const called = process.hrtime.bigint()
      await ward.keys.revoke(record.id)
      const answered = process.hrtime.bigint()
      const at = BigInt((await refused).refused)
      sinceCall[round] = Number(at - called) / 1e6
      sinceAnswer[round] = Math.max(0, Number(at - answered) / 1e6)
    }
    const row = (name: string, samples: Float64Array): readonly string[] => [
      name,
      ...[0.5, 0.99, 1].map((share) => formatNumber(percentileOf(samples, share), 1)),
    ]
    const [p50, p99] = [percentileOf(sinceCall, 0.5), percentileOf(sinceCall, 0.99)]
    return {
      name: 'revocation',
      tables: [
        {
          title: `A key revoked on one node, until another refuses it, milliseconds, ${rounds} times`,
          columns: ['since', 'p50', 'p99', 'most'],
          rows: [row('the call', sinceCall), row('its answer', sinceAnswer)],
        },
      ],
      targets: [
        {
          name: 'revocation, p50 and p99 since the call',
          wanted: `≤ ${wanted.p50} ms, ≤ ${wanted.p99} ms`,
          measured: `${formatNumber(p50, 1)} ms, ${formatNumber(p99, 1)} ms`,
          isMet: p50 <= wanted.p50 && p99 <= wanted.p99,
        },
      ],
      notes: ['The node that refuses is asked every millisecond. PostgreSQL is on the same machine.'],
      samples: { sinceCall: [...sinceCall], sinceAnswer: [...sinceAnswer] },
    }
  } finally {
    child.kill()
    await ward.close()
    await drop()
    await services.stop()
  }
}
