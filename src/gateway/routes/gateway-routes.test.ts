import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { testUpstream } from '../../../test/support/test-upstream.ts'
import { presetNames, presets } from '../presets/presets.ts'
import { createGatewayRoutes, findRouteConflicts } from './gateway-routes.ts'

const anyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const named = presetNames.map(
  (name) => [name, createGatewayRoutes([testUpstream({ preset: name })])] as const,
)

/** A path that a pattern of management stands for. */
function pathOf(pattern: string): string {
  return pattern.replace(/\*$/, 'abc/1')
}

/** Other ways to write a path, which some server might take for the same. */
const spelling = fc
  .record({
    at: fc.nat({ max: 40 }),
    how: fc.constantFrom(
      (path: string, at: number) => `${path.slice(0, at)}/${path.slice(at)}`,
      (path: string, at: number) => path.slice(0, at) + path.slice(at).toUpperCase(),
      (path: string, at: number) =>
        `${path.slice(0, at)}%${path.charCodeAt(at).toString(16)}${path.slice(at + 1)}`,
      (path: string) => `/v1/..${path}`,
      (path: string) => `/v1/models/..${path}`,
      (path: string) => `/v1/models/%2e%2e%2f${path.slice(1)}`,
      (path: string) => `/v1/models/%2E%2E${path}`,
      (path: string) => `/v1/models/..%5c${path.slice(1)}`,
      (path: string) => `/.${path}`,
      (path: string) => `${path}/`,
      (path: string) => `${path};v=1`,
      (path: string) => path.replaceAll('/', '%2f').replace('%2f', '/'),
      (path: string) => path.replaceAll('/', '\\'),
      (path: string) => path,
    ),
  })
  .map(
    ({ at, how }) =>
      (path: string) =>
        how(path, Math.min(at, path.length - 1)),
  )

describe.each(named)('the routes of %s', (name, routes) => {
  const preset = presets[name]

  test('are open with their own method alone', () => {
    for (const { method, path } of preset.routes) {
      const asked = path.replace('{id}', 'llama3.2:3b')
      expect(
        anyMethod.filter((each) => routes.find(each, asked) !== undefined),
        path,
      ).toContain(method)
    }
    const opened = routes.open.map((route) => `${route.method} ${route.path}`)
    expect(opened).toEqual(preset.routes.map(({ method, path }) => `${method} ${path}`))
  })

  test('do not touch what manages it, which is told apart from what is not there', () => {
    for (const pattern of preset.management) {
      const path = pathOf(pattern)
      expect(
        anyMethod.map((method) => routes.find(method, path)),
        path,
      ).toEqual(anyMethod.map(() => undefined))
      expect(routes.isManagement(path), path).toBe(true)
    }
    for (const { path } of preset.routes) expect(routes.isManagement(path), path).toBe(false)
    expect(routes.isManagement('/nothing')).toBe(false)
  })

  test('are met by no spelling of a path that manages it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('/api/pull', ...preset.management.map(pathOf)),
        fc.array(spelling, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(...anyMethod),
        (path, spellings, method) => {
          const spelt = spellings.reduce((text, spell) => spell(text), path)
          expect(routes.find(method, spelt), `${method} ${spelt}`).toBeUndefined()
        },
      ),
      { numRuns: 500 },
    )
  })

  test('are met by their own letters alone', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('/v1/chat/completions', '/api/chat', '/rerank'),
        spelling,
        (path, spell) => {
          const spelt = spell(path)
          if (spelt !== path) expect(routes.find('POST', spelt), spelt).toBeUndefined()
        },
      ),
    )
  })
})

