import { withinDeadline } from '../../core/deadline.ts'
import { Fault } from '../../core/fault.ts'
import type { Scheduler } from '../../core/scheduler.ts'
import { SetupError } from '../../core/setup-error.ts'
import { loadDriver, redisPackage } from '../load-driver.ts'
import { describeRedisError } from './redis-error.ts'
import type { RedisAddress, RedisUrl } from './redis-url.ts'
import { speaksPlainly, speaksTls } from './speaks-tls.ts'

export type RedisReply = number | string | Buffer | null | readonly RedisReply[]

/**
 * One connection to one server, which never connects again and sends nothing twice. It keeps no
 * process alive.
 */
export interface RedisLine {
  /**
   * Sends a command; texts in answers are buffers. Rejects with what Redis answered, or with the
   * fault `limiter_unavailable` at the deadline or when the connection is lost. A command that was
   * not answered in time may have been run: the connection is then destroyed.
   */
  readonly send: (args: readonly (string | Buffer)[]) => Promise<RedisReply>
  /** Resolves with the reason when it has ended. */
  readonly ended: Promise<unknown>
  readonly destroy: (reason: unknown) => void
}

export interface LineOptions {
  readonly access: Pick<RedisUrl, 'username' | 'password' | 'isTls' | 'database'>
  readonly deadlineMs: number
  readonly scheduler: Scheduler
}

/** Milliseconds until a connection is given up that does not come about. */
const connectMs = 1_000

type Driver = typeof import('@redis/client')

/** @throws SetupError `peer_missing` */
export function loadRedisDriver(): Promise<Driver> {
  return loadDriver<Driver>(redisPackage)
}

/**
 * Connects, authenticates and selects the database. Rejects with the driver's error.
 *
 * @throws SetupError `redis_unreachable` where TLS is asked for and not spoken, or the reverse
 */
export async function openLine(
  driver: Driver,
  { host, port }: RedisAddress,
  { access, deadlineMs, scheduler }: LineOptions,
): Promise<RedisLine> {
  const ended = Promise.withResolvers<unknown>()
  const { username, password, isTls, database } = access
  // Its timer is run before what has arrived is read: ours comes first.
  const socket = { host, port, connectTimeout: 2 * connectMs, reconnectStrategy: false } as const
  const client = driver.createClient({
    socket: isTls ? { ...socket, tls: true } : socket,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    commandOptions: { typeMapping: { [driver.RESP_TYPES.BLOB_STRING]: Buffer } },
  })
  let isOver = false
  function destroy(reason: unknown): void {
    if (isOver) return
    isOver = true
    client.destroy()
    ended.resolve(reason)
  }
  client.on('error', destroy)
  client.on('end', () => destroy(new Error('the connection was closed')))
  try {
    const connecting = client.connect()
    await withinDeadline(connecting, {
      ...limits(connectMs, scheduler),
      // The server answers several times until there is a connection.
      waits: 2,
      name: `${host}:${port}`,
    })
  } catch (error) {
    destroy(error)
    if (!(error instanceof driver.ErrorReply)) await checkTls({ host, port }, isTls, deadlineMs, error)
    throw error
  }
  client.unref()
  return {
    ended: ended.promise,
    destroy,
    async send(args) {
      if (isOver) throw new Fault('limiter_unavailable', 'the connection to Redis is lost')
      const answer = client.sendCommand<RedisReply>(args)
      try {
        // The driver writes it when this turn of the event loop is over, however long that takes:
        // only then does the time of Redis begin. One that fails meanwhile is awaited below.
        answer.catch(() => {})
        await scheduler.yieldTurn()
        return await withinDeadline(answer, {
          ...limits(deadlineMs, scheduler),
          name: 'Redis',
          onGiveUp: destroy,
        })
      } catch (error) {
        if (error instanceof Fault || error instanceof driver.ErrorReply) throw error
        destroy(error)
        throw new Fault(
          'limiter_unavailable',
          `the connection to Redis is lost: ${describeRedisError(error)}`,
          {
            cause: error,
          },
        )
      }
    },
  }
}

/** @throws SetupError `redis_unreachable` where TLS is spoken and not asked for, or the reverse */
async function checkTls(address: RedisAddress, isTls: boolean, ms: number, cause: unknown): Promise<void> {
  const isOther = await (isTls ? speaksPlainly(address, ms) : speaksTls(address, ms))
  if (!isOther) return
  const why = isTls ? 'it does not speak TLS' : 'it speaks TLS: use rediss://'
  throw new SetupError('redis_unreachable', `Redis at ${address.host}:${address.port}: ${why}`, { cause })
}

function limits(deadlineMs: number, scheduler: Scheduler) {
  return { code: 'limiter_unavailable', deadlineMs, scheduler } as const
}
