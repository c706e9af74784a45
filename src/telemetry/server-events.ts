import { type EventName, type EventRow, outageFields } from './event-row.ts'

/** Events of the server, its settings and what it refuses. */
export const serverEvents: {
  readonly [Name in Extract<
    EventName,
    `${'server' | 'guard' | 'config' | 'refusals' | 'forward_auth' | 'traces'}.${string}`
  >]: EventRow<Name>
} = {
  'guard.address_unknown': {
    level: 'warn',
    sentence: 'a client came from what is no address',
    remedy:
      'Said once for each process. All such clients count as one, `unknown`, and keys with an address list are refused. Let the proxy that is trusted send the address in `X-Forwarded-For`, with or without a port; an `address` option must return it.',
    isOfRequest: true,
    fields: {},
  },
  'server.proxy_untrusted': {
    level: 'warn',
    sentence: 'a request names its client in `X-Forwarded-For`, and no proxy is trusted',
    remedy:
      'Said once for each process. The address of a client is the connection’s. Behind a proxy all clients then have one address, for allow lists, wrong keys and records: name the proxy, and nothing else, with `--trust-proxy`. Without a proxy a client has sent the header itself, and nothing believes it.',
    isOfRequest: true,
    fields: {},
  },
  'server.started': {
    level: 'info',
    sentence: 'the server listens',
    remedy: 'Nothing to do.',
    fields: { address: 'where it listens', version: 'the version of Modelward' },
  },
  'server.stopping': {
    level: 'info',
    sentence: 'the server closes: it takes no more connections and begins no more jobs',
    remedy: 'Nothing to do. What is under way has `--shutdown-grace`.',
    fields: { in_flight: 'requests under way' },
  },
  'server.stopped': {
    level: 'info',
    sentence: 'the server is closed',
    remedy: 'Nothing to do: all that was answered is recorded.',
    fields: {},
  },
  'server.failed': {
    level: 'fatal',
    sentence: 'an error that nothing caught, or a call of `process.exit`, ends the server',
    remedy:
      "It answers what is under way, hands jobs back, and ends with 1 within `--shutdown-grace` and 20 s. Look at the cause, most likely an inline model: one in a process of its own (`runs: 'process'`) harms only its own call. Let a service manager start the server again.",
    fields: {},
  },
  'server.stores_awaited': {
    level: 'error',
    sentence: 'the database cannot be reached, and the server waits for it',
    remedy:
      'Said once for each start. Until it can open it the server answers 503, `/ready` too, and tries each second. Look at the cause: the address, the network, or a service that is down.',
    fields: {},
  },
  'server.worker_lost': {
    level: 'error',
    sentence: 'one of the processes of `--workers` has ended; another takes its place',
    remedy:
      'After a second, and longer where that one ends soon too. Its jobs come back after their lease. Look for what ended it: `server.failed` before this line, or the system, for want of memory.',
    fields: { ended_by: 'a signal, or its exit code' },
  },
  'server.runner_gone': {
    level: 'info',
    sentence: 'the npm that started the server has ended; the server closes as after SIGTERM',
    remedy: 'Nothing to do. Start `modelward serve` by `node` or `exec` where it shall outlive npm.',
    fields: {},
  },
  'server.requests_not_logged': {
    level: 'warn',
    sentence: 'lines about requests were lost: the reader of standard error was slow',
    remedy:
      'Said at most once a second. Requests were answered and recorded as ever. Read standard error faster, or turn the lines off with `--log-requests false`: the ledger has every request.',
    fields: { lines: 'how many' },
  },
  'traces.not_exported': {
    level: 'warn',
    sentence: 'spans cannot be exported: the collector cannot be reached, or refuses them',
    remedy:
      'No request waits for it, and no answer is another; the spans are lost. See `OTEL_EXPORTER_OTLP_ENDPOINT` and the collector. Ends with `traces.exported`.',
    fields: outageFields,
  },
  'traces.exported': {
    level: 'info',
    sentence: 'spans are exported again',
    remedy: 'Nothing to do.',
    fields: outageFields,
  },
  'forward_auth.untrusted': {
    level: 'warn',
    sentence: 'a peer that is no trusted proxy asked for the verdict on a forwarded request',
    remedy:
      'Said once a minute at most. It got 403, and no key was looked at. Where the peer is your proxy, name it with `--trust-proxy`; else let no other machine reach this port.',
    fields: {
      peer: 'its address, of the last that asked',
      requests: 'how many such requests came since the last of these events',
    },
  },
  'refusals.flood': {
    level: 'warn',
    sentence: 'an address, or the holder of a key, was refused more than a hundred times within a minute',
    remedy:
      'Said for the three largest of each minute; the ledger counts all, as `requests.summarized`. With a wrong key: `--limit-bad-keys` bounds it, and a firewall ends it. With a key that is known: talk to its owner, or revoke it.',
    fields: {
      address:
        'the address or its network, as the ledger records it; null for the holder of a key, and where no more addresses are told apart',
      key_id: 'the id of the key; null where no secret was proven',
      code: 'what it was refused with',
      count: 'how many requests',
    },
  },
  'config.pepper_readable': {
    level: 'warn',
    sentence: 'other users of this machine can read the file of the pepper',
    remedy:
      'Said once for each start. Close it with `chmod 600`. Who has read it can, with a copy of the key store, look for keys whose texts are guessable, such as imported ones; and can make up sessions.',
    fields: { path: 'the file' },
  },
  'config.first_keys_left': {
    level: 'warn',
    sentence: 'the file of the first keys is still there, with the text of an admin key',
    remedy: 'Said once for each start. Store the keys elsewhere and remove the file.',
    fields: { path: 'the file' },
  },
}
