import { z } from 'zod'
import {
  addressBlocks,
  duration,
  integer,
  isFault,
  isNone,
  list,
  oneOf,
  type Settings,
  size,
} from './setting.ts'

/** The HTTP server, its documentation and its log. */
export interface ServerSettings {
  readonly host: string
  /** 0 means any free port. */
  readonly port: number
  /** Addresses and CIDR blocks. */
  readonly trustProxy: readonly string[]
  /** Bytes. */
  readonly bodyMax: number
  /** Bytes. */
  readonly batchBodyMax: number
  /** Bytes. */
  readonly inFlightMax: number | 'auto'
  /** Bytes. */
  readonly headersMax: number
  /** Characters. */
  readonly textMax: number
  /** Milliseconds. */
  readonly requestTimeout: number
  /** Milliseconds. */
  readonly shutdownDelay: number
  /** Milliseconds. */
  readonly shutdownGrace: number
  readonly docs: 'guarded' | 'open'
  readonly metrics: 'guarded' | 'open' | 'off'
  readonly corsOrigins: readonly string[]
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  readonly logRequests: boolean | 'auto'
  readonly traceOwners: boolean
}

/** These settings. */
export const serverSettings: Settings<ServerSettings> = {
  host: {
    schema: z.string().regex(/^[0-9A-Za-z.:_-]{1,253}$/),
    kind: 'text',
    default: '127.0.0.1',
    placeholder: 'HOST',
    describes: 'Address or host name to listen on. `0.0.0.0` and `::` let other machines in.',
    expected: 'an IP address or a host name',
    empty: isFault,
  },
  port: {
    schema: integer(0, 65_535),
    kind: 'integer',
    default: 8_000,
    placeholder: 'N',
    describes: 'Port to listen on; 0 takes any free one.',
    expected: 'an integer from 0 to 65535',
    empty: isFault,
  },
  trustProxy: {
    schema: addressBlocks(),
    kind: 'list',
    default: [],
    placeholder: 'BLOCKS',
    describes:
      'Addresses or CIDR blocks of the proxies whose `X-Forwarded-For` the server trusts, and which may ask about forwarded requests. Name only your own: a trusted proxy chooses the client address that allow lists check.',
    expected: 'IPv4 or IPv6 addresses or CIDR blocks, each once',
    empty: `${isNone} The client address is the connection’s.`,
  },
  bodyMax: {
    schema: size(1, 1_073_741_824),
    kind: 'size',
    default: '1MiB',
    placeholder: 'SIZE',
    describes: 'Largest request body; the server answers a larger one with 413.',
    expected: 'a size from 1B to 1GiB, as `64KiB`, `1MiB` or bytes',
    empty: isFault,
  },
  batchBodyMax: {
    schema: size(1, 1_073_741_824),
    kind: 'size',
    default: '8MiB',
    placeholder: 'SIZE',
    describes: 'Largest request body of a batch; the server answers a larger one with 413.',
    expected: 'a size from 1B to 1GiB, as `8MiB` or bytes',
    empty: isFault,
  },
  inFlightMax: {
    schema: z.union([z.literal('auto'), size(1_048_576, 1_099_511_627_776)]),
    kind: 'size',
    default: 'auto',
    placeholder: 'SIZE',
    describes:
      'Most memory for bodies and large answers under way; the server answers what does not fit with 503 `overloaded`. An owner may hold as much of it as is free. `auto`: a quarter of the heap that Node may use.',
    expected: '`auto`, or a size from 1MiB to 1TiB, as `256MiB` or bytes',
    empty: isFault,
  },
  headersMax: {
    schema: size(1_024, 1_048_576),
    kind: 'size',
    default: '16KiB',
    placeholder: 'SIZE',
    describes: 'Largest request head; the server answers a larger one with 431.',
    expected: 'a size from 1KiB to 1MiB, as `16KiB` or bytes',
    empty: isFault,
  },
  textMax: {
    schema: integer(1, 10_000_000),
    kind: 'integer',
    default: 10_000,
    placeholder: 'N',
    describes: 'Most characters of a text to predict; the server answers a longer one with 422.',
    expected: 'an integer from 1 to 10000000',
    empty: isFault,
  },
  requestTimeout: {
    schema: duration(1),
    kind: 'text',
    default: '30s',
    placeholder: 'TIME',
    describes: 'How long a client may take to send a request; then the server answers 408.',
    expected: 'a duration from 1ms to 24d, as `500ms`, `30s` or `2min`',
    empty: isFault,
  },
  shutdownDelay: {
    schema: duration(0),
    kind: 'text',
    default: '0s',
    placeholder: 'TIME',
    describes:
      'How long everything is still served after SIGTERM, with `/ready` 503, before the server closes: until load balancers have heard of it.',
    expected: 'a duration from 0s to 24d, as `500ms`, `10s` or `2min`',
    empty: isFault,
  },
  shutdownGrace: {
    schema: duration(0),
    kind: 'text',
    default: '10s',
    placeholder: 'TIME',
    describes:
      'How long requests and jobs under way may go on after SIGTERM and `--shutdown-delay`. Then the server cuts requests off, and hands jobs back for the next start.',
    expected: 'a duration from 0s to 24d, as `500ms`, `10s` or `2min`',
    empty: isFault,
  },
  docs: {
    schema: oneOf('guarded', 'open'),
    kind: 'text',
    default: 'guarded',
    placeholder: 'WHO',
    describes: 'Who may read `/docs` and `/openapi.json`: `guarded`, clients with a key; `open`, anyone.',
    expected: '`guarded` or `open`',
    empty: isFault,
  },
  metrics: {
    schema: oneOf('guarded', 'open', 'off'),
    kind: 'text',
    default: 'guarded',
    placeholder: 'WHO',
    describes:
      'Who may read `/metrics`: `guarded`, clients with a key of scope `metrics:read` or `admin`, by `Authorization: Bearer` whatever `--scheme` says; `open`, anyone, and nothing is recorded; `off`, no one, and nothing is measured.',
    expected: '`guarded`, `open` or `off`',
    empty: isFault,
  },
  corsOrigins: {
    schema: list(z.string().refine(isOrigin)),
    kind: 'list',
    default: [],
    placeholder: 'ORIGINS',
    describes: 'Origins whose pages may call the server from a browser.',
    expected: 'origins such as `https://app.example.com`, without a path, each once',
    empty: `${isNone} Browsers keep other origins’ pages out.`,
  },
  logLevel: {
    schema: oneOf('fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),
    kind: 'text',
    default: 'info',
    placeholder: 'LEVEL',
    describes: 'The lowest level that the server logs. Logs are JSON lines on standard error.',
    expected: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`',
    empty: isFault,
  },
  logRequests: {
    schema: z.union([z.literal('auto'), z.boolean()]),
    kind: 'automatic',
    // Not in a file of the log: a line costs more than the guard does, and a flood of bad keys
    // would fill the disk with them.
    default: 'auto',
    placeholder: 'WHEN',
    describes:
      'Whether the server logs every request. `auto`: where standard error is a terminal. Lines are text on a terminal and JSON elsewhere; where their reader is slow, lines are lost and counted. Faults are always logged.',
    expected: '`auto`, `true` or `false`',
    empty: isFault,
  },
  traceOwners: {
    schema: z.boolean(),
    kind: 'boolean',
    default: true,
    placeholder: 'BOOLEAN',
    describes:
      'Whether spans name owners, in `modelward.owner`. Spans are exported where `OTEL_EXPORTER_OTLP_ENDPOINT` says where to (docs/reference/traces.md).',
    expected: '`true` or `false`',
    empty: isFault,
  },
}

/**
 * An origin as browsers send it (RFC 6454 §6.2): scheme, host and a port that is not the scheme's
 * own.
 */
function isOrigin(text: string): boolean {
  return /^https?:\/\//.test(text) && URL.canParse(text) && new URL(text).origin === text
}
