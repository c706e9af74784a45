import { describe, expect, test } from 'vitest'
import { testUpstream } from '../../../test/support/test-upstream.ts'
import { Refusal } from '../../core/refusal.ts'
import type { PresetName } from '../presets/preset.ts'
import { createGatewayRoutes } from '../routes/gateway-routes.ts'
import type { CallBody } from './call-body.ts'
import { readCall } from './read-call.ts'

/** Reads a body as a call of a preset's route is read. */
function read(
  preset: PresetName,
  path: string,
  body: unknown,
  allowFields: readonly string[] = [],
): CallBody {
  const server = createGatewayRoutes([testUpstream({ preset, allowFields })]).find('POST', path)?.servers[0]
  if (server === undefined) throw new Error(`${preset} has no ${path}`)
  const text = typeof body === 'string' ? body : JSON.stringify({ model: 'm', ...(body as object) })
  return readCall(Buffer.from(text), {
    route: server.route,
    closedFields: server.closedFields,
    refusesMediaByUrl: server.preset.refusesMediaByUrl,
  })
}

function faultsOf(...call: Parameters<typeof read>): readonly string[] {
  try {
    read(...call)
  } catch (thrown) {
    if (!(thrown instanceof Refusal) || thrown.code !== 'input_invalid') throw thrown
    return (thrown.errors ?? []).map(({ loc, type }) => `${loc.slice(1).join('.')}: ${type}`)
  }
  return []
}

const responses = '/v1/responses'
const chat = '/v1/chat/completions'
const withResponses = ['openai', 'vllm', 'ollama', 'llama.cpp'] as const

const tool = { type: 'function', name: 'look', parameters: { type: 'object', properties: {} } }
/** What runs, or is read, on the upstream's own credential. */
const hosted = [
  { type: 'mcp', server_label: 'a', server_url: 'http://10.0.0.1/mcp' },
  { type: 'mcp', server_label: 'drive', connector_id: 'connector_googledrive' },
  { type: 'web_search' },
  { type: 'web_search_preview' },
  { type: 'file_search', vector_store_ids: ['vs_1'] },
  { type: 'code_interpreter', container: 'cntr_1' },
  { type: 'computer_use_preview' },
  { type: 'image_generation' },
  { type: 'local_shell' },
  { type: 'what_comes_next' },
]

describe('tools that run at the upstream are closed', () => {
  test.each(withResponses)('under %s, whatever their type', (preset) => {
    for (const one of hosted) {
      expect(faultsOf(preset, responses, { input: 'a', tools: [tool, one] })).toEqual([
        'tools.type: extra_forbidden',
      ])
      expect(faultsOf(preset, chat, { messages: [], tools: [one] })).toEqual(['tools.type: extra_forbidden'])
    }
  })

  test.each([
    ['a single one in the place of a list', '{"model":"m","tools":{"type":"mcp"}}', 'extra_forbidden'],
    ['in a list within the list', '{"model":"m","tools":[[{"type":"mcp"}]]}', 'extra_forbidden'],
    ['with an escape', '{"model":"m","tools":[{"type":"m\\u0063p"}]}', 'extra_forbidden'],
    ['under an escaped name', '{"model":"m","tools":[{"t\\u0079pe":"mcp"}]}', 'extra_forbidden'],
    ['under another spelling', '{"model":"m","tools":[{"Type":"mcp"}]}', 'extra_forbidden'],
    ['behind another type', '{"model":"m","tools":[{"type":"function","type":"mcp"}]}', 'extra_forbidden'],
    ['before another type', '{"model":"m","tools":[{"type":"mcp","type":"function"}]}', 'extra_forbidden'],
    ['by a list', '{"model":"m","tools":[{"type":["mcp"]}]}', 'extra_forbidden'],
    ['by a number', '{"model":"m","tools":[{"type":1}]}', 'extra_forbidden'],
    ['by the beginning of a name', '{"model":"m","tools":[{"type":"func"}]}', 'extra_forbidden'],
  ])('%s', (_, body, type) => {
    expect(faultsOf('openai', responses, body)).toEqual([`tools.type: ${type}`])
  })

  test('in lists that two parsers take differently', () => {
    expect(faultsOf('openai', responses, '{"model":"m","tools":[],"tools":[{"type":"mcp"}]}')).toEqual([
      'tools: ambiguous',
      'tools.type: extra_forbidden',
    ])
    expect(faultsOf('ollama', responses, '{"model":"m","Tools":[{"type":"function"}]}')).toEqual([
      'tools: ambiguous',
    ])
  })

  test('a caller’s own pass, and what they say of their arguments is not looked at', () => {
    const parameters = { type: 'object', properties: { type: { type: 'mcp' }, file_id: { type: 'string' } } }
    const tools = [{ ...tool, parameters }, { type: 'custom', name: 'b' }, { name: 'c' }, { type: null }]
    expect(faultsOf('openai', responses, { input: 'a', tools })).toEqual([])
    expect(faultsOf('vllm', '/v1/messages', { messages: [], tools, max_tokens: 1 })).toEqual([])
    expect(faultsOf('openai', chat, { messages: [], tools: null })).toEqual([])
  })

  test('the server’s search is closed to Anthropic’s clients too', () => {
    const search = { type: 'web_search_20250305', name: 'web_search' }
    for (const preset of ['vllm', 'ollama', 'llama.cpp'] as const)
      expect(faultsOf(preset, '/v1/messages', { messages: [], tools: [search] })).toEqual([
        'tools.type: extra_forbidden',
      ])
    expect(faultsOf('openai', chat, { messages: [], web_search_options: {} })).toEqual([
      'web_search_options: extra_forbidden',
    ])
  })

  test('an operator opens one type, or all', () => {
    const asks = (type: string, allowFields: readonly string[]) =>
      faultsOf('openai', responses, { input: 'a', tools: [tool, { type }] }, allowFields)
    expect(asks('web_search', ['tools.web_search'])).toEqual([])
    expect(asks('mcp', ['tools.web_search'])).toEqual(['tools.type: extra_forbidden'])
    expect(asks('mcp', ['tools'])).toEqual([])
  })
})

