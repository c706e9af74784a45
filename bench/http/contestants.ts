import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { apiKeyHeader, bearerHeader, type Contestant, main, type Place } from '../contest/contestant.ts'

const bareFastify = fileURLToPath(import.meta.resolve('../peers/bare-fastify.ts'))
const fastifyPlugins = fileURLToPath(import.meta.resolve('../peers/fastify-plugins.ts'))
const peersFolder = fileURLToPath(new URL('../peers', import.meta.url))
/** Debian's own, for which its packages are. */
const python = '/usr/bin/python3'

/** As the peers' own: counted for each request, and never reached. */
const keyLimit = '1000000000/min'

function serve({ port, data }: Place): readonly [string, ...string[]] {
  return [process.execPath, main, 'serve', '--port', `${port}`, '--data', data]
}

/** All of them; a run is measured against `fastify`. */
export function findContestants(): readonly Contestant[] {
  return [
    {
      name: 'modelward',
      describes: 'Modelward, default settings',
      base: 'fastify',
      command: serve,
      keyHeader: apiKeyHeader,
      keyLimit,
      hasSameModel: true,
      logsRequests: false,
    },
    {
      name: 'modelward-logging',
      describes: 'Modelward, `--log-requests true`',
      base: 'fastify',
      command: (place) => [...serve(place), '--log-requests', 'true'],
      keyHeader: apiKeyHeader,
      keyLimit,
      hasSameModel: true,
      logsRequests: true,
    },
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
  const versions = `import ${modules.join(', ')}\nprint(fastapi.__version__, uvicorn.__version__)`
  const { status, stdout } = spawnSync(python, ['-c', versions], { encoding: 'utf8' })
  const [own = '', served = ''] = status === 0 ? stdout.trim().split(' ') : []
  const quiet = ['--no-access-log', '--log-level', 'warning']
  return {
    name,
    describes: `FastAPI ${own}, uvicorn ${served} on ${loop} and ${http}`,
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
