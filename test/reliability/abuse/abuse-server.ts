// The abusers' own process: `node abuse-server.ts`, with a `Target` as JSON on standard input. On
// SIGTERM it ends, and says what it was answered.
import { text } from 'node:stream/consumers'
import { Abusers, type Target } from './abusers.ts'

const target = JSON.parse(await text(process.stdin)) as Target
const end = new AbortController()
process.on('SIGTERM', () => end.abort())
const abusers = new Abusers(target, end.signal)
await abusers.run()
console.log(JSON.stringify(abusers.counts))
process.exit(0)
