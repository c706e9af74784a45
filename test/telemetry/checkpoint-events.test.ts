import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type EventFields, openModelward } from '../../src/index.ts'
import { tellCheckpoints } from '../../src/storage/ledger/tell-checkpoints.ts'
import { createTelemetry, type OperationalEvent } from '../../src/telemetry/telemetry.ts'

test('an app hears of its last checkpoint, and not of the one that only says that its ledger was opened', async () => {
  const data = mkdtempSync(join(tmpdir(), 'modelward-checkpoints-'))
  try {
    const told: EventFields['ledger.checkpoint'][] = []
    const ward = await openModelward({
      data,
      onEvent(event) {
        if (event.name === 'ledger.checkpoint') told.push(event.fields as EventFields['ledger.checkpoint'])
      },
    })
    await ward.keys.create({ name: 'app' })
    expect(told).toEqual([])
    await ward.close()
    expect(told).toHaveLength(1)
    expect(told[0]?.seq).toBeGreaterThan(1)
  } finally {
    rmSync(data, { recursive: true, force: true })
  }
})

test('what stores checkpoints gets each of them, and then none is an event', () => {
  const events: OperationalEvent[] = []
  const telemetry = createTelemetry([(event) => events.push(event)])
  const stored: number[] = []
  const type = 'modelward-checkpoint-1' as const
  const checkpointAt = (seq: number) => ({
    type,
    stream: 'a',
    seq,
    hash: 'b',
    at: 0,
    key: 'c',
    signature: 'd',
  })
  const tell = tellCheckpoints({ telemetry, onCheckpoint: ({ seq }) => stored.push(seq) })
  for (const seq of [1, 2, 10_000]) tell(checkpointAt(seq))
  expect(stored).toEqual([1, 2, 10_000])
  expect(events).toEqual([])
  const report = tellCheckpoints({ telemetry })
  for (const seq of [1, 2, 10_000]) report(checkpointAt(seq))
  expect(events.map(({ fields }) => fields)).toEqual([2, 10_000].map((seq) => ({ stream: 'a', seq })))
})
