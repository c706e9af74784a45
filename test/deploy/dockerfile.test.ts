import { existsSync, readFileSync } from 'node:fs'
import { validate } from 'dockerfile-utils'
import { describe, expect, test } from 'vitest'
import { settings } from '../../src/config/settings.ts'
import {
  commandOf,
  execFormOf,
  instructionsOf,
  lastOf,
  readAdmitted,
  readImageEnvironment,
  readStages,
  stageOf,
  wordsOf,
} from './dockerfile.ts'

const admitted = readAdmitted()

describe('the Dockerfile', () => {
  test('is one that a builder reads, and its linter has nothing to say', () => {
    expect(validate(readFileSync('Dockerfile', 'utf8'))).toEqual([])
  })

  test('builds every stage on the same slim Node, which a release gives by its digest', () => {
    expect(readStages().map(({ name, from }) => [name, from.slice(1)])).toEqual([
      ['build', '{NODE_IMAGE}'],
      ['install', '{NODE_IMAGE}'],
      ['', '{NODE_IMAGE}'],
    ])
    const [, image, major] =
      /^ARG NODE_IMAGE=(\S+\/node:(\d+)-\S+-slim)$/m.exec(readFileSync('Dockerfile', 'utf8')) ?? []
    const { optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      readonly optionalDependencies: Readonly<Record<string, string>>
    }
    expect({ image, major }).toMatchObject({ major: optionalDependencies['node']?.split('.')[0] })
  })

  test('copies only what is there and is not ignored, and adds nothing from an address', () => {
    const copied = readStages().flatMap((stage) => instructionsOf(stage, 'COPY'))
    const sources = copied
      .filter((copy) => !copy.getTextContent().includes(' --from='))
      .flatMap((copy) => wordsOf(copy).slice(0, -1))
      .filter((source) => source !== '.')
    expect(sources.length).toBeGreaterThan(0)
    for (const source of sources) expect([source, admitted.includes(source)]).toEqual([source, true])
    for (const path of admitted) expect([path, existsSync(path)]).toEqual([path, true])
    expect(readStages().flatMap((stage) => instructionsOf(stage, 'ADD'))).toEqual([])
  })

  test('lets no secret, data folder or history into a build', () => {
    const [first] = readFileSync('.dockerignore', 'utf8')
      .split('\n')
      .filter((line) => /^[^#]/.test(line))
    expect(first).toBe('*')
    for (const path of ['.git', '.env', 'secrets', 'modelward-data', 'node_modules', 'test'])
      expect([path, admitted.some((one) => one.startsWith(path))]).toEqual([path, false])
  })

  test('installs without install scripts', () => {
    const installs = readStages()
      .flatMap((stage) => instructionsOf(stage, 'RUN'))
      .flatMap((run) => commandOf(run).split('&&'))
      .filter((command) => /\bnpm (?:ci|install)\b/.test(command))
    expect(installs).toHaveLength(2)
    for (const install of installs) expect(install).toContain('--ignore-scripts')
  })
})

describe('the image', () => {
  test('has the app from the stage before, and no package manager', () => {
    expect(lastOf('COPY').getTextContent()).toBe('COPY --from=install /app /app')
    const runs = instructionsOf(stageOf(), 'RUN').map(commandOf)
    expect(runs).toHaveLength(1)
    // Where the official image has them.
    for (const path of [
      '/usr/local/lib/node_modules',
      '/opt/yarn-*',
      '/usr/local/bin/npm',
      '/usr/local/bin/npx',
    ])
      expect(runs[0]?.split(/\s+/)).toContain(path)
    expect(runs[0]).not.toMatch(/\b(?:apt-get|apk|curl|wget|npm (?:i|ci|install))\b/)
  })

  test('runs as a user without a name, whose alone its folder is', () => {
    expect(commandOf(lastOf('USER'))).toBe('10001:10001')
    expect(commandOf(lastOf('WORKDIR'))).toBe('/data')
    expect(commandOf(lastOf('RUN'))).toContain('mkdir -m 0700 /data && chown 10001:10001 /data')
    const order = stageOf().instructions.map((instruction) => instruction.getKeyword())
    expect(order.lastIndexOf('RUN')).toBeLessThan(order.indexOf('USER'))
  })

  test('starts a program and no shell, which gets the signals', () => {
    expect(execFormOf(lastOf('ENTRYPOINT'))).toEqual([
      'node',
      '/app/node_modules/@modelward/server/dist/cli/main.js',
    ])
    expect(execFormOf(lastOf('CMD'))).toEqual(['serve'])
    expect(commandOf(lastOf('STOPSIGNAL'))).toBe('SIGTERM')
  })

  test('listens for other machines, on the port that it names', () => {
    expect(readImageEnvironment()).toEqual({ PATH: '/app/bin:$PATH', MODELWARD_HOST: '0.0.0.0' })
    expect(commandOf(lastOf('EXPOSE'))).toBe(String(settings.port.default))
  })
})
