import type { UpstreamSettings } from '../../src/gateway/gateway-settings.ts'
import { presets } from '../../src/gateway/presets/presets.ts'

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
