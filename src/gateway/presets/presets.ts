import { custom } from './custom.ts'
import { llamaCpp } from './llama-cpp.ts'
import { ollama } from './ollama.ts'
import { openai } from './openai.ts'
import type { Preset, PresetName } from './preset.ts'
import { tgi } from './tgi.ts'
import { vllm } from './vllm.ts'

/** Every preset, by the name that a configuration says. */
export const presets: Readonly<Record<PresetName, Preset>> = {
  ollama,
  vllm,
  tgi,
  openai,
  'llama.cpp': llamaCpp,
  custom,
}

export const presetNames: readonly PresetName[] = Object.keys(presets) as PresetName[]
