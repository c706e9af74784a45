import type { ClosedField } from '../presets/preset.ts'
import type { BodyRules } from './call-body.ts'
import type { TypedList } from './closed-scan.ts'
import { NameTable, type Wanted } from './name-table.ts'

/**
 * What a value of a body is to the gateway. Numbers, for a scan keeps one for each level in a byte.
 */
export const roles = {
  /** Passed over: what a model reads of its tools, or said to them. */
  opaque: 0,
  /** Passed over, but for media by URL. */
  other: 1,
  /** One prompt, or a list of them. */
  prompts: 2,
  /** A list of messages or of their parts, or one of them, or a text. */
  items: 3,
  item: 4,
  /** A URL of media, or an object with one. */
  media: 5,
  /** The same of an image. */
  image: 6,
  /** An object that may have a `url` of media; a text there names no media. */
  holder: 7,
  /** The same with `data`, which some upstreams take a URL in, too. */
  dataHolder: 8,
  mediaData: 9,
  /** Anthropic's holder, which may have the data of an image. */
  source: 10,
  sourceType: 11,
  sourceMediaType: 12,
  sourceData: 13,
  /** Ollama's list of images. */
  images: 14,
  imageData: 15,
  /** A member of a message or an item that is closed. */
  closed: 16,
  /** Lists whose objects have types, one of their objects, its `type`, and a member it may need. */
  tools: 17,
  tool: 18,
  inputs: 19,
  input: 20,
  type: 21,
  needed: 22,
  /** A name that no body may have. */
  forbidden: 23,
  /** The body itself; from here on the objects in it that have fields. */
  top: 24,
} as const

/** Where fields stand in a body, and the names that are looked for in each object. */
export interface BodyNames {
  /** `model`, `options.num_ctx`, by their numbers in `NameTable`. */
  readonly fields: readonly string[]
  readonly numberOf: ReadonlyMap<string, number>
  /** Those of them that are objects with fields in them: `options`. */
  readonly holders: readonly string[]
  /** By the role of an object. */
  readonly tables: readonly NameTable[]
  /** By the role of their objects. */
  readonly lists: ReadonlyMap<number, TypedList>
}

const known = new WeakMap<BodyRules, BodyNames>()

/** What to look for by these rules. */
export function namesOf(rules: BodyRules): BodyNames {
  const names = known.get(rules) ?? compile(rules)
  known.set(rules, names)
  return names
}

function compile(rules: BodyRules): BodyNames {
  const fields = fieldsOf(rules)
  const numberOf = new Map(fields.map((field, index) => [field, index]))
  const holders = [...new Set(fields.flatMap((field) => field.split('.').slice(0, -1)))]
  const inHolder = (holder: string): readonly Wanted[] =>
    fields.flatMap((field, index) => {
      const [parent, name] = field.split('.')
      return parent === holder && name !== undefined ? [wanted(name, roles.other, index)] : []
    })
  const closed = closedOn(rules)
  const lists = closed.flatMap(({ field, types }) => (types === undefined ? [] : [{ field, ...types }]))
  const top = fields.flatMap((field, index) => {
    if (field.includes('.')) return []
    const holder = holders.indexOf(field)
    const isPrompts = field === rules.route.output?.prompts
    const list = lists.some((one) => one.field === field) ? typedLists[field] : undefined
    const other = isPrompts ? roles.prompts : roles.other
    return [wanted(field, holder >= 0 ? roles.top + 1 + holder : (list?.list ?? other), index)]
  })
  const tables = [
    ...nestedTables(rules.route.dialect === 'ollama', closed, lists),
    table([...top, ...media], topNames(rules)),
    ...holders.map((holder) => table([...inHolder(holder), ...media])),
  ]
  const byRole = lists.map((list) => [typedLists[list.field]?.object ?? roles.other, list] as const)
  return { fields, numberOf, holders, tables, lists: new Map(byRole) }
}

/** Roles of the lists whose objects may have types, and of these objects. */
const typedLists: Readonly<Record<string, { readonly list: number; readonly object: number }>> = {
  tools: { list: roles.tools, object: roles.tool },
  input: { list: roles.inputs, object: roles.input },
}

/** What is closed on a route. */
export function closedOn({ route, closedFields }: BodyRules): readonly ClosedField[] {
  return closedFields.filter(({ paths }) => paths === undefined || paths.includes(route.path))
}

