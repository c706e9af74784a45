import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { parseDatabaseUrl } from './database-url.ts'

const withMode = (parameters: string): string => `postgres://user:secret@db.example:5432/app?${parameters}`

/** What the driver makes of it, and what it warns of. */
function read(text: string) {
  const warnings: unknown[] = []
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation((warning) => warnings.push(warning))
  onTestFinished(() => warn.mockRestore())
  const { ssl } = new pg.Client({ connectionString: parseDatabaseUrl(text).connectionString })
  return { ssl: ssl as unknown, warnings }
}

test.each(['prefer', 'require', 'verify-ca', 'verify-full'])(
  'sslmode=%s checks the server in full, and the driver warns of nothing',
  (mode) => {
    expect(read(withMode(`sslmode=${mode}&schema=own`))).toEqual({ ssl: {}, warnings: [] })
  },
)

test.each([
  ['sslmode=disable', false],
  ['sslmode=no-verify', { rejectUnauthorized: false }],
  ['sslmode=require&sslmode=disable', false],
  ['sslmode=disable&sslmode=require', {}],
  ['uselibpqcompat=true&sslmode=require', { rejectUnauthorized: false }],
  ['application_name=x', false],
])('%s says what it means', (parameters, ssl) => {
  expect(read(withMode(parameters))).toEqual({ ssl, warnings: [] })
})

test.each(['verify_full', 'allow', '', 'constructor', 'REQUIRE'])('sslmode=%s is refused', (mode) => {
  const refused = (): unknown => parseDatabaseUrl(withMode(`sslmode=${mode}`))
  expect(refused).toThrow(
    /expected an sslmode of disable, no-verify, prefer, require, verify-ca, verify-full$/,
  )
})
