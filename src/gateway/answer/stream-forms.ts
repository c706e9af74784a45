import type { AnswerForm } from '../presets/preset.ts'
import { isObject, type JsonObject, pickMembers } from './json-bytes.ts'
import {
  type AnthropicCounts,
  addUsages,
  anthropicCounts,
  anthropicUsage,
  llamaPaths,
  llamaUsage,
  ollamaPaths,
  ollamaUsage,
  openaiUsage,
  responsesUsage,
  saysError,
  tgiPaths,
  tgiUsage,
} from './read-usage.ts'
import type { AnswerNames } from './scan-event.ts'
import type { SaidUsage } from './stream-reader.ts'

/** What an event says beside its text. */
export interface EventMeaning {
  readonly isTerminal?: boolean
  readonly hasFailed?: boolean
  /** Replaces what was said before. */
  readonly usage?: SaidUsage | undefined
  /** Whether it has a usage and no choices: it comes only where it was asked for. */
  readonly isUsageAlone?: boolean
}

/** Reads the data of marked events, of one stream. */
export type EventReader = (data: Buffer) => EventMeaning

export interface StreamForm {
  readonly names: AnswerNames
  readonly createReader: (answers: number, addsUsages: boolean) => EventReader
}

const anError = ['{', '"']
const done = Buffer.from('[DONE]')

/** How each form's streams say that they end, that they fail, and what they used. */
export const streamForms: Readonly<Record<AnswerForm, StreamForm>> = {
  openai: {
    names: {
      texts: ['content', 'text', 'refusal', 'transcript'],
      sounds: ['data'],
      arguments: ['arguments'],
      twins: ['reasoning', 'reasoning_content'],
      skipped: ['logprobs'],
      marks: { usage: ['{'], error: anError },
    },
    createReader: (answers, addsUsages) => (addsUsages ? createAddingReader(answers) : readOpenai),
  },
  responses: {
    names: {
      texts: ['delta'],
      arguments: [],
      twins: [],
      skipped: ['response', 'item', 'part', 'logprobs'],
      marks: {
        type: ['"response.completed"', '"response.incomplete"', '"response.failed"', '"error"'],
        error: anError,
      },
    },
    createReader: () => picking(['type', 'error', 'response.usage'], readResponses),
  },
  anthropic: {
    names: {
      texts: ['text', 'partial_json', 'thinking'],
      arguments: [],
      twins: [],
      skipped: [],
      marks: { type: ['"message_start"', '"message_delta"', '"message_stop"', '"error"'], error: anError },
    },
    createReader: createAnthropicReader,
  },
  ollama: {
    names: {
      texts: ['content', 'thinking', 'response'],
      arguments: ['arguments'],
      twins: [],
      skipped: ['context', 'logprobs'],
      marks: { done: ['t'], error: anError },
    },
    createReader: () => picking(['done', ...ollamaPaths], readOllama),
  },
  tgi: {
    names: {
      texts: ['text'],
      arguments: [],
      twins: [],
      skipped: ['top_tokens', 'details'],
      marks: { generated_text: ['"'], error: anError },
    },
    createReader: () => picking(['generated_text', 'error', ...tgiPaths], readTgi),
  },
  'llama.cpp': {
    names: {
      texts: ['content'],
      arguments: [],
      twins: [],
      skipped: ['completion_probabilities', 'generation_settings', 'timings'],
      marks: { stop: ['t'], error: anError },
    },
    createReader: createLlamaReader,
  },
}

/** A reader of members; an event that is no object says nothing. */
function picking(paths: readonly string[], read: (event: JsonObject) => EventMeaning): EventReader {
  return (data) => {
    const event = pickMembers(data, paths)
    return event === undefined ? {} : read(event)
  }
}

const readOpenaiEvent = picking(['usage', 'choices', 'error'], (event) => {
  const hasFailed = saysError(event)
  const { usage, choices } = event
  const isUsageAlone = isObject(usage) && Array.isArray(choices) && choices.length === 0 && !hasFailed
  return { hasFailed, usage: openaiUsage(usage), isUsageAlone }
})

/** Clients take whatever begins with `[DONE]` for the end. */
function readOpenai(data: Buffer): EventMeaning {
  return data.subarray(0, done.length).equals(done) ? { isTerminal: true } : readOpenaiEvent(data)
}

/** Each answer says its usage in its last event: known once all have said it. */
function createAddingReader(answers: number): EventReader {
  const said = new Map<unknown, SaidUsage>()
  const readIndex = picking(['choices', 'usage'], ({ choices, usage }) => {
    const [first] = Array.isArray(choices) ? (choices as readonly unknown[]) : []
    const one = openaiUsage(usage)
    if (one !== undefined && said.size < answers) said.set(isObject(first) ? first['index'] : undefined, one)
    return said.size < answers ? {} : { usage: addUsages([...said.values()]) }
  })
  return (data) => ({ ...readOpenai(data), usage: readIndex(data).usage })
}

const responseEnds: readonly unknown[] = ['response.completed', 'response.incomplete', 'response.failed']

function readResponses(event: JsonObject): EventMeaning {
  const { type } = event
  return {
    isTerminal: responseEnds.includes(type),
    hasFailed: type === 'response.failed' || type === 'error' || saysError(event),
    usage: responsesUsage(event['response.usage']),
  }
}

function createAnthropicReader(): EventReader {
  let counts: AnthropicCounts = {}
  return picking(['type', 'error', 'usage', 'message.usage'], (event) => {
    const { type } = event
    // The first event's count of output is where it begins, not what came of it.
    if (type === 'message_start')
      counts = { ...anthropicCounts(event['message.usage'], counts), output: undefined }
    if (type === 'message_delta') counts = anthropicCounts(event['usage'], counts)
    return {
      isTerminal: type === 'message_stop',
      hasFailed: type === 'error' || saysError(event),
      usage: anthropicUsage(counts),
    }
  })
}

function readOllama(event: JsonObject): EventMeaning {
  const isTerminal = event['done'] === true
  return { isTerminal, hasFailed: saysError(event), usage: isTerminal ? ollamaUsage(event) : undefined }
}

function readTgi(event: JsonObject): EventMeaning {
  return {
    isTerminal: typeof event['generated_text'] === 'string',
    hasFailed: saysError(event),
    usage: tgiUsage(event),
  }
}

function createLlamaReader(answers: number): EventReader {
  const ended: (SaidUsage | undefined)[] = []
  return picking(['stop', 'error', ...llamaPaths], (event) => {
    if (event['stop'] === true) ended.push(llamaUsage(event))
    const isTerminal = ended.length >= answers
    return { isTerminal, hasFailed: saysError(event), usage: isTerminal ? addUsages(ended) : undefined }
  })
}
