import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError } from './config-fault.ts'
import { type ConfigSources, type LoadedConfig, loadConfig } from './load-config.ts'
import type { SettingInput } from './setting.ts'
import { environmentNameOf, flagNames, flagOf } from './setting-names.ts'
import { type SettingName, settingNames, settings } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'modelward-config-'))
afterAll(() => rmSync(folder, { recursive: true }))

const pepper = `1:${'p'.repeat(43)}`

function load(sources: Partial<ConfigSources> & { readonly file?: unknown } = {}): LoadedConfig {
  const { file, ...rest } = sources
  const workingFolder = mkdtempSync(join(folder, 'case-'))
  if (file !== undefined)
    writeFileSync(
      join(workingFolder, 'modelward.json'),
      typeof file === 'string' ? file : JSON.stringify(file),
    )
  return loadConfig({ flags: {}, environment: {}, workingFolder, ...rest })
}

function faultsOf(sources: Parameters<typeof load>[0]): readonly string[] {
  try {
    load(sources)
  } catch (error) {
    if (error instanceof ConfigError) {
      return error.faults.map(
        (fault) => `${fault.where}: expected ${fault.expected}, got ${fault.got}; ${fault.hint ?? ''}`,
      )
    }
    throw error
  }
  return []
}

/** Two values that are right for each setting. */
const samples: Readonly<Record<SettingName, readonly [SettingInput, SettingInput]>> = {
  data: ['/srv/a', '/srv/b'],
  host: ['0.0.0.0', '::1'],
  port: [0, 65_535],
  environment: ['test', 'live'],
  keyPrefix: ['acme', 'b2'],
  scheme: [['bearer'], ['header', 'bearer']],
  keyHeader: ['X-Key', 'Api-Key'],
  realm: ['a b', 'c'],
  invalidKeyStatus: [401, 403],
  trustProxy: [['10.0.0.0/8', '::1'], []],
  bodyMax: ['2MiB', 4096],
  batchBodyMax: ['64MiB', 4096],
  inFlightMax: ['auto', '256MiB'],
  headersMax: ['8KiB', 2048],
  textMax: [1, 500],
  cachedKeysMax: [2, 20],
  limitDefault: [['10/min', 'shadow 1000/day'], []],
  limitEveryone: [['5 concurrent'], ['none']],
  limitBadKeys: ['10/min', 'none'],
  limitOperational: ['1000/min', 'none'],
  ownerKeysMax: [50, 0],
  model: [['/srv/a.ts', '/srv/b.js'], []],
  modelDeadline: ['500ms', '2min'],
  modelLoadDeadline: ['30s', '5min'],
  modelThreads: ['2', 'auto'],
  queueMax: [1, 500],
  queueOwnerMax: [1, 50],
  jobsMaxBytes: ['1MiB', '1GiB'],
  jobsOwnerBytes: ['64MiB', '1GiB'],
  diskReserve: ['0', '1GiB'],
  jobWorkers: ['auto', '8'],
  jobAttempts: [1, 10],
  jobKeep: ['1h', '7d'],
  jobDeadline: ['1min', '1h'],
  jobLease: ['5s', '2min'],
  webhooksAllow: [['10.0.0.0/8', '::1'], []],
  webhooksAllowHttp: [true, false],
  requestTimeout: ['1s', '1h'],
  shutdownDelay: ['5s', '1min'],
  shutdownGrace: ['0s', '1min'],
  ledgerMode: ['after', 'before'],
  ledgerAddresses: ['hashed', 'none'],
  ledgerKeep: ['90d', 'forever'],
  ledgerMax: ['10GiB', 'unlimited'],
  usageKeep: ['30d', 'forever'],
  limiterLoss: ['share', 'open'],
  migrate: ['never', 'auto'],
  workers: ['1', '1'],
  docs: ['open', 'guarded'],
  metrics: ['off', 'open'],
  corsOrigins: [['https://a.example', 'http://localhost:3000'], []],
  logLevel: ['debug', 'silent'],
  logRequests: [true, 'auto'],
  forwardAuth: [{ models: { scope: 'predict' } }, {}],
  traceOwners: [false, true],
  upstream: ['none', 'none'],
  preset: ['none', 'none'],
  gatewayBodyMax: ['1MiB', 5_000],
  answerMax: ['1KiB', '1MiB'],
  upstreams: [{}, {}],
  models: [{ fast: { to: [{ upstream: 'upstream', model: 'a' }] } }, {}],
}

