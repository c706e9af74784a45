import { setTimeout as delay } from 'node:timers/promises'
import { percentileOf } from '../statistics.ts'
import type { Load } from './open-load.ts'
import { callPath, type OpenSide } from './sides.ts'
import type { StreamsAsked, StreamsSeen } from './stream-clients.ts'

/** What a round of streams showed of one side. */
export interface StreamRound {
  /**
   * Median time to the first event beyond that of the model server itself, one stream and 50 at
   * once, in milliseconds.
   */
  readonly addedToFirstMs: number
  readonly addedToFirstOf50Ms: number
  /** Of the server's process, for a stream of 100 events 10 ms apart, in microseconds. */
  readonly cpuPerStream: number
}

type Shape = Omit<StreamsAsked, 'port' | 'path' | 'headers'>

const oneAtATime: Shape = {
  clients: 1,
  streams: 60,
  shape: { events: 3, pauseMs: 0, bytes: 5 },
  does: 'read',
}
const fiftyAtOnce = (seconds: number): Shape => ({
  clients: 50,
  streams: seconds,
  shape: { events: 100, pauseMs: 10, bytes: 5 },
  does: 'read',
})

/** Those that answer a stream. A peer that does not takes no part in them, and `tell` says why. */
export async function findStreaming(
  open: readonly OpenSide[],
  load: Load,
  tell: (message: string) => void,
): Promise<readonly OpenSide[]> {
  const streaming: OpenSide[] = []
  for (const side of open) {
    try {
      await ask(load, side, { ...oneAtATime, streams: 1 })
      streaming.push(side)
    } catch (error) {
      if (side.side.name !== 'portkey') throw error
      tell(`portkey takes no part in streams: ${String(error).split('\r\n', 1)[0]}`)
    }
  }
  return streaming
}

/**
 * One round of each side, one behind the other.
 *
 * @param seconds of each turn of 50 streams at once
 */
export async function measureStreams(
  open: readonly OpenSide[],
  load: Load,
  seconds: number,
): Promise<ReadonlyMap<string, StreamRound>> {
  const direct = { port: load.port, headers: {} }
  const [one, fifty] = [
    medianOf(await ask(load, direct, oneAtATime)),
    medianOf(await ask(load, direct, fiftyAtOnce(seconds))),
  ]
  const rounds = new Map<string, StreamRound>()
  for (const side of open) {
    const addedToFirstMs = medianOf(await ask(load, side, oneAtATime)) - one
    const before = side.server.cpuTime()
    const seen = await ask(load, side, fiftyAtOnce(seconds))
    const cpuPerStream = (side.server.cpuTime() - before) / seen.firstMs.length
    rounds.set(side.side.name, { addedToFirstMs, addedToFirstOf50Ms: medianOf(seen) - fifty, cpuPerStream })
  }
  return rounds
}

/** KiB of memory that each of 1,000 streams at once takes, of 30 events 200 ms apart. */
export async function measureThousand(side: OpenSide, load: Load): Promise<number> {
  const shape: Shape = {
    clients: 1_000,
    streams: 1,
    shape: { events: 30, pauseMs: 200, bytes: 5 },
    does: 'read',
  }
  // Compiled code, and what a process comes to with its first calls, is not a stream's.
  await ask(load, side, { ...shape, clients: 20, streams: 10, shape: { ...shape.shape, pauseMs: 1 } })
  return ((await measureMemory(side, () => ask(load, side, shape))) * 1_024) / 1_000
}

/** MiB that 100 clients take which read nothing of 48 MB each. @param seconds how long */
export function measureReaders(side: OpenSide, load: Load, seconds: number): Promise<number> {
  const shape = { events: 24_000, pauseMs: 0, bytes: 2_000 }
  const does = { nothingForMs: seconds * 1_000 }
  return measureMemory(side, () => ask(load, side, { clients: 100, streams: 1, shape, does }))
}

/** 99th percentile of the time from a client's end to that of the upstream's connection, in ms. */
export async function measureEnds(side: OpenSide, load: Load): Promise<number> {
  const shape = { events: 1_000, pauseMs: 10, bytes: 5 }
  const { goneMs } = await ask(load, side, { clients: 20, streams: 10, shape, does: 'leave' })
  return percentileOf(Float64Array.from(goneMs), 0.99)
}

/** The most that the server's memory grew meanwhile, in MiB. */
async function measureMemory({ server }: OpenSide, work: () => Promise<unknown>): Promise<number> {
  const before = server.residentMiB()
  let most = before
  const working = work().finally(() => {
    isWorking = false
  })
  let isWorking = true
  while (isWorking) {
    most = Math.max(most, server.residentMiB())
    await Promise.race([working, delay(100)])
  }
  await working
  return most - before
}

async function ask(
  load: Load,
  { port, headers }: Pick<OpenSide, 'port' | 'headers'>,
  asked: Shape,
): Promise<StreamsSeen> {
  const seen = await load.askForStreams({ port, path: callPath, headers, ...asked })
  if (asked.does === 'read' && seen.whole !== asked.clients * asked.streams)
    throw new Error(`${seen.whole} of ${asked.clients * asked.streams} streams were whole`)
  return seen
}

function medianOf({ firstMs }: StreamsSeen): number {
  return percentileOf(Float64Array.from(firstMs), 0.5)
}
