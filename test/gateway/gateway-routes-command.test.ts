import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runCli, runJson, temporaryFolder } from '../e2e/run-cli.ts'

interface Listed {
  readonly routes: readonly { readonly method: string; readonly path: string }[]
  readonly closed: readonly { readonly upstream: string }[]
}

test('gateway routes lists what is open and closed, from the configuration alone', async () => {
  using folder = temporaryFolder()
  const upstreams = {
    local: {
      url: 'http://127.0.0.1:1',
      preset: 'ollama',
      allow: [{ route: 'GET /api/ps', scope: 'ps' }, 'GET /metrics'],
      close: ['POST /api/embed'],
    },
    hosted: { url: 'https://host.example', preset: 'openai', prefix: '/hosted' },
  }
  writeFileSync(join(folder.path, 'modelward.json'), JSON.stringify({ upstreams }))
  const listed = await runJson<Listed>(['gateway', 'routes'], { cwd: folder.path })
  const find = (method: string, path: string) =>
    listed.routes.find((route) => route.method === method && route.path === path)
  expect(find('POST', '/api/chat')).toEqual({
    method: 'POST',
    path: '/api/chat',
    scope: 'predict or predict:MODEL',
    measures: ['requests', 'tokens'],
    dialect: 'ollama',
    answered_by: 'upstream',
    upstreams: ['local'],
  })
  expect(find('GET', '/hosted/v1/models')).toMatchObject({ answered_by: 'gateway', upstreams: ['hosted'] })
  expect(find('GET', '/api/ps')).toMatchObject({ scope: 'ps', measures: ['requests'] })
  expect(find('POST', '/api/embed')).toBeUndefined()
  expect(listed).toMatchObject({
    closed: [
      { upstream: 'local', routes: ['POST /api/embed'], media_by_url: true },
      { upstream: 'hosted', media_by_url: false },
    ],
    hidden: [{ upstream: 'local', method: 'GET', path: '/metrics' }],
  })
  const { stdout } = await runCli(['gateway', 'routes'], { cwd: folder.path })
  expect(stdout).toMatch(/POST \/api\/chat +predict or predict:MODEL +requests, tokens +local/)
  expect(stdout).toContain('/hosted/v1/files*')
  expect(stdout).toContain('GET /metrics of local is not open')
})
