import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectProblem, json } from './ask.ts'
import { formatRequest, RawConnection } from './raw-http.ts'

const bodyBytes = 50_000_000
const piece = Buffer.alloc(65_536, 'x')
/** FastAPI's memory grows by so much for one such body. */
const fastApiGrowthBytes = 144_000_000
const growthBytesMax = 30_000_000

interface Measure {
  /** The most that was ever resident. */
  readonly peakBytes: number
  /** What is left after a garbage collection. */
  readonly keptBytes: number
}

/** A server in a process of its own. */
class MeasuredServer {
  readonly #child = fork(new URL('./serve-child.ts', import.meta.url), {
    execArgv: ['--expose-gc'],
    stdio: 'inherit',
  })

  async start(): Promise<number> {
    const [{ port }] = (await once(this.#child, 'message')) as [{ port: number }]
    return port
  }

  async measure(): Promise<Measure> {
    const answered = once(this.#child, 'message') as Promise<[Measure]>
    this.#child.send('measure')
    return (await answered)[0]
  }

  async stop(): Promise<void> {
    this.#child.disconnect()
    await once(this.#child, 'exit')
  }
}

let server: MeasuredServer
let port: number
beforeEach(async () => {
  server = new MeasuredServer()
  port = await server.start()
})
afterEach(() => server.stop())

/** Streams the whole body, as fast as the server takes it, or until it cuts the connection. */
async function stream(connection: RawConnection, isChunked: boolean): Promise<void> {
  const framed = isChunked
    ? Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
    : piece
  for (let sent = 0; sent < bodyBytes; sent += piece.length)
    if (!(await connection.write(isChunked ? framed : piece.subarray(0, bodyBytes - sent)))) return
}

/**
 * One keyless request with its body, by a client that sends for as long as the connection takes it.
 */
async function upload(isChunked: boolean): Promise<void> {
  const connection = new RawConnection(port)
  const framing = isChunked ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(bodyBytes)]
  void connection.write(formatRequest({ headers: [json, framing as [string, string]] }))
  await stream(connection, isChunked)
  expectProblem(await connection.answer(), 401, 'key_missing')
  await connection.ended()
  connection.close()
}

test.each([
  ['announced', false],
  ['chunked', true],
] as const)(
  '24 no key, a 50 MB body, %s, by a client that goes on sending after the answer: it gets its 401 every time, no reset before it, and the connection ends',
  async (_, isChunked) => {
    for (let round = 0; round < 5; round += 1) await upload(isChunked)
  },
)

test('24 no key, 50 MB bodies from 20 clients at once: each reads its 401', async () => {
  await Promise.all(Array.from({ length: 20 }, () => upload(false)))
})

/** Twenty bodies, eight of them one after the other. */
async function uploadGigabyte(): Promise<void> {
  for (let round = 0; round < 8; round += 1) await upload(round % 2 === 0)
  await Promise.all(Array.from({ length: 12 }, () => upload(false)))
}

/** How much the peak grew since the start, and by the last gigabyte; and what that has left. */
interface Growth {
  readonly peak: number
  readonly lastPeak: number
  readonly lastKept: number
}

async function grow(): Promise<Growth> {
  const cold = await server.measure()
  let before = cold
  let after = cold
  for (let gigabyte = 1; gigabyte <= 4; gigabyte += 1) {
    before = after
    await uploadGigabyte()
    after = await server.measure()
    if (after.peakBytes - before.peakBytes < growthBytesMax) break
  }
  return {
    peak: after.peakBytes - cold.peakBytes,
    lastPeak: after.peakBytes - before.peakBytes,
    lastKept: after.keptBytes - before.keptBytes,
  }
}

// The first bodies do raise the peak. What matters is that twelve at once raise it by less than
// FastAPI's one, that it comes to rest, so that a gigabyte more does not raise it, and that nothing
// stays.
test('24 no key: once warm, twenty bodies of 50 MB more, a gigabyte, leave memory flat: the peak and what is kept', async () => {
  const growth = await grow()
  process.stdout.write(`24: gigabytes refused: ${JSON.stringify(growth)}\n`)
  expect(growth.lastPeak).toBeLessThan(growthBytesMax)
  expect(growth.lastKept).toBeLessThan(growthBytesMax / 10)
  expect(growth.peak).toBeLessThan(fastApiGrowthBytes)
})
