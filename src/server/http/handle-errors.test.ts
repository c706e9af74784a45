import { expect, test } from 'vitest'
import { Fault, type FaultCode } from '../../core/fault.ts'
import { logProblem } from './handle-errors.ts'
import { createLog } from './log.ts'

function lineOf(code: FaultCode): Readonly<Record<string, unknown>> {
  const lines: string[] = []
  const log = createLog({
    level: 'error',
    keyHeader: 'x-api-key',
    stream: { write: (line) => void lines.push(line) },
  })
  const fault = new Fault(code, 'why', { cause: new Error('behind it') })
  logProblem(log, { request_id: 'a', method: 'POST', route: '/predict' }, fault)
  expect(lines).toHaveLength(1)
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>
}

const codesOfStates = [
  'overloaded',
  'model_timeout',
  'ledger_unavailable',
  'upstream_unavailable',
  'upstream_failed',
  'upstream_timeout',
] as const

test.each(codesOfStates)(
  '%s, which lasts, is a short line: the cause in a few words, and no stack',
  (code) => {
    const line = lineOf(code)
    expect(line).toMatchObject({ code, msg: 'why', cause: 'behind it' })
    expect(line['err']).toBeUndefined()
  },
)

test('a fault of one request is logged with the stack of what is behind it', () => {
  expect(lineOf('internal')).toMatchObject({ err: { message: 'behind it', stack: expect.any(String) } })
})
