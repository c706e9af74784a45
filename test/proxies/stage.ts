import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { readBlocks } from '../docs/page-blocks.ts'
import { startServe, temporaryFolder } from '../e2e/run-cli.ts'
import { findFreePort } from '../support/services.ts'
import { type Echo, startEcho } from './echo.ts'

/** A key of the stage, and how it is asked for. */
export interface StageKey {
  readonly id: string
  readonly key: string
}

/** A real Modelward and a model server, for a proxy between them. */
export interface Stage extends AsyncDisposable {
  /** Where a proxy keeps its files. */
  readonly folder: string
  readonly port: number
  readonly echo: Echo
  readonly createKey: (key?: object) => Promise<StageKey>
  readonly revoke: (id: string) => Promise<void>
  /** Its keys cannot be read until `mend`. */
  readonly breakStore: () => () => void
  readonly pid: number
  /** SIGKILL. */
  readonly kill: () => Promise<void>
  /** All that Modelward has logged. */
  readonly log: () => string
}

/** The rules of the guide, with one more route, all others closed, and room for every test. */
function readRules(): object {
  const guide = readBlocks(readFileSync('docs/guides/proxies.md', 'utf8'))
  const json =
    guide
      .find(({ language }) => language === 'json')
      ?.lines.join('')
      .replace('"5/s"', '"5000/s"') ?? ''
  const { models } = (JSON.parse(json) as { forwardAuth: { models: { routes: readonly object[] } } })
    .forwardAuth
  return { models: { ...models, routes: [...models.routes, { route: '* /v1/files/*' }], unlisted: 'closed' } }
}

export async function openStage(): Promise<Stage> {
  const folder = temporaryFolder()
  const data = join(folder.path, 'data')
  const proxies = join(folder.path, 'proxy')
  mkdirSync(proxies)
  const config = join(folder.path, 'modelward.json')
  writeFileSync(config, JSON.stringify({ forwardAuth: readRules() }))
  const port = await findFreePort()
  const flags = ['--config', config, '--port', String(port), '--trust-proxy', '127.0.0.1']
  const echo = await startEcho()
  const server = await startServe(data, [...flags, '--limit-bad-keys', 'none', '--log-requests', 'true'])
  const { admin } = JSON.parse(readFileSync(join(data, 'first-keys.json'), 'utf8')) as { admin: string }
  async function ask<T>(path: string, body: object): Promise<T> {
    const headers = { 'x-api-key': admin, 'content-type': 'application/json' }
    const answer = await fetch(`${server.address}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    if (!answer.ok) throw new Error(`${path}: ${answer.status}: ${await answer.text()}`)
    return (await answer.json()) as T
  }
  return {
    folder: proxies,
    port,
    echo,
    createKey: (key = {}) =>
      ask<StageKey>('/v1/keys', {
        ...{ name: 'a client', owner: 'acme', scopes: ['predict', 'predict:chat'], limits: [] },
        ...key,
      }),
    async revoke(id) {
      await ask(`/v1/keys/${id}/revoke`, { reason: 'a test' })
    },
    breakStore() {
      renameTable(data, 'keys', 'keys_elsewhere')
      return () => renameTable(data, 'keys_elsewhere', 'keys')
    },
    pid: server.child.pid ?? 0,
    async kill() {
      await server[Symbol.asyncDispose]()
    },
    log: () => server.log() + server.output(),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await echo[Symbol.asyncDispose]()
      folder[Symbol.dispose]()
    },
  }
}

function renameTable(data: string, from: string, to: string): void {
  const database = new DatabaseSync(join(data, 'modelward.db'))
  database.exec(`ALTER TABLE ${from} RENAME TO ${to}`)
  database.close()
}