describe('a model in a path', () => {
  const { find } = createGatewayRoutes([testUpstream({ preset: 'ollama' })])

  test.each(['llama3.2', 'llama3.2:3b', 'llama3.2%3A3b', 'a%20b', '...'])('%s is one', (id) => {
    expect(find('GET', `/v1/models/${id}`)?.answeredBy).toBe('model')
  })

  test.each(['', '.', '..', '%2e', '%2E%2e', 'a/b', 'a%2Fb', 'a%5cb', 'a\\b', '%zz', '%ff', '{id}/'])(
    '%s is not open',
    (id) => {
      expect(find('GET', `/v1/models/${id}`)).toBeUndefined()
    },
  )

  test('stands in the pattern of a router', () => {
    const { open } = createGatewayRoutes([
      testUpstream({ preset: 'ollama', prefix: '/ollama' }),
      testUpstream({ preset: 'custom', allow: [{ method: 'POST', path: '/models/a:predict' }] }),
      testUpstream({
        name: 'other',
        preset: 'custom',
        allow: [{ method: 'POST', path: '/v1/a:predict' }],
      }),
    ])
    const patterns = open.map(({ routerPath }) => routerPath)
    expect(patterns).toContain('/ollama/v1/models/:id')
    expect(patterns).toContain('/v1/a::predict')
  })
})

describe('what the operator opens and closes', () => {
  test('an allowed route is open to keys that may use any model, or have its scope, and counts requests', () => {
    const routes = createGatewayRoutes([
      testUpstream({
        preset: 'ollama',
        allow: [
          { method: 'GET', path: '/api/ps' },
          { method: 'GET', path: '/tags', scope: 'reports' },
        ],
      }),
    ])
    expect(routes.find('GET', '/api/ps')).toMatchObject({
      asks: 'any model',
      answeredBy: 'upstream',
      scope: undefined,
      dialect: 'ollama',
    })
    expect(routes.find('GET', '/api/ps')?.form).toBeUndefined()
    expect(routes.find('GET', '/tags')).toMatchObject({ scope: 'reports', dialect: undefined })
    // Its other methods manage as before.
    expect(routes.find('POST', '/api/ps')).toBeUndefined()
    expect(routes.isManagement('/api/ps')).toBe(true)
  })

  test('a closed route is gone, and its neighbours are not', () => {
    const routes = createGatewayRoutes([
      testUpstream({ preset: 'vllm', close: [{ method: 'POST', path: '/v1/responses' }] }),
    ])
    expect(routes.find('POST', '/v1/responses')).toBeUndefined()
    expect(routes.find('POST', '/v1/messages')).toBeDefined()
    expect(routes.dialectOf('/v1/responses')).toBe('openai')
  })

  test('an allowed field is not among the closed ones of its upstream', () => {
    const fieldsOf = (allowFields: readonly string[]) =>
      createGatewayRoutes([testUpstream({ preset: 'ollama', allowFields })])
        .find('POST', '/api/chat')
        ?.servers[0].closedFields.map(({ field }) => field)
    expect(fieldsOf([])).toContain('keep_alive')
    expect(fieldsOf(['keep_alive'])).not.toContain('keep_alive')
    expect(fieldsOf(['keep_alive'])).toContain('options.num_ctx')
  })

  test.each(['/metrics', '/jobs/1', '/v1/keys', '/v1/upstreams', '/docs/x', '/'])(
    'the server’s own %s wins over one that is allowed, unless it has a prefix',
    (path) => {
      const allow = [{ method: 'GET', path }] as const
      const routes = createGatewayRoutes([testUpstream({ preset: 'custom', allow })])
      expect(routes.find('GET', path)).toBeUndefined()
      expect(routes.hidden).toEqual([{ upstream: 'custom', method: 'GET', path }])
      const mounted = createGatewayRoutes([testUpstream({ preset: 'custom', allow, prefix: '/one' })])
      expect(mounted.find('GET', `/one${path}`)).toBeDefined()
      expect(mounted.hidden).toEqual([])
    },
  )
})

