import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { percentileOf } from '../statistics.ts'

export interface Probe {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Latency {
  readonly p50Ms: number
  readonly p99Ms: number
}

/** Between an answer and the next request: so seldom that asking is no load of its own. */
const gapMs = 5

/**
 * Asks one request after the other over a kept-alive connection for some seconds; throws unless
 * each is answered with 200.
 */
export async function probeLatency(probe: Probe, seconds: number): Promise<Latency> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  try {
    const samples: number[] = []
    const endsAt = performance.now() + seconds * 1_000
    // The first makes the connection.
    await ask(probe, agent)
    while (performance.now() < endsAt) {
      await delay(gapMs)
      const startedAt = performance.now()
      await ask(probe, agent)
      samples.push(performance.now() - startedAt)
    }
    const sorted = Float64Array.from(samples)
    return { p50Ms: percentileOf(sorted, 0.5), p99Ms: percentileOf(sorted, 0.99) }
  } finally {
    agent.destroy()
  }
}

function ask({ method, url, headers, body }: Probe, agent: Agent): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent, headers: { ...headers } }, (response) => {
      const { statusCode } = response
      text(response)
        .then((answer) => {
          if (statusCode === 200) resolve()
          else reject(new Error(`${url}: expected 200, got ${statusCode}: ${answer}`))
        })
        .catch(reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
