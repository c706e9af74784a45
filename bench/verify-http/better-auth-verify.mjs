import { createServer } from 'node:http'
import { DatabaseSync } from 'node:sqlite'
import { json } from 'node:stream/consumers'
import { openKeys } from '../limits/peers/better-auth.mjs'

// Its verify is a function for the server's own code: this makes it a route, on Node's own server, which costs least.
const { BENCH_PORT, BENCH_KEY, BENCH_DATA } = process.env
const { verify } = await openKeys({
  key: BENCH_KEY,
  database: process.argv.includes('--sqlite') ? openFile() : undefined,
  rateLimitMax: 1_000_000_000,
  rateLimitTimeWindow: 60_000,
})

/** As SQLite opens it; `--wal`: with a write-ahead log, which waits for no disk. */
function openFile() {
  const file = new DatabaseSync(`${BENCH_DATA}.better-auth.db`)
  if (process.argv.includes('--wal')) file.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
  return file
}

async function answer(request, response) {
  const { key } = await json(request)
  const text = JSON.stringify(await verify(key))
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}

createServer((request, response) => {
  answer(request, response).catch((error) => response.writeHead(500).end(String(error)))
}).listen(Number(BENCH_PORT), '127.0.0.1')
