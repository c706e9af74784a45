import { openModelward } from 'modelward'
import { createApp } from './app.js'

const app = await createApp(await openModelward({ data: './modelward-data' }))
app.enableShutdownHooks()
await app.listen(process.env.PORT ?? 3000, '127.0.0.1')
console.log(`listening on ${await app.getUrl()}`)
