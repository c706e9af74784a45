import { parsePeppers } from '../secrets/peppers.ts'
import { parseSigningKeys } from '../secrets/signing-key.ts'
import { isFault } from './setting.ts'

/** What a deployment has to be given in secret: none of it is ever shown, nor in the file. */
export interface DeploymentSecrets {
  /** Peppers, as `parsePeppers` reads them. */
  readonly pepper: string | undefined
  /** Signs checkpoints, as `parseSigningKeys` reads it. */
  readonly signingKey: string | undefined
  /** Where a fleet keeps everything but its limits; in the place of a data folder. */
  readonly databaseUrl: string | undefined
  /** Where a fleet counts limits. */
  readonly redisUrl: string | undefined
  /** What `upstream` asks of the gateway. */
  readonly upstreamKey: string | undefined
}

export type SecretName = keyof DeploymentSecrets

/** A secret: how it is read, and its entry in the reference. */
export interface SecretSetting {
  /** The environment variable; the same with `_FILE` names a file that holds it. */
  readonly variable: string
  /** Whether there is a flag too. Every user of the machine can read command lines. */
  readonly hasFlag: boolean
  readonly describes: string
  /** What a fault says was expected. */
  readonly expected: string
  /** What stands in its place in `config explain`. */
  readonly absent: string
  readonly empty: string
  /** Throws where it cannot be read. */
  readonly check: (text: string) => unknown
}

const ownFile = '(the data folder’s own)'

export const secretSettings: Readonly<Record<SecretName, SecretSetting>> = {
  pepper: {
    variable: 'MODELWARD_PEPPER',
    hasFlag: false,
    describes:
      'The secret that keys are hashed with. The first start makes one in the data folder, which is enough for one machine; beside a database URL it is required, the same on every node. It is outside the database, so that write access to the database alone cannot mint a key. Back it up: without it no key works.',
    expected:
      '`<version>:<base64url of at least 32 bytes>`, several separated by commas or line ends; the highest version is used for new keys',
    absent: ownFile,
    empty: 'A fault: a pepper that did not arrive must not be replaced by a new one.',
    check: (text) => parsePeppers(text, 'the environment'),
  },
  signingKey: {
    variable: 'MODELWARD_SIGNING_KEY',
    hasFlag: false,
    describes:
      'The Ed25519 key that signs checkpoints of the ledger. A data folder has its own; beside a database URL it is required, the same on every node, and outside the database, so that write access to the database alone cannot sign a rewritten ledger. To replace it, see [the guide](../guides/fleet.md#replace-the-signing-key).',
    expected:
      'an Ed25519 private key: PEM (PKCS #8), or the same in base64url without PEM’s lines; behind it, separated by commas or line ends, the public halves of earlier keys, which are trusted',
    absent: ownFile,
    empty: isFault,
    check: (text) => parseSigningKeys(text, 'the environment'),
  },
  databaseUrl: {
    variable: 'MODELWARD_DATABASE_URL',
    hasFlag: true,
    describes:
      'The PostgreSQL (14 or newer) of a fleet, in the place of `data`: any number of nodes with the same URLs are one deployment. `?schema=name` names a schema other than `modelward`.',
    expected: '`postgres://user:password@host:port/database`',
    absent: '(none: a data folder)',
    empty: isFault,
    check: (text) => checkUrl(text, ['postgres:', 'postgresql:']),
  },
  redisUrl: {
    variable: 'MODELWARD_REDIS_URL',
    hasFlag: true,
    describes:
      'The Redis (6.2 or newer) or Valkey that counts a fleet’s limits. `serve` needs it beside a database URL: a limiter per process would multiply every limit by the number of nodes.',
    expected:
      '`redis://:password@host:port/0`, `rediss://…`, `redis+sentinel://host:26379,host2/name` or `redis+cluster://…`',
    absent: '(none: limits are counted in the process)',
    empty: isFault,
    check: (text) => checkUrl(text, ['redis:', 'rediss:', 'redis+sentinel:', 'redis+cluster:']),
  },
  upstreamKey: {
    variable: 'MODELWARD_UPSTREAM_KEY',
    hasFlag: false,
    describes:
      'The credential of `upstream`, sent as `Authorization: Bearer`. No client sees it, and its file is read again when it changes.',
    expected: 'the credential: visible ASCII characters, without spaces',
    absent: '(none: the upstream is asked without a credential)',
    empty: isFault,
    check: checkCredential,
  },
}

export const secretNames: readonly SecretName[] = Object.keys(secretSettings) as SecretName[]

/** `databaseUrl` is `--database-url` on the command line. */
export function secretFlagOf(name: SecretName): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** What a header may hold (RFC 9110 §5.5), and no token has a space in it. */
function checkCredential(text: string): void {
  if (!/^[!-~]{1,4096}$/.test(text)) throw new TypeError('not such a credential')
}

/** Sentinels are a list of hosts, which `URL` does not read. */
function checkUrl(text: string, protocols: readonly string[]): void {
  const [protocol = '', rest = ''] = text.split('//', 2)
  if (!protocols.includes(protocol) || rest === '' || /\s/.test(text)) throw new TypeError('not such a URL')
}
