import { type LedgerEntry, ledgerEntry } from '../../src/ledger/format/record.ts'

const begin = Date.UTC(2026, 0, 1)

/** The id of one of the benchmark's keys. */
export function keyIdOf(number: number): string {
  return `key_${String(number).padStart(16, '0')}`
}

/** A record as a server writes it, of one of so many keys; every tenth is a refusal. */
export function recordOf(number: number, keys: number): LedgerEntry {
  const isRefused = number % 10 === 0
  // Stepping by a prime, so that neighbours are of different keys.
  const key = (number * 7_919) % keys
  return ledgerEntry({
    at: begin + number,
    event: isRefused ? 'request.refused' : 'request.admitted',
    requestId: `req_${String(number).padStart(22, '0')}`,
    code: isRefused ? 'rate_limited' : null,
    keyId: keyIdOf(key),
    owner: `owner-${key % 1_000}`,
    method: 'POST',
    route: '/predict',
    status: isRefused ? 429 : 200,
    latencyUs: 900 + ((number * 31) % 4_000),
    measures: { characters: number % 1_000, requests: 1 },
    address: `203.0.113.${number % 256}`,
  })
}
