import { awaitedScheduler } from '../../core/scheduler.ts'
import { SetupError } from '../../core/setup-error.ts'
import { fail, messageOf, ok, warn } from '../finding.ts'
import type { StorageFinding } from '../storage.ts'
import { askInfo, keysOf } from './epoch.ts'
import { connectServer } from './find-server.ts'
import { asSetupError, describeRedisError } from './redis-error.ts'
import { loadRedisDriver } from './redis-line.ts'
import { parseRedisUrl } from './redis-url.ts'

/** Milliseconds until a server that says nothing counts as out. */
const deadlineMs = 2_000

/** All checks of a fleet's Redis. Changes nothing. */
export async function findRedis(text: string): Promise<readonly StorageFinding[]> {
  const url = parseRedisUrl(text)
  try {
    const { epochKey } = keysOf('any')
    const options = { access: url, deadlineMs, scheduler: awaitedScheduler }
    const line = await connectServer(await loadRedisDriver(), url, epochKey, options)
    try {
      const { mayEvict, policy, version } = await askInfo(line)
      return [
        ok('redis', `${url.name}, version ${version}`),
        mayEvict
          ? warn(
              'redis memory',
              `maxmemory-policy is ${policy}: what is counted may be evicted`,
              'set it to noeviction: each eviction makes short limits wait for a window',
            )
          : ok('redis memory', 'what is counted is not evicted'),
      ]
    } finally {
      line.destroy(undefined)
    }
  } catch (error) {
    const known = asSetupError(error, url.name)
    if (known !== undefined)
      return [fail('redis', messageOf(known), 'set the Redis URL right, or the server')]
    if (error instanceof SetupError) throw error
    return [
      fail(
        'redis',
        `${url.name}: ${describeRedisError(error)}`,
        'look whether it runs, and whether this machine reaches it',
      ),
    ]
  }
}
