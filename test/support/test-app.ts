import type { FastifyInstance } from 'fastify'
import { defaultOptions } from '../../src/config/load-config.ts'
import type { Model } from '../../src/models/model.ts'
import type { Sentiment } from '../../src/models/sentiment/sentiment.ts'
import { createApp } from '../../src/server/create-app.ts'
import type { MetricsSource } from '../../src/server/metrics-route.ts'
import type { ServerOptions } from '../../src/server/server-options.ts'
import { type AppPartsOptions, openAppParts } from './app-parts.ts'
import { openTestWard, type TestWard, type TestWardOptions } from './open-test-ward.ts'

export interface TestApp {
  readonly app: FastifyInstance
  readonly ward: TestWard
  /** Texts of a key with the scope `predict` and one with `admin`, and one that is no key. */
  readonly keys: { readonly right: string; readonly admin: string; readonly wrong: string }
  /** Every line that was logged. */
  readonly lines: readonly string[]
}

export interface TestAppOptions extends Partial<Omit<ServerOptions, 'model'>> {
  readonly ward?: TestWardOptions
  /** @default the constant one */
  readonly model?: Model<never>
  readonly parts?: AppPartsOptions
  readonly closing?: AbortSignal
  readonly degraded?: () => readonly string[]
  readonly isStalled?: () => boolean
  readonly followersMax?: number
  readonly ownerFollowersMax?: number
  /** @default none, and there is no `/metrics` */
  readonly page?: MetricsSource['page']
}

/** Answers everything with the same sentiment. */
export const constantModel: Model<string, Sentiment> = {
  name: 'constant',
  version: 'constant-1',
  runs: 'inline',
  predict: (texts) =>
    texts.map(() => ({
      sentiment: 'positive',
      confidence: 0.75,
      scores: { positive: 0.75, negative: 0.125, neutral: 0.125 },
    })),
}

/** The default settings, without a log. */
export const appOptions: ServerOptions = { ...defaultOptions(), logLevel: 'silent', textMax: 100 }

/** The server's app over a ward in memory, with a key of each kind. Close it. */
export async function openTestApp(options: TestAppOptions = {}): Promise<TestApp> {
  const {
    ward: wardOptions,
    model = constantModel,
    modelDeadline,
    closing,
    degraded = () => [],
    isStalled = () => false,
    parts: partOptions,
    followersMax = 2_000,
    ownerFollowersMax = 200,
    page,
    ...changed
  } = options
  const ward = await openTestWard(wardOptions)
  const lines: string[] = []
  const logStream = { write: (line: string) => void lines.push(line) }
  const parts = await openAppParts(ward, {
    models: [model],
    ...(modelDeadline !== undefined && { modelDeadline }),
    ...partOptions,
  })
  const app = await createApp(
    {
      ...parts,
      ...(closing && { closing }),
      degraded,
      isStalled,
      followers: { followersMax, ownerFollowersMax },
      metrics: page && { page },
    },
    { ...appOptions, logStream, ...changed },
  )
  app.addHook('onClose', () => parts.close())
  const right = await ward.keys.create({ name: 'right' })
  const admin = await ward.keys.create({ name: 'admin', scopes: ['admin'] })
  const wrong = `${right.text.slice(0, -1)}${right.text.endsWith('A') ? 'B' : 'A'}`
  return { app, ward, keys: { right: right.text, admin: admin.text, wrong }, lines }
}