const wrong: Readonly<Record<SettingName, string>> = {
  data: '~/keys',
  host: 'a b',
  port: '65536',
  environment: 'prod',
  keyPrefix: 'A_',
  scheme: 'header,cookie',
  keyHeader: 'a b',
  realm: 'say "x"',
  invalidKeyStatus: '400',
  trustProxy: '10.0.0.0/33',
  bodyMax: '1 MB',
  batchBodyMax: '0',
  inFlightMax: '1KiB',
  headersMax: '1',
  textMax: '0',
  cachedKeysMax: '1',
  limitDefault: '60/min,90/min',
  limitEveryone: '0/min',
  limitBadKeys: '5 concurrent',
  limitOperational: '5 concurrent',
  ownerKeysMax: '1001',
  model: '~/model.ts',
  modelDeadline: '5',
  modelLoadDeadline: '2h',
  modelThreads: '65',
  queueMax: '0',
  queueOwnerMax: '0',
  jobsMaxBytes: '1023KiB',
  jobsOwnerBytes: '0',
  diskReserve: '-1',
  jobWorkers: '-1',
  jobAttempts: '0',
  jobKeep: '59s',
  jobDeadline: '0s',
  jobLease: '4s',
  webhooksAllow: '10.0.0.0/33',
  webhooksAllowHttp: 'yes',
  requestTimeout: '30d',
  shutdownDelay: '-1s',
  shutdownGrace: '-1s',
  ledgerMode: 'never',
  ledgerAddresses: 'some',
  limiterLoss: 'shared',
  migrate: 'yes',
  workers: '0',
  ledgerKeep: '59min',
  ledgerMax: '1MiB',
  usageKeep: '23h',
  docs: 'yes',
  metrics: 'yes',
  corsOrigins: 'https://a.example/',
  logLevel: 'loud',
  logRequests: 'yes',
  forwardAuth: '{}',
  traceOwners: 'yes',
  upstream: 'ftp://host',
  preset: 'olama',
  gatewayBodyMax: '0',
  answerMax: '1023B',
  upstreams: '{}',
  models: '{}',
}

const textOf = (input: SettingInput): string => (Array.isArray(input) ? input.join(',') : String(input))
const someSettings = fc.uniqueArray(fc.constantFrom(...settingNames))
const someFlags = fc.uniqueArray(fc.constantFrom(...flagNames))