/** Every name that the gateway reads or refuses, an object before what is in it. */
function fieldsOf(rules: BodyRules): readonly string[] {
  const { output } = rules.route
  const all = [
    'model',
    'stream',
    'stream_options.include_usage',
    ...(output?.fields ?? []),
    ...(output?.answers.flat() ?? []),
    ...(output?.prompts === undefined ? [] : [output.prompts]),
    ...closedOn(rules).flatMap(({ field, isInItems }) => (isInItems === true ? [] : field)),
  ]
  return [...new Set(all.flatMap((field) => [...field.split('.').slice(0, -1), field]))]
}

function wanted(name: string, role: number, field = -1): Wanted {
  return { name, role, field }
}

const forbidden = wanted('__proto__', roles.forbidden)

/** Names whose value upstreams fetch, wherever it stands. */
const media: readonly Wanted[] = [
  ...['image_url', 'video_url', 'audio_url', 'file_url'].map((name) => wanted(name, roles.media)),
  ...['source', 'file', 'document', 'input_file'].map((name) => wanted(name, roles.holder)),
  ...['image', 'video', 'audio', 'input_image', 'input_video', 'input_audio'].map((name) =>
    wanted(name, roles.dataHolder),
  ),
  wanted('multimodal_data', roles.mediaData),
]

/** What is said of tools and of the answer's form: a model's text, of which nothing is fetched. */
const topOpaque = ['tools', 'functions', 'response_format', 'format', 'text', 'metadata']
const itemOpaque = ['tool_calls', 'function_call', 'arguments', 'input']

function topNames({ route }: BodyRules): readonly Wanted[] {
  return [
    wanted('messages', roles.items),
    wanted('input', roles.items),
    ...(route.dialect === 'ollama' ? [wanted('images', roles.images)] : []),
    ...topOpaque.map((name) => wanted(name, roles.opaque)),
  ]
}

/** By the roles up to `forbidden`. */
function nestedTables(
  isOllama: boolean,
  closed: readonly ClosedField[],
  lists: readonly TypedList[],
): readonly NameTable[] {
  const inItems = closed.filter(({ isInItems }) => isInItems)
  const closedIn = (holder: string): readonly Wanted[] =>
    inItems.flatMap(({ field }) => {
      const name = field.startsWith(`${holder}.`) ? field.slice(holder.length + 1) : field
      return name.includes('.') ? [] : [{ ...wanted(name, roles.closed), closed: field }]
    })
  const inItem = [...closedIn(''), wanted('image_url', roles.image), wanted('source', roles.source), ...media]
  const exactInItem = [
    wanted('content', roles.items),
    wanted('output', roles.items),
    ...(isOllama ? [wanted('images', roles.images)] : []),
    ...itemOpaque.map((name) => wanted(name, roles.opaque)),
  ]
  const other = table(media)
  const item = table(inItem, exactInItem)
  const withMedia = table([...closedIn(''), wanted('url', roles.media), ...media])
  const source = table(
    [...closedIn(''), wanted('url', roles.media), ...media],
    [
      wanted('type', roles.sourceType),
      wanted('media_type', roles.sourceMediaType),
      wanted('data', roles.sourceData),
    ],
  )
  const tables = Array.from({ length: roles.top }, () => other)
  tables[roles.opaque] = table([])
  tables[roles.item] = item
  tables[roles.media] = withMedia
  tables[roles.image] = table([...closedIn(''), wanted('url', roles.image), ...media])
  tables[roles.holder] = withMedia
  tables[roles.dataHolder] = table([
    ...closedIn('audio'),
    wanted('url', roles.media),
    wanted('data', roles.mediaData),
    ...media,
  ])
  tables[roles.source] = source
  const type = wanted('type', roles.type)
  tables[roles.tool] = table([type])
  const needed = lists.flatMap(({ needs = {} }) => Object.values(needs))
  const members = [wanted('role', roles.other), ...needed.map((name) => wanted(name, roles.needed))]
  tables[roles.input] = table([type, ...inItem], [...members, ...exactInItem])
  return tables
}

function table(folded: readonly Wanted[], exact: readonly Wanted[] = []): NameTable {
  return new NameTable(folded, [forbidden, ...exact])
}
