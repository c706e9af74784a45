import { createParser, type EventSourceMessage } from 'eventsource-parser'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createStreamReader } from '../../src/gateway/answer/create-stream-reader.ts'
import { EventFrames } from '../../src/gateway/answer/frame-events.ts'
import type { StreamReader, StreamReaderOptions } from '../../src/gateway/answer/stream-reader.ts'

const streams: readonly (StreamReaderOptions & {
  readonly what: string
  readonly events: readonly string[]
  readonly terminal: string
  /** The event that the gateway asked for. */
  readonly asked?: string
})[] = [
  {
    what: 'chat of openai',
    form: 'openai',
    framing: 'sse',
    takesUsageOut: true,
    events: [
      ': a comment\n\n',
      'data: {"choices":[{"delta":{"role":"assistant","content":""}}],"usage":null}\n\n',
      'data: {"choices":[{"delta":{"content":"schön 😀 data: [DONE]\\n\\n"}}],"usage":null}\n\n',
      'id: 7\nretry: 10\ndata: {"choices":[],\ndata: "prompt_filter_results":[]}\n\n',
      'data: {"choices":[{"delta":{"content":"\\"usage\\":{"},"finish_reason":"stop"}]}\n\n',
    ],
    asked: 'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4}}\n\n',
    terminal: 'data: [DONE]\n\n',
  },
  {
    what: 'responses',
    form: 'responses',
    framing: 'sse',
    takesUsageOut: true,
    events: [
      'event: response.created\ndata: {"type":"response.created","response":{"usage":null}}\n\n',
      'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"ä"}\n\n',
    ],
    terminal:
      'event: response.completed\ndata: {"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":4}}}\n\n',
  },
  {
    what: 'messages of anthropic',
    form: 'anthropic',
    framing: 'sse',
    takesUsageOut: true,
    events: [
      'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":9,"output_tokens":1}}}\n\n',
      'event: ping\ndata: {"type":"ping"}\n\n',
      'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"type":"text_delta","text":"{\\"type\\":\\"message_stop\\"}"}}\n\n',
      'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":4}}\n\n',
    ],
    terminal: 'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  },
  {
    what: 'ollama',
    form: 'ollama',
    framing: 'ndjson',
    takesUsageOut: true,
    events: [
      '{"message":{"content":"schön 😀"},"done":false}\n',
      '\n',
      '{"message":{"content":"{\\"done\\":true}\\n"},"done":false}\r\n',
      '{"message":{"tool_calls":[{"function":{"arguments":{"done":true}}}]},"done":false}\n',
    ],
    terminal: '{"done":true,"prompt_eval_count":9,"eval_count":4}\n',
  },
  {
    what: 'tgi',
    form: 'tgi',
    framing: 'sse',
    takesUsageOut: true,
    events: [
      'data:{"token":{"text":"ä"},"generated_text":null,"details":null}\n\n',
      'data:{"token":{"text":"\\"generated_text\\":\\"\\""},"generated_text":null}\n\n',
    ],
    terminal:
      'data:{"token":{"text":"."},"generated_text":"ä.","details":{"input_length":9,"generated_tokens":4}}\n\n',
  },
  {
    what: 'completions of llama.cpp',
    form: 'llama.cpp',
    framing: 'sse',
    takesUsageOut: true,
    events: [
      'data: {"content":"ä","stop":false}\n\n',
      'data: {"content":"\\"stop\\":true","stop":false}\n\n',
    ],
    terminal: 'data: {"content":"","stop":true,"tokens_evaluated":9,"tokens_predicted":4}\n\n',
  },
]

describe('a stream is byte for byte what the upstream sent, less what was asked for by us', () => {
  for (const stream of streams) {
    const passes = stream.events.join('')
    const whole = Buffer.from(`${passes}${stream.asked ?? ''}${stream.terminal}`)

    function check(pieces: readonly Buffer[]): void {
      const { reader, left } = read(stream, pieces)
      expect(left.toString()).toBe(passes)
      expect(reader.terminal?.toString()).toBe(stream.terminal)
      expect(reader.usage).toMatchObject({ prompt: 9, completion: 4 })
    }

    it(`at every split of every byte: ${stream.what}`, () => {
      for (let first = 0; first <= whole.length; first++)
        for (let second = first; second <= whole.length; second += 29)
          check([whole.subarray(0, first), whole.subarray(first, second), whole.subarray(second)])
    })

    it(`in pieces of every size: ${stream.what}`, () => {
      for (let size = 1; size <= whole.length; size++) check(split(whole, size))
    })
  }
})

const line = fc.oneof(
  fc.constantFrom(
    '',
    '',
    'data',
    'data:',
    'data: ',
    ':',
    ': a comment',
    'event: delta',
    'id: 1',
    'retry: 5',
    '\uFEFF',
  ),
  fc.constantFrom(
    'data: [DONE',
    'data:{"a":"ä😀"}',
    'data: {"error',
    'dat: x',
    ' data: x',
    'datax: y',
    'unknown',
  ),
  fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => `data: ${text.replace(/[\r\n]/g, '')}`),
)
const lineEnd = fc.constantFrom('\n', '\r\n', '\r')
const anySse = fc
  .tuple(fc.boolean(), fc.array(fc.tuple(line, lineEnd), { maxLength: 30 }), fc.boolean())
  .map(([hasMark, lines, isOneEnd]) => {
    const ends = isOneEnd ? lines[0]?.[1] : undefined
    return Buffer.from((hasMark ? '\uFEFF' : '') + lines.map(([text, end]) => text + (ends ?? end)).join(''))
  })
const anySizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 10 })

describe('framing', () => {
  it('passes any bytes as they came, and cuts them where an SSE parser dispatches', () => {
    fc.assert(
      fc.property(anySse, anySizes, (bytes, sizes) => {
        const framed: string[] = []
        const frames = new EventFrames({
          framing: 'sse',
          eventBytesMax: 1024,
          onEvent: (event, start, end) => {
            framed.push(event.toString('utf8', start, end))
            return 'pass'
          },
          onUnread: () => expect.unreachable(),
        })
        const left = splitBy(bytes, sizes).flatMap((piece) => frames.push(piece))
        left.push(...frames.end())
        expect(Buffer.concat(left).equals(bytes)).toBe(true)
        expect(framed.join('')).toBe(bytes.toString())
        // Only the first frame may begin with a byte order mark.
        const alone = framed.map((frame, index) => parse(index === 0 ? frame : `:\n${frame}`))
        expect(alone.flat()).toEqual(parse(bytes.toString()))
        expect(Math.max(0, ...alone.map((events) => events.length))).toBeLessThanOrEqual(1)
      }),
      { numRuns: 2000 },
    )
  })

  for (const [name, end] of [
    ['LF', '\n'],
    ['CRLF', '\r\n'],
    ['CR', '\r'],
  ])
    it(`delays no event: it leaves with its last byte, lines ending with ${name}`, () => {
      const reader = createStreamReader({ form: 'openai', framing: 'sse', takesUsageOut: false })
      for (const event of [
        `data: {"a":1}${end}${end}`,
        `: comment${end}${end}`,
        `event: a${end}data: 1${end}${end}`,
      ]) {
        for (const piece of splitBy(Buffer.from(event.slice(0, -1)), [1]))
          expect(reader.push(piece)).toEqual([])
        expect(Buffer.concat([...reader.push(Buffer.from(event.slice(-1)))]).toString()).toBe(event)
      }
      for (const piece of splitBy(Buffer.from(`data: [DONE]${end}${end}`), [1]))
        expect(reader.push(piece)).toEqual([])
      expect(reader.terminal?.toString()).toBe(`data: [DONE]${end}${end}`)
    })
})

function read(
  options: StreamReaderOptions,
  pieces: readonly Buffer[],
): { reader: StreamReader; left: Buffer } {
  const reader = createStreamReader(options)
  const left = pieces.flatMap((piece) => [...reader.push(piece)])
  left.push(...reader.end())
  return { reader, left: Buffer.concat(left) }
}

function split(bytes: Buffer, size: number): Buffer[] {
  return splitBy(bytes, [size])
}

function splitBy(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += pieces.at(-1)?.length ?? 1) {
    const size = sizes[pieces.length % sizes.length] ?? 1
    pieces.push(bytes.subarray(at, at + size))
  }
  return pieces
}

function parse(text: string): EventSourceMessage[] {
  const events: EventSourceMessage[] = []
  const parser = createParser({ onEvent: (event) => events.push(event) })
  parser.feed(text)
  return events
}
