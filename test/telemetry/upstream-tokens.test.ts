import { expect, test } from 'vitest'
import { startOllama } from '../gateway/simulators/ollama.ts'
import { readMetrics } from '../support/read-metrics.ts'
import { startBefore } from './upstream-server.ts'

test('tokens of calls, whole and streamed, are counted by upstream, model and kind as their answers say', async () => {
  await using ollama = await startOllama()
  const server = await startBefore([ollama.url], { metrics: 'open' })
  const ask = async (more: object): Promise<string> => {
    const answer = await server.ask(more)
    expect(answer.status).toBe(200)
    return answer.text()
  }
  const counted = async (kind: string): Promise<number | undefined> => {
    const metrics = readMetrics(await (await fetch(`${server.address}/metrics`)).text())
    const labels = { upstream: 'up-0', model: 'fast', kind }
    return metrics.find(
      (metric) =>
        metric.name === 'modelward_tokens_total' &&
        JSON.stringify(Object.entries(metric.labels).toSorted()) ===
          JSON.stringify(Object.entries(labels).toSorted()),
    )?.value
  }
  const { usage } = JSON.parse(await ask({})) as {
    readonly usage: { readonly prompt_tokens: number; readonly completion_tokens: number }
  }
  expect(await counted('prompt')).toBe(usage.prompt_tokens)
  expect(await counted('completion')).toBe(usage.completion_tokens)
  const events = await ask({ stream: true, stream_options: { include_usage: true } })
  const [, prompt] = /"prompt_tokens":(\d+)/.exec(events) ?? []
  // A page of metrics is a second old at most.
  await expect.poll(() => counted('prompt')).toBe(usage.prompt_tokens + Number(prompt))
})
