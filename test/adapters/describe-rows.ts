import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TestWard } from '../../src/ward/test-ward.ts'
import { expectProblem } from '../parity/ask.ts'
import type { RawAnswer, RawRequest } from '../parity/raw-http.ts'
import type { Adapter, AdapterTarget } from './adapter-target.ts'
import { adapters, server } from './adapters.ts'
import { appRoutes } from './app-routes.ts'

/** The keys there are in the table's wards. */
export type KeyName = 'right' | 'reader' | 'admin' | 'local' | 'elsewhere'

export type TableWard = TestWard<KeyName>

/** What an answer says: a problem with its code, or something of the app's. */
export interface Saying {
  readonly status: number
  /** Undefined: no problem. */
  readonly code?: string
  readonly detail?: string
  /** Of the body, where it is the app's own. The server answers `POST /predict` in its own way. */
  readonly body?: unknown
  /** Headers that the answer has, beside those that every answer of its kind has. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Row {
  /** Begins with its numbers in `parity.md`, where it is there. */
  readonly name: string
  /** Made anew for the server, which answers it too; `ask` sends requests ahead of it. */
  readonly request: (ward: TableWard, ask: AdapterTarget['ask']) => RawRequest | Promise<RawRequest>
  readonly says: Saying
  /** Where a request's header lines arrive joined by commas. @default as `says` */
  readonly joinedSays?: Saying
  /** Where what is public is a route, and not a path. @default as `says` */
  readonly routeSays?: Saying
  /**
   * Where one adapter, by its name, is left to its framework, or the server answers what an app
   * leaves to it.
   * @default as `says`
   */
  readonly butSays?: Readonly<Record<string, Saying>>
  /** Whether a web-standard `Request` cannot hold it. @default false */
  readonly isRaw?: boolean
}

/** Runs every row against every adapter, and holds each answer against the server's. */
export function describeRows(
  openWard: () => Promise<TableWard>,
  rows: readonly Row[],
  app: { readonly isBehindProxy?: boolean } = {},
): void {
  let ward: TableWard
  let reference: AdapterTarget
  beforeAll(async () => {
    ward = await openWard()
    reference = await server.start({ ...app, ward, routes: appRoutes })
  })
  afterAll(() => reference.close())

  describe.each([server, ...adapters])('$name', (adapter) => {
    let target: AdapterTarget
    beforeAll(async () => {
      target = await adapter.start({ ...app, ward, routes: appRoutes })
    })
    afterAll(() => target.close())

    const mayAsk = ({ isRaw }: Row): boolean => isRaw !== true || hasSocket(adapter)
    test.each(rows.filter(mayAsk))('$name', async (row) => {
      const answerOf = async ({ ask }: AdapterTarget) => ask(await row.request(ward, ask))
      const answer = await answerOf(target)
      const says = sayingFor(row, adapter)
      check(answer, says)
      if (says === sayingFor(row, server))
        expect(comparable(answer)).toEqual(comparable(await answerOf(reference)))
    })
  })
}

function hasSocket({ name }: Adapter): boolean {
  return name !== 'Hono by app.request' && name !== 'a web-standard handler'
}

function sayingFor({ says, joinedSays, routeSays, butSays = {} }: Row, adapter: Adapter): Saying {
  const but = butSays[adapter.name]
  if (but !== undefined) return but
  if (joinedSays !== undefined && !hasSocket(adapter)) return joinedSays
  return routeSays !== undefined && adapter.opens === 'routes' ? routeSays : says
}

function check(answer: RawAnswer, { status, code, detail, body, headers = {} }: Saying): void {
  if (code === undefined) {
    expect({ status: answer.status, isProblem: isProblem(answer) }).toEqual({ status, isProblem: false })
  } else {
    const problem = expectProblem(answer, status, code)
    if (detail !== undefined) expect(problem.detail).toBe(detail)
  }
  if (body !== undefined) expect(JSON.parse(answer.body)).toEqual(body)
  for (const [name, value] of Object.entries(headers)) expect(answer.headers.get(name), name).toEqual([value])
}

/** What every guarded answer says of the key's limits. */
const ofLimits = [
  'ratelimit-policy',
  'ratelimit',
  'x-ratelimit-limit-requests',
  'x-ratelimit-remaining-requests',
  'x-ratelimit-reset-requests',
]
/** The headers that a problem comes with; the others are the framework's. */
const ours = ['content-type', 'www-authenticate', 'retry-after', 'x-hint', 'allow', ...ofLimits]

/** A problem without its request id; of an answer that is the app's, its status and limits. */
function comparable({ status, headers, body }: RawAnswer): unknown {
  if (!isProblem({ headers })) return { status, headers: ofLimits.map((name) => [name, headers.get(name)]) }
  const problem = { ...(JSON.parse(body) as object), request_id: 'of the request' }
  return {
    status,
    headers: ours.map((name) => [name, headers.get(name)]),
    problem,
    members: Object.keys(problem),
  }
}

function isProblem({ headers }: Pick<RawAnswer, 'headers'>): boolean {
  return headers.get('content-type')?.includes('application/problem+json') === true
}
