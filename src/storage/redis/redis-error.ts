import { SetupError } from '../../core/setup-error.ts'

/** What went wrong, for the log: nothing of the URL's user and password is in it. */
export function describeRedisError(error: unknown): string {
  const code = codeOf(error)
  const message = error instanceof Error && error.message !== '' ? error.message : 'it cannot be reached'
  return code === undefined || message.includes(code) ? message : `${message} (${code})`
}

function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether Redis answered that it does not know the script, and so ran nothing. */
export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

/** What waiting does not mend: how the answer or code begins, and what to look at. */
const unmended: readonly (readonly [RegExp, 'redis_unreachable' | 'redis_unsuitable', string])[] = [
  [/^(WRONGPASS|NOAUTH|ERR invalid password)/, 'redis_unreachable', 'the user or the password is wrong'],
  [
    /^ERR (AUTH <password> called|Client sent AUTH)/,
    'redis_unreachable',
    'it has no password, and the URL has one',
  ],
  [/^NOPERM/, 'redis_unsuitable', 'its user lacks a right'],
  [/DB index is out of range|invalid DB index/, 'redis_unreachable', 'it has no database of this number'],
  [/SELECT is not allowed in cluster/, 'redis_unreachable', 'it is a cluster: use redis+cluster://'],
  [/^ERR This instance has cluster support disabled/, 'redis_unreachable', 'it is no cluster'],
  [/^(ERR_SSL|EPROTO)/, 'redis_unreachable', 'it does not speak TLS, or another version of it'],
  [/CERT|^ERR_TLS|UNABLE_TO_VERIFY/, 'redis_unreachable', 'its certificate is not trusted'],
]

/**
 * A failure of a start as the SetupError that it is where waiting does not mend it, such as a wrong
 * password; undefined where waiting may.
 */
export function asSetupError(error: unknown, name: string): SetupError | undefined {
  if (error instanceof SetupError) return error
  const texts = [codeOf(error) ?? '', error instanceof Error ? error.message : '']
  const row = unmended.find(([pattern]) => texts.some((text) => pattern.test(text)))
  if (row === undefined) return undefined
  const [, code, why] = row
  return new SetupError(code, `${name}: ${why} (${describeRedisError(error)})`, { cause: error })
}
