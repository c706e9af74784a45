// PostgreSQL, Redis and Valkey for tests and benchmarks, a standby, a pooler and a sentinel too:
// finds them or installs them, starts its own on free ports in folders of its own, and stops them
// by pid.
//
//   node scripts/services.mjs <socket>
//
// serves the socket until standard input ends, as it does when the process that started this one is
// gone, however it ended. Each line of a connection is a request, each line back its answer:
//
//   {"do":"share","service":"postgres"}   one for all who ask                → {"url","pid"}
//   {"do":"own","service":"redis"}        one that ends with the connection  → {"id","url","pid"}
//                                         with `settings`, `env`, `tls` (`key` and `cert`, PEM), and
//                                         `of`, the URL of what it stands before, behind or beside
//   {"do":"start","id":1}                 again, after it was killed         → {"id","url","pid"}
//   {"do":"stop","id":1}
//   {"do":"find","service":"nginx"}       a program that a test starts itself → {"program"}
//
// `TEST_DATABASE_URL`, `TEST_REDIS_URL` and `TEST_VALKEY_URL` name services that run already, for
// all who share one; `TEST_NGINX`, `TEST_CADDY`, `TEST_PROMETHEUS` and `TEST_PYTHON`
// name programs, `TEST_FAKETIME` a library.
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const isRoot = process.getuid?.() === 0

/** A PostgreSQL's data as `initdb` made them, the dearest part of a start: others are copies. */
let cluster
/** Theirs, with which it was made. */
const clusterPassword = randomBytes(12).toString('hex')

