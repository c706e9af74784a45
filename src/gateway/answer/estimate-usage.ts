import type { ReceivedContent } from './stream-reader.ts'

/** Tokens for each byte of a prompt, before a model's calls have shown theirs. */
const ratioAtFirst = 0.25
/**
 * The least that calls can teach: with a body of spaces a prompt has next to no tokens for each
 * byte, and half a hundred of them would make whatever is given up after the first byte free.
 */
const ratioLeast = 0.125
const callsKept = 100
const modelsKept = 1000
/** Of text in an answer. */
const bytesOfToken = 4

/** Tokens of a prompt and of its answer. */
export interface TokenCounts {
  readonly prompt: number
  readonly completion: number
}

export interface PromptRatiosOptions {
  /** Models that are known; beyond, the one settled longest ago is forgotten. @default 1000 */
  readonly models?: number
}

/** How many tokens a byte of each model's prompts comes to, learnt from what upstreams say. */
export interface PromptRatios {
  /** Takes up a call whose upstream has said the tokens of its prompt. */
  readonly learn: (model: string, promptBytes: number, promptTokens: number) => void
  /**
   * What a call has used whose upstream says nothing: of the prompt, bytes × the model's ratio; of
   * the answer, the larger of its events with text and their bytes ÷ 4.
   * @param within the call's reservation, which is never exceeded. @default no bound
   */
  readonly estimate: (
    model: string,
    promptBytes: number,
    content: ReceivedContent,
    within?: TokenCounts,
  ) => TokenCounts
}

/**
 * Keeps the ratios of each model's last 100 settled calls. Their median counts, 0.25 before there
 * are any and never less than half of that: prompts of 16 MiB of spaces must not make calls free.
 */
export function createPromptRatios(options: PromptRatiosOptions = {}): PromptRatios {
  const { models = modelsKept } = options
  const kept = new Map<string, number[]>()
  return {
    learn(model, promptBytes, promptTokens) {
      if (promptBytes <= 0) return
      const ratios = kept.get(model) ?? []
      ratios.push(promptTokens / promptBytes)
      if (ratios.length > callsKept) ratios.shift()
      // The order of a map is that of its insertions.
      kept.delete(model)
      kept.set(model, ratios)
      if (kept.size <= models) return
      const [oldest] = kept.keys()
      if (oldest !== undefined) kept.delete(oldest)
    },
    estimate(model, promptBytes, content, within) {
      const prompt = Math.ceil(promptBytes * ratioOf(kept.get(model)))
      const completion = Math.max(content.contentEvents, Math.ceil(content.contentBytes / bytesOfToken))
      return {
        prompt: Math.min(prompt, within?.prompt ?? Number.MAX_SAFE_INTEGER),
        completion: Math.min(completion, within?.completion ?? Number.MAX_SAFE_INTEGER),
      }
    },
  }
}

function ratioOf(ratios: readonly number[] | undefined): number {
  if (ratios === undefined) return ratioAtFirst
  const sorted = ratios.toSorted((a, b) => a - b)
  return Math.max(ratioLeast, sorted[Math.floor(sorted.length / 2)] ?? ratioAtFirst)
}
