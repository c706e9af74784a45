import type { Scheduler as Interleaving } from 'fast-check'
import { Fault } from '../../src/core/fault.ts'
import type { LimitUse } from '../../src/limits/limiter.ts'
import { reserveMaxOf } from '../../src/limits/stored-usage.ts'
import { createAskUntilRoom } from '../../src/storage/redis/ask-until-room.ts'
import type { LimiterAnswer } from '../../src/storage/redis/decode-reply.ts'
import { agreeOnEpoch } from '../../src/storage/redis/epoch.ts'
import { createKeptLimits } from '../../src/storage/redis/kept-limits.ts'
import type { RedisLine } from '../../src/storage/redis/redis-line.ts'
import { type LimiterRequest, operations, requestUse } from '../../src/storage/redis/requests.ts'
import { createFleetStores } from '../support/fleet-stores.ts'
import { useOf } from './limiter.contract.ts'

/** A kept cell as a plain list of moments, one for each use. */
interface ModelCell {
  readonly moments: readonly number[]
  readonly spare: number
  readonly version: number
}

/** What a Redis holds. */
interface Held {
  readonly epoch: string
  readonly cell: ModelCell | undefined
}

/**
 * The protocol of kept limits between nodes, a Redis of plain lists and a store, of which every
 * step is one of the interleaving's: a message's way there, a message's way back, a loss.
 */
