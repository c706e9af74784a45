import express from 'express'
import { openModelward } from 'modelward'
import { guard } from 'modelward/express'

const ward = await openModelward({ data: process.argv[2] })
const { text } = await ward.keys.create({ name: 'alice', owner: 'acme', scopes: ['predict'] })
const app = express()
app.post('/predict', guard(ward, { scope: 'predict' }), (_request, response) => {
  response.json({ owner: response.locals.caller.owner })
})

const server = app.listen(0, '127.0.0.1', () =>
  console.log(JSON.stringify({ port: server.address().port, key: text })),
)
