// Loaded into the server before its own code (`--import`): answers each message with the functions
// of the main thread that ran since the last one.
import { Session } from 'node:inspector'
import { isMainThread } from 'node:worker_threads'

if (isMainThread && process.send !== undefined) {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  process.on('message', () => {
    session.post('Profiler.takePreciseCoverage', (error, coverage) => {
      process.send?.(error ?? coverage.result)
    })
  })
  // The channel alone does not keep the server running.
  process.channel?.unref()
}
