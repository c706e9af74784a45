import type { UpstreamSettings } from '../../src/gateway/gateway-settings.ts'
import { presets } from '../../src/gateway/presets/presets.ts'
import type { Upstream } from '../../src/gateway/upstreams/upstream.ts'

/** An upstream with the defaults of the configuration, called after its preset. */
export function testUpstream(
  settings: Pick<UpstreamSettings, 'preset'> & Partial<UpstreamSettings>,
): UpstreamSettings {
  return {
    name: settings.preset,
    url: 'http://127.0.0.1:11434',
    models: presets[settings.preset].models,
    allow: [],
    close: [],
    allowFields: [],
    tokens: { perByte: 1, template: 512, output: 4_096, image: 4_096 },
    abandoned: 'estimate',
    timeouts: { connectMs: 5_000, firstByteMs: 600_000, idleMs: 300_000, totalMs: 3_600_000 },
    retries: 1,
    breaker: { failures: 5, pauseMs: 5_000, pauseMaxMs: 60_000 },
    connectionsMax: 1_024,
    ...settings,
  }
}

/** An upstream that does what the test says, and nothing else. */
export function fakeUpstream(
  own: Parameters<typeof testUpstream>[0],
  does: Partial<Omit<Upstream, 'settings' | 'preset'>>,
): Upstream {
  const unasked = (): never => {
    throw new Error('the test does not say what it does then')
  }
  return {
    settings: testUpstream(own),
    preset: presets[own.preset],
    waitMs: () => 0,
    send: unasked,
    ask: unasked,
    models: unasked,
    redact: (text) => text,
    status: unasked,
    close: async () => {},
    ...does,
  }
}
