// One process of the benchmark: what reading answers and bodies costs, without any network.
//   node bench/gateway/measure-parts.ts <rounds>
import { createStreamReader } from '../../src/gateway/answer/create-stream-reader.ts'
import { readCall } from '../../src/gateway/body/read-call.ts'
import { presets } from '../../src/gateway/presets/presets.ts'

/** CPU microseconds. */
export interface PartsRound {
  readonly event: number
  readonly body: number
}

const eventsOfStream = 500
const streamsOfRound = 200
const bodiesOfRound = 5_000

const pieceOf = (more: object) =>
  Buffer.from(
    `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm', ...more })}\n\n`,
  )
const event = pieceOf({ choices: [{ index: 0, delta: { content: ' word' }, finish_reason: null }] })
const usage = pieceOf({ choices: [], usage: { prompt_tokens: 20, completion_tokens: eventsOfStream } })
const done = Buffer.from('data: [DONE]\n\n')

/** Frames, counts, and takes the usage event out. */
function readStream(): void {
  const reader = createStreamReader({ form: 'openai', framing: 'sse', takesUsageOut: true })
  let left = 0
  for (let sent = 0; sent < eventsOfStream; sent += 1) left += reader.push(event).length
  left += reader.push(usage).length
  left += reader.push(done).length
  const isRight = left === eventsOfStream && reader.contentEvents === eventsOfStream
  if (!isRight || reader.usage?.completion !== eventsOfStream || reader.terminal === undefined)
    throw new Error('the stream was not read as it is')
}

/** 9 KB: a conversation of some turns, with the escapes and characters of one. */
const body = Buffer.from(
  JSON.stringify({
    model: 'm',
    stream: true,
    temperature: 0.7,
    max_tokens: 500,
    messages: Array.from({ length: 14 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content:
        `${index}. “Why is the sky blue?”\nAir scatters short waves more than long ones; that\tis Rayleigh’s law. `.repeat(
          6,
        ),
    })),
  }),
)
const [route] = presets.vllm.routes.filter(({ path }) => path === '/v1/chat/completions')
if (route === undefined) throw new Error('the preset has no chat')
const { closedFields, refusesMediaByUrl } = presets.vllm
const rules = { route, closedFields, refusesMediaByUrl }

function readBody(): void {
  const call = readCall(body, rules)
  if (call.model !== 'm' || call.output !== 500) throw new Error('the body was not read as it is')
}

function measure(work: () => void, times: number, each: number): number {
  const before = process.cpuUsage()
  for (let turn = 0; turn < times; turn += 1) work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / (times * each)
}

const rounds: PartsRound[] = []
// The first is warm-up.
for (let round = 0; round <= Number(process.argv[2] ?? 5); round += 1) {
  const one = {
    event: measure(readStream, streamsOfRound, eventsOfStream),
    body: measure(readBody, bodiesOfRound, 1),
  }
  if (round > 0) rounds.push(one)
}
process.stdout.write(`${JSON.stringify({ bytes: body.length, rounds })}\n`)
