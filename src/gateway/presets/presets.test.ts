import { describe, expect, test } from 'vitest'
import type { OpenTypes, PresetName } from './preset.ts'
import { presetNames, presets } from './presets.ts'

/**
 * The contract once more, apart from the data that it is compared with: a route, the presets that
 * have it, what a key must have, what is counted, when it streams, its dialect.
 */
const contract = `
POST /v1/chat/completions      | ollama vllm tgi openai llama.cpp | its model | tokens   | asked          | openai
POST /v1/completions           | ollama vllm tgi openai llama.cpp | its model | tokens   | asked          | openai
POST /v1/responses             | ollama vllm openai llama.cpp     | its model | tokens   | asked          | openai
POST /v1/messages              | ollama vllm llama.cpp            | its model | tokens   | asked          | anthropic
POST /v1/embeddings            | ollama vllm openai llama.cpp     | its model | tokens   | never          | openai
POST /v1/messages/count_tokens | vllm llama.cpp                   | its model | requests | never          | anthropic
POST /v1/rerank                | vllm llama.cpp                   | its model | tokens   | never          | openai
POST /v1/score                 | vllm                             | its model | tokens   | never          | openai
POST /rerank                   | vllm llama.cpp                   | its model | tokens   | never          | openai
POST /score                    | vllm                             | its model | tokens   | never          | openai
POST /classify                 | vllm                             | its model | tokens   | never          | openai
POST /pooling                  | vllm                             | its model | tokens   | never          | openai
POST /api/chat                 | ollama                           | its model | tokens   | unless refused | ollama
POST /api/generate             | ollama                           | its model | tokens   | unless refused | ollama
POST /api/embed                | ollama                           | its model | tokens   | never          | ollama
POST /api/embeddings           | ollama                           | its model | tokens   | never          | ollama
POST /api/show                 | ollama                           | its model | requests | never          | ollama
GET /api/version               | ollama                           | any model | requests | never          | ollama
HEAD /                         | ollama                           | any model | requests | never          | ollama
POST /generate                 | tgi                              | its model | tokens   | never          | tgi
POST /generate_stream          | tgi                              | its model | tokens   | always         | tgi
POST /completion               | llama.cpp                        | its model | tokens   | asked          | openai
POST /infill                   | llama.cpp                        | its model | tokens   | asked          | openai
POST /tokenize                 | vllm llama.cpp                   | its model | requests | never          | openai
POST /tokenize                 | tgi                              | its model | requests | never          | tgi
POST /detokenize               | vllm llama.cpp                   | its model | requests | never          | openai
POST /apply-template           | llama.cpp                        | its model | requests | never          | openai
GET /v1/models                 | ollama vllm tgi openai llama.cpp | any model | requests | never          | openai
GET /v1/models/{id}            | ollama vllm tgi openai llama.cpp | any model | requests | never          | openai
GET /api/tags                  | ollama                           | any model | requests | never          | ollama
`

const management: Readonly<Record<PresetName, string>> = {
  ollama:
    '/api/pull /api/push /api/delete /api/create /api/copy /api/blobs/* /api/ps /api/status /api/me /api/signout /api/user/* /api/experimental/*',
  vllm: '/v1/load_lora_adapter /v1/unload_lora_adapter /invocations /inference/* /v2/* /generative_scoring /pause /resume /is_paused /scale_elastic_ep /update_weights /init_weight_transfer_engine /abort_requests /sleep /wake_up /collective_rpc /reset_* /start_profile /stop_profile /server_info /tokenizer_info /load /version /ping',
  tgi: '/ /invocations /vertex /info /chat_tokenize /ping /v2/*',
  'llama.cpp': '/props /slots* /lora-adapters /models/* /tools /api/*',
  openai:
    '/v1/files* /v1/batches* /v1/fine_tuning* /v1/assistants* /v1/threads* /v1/vector_stores* /v1/responses/* /v1/conversations* /v1/organization* /v1/audio* /v1/images* /v1/realtime*',
  custom: '',
}

const reasoningOf = (reasoning: string): string =>
  ` previous_response_id@/v1/responses conversation@/v1/responses prompt@/v1/responses background=true@/v1/responses store=true@/v1/responses(false) input@/v1/responses[message,function_call,function_call_output,custom_tool_call,custom_tool_call_output,${reasoning}] *file_id`
const ofResponses = reasoningOf('reasoning')
const tools = ' tools@/v1/chat/completions,/v1/responses[function,custom]'
const toolsOfAll = ' tools@/v1/chat/completions,/v1/responses,/v1/messages[function,custom]'
const closedFields: Readonly<Record<PresetName, string>> = {
  ollama: `keep_alive options.num_ctx options.num_gpu options.main_gpu options.num_thread options.use_mmap name@/api/show${toolsOfAll}${ofResponses}`,
  vllm: `priority kv_transfer_params prompt_embeds@/v1/completions *image_embeds *audio_embeds *uuid${toolsOfAll}${ofResponses}`,
  'llama.cpp': `id_slot lora response_fields@/completion,/infill${toolsOfAll}${ofResponses}`,
  tgi: 'parameters.adapter_id',
  openai: `service_tier store=true@/v1/chat/completions web_search_options@/v1/chat/completions${tools}${reasoningOf('reasoning:encrypted_content')} *audio.id`,
  custom: '',
}

function needsOf(type: string, { needs = {} }: OpenTypes): string {
  return type in needs ? `${type}:${needs[type]}` : type
}

