import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { LedgerEvent } from '../../ledger/format/event.ts'
import { type LedgerRecord, ledgerEntry } from '../../ledger/format/record.ts'
import type { LedgerReader } from '../../ledger/ledger.ts'
import type { KeyRecord } from '../record/key-record.ts'
import type { KeyService } from '../service/key-service.ts'
import { type RestoredKeys, restoreKeys } from './restore-keys.ts'

interface State {
  readonly isRevoked: boolean
  readonly isDisabled: boolean
}

type Act = 'created' | 'revoked' | 'disabled' | 'enabled' | 'updated'

/** Whether the act changes a key in this state, and what it makes of it. */
function after(act: Act, before: State | undefined): State | undefined {
  if (act === 'created') return before === undefined ? { isRevoked: false, isDisabled: false } : undefined
  if (before === undefined || before.isRevoked) return undefined
  if (act === 'revoked') return { ...before, isRevoked: true }
  if (act === 'updated') return { ...before }
  return before.isDisabled === (act === 'disabled')
    ? undefined
    : { ...before, isDisabled: act === 'disabled' }
}

/** Keys, a counter of changes and a ledger, which can be put back, cut off and killed. */
class Deployment {
  keys = new Map<string, State>()
  latest = 0
  records: LedgerRecord[] = []
  /** Steps until it is killed. */
  stepsLeft = Number.POSITIVE_INFINITY

  step(): void {
    if (this.stepsLeft === 0) throw new Error('killed')
    this.stepsLeft -= 1
  }

  append(event: LedgerEvent, keyId: string | null, detail: Readonly<Record<string, unknown>>): void {
    this.step()
    const seq = this.records.length + 1
    const entry = ledgerEntry({ at: 0, event, keyId, owner: keyId, detail: detail as never })
    this.records.push({ ...entry, stream: '', seq, position: String(seq) } as LedgerRecord)
  }

  act(id: string, act: Act, by: string): void {
    const state = after(act, this.keys.get(id))
    if (state === undefined) return
    this.step()
    this.keys.set(id, state)
    this.latest += 1
    this.append(`key.${act}`, id, { by, change: this.latest })
  }

  readonly ledger: Pick<LedgerReader, 'query'> = {
    query: async ({ events = [], after, limit }) => {
      const behind = this.records.filter(({ seq }) => after === undefined || seq < Number(after)).reverse()
      const matching = behind.filter(({ event }) => events.includes(event))
      const records = matching.slice(0, limit)
      const next = matching.length > limit ? records.at(-1)?.position : undefined
      return { records, next }
    },
  }

  serviceOf(by: string): KeyService {
    const ending = (act: Act) => async (id: string) => {
      this.act(id, act, by)
      return this.recordOf(id)
    }
    const service: Pick<KeyService, 'by' | 'revoke' | 'disable'> = {
      by: (who) => this.serviceOf(who),
      revoke: ending('revoked'),
      disable: ending('disabled'),
    }
    return service as KeyService
  }

  recordOf(id: string): KeyRecord {
    return { id, disabledAt: this.keys.get(id)?.isDisabled === true ? 1 : null } as KeyRecord
  }

  restore(recordedChange: number): Promise<RestoredKeys> {
    return restoreKeys({
      store: {
        findKey: async (id) => (this.keys.has(id) ? this.recordOf(id) : undefined),
        readChanges: async () => ({
          cursor: this.latest,
          keyIds: [],
          hasKeys: true,
          hasImportedKeys: false,
        }),
      },
      keys: this.serviceOf('cli'),
      ledger: this.ledger,
      recordedChange,
      record: async (detail) => this.append('keys.restored', null, detail),
      accept: async () => {
        this.step()
        this.latest = Math.max(this.latest, recordedChange)
      },
      isAsIs: false,
    })
  }
}

