import { expect } from 'vitest'
import { Fault } from '../../src/core/fault.ts'
import type { NewKey } from '../../src/keys/fields/new-key.ts'
import type { LedgerEvent } from '../../src/ledger/format/event.ts'
import type { LedgerEntry } from '../../src/ledger/format/record.ts'
import type { Ledger } from '../../src/ledger/ledger.ts'
import { type OpenGateway, type OpenGatewayOptions, openGateway, type Post } from './open-gateway.ts'
import { type Behaviour, type HostileServer, startHostile } from './simulators/hostile.ts'

/** What a client has of an answer when it is over. */
export interface Received {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** Whether it ended as an answer does that is whole. */
  readonly isWhole: boolean
}

/** A gateway before one upstream of the API of OpenAI, that behaves as each call says. */
export interface EndingCalls extends AsyncDisposable {
  readonly gateway: OpenGateway
  readonly upstream: HostileServer
  /** A call of the model `m` to which the upstream behaves so. */
  readonly ask: (behaviour: Behaviour, more?: object, post?: Post) => Promise<Response>
  /** The same, with its answer read to whatever end it has. */
  readonly read: (behaviour: Behaviour, more?: object, post?: Post) => Promise<Received>
  /** Resolves when no call is open, with the records of requests. */
  readonly quiet: () => Promise<readonly LedgerEntry[]>
  /** What a key's first limit has counted. */
  readonly counted: (keyId: string, measure?: string) => Promise<number>
}

export type EndingOptions = Omit<OpenGatewayOptions, 'upstreams'> & {
  readonly upstream?: Partial<OpenGatewayOptions['upstreams'][number]>
}

export async function openEndingCalls({
  upstream: own,
  ...options
}: EndingOptions = {}): Promise<EndingCalls> {
  const behaviours = new Map<string, Behaviour>()
  const upstream = await startHostile((request) => {
    const name = /"user":"(\d+)"/.exec(request.text)?.[1] ?? ''
    return behaviours.get(name)?.(request)
  })
  const gateway = await openGateway({
    upstreams: [
      {
        preset: 'openai',
        url: upstream.url,
        breaker: { failures: 1_000_000, pauseMs: 5_000, pauseMaxMs: 60_000 },
        ...own,
      },
    ],
    models: [{ name: 'm', to: [{ upstream: 'openai', model: 'm' }], limits: [] }],
    ...options,
  })

  function ask(behaviour: Behaviour, more: object = {}, post: Post = {}): Promise<Response> {
    const user = String(behaviours.size)
    behaviours.set(user, behaviour)
    const messages = [{ role: 'user', content: 'why' }]
    return gateway.post('/v1/chat/completions', { model: 'm', user, messages, ...more }, post)
  }

  return {
    gateway,
    upstream,
    ask,
    read: async (...call) => readToItsEnd(await ask(...call)),
    async quiet() {
      await expect.poll(() => gateway.gateway.callsOpen()).toBe(0)
      await expect.poll(() => unfinished(gateway.records())).toEqual([])
      return gateway.records()
    },
    async counted(keyId, measure = 'tokens') {
      const views = await gateway.ward.limits.status(keyId)
      const isOf = (limit: string): boolean =>
        measure === 'requests' ? /^\d+\//.test(limit) : limit.includes(` ${measure}`)
      return views.find(({ limit }) => isOf(limit))?.used ?? Number.NaN
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await upstream.close()
    },
  }
}

/** The same, with a key that has limits. */
export interface LimitedCalls extends EndingCalls {
  readonly key: string
  readonly keyId: string
  /** What its limits have counted: tokens, requests, and calls at once. */
  readonly limits: () => Promise<Readonly<Record<'tokens' | 'requests' | 'concurrent', number>>>
}

export async function openLimitedCalls(
  options: EndingOptions = {},
  newKey: Partial<NewKey> = {},
): Promise<LimitedCalls> {
  const calls = await openEndingCalls(options)
  const limits = ['100000 tokens/h', '1000/h', '4 concurrent']
  const { text: key, record } = await calls.gateway.ward.keys.create({ name: 'limited', limits, ...newKey })
  const counted = (measure: string): Promise<number> => calls.counted(record.id, measure)
  return {
    ...calls,
    key,
    keyId: record.id,
    limits: async () => ({
      tokens: await counted('tokens'),
      requests: await counted('requests'),
      concurrent: await counted('concurrent'),
    }),
  }
}

/** A ledger that takes no record of these events while it is out, as it is at first. */
export function breakLedger(...events: readonly LedgerEvent[]) {
  const state = { isOut: true }
  const wrap = (ledger: Ledger): Ledger => ({
    ...ledger,
    async append(entry) {
      if (state.isOut && events.includes(entry.event))
        throw new Fault('ledger_unavailable', 'the disk is full')
      await ledger.append(entry)
    },
  })
  return { state, wrap }
}

/** A ledger whose records of an event wait for the test's word. */
export function holdLedger(event: LedgerEvent) {
  const begun = Promise.withResolvers<void>()
  const word = Promise.withResolvers<void>()
  const wrap = (ledger: Ledger): Ledger => ({
    ...ledger,
    async append(entry) {
      if (entry.event === event) {
        begun.resolve()
        await word.promise
      }
      await ledger.append(entry)
    },
  })
  return { wrap, begun: begun.promise, release: word.resolve }
}

/** An answer, whole or as much of it as came. */
export async function readToItsEnd({ status, headers, body }: Response): Promise<Received> {
  const pieces: Uint8Array[] = []
  let isWhole = true
  try {
    for await (const piece of body ?? []) pieces.push(piece)
  } catch {
    isWhole = false
  }
  return { status, headers, text: Buffer.concat(pieces).toString(), isWhole }
}

/** Ids of answers that have begun, and whose end is not recorded. */
function unfinished(records: readonly LedgerEntry[]): readonly (string | null)[] {
  const ids = (event: string) => records.filter((one) => one.event === event).map((one) => one.requestId)
  const finished = ids('request.finished')
  return ids('request.started').filter((id) => !finished.includes(id))
}