const services = {
  postgres: {
    variable: 'TEST_DATABASE_URL',
    package: 'postgresql',
    program: () => findProgram('postgres', postgresFolders()),
    user: 'postgres',
    ready: /database system is ready to accept (read.only )?connections/,
    prepare({ folder, program, password, of, run }) {
      if (of !== undefined) {
        // A standby, which has its primary's passwords.
        const access = ['-d', of, '-D', join(folder, 'data'), '--write-recovery-conf', '--checkpoint=fast']
        run(join(program, '..', 'pg_basebackup'), access)
        return
      }
      if (cluster !== undefined) {
        run('cp', ['-Rp', cluster, join(folder, 'data')])
        return
      }
      writeFileSync(join(folder, 'password'), password)
      own(join(folder, 'password'), 'postgres')
      const initdb = join(program, '..', 'initdb')
      const encoding = ['--encoding=UTF8', '--locale=C.UTF-8']
      const access = ['--auth=scram-sha-256', `--pwfile=${join(folder, 'password')}`]
      run(initdb, ['-D', join(folder, 'data'), '-U', 'modelward', '--no-sync', ...encoding, ...access])
      const kept = mkdtempSync(join(tmpdir(), 'modelward-postgres-'))
      own(kept, 'postgres')
      run('cp', ['-Rp', join(folder, 'data'), join(kept, 'data')])
      cluster = join(kept, 'data')
    },
    args: ({ folder, port, settings, tls }) => [
      ...['-D', join(folder, 'data'), '-h', '127.0.0.1', '-p', String(port), '-k', folder],
      ...['-c', 'max_connections=300', '-c', 'shared_buffers=64MB', '-c', 'max_wal_size=256MB'],
      // In its folder, which goes with it however it ends.
      ...['-c', 'dynamic_shared_memory_type=mmap'],
      ...(tls ? ['-c', 'ssl=on', '-c', `ssl_cert_file=${tls.cert}`, '-c', `ssl_key_file=${tls.key}`] : []),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    url: ({ port, password, tls }) =>
      `postgres://modelward:${password}@${tls ? 'localhost' : '127.0.0.1'}:${port}/postgres${tls ? '?sslmode=verify-full' : ''}`,
    // An immediate stop: it recovers at its next start, which no test's folder has.
    end: 'SIGQUIT',
  },
  redis: {
    variable: 'TEST_REDIS_URL',
    package: 'redis-server',
    program: () => findProgram('redis-server', []),
    user: undefined,
    ready: /Ready to accept connections/,
    prepare() {},
    // Its settings on standard input: a password in an argument is everyone's to read.
    input: ({ folder, port, password, of, settings, tls }) =>
      redisLines({
        ...(tls
          ? { port: 0, 'tls-port': port, 'tls-cert-file': tls.cert, 'tls-key-file': tls.key }
          : { port }),
        ...(tls && { 'tls-ca-cert-file': tls.cert, 'tls-auth-clients': 'no' }),
        bind: '127.0.0.1',
        dir: folder,
        requirepass: password,
        // Of servers that take each other's places each needs it.
        masterauth: password,
        save: '""',
        'maxmemory-policy': 'noeviction',
        'enable-debug-command': 'yes',
        ...(of !== undefined && { replicaof: hostAndPort(of) }),
        ...settings,
      }),
    args: () => ['-'],
    url: ({ port, password, tls }) =>
      tls ? `rediss://:${password}@localhost:${port}/0` : `redis://:${password}@127.0.0.1:${port}/0`,
    end: 'SIGKILL',
  },
  // The same under another name: what Redis has and Valkey has not, the limiter does not use.
  valkey: {
    variable: 'TEST_VALKEY_URL',
    package: 'valkey-server',
    // Debian 12 has it among its backports alone.
    isBackported: true,
    program: () => findProgram('valkey-server', []),
    user: undefined,
    ready: /Ready to accept connections/,
    prepare() {},
    input: (its) => services.redis.input(its),
    args: () => ['-'],
    url: (its) => services.redis.url(its),
    end: 'SIGKILL',
  },
  // Watches the Redis of `of`, as `main`.
  sentinel: {
    package: 'redis-server',
    program: () => findProgram('redis-server', []),
    ready: /\+monitor master/,
    prepare({ folder, port, password, of, settings }) {
      // It writes what it finds out into this file.
      const lines = [
        redisLines({ port, bind: '127.0.0.1', dir: folder, ...settings }),
        `sentinel monitor main ${hostAndPort(of)} 1\nsentinel auth-pass main ${password}\n`,
        'sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n',
      ]
      writeFileSync(join(folder, 'sentinel.conf'), lines.join(''), { mode: 0o600 })
    },
    args: ({ folder }) => [join(folder, 'sentinel.conf'), '--sentinel'],
    url: ({ port, password }) => `redis+sentinel://:${password}@127.0.0.1:${port}/main`,
    end: 'SIGKILL',
  },
  // In transaction mode, before the PostgreSQL of `of`.
  pgbouncer: {
    package: 'pgbouncer',
    program: () => findProgram('pgbouncer', ['/usr/sbin']),
    user: 'postgres',
    ready: /process up: /,
    prepare({ folder, port, password, of, settings }) {
      const { hostname, port: behind, username } = new URL(of)
      const file = (name, text) => {
        writeFileSync(join(folder, name), text, { mode: 0o600 })
        own(join(folder, name), 'pgbouncer')
      }
      file('users', `"${username}" "${password}"\n`)
      const rules = {
        listen_addr: '127.0.0.1',
        listen_port: port,
        unix_socket_dir: folder,
        auth_type: 'scram-sha-256',
        auth_file: join(folder, 'users'),
        pool_mode: 'transaction',
        default_pool_size: 20,
        max_client_conn: 500,
        ...settings,
      }
      const lines = Object.entries(rules).map(([name, value]) => `${name} = ${value}\n`)
      file('settings', `[databases]\n* = host=${hostname} port=${behind}\n[pgbouncer]\n${lines.join('')}`)
    },
    args: ({ folder }) => [join(folder, 'settings')],
    url: ({ port, password }) => `postgres://modelward:${password}@127.0.0.1:${port}/postgres`,
    end: 'SIGINT',
  },
  // A library that a service is started with, to set its clock.
  faketime: {
    variable: 'TEST_FAKETIME',
    package: 'libfaketime',
    program: () => process.env.TEST_FAKETIME ?? findProgram('libfaketime.so.1', faketimeFolders()),
  },
  // Each test has a configuration of its own, and starts it.
  nginx: {
    variable: 'TEST_NGINX',
    package: 'nginx',
    program: () => process.env.TEST_NGINX ?? findProgram('nginx', ['/usr/sbin']),
  },
  caddy: {
    variable: 'TEST_CADDY',
    package: 'caddy',
    program: () => process.env.TEST_CADDY ?? findProgram('caddy', []),
  },
  // One that has what the page python.md imports: the one on the path, or Debian's.
  python: {
    variable: 'TEST_PYTHON',
    package: 'python3-requests python3-httpx python3-fastapi python3-uvicorn',
    program: () => process.env.TEST_PYTHON ?? findPython('python3') ?? findPython('/usr/bin/python3'),
  },
  // `promtool` stands beside it.
  prometheus: {
    variable: 'TEST_PROMETHEUS',
    package: 'prometheus',
    program: () => process.env.TEST_PROMETHEUS ?? findProgram('prometheus', []),
  },
}

function redisLines(settings) {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('')
}

function hostAndPort(url) {
  const { hostname, port } = new URL(url)
  return `${hostname} ${port}`
}

function faketimeFolders() {
  return readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'faketime'))
}