const act = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  act: fc.constantFrom<Act>('created', 'disabled', 'enabled', 'revoked', 'updated', 'disabled'),
})
interface Acts {
  readonly before: readonly { readonly id: string; readonly act: Act }[]
  readonly since: readonly { readonly id: string; readonly act: Act }[]
}

const history = fc.record({
  before: fc.array(act, { maxLength: 12 }),
  since: fc.array(act, { maxLength: 16 }),
  dropped: fc.nat({ max: 12 }),
  kills: fc.array(fc.nat({ max: 8 }), { maxLength: 3 }),
})

function played({ before, since }: Acts) {
  const deployment = new Deployment()
  for (const id of ['a', 'b', 'c']) deployment.act(id, 'created', 'cli')
  for (const { id, act } of before) deployment.act(id, act, 'cli')
  const backup = { keys: new Map(deployment.keys), latest: deployment.latest }
  for (const { id, act } of since) deployment.act(id, act, 'cli')
  const truth = new Map(deployment.keys)
  const recorded = deployment.latest
  Object.assign(deployment, backup)
  return { deployment, truth, recorded, backup }
}

test('whenever it is killed and run again, every key that was ended is ended, and nothing is accepted unrecorded', async () => {
  await fc.assert(
    fc.asyncProperty(history, async ({ kills, ...acts }) => {
      const { deployment, truth, recorded, backup } = played(acts)
      for (const steps of kills) {
        deployment.stepsLeft = steps
        await deployment.restore(recorded).catch(() => undefined)
      }
      deployment.stepsLeft = Number.POSITIVE_INFINITY
      const { notKnown } = await deployment.restore(recorded)
      expect(notKnown).toBeUndefined()
      for (const [id, { isRevoked }] of backup.keys) {
        const now = deployment.keys.get(id)
        expect(now?.isRevoked).toBe(truth.get(id)?.isRevoked)
        if (!isRevoked && truth.get(id)?.isDisabled === true && truth.get(id)?.isRevoked === false)
          expect(now?.isDisabled).toBe(true)
      }
      expect(deployment.latest).toBe(recorded)
      const isRecorded = deployment.records.some(({ event }) => event === 'keys.restored')
      expect(isRecorded).toBe(backup.latest < recorded)
      expect((await deployment.restore(recorded)).isOlder).toBe(false)
    }),
    { numRuns: 300 },
  )
})

test('changes whose records retention has dropped are said to be not known, and no others', async () => {
  await fc.assert(
    fc.asyncProperty(history, async ({ dropped, kills, ...acts }) => {
      const { deployment, recorded, backup } = played(acts)
      const gone = deployment.records.splice(0, dropped)
      if (gone.length > 0) deployment.append('ledger.dropped', null, {})
      const lost = gone
        .map(({ detail }) => Number(detail?.['change']))
        .filter((change) => change > backup.latest)
      for (const steps of kills.slice(0, 1)) {
        deployment.stepsLeft = steps
        const isWhole = await deployment.restore(recorded).then(
          () => true,
          () => false,
        )
        // A run that was killed reports nothing; what it ended is not said to be unknown.
        if (isWhole) return
      }
      deployment.stepsLeft = Number.POSITIVE_INFINITY
      const from = deployment.latest
      const { notKnown } = await deployment.restore(recorded)
      const left = lost.filter((change) => change > from)
      if (left.length > 0) expect(notKnown).toEqual({ from: from + 1, to: Math.max(...left) })
      else expect(notKnown).toBeUndefined()
    }),
    { numRuns: 300 },
  )
})

test('a key that was enabled after the backup stays disabled, and is said to be as it was', async () => {
  const acts: Acts = {
    before: [{ id: 'a', act: 'disabled' }],
    since: [{ id: 'a', act: 'enabled' }],
  }
  const { deployment, recorded } = played(acts)
  expect(await deployment.restore(recorded)).toMatchObject({ disabled: [], undone: ['key a'] })
  expect(deployment.keys.get('a')?.isDisabled).toBe(true)
})
