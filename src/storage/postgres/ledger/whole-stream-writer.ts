import { randomBytes } from 'node:crypto'
import { emptyHead } from '../../ledger/block-draft.ts'
import { draftWholeStream } from '../../ledger/stream-records.ts'
import { commitStream, createCommitDraft, notDurable, tryCommit } from './commit.ts'
import { readPriorHeads } from './prior-heads.ts'
import type { Committed, LedgerWriter, StreamWriterOptions } from './stream-writer.ts'

/**
 * Writes a ledger where each commit is a stream of its own: its entries and a signed end. A process
 * that is killed leaves whole streams, so none of its records is ever without a signature.
 */
export function createWholeStreamWriter(options: StreamWriterOptions): LedgerWriter {
  const { connect, signingKey, node, liveNodes } = options
  let hasTold = false

  async function commit(entries: Uint8Array, now: number): Promise<Committed> {
    const postgres = await connect()
    const prior = await readPriorHeads(postgres, await liveNodes())
    const id = randomBytes(16).toString('hex')
    const draft = createCommitDraft(emptyHead(id))
    const whole = draftWholeStream(draft, { stream: id, now, signingKey }, prior, entries)
    const head = draft.finish()
    if (!(await commitStream(postgres, { id, node, head, now, isClosed: true }, draft))) throw notDurable()
    const unclosed = hasTold ? [] : prior.unclosed
    hasTold = true
    return { seq: head.seq, checkpoints: [whole], unclosed }
  }

  return {
    async open() {
      await connect()
      return undefined
    },
    write: commit,
    checkpoint: (now) => commit(new Uint8Array(), now),
    end: async () => undefined,
    async tryOut() {
      await tryCommit(await connect(), 0)
    },
  }
}