function rowsOf(name: PresetName): readonly string[] {
  return contract
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .filter(([, names = '']) => names.split(' ').includes(name))
    .map(([route, , ...rest]) => [route, ...rest].join(' | '))
}

describe.each(presetNames)('the preset %s', (name) => {
  const preset = presets[name]

  test('has the routes of the contract, and no others', () => {
    const routes = preset.routes.map(({ method, path, asks, form, streams, dialect }) => {
      const measures = form === undefined ? 'requests' : 'tokens'
      return [`${method} ${path}`, asks, measures, streams, dialect].join(' | ')
    })
    expect(routes.toSorted()).toEqual(rowsOf(name).toSorted())
  })

  test('knows the management of its kind of server', () => {
    expect(preset.management.join(' ')).toBe(management[name])
  })

  test('closes the fields of the contract, and those that lead round what is counted', () => {
    const fields = preset.closedFields.map(
      ({ field, paths, value, types, isInItems, isWrittenFalse }) =>
        (isInItems ? '*' : '') +
        field +
        (value === undefined ? '' : `=${value}`) +
        (paths === undefined ? '' : `@${paths.join()}`) +
        (isWrittenFalse ? '(false)' : '') +
        (types === undefined ? '' : `[${types.open.map((type) => needsOf(type, types)).join()}]`),
    )
    expect(fields.join(' ')).toBe(closedFields[name])
  })

  test('closes a field on paths that it has', () => {
    const paths: readonly string[] = preset.routes.map(({ path }) => path)
    for (const field of preset.closedFields)
      expect(paths).toEqual(expect.arrayContaining([...(field.paths ?? [])]))
  })

  test('refuses media by URL, unless what fetches it is out on the internet', () => {
    expect(preset.refusesMediaByUrl).toBe(name !== 'openai')
  })

  test('lists models with names that mean something else by no rule but its own', () => {
    expect(preset.hasTags).toBe(name === 'ollama')
    expect(preset.models).toBe(name === 'openai' ? 'listed' : 'any')
  })

  test('writes an output bound into a field that it reads as one', () => {
    for (const { output } of preset.routes)
      if (output !== undefined) expect(output.fields).toContain(output.writes)
  })

  test('answers lists of models by the gateway alone', () => {
    const listed = preset.routes.filter(({ answeredBy }) => answeredBy !== 'upstream')
    const paths = /^\/(?:v1\/models(?:\/\{id\})?|api\/tags)$/
    expect(listed.filter(({ path }) => !paths.test(path))).toEqual([])
    expect(preset.routes.filter(({ path }) => paths.test(path))).toEqual(listed)
  })
})

describe('output bounds', () => {
  const bounds = [
    ['ollama', '/v1/chat/completions', 'max_tokens → max_tokens × n'],
    ['vllm', '/v1/chat/completions', 'max_completion_tokens, max_tokens → max_tokens × n'],
    ['tgi', '/v1/chat/completions', 'max_completion_tokens, max_tokens → max_tokens × n'],
    ['openai', '/v1/chat/completions', 'max_completion_tokens, max_tokens → max_completion_tokens × n'],
    [
      'llama.cpp',
      '/v1/chat/completions',
      'n_predict, max_completion_tokens, max_tokens → n_predict × max(n_cmpl, n)',
    ],
    ['vllm', '/v1/completions', 'max_tokens → max_tokens × max(n, best_of) × prompts'],
    ['vllm', '/v1/responses', 'max_output_tokens → max_output_tokens'],
    ['vllm', '/v1/messages', 'max_tokens → max_tokens'],
    ['ollama', '/api/chat', 'options.num_predict → options.num_predict'],
    ['ollama', '/api/generate', 'options.num_predict → options.num_predict'],
    ['tgi', '/generate', 'parameters.max_new_tokens → parameters.max_new_tokens × parameters.best_of'],
    ['tgi', '/generate_stream', 'parameters.max_new_tokens → parameters.max_new_tokens × parameters.best_of'],
    [
      'llama.cpp',
      '/completion',
      'n_predict, max_completion_tokens, max_tokens → n_predict × max(n_cmpl, n) × prompts',
    ],
  ] as const

  test.each(bounds)('of %s %s: %s', (name, path, expected) => {
    const output = presets[name].routes.find((route) => route.path === path)?.output
    if (output === undefined) throw new Error('no bound')
    const groups = output.answers.map((group) => (group.length > 1 ? `max(${group.join(', ')})` : group[0]))
    const factors = [output.writes, ...groups, ...(output.prompts === undefined ? [] : ['prompts'])]
    expect(`${output.fields.join(', ')} → ${factors.join(' × ')}`).toBe(expected)
  })

  test('0 and −1 are no bound where the server takes them for none', () => {
    const open = presetNames.flatMap((name) =>
      presets[name].routes
        .filter(({ output }) => output?.isOpenBelowOne)
        .map(({ path }) => `${name} ${path}`),
    )
    expect(open).toEqual([
      'ollama /v1/chat/completions',
      'ollama /v1/completions',
      'ollama /v1/responses',
      'ollama /api/chat',
      'ollama /api/generate',
      'llama.cpp /v1/chat/completions',
      'llama.cpp /v1/completions',
      'llama.cpp /v1/responses',
      'llama.cpp /v1/messages',
      'llama.cpp /completion',
      'llama.cpp /infill',
    ])
  })
})
