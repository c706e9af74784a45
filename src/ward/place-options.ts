import { isOneOf, isText, type OptionRule } from '../core/check-options.ts'

/** A deployment in a data folder. */
export interface FolderPlaceOptions {
  /**
   * Path of the data folder; created with mode 0700 if it is missing. The command line's `--data`.
   */
  readonly data: string
  /** Lines of `<version>:<base64url>`, in place of the data folder's `pepper` file. */
  readonly pepper?: string
  readonly databaseUrl?: undefined
  readonly redisUrl?: undefined
  readonly signingKey?: undefined
  readonly limiterLoss?: undefined
  readonly migrate?: undefined
}

/** A fleet: any number of processes with the same URLs and secrets are one deployment. */
export interface FleetPlaceOptions {
  readonly data?: undefined
  /** `postgres://user:password@host:port/database?schema=modelward`. Needs the package `pg`. */
  readonly databaseUrl: string
  /** Redis or Valkey, which counts limits. Needs the package `@redis/client`. */
  readonly redisUrl: string
  /** Lines of `<version>:<base64url>`: `modelward secrets create`. */
  readonly pepper: string
  /** An Ed25519 private key, which signs checkpoints: `modelward secrets create`. */
  readonly signingKey: string
  /**
   * What is done with windows below an hour and with `concurrent` while Redis is out: refuse with
   * 503; count a share of each limit in each process; or count nothing.
   * @default 'closed'
   */
  readonly limiterLoss?: 'closed' | 'share' | 'open'
  /** Whether opening brings the schema up to this version. @default 'auto' */
  readonly migrate?: 'auto' | 'never'
}

/** Where a deployment is stored. */
export type PlaceOptions = FolderPlaceOptions | FleetPlaceOptions

export const placeRules: Readonly<Record<keyof PlaceOptions, OptionRule>> = {
  data: { expected: "a folder's path", accepts: isText },
  databaseUrl: { expected: 'a URL', accepts: isText, isSecret: true },
  redisUrl: { expected: 'a URL', accepts: isText, isSecret: true },
  pepper: { expected: 'text', accepts: isText, isSecret: true },
  signingKey: { expected: 'text', accepts: isText, isSecret: true },
  limiterLoss: { expected: '`closed`, `share` or `open`', accepts: isOneOf('closed', 'share', 'open') },
  migrate: { expected: '`auto` or `never`', accepts: isOneOf('auto', 'never') },
}

/** @throws TypeError where no place is named, two are, or a fleet lacks something */
export function checkPlace(where: string, options: PlaceOptions): void {
  const { data, databaseUrl, redisUrl, pepper, signingKey } = options
  const both = data !== undefined && databaseUrl !== undefined
  if (both || (data === undefined && databaseUrl === undefined))
    throw new TypeError(`${where}: expected \`data\` or \`databaseUrl\`, got ${both ? 'both' : 'neither'}`)
  const needed = { redisUrl, pepper, signingKey }
  const missing = Object.entries(needed).filter(([, value]) => value === undefined)
  if (databaseUrl !== undefined && missing.length > 0)
    throw new TypeError(
      `${where}: \`databaseUrl\` needs ${missing.map(([name]) => `\`${name}\``).join(', ')} beside it`,
    )
  const fleetOnly = ['redisUrl', 'signingKey', 'limiterLoss', 'migrate'] as const
  const extra = fleetOnly.filter((name) => options[name] !== undefined)
  if (databaseUrl === undefined && extra.length > 0)
    throw new TypeError(
      `${where}: expected ${extra.map((name) => `\`${name}\``).join(', ')} beside a \`databaseUrl\` alone`,
    )
}