describe('items that stand for what an upstream keeps are closed', () => {
  const says = (input: unknown, preset: PresetName = 'openai', allowFields: readonly string[] = []) =>
    faultsOf(preset, responses, { input }, allowFields)

  test.each<[string, unknown]>([
    ['a reference', { type: 'item_reference', id: 'msg_1' }],
    ['a reference without its type', { id: 'msg_1' }],
    ['a reference whose type is null', { type: null, id: 'msg_1' }],
    ['a reference with a role', { id: 'msg_1', role: 'user' }],
    ['a compaction', { type: 'compaction', id: 'cmp_1', encrypted_content: 'x' }],
    ['an image that was made', { type: 'image_generation_call', id: 'ig_1' }],
    ['a run of code', { type: 'code_interpreter_call', container_id: 'cntr_1' }],
    ['an approval', { type: 'mcp_approval_response', approval_request_id: 'mcpr_1' }],
    ['what comes next', { type: 'what_comes_next' }],
  ])('%s', (_, item) => {
    const fault = expect.stringMatching(/^input\.type: (?:extra_forbidden|missing)$/)
    for (const preset of withResponses) {
      expect(says([{ role: 'user', content: 'a' }, item], preset)).toEqual([fault])
      expect(says(item, preset)).toEqual([fault])
      expect(says([[item]], preset)).toEqual([fault])
    }
  })

  test('reasoning that does not come with the call is looked up by its id', () => {
    const reasoning = { type: 'reasoning', id: 'rs_1', summary: [] }
    for (const content of [undefined, null, 1])
      expect(says([{ ...reasoning, encrypted_content: content }])).toEqual(['input.type: missing'])
    expect(says([{ ...reasoning, encrypted_content: 'gAAAA' }])).toEqual([])
    // These keep none, and give its text to the caller.
    expect(says([{ ...reasoning, content: [{ type: 'reasoning_text', text: 'a' }] }], 'vllm')).toEqual([])
  })

  test('a conversation that comes with the call passes', () => {
    const input = [
      { role: 'developer', content: 'be short' },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'type: item_reference' }] },
      { type: 'message', id: 'msg_1', role: 'assistant', content: [{ type: 'output_text', text: 'b' }] },
      { type: 'function_call', id: 'fc_1', call_id: 'c', name: 'look', arguments: '{"file_id":"a"}' },
      { type: 'function_call_output', call_id: 'c', output: [{ type: 'input_text', text: 'c' }] },
      { type: 'custom_tool_call', call_id: 'd', name: 'e', input: 'f' },
      { type: 'custom_tool_call_output', call_id: 'd', output: 'g' },
    ]
    for (const preset of withResponses) {
      expect(says(input, preset)).toEqual([])
      expect(says('only text', preset)).toEqual([])
      expect(says(null, preset)).toEqual([])
    }
  })

  test('an operator opens one type', () => {
    const reference = [{ type: 'item_reference', id: 'msg_1' }]
    expect(says(reference, 'openai', ['input.item_reference'])).toEqual([])
    expect(says([{ id: 'msg_1' }], 'openai', ['input.item_reference'])).toEqual(['input.type: missing'])
    expect(says([{ id: 'msg_1' }], 'openai', ['input'])).toEqual([])
  })

  test('texts that are embedded are no items', () => {
    expect(faultsOf('openai', '/v1/embeddings', { input: ['a', 'b'] })).toEqual([])
    expect(faultsOf('vllm', '/v1/embeddings', { input: [{ id: 'a' }] })).toEqual([])
  })
})

