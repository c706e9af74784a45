import type { SettingInput } from './config.ts'

/** How the text of a flag or an environment variable is read, and so which JSON type the setting has in a file. */
export type SettingKind = 'text' | 'integer' | 'boolean' | 'size' | 'list'

/** What people are told about a setting. */
export interface SettingDescription {
  readonly kind: SettingKind
  /** As a configuration file would hold it. */
  readonly default: SettingInput
  /** What goes where a value is wanted, such as `N` in `--port N`. */
  readonly placeholder: string
  readonly describes: string
  /** What a fault says was expected, beginning with an article where there is one. */
  readonly expected: string
  /** What an empty value means. */
  readonly empty: string
}

/** An empty value that is a fault. */
export const isFault = 'A fault: leave the setting out for the default.'

/** An empty list. */
export const isNone = 'None.'
