import type { InjectOptions, LightMyRequestResponse as Response } from 'fastify'
import type { JobView } from '../../src/jobs/view-job.ts'
import type { NewKey } from '../../src/keys/fields/new-key.ts'
import { openTestApp, type TestApp, type TestAppOptions } from './test-app.ts'

/** The server's app, and ways to ask it. */
export interface AskingApp extends TestApp {
  /** Asks with a key: the right one, unless another is given. */
  readonly ask: (method: 'GET' | 'POST' | 'DELETE' | 'HEAD', url: string, more?: Asked) => Promise<Response>
  readonly createKey: (key: Partial<NewKey>) => Promise<string>
  /** Has a text predicted as a job. */
  readonly submit: (text?: string, key?: string) => Promise<JobView>
}

export interface Asked {
  readonly key?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Asks to be answered later. */
export const later: Readonly<Record<string, string>> = { prefer: 'respond-async' }

const apps: TestApp[] = []

/** To be called after each test. */
export async function closeApps(): Promise<void> {
  await Promise.all(apps.splice(0).map(({ app }) => app.close()))
}

export async function openAskingApp(options: TestAppOptions = {}): Promise<AskingApp> {
  const opened = await openTestApp(options)
  apps.push(opened)
  const { app, keys, ward } = opened
  const ask: AskingApp['ask'] = (method, url, { key = keys.right, body, headers } = {}) => {
    const request: InjectOptions = { method, url, headers: { 'x-api-key': key, ...headers } }
    if (body !== undefined) Object.assign(request, { payload: body })
    return app.inject(request)
  }
  return {
    ...opened,
    ask,
    createKey: async (key) => (await ward.keys.create({ name: 'k', ...key })).text,
    async submit(text = 'I love this', key = keys.right) {
      const answer = await ask('POST', '/predict', { key, body: { text }, headers: later })
      if (answer.statusCode !== 202) throw new Error(`expected 202, got ${answer.body}`)
      return answer.json()
    },
  }
}
