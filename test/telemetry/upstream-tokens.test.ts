import { expect, onTestFinished, test } from 'vitest'
import { startServer } from '../../src/server/start-server.ts'
import { temporaryFolder } from '../e2e/run-cli.ts'
import { startOllama } from '../gateway/simulators/ollama.ts'
import { serverDefaults } from '../parity/start-server-target.ts'
import { readMetrics } from '../support/read-metrics.ts'
import { testUpstream } from '../support/test-upstream.ts'

test('tokens of calls, whole and streamed, are counted by upstream, model and kind as their answers say', async () => {
  const folder = temporaryFolder()
  const ollama = await startOllama()
  let demo = ''
  const server = await startServer({
    ...serverDefaults,
    data: `${folder.path}/data`,
    servedModels: [],
    scheme: ['bearer'],
    metrics: 'open',
    gateway: {
      upstreams: [testUpstream({ preset: 'ollama', name: 'local', url: ollama.url })],
      models: [{ name: 'fast', to: [{ upstream: 'local', model: 'llama3.2:3b' }], limits: [] }],
      bodyMax: 1_048_576,
      answerMax: 1_048_576,
    },
    logStream: { write: () => {} },
    firstKeys: 'report',
    onFirstKeys: (report) => {
      if ('keys' in report) ({ demo } = report.keys)
    },
  })
  onTestFinished(async () => {
    await server.close()
    await ollama[Symbol.asyncDispose]()
    folder[Symbol.dispose]()
  })
  const ask = async (more: object): Promise<string> => {
    const answer = await fetch(`${server.address}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${demo}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'fast', messages: [{ role: 'user', content: 'hello' }], ...more }),
    })
    expect(answer.status).toBe(200)
    return answer.text()
  }
  const counted = async (kind: string): Promise<number | undefined> => {
    const metrics = readMetrics(await (await fetch(`${server.address}/metrics`)).text())
    const labels = { upstream: 'local', model: 'fast', kind }
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
  await expect.poll(() => counted('prompt'), { timeout: 20_000 }).toBe(usage.prompt_tokens + Number(prompt))
})
