// `node --import`: says on standard output where a server listens, in the place of an app that does
// not say it itself.
import { subscribe } from 'node:diagnostics_channel'

subscribe('tracing:net.server.listen:asyncEnd', ({ server }) => {
  const { family, port } = server.address()
  if (family === 'IPv4') console.log(`listening on http://127.0.0.1:${port}`)
})
