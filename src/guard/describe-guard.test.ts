import { expect, test } from 'vitest'
import { openTestWard } from '../../test/support/open-test-ward.ts'
import { describeGuard } from './describe-guard.ts'
import type { GuardDescription } from './describe-schemes.ts'
import { apiKeyCookie, apiKeyHeader, apiKeyQuery, bearer, type Scheme } from './scheme.ts'

const header = apiKeyHeader({ name: 'X-API-Key' })

async function describeWith(...schemes: readonly Scheme[]): Promise<GuardDescription> {
  return describeGuard(await openTestWard({ schemes }))
}

test('every scheme is there in OpenAPI’s words, and two of one kind have names of their own', async () => {
  const { components } = await describeWith(
    header,
    bearer(),
    apiKeyHeader({ name: 'X-Old-Key' }),
    apiKeyCookie({ name: 'key' }),
    apiKeyQuery({ name: 'api_key' }),
  )
  expect(components.securitySchemes).toEqual({
    ApiKeyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
    Bearer: { type: 'http', scheme: 'bearer' },
    ApiKeyHeader2: { type: 'apiKey', in: 'header', name: 'X-Old-Key' },
    ApiKeyCookie: { type: 'apiKey', in: 'cookie', name: 'key' },
    ApiKeyQuery: { type: 'apiKey', in: 'query', name: 'api_key' },
  })
})

test('any one of the schemes will do, with the scopes that the demand and those it needs ask for', async () => {
  const { security } = await describeWith(header, bearer())
  expect(security()).toEqual([{ ApiKeyHeader: [] }, { Bearer: [] }])
  expect(security({ scope: 'predict', needs: [{ scope: ['read', 'beta'] }] })).toEqual([
    { ApiKeyHeader: ['read', 'beta', 'predict'] },
    { Bearer: ['read', 'beta', 'predict'] },
  ])
  expect(security('public')).toEqual([])
})

test('a key is optional where the guard lets its absence pass, and nowhere else', async () => {
  const { security } = await describeWith(apiKeyHeader({ name: 'X-API-Key', autoError: false }))
  expect(security()).toEqual([{ ApiKeyHeader: [] }, {}])
  expect(security({ scope: 'predict' })).toEqual([{ ApiKeyHeader: ['predict'] }])
  expect(security({ check: () => {} })).toEqual([{ ApiKeyHeader: [] }])
})

test('the guard’s answers are problems, and the 403 names the scopes', async () => {
  const { responses, components } = await describeWith(header)
  expect(Object.keys(responses())).toEqual(['401', '403', '429', '503'])
  for (const { content } of Object.values(responses()))
    expect(content).toEqual({
      'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
    })
  expect(responses({ scope: ['predict', 'beta'] })[403].description).toContain('`predict`, `beta`')
  expect(components.schemas.Problem).toMatchObject({
    type: 'object',
    required: expect.arrayContaining(['code']),
  })
})

test('a document of OpenAPI 3.0 lists no scopes with a key, as that version asks', async () => {
  const ward = await openTestWard({ schemes: [header] })
  const { security, responses } = describeGuard(ward, { openapi: '3.0' })
  expect(security({ scope: 'predict' })).toEqual([{ ApiKeyHeader: [] }])
  expect(responses({ scope: 'predict' })[403].description).toContain('`predict`')
})

test('wrong options are told, with what was expected', async () => {
  const ward = await openTestWard({ schemes: [header] })
  expect(() => describeGuard(ward, { openapi: '2.0' as '3.0' })).toThrow(
    'describeGuard: `openapi`: expected `3.0` or `3.1`, got "2.0"',
  )
  expect(() => describeGuard({} as typeof ward)).toThrow('`ward`: expected a ward')
})