describe('loadConfig', () => {
  test('without anything gives the defaults', () => {
    const { config, origins, configFile } = load()
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8000, bodyMax: 1_048_576, modelDeadline: 5_000 })
    expect(new Set(Object.values(origins))).toEqual(new Set(['default']))
    expect(configFile).toBeUndefined()
  })

  test('a setting comes from its strongest source: flag, then environment, then file, then default', () => {
    const use = fc.record({ flag: someFlags, environment: someFlags, file: someSettings })
    fc.assert(
      fc.property(use, ({ flag, environment, file }) => {
        const { inputs, origins } = load({
          flags: Object.fromEntries(flag.map((name) => [name, [textOf(samples[name][0])]])),
          environment: Object.fromEntries(
            environment.map((name) => [environmentNameOf(name), textOf(samples[name][1])]),
          ),
          file: Object.fromEntries(file.map((name) => [name, samples[name][0]])),
        })
        for (const name of settingNames) {
          const [origin, input] = flag.includes(name)
            ? [flagOf(name), samples[name][0]]
            : environment.includes(name)
              ? [environmentNameOf(name), samples[name][1]]
              : file.includes(name)
                ? [`modelward.json: ${name}`, samples[name][0]]
                : ['default', settings[name].default]
          expect([name, origins[name], inputs[name]]).toEqual([name, origin, input])
        }
      }),
      { numRuns: 60 },
    )
  })

  test('every wrong value of every source is reported, overruled ones too, each where it is', () => {
    fc.assert(
      fc.property(someFlags, someFlags, someSettings, (flag, environment, file) => {
        const places = faultsOf({
          flags: Object.fromEntries(flag.map((name) => [name, [wrong[name]]])),
          environment: Object.fromEntries(environment.map((name) => [environmentNameOf(name), wrong[name]])),
          file: Object.fromEntries(file.filter((name) => name !== 'data').map((name) => [name, null])),
        }).map((fault) => fault.slice(0, fault.indexOf(': expected')))
        expect(places.toSorted()).toEqual(
          [
            ...flag.map(flagOf),
            ...environment.map(environmentNameOf),
            ...file.filter((name) => name !== 'data').map((name) => `modelward.json: ${name}`),
          ].toSorted(),
        )
      }),
      { numRuns: 60 },
    )
  })

  test('a fault says what was expected, what was there, and where', () => {
    expect(faultsOf({ environment: { MODELWARD_PORT: 'http' } })).toEqual([
      'MODELWARD_PORT: expected an integer from 0 to 65535, got "http"; ',
    ])
  })

  test.each(flagNames)('an empty %s means what its description says', (name) => {
    const faults = faultsOf({ environment: { [environmentNameOf(name)]: '' } })
    expect(faults).toHaveLength(settings[name].empty.startsWith('A fault') ? 1 : 0)
  })

  test('a setting that stands in the file alone has neither flag nor variable', () => {
    expect(settingNames.filter((name) => !flagNames.includes(name))).toEqual([
      'forwardAuth',
      'upstreams',
      'models',
    ])
    expect(faultsOf({ environment: { MODELWARD_FORWARD_AUTH: '{}' } })).toEqual([
      expect.stringMatching(/^MODELWARD_FORWARD_AUTH: expected the name of a setting/),
    ])
  })

  test('limits come to their shortest form; an invalid or repeated one is a fault that says how to write them', () => {
    const { config, inputs } = load({
      flags: { limitDefault: ['10 / Minute, 1000/day', 'shadow 5 concurrent'] },
      environment: { MODELWARD_LIMIT_EVERYONE: '500000 characters/hour' },
    })
    expect(config.limitDefault).toEqual(['10/min', '1000/day', 'shadow 5 concurrent'])
    expect(config.limitEveryone).toEqual(['500000 characters/h'])
    expect(inputs.limitDefault).toEqual(['10 / Minute', '1000/day', 'shadow 5 concurrent'])
    expect(load().config).toMatchObject({ limitDefault: ['60/min'], limitEveryone: [] })
    expect(load({ flags: { limitDefault: [''] } }).config.limitDefault).toEqual([])
    for (const text of ['10', '0/min', '10/min,20/minute', '10/fortnight']) {
      const [fault, ...more] = faultsOf({ flags: { limitDefault: [text] } })
      expect(more).toEqual([])
      expect(fault).toMatch(/^--limit-default: expected limits, at most 8 .*`10\/min`.*, got \["/)
    }
  })

  test('a name that means nothing is a fault, with the name that was meant', () => {
    expect(faultsOf({ environment: { MODELWARD_PROT: 'secret' }, file: { prot: 'secret' } })).toEqual([
      'modelward.json: prot: expected the name of a setting, got one that means nothing; did you mean port?',
      'MODELWARD_PROT: expected the name of a setting, got one that means nothing; did you mean MODELWARD_PORT?',
    ])
  })

  test('what Kubernetes sets for Services whose names begin with ours is ignored', () => {
    const links = (name: string) => ({
      [`${name}_SERVICE_HOST`]: '10.0.0.1',
      [`${name}_SERVICE_PORT`]: '80',
      [`${name}_SERVICE_PORT_HTTP`]: '80',
      [`${name}_PORT`]: 'tcp://10.0.0.1:80',
      [`${name}_PORT_80_TCP`]: 'tcp://10.0.0.1:80',
      [`${name}_PORT_80_TCP_PROTO`]: 'tcp',
      [`${name}_PORT_80_TCP_PORT`]: '80',
      [`${name}_PORT_80_TCP_ADDR`]: '10.0.0.1',
      [`${name}_PORT_53_UDP_ADDR`]: '10.0.0.1',
    })
    const environment = { ...links('MODELWARD'), ...links('MODELWARD_API'), ...links('MODELWARD_ADMIN_PORT') }
    expect(faultsOf({ environment })).toEqual([])
  })

  test.each([
    ['MODELWARD_PORT', '10.0.0.1:80'],
    ['MODELWARD_API_PORT', '8000'],
    ['MODELWARD_PORT_TCP', 'tcp'],
    ['MODELWARD_SERVICE', 'x'],
    ['MODELWARD_HOST', 'tcp://10.0.0.1:80'],
  ])('%s=%s is not of Kubernetes, and a fault', (name, text) => {
    expect(faultsOf({ environment: { [name]: text } })).toHaveLength(1)
  })

  test('a flag given twice is a fault unless it is a list', () => {
    expect(faultsOf({ flags: { port: ['1', '2'] } })[0]).toContain('--port: expected it once, got it 2 times')
    expect(load({ flags: { trustProxy: ['10.0.0.1', '::1'] } }).config.trustProxy).toEqual([
      '10.0.0.1',
      '::1',
    ])
  })

  test('values that are right alone and wrong together are a fault', () => {
    expect(faultsOf({ flags: { scheme: ['header,bearer'], keyHeader: ['authorization'] } })).toHaveLength(1)
  })

  test.each([
    ['{"port": 1, "port": 2}', 'port: expected it once, got it several times'],
    [
      '{"forwardAuth": {"a": {"routes": [{"public": true}, {"public": true}]}, "a": {"scope": "x", "scope": "y"}}}',
      'forwardAuth.a: expected it once, got it several times',
    ],
    ['{"port": "8000"}', 'port: expected an integer'],
    ['[]', 'got an array'],
    ['{"pepper": "hush', 'got something that is not JSON'],
    ['{"pepper": "hush"}', 'secrets come from MODELWARD_PEPPER'],
  ])('the file %s is a fault that shows no text of the file', (file, says) => {
    const [fault] = faultsOf({ file })
    expect(fault).toContain(says)
    expect(fault).not.toContain('hush')
  })

  test('a file that was named and is not there is a fault, a default one is not', () => {
    expect(faultsOf({ configFlag: ['nowhere.json'] })[0]).toContain('ENOENT')
    expect(faultsOf({ environment: { MODELWARD_CONFIG: 'nowhere.json' } })[0]).toContain('ENOENT')
    expect(load({ file: {} }).configFile).toMatch(/modelward\.json$/)
  })

  test('a relative data folder in a file starts at the file', () => {
    const workingFolder = mkdtempSync(join(folder, 'case-'))
    mkdirSync(join(workingFolder, 'etc'))
    writeFileSync(join(workingFolder, 'etc/m.json'), '{"data":"d"}')
    const { config } = loadConfig({ flags: {}, configFlag: ['etc/m.json'], environment: {}, workingFolder })
    expect(config.data).toBe(join(workingFolder, 'etc/d'))
  })
})

