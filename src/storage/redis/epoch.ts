import { randomBytes } from 'node:crypto'
import { Fault } from '../../core/fault.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import { SetupError } from '../../core/setup-error.ts'
import type { EpochStore } from '../../limits/epoch-store.ts'
import type { RedisLine, RedisReply } from './redis-line.ts'

/** An epoch as Redis has it: every call compares all of it. */
export interface LimiterEpochValue {
  /** `id:began:run:evicted`. */
  readonly value: string
  readonly id: string
  /** When Redis got it, by its clock; 0 for the deployment's first. */
  readonly beganAt: number
  /** Where it stands. */
  readonly key: string
  /** What the keys of its cells begin with: the cells of another epoch are not seen. */
  readonly prefix: string
}

/** What a server says of itself. */
export interface ServerInfo {
  /** `7.0.15`. */
  readonly version: string
  readonly runId: string
  readonly evicted: number
  /** Whether it may throw away what was counted, rather than refuse to count. */
  readonly mayEvict: boolean
  readonly policy: string
}

export interface AgreeOptions {
  readonly deployment: string
  readonly epochs: EpochStore
  readonly scheduler: Scheduler
  /** The steady clock of a test. */
  readonly steady?: number | undefined
  /** An epoch that must not go on, its whole value. */
  readonly doubted?: string | undefined
}

/**
 * Installs an epoch where the one that was seen still stands, or reads which one stands. It begins
 * when it is installed: until then a call may have been counted in the one before. The one that
 * stands is written again: a Redis that is full answers reads, and is no place to count in.
 */
const epochScript = `
local clock = redis.call('TIME')
local time = tonumber(ARGV[6])
if time < 0 then time = clock[1] * 1000 + math.floor(clock[2] / 1000) end
local found = redis.call('GET', KEYS[1]) or ''
if ARGV[2] ~= '' and found == ARGV[1] then
  local began = string.format('%.0f', time)
  if ARGV[5] == 'first' then began = '0' end
  found = table.concat({ ARGV[2], began, ARGV[3], ARGV[4] }, ':')
end
if found ~= '' then redis.call('SET', KEYS[1], found) end
return { found, time }
`

/** How often an epoch is waited for that another node is about to install, and between. */
const waitsMax = 6
const waitMs = 50
const triesMax = 40

/** A hash tag: with it Redis Cluster has all keys in one slot, as a script needs. */
export function keysOf(deployment: string): { readonly epochKey: string; readonly tag: string } {
  const tag = `{mw:${deployment}:0}`
  return { epochKey: `${tag}epoch`, tag }
}

/**
 * The epoch that Redis and the store agree on; begins a new one where Redis has forgotten
 * something: it is another run, has no epoch or an older one, or has evicted keys.
 *
 * Redis is asked first and the store second: what both say was so at one moment. Who replaces the
 * store's epoch installs it, once.
 *
 * @throws Fault of the store, or `limiter_unavailable`
 * @throws SetupError `redis_unsuitable`
 */
export async function agreeOnEpoch(
  line: RedisLine,
  options: AgreeOptions,
): Promise<{ readonly epoch: LimiterEpochValue; readonly info: ServerInfo }> {
  const { epochs, scheduler, doubted, deployment } = options
  let waited = 0
  let waitedFor: string | undefined
  for (let tries = 0; tries < triesMax; tries += 1) {
    const info = await askInfo(line)
    const { epoch: found, time } = await askEpoch(line, options, [])
    const row = await epochs.read()
    const isAgreed = row !== undefined && found?.id === row.epoch
    const isSame = found !== undefined && found.runId === info.runId && info.evicted <= found.evicted
    if (isAgreed && isSame && found.value !== doubted) return { epoch: epochOf(found, deployment), info }
    if (row !== undefined && row.runId === info.runId && !isAgreed) {
      waited = row.epoch === waitedFor ? waited + 1 : 1
      waitedFor = row.epoch
      if (waited <= waitsMax) {
        await new Promise<void>((resolve) => scheduler.after(waitMs * (0.5 + Math.random()), resolve))
        continue
      }
    }
    const next = { epoch: randomBytes(6).toString('base64url'), runId: info.runId }
    const beganAt = row === undefined ? 0 : time
    if (!(await epochs.replace(row?.epoch, { ...next, beganAt }))) continue
    const order = row === undefined && found === undefined ? 'first' : 'later'
    const seen = found?.value ?? ''
    const asked = await askEpoch(line, options, [seen, next.epoch, info.runId, `${info.evicted}`, order])
    if (asked.epoch?.id === next.epoch) return { epoch: epochOf(asked.epoch, deployment), info }
  }
  throw new Fault('limiter_unavailable', 'the nodes do not agree on an epoch of the limiter')
}

interface FoundEpoch {
  readonly value: string
  readonly id: string
  readonly beganAt: number
  readonly runId: string
  readonly evicted: number
}

async function askEpoch(
  line: RedisLine,
  { deployment, steady = -1 }: AgreeOptions,
  next: readonly string[],
): Promise<{ readonly epoch: FoundEpoch | undefined; readonly time: number }> {
  const { epochKey } = keysOf(deployment)
  const [seen = '', id = '', runId = '', evicted = '', order = ''] = next
  const reply = await line.send([
    'EVAL',
    epochScript,
    '1',
    epochKey,
    seen,
    id,
    runId,
    evicted,
    order,
    `${steady}`,
  ])
  const [value, time] = reply as readonly RedisReply[]
  return { epoch: readEpoch(String(value)), time: Number(time) }
}

function readEpoch(value: string): FoundEpoch | undefined {
  const [id = '', began, runId = '', evicted] = value.split(':')
  if (value === '') return undefined
  return { value, id, beganAt: Number(began), runId, evicted: Number(evicted) }
}

function epochOf({ value, id, beganAt }: FoundEpoch, deployment: string): LimiterEpochValue {
  const { epochKey, tag } = keysOf(deployment)
  return { value, id, beganAt, key: epochKey, prefix: `${tag}${id}` }
}

/**
 * @throws SetupError `redis_unsuitable`
 * @throws Fault `limiter_unavailable`, also of a replica
 */
export async function askInfo(line: RedisLine): Promise<ServerInfo> {
  const lines = String(await line.send(['INFO'])).split('\r\n')
  const field = (name: string): string =>
    lines.find((text) => text.startsWith(`${name}:`))?.slice(name.length + 1) ?? ''
  const version = field('redis_version')
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 2))
    throw new SetupError('redis_unsuitable', `Redis is version ${version}; expected 6.2 or newer`)
  if (field('role') !== 'master') throw new Fault('limiter_unavailable', 'Redis is a replica')
  const policy = field('maxmemory_policy')
  return {
    version,
    runId: field('run_id'),
    evicted: Number(field('evicted_keys')),
    mayEvict: policy !== 'noeviction',
    policy,
  }
}
