import { expect, test } from 'vitest'
import { type LedgerVerification, verifyLedger } from '../../ledger/verify/verify-ledger.ts'
import { verifyUntilSettled } from './verify-ledger-file.ts'

const intact = verifyLedger([])

function brokenAt(seq: number): LedgerVerification {
  const finding = { kind: 'start_removed', stream: 'ab', seq, position: null, message: 'missing' } as const
  return { ...intact, firstBroken: finding }
}

/** Verifies a ledger of which something is dropped during each of the first passes. */
function settle(passes: readonly LedgerVerification[], drops: number) {
  let pass = 0
  const result = verifyUntilSettled({
    verify() {
      pass += 1
      return passes[pass - 1] ?? intact
    },
    readBases: () => String(Math.min(pass, drops)),
  })
  return { result, pass }
}

test('a finding counts at once where nothing was dropped meanwhile', () => {
  expect(settle([brokenAt(7)], 0)).toEqual({ result: brokenAt(7), pass: 1 })
})

test('what retention took from under the reader is no finding', () => {
  expect(settle([brokenAt(7), brokenAt(19)], 2)).toEqual({ result: intact, pass: 3 })
})

test('what is broken is told though something is dropped during each pass', () => {
  const broken = Array.from({ length: 100 }, () => brokenAt(700))
  expect(settle([brokenAt(7), ...broken], 1_000)).toEqual({ result: brokenAt(700), pass: 3 })
})
