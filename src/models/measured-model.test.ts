import { expect, test } from 'vitest'
import { collectEvents } from '../../test/support/collect-events.ts'
import { Fault } from '../core/fault.ts'
import { Refusal } from '../core/refusal.ts'
import { measureModel } from './measured-model.ts'
import type { ServedModel } from './model.ts'

test('calls that fail or are late are an event a minute for each model, with how many; others are none', async () => {
  const { telemetry, events } = collectEvents()
  let thrown: unknown
  const predict = () => Promise.reject(thrown)
  const model = { name: 'slow', predict, predictJson: predict } as unknown as ServedModel
  const { served } = measureModel(model, telemetry)
  for (const code of ['model_failed', 'model_timeout', 'overloaded'] as const) {
    thrown = new Fault(code, 'a call')
    for (let call = 0; call < 100; call += 1) await Promise.resolve(served.predict(['any'])).catch(() => {})
  }
  thrown = new Refusal('input_invalid', 'not a text')
  await Promise.resolve(served.predict(['any'])).catch(() => {})
  expect(events).toMatchObject([
    { name: 'model.failed', fields: { model: 'slow', times: 1 }, cause: { code: 'model_failed' } },
    { name: 'model.timed_out', fields: { model: 'slow', times: 1 } },
  ])
})
