import { GatheredBytes } from '../../core/gathered-bytes.ts'
import type { Answer, Attempt, AttemptError, AttemptListener } from './upstream.ts'

/** Collects what one attempt brings. @param begin sends it */
export function collectAnswer(
  bytesMax: number,
  begin: (listener: AttemptListener) => Attempt,
): Promise<Answer> {
  const answer = Promise.withResolvers<Answer>()
  const gathered = new GatheredBytes()

  function giveUp(problem: string, isRefused = false): void {
    attempt.abort()
    answer.resolve({ problem, isRefused })
  }

  const attempt = begin({
    onHead(status) {
      const isRefused = status >= 400 && status < 500 && status !== 429
      if (status < 200 || status > 299) giveUp(`it answered with ${status}`, isRefused)
    },
    onPiece(piece) {
      if (gathered.length + piece.length > bytesMax) giveUp(`its answer has more than ${bytesMax} bytes`)
      else gathered.add(piece)
    },
    onEnd: () => answer.resolve({ body: gathered.take() }),
    onError: ({ message }: AttemptError) => answer.resolve({ problem: message }),
  })
  return answer.promise
}
