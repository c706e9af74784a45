import { z } from 'zod'
import type { ModelSettings, UpstreamSettings } from '../../gateway/gateway-settings.ts'
import type { PresetName } from '../../gateway/presets/preset.ts'
import { presetNames } from '../../gateway/presets/presets.ts'
import { type InputFault, isFault, isNone, type Settings, size } from '../setting.ts'
import { findModelFaults } from './find-model-faults.ts'
import { checkPreset, checkUrl, findUpstreamFaults } from './find-upstream-faults.ts'
import { readModels, readUpstreams } from './read-upstream.ts'
import { upstreamUrlForm } from './upstream-url.ts'

/** The gateway as it is set; `readGateway` puts it together. */
export interface GatewayInputs {
  readonly upstream: string | undefined
  readonly preset: PresetName | undefined
  /** Bytes. */
  readonly gatewayBodyMax: number
  /** Bytes. */
  readonly answerMax: number
  readonly upstreams: readonly UpstreamSettings[]
  readonly models: readonly ModelSettings[]
}

const none = z.literal('none').transform(() => undefined)
const presetList = presetNames.map((name) => `\`${name}\``).join(', ')

/** These settings. */
export const gatewaySettings: Settings<GatewayInputs> = {
  upstream: {
    schema: z.union([none, z.string().refine((text) => checkUrl('', text).length === 0)]),
    faultsOf: (input): readonly InputFault[] => checkUrl('', input),
    kind: 'text',
    default: 'none',
    placeholder: 'URL',
    describes:
      'A model server that calls are forwarded to, called `upstream`. A path in the URL comes before every route. Several stand under `upstreams`, in the file.',
    expected: upstreamUrlForm,
    empty: isFault,
  },
  preset: {
    schema: z.union([none, z.enum(presetNames as readonly [PresetName, ...PresetName[]])]),
    faultsOf: (input): readonly InputFault[] => checkPreset('', input),
    kind: 'text',
    default: 'none',
    placeholder: 'NAME',
    describes:
      'Which kind of server `upstream` is: what of it is open, and how its clients read errors. `custom` opens no route but those in `allow`, in the file.',
    expected: presetList,
    empty: isFault,
  },
  gatewayBodyMax: {
    schema: size(1, 1_073_741_824),
    kind: 'size',
    default: '16MiB',
    placeholder: 'SIZE',
    describes: 'Largest body of a call that is forwarded; the server answers a larger one with 413.',
    expected: 'a size from 1B to 1GiB, as `16MiB` or bytes',
    empty: isFault,
  },
  answerMax: {
    schema: size(1_024, 1_073_741_824),
    kind: 'size',
    default: '8MiB',
    placeholder: 'SIZE',
    describes: 'Largest whole answer of an upstream that is held in memory; a larger one goes out in pieces.',
    expected: 'a size from 1KiB to 1GiB, as `8MiB` or bytes',
    empty: isFault,
  },
  upstreams: {
    schema: z
      .unknown()
      .refine((input) => findUpstreamFaults(input).length === 0)
      .transform(readUpstreams),
    faultsOf: findUpstreamFaults,
    kind: 'object',
    default: {},
    placeholder: 'UPSTREAMS',
    describes:
      'Model servers by name, which is 1 to 32 of `a-z 0-9 . _ -`, starting with a letter. Each has `url` and `preset`, and may have `key`, `keyHeader`, `prefix`, `models`, `allow`, `close`, `allowFields`, `tokens`, `abandoned`, `timeouts`, `retries`, `breaker`, `health`, `connectionsMax` and `ca`. A key is `{"env":NAME}` or `{"file":PATH}`, never the credential itself. Relative paths start at the file’s own folder.',
    expected: 'an object of upstreams by name',
    empty: isNone,
  },
  models: {
    schema: z
      .unknown()
      .refine((input) => findModelFaults(input).length === 0)
      .transform(readModels),
    faultsOf: findModelFaults,
    kind: 'object',
    default: {},
    placeholder: 'MODELS',
    describes:
      'Models by the public names that clients say. Each has `to`, a list of `{"upstream":NAME,"model":NAME}` that are tried in order; and may have `limits` for each key by itself, beside all others, and `output`, the tokens of an answer whose client has set no bound. Two names may not differ in letter case or the tag `latest` alone.',
    expected: 'an object of models by public name',
    empty: `${isNone} Models have the names that their upstreams list.`,
  },
}