describe('the pepper', () => {
  test('comes from the environment or the file that it names', () => {
    const file = join(folder, 'pepper')
    writeFileSync(file, `${pepper}\n`)
    expect(load({ environment: { MODELWARD_PEPPER: pepper } }).secrets.pepper).toBe(pepper)
    expect(load({ environment: { MODELWARD_PEPPER_FILE: file } }).secrets.pepper).toBe(pepper)
  })

  test.each([
    [{ MODELWARD_PEPPER: '' }, 'MODELWARD_PEPPER'],
    [{ MODELWARD_PEPPER: 'hush' }, 'MODELWARD_PEPPER'],
    [{ MODELWARD_PEPPER_FILE: '' }, 'MODELWARD_PEPPER_FILE'],
    [{ MODELWARD_PEPPER_FILE: 'hush' }, 'MODELWARD_PEPPER_FILE'],
    [{ MODELWARD_PEPPER: pepper, MODELWARD_PEPPER_FILE: '/x' }, 'MODELWARD_PEPPER, MODELWARD_PEPPER_FILE'],
  ])('%j is a fault that shows neither text nor path', (environment, where) => {
    const [fault = '', ...more] = faultsOf({ environment })
    expect(more).toEqual([])
    expect(fault.startsWith(`${where}: expected`)).toBe(true)
    expect(fault).not.toMatch(/hush|ppp/)
  })
})
