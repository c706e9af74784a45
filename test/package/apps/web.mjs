import { createServer } from 'node:http'
import { openModelward } from 'modelward'
import { guard } from 'modelward/web'

const ward = await openModelward({ data: process.argv[2] })
const { text } = await ward.keys.create({ name: 'alice', owner: 'acme', scopes: ['predict'] })
const predict = guard(ward, { scope: 'predict' }, (_request, caller) =>
  Response.json({ owner: caller.owner }),
)

const server = createServer(async ({ url, method, headers }, outgoing) => {
  const response = await predict(new Request(`http://127.0.0.1${url}`, { method, headers }))
  outgoing.writeHead(response.status, [...response.headers].flat()).end(await response.text())
})
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port, key: text })))
