import type { Problem } from '../../core/refusal.ts'
import type { Caller } from '../../guard/caller.ts'

/**
 * What a proxy may hand on of leave to go on. Each is always there, empty where there is nothing:
 * of one that is absent some proxies forward the client's own.
 */
export function leaveHeaders(
  auth: 'admitted' | 'public',
  caller: Pick<Caller, 'keyId' | 'owner' | 'scopes'> | null | undefined,
  limits: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return {
    'content-length': '0',
    'x-modelward-auth': auth,
    'x-modelward-key-id': caller?.keyId ?? '',
    'x-modelward-owner': encodeOwner(caller?.owner ?? ''),
    'x-modelward-scopes': caller?.scopes.join(' ') ?? '',
    'ratelimit-policy': '',
    ratelimit: '',
    ...limits,
  }
}

/** Visible ASCII: of all else, and of what says that it is encoded, the bytes of UTF-8. */
function encodeOwner(owner: string): string {
  return owner.toWellFormed().replace(/[^!-$&-~]+/g, encodeURIComponent)
}

/** Most bytes of a problem in a header: with the other headers it must fit a proxy's buffer. */
const problemBytesMax = 1_024

/**
 * A problem in one line of ASCII JSON, for proxies that hand on headers of a refusal and not its
 * body. Where it is too long, what is wrong with the input goes first, and then the end of the
 * sentence; what programs compare stays.
 */
export function problemLine(problem: Problem): string {
  const whole = asciiJson(problem)
  if (whole.length <= problemBytesMax) return whole
  const { errors: _, ...bare } = problem
  let line = asciiJson(bare)
  for (let detail = problem.detail; line.length > problemBytesMax && detail !== ''; ) {
    detail = detail.slice(0, -1 - Math.floor((line.length - problemBytesMax) / 6))
    line = asciiJson({ ...bare, detail: `${detail}...` })
  }
  return line
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
