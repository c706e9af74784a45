import { createParser } from 'eventsource-parser'
import { expect, test } from 'vitest'
import { Fault } from '../../core/fault.ts'
import { Refusal } from '../../core/refusal.ts'
import { brokenStream } from './broken-stream.ts'

const failed = new Fault('upstream_failed', 'a secret message')
const message = 'The model server failed on this request.'

test.each([
  [
    'openai',
    `data: {"error":{"message":"${message}","type":"server_error","param":null,"code":"upstream_failed"}}\n\n`,
  ],
  [
    'llama.cpp',
    `data: {"error":{"message":"${message}","type":"server_error","param":null,"code":"upstream_failed"}}\n\n`,
  ],
  [
    'responses',
    `event: error\ndata: {"type":"error","code":"upstream_failed","message":"${message}","param":null}\n\n`,
  ],
  [
    'anthropic',
    `event: error\ndata: {"type":"error","error":{"type":"api_error","message":"${message}"}}\n\n`,
  ],
  ['ollama', `{"error":"${message}"}\n`],
  ['tgi', `data: {"error":"${message}","error_type":"generation"}\n\n`],
] as const)('a broken stream of %s says so', (form, expected) => {
  expect(brokenStream(form, failed).toString()).toBe(expected)
})

test('a key that was revoked meanwhile is told as one', () => {
  expect(brokenStream('openai', new Refusal('key_revoked')).toString()).toContain(
    '"type":"invalid_request_error","param":null,"code":"invalid_api_key"',
  )
})

test('is one event, whatever the sentence has in it', () => {
  const detail = 'a\nb\r\n\ndata: [DONE]'
  for (const form of ['openai', 'responses', 'anthropic', 'tgi'] as const) {
    const events: string[] = []
    const parser = createParser({ onEvent: ({ data }) => void events.push(data) })
    parser.feed(brokenStream(form, new Fault('upstream_timeout', 'why', { detail })).toString())
    expect(events).toHaveLength(1)
    expect(JSON.stringify(JSON.parse(events[0] ?? ''))).toContain(JSON.stringify(detail))
  }
  expect(brokenStream('ollama', new Refusal('forbidden', detail)).toString().split('\n')).toHaveLength(2)
})
