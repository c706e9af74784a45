// llama.cpp behind the routes of its server that the tests ask: `node llama-server.ts MODEL.gguf`.
// The tokenizer, the template, the network and the sampling are real; the routes are as
// https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md has them.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename } from 'node:path'
import { json } from 'node:stream/consumers'
import { Template } from '@huggingface/jinja'
import { getLlama, type LlamaContextSequence, type Token } from 'node-llama-cpp'

type Body = Readonly<Record<string, unknown>>

/** Of each call, in tokens: long enough that a test can leave any answer in its middle. */
const contextSize = 65_536
const [, , modelPath = ''] = process.argv
const name = basename(modelPath, '.gguf')

const llama = await getLlama({
  gpu: false,
  build: 'never',
  skipDownload: true,
  logLevel: 'error',
  maxThreads: 1,
})
const model = await llama.loadModel({ modelPath })
const template = new Template(model.fileInfo.metadata.tokenizer.chat_template ?? '')
const context = await model.createContext({ contextSize, sequences: 2 })
const free = [context.getSequence(), context.getSequence()]
const waiting: ((sequence: LlamaContextSequence) => void)[] = []

class Refused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** How an answer is framed: a chat's, or that of a text. */
interface Frame {
  readonly id: string
  readonly whole: string
  readonly piece: string
  readonly first?: Body
  readonly message: (text: string) => Body
  readonly delta: (text: string) => Body
  readonly last: Body
}

const chat: Frame = {
  id: 'chatcmpl-1',
  whole: 'chat.completion',
  piece: 'chat.completion.chunk',
  first: { delta: { role: 'assistant', content: null } },
  message: (content) => ({ message: { role: 'assistant', content } }),
  delta: (content) => ({ delta: { content } }),
  last: { delta: {} },
}
const completion: Frame = {
  id: 'cmpl-1',
  whole: 'text_completion',
  piece: 'text_completion',
  message: (text) => ({ text }),
  delta: (text) => ({ text }),
  last: { text: '' },
}

const routes: Readonly<
  Record<string, (body: Body, response: ServerResponse) => Body | Promise<Body | undefined>>
> = {
  'GET /health': () => ({ status: 'ok' }),
  'GET /v1/models': () => ({
    object: 'list',
    data: [{ id: name, object: 'model', created: createdAt(), owned_by: 'llamacpp' }],
  }),
  'POST /tokenize': (body) => ({
    tokens: tokensOf(textIn(body, 'content'), body['add_special'] === true, body['parse_special'] !== false),
  }),
  'POST /apply-template': (body) => ({ prompt: promptOf(body) }),
  'POST /v1/chat/completions': (body, response) => answer(chat, promptOf(body), body, response),
  'POST /v1/completions': (body, response) => answer(completion, textIn(body, 'prompt'), body, response),
}

function createdAt(): number {
  return Math.floor(Date.now() / 1000)
}

function textIn(body: Body, field: string): string {
  const text = body[field]
  if (typeof text !== 'string') throw new Refused(400, `"${field}" is no string`)
  return text
}

function promptOf({ messages }: Body): string {
  if (!Array.isArray(messages)) throw new Refused(400, '"messages" is no array')
  return template.render({ messages, add_generation_prompt: true })
}

function tokensOf(text: string, addSpecial: boolean, parseSpecial: boolean): readonly Token[] {
  const { bos, shouldPrependBosToken } = model.tokens
  const tokens = model.tokenize(text, parseSpecial)
  return addSpecial && shouldPrependBosToken && bos !== null ? [bos, ...tokens] : tokens
}

/** The bound of an answer, by the name that llama.cpp reads first; −1 is none. */
function boundOf(body: Body): number {
  const given = body['n_predict'] ?? body['max_completion_tokens'] ?? body['max_tokens']
  return typeof given === 'number' && given >= 0 ? given : Number.POSITIVE_INFINITY
}

function say(what: Body): void {
  process.stdout.write(`${JSON.stringify(what)}\n`)
}

