import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createClient } from '@redis/client'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load-config.ts'
import { createAddressList } from '../../src/core/address-list.ts'
import { findFreePort, findProgram } from '../support/services.ts'
import { closeMs, drawSecrets, readCompose } from './deployed-files.ts'
import { commandOf, execFormOf, lastOf, readImageEnvironment } from './dockerfile.ts'

const { services, networks, secrets } = readCompose()
const nodes = Object.entries(services).filter(([name]) => name.startsWith('node-'))
const [, node] = nodes[0] ?? []
if (node === undefined) throw new Error('compose.yaml: no service node-1')
const { proxy, redis } = services

/** What the linter of Compose files says, by the specification's schema and rules of its own. */
function lint(file: string): readonly string[] {
  const ofTaste = [
    ...['services-alphabetical-order', 'service-keys-order', 'top-level-properties-order'],
    'service-dependencies-alphabetical-order',
  ]
  const args = [file, '--formatter=json', ...ofTaste.map((rule) => `--disable-rule=${rule}`)]
  const { stdout } = spawnSync(resolve('node_modules/.bin/dclint'), args, { encoding: 'utf8' })
  const results = JSON.parse(stdout) as readonly {
    readonly messages: readonly { readonly line: number; readonly rule: string; readonly message: string }[]
  }[]
  expect(results).toHaveLength(1)
  return results.flatMap(({ messages }) =>
    messages.map(({ line, rule, message }) => `${line} ${rule} ${message}`),
  )
}

