import type { AnswerForm } from '../presets/preset.ts'
import { isObject, type JsonObject, listValues, pickMembers, valueAt } from './json-bytes.ts'
import type { SaidUsage } from './stream-reader.ts'

/**
 * What a whole answer says that its call used. An explicit 0 is 0. Null, negative, fractional,
 * text, or more than a safe integer is nothing said.
 */
export function readUsage(form: AnswerForm, body: Buffer): SaidUsage | undefined {
  const list = form === 'llama.cpp' ? listValues(body) : undefined
  // llama.cpp answers several prompts with a list.
  if (list !== undefined) return addUsages(list.map((one) => readUsage(form, one)))
  if (form === 'tgi') return wholeTgiUsage(body)
  const { paths, read } = wholeAnswers[form]
  const answer = pickMembers(body, paths)
  return answer === undefined ? undefined : read(answer)
}

export const ollamaPaths: readonly string[] = ['error', 'prompt_eval_count', 'eval_count']
export const tgiPaths: readonly string[] = ['details.input_length', 'details.generated_tokens']
export const llamaPaths: readonly string[] = ['tokens_evaluated', 'tokens_predicted']

/** Where each form's whole answers say their usage. */
const wholeAnswers: Readonly<
  Record<
    Exclude<AnswerForm, 'tgi'>,
    { readonly paths: readonly string[]; readonly read: (answer: JsonObject) => SaidUsage | undefined }
  >
> = {
  openai: { paths: ['usage'], read: (answer) => openaiUsage(answer['usage']) },
  responses: { paths: ['usage'], read: (answer) => responsesUsage(answer['usage']) },
  anthropic: { paths: ['usage'], read: (answer) => anthropicUsage(anthropicCounts(answer['usage'], {})) },
  ollama: { paths: ollamaPaths, read: ollamaUsage },
  'llama.cpp': { paths: llamaPaths, read: llamaUsage },
}

/** `usage` of chat, completions, embeddings and ranks. */
export function openaiUsage(usage: unknown): SaidUsage | undefined {
  if (!isObject(usage)) return undefined
  const prompt = countOf(usage['prompt_tokens'])
  const cached = detailOf(usage['prompt_tokens_details'], 'cached_tokens')
  const reasoning = detailOf(usage['completion_tokens_details'], 'reasoning_tokens')
  if (usage['completion_tokens'] !== undefined)
    return said(prompt, countOf(usage['completion_tokens']), cached, reasoning)
  // What only reads says no completion, and vLLM's ranks say nothing but the total.
  const read = prompt ?? countOf(usage['total_tokens'])
  return read === undefined ? undefined : said(read, 0, cached, reasoning)
}

/** `usage` of a response, whole or in the event that ends its stream. */
export function responsesUsage(usage: unknown): SaidUsage | undefined {
  if (!isObject(usage)) return undefined
  return said(
    countOf(usage['input_tokens']),
    countOf(usage['output_tokens']),
    detailOf(usage['input_tokens_details'], 'cached_tokens'),
    detailOf(usage['output_tokens_details'], 'reasoning_tokens'),
  )
}

/** Counts of a message, each as it was said last. */
export interface AnthropicCounts {
  readonly input?: number | undefined
  readonly created?: number | undefined
  readonly read?: number | undefined
  readonly output?: number | undefined
}

/** @param before what was said already; it stays where `usage` does not name it again */
export function anthropicCounts(usage: unknown, before: AnthropicCounts): AnthropicCounts {
  if (!isObject(usage)) return before
  return {
    input: countOf(usage['input_tokens']) ?? before.input,
    created: countOf(usage['cache_creation_input_tokens']) ?? before.created,
    read: countOf(usage['cache_read_input_tokens']) ?? before.read,
    output: countOf(usage['output_tokens']) ?? before.output,
  }
}

export function anthropicUsage(counts: AnthropicCounts): SaidUsage | undefined {
  const { input, created = 0, read = 0, output } = counts
  return said(input === undefined ? undefined : countOf(input + created + read), output, counts.read)
}

/** By `ollamaPaths`, of an answer or of the line that is done. Embeddings have no completion. */
export function ollamaUsage(answer: JsonObject): SaidUsage | undefined {
  if (saysError(answer)) return undefined
  const evaluated = answer['eval_count']
  return said(countOf(answer['prompt_eval_count']), evaluated === undefined ? 0 : countOf(evaluated))
}

/** By `tgiPaths`. */
export function tgiUsage(answer: JsonObject): SaidUsage | undefined {
  return said(countOf(answer['details.input_length']), countOf(answer['details.generated_tokens']))
}

/** With `best_of` all sequences are generated; the details count the best, and list the others. */
function wholeTgiUsage(body: Buffer): SaidUsage | undefined {
  const answer = pickMembers(body, tgiPaths)
  const best = answer && tgiUsage(answer)
  const others = valueAt(body, ['details', 'best_of_sequences'])
  const counts = (others && listValues(others))?.map((one) =>
    countOf(pickMembers(one, ['generated_tokens'])?.['generated_tokens']),
  )
  if (best === undefined || counts === undefined) return best
  const all = [best.completion, ...counts].reduce<number>((sum, count) => sum + (count ?? Number.NaN), 0)
  return said(best.prompt, countOf(all))
}

/** By `llamaPaths`. */
export function llamaUsage(answer: JsonObject): SaidUsage | undefined {
  return said(countOf(answer['tokens_evaluated']), countOf(answer['tokens_predicted']))
}

/** What several answers to one call used; a count that one of them does not say is not said. */
export function addUsages(usages: readonly (SaidUsage | undefined)[]): SaidUsage | undefined {
  const sum = (name: 'prompt' | 'completion') =>
    countOf(usages.reduce((total, usage) => total + (usage?.[name] ?? Number.NaN), 0))
  return usages.length === 0 ? undefined : said(sum('prompt'), sum('completion'))
}

/** Whether an answer or an event has an `error` that is not null. */
export function saysError(answer: JsonObject): boolean {
  return answer['error'] !== undefined && answer['error'] !== null
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

function detailOf(details: unknown, name: string): number | undefined {
  return isObject(details) ? countOf(details[name]) : undefined
}

function said(
  prompt: number | undefined,
  completion: number | undefined,
  cached?: number,
  reasoning?: number,
): SaidUsage | undefined {
  if (prompt === undefined && completion === undefined) return undefined
  return {
    prompt,
    completion,
    ...(cached === undefined ? undefined : { cached }),
    ...(reasoning === undefined ? undefined : { reasoning }),
  }
}
