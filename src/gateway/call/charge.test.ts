import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPromptRatios } from '../answer/estimate-usage.ts'
import { chargeOfCall } from './charge.ts'

const tokens = fc.nat({ max: 100_000 })
const call = fc
  .record({
    bodyBytes: tokens,
    imageTokens: tokens,
    promptTokens: fc.option(tokens, { nil: undefined }),
    prompt: tokens,
    completion: tokens,
  })
  .map(({ prompt, completion, ...more }) => ({
    ...more,
    publicName: 'm',
    bound: { prompt, completion, tokens: prompt + completion },
  }))
const content = fc.record({ contentEvents: tokens, contentBytes: tokens })

test('of what its upstream does not say a call is charged no more than it has reserved, images and counted prompts among it', () => {
  const ratios = createPromptRatios()
  fc.assert(
    fc.property(call, content, tokens, (one, delivered, learnt) => {
      ratios.learn('m', one.bodyBytes, learnt)
      const chargeBy = (by: Parameters<typeof chargeOfCall>[3]) =>
        chargeOfCall(ratios, one, { said: undefined, ...delivered }, by)
      const { costs, source } = chargeBy('delivered') ?? {}
      const { prompt_tokens = Number.NaN, completion_tokens = Number.NaN } = costs ?? {}
      expect(source).toBe('estimated')
      expect(prompt_tokens).toBeLessThanOrEqual(one.bound.prompt)
      expect(completion_tokens).toBeLessThanOrEqual(one.bound.completion)
      expect(costs?.['tokens']).toBe(prompt_tokens + completion_tokens)
      expect(chargeBy('reserved')).toMatchObject({ source: 'reserved', costs: { tokens: one.bound.tokens } })
      for (const by of ['said', 'nothing'] as const)
        expect(chargeBy(by)).toMatchObject({ source: 'none', costs: { tokens: 0 } })
    }),
  )
})
