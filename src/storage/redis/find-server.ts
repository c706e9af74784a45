import { type LineOptions, openLine, type RedisLine, type RedisReply } from './redis-line.ts'
import type { RedisAddress, RedisUrl } from './redis-url.ts'

type Driver = Parameters<typeof openLine>[0]

/**
 * Connects to the server that has our keys at this moment: the one of the URL, the one that the
 * sentinels name, or the node of a cluster that holds the key's slot. Asked anew for each
 * connection, for servers take each other's places.
 *
 * @throws the driver's error of the last host
 */
export async function connectServer(
  driver: Driver,
  url: RedisUrl,
  key: string,
  options: LineOptions,
): Promise<RedisLine> {
  if (url.kind === 'server') return tryEach(url.hosts, (host) => openLine(driver, host, options))
  const address = await tryEach(url.hosts, async (host) => {
    const line = await openLine(driver, host, url.kind === 'cluster' ? options : withoutAccess(options))
    try {
      return url.kind === 'cluster'
        ? await askCluster(line, host, key)
        : await askSentinel(line, url, options)
    } finally {
      line.destroy(undefined)
    }
  })
  return openLine(driver, address, options)
}

/** Sentinels have no databases, and a password of their own or none. */
function withoutAccess(options: LineOptions): LineOptions {
  const access = { ...options.access, username: undefined, password: undefined, database: 0 }
  return { ...options, access }
}

async function askSentinel(
  line: RedisLine,
  { service }: RedisUrl,
  { access }: LineOptions,
): Promise<RedisAddress> {
  const question = ['SENTINEL', 'get-master-addr-by-name', service]
  let answer: RedisReply
  try {
    answer = await line.send(question)
  } catch (error) {
    const { username, password } = access
    if (password === undefined || !(error instanceof Error && error.message.startsWith('NOAUTH'))) throw error
    await line.send(['AUTH', ...(username === undefined ? [] : [username]), password])
    answer = await line.send(question)
  }
  const [host, port] = Array.isArray(answer) ? answer.map(String) : []
  if (host === undefined) throw new Error(`the sentinel knows no ${service}`)
  return { host, port: Number(port) }
}

async function askCluster(line: RedisLine, asked: RedisAddress, key: string): Promise<RedisAddress> {
  const slot = Number(await line.send(['CLUSTER', 'KEYSLOT', key]))
  const ranges = (await line.send(['CLUSTER', 'SLOTS'])) as readonly (readonly RedisReply[])[]
  const range = ranges.find(([first, last]) => Number(first) <= slot && slot <= Number(last))
  const [host, port] = (range?.[2] as readonly RedisReply[] | undefined) ?? []
  if (host === undefined) throw new Error(`no node of the cluster holds slot ${slot}`)
  // A node that does not know its own address gives none.
  const named = String(host ?? '')
  return { host: named === '' || named === '?' ? asked.host : named, port: Number(port) }
}

async function tryEach<Result>(
  hosts: readonly RedisAddress[],
  attempt: (host: RedisAddress) => Promise<Result>,
): Promise<Result> {
  let last: unknown
  for (const host of hosts) {
    try {
      return await attempt(host)
    } catch (error) {
      last = error
    }
  }
  throw last
}
