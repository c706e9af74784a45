import { describe } from 'vitest'
import { apiKeyHeader, bearer } from '../../src/guard/scheme.ts'
import { createTestWard, type TestWardOptions } from '../../src/ward/test-ward.ts'
import { describeRows, type KeyName, type TableWard } from './describe-rows.ts'
import { denyRows } from './rows-deny.ts'
import { earlyRows } from './rows-early.ts'
import { bearerRows, keyRows, strictRows } from './rows-key.ts'
import { badKeyRows, limitHeaderRows, limitRows, twoGuardRows } from './rows-limits.ts'
import { addressRows, optionalRows, statusRows } from './rows-status.ts'

const keys = {
  right: { owner: 'acme' },
  reader: { scopes: ['read'] },
  admin: { scopes: ['admin'] },
  local: { addresses: ['127.0.0.0/8', '::1'] },
  elsewhere: { addresses: ['203.0.113.0/24', '2001:db8::/32'] },
} satisfies TestWardOptions<KeyName>['keys']

function ward(options: Omit<TestWardOptions<KeyName, boolean>, 'keys'> = {}): () => Promise<TableWard> {
  return () => createTestWard<KeyName, boolean>({ ...options, keys })
}

const header = apiKeyHeader({ name: 'X-API-Key' })

describe('what counts as a key', () => describeRows(ward(), keyRows))
describe('by a header or as a bearer token', () =>
  describeRows(ward({ scheme: [header, bearer()] }), bearerRows))
describe('a wrong key is 401', () => describeRows(ward({ invalidKeyStatus: 401 }), strictRows))
describe('default deny, and what handlers throw', () => describeRows(ward(), denyRows))
describe('status, scopes, addresses', () => describeRows(ward(), statusRows))
describe('addresses behind a proxy', () => describeRows(ward(), addressRows, { isBehindProxy: true }))
describe('what middleware has set ahead of the guard', () => describeRows(ward(), earlyRows))
describe('limits', () => describeRows(ward(), limitRows))
describe('limits and two guards', () => describeRows(ward(), twoGuardRows))
describe('limits on every answer', () => describeRows(ward(), limitHeaderRows))
describe('wrong keys by address', () => describeRows(ward({ limitBadKeys: '2/min' }), badKeyRows))
describe('autoError: false', () =>
  describeRows(ward({ scheme: apiKeyHeader({ name: 'X-API-Key', autoError: false }) }), optionalRows))
