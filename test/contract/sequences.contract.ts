import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KeyStore } from '../../src/core/key-store.ts'
import { answerOf, idOf, keyOf, type OpenStore } from './key-fixtures.ts'

type Step =
  | { readonly kind: 'add'; readonly numbers: readonly number[]; readonly answer: string | undefined }
  | {
      readonly kind: 'replace'
      readonly number: number
      readonly version: number
      readonly answer: string | undefined
    }

const number = fc.integer({ min: 0, max: 3 })
const answerName = fc.option(fc.constantFrom('r1', 'r2'), { nil: undefined })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      numbers: fc.array(number, { minLength: 1, maxLength: 3 }),
      answer: answerName,
    }),
    fc.record({
      kind: fc.constant('replace' as const),
      number,
      version: fc.integer({ min: 1, max: 4 }),
      answer: answerName,
    }),
  ),
  { maxLength: 25 },
)

/** Whatever is done one after another has the outcome that it has on a plain map. */
export function testSequences(open: OpenStore): void {
  test('any sequence of additions and replacements does what it does to a plain map', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const { store, dispose } = await open(() => 0)
        try {
          const model = { versions: new Map<string, number>(), answers: new Set<string>() }
          let { cursor } = await store.readChanges(undefined)
          for (const step of sequence) {
            const expected = modelOutcome(model, step)
            expect((await carryOut(store, step)).outcome).toBe(expected.outcome)
            const changes = await store.readChanges(cursor)
            expect([...changes.keyIds].sort()).toEqual([...expected.changed].sort())
            cursor = changes.cursor
          }
          for (const id of [0, 1, 2, 3].map(idOf))
            expect((await store.findKey(id))?.version).toBe(model.versions.get(id))
        } finally {
          await dispose()
        }
      }),
      { numRuns: 80 },
    )
  })
}

function carryOut(store: KeyStore, step: Step): Promise<{ outcome: string }> {
  const answer = step.answer === undefined ? undefined : answerOf(step.answer)
  if (step.kind === 'add')
    return store.addKeys(
      step.numbers.map((at) => keyOf(idOf(at))),
      answer,
    )
  return store.replaceKey(keyOf(idOf(step.number), { version: step.version }), answer)
}

function modelOutcome(
  model: { readonly versions: Map<string, number>; readonly answers: Set<string> },
  step: Step,
): { outcome: string; changed: readonly string[] } {
  if (step.answer !== undefined && model.answers.has(step.answer)) return { outcome: 'answered', changed: [] }
  const ids = step.kind === 'add' ? step.numbers.map(idOf) : [idOf(step.number)]
  if (step.kind === 'add') {
    if (new Set(ids).size < ids.length || ids.some((id) => model.versions.has(id)))
      return { outcome: 'taken', changed: [] }
    for (const id of ids) model.versions.set(id, 1)
  } else {
    const id = idOf(step.number)
    if (model.versions.get(id) !== step.version - 1) return { outcome: 'stale', changed: [] }
    model.versions.set(id, step.version)
  }
  if (step.answer !== undefined) model.answers.add(step.answer)
  return { outcome: step.kind === 'add' ? 'added' : 'replaced', changed: ids }
}
