/** Kinds of upstreams. `custom` has no open route but those that the operator allows. */
export type PresetName = 'ollama' | 'vllm' | 'tgi' | 'openai' | 'llama.cpp' | 'custom'

/** The form in which a route's clients read errors. */
export type Dialect = 'openai' | 'anthropic' | 'ollama' | 'tgi'

/** The form of a route's answers: where they say their usage, and what ends a stream of them. */
export type AnswerForm = 'openai' | 'responses' | 'anthropic' | 'ollama' | 'tgi' | 'llama.cpp'

export type RouteMethod = 'GET' | 'HEAD' | 'POST'

/** A route of an upstream that is open. */
export interface PresetRoute {
  readonly method: RouteMethod
  /** Exact, but for `{id}` as its last segment: `/v1/models/{id}`. */
  readonly path: string
  /**
   * What a key must have: the scope of the model that the body names, or of any model at all.
   */
  readonly asks: 'its model' | 'any model'
  /** Who answers: the upstream, or the gateway itself with the models that a key may use. */
  readonly answeredBy: 'upstream' | 'model list' | 'model'
  /** @default RFC 9457: what is known of it is its path alone */
  readonly dialect?: Dialect
  /** Where its answers say their usage. @default tokens are not counted, requests alone */
  readonly form?: AnswerForm
  /** When an answer is a stream: never, where `stream` is true, unless it is false, always. */
  readonly streams: 'never' | 'asked' | 'unless refused' | 'always'
  /** Where its output bound stands. @default its answers have no tokens of their own */
  readonly output?: OutputBound
  /** Whether each answer of a stream says its own usage. @default the last says that of all */
  readonly addsUsages?: boolean
}

/** How a server counts the tokens of a prompt without answering it. */
export type PromptCounter =
  /** `/tokenize` takes the call's own members. */
  | 'vllm'
  /** `/apply-template` makes a text of a chat, `/tokenize` tokens of a text. */
  | 'llama.cpp'

/** Headers of a whole answer that say its usage. */
export interface UsageHeaders {
  readonly prompt: string
  readonly completion: string
}

/** Where a call says how many tokens its answer may have. */
export interface OutputBound {
  /**
   * Fields that bound one answer, `options.num_predict`; of several that are there the larger
   * counts. A field that the upstream does not read is not among them: it would bound nothing.
   */
  readonly fields: readonly string[]
  /**
   * The one of them that is written where a client has set none: the one that the upstream reads
   * first.
   */
  readonly writes: string
  /** Whether 0 and −1 in any of them mean that there is no bound, whatever the others say. */
  readonly isOpenBelowOne: boolean
  /**
   * Fields that say how many answers are made: the product of the groups, of each group the largest
   * that is there, 1 where none is. `[['n', 'best_of']]`
   */
  readonly answers: readonly (readonly string[])[]
  /**
   * A field that may be a list of prompts, of which each is answered; a list of numbers is one
   * prompt. @default there is one
   */
  readonly prompts?: string
}

/** A field that is refused unless it is null, absent, or allowed by the operator. */
export interface ClosedField {
  /** `keep_alive`, `options.num_ctx` */
  readonly field: string
  /** On these paths alone. @default on all of the preset */
  readonly paths?: readonly string[]
  /** Refused with this value alone. @default with any but null */
  readonly value?: boolean
  /** Whether `false` is written where it is null or absent: to the upstream that is true. */
  readonly isWrittenFalse?: boolean
  /**
   * Whether it stands in messages and input items, and the objects in them: `file_id`, `audio.id`.
   *
   * @default at the top of a body, or in one of its objects
   */
  readonly isInItems?: boolean
  /** Only objects in it of another `type` are refused: `tools`, `input`. */
  readonly types?: OpenTypes
}

/** What the objects of a list may be: the operator opens others, `tools.web_search`. */
export interface OpenTypes {
  readonly open: readonly string[]
  /** Types of which each object needs this member, a text: without it, its id stands for it. */
  readonly needs?: Readonly<Record<string, string>>
  /** Members of an object that needs no type: without them, it may be a reference. */
  readonly untyped?: readonly string[]
}

/** What is known of a kind of upstream. */
export interface Preset {
  readonly name: PresetName
  readonly routes: readonly PresetRoute[]
  /** Its own management, of any method: `/api/pull`, `/api/blobs/*`. A key gets 403 there. */
  readonly management: readonly string[]
  readonly closedFields: readonly ClosedField[]
  /** Whether it fetches media that a body names by a URL: from inside, so only `data:` passes. */
  readonly refusesMediaByUrl: boolean
  /** Whether it reads images by URL out of any text too, `![](http://…)`. @default false */
  readonly readsImagesInText?: boolean
  /** @default it cannot count a prompt */
  readonly counter?: PromptCounter
  /** @default it says its usage in bodies alone */
  readonly usageHeaders?: UsageHeaders
  /** What it answers with 200 while it is well. @default its calls alone say how it stands */
  readonly health?: string
  /** How it lists its models. @default it does not */
  readonly lists?: { readonly path: string; readonly form: 'openai' | 'ollama' }
  /** Whether a model's name without a tag means `:latest`. */
  readonly hasTags: boolean
  /** Which models may be asked for unless the operator says otherwise. */
  readonly models: 'any' | 'listed'
}
