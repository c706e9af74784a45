import type { FastifyRequest } from 'fastify'
import { Refusal } from '../../../core/refusal.ts'
import { adminScope, keysReadScope, keysWriteScope } from '../../../core/scope.ts'
import { authorityOf, authorityOverSelf, placeOf } from '../../../keys/authority/authority-of.ts'
import type { KeyAsker, KeyAuthority } from '../../../keys/authority/key-authority.ts'
import type { KeyService } from '../../../keys/service/key-service.ts'
import type { Ward } from '../../../ward/ward.ts'

/** Scopes that show the keys of everyone. */
const readingScopes: readonly string[] = [adminScope, keysReadScope, keysWriteScope]

/** The keys as the one that asks may read and change them. */
export interface AskingKeys {
  /** To read alone. */
  readonly reading: (request: FastifyRequest) => Promise<KeyService>
  readonly changing: (request: FastifyRequest) => Promise<KeyService>
  /** For what a key does with itself. */
  readonly itself: (request: FastifyRequest) => Promise<KeyService>
  readonly authority: (request: FastifyRequest) => Promise<KeyAuthority>
}

/** @param ownerKeysMax most keys of an owner that makes its own */
export function createAskingKeys({ keys, store, guard }: Ward, ownerKeysMax: number): AskingKeys {
  /** As the key is stored now: a decision may be seconds old. */
  async function askerOf(request: FastifyRequest): Promise<KeyAsker> {
    const key = await store.findKey(request.caller.keyId)
    if (key === undefined) throw new Refusal('scope_missing')
    return { key, secret: key.secrets[placeOf(guard.find(request)?.secret, key)] }
  }
  const authority = async (request: FastifyRequest): Promise<KeyAuthority> =>
    authorityOf(await askerOf(request), ownerKeysMax)
  const changing = async (request: FastifyRequest): Promise<KeyService> =>
    keys.by(request.caller.keyId, await authority(request))

  return {
    async reading(request) {
      const seesAll = request.caller.scopes.some((scope) => readingScopes.includes(scope))
      return seesAll ? keys : changing(request)
    },
    changing,
    itself: async (request) => keys.by(request.caller.keyId, authorityOverSelf(await askerOf(request))),
    authority,
  }
}