describe('compose.yaml', () => {
  test('is of the schema of the Compose specification, and its linter has nothing to say', () => {
    expect(lint('compose.yaml')).toEqual([])
  })

  test('with a word that the specification does not have does not pass', () => {
    const folder = mkdtempSync(join(tmpdir(), 'modelward-compose-'))
    const file = join(folder, 'compose.yaml')
    writeFileSync(file, readFileSync('compose.yaml', 'utf8').replace('stop_grace_period', 'stop_grace'))
    expect(lint(file).join('\n')).toMatch(/invalid-schema.*node-1.*additional properties/)
    rmSync(folder, { recursive: true })
  })

  test('has two nodes, PostgreSQL, Redis and a proxy, each with a health check', () => {
    expect(Object.keys(services)).toEqual(['node-1', 'node-2', 'postgres', 'redis', 'proxy'])
    // The nodes have the image's.
    expect(execFormOf(lastOf('HEALTHCHECK'))).toBeDefined()
    const without = Object.entries(services).filter(([, { healthcheck }]) => healthcheck === undefined)
    expect(without.map(([name]) => name)).toEqual(['node-1', 'node-2'])
  })

  test('starts each service once those that it needs are healthy', () => {
    for (const [, service] of nodes)
      expect(Object.keys(service.depends_on ?? {})).toEqual(['postgres', 'redis'])
    expect(Object.keys(proxy?.depends_on ?? {})).toEqual(['node-1', 'node-2'])
    const conditions = Object.values(services).flatMap(({ depends_on = {} }) => Object.values(depends_on))
    expect(new Set(conditions.map(({ condition }) => condition))).toEqual(new Set(['service_healthy']))
  })

  test('takes every privilege away that a container can do without', () => {
    for (const [name, service] of Object.entries(services))
      expect([name, service]).toMatchObject([
        name,
        { cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] },
      ])
    for (const service of [...nodes.map(([, each]) => each), redis, proxy])
      expect(service?.read_only).toBe(true)
  })

  test('has no password: secrets are files, which neither Git nor a build gets', () => {
    for (const { environment = {}, secrets: its = [] } of Object.values(services)) {
      for (const [name, value] of Object.entries(environment)) {
        if (!/PASSWORD|SECRET|PEPPER|SIGNING_KEY|URL/.test(name)) continue
        expect(name).toMatch(/_FILE$/)
        expect(its).toContain(value.replace('/run/secrets/', ''))
      }
      for (const secret of its) expect(secrets).toHaveProperty([secret])
    }
    for (const { file } of Object.values(secrets)) expect(dirname(file)).toBe('./secrets')
    expect(readFileSync('.gitignore', 'utf8').split('\n')).toContain('/secrets/')
    expect(readFileSync('compose.yaml', 'utf8')).not.toMatch(/:\/\/[^\s/@]*:[^\s/@]+@/)
  })

  test('lets the outside reach the proxy alone, and the proxy the port of the nodes', () => {
    const published = Object.entries(services).filter(([, { ports }]) => ports !== undefined)
    expect(published.map(([name]) => name)).toEqual(['proxy'])
    const [, listen] = /^ +listen (\d+);$/m.exec(readFileSync('deploy/nginx.conf', 'utf8')) ?? []
    expect(proxy?.ports).toEqual([`127.0.0.1:8000:${listen}`])
    expect(proxy?.healthcheck?.test.at(-1)).toBe(`http://127.0.0.1:${listen}/health`)
    const servers = [...readFileSync('deploy/nginx.conf', 'utf8').matchAll(/^ +server ([\w-]+):(\d+) /gm)]
    const port = commandOf(lastOf('EXPOSE'))
    expect(servers.map(([, name, to]) => [name, to])).toEqual(nodes.map(([name]) => [name, port]))
  })

  test('has nodes that trust the address of the proxy, and no other', () => {
    const its = proxy?.networks as Readonly<Record<string, { readonly ipv4_address: string }>> | undefined
    const address = its?.['front']?.ipv4_address
    expect(node.environment?.['MODELWARD_TRUST_PROXY']).toBe(address)
    const [subnet] = networks['front']?.ipam.config ?? []
    expect(createAddressList([subnet?.subnet ?? ''])?.has(address ?? '')).toBe(true)
  })

  test('has nodes that start with the secrets that deploy/create-secrets.sh draws', () => {
    using drawn = drawSecrets()
    const environment = Object.fromEntries(
      Object.entries({ ...readImageEnvironment(), ...node.environment }).map(([name, value]) => [
        name,
        value.replace('/run/secrets', join(drawn.path, 'secrets')),
      ]),
    )
    const { config, secrets: read } = loadConfig({ flags: {}, environment, workingFolder: drawn.path })
    const password = readFileSync(join(drawn.path, 'secrets/postgres-password'), 'utf8').trim()
    expect(read.databaseUrl).toBe(`postgres://modelward:${password}@postgres:5432/modelward`)
    const closing = (config.shutdownDelay + config.shutdownGrace + closeMs) / 1_000
    for (const service of [node, proxy])
      expect(Number.parseInt(service?.stop_grace_period ?? '', 10)).toBeGreaterThanOrEqual(closing)
  })

  test('gives a node twice its heap', () => {
    const [, heap] = /^--max-old-space-size=(\d+)$/.exec(node.environment?.['NODE_OPTIONS'] ?? '') ?? []
    expect(node.mem_limit).toBe(`${(2 * Number(heap)) / 1_024}g`)
  })

  test('starts a Redis that forgets nothing, with its password from a file', async () => {
    using drawn = drawSecrets()
    const port = await findFreePort()
    const program = await findProgram('redis')
    const [shell = '', flag = '', script = ''] = redis?.command ?? []
    const local = script
      .replaceAll('$$', '$')
      .replace('redis-server', `${program}`)
      .replace('/run/secrets', join(drawn.path, 'secrets'))
      .replace('dir /data', `dir ${drawn.path}\nport ${port}\nbind 127.0.0.1`)
    const child = spawn(shell, [flag, local], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    for await (const piece of child.stdout) if (String(piece).includes('Ready to accept connections')) break
    // The shell has become the server, which gets the signals.
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).toMatch(/redis-server/)
    const url = readFileSync(join(drawn.path, 'secrets/redis-url'), 'utf8').trim()
    const client = createClient({ url: url.replace('redis:6379', `127.0.0.1:${port}`) })
    await client.connect()
    expect(await client.configGet(['appendonly', 'maxmemory-policy'])).toEqual({
      appendonly: 'yes',
      'maxmemory-policy': 'noeviction',
    })
    client.destroy()
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  })
})

describe('deploy/create-secrets.sh', () => {
  test('draws one file for each secret, in a folder that is its owner’s alone', () => {
    using drawn = drawSecrets()
    const folder = join(drawn.path, 'secrets')
    expect(readdirSync(folder).sort()).toEqual(Object.keys(secrets).sort())
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const file of readdirSync(folder)) {
      expect([file, statSync(join(folder, file)).mode & 0o777]).toEqual([file, 0o444])
      expect(readFileSync(join(folder, file), 'utf8').trim().length).toBeGreaterThan(32)
    }
  })

  test('writes over nothing', () => {
    using drawn = drawSecrets()
    const before = readFileSync(join(drawn.path, 'secrets/pepper'), 'utf8')
    expect(() => drawn.again()).toThrow()
    expect(readFileSync(join(drawn.path, 'secrets/pepper'), 'utf8')).toBe(before)
  })
})
