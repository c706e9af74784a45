// The process beside the one that is measured: the model server, and clients of streams.
// Its parent says what to do.
import { startModelServer } from './model-server.ts'
import { askForStreams, type StreamsAsked, type StreamsSeen } from './stream-clients.ts'

/** What it says: where its model server is, and what came of each order. */
export type LoadMessage =
  | { readonly port: number }
  | { readonly seen: StreamsSeen }
  | { readonly error: string }

const model = await startModelServer()
const say = (message: LoadMessage): void => void process.send?.(message)

process.on('message', (asked: StreamsAsked) => {
  askForStreams(model, asked).then(
    (seen) => say({ seen }),
    (error: unknown) => say({ error: String(error) }),
  )
})
process.once('disconnect', () => process.exit())
say({ port: model.port })
