import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createPromptRatios } from './estimate-usage.ts'

const nothing = { contentEvents: 0, contentBytes: 0 }
const count = fc.nat({ max: 2 ** 40 })

describe('an estimate of what a call has used', () => {
  it('takes a quarter of a token for each byte of a prompt, before a model has shown its own', () => {
    const ratios = createPromptRatios()
    ratios.learn('other', 100, 100)
    expect(ratios.estimate('new', 1001, nothing)).toEqual({ prompt: 251, completion: 0 })
  })

  it('goes by what the last hundred settled calls of its model came to', () => {
    const ratios = createPromptRatios()
    for (let call = 0; call < 100; call++) ratios.learn('m', 1000, 900)
    expect(ratios.estimate('m', 2000, nothing).prompt).toBe(1800)
    for (let call = 0; call < 100; call++) ratios.learn('m', 1000, 500)
    expect(ratios.estimate('m', 2000, nothing).prompt).toBe(1000)
  })

  it('stays, whatever the size of one call that is unlike all others', () => {
    const ratios = createPromptRatios()
    for (let call = 0; call < 9; call++) ratios.learn('m', 1000, 300)
    ratios.learn('m', 16 * 1024 * 1024, 1)
    ratios.learn('m', 1, Number.MAX_SAFE_INTEGER)
    expect(ratios.estimate('m', 1000, nothing).prompt).toBe(300)
  })

  it('is not free, however many prompts of nothing but spaces came before', () => {
    const ratios = createPromptRatios()
    for (let call = 0; call < 100; call++) ratios.learn('m', 16 * 1024 * 1024, 20)
    expect(ratios.estimate('m', 8_000, nothing).prompt).toBe(1_000)
  })

  it.each([
    { contentEvents: 7, contentBytes: 9, completion: 7 },
    { contentEvents: 1, contentBytes: 4001, completion: 1001 },
    { contentEvents: 0, contentBytes: 0, completion: 0 },
  ])('takes the larger of events and bytes ÷ 4 for the answer: $completion', ({ completion, ...content }) => {
    expect(createPromptRatios().estimate('m', 0, content).completion).toBe(completion)
  })

  it('is a whole number, and never above the reservation', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(count, count)),
        count,
        fc.record({ contentEvents: count, contentBytes: count }),
        fc.record({ prompt: count, completion: count }),
        (calls, bytes, content, within) => {
          const ratios = createPromptRatios()
          for (const [promptBytes, tokens] of calls) ratios.learn('m', promptBytes, tokens)
          const { prompt, completion } = ratios.estimate('m', bytes, content, within)
          expect(Number.isSafeInteger(prompt) && prompt >= 0 && prompt <= within.prompt).toBe(true)
          expect(Number.isSafeInteger(completion) && completion >= 0).toBe(true)
          expect(completion).toBeLessThanOrEqual(within.completion)
        },
      ),
    )
  })

  it('forgets the model that was settled longest ago', () => {
    const ratios = createPromptRatios({ models: 2 })
    for (const model of ['a', 'b', 'a', 'c']) ratios.learn(model, 100, 100)
    const prompts = ['a', 'b', 'c'].map((model) => ratios.estimate(model, 100, nothing).prompt)
    expect(prompts).toEqual([100, 25, 100])
  })
})
