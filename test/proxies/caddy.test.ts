import { lookForProgram } from '../support/services.ts'
import { describeProxy } from './promises.ts'
import { startProxy } from './start-proxy.ts'

const program = await lookForProgram('caddy')

describeProxy({
  name: 'examples/proxies/Caddyfile',
  isMissing: program === undefined,
  start: (stage, change = (text) => text) =>
    startProxy(stage, {
      program: program ?? '',
      file: 'Caddyfile',
      args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
      // At a SIGTERM it waits for what is under way.
      signal: 'SIGKILL',
      // Its own administration listens on a fixed port.
      change: (text) => change(text.replace(/^\{$/m, '{\n\tadmin off')),
    }),
  whenGone: { status: 502 },
})
