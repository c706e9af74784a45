import fc from 'fast-check'
import { expect, test } from 'vitest'
import { textOfJson } from '../../core/written-json.ts'
import type { BatchCall } from './batch-lane.ts'
import { writeAnswers } from './write-answers.ts'

const model = { name: 'm', version: 'm-1', input: 'text' } as const
const predictions = (...inputs: readonly unknown[]): BatchCall => ({ inputs, writes: 'predictions' })

/** What stands in answers as it is, or by its name among an answer's own fields, or before them. */
const names = fc.constantFrom(
  'label',
  'text',
  'model',
  'model_version',
  'output',
  '__proto__',
  '0',
  '7',
  'b"',
)
const outputs = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.array(fc.tuple(names, fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined }))).map(objectOf),
)

function objectOf(entries: readonly (readonly [string, unknown])[]): object {
  return Object.fromEntries(entries)
}

/** A prediction, as the guide describes it. */
function predictionOf(input: unknown, output: unknown, kind: 'text' | 'json'): object {
  const isObject = typeof output === 'object' && output !== null && !Array.isArray(output)
  const fields = isObject ? output : { output }
  return { ...(kind === 'text' && { text: input }), ...fields, model: 'm', model_version: 'm-1' }
}

test('an output of whatever shape stands in its prediction as in one that is written at once', () => {
  const answersTo = fc.record({
    kind: fc.constantFrom('text' as const, 'json' as const),
    calls: fc.array(fc.array(fc.tuple(fc.string(), outputs), { minLength: 1, maxLength: 3 }), {
      maxLength: 3,
    }),
  })
  fc.assert(
    fc.property(answersTo, ({ kind, calls }) => {
      const batch = calls.map((call) => predictions(...call.map(([input]) => input)))
      const all = calls.flatMap((call) => call.map(([, output]) => output))
      const answers = writeAnswers({ ...model, input: kind }, batch, all, 1_000_000)
      const written = answers.map((answer) => (answer instanceof Uint8Array ? textOfJson(answer) : answer))
      expect(written).toEqual(
        calls.map((call) =>
          call.map(([input, output]) => JSON.stringify(predictionOf(input, output, kind))).join(),
        ),
      )
    }),
  )
})

test('a call that is too large by itself is not written, and harms no other', () => {
  const answers = writeAnswers(
    model,
    [predictions('a'), predictions('b', 'c'), predictions('d')],
    ['one', 'x'.repeat(200), 'y'.repeat(200), 'two'],
    300,
  )
  expect(answers.map((answer) => (typeof answer === 'string' ? answer : 'written'))).toEqual([
    'written',
    'too large',
    'written',
  ])
})

test('what a batch sends at once is no more than one call may: the others come by themselves', () => {
  const calls = ['a', 'b', 'c'].map((input) => predictions(input))
  const answers = writeAnswers(model, calls, ['x'.repeat(200), 'y'.repeat(200), 'z'], 350)
  expect(answers.map((answer) => (typeof answer === 'string' ? answer : 'written'))).toEqual([
    'written',
    'no room',
    'written',
  ])
})

test('the text that is repeated in an answer counts, too', () => {
  expect(writeAnswers(model, [predictions('a'.repeat(300))], ['short'], 300)).toEqual(['too large'])
})
