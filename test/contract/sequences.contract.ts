import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { KeyStore } from '../../src/keys/store/key-store.ts'
import { answerOf, idOf, keyOf, type OpenStore, ownerOf } from './key-fixtures.ts'

type Step =
  | {
      readonly kind: 'add'
      readonly numbers: readonly number[]
      readonly owner: string
      readonly answer: string | undefined
    }
  | {
      readonly kind: 'replace'
      readonly number: number
      readonly version: number
      readonly owner: string
      readonly answer: string | undefined
    }
  | { readonly kind: 'replaceOwner'; readonly owner: string; readonly version: number }

const number = fc.integer({ min: 0, max: 3 })
const version = fc.integer({ min: 1, max: 4 })
const owner = fc.constantFrom('acme', 'globex')
const answer = fc.option(fc.constantFrom('r1', 'r2'), { nil: undefined })
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('add' as const),
      numbers: fc.array(number, { minLength: 1, maxLength: 3 }),
      owner,
      answer,
    }),
    fc.record({ kind: fc.constant('replace' as const), number, version, owner, answer }),
    fc.record({ kind: fc.constant('replaceOwner' as const), owner, version }),
  ),
  { maxLength: 25 },
)

/** Whatever is done one after another has the outcome that it has on plain maps. */
export function testSequences(open: OpenStore, runs: number): void {
  test('any sequence of additions and replacements of keys and owners does what it does to plain maps', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const { store, dispose } = await open(() => 0)
        try {
          const model: Model = { keys: new Map(), owners: new Map(), answers: new Set() }
          let { cursor } = await store.readChanges(undefined)
          for (const step of sequence) {
            const expected = modelOutcome(model, step)
            expect((await carryOut(store, step)).outcome).toBe(expected.outcome)
            const changes = await store.readChanges(cursor)
            expect([...changes.keyIds].sort()).toEqual([...expected.changed].sort())
            expect(changes.hasKeys).toBe(model.keys.size > 0)
            cursor = changes.cursor
          }
          for (const id of [0, 1, 2, 3].map(idOf)) {
            const found = await store.findKey(id)
            expect(found && { version: found.version, owner: found.owner }).toEqual(model.keys.get(id))
          }
          for (const name of ['acme', 'globex'])
            expect((await store.findOwner(name))?.version).toBe(model.owners.get(name))
        } finally {
          await dispose()
        }
      }),
      { numRuns: runs },
    )
  })
}

interface Model {
  readonly keys: Map<string, { readonly version: number; readonly owner: string }>
  /** Versions. */
  readonly owners: Map<string, number>
  readonly answers: Set<string>
}

function carryOut(store: KeyStore, step: Step): Promise<{ outcome: string }> {
  if (step.kind === 'replaceOwner') return store.replaceOwner(ownerOf(step.owner, { version: step.version }))
  const kept = step.answer === undefined ? undefined : answerOf(step.answer)
  if (step.kind === 'add')
    return store.addKeys(
      step.numbers.map((at) => keyOf(idOf(at), { owner: step.owner })),
      kept,
    )
  return store.replaceKey(keyOf(idOf(step.number), { version: step.version, owner: step.owner }), kept)
}

interface Outcome {
  readonly outcome: string
  readonly changed: readonly string[]
}

function modelOutcome(model: Model, step: Step): Outcome {
  if (step.kind === 'replaceOwner') {
    if ((model.owners.get(step.owner) ?? 0) !== step.version - 1) return { outcome: 'stale', changed: [] }
    model.owners.set(step.owner, step.version)
    const changed = [...model.keys].filter(([, key]) => key.owner === step.owner).map(([id]) => id)
    return { outcome: 'replaced', changed }
  }
  if (step.answer !== undefined && model.answers.has(step.answer)) return { outcome: 'answered', changed: [] }
  const ids = step.kind === 'add' ? step.numbers.map(idOf) : [idOf(step.number)]
  if (step.kind === 'add') {
    if (new Set(ids).size < ids.length || ids.some((id) => model.keys.has(id)))
      return { outcome: 'taken', changed: [] }
    for (const id of ids) model.keys.set(id, { version: 1, owner: step.owner })
  } else {
    const id = idOf(step.number)
    if (model.keys.get(id)?.version !== step.version - 1) return { outcome: 'stale', changed: [] }
    model.keys.set(id, { version: step.version, owner: step.owner })
  }
  if (step.answer !== undefined) model.answers.add(step.answer)
  return { outcome: step.kind === 'add' ? 'added' : 'replaced', changed: ids }
}
