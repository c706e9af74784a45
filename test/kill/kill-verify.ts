// `node test/kill/kill-verify.ts [ROUNDS]`: the server is killed (SIGKILL) at a random moment while
// programs ask about keys. Every answer that one of them saw has its record afterwards, once, under
// the key that was asked about, and the chain verifies. Exits with 1 where that is not so.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCli, startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { askAtOnce, askUntilKilled, UnexpectedAnswer } from '../reliability/ask-until-killed.ts'
import { exportRecords } from '../reliability/export-records.ts'
import { killMoment } from '../reliability/kill-ledger.ts'

const inFlight = 32
/** Of one key and code the first five refusals of a minute have a record each. */
const refusedKeys = 16

export interface VerifyKills {
  readonly kills: number
  /** Answers that reached a program, whole, by what they said. */
  readonly valid: number
  readonly refused: number
  readonly wrongInput: number
  /** Answers without a record that says the same, or with another than one. */
  readonly differences: readonly string[]
}

/** What an answer said, and its record has to say. */
interface Seen {
  readonly keyId: string
  readonly code: string | null
  readonly verifier: string | undefined
}

interface Answer {
  readonly status: number
  readonly body: { readonly code: string | null; readonly request_id: string }
}

interface Made {
  readonly id: string
  readonly key: string
}

interface Asked {
  readonly backend: Made
  readonly right: Made
  readonly refused: readonly Made[]
}

/** Plays the rounds on a data folder of its own. Throws where a chain does not verify. */
export async function killVerify(rounds: number, tell: (message: string) => void): Promise<VerifyKills> {
  using folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const seen = new Map<string, Seen>()
  let asked: Asked | undefined
  for (let round = 1; round <= rounds; round += 1) {
    const before = seen.size
    await using server = await startServe(data, [
      ...['--limit-default', '', '--limit-operational', 'none', '--log-level', 'error'],
    ])
    asked ??= await makeKeys(server.address, data)
    const keys = asked
    await askUntilKilled(server, killMoment, (saw) =>
      verifyUntilClosed(server.address, keys, (requestId, answer) => {
        seen.set(requestId, answer)
        saw()
      }),
    )
    const { code, stdout, stderr } = await runCli(['ledger', 'verify', '--data', data])
    if (code !== 0) throw new Error(`round ${round}: the ledger does not verify: ${stdout}${stderr}`)
    tell(`round ${round} of ${rounds}: ${seen.size - before} answers, the chain verifies`)
  }
  const all = [...seen.values()]
  return {
    kills: rounds,
    valid: all.filter(({ code }) => code === null).length,
    refused: all.filter(({ code }) => code === 'scope_missing').length,
    wrongInput: all.filter(({ code }) => code === 'input_invalid').length,
    differences: await compare(seen, data),
  }
}

async function makeKeys(address: string, data: string): Promise<Asked> {
  const { admin } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { admin: string }
  async function make(scope: string): Promise<Made> {
    const answer = await fetch(`${address}/v1/keys`, {
      method: 'POST',
      headers: { 'x-api-key': admin, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'k', scopes: [scope] }),
    })
    if (answer.status !== 201) throw new Error(`expected 201, got ${answer.status}`)
    return (await answer.json()) as Made
  }
  const refused: Made[] = []
  for (let index = 0; index < refusedKeys; index += 1) refused.push(await make('other'))
  return { backend: await make('keys:verify'), right: await make('predict'), refused }
}

/** Many at once, until the server is gone. Throws at an answer that is no verdict and no 422. */
async function verifyUntilClosed(
  address: string,
  { backend, right, refused }: Asked,
  saw: (requestId: string, answer: Seen) => void,
): Promise<void> {
  async function ask(key: string, more: object): Promise<Answer> {
    const answer = await fetch(`${address}/v1/keys/verify`, {
      method: 'POST',
      headers: { 'x-api-key': backend.key, 'content-type': 'application/json' },
      body: JSON.stringify({ key, route: 'POST /chat', ...more }),
    })
    return { status: answer.status, body: (await answer.json()) as Answer['body'] }
  }
  let refusals = 0
  async function askOneAfterAnother(first: number): Promise<void> {
    for (let turn = first; ; turn += 1) {
      const kind = turn % 8 === 7 ? 'wrong' : turn % 8 === 3 ? 'refused' : 'right'
      const { id, key } = kind === 'refused' ? (refused[refusals++ % refusedKeys] ?? right) : right
      const { status, body } = await ask(key, kind === 'wrong' ? { take: 1 } : { scope: 'predict' })
      const { code, request_id } = body
      if (status !== (kind === 'wrong' ? 422 : 200) || (kind === 'right') !== (code === null))
        throw new UnexpectedAnswer(JSON.stringify({ status, body }))
      const isOwn = kind === 'wrong'
      saw(request_id, {
        keyId: isOwn ? backend.id : id,
        code,
        verifier: isOwn ? undefined : backend.id,
      })
    }
  }
  await askAtOnce(inFlight, askOneAfterAnother)
}

async function compare(seen: ReadonlyMap<string, Seen>, data: string): Promise<readonly string[]> {
  const recorded = new Map<string, object[]>()
  for await (const { event, request_id, key_id, code, detail } of exportRecords(data)) {
    if (!event.startsWith('request.') || !seen.has(request_id)) continue
    const records = recorded.get(request_id) ?? []
    recorded.set(request_id, [...records, { keyId: key_id, code, verifier: detail?.['verifier'] }])
  }
  return [...seen].flatMap(([requestId, answer]) => {
    const records = recorded.get(requestId) ?? []
    const isSame = records.length === 1 && JSON.stringify(records[0]) === JSON.stringify(answer)
    return isSame ? [] : [`${requestId}: ${JSON.stringify({ answer, records })}`]
  })
}

if (import.meta.main) {
  const outcome = await killVerify(Number(process.argv[2] ?? 50), (message) => console.error(message))
  console.log(JSON.stringify(outcome))
  process.exitCode = outcome.differences.length === 0 ? 0 : 1
}
