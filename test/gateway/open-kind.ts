import type { PresetName } from '../../src/gateway/presets/preset.ts'
import { type OpenGateway, type OpenGatewayOptions, openGateway } from './open-gateway.ts'
import { startLlamaCpp } from './simulators/llama-cpp.ts'
import { startOllama } from './simulators/ollama.ts'
import { startOpenai } from './simulators/openai.ts'
import type { Simulator } from './simulators/simulator.ts'
import { startTgi } from './simulators/tgi.ts'
import { startVllm } from './simulators/vllm.ts'

/** Kinds of upstreams that have a simulator. */
export type Kind = Exclude<PresetName, 'custom'>

export const start: Readonly<Record<Kind, () => Promise<Simulator>>> = {
  ollama: () => startOllama(),
  vllm: () => startVllm(),
  tgi: () => startTgi(),
  openai: () => startOpenai(),
  'llama.cpp': () => startLlamaCpp(),
}

export const kinds = Object.keys(start) as Kind[]

export const modelOf = {
  ollama: 'llama3.2:3b',
  vllm: 'meta-llama/Llama-3.2-3B',
  tgi: 'HuggingFaceH4/zephyr-7b-beta',
  openai: 'gpt-5-mini',
  'llama.cpp': 'qwen3-4b',
} as const

/** Whatever a route of any kind asks for. */
export const everything = {
  messages: [{ role: 'user', content: 'why is the sky blue' }],
  prompt: 'why',
  input: 'why',
  inputs: 'why',
  content: 'why',
  input_prefix: 'a',
  input_suffix: 'b',
  tokens: [1],
  query: 'why',
  documents: ['a'],
  text_1: 'a',
  text_2: 'b',
  max_tokens: 8,
}

export interface OpenKind extends OpenGateway {
  readonly key: string
  /** What calls brought to the upstream: what the gateway asks itself belongs to no request. */
  readonly forwarded: () => readonly string[]
}

/** A gateway before a simulator of a kind, with a key for it. */
export async function openKind(kind: Kind, more: Partial<OpenGatewayOptions> = {}): Promise<OpenKind> {
  const simulator = await start[kind]()
  const gateway = await openGateway({
    upstreams: [{ preset: kind, url: simulator.url, models: 'any' }],
    ...more,
  })
  const key = await gateway.createKey()
  return {
    ...gateway,
    key,
    forwarded: () =>
      simulator.seen
        .filter(({ headers }) => headers['x-request-id'] !== undefined)
        .map(({ method, path }) => `${method} ${path}`),
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await simulator.close()
    },
  }
}
