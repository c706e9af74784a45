import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
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

let child: ChildProcess
let port: number
let cold: Measure
beforeAll(async () => {
  child = fork(new URL('./serve-child.ts', import.meta.url), { execArgv: ['--expose-gc'], stdio: 'inherit' })
  const [{ port: childPort }] = (await once(child, 'message')) as [{ port: number }]
  port = childPort
  cold = await measure()
})
afterAll(async () => {
  child.disconnect()
  await once(child, 'exit')
})

async function measure(): Promise<Measure> {
  const answered = once(child, 'message') as Promise<[Measure]>
  child.send('measure')
  return (await answered)[0]
}

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

// What is thrown away is garbage until it is collected, so the first bodies do raise the peak, the
// more the slower the machine: never by what FastAPI takes for one. What matters is that it comes
// to rest, so that a gigabyte more does not raise it, and that nothing stays.
test('24 no key: once warm, twenty bodies of 50 MB more, a gigabyte, leave memory flat: the peak and what is kept', async () => {
  let before = await measure()
  let after = before
  for (let gigabyte = 1; gigabyte <= 4; gigabyte += 1) {
    before = after
    await uploadGigabyte()
    after = await measure()
    if (after.peakBytes - before.peakBytes < growthBytesMax) break
  }
  const peakGrowth = after.peakBytes - before.peakBytes
  const keptGrowth = after.keptBytes - before.keptBytes
  expect(after.peakBytes - cold.peakBytes).toBeLessThan(fastApiGrowthBytes)
  process.stdout.write(`24: a gigabyte refused: peak +${peakGrowth} bytes, kept +${keptGrowth} bytes\n`)
  expect(peakGrowth).toBeLessThan(growthBytesMax)
  expect(keptGrowth).toBeLessThan(growthBytesMax / 10)
})
