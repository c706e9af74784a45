import { Transform, type TransformCallback } from 'node:stream'
import type { RequestRecording } from '../exchange.ts'

/**
 * Lets the pieces of an answer through as they come, and holds its end back until the record of it is durable. Of an answer with a
 * length the last bytes are the end: a client that has counted them waits for nothing else.
 */
export class HeldEnd extends Transform {
  readonly #recording: RequestRecording
  #bytesLeft: number

  /** @param length bytes of the answer, where it says so */
  constructor(recording: RequestRecording, length: number | undefined) {
    super()
    this.#recording = recording
    this.#bytesLeft = length ?? Number.POSITIVE_INFINITY
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytesLeft -= chunk.length
    if (this.#bytesLeft > 0) done(null, chunk)
    else this.#hold(() => done(null, chunk), done)
  }

  override _flush(done: TransformCallback): void {
    this.#hold(() => done(), done)
  }

  #hold(release: () => void, fail: (fault: Error) => void): void {
    const waiting = this.#recording.finish()
    if (waiting === undefined) release()
    else waiting.then(release, fail)
  }
}
