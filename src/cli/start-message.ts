import type { DeploymentOptions } from '../config/settings.ts'
import type { FirstKeysReport } from '../server/first-keys.ts'
import type { ChatToTry, UpstreamsAtStart } from '../server/gateway/view-start.ts'

export interface StartReport {
  readonly config: DeploymentOptions
  /** What the storage is called: a path, or a host, a database and a schema. */
  readonly place: string
  /** Where the server listens, with the port it really has. */
  readonly address: string
  /** Undefined where the data folder had keys before. */
  readonly firstKeys: FirstKeysReport | undefined
  /** The model servers behind it. @default none */
  readonly upstreams?: UpstreamsAtStart | undefined
  /** What runs a command here, such as `npx modelward`. */
  readonly program: string
}

/** What a server prints when it listens. Holds keys only if `firstKeys` does. */
export function startMessage(report: StartReport, asJson: boolean): string {
  const { config, place, address, firstKeys, upstreams } = report
  const file = firstKeys !== undefined && 'file' in firstKeys ? firstKeys.file : undefined
  if (asJson) return JSON.stringify({ listening: address, first_keys_file: file ?? null })
  const lines = [`Modelward listens on ${address} (${config.environment} keys, data in ${place})`]
  for (const { name, url, isOut, lacksModels } of upstreams?.upstreams ?? []) {
    if (isOut) lines.push(`Upstream ${name}, ${url}, is out; calls are answered 503 until it is there.`)
    if (lacksModels) lines.push(tellOfModels(name))
  }
  if (file !== undefined)
    lines.push(`First start: an admin key and a demo key are in ${file}; keep them elsewhere and delete it.`)
  if (firstKeys !== undefined && 'keys' in firstKeys) lines.push('', ...showKeys(report, firstKeys.keys))
  if (firstKeys !== undefined && 'missing' in firstKeys)
    lines.push(
      `There is no key yet. Make one: ${report.program} keys create --name admin --scope admin ${placeFlag(report)}`,
    )
  else if (firstKeys !== undefined) lines.push(...showNext(report))
  return lines.join('\n')
}

/** What its calls get, and what to write. */
function tellOfModels(name: string): string {
  const models = { NAME: { to: [{ upstream: name, model: 'NAME' }] } }
  return `Upstream ${name} serves only models that you name, and none is named: calls are answered 404. Name them in the file of --config, as ${JSON.stringify({ models })}.`
}

function showKeys(
  report: StartReport,
  { admin, demo }: { readonly admin: string; readonly demo: string },
): readonly string[] {
  return [
    'First start. These keys are shown this once:',
    '',
    `  admin  ${admin}   manages keys`,
    `  demo   ${demo}   may call the model`,
    '',
    ...showTries(report, demo),
    '',
  ]
}

/** What to try first: the built-in model, or one of a model server. */
function showTries(report: StartReport, demo: string): readonly string[] {
  const { config, upstreams, program } = report
  if (upstreams !== undefined && upstreams.chat === undefined)
    return [`What is open of the model servers: ${program} gateway routes`]
  const chat = upstreams?.chat
  // Clients of model servers read no other status of a wrong key.
  const status = chat === undefined ? config.invalidKeyStatus : 401
  const model = chat !== undefined && chat.model === undefined ? ', with one of its models for MODEL' : ''
  return [
    `Try it: a wrong key (${status}), no key (401), the demo key (an answer)${model}:`,
    '',
    ...['wrong', undefined, demo].map((key) => curl(report, chat, key)),
  ]
}

/** Where to go from a first start. */
function showNext(report: StartReport): readonly string[] {
  const { config, address, program } = report
  const signIn = config.docs === 'open' ? '' : '; sign in there with a key'
  return [
    `Documentation: ${calledAt(address)}/docs${signIn}`,
    `Another key:   ${program} keys create --name "My app" ${placeFlag(report)}`,
  ]
}

/** What leads a command to the same deployment; a database URL holds a password. */
function placeFlag({ config, place }: StartReport): string {
  return place === config.data ? `--data ${quote(config.data)}` : '--database-url …'
}

/** An address that stands for all of the machine's cannot be called. */
function calledAt(address: string): string {
  return address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}

/** A command that any POSIX shell takes as it is. */
function curl(
  { config, address }: StartReport,
  chat: ChatToTry | undefined,
  key: string | undefined,
): string {
  const header = config.scheme.includes('header')
    ? `${config.keyHeader}: ${key}`
    : `Authorization: Bearer ${key}`
  const messages = [{ role: 'user', content: 'Why is the sky blue?' }]
  const body =
    chat === undefined ? { text: 'I love this product' } : { model: chat.model ?? 'MODEL', messages }
  return [
    'curl -i',
    `${calledAt(address)}${chat?.path ?? '/predict'}`,
    ...(key === undefined ? [] : [`-H ${quote(header)}`]),
    "-H 'Content-Type: application/json'",
    `-d ${quote(JSON.stringify(body))}`,
  ].join(' ')
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