function postgresFolders() {
  const debian = '/usr/lib/postgresql'
  if (!existsSync(debian)) return []
  return readdirSync(debian)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(debian, version, 'bin'))
}

function findProgram(name, folders) {
  const places = [...folders, ...(process.env.PATH ?? '').split(delimiter)]
  return places.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

function findPython(program) {
  const imports = 'import fastapi, httpx, requests, uvicorn, sys; print(sys.executable)'
  const { status, stdout } = spawnSync(program, ['-c', imports], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/** Only one installs at a time: a second `apt-get` would fail for the lock of the first. */
function programOf(name) {
  const service = services[name]
  const found = service.program()
  if (found !== undefined) return found
  const what = service.url === undefined ? 'its path' : 'the URL of one that runs'
  const other = service.variable === undefined ? '' : `, or set ${service.variable} to ${what}`
  const says = `no ${name}: install ${service.package}${other}`
  if (!isRoot || !existsSync('/etc/debian_version')) throw new Error(says)
  process.stderr.write(`installing ${service.package} from Debian’s packages (once) …\n`)
  const sources = service.isBackported ? sourcesWithBackports() : undefined
  const options = sources === undefined ? [] : ['-o', `Dir::Etc::sourceparts=${sources}`]
  for (const args of [
    ['update'],
    ['install', '-y', '--no-install-recommends', ...service.package.split(' ')],
  ]) {
    // RUNLEVEL: what is installed starts no service of its own.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    const { status, stderr } = spawnSync('apt-get', [...options, ...args], { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${says}; apt-get ${args[0]} failed (${status}): ${stderr}`)
  }
  if (sources !== undefined) rmSync(sources, { recursive: true })
  const installed = service.program()
  if (installed === undefined) throw new Error(says)
  return installed
}

/** A folder with the machine's lists of sources and Debian's backports, for one installation. */
function sourcesWithBackports() {
  const folder = mkdtempSync(join(tmpdir(), 'modelward-sources-'))
  const known = '/etc/apt/sources.list.d'
  if (existsSync(known))
    for (const name of readdirSync(known)) symlinkSync(join(known, name), join(folder, name))
  const { release, mirror } = findMirror()
  writeFileSync(
    join(folder, 'modelward-backports.sources'),
    [
      'Types: deb',
      `URIs: ${mirror}`,
      `Suites: ${release}-backports`,
      'Components: main',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
      '',
    ].join('\n'),
  )
  // The user that fetches reads it.
  chmodSync(folder, 0o755)
  return folder
}

/** Which Debian this is, and where it gets its packages. */
function findMirror() {
  const [, release] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8')) ?? []
  const { stdout } = spawnSync('apt-get', ['indextargets', '--format', '$(CODENAME) $(REPO_URI)'], {
    encoding: 'utf8',
  })
  const [, mirror] =
    stdout
      .split('\n')
      .map((line) => line.split(' '))
      .find(([codename]) => codename === release) ?? []
  if (mirror === undefined) throw new Error(`no source of packages names Debian's release ${release}`)
  return { release, mirror }
}

/** PostgreSQL refuses to run as root. */
function userOf(name) {
  const { user } = services[name]
  if (!isRoot || user === undefined) return {}
  const [, , uid, gid] =
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([login]) => login === user) ?? []
  if (uid === undefined) throw new Error(`there is no user ${user} to run ${name} as`)
  return { uid: Number(uid), gid: Number(gid) }
}

function own(path, service) {
  const { uid, gid } = userOf(service)
  if (uid !== undefined) chownSync(path, uid, gid)
}

async function findPort() {
  const server = createServer()
  await new Promise((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A service in a folder of its own, which goes when it is removed. */
async function createService(name, { settings = {}, env = {}, of, tls }) {
  const service = services[name]
  const program = programOf(name)
  const folder = mkdtempSync(join(tmpdir(), `modelward-${name}-`))
  own(folder, name)
  // What belongs together has one password.
  const drawn = name === 'postgres' ? clusterPassword : randomBytes(12).toString('hex')
  const password = of === undefined ? drawn : new URL(of).password
  const its = { folder, program, settings, env, of, password, port: await findPort() }
  if (tls !== undefined) its.tls = writeTls(name, folder, tls)
  const run = (command, args) => {
    const { status, stderr } = spawnSync(command, args, { cwd: folder, encoding: 'utf8', ...userOf(name) })
    if (status !== 0) throw new Error(`${command} failed (${status}): ${stderr}`)
  }
  service.prepare({ ...its, run })
  let child
  async function end() {
    const ending = child
    child = undefined
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    const ended = new Promise((resolve) => ending.once('exit', resolve))
    ending.kill('SIGCONT')
    ending.kill(service.end)
    await ended
  }
  return {
    url: service.url(its),
    pid: () => child?.pid,
    async start() {
      await end()
      // Of a PostgreSQL that was killed processes may still run, which keep a new one from starting.
      for (let tries = 1; ; tries += 1) {
        const started = await begin(service, its, userOf(name))
        if (started.child !== undefined) {
          child = started.child
          return
        }
        if (tries === 50) throw new Error(`${name} does not start: ${started.output}`)
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    },
    stop: end,
    async remove() {
      await end()
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
}

/** Writes key and certificate where only the service reads them; returns their paths. */
function writeTls(name, folder, { key, cert }) {
  const paths = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') }
  writeFileSync(paths.key, key, { mode: 0o600 })
  writeFileSync(paths.cert, cert)
  for (const path of Object.values(paths)) own(path, name)
  return paths
}

/** Resolves once it answers, or has ended with what it said. */
function begin(service, its, user) {
  const child = spawn(its.program, service.args(its), {
    cwd: its.folder,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...its.env },
    ...user,
  })
  child.stdin.on('error', () => {})
  child.stdin.end(service.input?.(its) ?? '')
  let output = ''
  return new Promise((resolve) => {
    const read = (text) => {
      if (output.length < 100_000) output += text
      if (service.ready.test(output)) resolve({ child })
    }
    child.stdout.setEncoding('utf8').on('data', read)
    child.stderr.setEncoding('utf8').on('data', read)
    child.once('error', (error) => resolve({ output: String(error) }))
    child.once('exit', () => resolve({ output }))
  })
}

/** Serves the socket until standard input ends. */
function serve(socket) {
  const shared = new Map()
  const created = new Set()
  let lastId = 0
  async function create(name, options) {
    const service = await createService(name, options)
    created.add(service)
    await service.start()
    return service
  }
  const share = (name) => {
    const { variable } = services[name]
    const url = variable && process.env[variable]
    if (url !== undefined) return { url }
    if (!shared.has(name)) shared.set(name, create(name, {}))
    return shared.get(name).then((service) => ({ url: service.url, pid: service.pid() }))
  }
  const server = createServer((connection) => {
    const owned = new Map()
    const answers = {
      share: ({ service }) => share(service),
      find: ({ service }) => ({ program: programOf(service) }),
      async own({ service: name, ...options }) {
        const service = await create(name, options)
        lastId += 1
        owned.set(lastId, service)
        return { id: lastId, url: service.url, pid: service.pid() }
      },
      async start({ id }) {
        await owned.get(id).start()
        return { id, url: owned.get(id).url, pid: owned.get(id).pid() }
      },
      async stop({ id }) {
        await owned.get(id).stop()
        return { id }
      },
    }
    connection.on('error', () => {})
    connection.on('close', () => {
      for (const service of owned.values()) {
        created.delete(service)
        service.remove().catch((error) => process.stderr.write(`${error.stack}\n`))
      }
    })
    createInterface({ input: connection }).on('line', async (line) => {
      const request = JSON.parse(line)
      try {
        connection.write(`${JSON.stringify(await answers[request.do](request))}\n`)
      } catch (error) {
        connection.write(`${JSON.stringify({ error: error.message })}\n`)
      }
    })
  })
  server.listen(socket, () => process.stdout.write('ready\n'))
  // Standard input ends with the process that holds it, by whatever signal.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})
  process.stdin.resume().on('end', async () => {
    await Promise.allSettled(shared.values())
    await Promise.allSettled([...created].map((service) => service.remove()))
    if (cluster !== undefined) rmSync(join(cluster, '..'), { recursive: true, force: true })
    process.exit(0)
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(process.argv[2])