describe('members that lead to what an upstream keeps are closed', () => {
  const file = (part: unknown) => [{ role: 'user', content: [{ type: 'text', text: 'a' }, part] }]

  test.each<[PresetName, string, string, unknown]>([
    ['openai', responses, 'input', { type: 'input_file', file_id: 'file-1' }],
    ['openai', responses, 'input', { type: 'input_image', file_id: 'file-1', detail: 'low' }],
    ['openai', chat, 'messages', { type: 'file', file: { file_id: 'file-1' } }],
    ['openai', chat, 'messages', { type: 'file', file: { File_ID: 'file-1' } }],
    ['vllm', '/v1/messages', 'messages', { type: 'document', source: { type: 'file', file_id: 'file_1' } }],
    ['ollama', responses, 'input', { type: 'input_image', file_id: 'file-1' }],
  ])('%s %s', (preset, path, list, part) => {
    expect(faultsOf(preset, path, { [list]: file(part) })).toEqual(['file_id: extra_forbidden'])
    expect(faultsOf(preset, path, { [list]: file(part) }, ['file_id'])).toEqual([])
  })

  test('in what a tool said', () => {
    const output = [{ type: 'input_file', file_id: 'file-1' }]
    const item = { type: 'function_call_output', call_id: 'a', output }
    expect(faultsOf('openai', responses, { input: [item] })).toEqual(['file_id: extra_forbidden'])
  })

  test('what a model has said aloud before', () => {
    const said = (audio: unknown) => ({ messages: [{ role: 'assistant', audio }] })
    expect(faultsOf('openai', chat, said({ id: 'audio_1' }))).toEqual(['audio.id: extra_forbidden'])
    expect(faultsOf('openai', chat, said({ id: null }))).toEqual([])
    expect(faultsOf('openai', chat, said({ id: 'audio_1' }), ['audio.id'])).toEqual([])
    // Its own voice is no answer of another's.
    expect(faultsOf('openai', chat, { messages: [], audio: { voice: 'ash', format: 'wav' } })).toEqual([])
  })

  test('media by the name under which another’s may lie in vLLM’s cache, and vectors in their place', () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
    for (const name of ['uuid', 'image_embeds', 'audio_embeds']) {
      const messages = file({ ...image, [name]: 'sku-1' })
      expect(faultsOf('vllm', chat, { messages })).toEqual([`${name}: extra_forbidden`])
    }
    expect(faultsOf('vllm', chat, { messages: file(image) })).toEqual([])
  })

  test('files that come with the call pass', () => {
    const pdf = { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA' } }
    expect(faultsOf('openai', chat, { messages: file(pdf) })).toEqual([])
    expect(faultsOf('openai', chat, { messages: file({ type: 'file', file: { file_id: null } }) })).toEqual(
      [],
    )
  })
})

describe('nothing is stored at an upstream', () => {
  test.each(withResponses)('%s keeps no response, and is told so', (preset) => {
    expect(faultsOf(preset, responses, { input: 'a', store: true })).toEqual(['store: extra_forbidden'])
    const sent = (body: object) => JSON.parse(read(preset, responses, body).write({}).toString())
    for (const body of [{ input: 'a' }, { input: 'a', store: null }, { input: 'a', store: false }])
      expect(sent(body)).toEqual({ model: 'm', input: 'a', store: false })
  })

  test('what the caller has said stays as it came', () => {
    const text = '{ "model":"m", "store" : false }'
    const call = read('openai', responses, text)
    expect(call.write({})).toBe(call.bytes)
  })

  test('an operator opens it', () => {
    const call = read('openai', responses, { input: 'a' }, ['store'])
    expect(call.write({})).toBe(call.bytes)
    expect(faultsOf('openai', responses, { input: 'a', store: true }, ['store'])).toEqual([])
  })

  test('a chat is stored only where its caller asks for it', () => {
    expect(faultsOf('openai', chat, { messages: [], store: true })).toEqual(['store: extra_forbidden'])
    const call = read('openai', chat, { messages: [] })
    expect(call.write({})).toBe(call.bytes)
  })
})
