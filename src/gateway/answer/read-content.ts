import type { AnswerForm } from '../presets/preset.ts'
import { type AnswerNames, EventScan } from './scan-event.ts'
import type { ReceivedContent } from './stream-reader.ts'

/** What a whole answer has of text, for an estimate where it says no usage. */
export function readContent(form: AnswerForm, body: Buffer): ReceivedContent {
  const scan = new EventScan(wholeNames[form])
  for (let at = 0; at < body.length; at++) at = scan.readLine(body, at, body.length)
  return { contentEvents: scan.textBytes > 0 ? 1 : 0, contentBytes: scan.textBytes }
}

const noNames: AnswerNames = { texts: [], arguments: [], twins: [], skipped: [], marks: {} }

/** Where whole answers have their text. What they repeat of the call is skipped. */
const wholeNames: Readonly<Record<AnswerForm, AnswerNames>> = {
  openai: {
    ...noNames,
    texts: ['content', 'text', 'refusal', 'transcript'],
    arguments: ['arguments'],
    twins: ['reasoning', 'reasoning_content'],
    skipped: ['logprobs', 'data', 'results'],
  },
  responses: {
    ...noNames,
    texts: ['text', 'refusal'],
    arguments: ['arguments'],
    skipped: ['instructions', 'tools', 'logprobs'],
  },
  anthropic: { ...noNames, texts: ['text', 'thinking'], arguments: ['input'] },
  ollama: {
    ...noNames,
    texts: ['content', 'thinking', 'response'],
    arguments: ['arguments'],
    skipped: ['context', 'logprobs', 'embedding', 'embeddings'],
  },
  tgi: { ...noNames, texts: ['generated_text'] },
  'llama.cpp': {
    ...noNames,
    texts: ['content'],
    skipped: ['completion_probabilities', 'generation_settings'],
  },
}
