import { spawnSync } from 'node:child_process'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { apiKeyHeader, bearerHeader, type Contestant, mainOf } from '../contest/contestant.ts'
import { repositoryFolder } from '../repository-folder.ts'

const bareFastify = fileURLToPath(import.meta.resolve('../peers/bare-fastify.ts'))
const fastifyPlugins = fileURLToPath(import.meta.resolve('../peers/fastify-plugins.ts'))
const peersFolder = fileURLToPath(new URL('../peers', import.meta.url))
/** Debian's own, for which its packages are. */
const python = '/usr/bin/python3'

/** As the peers' own: counted for each request, and never reached. */
const keyLimit = '1000000000/min'

/** Modelward's rows, by what each is started with beyond its defaults. */
const variants = [
  { name: 'modelward', shown: 'default settings', flags: [] },
  { name: 'modelward-after', shown: '`--ledger-mode after`', flags: ['--ledger-mode', 'after'] },
  {
    name: 'modelward-no-limits',
    shown: 'no limits',
    flags: ['--limit-bad-keys', 'none'],
    keyLimit: 'none',
  },
  {
    name: 'modelward-logging',
    shown: '`--log-requests true`',
    flags: ['--log-requests', 'true'],
    logsRequests: true,
  },
] as const satisfies readonly Variant[]

interface Variant {
  readonly name: string
  readonly shown: string
  readonly flags: readonly string[]
  readonly keyLimit?: string
  readonly logsRequests?: boolean
}

function serverOf(
  { name, shown, flags, keyLimit: limit = keyLimit, logsRequests = false }: Variant,
  checkout: string,
): Contestant {
  return {
    name,
    describes: `Modelward, ${shown}`,
    base: 'fastify',
    command: ({ port, data }) => {
      const serve = [process.execPath, mainOf(checkout), 'serve'] as const
      return [...serve, '--port', `${port}`, '--data', data, ...flags]
    },
    checkout,
    keyHeader: apiKeyHeader,
    keyLimit: limit,
    hasSameModel: true,
    logsRequests,
  }
}

/** Each row of this checkout, and beside it that of the other one, where one is named. */
function findServers(against: string | undefined): readonly Contestant[] {
  return variants.flatMap((variant) => {
    const own = {
      ...serverOf(variant, repositoryFolder),
      ...(variant.name === 'modelward' && { sameHeaders: 'fastify-headers' }),
    }
    if (against === undefined) return [own]
    const before = `before-${variant.name}`
    const { describes, ...other } = serverOf(variant, resolve(against))
    return [
      { ...own, before },
      // Its answer may be that of another version.
      {
        ...other,
        name: before,
        describes: `${describes}, of ${basename(resolve(against))}`,
        hasSameModel: false,
      },
    ]
  })
}

/** All of them; a run is measured against `fastify`. */
export function findContestants(against?: string): readonly Contestant[] {
  return [
    ...findServers(against),
    {
      name: 'fastify',
      describes: 'bare Fastify',
      base: 'fastify',
      command: () => [process.execPath, bareFastify],
      keyHeader: undefined,
      hasSameModel: true,
      logsRequests: false,
    },
    {
      name: 'fastify-headers',
      describes: 'bare Fastify, the headers of Modelward’s answer',
      base: 'fastify',
      headersOf: 'modelward',
      command: () => [process.execPath, bareFastify],
      keyHeader: undefined,
      hasSameModel: true,
      logsRequests: false,
    },
    {
      name: 'fastify-together',
      describes: 'bare Fastify, answers leave together',
      base: 'fastify',
      command: () => [process.execPath, bareFastify, '--together'],
      keyHeader: undefined,
      hasSameModel: true,
      logsRequests: false,
    },
    {
      name: 'fastify-logging',
      describes: 'bare Fastify, `logger: true`',
      base: 'fastify',
      command: () => [process.execPath, bareFastify, '--log'],
      keyHeader: undefined,
      hasSameModel: true,
      logsRequests: true,
    },
    {
      name: 'plugins',
      describes: 'Fastify, bearer-auth, rate-limit',
      base: 'fastify',
      command: () => [process.execPath, fastifyPlugins],
      keyHeader: bearerHeader,
      hasSameModel: true,
      logsRequests: false,
    },
    ...findFastApi(),
  ]
}

/**
 * Twice: on what Debian's packages bring along, and on the faster parts that a user may add to
 * them.
 */
function findFastApi(): readonly Contestant[] {
  return [
    fastApi('fastapi', 'asyncio', 'h11', 'python3-fastapi uvicorn'),
    fastApi(
      'fastapi-fast',
      'uvloop',
      'httptools',
      'python3-fastapi uvicorn python3-uvloop python3-httptools',
    ),
  ]
}

function fastApi(name: string, loop: string, http: string, packages: string): Contestant {
  const modules = ['fastapi', 'uvicorn', loop, http]
  const versions = `import ${modules.join(', ')}\nprint('FastAPI', fastapi.__version__ + ', uvicorn', uvicorn.__version__)`
  const { status, stdout } = spawnSync(python, ['-c', versions], { encoding: 'utf8' })
  const shown = status === 0 ? stdout.trim() : 'FastAPI, uvicorn'
  const quiet = ['--no-access-log', '--log-level', 'warning']
  return {
    name,
    describes: `${shown} on ${loop} and ${http}`,
    base: 'fastify',
    ...(status === 0 ? {} : { missing: `not installed (Debian: apt-get install ${packages})` }),
    command: ({ port }) => {
      const serve = [python, '-m', 'uvicorn', 'fastapi_app:app', '--app-dir', peersFolder] as const
      return [...serve, '--port', `${port}`, '--loop', loop, '--http', http, ...quiet]
    },
    keyHeader: apiKeyHeader,
    hasSameModel: false,
    logsRequests: false,
  }
}