export function createKeptProtocol(interleaving: Interleaving, amount: number, chance: () => number) {
  const use: LimitUse = useOf('key:a', `${amount}/h`)
  const windowMs = 3_600_000
  const stores = createFleetStores()
  /** All that was admitted, whether its node heard of it or not. */
  const admitted: number[] = []
  const violations: string[] = []
  const past: Held[] = []
  let time = 1_000_000_000
  let run = 1
  let losses = 0
  let held: Held = { epoch: '', cell: undefined }

  const step = (label: string): Promise<void> => interleaving.schedule(Promise.resolve(), label)
  const inWindow = (moments: readonly number[], now: number): number =>
    moments.filter((moment) => moment > now - windowMs && moment <= now).length

  function hold(next: Partial<Held>): void {
    past.push(held)
    held = { ...held, ...next }
  }

  /** The two promises, at this moment. */
  function check(): void {
    if (inWindow(admitted, time) > amount)
      violations.push(`${inWindow(admitted, time)} of ${amount} admitted`)
    const row = stores.rows.get(use.counter)
    const kept = row === undefined ? [] : [...read(row.cells), ...Array<number>(row.spare).fill(time)]
    for (const moment of [...admitted, time]) {
      const at = Math.max(time, moment + windowMs - 1)
      const [used, says] = [admitted, kept].map((list) => list.filter((one) => one > at - windowMs).length)
      if ((used ?? 0) > (says ?? 0)) violations.push(`kept: ${says}, and used: ${used}`)
    }
  }

  function read(cells: Uint8Array): readonly number[] {
    return JSON.parse(Buffer.from(cells).toString()) as readonly number[]
  }

  function snapshotOf(cell: ModelCell | undefined, epoch: string) {
    const cells = cell === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(cell.moments))
    const used = cell === undefined ? 0 : inWindow(cell.moments, time)
    return { index: 0, cells, spare: cell?.spare ?? 0, version: cell?.version ?? 0, used, epoch }
  }

  /** What the script does with one request. */
  function execute({ operation, uses, at }: LimiterRequest, epoch: string): LimiterAnswer {
    const { cell } = held
    const [one] = uses
    if (one === undefined) throw new Error('expected one use')
    const snapshots = [snapshotOf(cell, epoch)]
    if (operation === operations.look) return { is: 'off', snapshots }
    if (operation === operations.install) {
      if (cell !== undefined) return { is: 'done' }
      const kept = one.cells?.length ? read(one.cells) : []
      const moments = [...kept, ...Array<number>(one.cost).fill(time)]
      const lost = inWindow(moments, time) - inWindow(admitted, time)
      if (lost > losses * reserveMaxOf(amount)) violations.push(`${lost} lost after ${losses} losses`)
      hold({ cell: { moments, spare: 0, version: one.taken } })
      return { is: 'done' }
    }
    if (operation === operations.raise) {
      if (cell?.version === one.taken) hold({ cell: { ...cell, spare: cell.spare + one.cost, version: at } })
      return { is: 'done' }
    }
    if (cell === undefined) return { is: 'lacking', snapshots }
    const state = { use, remaining: 0, freesInMs: 0 }
    const taking = { refusal: undefined, shadows: [], states: [state], at: time }
    if (inWindow(cell.moments, time) >= amount)
      return { is: 'taking', taking: { ...taking, refusal: { use, retryInMs: 1 } } }
    if (cell.spare < 1) return { is: 'lacking', snapshots }
    hold({ cell: { ...cell, moments: [...cell.moments, time], spare: cell.spare - 1 } })
    admitted.push(time)
    return { is: 'taking', taking }
  }

  function createNode() {
    let connection:
      | { readonly run: number; readonly epoch: { readonly id: string; readonly value: string } }
      | undefined

    /** Commands of the way on which the epoch is agreed on. */
    function lineOf(itsRun: number): RedisLine {
      return {
        ended: new Promise(() => {}),
        destroy() {},
        async send([command, , , , seen = '', id = '', runId = '', evicted = '', order = '']) {
          await travel(itsRun, 'ask')
          if (command === 'INFO')
            return Buffer.from(`redis_version:7.0.0\r\nrole:master\r\nrun_id:${itsRun}\r\nevicted_keys:0\r\n`)
          if (id !== '' && held.epoch === seen)
            hold({ epoch: `${id}:${order === 'first' ? 0 : time}:${runId}:${evicted}`, cell: undefined })
          const { epoch } = held
          await travel(itsRun, 'answer')
          return [Buffer.from(epoch), time]
        },
      }
    }

    /** A message's way. A connection of a Redis that was killed carries none. */
    async function travel(itsRun: number, label: string): Promise<void> {
      await step(label)
      if (itsRun !== run || chance() < 4) throw new Fault('limiter_unavailable', 'lost')
    }

    async function ask(request: LimiterRequest): Promise<LimiterAnswer> {
      if (connection === undefined) throw new Fault('limiter_unavailable', 'not connected')
      const { run: itsRun, epoch } = connection
      if (request.epoch !== undefined && request.epoch !== epoch.id)
        throw new Fault('limiter_unavailable', 'another epoch')
      await travel(itsRun, 'ask')
      if (held.epoch !== epoch.value) {
        connection = undefined
        throw new Fault('limiter_unavailable', 'another epoch')
      }
      const answer = execute(request, epoch.id)
      check()
      await travel(itsRun, 'answer')
      return answer
    }

    const scheduler = {
      after(_ms: number, work: () => void) {
        void step('pause').then(work)
        return () => {}
      },
      yieldTurn: () => step('turn'),
    }
    const store = {
      async read(name: string) {
        await step('read')
        const row = await stores.kept.read(name)
        await step('row')
        return row
      },
      async write(...args: Parameters<typeof stores.kept.write>) {
        await step('write')
        if (chance() < 4) throw new Fault('store_unavailable', 'not written')
        const isWritten = await stores.kept.write(...args)
        check()
        await step('written')
        if (chance() < 4) throw new Fault('store_unavailable', 'unknown')
        return isWritten
      },
    }
    const epochs = {
      async read() {
        await step('epoch')
        return stores.epochs.read()
      },
      async replace(...args: Parameters<typeof stores.epochs.replace>) {
        await step('replace')
        return stores.epochs.replace(...args)
      },
    }
    let moment = 0
    // Time passes with each look at the clock, so that looking for room comes to an end.
    const monotonic = (): number => {
      moment += 100
      return moment
    }
    const kept = createKeptLimits({ store, ask, monotonic, scheduler })
    const askUntilRoom = createAskUntilRoom({ ask }, kept, monotonic)

    return {
      /** Takes once; an outage is as good as a refusal. */
      async take(): Promise<void> {
        try {
          if (connection === undefined) {
            const itsRun = run
            const agreed = await agreeOnEpoch(lineOf(itsRun), { deployment: 'd', epochs, scheduler })
            connection = { run: itsRun, epoch: agreed.epoch }
          }
          const request = { operation: operations.take, uses: [requestUse(use, 1, 0, 0)], at: 0 }
          await askUntilRoom(request, [use], () => 1)
        } catch (error) {
          if (!(error instanceof Fault)) throw error
          connection = undefined
        }
      },
    }
  }

  /** What happens to Redis, or to the time. */
  const happenings = {
    kill() {
      losses += 1
      run += 1
      held = { epoch: '', cell: undefined }
    },
    flush() {
      losses += 1
      held = { epoch: '', cell: undefined }
    },
    /** As it was at some moment before, and another run. */
    restore() {
      losses += 1
      run += 1
      held = past[chance() % Math.max(1, past.length)] ?? held
    },
    wait() {
      time += (chance() * windowMs) / 200
    },
  }

  return {
    createNode,
    violations,
    admitted,
    async happen(name: keyof typeof happenings): Promise<void> {
      await step(name)
      happenings[name]()
      check()
    },
  }
}
