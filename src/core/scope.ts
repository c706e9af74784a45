/** The scope of administrators. A key that has it has no other, and works on admin routes only. */
export const adminScope = 'admin'

/** The scope of a new key by default. */
export const defaultScope = 'predict'

/** The scope that may read the ledger, of every key and owner, and may not administer. */
export const ledgerReadScope = 'ledger:read'

/** The scope that may read what every key and owner used. */
export const usageReadScope = 'usage:read'

/** The scope that may read keys, owners and their limits, of everyone. */
export const keysReadScope = 'keys:read'

/** The scope that may read and change keys and owners, of everyone, but give no key more reach. */
export const keysWriteScope = 'keys:write'

/** The scope that may ask for the verdict on a key that a client presented elsewhere. */
export const keysVerifyScope = 'keys:verify'

/** The scope that may rotate and revoke the key which has it. */
export const keysSelfScope = 'keys:self'

/** The scope that may make, change, rotate and revoke the keys of its own owner. */
export const keysOwnerScope = 'keys:owner'

/** The scope that may read the usage and the records of its own owner. */
export const usageOwnerScope = 'usage:owner'

/** The scope that may read the metrics of the deployment. */
export const metricsReadScope = 'metrics:read'

/**
 * The scope that may make and replace its owner's webhook secret, and with it decide which messages
 * receivers believe.
 */
export const webhooksScope = 'webhooks'

/** Every scope that means something to the server itself, beside those of single models. */
export const namedScopes: readonly string[] = [
  adminScope,
  defaultScope,
  ledgerReadScope,
  usageReadScope,
  keysReadScope,
  keysWriteScope,
  keysVerifyScope,
  keysSelfScope,
  keysOwnerScope,
  usageOwnerScope,
  metricsReadScope,
  webhooksScope,
]

/** Scopes that reach beyond one owner: an administrator alone gives them to a key. */
const reachingScopes: readonly string[] = [
  adminScope,
  keysReadScope,
  keysWriteScope,
  keysVerifyScope,
  usageReadScope,
  ledgerReadScope,
  metricsReadScope,
]

/** The first of these scopes that reaches beyond one owner. */
export function findReaching(scopes: readonly string[]): string | undefined {
  return scopes.find((scope) => reachingScopes.includes(scope))
}

/** A scope: 1 to 128 of `a-z 0-9 . _ : / -`, starting with a letter. */
const scopePattern = /^[a-z][a-z0-9._:/-]{0,127}$/

/** A name of a model or of a demand's limits: as a scope, 1 to 64 characters. */
const namePattern = /^[a-z][a-z0-9._:/-]{0,63}$/

/** Whether the text may be a name that stands beside scopes. */
export function isShortName(text: string): boolean {
  return namePattern.test(text)
}

/** Whether the text may be a scope. */
export function isScope(text: string): boolean {
  return scopePattern.test(text)
}

/** Whether one of a key's scopes is this one, or of this family: `predict:*` is any `predict:…`. */
export function hasScope(owned: readonly string[], wanted: string): boolean {
  if (!wanted.endsWith(familyEnd)) return owned.includes(wanted)
  const start = wanted.slice(0, -1)
  return owned.some((scope) => scope.startsWith(start))
}

const familyEnd = ':*'

/** Whether the text may be a scope, or names a family of them: `predict:*`. */
export function isScopeOrFamily(text: string): boolean {
  return isScope(text.endsWith(familyEnd) ? text.slice(0, -familyEnd.length) : text)
}

/** The scopes of every single model. */
export const anyModelScope: string = `${defaultScope}${familyEnd}`

/** The scope that may call one model. */
export function modelScope(name: string): string {
  return `${defaultScope}:${name}`
}
