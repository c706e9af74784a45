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
