// `node test/reliability/kill-ledger.ts [ROUNDS]`: the server is killed (SIGKILL) at a random
// moment under load, again and again. Every answer that a client saw has its record afterwards,
// once, and the chain verifies. Exits with 1 where that is not so.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCli, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { askAtOnce, askUntilKilled, type KillMoment, UnexpectedAnswer } from './ask-until-killed.ts'
import { exportRecords } from './export-records.ts'

export interface KillOutcome {
  readonly rounds: number
  /** Answers that reached a client, whole. */
  readonly answered: number
  /**
   * Records of requests in the ledger, those of answers that were on their way at a kill among
   * them.
   */
  readonly recorded: number
  /** Request ids that were answered and have no record. */
  readonly lost: readonly string[]
  /** Request ids that have more than one. */
  readonly twice: readonly string[]
}

const inFlight = 32
export const killMoment: KillMoment = { fromAnswers: 30, untilAnswers: 150, withinMs: 20 }

/**
 * Plays the rounds on a data folder of its own. Throws where a chain does not verify, or where an
 * answer is not what it should be.
 */
export async function killLedger(rounds: number, tell: (message: string) => void): Promise<KillOutcome> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const answered = new Set<string>()
  for (let round = 1; round <= rounds; round += 1) {
    const before = answered.size
    await using server = await startServe(data, ['--limit-default', '', '--log-level', 'error'])
    const keys = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as Keys
    await askUntilKilled(server, killMoment, (saw) =>
      askUntilClosed(server.address, keys, (requestId) => {
        answered.add(requestId)
        saw()
      }),
    )
    const { code, stdout, stderr } = await runCli(['ledger', 'verify', '--data', data])
    if (code !== 0) throw new Error(`round ${round}: the ledger does not verify: ${stdout}${stderr}`)
    tell(`round ${round} of ${rounds}: ${answered.size - before} answers, the chain verifies`)
  }
  const records = await countRecords(data)
  return {
    rounds,
    answered: answered.size,
    recorded: records.size,
    lost: [...answered].filter((requestId) => !records.has(requestId)),
    twice: [...records].filter(([, count]) => count > 1).map(([requestId]) => requestId),
  }
}

export interface Keys {
  readonly admin: string
  readonly demo: string
}

/**
 * Many requests at once, until the server is gone; one in eight has a wrong body. Not of those that
 * a guard refuses: beyond the first few a minute these are counted, and have no record. Throws at
 * an answer of another kind.
 */
export async function askUntilClosed(
  address: string,
  keys: Keys,
  saw: (requestId: string) => void,
): Promise<void> {
  async function askOneAfterAnother(): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      const isWrong = turn % 8 === 7
      const answer = await fetch(`${address}/predict`, {
        method: 'POST',
        headers: { 'x-api-key': keys.demo, 'content-type': 'application/json' },
        body: isWrong ? '{"text":1}' : '{"text":"I love this great product"}',
      })
      await answer.arrayBuffer()
      if (answer.status !== (isWrong ? 422 : 200)) throw new UnexpectedAnswer(answer.status)
      const requestId = answer.headers.get('x-request-id')
      if (requestId === null) throw new UnexpectedAnswer(answer.status)
      saw(requestId)
    }
  }
  await askAtOnce(inFlight, askOneAfterAnother)
}

/** How many records each request has, by the real export; by our id, or by the client's own. */
export async function countRecords(
  data: string,
  by: 'request_id' | 'client_request_id' = 'request_id',
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for await (const { event, [by]: id } of exportRecords(data))
    if (event.startsWith('request.') && id !== null) counts.set(id, (counts.get(id) ?? 0) + 1)
  return counts
}

if (import.meta.main) {
  const outcome = await killLedger(Number(process.argv[2] ?? 50), (message) => console.error(message))
  console.log(JSON.stringify(outcome))
  process.exitCode = outcome.lost.length === 0 && outcome.twice.length === 0 ? 0 : 1
}
