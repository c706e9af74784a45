import { type Declaration, type EntryPoint, readEntryPoints } from './read-declarations.ts'

/** Each entry point of the library, and the file under `src` that is it. */
const indexFiles = {
  modelward: 'index',
  'modelward/fastify': 'fastify/index',
  'modelward/hono': 'hono/index',
  'modelward/express': 'express/index',
  'modelward/web': 'web/index',
  'modelward/opentelemetry': 'opentelemetry/index',
  'modelward/prometheus': 'prometheus/index',
  'modelward/models': 'models/index',
} as const

/** The entry points of the library, by the names they are imported by. */
export function readLibrary(): ReadonlyMap<string, EntryPoint> {
  const points = readEntryPoints(Object.values(indexFiles))
  return new Map(Object.keys(indexFiles).map((name, index) => [name, points[index] as EntryPoint]))
}

/** `docs/reference/library.md`, from the docstrings and declarations of the sources. */
export function formatLibraryPage(library: ReadonlyMap<string, EntryPoint>): string {
  const sections = [...library].map(([name, point]) => formatEntryPoint(name, point))
  return `${[intro, ...sections].join('\n\n')}\n`
}

function formatEntryPoint(entry: string, { doc, declarations, augmentations }: EntryPoint): string {
  const sorted = declarations.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const values = sorted.filter(({ isValue }) => isValue)
  const types = sorted.filter(({ isValue }) => !isValue)
  return [
    `## \`${entry}\``,
    unwrap(doc),
    ...listNames('Functions, classes and constants', values, entry),
    ...listNames('Types', types, entry),
    ...augmentations.map((code) => `What it adds to the types of another package:\n\n${fence(code)}`),
    ...[...values, ...types].map((declaration) => formatDeclaration(declaration, entry)),
  ].join('\n\n')
}

function listNames(title: string, declarations: readonly Declaration[], entry: string): readonly string[] {
  if (declarations.length === 0) return []
  const links = declarations.map(({ name }) => `[\`${name}\`](#${anchorOf(name, entry)})`)
  return [`**${title}:** ${links.join(' · ')}`]
}

/**
 * Several entry points have a `guard`: each heading says whose it is, and so does what leads to it.
 */
function headingOf(name: string, entry: string): string {
  return entry === 'modelward' ? name : `${name} (${entry.slice('modelward/'.length)})`
}

/** The anchor that Markdown readers give to a heading. */
function anchorOf(name: string, entry: string): string {
  return headingOf(name, entry)
    .toLowerCase()
    .replaceAll(/[^a-z0-9 _-]/g, '')
    .replaceAll(' ', '-')
}

function formatDeclaration({ name, doc, code }: Declaration, entry: string): string {
  const [text = '', ...tags] = doc.split(/^@(?=[a-z])/m)
  const notes = tags.filter((tag) => !tag.startsWith('example')).map(formatTag)
  const examples = tags
    .filter((tag) => tag.startsWith('example'))
    .map((tag) => fence(tag.slice('example'.length)))
  return [
    `### ${headingOf(name, entry)}`,
    ...(text.trim() === '' ? [] : [unwrap(text)]),
    ...(notes.length === 0 ? [] : [notes.join('\n')]),
    ...examples,
    fence(code),
  ].join('\n\n')
}

/** What is said of a parameter, of the answer, of what is thrown: a line each. */
function formatTag(tag: string): string {
  const [, word = '', text = ''] = /^([a-z]+)\s*(.*)$/s.exec(tag) ?? []
  if (word === 'param') return `- ${unwrap(text).replace(/^(\w+)\s*(?:- )?/, '`$1`: ')}`
  return `- ${word}: ${unwrap(text)}`
}

/** Paragraphs as one line each; lists keep their lines. */
function unwrap(text: string): string {
  return text
    .trim()
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.replaceAll(/\n(?!\s*[-|])\s*/g, ' '))
    .join('\n\n')
}

function fence(code: string): string {
  return `\`\`\`ts\n${code.trim()}\n\`\`\``
}

const intro = `# The library

<!-- Generated from the sources' docstrings and declarations; \`npm run docs\` writes it again. -->

Every name that the package exports, by entry point; what is not here is not public ([stability](stability.md)). All of it is ESM. \`modelward/fastify\` loads
\`fastify-plugin\`, \`modelward/models\` the package of an ONNX or a transformers.js model when it loads one, \`modelward/prometheus\` \`prom-client\` when it is opened; the others load no other package.
How to use it: [Fastify](../guides/fastify.md), [Hono](../guides/hono.md), [Express](../guides/express.md),
[web-standard handlers](../guides/web.md), [tests](../guides/testing.md). Codes of refusals and faults: [errors.md](errors.md).

**TypeScript** 5.4 or newer, \`strict\`, \`moduleResolution\` \`nodenext\` or \`bundler\`, and \`@types/node\`; \`modelward/express\` needs \`@types/express\`.
The declarations add \`caller\` and \`config.guard\` to the types of the app's own Fastify 5, of which npm installs one.`
