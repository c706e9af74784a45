import { z } from 'zod'
import { isKeyPrefix, type KeyEnvironment } from '../keys/record/key-text.ts'
import { parseLimit } from '../limits/limit.ts'
import { limitSettingForms, limitsMax, parseLimitSettings } from '../limits/limit-setting.ts'
import { integer, isFault, isNone, list, oneOf, path, type Settings } from './setting.ts'

/** Keys, how they are presented, and their limits. */
export interface KeySettings {
  readonly data: string
  readonly environment: KeyEnvironment
  readonly keyPrefix: string
  /** One or both, each once. */
  readonly scheme: readonly ('header' | 'bearer')[]
  readonly keyHeader: string
  readonly realm: string
  readonly invalidKeyStatus: 401 | 403
  readonly cachedKeysMax: number
  /** Limits, each in its shortest form. */
  readonly limitDefault: readonly string[]
  /** Limits, each in its shortest form. */
  readonly limitEveryone: readonly string[]
  /** One window of requests in its shortest form, or `none`. */
  readonly limitBadKeys: string
  /** One window of requests in its shortest form, or `none`. */
  readonly limitOperational: string
  readonly ownerKeysMax: number
}

const areLimits = `limits, at most ${limitsMax} and one for each window of a measure, as ${limitSettingForms}; or \`none\``

/** These settings. */
export const keySettings: Settings<KeySettings> = {
  data: {
    schema: path(),
    kind: 'text',
    default: './modelward-data',
    placeholder: 'FOLDER',
    describes:
      'The data folder: keys, pepper, lock. A relative path starts at the working folder; in a configuration file, at the file’s own folder.',
    expected: 'a path, with `~` written out',
    empty: isFault,
  },
  environment: {
    schema: oneOf('live', 'test'),
    kind: 'text',
    default: 'live',
    placeholder: 'NAME',
    describes:
      'The environment of the keys that the server admits, and of new keys. A test key never works on a live server, nor the reverse.',
    expected: '`live` or `test`',
    empty: isFault,
  },
  keyPrefix: {
    schema: z.string().refine(isKeyPrefix),
    kind: 'text',
    default: 'mw',
    placeholder: 'PREFIX',
    describes:
      'What every key starts with. Choose your own before you create the first key, so that secret scanners recognize your keys. The server refuses keys with another prefix.',
    expected: '2 to 12 of a-z 0-9, starting with a letter',
    empty: isFault,
  },
  scheme: {
    schema: list(oneOf('header', 'bearer')).refine((names) => names.length > 0),
    kind: 'list',
    default: ['header'],
    placeholder: 'NAMES',
    describes:
      'Where a key may travel: `header` (see `keyHeader`), `bearer` (`Authorization: Bearer …`), or both.',
    expected: '`header`, `bearer` or both, each once',
    empty: 'A fault: without a scheme no client can present a key.',
  },
  keyHeader: {
    schema: z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/),
    kind: 'text',
    default: 'X-API-Key',
    placeholder: 'NAME',
    describes: 'The header that carries the key under the scheme `header`.',
    expected:
      'a header name (an RFC 9110 token, at most 64 characters), and not `Authorization` beside the scheme `bearer`',
    empty: isFault,
  },
  realm: {
    schema: z.string().regex(/^[ !#-[\]-~]{1,64}$/),
    kind: 'text',
    default: 'modelward',
    placeholder: 'TEXT',
    describes: 'The realm that `WWW-Authenticate` names on a 401.',
    expected: '1 to 64 printable ASCII characters, without quotes and backslashes',
    empty: isFault,
  },
  invalidKeyStatus: {
    schema: z.union([z.literal(401), z.literal(403)]),
    kind: 'integer',
    default: 403,
    placeholder: 'STATUS',
    describes: 'The status for a wrong key: 403, as in FastAPI’s tutorial, or 401, as in RFC 9110.',
    expected: '401 or 403',
    empty: isFault,
  },
  cachedKeysMax: {
    schema: integer(2, 10_000_000),
    kind: 'integer',
    default: 10_000,
    placeholder: 'N',
    describes: 'How many verified keys the server caches in memory; it reads others from the store again.',
    expected: 'an integer from 2 to 10000000',
    empty: isFault,
  },
  limitDefault: {
    schema: limits(),
    kind: 'list',
    default: ['60/min'],
    placeholder: 'LIMITS',
    describes: 'Limits of each key that has no limits of its own.',
    expected: areLimits,
    empty: `${isNone} Such a key has no limits.`,
  },
  limitEveryone: {
    schema: limits(),
    kind: 'list',
    default: [],
    placeholder: 'LIMITS',
    describes: 'Limits that all keys share.',
    expected: areLimits,
    empty: isNone,
  },
  limitBadKeys: {
    schema: requestWindow(),
    kind: 'text',
    default: '30/min',
    placeholder: 'LIMIT',
    describes:
      'How many wrong keys one address (IPv6: one /64) may send before the server answers 429. A right key is admitted all the same. `none`: no limit.',
    expected: 'a window of requests such as `30/min`, or `none`',
    empty: isFault,
  },
  limitOperational: {
    schema: requestWindow(),
    kind: 'text',
    default: '600/min',
    placeholder: 'LIMIT',
    describes:
      'How many operational requests each key may send, and its browser sessions apart: the admin API, the docs, `/v1/keys/self`, looking at jobs or cancelling them, webhooks. They take no other limit. Verdicts that a key with `keys:verify` asks for take none: there is one for each request of its clients. `none`: no limit.',
    expected: 'a window of requests such as `600/min`, or `none`',
    empty: isFault,
  },
  ownerKeysMax: {
    schema: integer(0, 1_000),
    kind: 'integer',
    default: 20,
    placeholder: 'N',
    describes:
      'How many keys that are not revoked an owner may have, for one of its own keys with the scope `keys:owner` to make another. Administrators and keys with `keys:write` make as many as they like.',
    expected: 'an integer from 0 to 1000',
    empty: isFault,
  },
}

/** Limits as people write them, each in its shortest form. */
function limits(): z.ZodType<readonly string[]> {
  return z
    .array(z.string())
    .transform((texts) => (texts.length === 1 && texts[0]?.trim() === 'none' ? [] : texts))
    .refine((texts) => parseLimitSettings(texts).faults.length === 0)
    .transform((texts) => parseLimitSettings(texts).settings.map(({ text }) => text))
}

/** One window of requests, or `none`. */
function requestWindow(): z.ZodType<string> {
  return z
    .string()
    .refine((text) => text === 'none' || isRequestWindow(parseLimit(text)))
    .transform((text) => {
      const limit = parseLimit(text)
      return typeof limit === 'string' ? text : limit.text
    })
}

function isRequestWindow(limit: ReturnType<typeof parseLimit>): boolean {
  return typeof limit === 'object' && limit.kind === 'window' && limit.measure === 'requests'
}
