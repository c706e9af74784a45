import { createClient } from '@redis/client'

/** What one call costs, in microseconds of CPU. */
export interface CallCost {
  readonly redis: number
  readonly node: number
  /** Calls a second. */
  readonly rate: number
}

/** Reads what Redis itself has used. */
export interface CpuMeter {
  readonly read: () => Promise<number>
  readonly close: () => void
}

export async function openCpuMeter(url: string): Promise<CpuMeter> {
  const client = createClient({ url, RESP: 2 })
  await client.connect()
  return {
    async read() {
      const text = await client.info('cpu')
      const field = (name: string): number => {
        const line = text.split('\r\n').find((one) => one.startsWith(`${name}:`)) ?? ''
        return Number(line.slice(name.length + 1)) * 1e6
      }
      return field('used_cpu_user') + field('used_cpu_sys')
    },
    close: () => client.destroy(),
  }
}

/** Calls so often, so many at a time, each begun when another has ended. */
export async function measureCalls(
  meter: CpuMeter,
  calls: number,
  inFlight: number,
  call: (number: number) => unknown,
): Promise<CallCost> {
  let begun = 0
  const lane = async (): Promise<void> => {
    while (begun < calls) {
      begun += 1
      await call(begun)
    }
  }
  const [redis, node, startedAt] = [await meter.read(), process.cpuUsage(), performance.now()]
  await Promise.all(Array.from({ length: inFlight }, lane))
  const seconds = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(node)
  return {
    redis: ((await meter.read()) - redis) / calls,
    node: (user + system) / calls,
    rate: calls / seconds,
  }
}
