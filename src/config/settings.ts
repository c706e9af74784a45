import { limitSettingForms, limitsMax } from '../limits/limit-setting.ts'
import type { SettingName } from './config.ts'
import { modelSettings } from './model-settings.ts'
import { isFault, isNone, type SettingDescription } from './setting-description.ts'

const areLimits = `limits, at most ${limitsMax} and one for each window of a measure, as ${limitSettingForms}`

/** Every setting as people are told about it, in the order of the reference. */
export const settings: Readonly<Record<SettingName, SettingDescription>> = {
  data: {
    kind: 'text',
    default: './modelward-data',
    placeholder: 'FOLDER',
    describes:
      'The data folder: keys, pepper, lock. A relative path starts at the working folder; in a configuration file, at the file’s own folder.',
    expected: 'a path, with `~` written out',
    empty: isFault,
  },
  host: {
    kind: 'text',
    default: '127.0.0.1',
    placeholder: 'HOST',
    describes: 'Address or host name to listen on. `0.0.0.0` and `::` let other machines in.',
    expected: 'an IP address or a host name',
    empty: isFault,
  },
  port: {
    kind: 'integer',
    default: 8_000,
    placeholder: 'N',
    describes: 'Port to listen on; 0 takes any free one.',
    expected: 'an integer from 0 to 65535',
    empty: isFault,
  },
  environment: {
    kind: 'text',
    default: 'live',
    placeholder: 'NAME',
    describes:
      'Which keys the server admits and new keys belong to. A test key never works on a live server, nor the reverse.',
    expected: '`live` or `test`',
    empty: isFault,
  },
  keyPrefix: {
    kind: 'text',
    default: 'mw',
    placeholder: 'PREFIX',
    describes:
      'What every key starts with. Choose your own before the first key, so that secret scanners can tell your keys: keys with another prefix are refused.',
    expected: '2 to 12 of a-z 0-9, starting with a letter',
    empty: isFault,
  },
  scheme: {
    kind: 'list',
    default: ['header'],
    placeholder: 'NAMES',
    describes:
      'Where a key may travel: `header` (see `keyHeader`), `bearer` (`Authorization: Bearer …`), or both.',
    expected: '`header`, `bearer` or both, each once',
    empty: 'A fault: without a scheme nobody could present a key.',
  },
  keyHeader: {
    kind: 'text',
    default: 'X-API-Key',
    placeholder: 'NAME',
    describes: 'The header that carries the key under the scheme `header`.',
    expected:
      'a header name (an RFC 9110 token, at most 64 characters), and not `Authorization` beside the scheme `bearer`',
    empty: isFault,
  },
  realm: {
    kind: 'text',
    default: 'modelward',
    placeholder: 'TEXT',
    describes: 'The realm that `WWW-Authenticate` names on a 401.',
    expected: '1 to 64 printable ASCII characters, without quotes and backslashes',
    empty: isFault,
  },
  invalidKeyStatus: {
    kind: 'integer',
    default: 403,
    placeholder: 'STATUS',
    describes:
      'The status for a wrong key: 403 as FastAPI’s tutorial answers, 401 as RFC 9110 would have it.',
    expected: '401 or 403',
    empty: isFault,
  },
  trustProxy: {
    kind: 'list',
    default: [],
    placeholder: 'BLOCKS',
    describes:
      'Addresses or CIDR blocks of the proxies whose `X-Forwarded-For` is believed. Name only your own: whoever is believed chooses the client address that allow lists see.',
    expected: 'IPv4 or IPv6 addresses or CIDR blocks, each once',
    empty: `${isNone} The client address is the connection’s.`,
  },
  bodyMax: {
    kind: 'size',
    default: '1MiB',
    placeholder: 'SIZE',
    describes: 'Largest request body; a larger one is answered 413.',
    expected: 'a size from 1B to 1GiB, as `64KiB`, `1MiB` or bytes',
    empty: isFault,
  },
  batchBodyMax: {
    kind: 'size',
    default: '8MiB',
    placeholder: 'SIZE',
    describes: 'Largest request body of a batch; a larger one is answered 413.',
    expected: 'a size from 1B to 1GiB, as `8MiB` or bytes',
    empty: isFault,
  },
  headersMax: {
    kind: 'size',
    default: '16KiB',
    placeholder: 'SIZE',
    describes: 'Largest request head; a larger one is answered 431.',
    expected: 'a size from 1KiB to 1MiB, as `16KiB` or bytes',
    empty: isFault,
  },
  textMax: {
    kind: 'integer',
    default: 10_000,
    placeholder: 'N',
    describes: 'Most characters of a text to predict; a longer one is answered 422.',
    expected: 'an integer from 1 to 10000000',
    empty: isFault,
  },
  cachedKeysMax: {
    kind: 'integer',
    default: 10_000,
    placeholder: 'N',
    describes: 'Most verified keys held in memory; more are read from the store again.',
    expected: 'an integer from 2 to 10000000',
    empty: isFault,
  },
  limitDefault: {
    kind: 'list',
    default: ['60/min'],
    placeholder: 'LIMITS',
    describes: 'Limits of each key that has none of its own.',
    expected: areLimits,
    empty: `${isNone} Such a key may use as much as it likes.`,
  },
  limitEveryone: {
    kind: 'list',
    default: [],
    placeholder: 'LIMITS',
    describes: 'Limits that all keys share.',
    expected: areLimits,
    empty: isNone,
  },
  limitBadKeys: {
    kind: 'text',
    default: '30/min',
    placeholder: 'LIMIT',
    describes:
      'How many wrong keys may come from one address (IPv6: one /64); more are answered 429. A right key is let in all the same. `none`: as many as they like.',
    expected: 'a window of requests such as `30/min`, or `none`',
    empty: isFault,
  },
  ...modelSettings,
  requestTimeout: {
    kind: 'text',
    default: '30s',
    placeholder: 'TIME',
    describes: 'How long a client may take to send a request; then the answer is 408.',
    expected: 'a duration from 1ms to 24d, as `500ms`, `30s` or `2min`',
    empty: isFault,
  },
  shutdownGrace: {
    kind: 'text',
    default: '10s',
    placeholder: 'TIME',
    describes:
      'How long requests and jobs under way may go on after SIGTERM; then requests are cut off, and jobs handed back for the next start.',
    expected: 'a duration from 0s to 24d, as `500ms`, `10s` or `2min`',
    empty: isFault,
  },
  ledgerMode: {
    kind: 'text',
    default: 'before',
    placeholder: 'WHEN',
    describes:
      'When a request’s record is written: `before` its answer leaves, and where that is not possible the answer is 503; or `after`, which loses records in a crash and answers all the same.',
    expected: '`before` or `after`',
    empty: isFault,
  },
  ledgerAddresses: {
    kind: 'text',
    default: 'whole',
    placeholder: 'HOW',
    describes:
      'How client addresses are recorded: `whole`; `truncated` to /24 (IPv6: /48); `hashed` under a key of the deployment; or `none`.',
    expected: '`whole`, `truncated`, `hashed` or `none`',
    empty: isFault,
  },
  ledgerKeep: {
    kind: 'text',
    default: 'forever',
    placeholder: 'TIME',
    describes:
      'How long records are kept; older ones are dropped behind a signed checkpoint. `forever`: all of them.',
    expected: 'a duration from 1h on, as `90d`, or `forever`',
    empty: isFault,
  },
  ledgerMax: {
    kind: 'text',
    default: 'unlimited',
    placeholder: 'SIZE',
    describes:
      'How large the ledger may grow before its oldest records are dropped. `unlimited`: as large as the disk.',
    expected: 'a size from 16MiB on, as `10GiB`, or `unlimited`',
    empty: isFault,
  },
  docs: {
    kind: 'text',
    default: 'guarded',
    placeholder: 'WHO',
    describes: 'Who may read `/docs` and `/openapi.json`: `guarded`, whoever has a key; `open`, anyone.',
    expected: '`guarded` or `open`',
    empty: isFault,
  },
  corsOrigins: {
    kind: 'list',
    default: [],
    placeholder: 'ORIGINS',
    describes: 'Origins whose pages may call the server from a browser.',
    expected: 'origins such as `https://app.example.com`, without a path, each once',
    empty: `${isNone} Browsers keep other origins’ pages out.`,
  },
  logLevel: {
    kind: 'text',
    default: 'info',
    placeholder: 'LEVEL',
    describes: 'The least that is logged. Logs are JSON lines on standard error.',
    expected: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`',
    empty: isFault,
  },
  logRequests: {
    kind: 'boolean',
    // Off: a line costs more than the guard does, and a flood of bad keys would fill the disk with them.
    default: false,
    placeholder: 'BOOLEAN',
    describes: 'Whether every request leaves a line in the log; faults always do.',
    expected: '`true` or `false`',
    empty: isFault,
  },
}

export const settingNames: readonly SettingName[] = Object.keys(settings) as SettingName[]
