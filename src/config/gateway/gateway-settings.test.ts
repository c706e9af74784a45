import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { testUpstream } from '../../../test/support/test-upstream.ts'
import { ConfigError, type ConfigFault } from '../config-fault.ts'
import type { SettingFlags } from '../flag-layer.ts'
import { type LoadedConfig, loadConfig } from '../load-config.ts'

interface Given {
  readonly flags?: SettingFlags
  readonly environment?: Readonly<Record<string, string>>
  /** JSON, or the text of a file. */
  readonly file?: unknown
}

function load({ flags = {}, environment = {}, file }: Given): LoadedConfig & { readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-gateway-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  if (file !== undefined)
    writeFileSync(join(folder, 'modelward.json'), typeof file === 'string' ? file : JSON.stringify(file))
  return { ...loadConfig({ flags, environment, workingFolder: folder }), folder }
}

function faultsOf(given: Given): readonly ConfigFault[] {
  try {
    load(given)
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
  return []
}

const placesOf = (given: Given): readonly string[] =>
  faultsOf(given).map(({ where }) => where.replace('modelward.json: ', ''))
const flagsOf = (upstream: string, preset?: string): SettingFlags => ({
  upstream: [upstream],
  ...(preset !== undefined && { preset: [preset] }),
})
const local = { url: 'http://127.0.0.1:11434', preset: 'ollama' }
const hosted = { url: 'https://api.openai.com', preset: 'openai' }
const upstream = (fields: object) => ({ file: { upstreams: { local: { ...local, ...fields } } } })

describe('one upstream on the command line', () => {
  test('is called `upstream`, has the defaults of its preset, and its key is read where it stands', () => {
    const given = { flags: flagsOf('http://127.0.0.1:11434/', 'ollama') }
    expect(load(given).gateway).toEqual({
      upstreams: [testUpstream({ preset: 'ollama', name: 'upstream' })],
      models: [],
      bodyMax: 16_777_216,
      answerMax: 8_388_608,
    })
    const keyOf = (environment: Readonly<Record<string, string>>) =>
      load({ ...given, environment }).gateway?.upstreams[0]?.key
    expect(keyOf({ MODELWARD_UPSTREAM_KEY: 'sk-1' })).toEqual({ env: 'MODELWARD_UPSTREAM_KEY' })
    const file = join(mkdtempSync(join(tmpdir(), 'modelward-gateway-')), 'key')
    onTestFinished(() => rmSync(join(file, '..'), { recursive: true }))
    writeFileSync(file, 'sk-2\n')
    expect(keyOf({ MODELWARD_UPSTREAM_KEY_FILE: file })).toEqual({ file })
  })

  test('opens `Authorization: Bearer`, unless schemes are set', () => {
    expect(load({}).config.scheme).toEqual(['header'])
    expect(load({}).gateway).toBeUndefined()
    const flags = flagsOf('http://localhost', 'vllm')
    const opened = load({ flags })
    expect(opened.config.scheme).toEqual(['header', 'bearer'])
    expect(opened.inputs.scheme).toEqual(['header', 'bearer'])
    expect(load({ flags: { ...flags, scheme: ['header'] } }).config.scheme).toEqual(['header'])
    expect(placesOf({ flags: { ...flags, keyHeader: ['Authorization'] } })).toEqual(['--key-header'])
  })

  test.each([
    ['it alone', { flags: flagsOf('http://localhost') }, ['--upstream']],
    ['a preset alone', { flags: { preset: ['ollama'] } }, ['--preset']],
    ['an unknown preset', { flags: flagsOf('http://localhost', 'olama') }, ['--preset']],
    [
      'two kinds of upstreams',
      { flags: flagsOf('http://localhost', 'ollama'), file: { upstreams: { local } } },
      ['--upstream, upstreams'],
    ],
  ])('with %s is a fault', (_what, given, places) => {
    expect(placesOf(given)).toEqual(places)
  })

  test('what waits in the environment for a flag is no fault for other commands', () => {
    const environment = { MODELWARD_PRESET: 'ollama', MODELWARD_UPSTREAM_KEY: 'sk-1' }
    const file = { models: { fast: { to: [{ upstream: 'upstream', model: 'a' }] } } }
    expect(load({ environment, file }).gateway).toBeUndefined()
  })

  test.each([
    'http://user:hush@host',
    'http://hush@host',
    'http://host?key=hush',
    'http://host#hush',
    'http://host/a/../hush',
    'ftp://host/hush',
    'host/hush',
    'http://',
    'http://a b/hush',
    'http:\\\\host\\hush',
    '',
  ])('at %j is a fault, which does not show it', (url) => {
    const faults = faultsOf({ flags: flagsOf(url, 'ollama') })
    expect(faults.map(({ where }) => where)).toEqual(['--upstream'])
    expect(JSON.stringify(faults)).not.toContain('hush')
    const inFile = faultsOf({ file: { upstreams: { local: { ...local, url } } } })
    expect(inFile.map(({ where }) => where)).toEqual(['modelward.json: upstreams.local.url'])
    expect(JSON.stringify(inFile)).not.toContain('hush')
  })

  test.each([
    ['http://host/', 'http://host'],
    ['HTTPS://Host:443/proxy/', 'https://host/proxy'],
    ['http://[::1]:8080/a/b', 'http://[::1]:8080/a/b'],
  ])('at %s is asked at %s', (url, asked) => {
    expect(load({ flags: flagsOf(url, 'custom') }).gateway?.upstreams[0]?.url).toBe(asked)
  })
})

describe('upstreams in the file', () => {
  test('are read as they are meant, with files beside the file', () => {
    const { gateway, folder } = load({
      file: {
        upstreams: {
          local: {
            ...local,
            prefix: '/ollama',
            models: 'listed',
            allow: ['GET /api/ps', { route: 'POST /api/tags', scope: 'tags' }],
            close: ['POST /api/embed', { route: 'GET /v1/models/{id}' }],
            allowFields: ['keep_alive', 'tools.web_search'],
            tokens: { perByte: 0.4 },
            abandoned: 'reserved',
            timeouts: { connect: '1s', total: '2h' },
            retries: 0,
            breaker: { failures: 2, pauseMax: '5s' },
            health: null,
            connectionsMax: 8,
            ca: 'ca.pem',
          },
          hosted: { ...hosted, key: { file: 'secrets/openai' }, keyHeader: 'Api-Key' },
        },
        models: {
          Fast: {
            to: [
              { upstream: 'local', model: 'llama3.2:3b' },
              { upstream: 'hosted', model: 'gpt-5-mini' },
            ],
            limits: ['20000 Tokens / min'],
            output: 512,
          },
        },
      },
    })
    expect(gateway?.upstreams).toEqual([
      testUpstream({
        preset: 'ollama',
        name: 'local',
        prefix: '/ollama',
        models: 'listed',
        allow: [
          { method: 'GET', path: '/api/ps' },
          { method: 'POST', path: '/api/tags', scope: 'tags' },
        ],
        close: [
          { method: 'POST', path: '/api/embed' },
          { method: 'GET', path: '/v1/models/{id}' },
        ],
        allowFields: ['keep_alive', 'tools.web_search'],
        tokens: { perByte: 0.4, template: 512, output: 4_096, image: 4_096 },
        abandoned: 'reserved',
        timeouts: { connectMs: 1_000, firstByteMs: 600_000, idleMs: 300_000, totalMs: 7_200_000 },
        retries: 0,
        breaker: { failures: 2, pauseMs: 5_000, pauseMaxMs: 5_000 },
        health: null,
        connectionsMax: 8,
        ca: join(folder, 'ca.pem'),
      }),
      testUpstream({
        preset: 'openai',
        name: 'hosted',
        url: 'https://api.openai.com',
        key: { file: join(folder, 'secrets/openai') },
        keyHeader: 'api-key',
      }),
    ])
    expect(gateway?.models).toEqual([
      {
        name: 'Fast',
        to: [
          { upstream: 'local', model: 'llama3.2:3b' },
          { upstream: 'hosted', model: 'gpt-5-mini' },
        ],
        limits: ['20000 tokens/min'],
        output: 512,
      },
    ])
  })

  test('all that is wrong is told at once, each where it is', () => {
    const file = {
      upstreams: {
        Local: local,
        a: 7,
        b: { urll: 'x' },
        c: { ...local, preset: 'olama', key: 'sk-hush', tokens: { perBite: 1 }, retries: 4 },
      },
      models: { fast: {}, 'a b': { to: [] }, slow: { to: [{ upstream: 'local' }], limits: ['5'] } },
    }
    expect(placesOf({ file })).toEqual([
      'upstreams.Local',
      'upstreams.a',
      'upstreams.b.urll',
      'upstreams.b.url',
      'upstreams.b.preset',
      'upstreams.c.preset',
      'upstreams.c.key',
      'upstreams.c.tokens.perBite',
      'upstreams.c.retries',
      'models.fast.to',
      'models["a b"]',
      'models["a b"].to',
      'models.slow.to[0].model',
      'models.slow.limits[0]',
    ])
    const hints = faultsOf({ file }).map(({ hint }) => hint)
    expect(hints).toEqual(expect.arrayContaining(['did you mean ollama?', 'did you mean perByte?']))
    expect(JSON.stringify(faultsOf({ file }))).not.toContain('hush')
  })

  test.each([
    [{ key: { env: 'A', file: 'b' } }, 'key'],
    [{ key: {} }, 'key'],
    [{ key: { env: 'A B' } }, 'key'],
    [{ key: { env: 'MODELWARD_OTHER' } }, 'key'],
    [{ key: { value: 'sk-hush' } }, 'key'],
    [{ keyHeader: 'api-key' }, 'keyHeader'],
    [{ key: { env: 'A' }, keyHeader: 'Host' }, 'keyHeader'],
    [{ key: { env: 'A' }, keyHeader: 'a b' }, 'keyHeader'],
    [{ prefix: 'ollama' }, 'prefix'],
    [{ prefix: '/' }, 'prefix'],
    [{ prefix: '/a/' }, 'prefix'],
    [{ prefix: '/a//b' }, 'prefix'],
    [{ prefix: '/..' }, 'prefix'],
    [{ prefix: '/a/./b' }, 'prefix'],
    [{ prefix: '/a%2fb' }, 'prefix'],
    [{ prefix: '/a:b' }, 'prefix'],
    [{ prefix: '/jobs' }, 'prefix'],
    [{ prefix: '/v1/keys' }, 'prefix'],
    [{ models: 'all' }, 'models'],
    [{ allow: 'GET /a' }, 'allow'],
    [{ allow: ['get /a'] }, 'allow[0]'],
    [{ allow: ['DELETE /api/delete'] }, 'allow[0]'],
    [{ allow: ['GET /a*'] }, 'allow[0]'],
    [{ allow: ['GET /a/{id}'] }, 'allow[0]'],
    [{ allow: ['GET /a/../b'] }, 'allow[0]'],
    [{ allow: ['GET /a//b'] }, 'allow[0]'],
    [{ allow: ['GET /a?b'] }, 'allow[0]'],
    [{ allow: ['GET /a%2fb'] }, 'allow[0]'],
    [{ allow: ['POST /api/chat'] }, 'allow[0]'],
    [{ allow: ['GET /a', { route: 'GET /a' }] }, 'allow[1].route'],
    [{ allow: [{ route: 'GET /a', scope: 'No' }] }, 'allow[0].scope'],
    [{ allow: [{ scope: 'a' }] }, 'allow[0].route'],
    [{ close: ['POST /api/chatt'] }, 'close[0]'],
    [{ close: [{ route: 'POST /api/chat', scope: 'a' }] }, 'close[0].scope'],
    [{ allowFields: ['keep_alives'] }, 'allowFields[0]'],
    [{ allowFields: ['tools.'] }, 'allowFields[0]'],
    [{ allowFields: ['tools.a b'] }, 'allowFields[0]'],
    [{ allowFields: ['store.a'] }, 'allowFields[0]'],
    [{ allowFields: 'keep_alive' }, 'allowFields'],
    [{ tokens: { perByte: 0 } }, 'tokens.perByte'],
    [{ tokens: { output: 0.5 } }, 'tokens.output'],
    [{ tokens: [] }, 'tokens'],
    [{ abandoned: 'free' }, 'abandoned'],
    [{ timeouts: { connect: 5 } }, 'timeouts.connect'],
    [{ timeouts: { idle: '0s' } }, 'timeouts.idle'],
    [{ timeouts: { total: '25d' } }, 'timeouts.total'],
    [{ breaker: { pause: '2min' } }, 'breaker.pauseMax'],
    [{ breaker: { failures: 0 } }, 'breaker.failures'],
    [{ health: 'health' }, 'health'],
    [{ connectionsMax: 0 }, 'connectionsMax'],
    [{ ca: '~/ca.pem' }, 'ca'],
  ])('%j is a fault', (fields, place) => {
    expect(placesOf(upstream(fields))).toEqual([`upstreams.local.${place}`])
    expect(JSON.stringify(faultsOf(upstream(fields)))).not.toContain('hush')
  })

  test('a key that stands twice is one, wherever it is', () => {
    const text = JSON.stringify({ upstreams: { local } })
    const file = text.replace('"preset"', '"preset":"vllm","preset"')
    expect(placesOf({ file })).toEqual(['upstreams.local.preset'])
  })

  test('two that answer a route in two forms are told, and which', () => {
    const tgi = { url: 'http://a', preset: 'tgi' }
    const vllm = { url: 'http://b', preset: 'vllm' }
    expect(faultsOf({ file: { upstreams: { tgi, vllm } } })).toMatchObject([
      {
        where: 'modelward.json: upstreams.vllm',
        got: 'POST /tokenize, which is one of tgi too',
        hint: expect.stringContaining('prefix'),
      },
    ])
    expect(faultsOf({ file: { upstreams: { tgi, vllm: { ...vllm, prefix: '/vllm' } } } })).toEqual([])
  })
})

describe('models in the file', () => {
  const to = [{ upstream: 'local', model: 'a' }]

  test.each([
    [{ fast: { to }, FAST: { to } }, 'models.FAST'],
    [{ fast: { to }, 'fast:latest': { to } }, 'models["fast:latest"]'],
    [{ 'Fast:Latest': { to }, fast: { to } }, 'models.fast'],
    [{ fast: { to: [{ upstream: 'locl', model: 'a' }] } }, 'models.fast.to[0].upstream'],
    [{ fast: { to: [...to, ...to] } }, 'models.fast.to[1]'],
    [{ fast: { to, output: 0 } }, 'models.fast.output'],
    [{ fast: { to, limit: [] } }, 'models.fast.limit'],
    [{ fast: { to: [{ upstream: 'local', model: '' }] } }, 'models.fast.to[0].model'],
    [{ 'a b': { to } }, 'models["a b"]'],
    [{ ['a'.repeat(121)]: { to } }, 'models["[redacted]"]'],
  ])('%j is a fault', (models, place) => {
    expect(placesOf({ file: { upstreams: { local }, models } })).toEqual([place])
  })

  test('an upstream is known by the name of the flag where the file has none', () => {
    const models = (name: string) => ({ models: { fast: { to: [{ upstream: name, model: 'a' }] } } })
    const flags = flagsOf('http://localhost', 'ollama')
    expect(load({ flags, file: models('upstream') }).gateway?.models).toHaveLength(1)
    expect(faultsOf({ flags, file: models('upstreem') })).toMatchObject([{ hint: 'did you mean upstream?' }])
  })
})
