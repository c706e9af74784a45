import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { spawnCli } from '../e2e/run-cli.ts'

export interface RecordLine {
  readonly event: string
  readonly request_id: string
  readonly client_request_id: string | null
  readonly key_id: string | null
  readonly owner: string | null
  readonly code: string | null
  readonly route: string | null
  readonly measures: Readonly<Record<string, number>> | null
  readonly detail: Readonly<Record<string, unknown>> | null
}

/** Records of a data folder, by the real export. */
export async function* exportRecords(data: string, ...filter: readonly string[]): AsyncGenerator<RecordLine> {
  const child = spawnCli(['ledger', 'export', ...filter, '--format', 'jsonl', '--data', data])
  if (child.stdout === null) throw new Error('the export has no standard output')
  child.stderr?.pipe(process.stderr)
  const closed = once(child, 'close')
  for await (const line of createInterface(child.stdout)) yield JSON.parse(line) as RecordLine
  const [code] = await closed
  if (code !== 0) throw new Error(`ledger export ended with ${code}`)
}
