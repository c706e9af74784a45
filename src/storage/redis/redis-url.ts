import { SetupError } from '../../core/setup-error.ts'

/** What a Redis URL says. */
export interface RedisUrl {
  /** One server; sentinels that know where it is; or nodes of a cluster that do. */
  readonly kind: 'server' | 'sentinel' | 'cluster'
  /** In the order in which they are asked. */
  readonly hosts: readonly RedisAddress[]
  readonly isTls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  /** A database's number; a cluster has only 0. */
  readonly database: number
  /** What the sentinels call the server; empty for the other kinds. */
  readonly service: string
  /** For messages: hosts and database, no user and no password. */
  readonly name: string
}

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

const redisUrlForms =
  'redis://:password@host:6379/0, rediss://…, redis+sentinel://host:26379,host2:26379/name or redis+cluster://host:6379,host2:6379'

const form = /^redis(s?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#@]+)(?:\/([^?#]*))?$/
const hostForm = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i

/**
 * Reads `redis://user:password@host:port/database`, `rediss://…` for TLS,
 * `redis+sentinel://host:26379,host2/name` with a database behind the name where it is not 0, or
 * `redis+cluster://host:6379,host2`. User and password are percent-encoded.
 *
 * @throws SetupError `config_invalid`, whose message contains nothing of the URL
 */
export function parseRedisUrl(text: string): RedisUrl {
  const [, tls, way, access = '', hostList = '', path = ''] = form.exec(text) ?? []
  if (tls === undefined) throw invalid(`expected ${redisUrlForms}`)
  const kind = way === 'sentinel' || way === 'cluster' ? way : 'server'
  const hosts = hostList.split(',').map((host) => readHost(host, kind === 'sentinel' ? 26_379 : 6_379))
  if (kind === 'server' && hosts.length > 1)
    throw invalid('expected one host; several are for redis+sentinel')
  const parts = path === '' ? [] : path.split('/')
  const service = kind === 'sentinel' ? decode(parts.shift() ?? '') : ''
  if (kind === 'sentinel' && service === '')
    throw invalid('expected the name that the sentinels know the server by: redis+sentinel://host:26379/name')
  const database = readDatabase(parts, kind)
  const shown = hosts.map(({ host, port }) => `${host}:${port}`).join(',')
  return {
    ...readAccess(access),
    kind,
    hosts,
    isTls: tls === 's',
    database,
    service,
    name: `Redis at ${shown}${service === '' ? '' : ` (${service})`}${database === 0 ? '' : `, database ${database}`}`,
  }
}

function readHost(text: string, port: number): RedisAddress {
  const [, host, digits] = hostForm.exec(text) ?? []
  const number = digits === undefined ? port : Number(digits)
  if (host === undefined || number < 1 || number > 65_535) throw invalid('expected hosts such as host:6379')
  return { host: host.replace(/^\[|\]$/g, ''), port: number }
}

function readAccess(text: string): Pick<RedisUrl, 'username' | 'password'> {
  const colon = text.indexOf(':')
  const [user, word] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  return {
    username: user === '' ? undefined : decode(user),
    password: word === '' ? undefined : decode(word),
  }
}

function readDatabase(parts: readonly string[], kind: RedisUrl['kind']): number {
  const [digits = '0'] = parts
  if (parts.length > 1 || !/^\d{1,5}$/.test(digits))
    throw invalid('expected a database such as /0 at the end')
  if (kind === 'cluster' && digits !== '0') throw invalid('a cluster has no database but 0')
  return Number(digits)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('expected user, password and name percent-encoded')
  }
}

function invalid(says: string): SetupError {
  return new SetupError('config_invalid', `the Redis URL: ${says}`)
}