describe('several upstreams', () => {
  const ollama = testUpstream({ preset: 'ollama' })
  const openai = testUpstream({ preset: 'openai' })
  const tgi = testUpstream({ preset: 'tgi' })
  const vllm = testUpstream({ preset: 'vllm' })

  test('share a route that they answer alike, each with what its preset knows of it', () => {
    const servers = createGatewayRoutes([ollama, openai]).find('POST', '/v1/chat/completions')?.servers
    expect(
      servers?.map(({ upstream, route, preset }) => [
        upstream.name,
        route.output?.writes,
        preset.refusesMediaByUrl,
      ]),
    ).toEqual([
      ['ollama', 'max_tokens', true],
      ['openai', 'max_completion_tokens', false],
    ])
  })

  test('a prefix keeps routes apart, and is not in the path that the upstream gets', () => {
    const routes = createGatewayRoutes([ollama, { ...openai, prefix: '/hosted' }])
    expect(routes.find('POST', '/v1/chat/completions')?.servers.map(({ upstream }) => upstream.name)).toEqual(
      ['ollama'],
    )
    const [server] = routes.find('POST', '/hosted/v1/chat/completions')?.servers ?? []
    expect(server?.upstream.name).toBe('openai')
    expect(server?.route.path).toBe('/v1/chat/completions')
    expect(routes.isManagement('/hosted/v1/files')).toBe(true)
    expect(routes.isManagement('/v1/files')).toBe(false)
  })

  test('a route that they answer in two forms is a conflict, which a prefix resolves', () => {
    expect(findRouteConflicts([tgi, vllm])).toEqual([
      { method: 'POST', path: '/tokenize', upstreams: ['tgi', 'vllm'] },
    ])
    expect(() => createGatewayRoutes([tgi, vllm])).toThrow(
      /POST \/tokenize is a route of the upstreams tgi and vllm.*prefix/,
    )
    expect(findRouteConflicts([tgi, { ...vllm, prefix: '/vllm' }])).toEqual([])
    expect(findRouteConflicts([tgi, { ...vllm, close: [{ method: 'POST', path: '/tokenize' }] }])).toEqual([])
  })

  test('a route that the operator allows for two of them is a conflict: no model says which is meant', () => {
    const allow = [{ method: 'GET', path: '/info' }] as const
    expect(
      findRouteConflicts([
        { ...tgi, allow },
        { ...ollama, allow },
      ]),
    ).toHaveLength(1)
    const chat = [{ method: 'POST', path: '/v1/chat/completions' }] as const
    expect(findRouteConflicts([ollama, testUpstream({ preset: 'custom', allow: chat })])).toHaveLength(1)
  })

  test('what is open for one of them is open, though another has it as management', () => {
    const routes = createGatewayRoutes([tgi, ollama, testUpstream({ preset: 'llama.cpp', prefix: '/cpp' })])
    expect(routes.find('HEAD', '/')).toBeDefined()
    expect(routes.isManagement('/')).toBe(true)
    expect(routes.find('POST', '/api/chat')).toBeDefined()
    expect(routes.isManagement('/cpp/api/chat')).toBe(true)
  })
})

describe('the dialect of a path', () => {
  const routes = createGatewayRoutes([
    testUpstream({ preset: 'vllm' }),
    testUpstream({ preset: 'ollama', prefix: '/ollama' }),
    testUpstream({ preset: 'tgi', prefix: '/tgi' }),
    testUpstream({ preset: 'custom', prefix: '/other', allow: [{ method: 'GET', path: '/v1/a' }] }),
  ])

  test.each([
    ['/v1/chat/completions', 'openai'],
    ['/v1/messages', 'anthropic'],
    ['/v1/messages/count_tokens', 'anthropic'],
    ['/v1/nothing', 'openai'],
    ['/v1//chat/completions', 'openai'],
    ['/v1/models/llama3.2', 'openai'],
    ['/rerank', 'openai'],
    ['/api/chat', undefined],
    ['/ollama/api/chat', 'ollama'],
    ['/ollama/api/pull', 'ollama'],
    ['/ollama/v1/nothing', 'openai'],
    ['/tgi/generate', 'tgi'],
    ['/tgi/v1/chat/completions', 'openai'],
    ['/tgi/info', undefined],
    ['/other/v1/a', undefined],
    ['/nothing', undefined],
    ['/v1/keys', undefined],
    ['/v1/keys/abc/rotate', undefined],
    ['/v1/upstreams', undefined],
    ['/', undefined],
  ])('%s is %s', (path, dialect) => {
    expect(routes.dialectOf(path)).toBe(dialect)
  })

  test('is OpenAI’s under a server that has nothing else there, and RFC 9457 without an upstream', () => {
    expect(createGatewayRoutes([]).dialectOf('/v1/nothing')).toBeUndefined()
    expect(createGatewayRoutes([testUpstream({ preset: 'custom' })]).dialectOf('/v1/x')).toBeUndefined()
  })
})
