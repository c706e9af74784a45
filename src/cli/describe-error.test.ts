import { expect, test } from 'vitest'
import { Fault, type FaultCode } from '../core/fault.ts'
import { describeError } from './describe-error.ts'

test.each<readonly [FaultCode, number]>([
  ['store_unavailable', 3],
  ['ledger_unavailable', 3],
  ['limiter_unavailable', 3],
  ['internal', 4],
])('a command that ends with %s exits with %i: an outage is no defect', (code, exitCode) => {
  expect(describeError(new Fault(code, 'out'))).toMatchObject({ code, exitCode })
})

test('what Deno does not permit is no defect: its sentence names the flag', () => {
  const thrown = Object.assign(new Error('Requires env access, run again with the --allow-env flag'), {
    name: 'NotCapable',
  })
  expect(describeError(thrown)).toMatchObject({
    code: 'config_invalid',
    message: 'Deno: Requires env access, run again with the --allow-env flag',
    exitCode: 2,
  })
})