/** Generates; says on standard output that it does, and what it has made, however it ends. */
async function answer(
  frame: Frame,
  text: string,
  body: Body,
  response: ServerResponse,
): Promise<Body | undefined> {
  const prompt = tokensOf(text, true, true)
  if (prompt.length >= contextSize) throw new Refused(400, 'the request exceeds the available context size')
  const head = { id: frame.id, created: createdAt(), model: name }
  const isStream = body['stream'] === true
  const choice = (finish_reason: string | null, more: Body = {}): Body => ({
    choices: [{ index: 0, finish_reason, ...more }],
  })
  const made: string[] = []
  let completionTokens = 0
  let finish = 'stop'
  const sequence = free.pop() ?? (await new Promise<LlamaContextSequence>((resolve) => waiting.push(resolve)))
  say({ begun: prompt.length })
  try {
    if (isStream) {
      response.setHeader('content-type', 'text/event-stream')
      if (frame.first) await send(response, { ...head, object: frame.piece, ...choice(null, frame.first) })
    }
    for await (const piece of generate(sequence, prompt, body)) {
      completionTokens += 1
      if (response.closed) break
      if (piece !== '' && isStream)
        await send(response, { ...head, object: frame.piece, ...choice(null, frame.delta(piece)) })
      made.push(isStream ? '' : piece)
      if (completionTokens >= Math.min(boundOf(body), contextSize - prompt.length)) {
        finish = 'length'
        break
      }
    }
  } finally {
    await sequence.clearHistory()
    const next = waiting.shift()
    if (next === undefined) free.push(sequence)
    else next(sequence)
  }
  const usage = {
    completion_tokens: completionTokens,
    prompt_tokens: prompt.length,
    total_tokens: prompt.length + completionTokens,
    prompt_tokens_details: { cached_tokens: 0 },
  }
  say({ ended: response.closed ? 'left' : finish, usage })
  if (!isStream)
    return { ...head, object: frame.whole, ...choice(finish, frame.message(made.join(''))), usage }
  const { include_usage } = (body['stream_options'] ?? {}) as Body
  await send(response, { ...head, object: frame.piece, ...choice(finish, frame.last) })
  if (include_usage === true) await send(response, { ...head, object: frame.piece, choices: [], usage })
  response.end('data: [DONE]\n\n')
  return undefined
}

/** For each token the text that it completes: none within a character of several. */
async function* generate(
  sequence: LlamaContextSequence,
  prompt: readonly Token[],
  body: Body,
): AsyncGenerator<string> {
  const temperature = typeof body['temperature'] === 'number' ? body['temperature'] : 0.8
  const seed = typeof body['seed'] === 'number' ? body['seed'] : Date.now()
  let last = prompt
  let held: readonly Token[] = []
  for await (const token of sequence.evaluate(prompt, { temperature, seed })) {
    held = [...held, token]
    const text = model.detokenize(held, false, last)
    // A character has four bytes at most; what is broken after that stays so.
    if (text.endsWith('\uFFFD') && held.length < 4) {
      yield ''
      continue
    }
    last = held
    held = []
    yield text
  }
}

/** Waits where the client does not read. */
async function send(response: ServerResponse, event: Body): Promise<void> {
  if (response.closed || response.write(`data: ${JSON.stringify(event)}\n\n`)) return
  await Promise.race([once(response, 'drain'), once(response, 'close')])
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const route = routes[`${request.method} ${request.url}`]
    if (route === undefined) throw new Refused(404, 'File Not Found')
    const body = request.method === 'POST' ? ((await json(request)) as Body) : {}
    const said = await route(body, response)
    if (said !== undefined) response.setHeader('content-type', 'application/json').end(JSON.stringify(said))
  } catch (error) {
    const code = error instanceof Refused ? error.status : 500
    const message = error instanceof Error ? error.message : String(error)
    process.stderr.write(`${request.method} ${request.url}: ${message}\n`)
    response.statusCode = code
    response.end(JSON.stringify({ error: { code, message, type: 'invalid_request_error' } }))
  }
}

const server = createServer((request, response) => void serve(request, response))
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.stdout.write(`listening on http://127.0.0.1:${port}\n`)
})
