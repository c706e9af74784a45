import { describe } from 'vitest'
import type { StartTarget } from './parity-target.ts'
import { describeBodyRows, describeKeepAliveRows } from './rows-body.ts'
import { describeCorsRows, describeDenyRows } from './rows-deny.ts'
import { describeErrorRows } from './rows-errors.ts'
import { describeBearerRows, describeKeyRows } from './rows-key.ts'
import { describeLedgerRows } from './rows-ledger.ts'
import { describeLimitRows } from './rows-limits.ts'
import { describeStatusRows } from './rows-status.ts'

/** The table of `parity.md`, request by request, against whatever answers `POST /predict`. */
export function describeParity(name: string, start: StartTarget): void {
  describe(name, () => {
    describe('which key', () => describeKeyRows(start))
    describe('bearer', () => describeBearerRows(start))
    describe('the body', () => describeBodyRows(start))
    describe('default deny', () => describeDenyRows(start))
    describe('CORS', () => describeCorsRows(start))
    describe('status and scopes', () => describeStatusRows(start))
    describe('limits', () => describeLimitRows(start))
    describe('errors and logs', () => describeErrorRows(start))
    describe('the ledger', () => describeLedgerRows(start))
    describe('kept connections', () => describeKeepAliveRows(start))
  })
}
