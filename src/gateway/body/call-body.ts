import type { ClosedField, PresetRoute } from '../presets/preset.ts'

/** What decides how a body is read. */
export interface BodyRules {
  readonly route: PresetRoute
  /** Without those that the operator allows. */
  readonly closedFields: readonly ClosedField[]
  readonly refusesMediaByUrl: boolean
  /**
   * Whether the upstream reads images out of texts, `![](http://…)`, and so fetches what a prompt
   * names, as TGI does.
   *
   * @default on routes of the dialect `tgi`
   */
  readonly readsImagesInText?: boolean
}

/** What is written into a body on its way to the upstream. */
export interface BodyChanges {
  /** The upstream's own spelling of the model. */
  readonly model?: string
  /** An output bound, where the client has set none: its own stays. */
  readonly output?: number
  /** Whether a stream is to say its usage, where the client did not ask for it. */
  readonly includeUsage?: boolean
}

/** How long a body is once changes are written into it. */
export interface WrittenLength {
  /** In bytes. */
  readonly length: number
  /** Whether it is other bytes than those that came. */
  readonly isCopy: boolean
}

/** A call's body: the bytes as they came, and what was read of them. */
export interface CallBody {
  readonly bytes: Buffer
  /** Undefined: it names none. */
  readonly model: string | undefined
  /** Whether the client asks for a stream. */
  readonly isStream: boolean
  /** Whether the client itself asked for the usage in its stream. */
  readonly asksUsage: boolean
  /** Most tokens of one answer; undefined where the client set no bound. */
  readonly output: number | undefined
  /** How many answers are made: `n` × prompts. */
  readonly answers: number
  /**
   * How many images there are, and the bytes of the text of those that came as `data:` or base64.
   */
  readonly images: { readonly count: number; readonly bytes: number }
  /** Whether it has images, sound or other media at all, of which a text says no tokens. */
  readonly hasMedia: boolean
  /** The bytes to send: every other byte as it came. */
  readonly write: (changes: BodyChanges) => Buffer
  /** How much `write` makes of it, without making it. */
  readonly measure: (changes: BodyChanges) => WrittenLength
}
